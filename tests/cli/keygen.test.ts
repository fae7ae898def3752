/** `keygen`, `image --sign` and `build --trust-key`: keys, signed images, the modules that take them, and what is refused before anything is written. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPublicKey, verify } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { readBuilt } from "../../scripts/policy/module/embed.ts";
import { readEnvelope } from "../../scripts/policy/signed/envelope.ts";
import { folderWith, plain_policy, sallyport } from "./program.ts";

const files = { "policy.yaml": plain_policy };
const sign = ["image", "policy.yaml", "--sign", "signing.key.pem"];

/** A run that has to end well; what it wrote on standard output. */
function run(cwd: string, args: string[]): string {
  const { code, stdout, stderr } = sallyport(args, { cwd });
  assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** A run that has to end with 2; what it said. */
function refused(cwd: string, args: string[]): string {
  const { code, stderr } = sallyport(args, { cwd });
  assert.equal(code, 2, `${args.join(" ")}: ${stderr}`);
  return stderr;
}

test("keygen writes a pair, the private half for its owner alone, and writes nothing over", (context) => {
  const folder = folderWith(context);
  const said = run(folder, ["keygen", "-o", "keys"]);
  const [, id] = /^keys\/signing\.key\.pem: the private key of ([0-9a-f]{16}),/u.exec(said)!;
  const [key, pub] = ["key", "pub"].map((half) => join(folder, `keys/signing.${half}.pem`)) as [string, string];
  assert.equal(statSync(key).mode & 0o777, 0o600);
  const jwk = createPublicKey(readFileSync(pub)).export({ format: "jwk" });
  assert.equal(jwk.crv, "Ed25519");
  assert.equal(Buffer.from(jwk.x!, "base64url").toString("hex").slice(0, 16), id);
  assert.deepEqual(createPublicKey(readFileSync(key)).export({ format: "jwk" }), jwk);
  const before = readFileSync(key, "utf8");
  assert.match(
    refused(folder, ["keygen", "-o", "keys"]),
    /keys\/signing\.key\.pem exists, and a key is never written over/u,
  );
  assert.equal(readFileSync(key, "utf8"), before);
  const { keyId } = JSON.parse(run(folder, ["keygen", "-o", "keys", "--name", "next", "--format", "json"]));
  assert.notEqual(keyId, id);
  assert.deepEqual(readdirSync(join(folder, "keys")).sort(), [
    "next.key.pem",
    "next.pub.pem",
    "signing.key.pem",
    "signing.pub.pem",
  ]);
  // The public half alone is in the way, too, and the private one is not left behind.
  writeFileSync(join(folder, "half.pub.pem"), "");
  refused(folder, ["keygen", "--name", "half"]);
  assert.equal(existsSync(join(folder, "half.key.pem")), false);
});

test("a signed image: what it says, the same bytes each time, and a signature that others can verify", (context) => {
  const folder = folderWith(context, files);
  run(folder, ["keygen"]);
  const expires = ["--expires", "2100-01-01T01:00:00+01:00"];
  const said = run(folder, [...sign, "--image-version", "7", ...expires, "-o", "one.bin"]);
  assert.match(said, /, image [0-9a-f]{8}, version 7, signed by key [0-9a-f]{16}, until 2100-01-01T00:00:00Z$/mu);
  const told = JSON.parse(
    run(folder, [...sign, "--image-version", "7", ...expires, "-o", "two.bin", "--format", "json"]),
  );
  assert.deepEqual([told.version, told.expires], [7, "2100-01-01T00:00:00Z"]);
  const bytes = readFileSync(join(folder, "one.bin"));
  assert.deepEqual(readFileSync(join(folder, "two.bin")), bytes);
  assert.equal(told.bytes, bytes.length);
  assert.match(run(folder, [...sign, "--image-version", "7", "-o", "three.bin"]), /, without an end$/mu);
  run(folder, ["image", "policy.yaml", "-o", "plain.bin"]);
  const { image, ...says } = readEnvelope(bytes)!;
  assert.deepEqual(says, { version: 7, expiresSeconds: 4102444800, keyId: told.keyId });
  assert.deepEqual(Buffer.from(image), readFileSync(join(folder, "plain.bin")));
  const key = createPublicKey(readFileSync(join(folder, "signing.pub.pem")));
  assert.equal(verify(null, bytes.subarray(0, -64), key, bytes.subarray(-64)), true);
  assert.match(
    refused(folder, [...sign, "--image-version", "8", "-o", "plain.bin"]),
    /exists and is no signed policy image/u,
  );
});

test("build --trust-key: the module takes what these keys have signed, and says which they are", (context) => {
  const folder = folderWith(context, files);
  for (const name of ["signing", "next", "other"]) run(folder, ["keygen", "--name", name]);
  const trust = ["--trust-key", "signing.pub.pem", "--trust-key", "next.pub.pem"];
  const said = run(folder, ["build", "policy.yaml", ...trust]);
  const [, first, second] =
    /^ {2}takes, beside this policy, only images of `shop` that key ([0-9a-f]{16}) or ([0-9a-f]{16}) has signed$/mu.exec(
      said,
    )!;
  const told = JSON.parse(run(folder, ["build", "policy.yaml", ...trust, "--format", "json"]));
  assert.deepEqual([told.trustKeys, told.minimumVersion], [[first, second], null]);
  const module = readFileSync(join(folder, "sallyport.wasm"));
  assert.equal(readBuilt(module)!.trustKeys.length, 2);
  for (const [name, isTaken] of [
    ["signing", true],
    ["next", true],
    ["other", false],
  ] as const) {
    run(folder, ["image", "policy.yaml", "--sign", `${name}.key.pem`, "--image-version", "1", "-o", `${name}.bin`]);
    const { ok } = PluginHost.load(module).startPlugin(pluginConfiguration(readFileSync(join(folder, `${name}.bin`))));
    assert.equal(ok, isTaken, name);
  }
  // Without the option it is the module it always was.
  run(folder, ["build", "policy.yaml", "-o", "plain.wasm"]);
  assert.deepEqual(readBuilt(readFileSync(join(folder, "plain.wasm")))!.trustKeys, []);
});

test("keys that OpenSSL made", (context) => {
  const folder = folderWith(context, files);
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  openssl("genpkey", "-algorithm", "ed25519", "-out", "signing.key.pem");
  openssl("pkey", "-in", "signing.key.pem", "-pubout", "-out", "signing.pub.pem");
  run(folder, [...sign, "--image-version", "1"]);
  run(folder, ["build", "policy.yaml", "--trust-key", "signing.pub.pem"]);
  const bytes = readFileSync(join(folder, "policy.bin"));
  const host = PluginHost.load(readFileSync(join(folder, "sallyport.wasm")));
  assert.equal(host.startPlugin(pluginConfiguration(bytes)).ok, true);
  // And what OpenSSL says of our signature.
  writeFileSync(join(folder, "signed"), bytes.subarray(0, -64));
  writeFileSync(join(folder, "signature"), bytes.subarray(-64));
  openssl(
    "pkeyutl",
    "-verify",
    "-pubin",
    "-inkey",
    "signing.pub.pem",
    "-rawin",
    "-in",
    "signed",
    "-sigfile",
    "signature",
  );
  openssl("genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:secret", "-out", "locked.key.pem");
  openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ec.key.pem");
  openssl("ec", "-in", "ec.key.pem", "-pubout", "-out", "ec.pub.pem");
  const version = ["--image-version", "2"];
  assert.match(
    refused(folder, ["image", "policy.yaml", "--sign", "locked.key.pem", ...version]),
    /is encrypted; decrypt it/u,
  );
  assert.match(
    refused(folder, ["image", "policy.yaml", "--sign", "ec.key.pem", ...version]),
    /type ec; policies are signed with Ed25519/u,
  );
  assert.match(
    refused(folder, ["build", "policy.yaml", "--trust-key", "ec.pub.pem"]),
    /type ec; policies are signed with Ed25519/u,
  );
});

test("wrong usage is refused, and nothing is written", (context) => {
  const held = plain_policy.replace("name: shop", "name: shop\nminimumVersion: 12");
  // The point of order 4 with y = 0.
  const weak = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), Buffer.alloc(32)]).toString("base64");
  const folder = folderWith(context, {
    ...files,
    "held.yaml": held,
    "weak.pub.pem": `-----BEGIN PUBLIC KEY-----\n${weak}\n-----END PUBLIC KEY-----\n`,
    "text.pem": "no key",
    "broken.pem": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
  });
  run(folder, ["keygen"]);
  const trust = (name: string): string[] => ["build", "policy.yaml", "--trust-key", name];
  const cases: [string[], RegExp][] = [
    [sign, /a signed image has a version: give --image-version/u],
    [["image", "policy.yaml", "--image-version", "7"], /part of what is signed: give the key with --sign/u],
    [["image", "policy.yaml", "--expires", "2100-01-01T00:00:00Z"], /part of what is signed/u],
    ...["0", "-1", "1.5", "4294967296", "x"].map((text): [string[], RegExp] => [
      [...sign, "--image-version", text],
      /a whole number from 1 to 4294967295/u,
    ]),
    [[...sign, "--image-version", "1", "--expires", "soon"], /2026-11-21T10:00:00Z/u],
    [[...sign, "--image-version", "1", "--expires", "2200-01-01T00:00:00Z"], /between 1970 and 2106/u],
    [
      ["image", "held.yaml", ...sign.slice(2), "--image-version", "11"],
      /older than the policy's own `minimumVersion`, 12/u,
    ],
    [["image", "policy.yaml", "--sign", "signing.pub.pem", "--image-version", "1"], /this is no private key in PEM/u],
    [["image", "policy.yaml", "--sign", "none.pem", "--image-version", "1"], /cannot read none\.pem/u],
    [trust("signing.key.pem"), /this is a private key; a module gets the public one/u],
    [trust("text.pem"), /no public key in PEM/u],
    [trust("broken.pem"), /cannot be read as a public key/u],
    [trust("weak.pub.pem"), /a point of small order/u],
    [[...trust("signing.pub.pem"), "--trust-key", "signing.pub.pem"], /the same key as signing\.pub\.pem/u],
  ];
  for (const [args, says] of cases) assert.match(refused(folder, args), says, args.join(" "));
  assert.deepEqual(
    readdirSync(folder).filter((name) => /\.(bin|wasm)$/u.test(name)),
    [],
  );
});

test("minimumVersion: build tells it, and that it has no effect without trust keys", (context) => {
  const folder = folderWith(context, {
    "policy.yaml": plain_policy.replace("name: shop", "name: shop\nminimumVersion: 12"),
  });
  run(folder, ["keygen"]);
  assert.match(
    run(folder, ["build", "policy.yaml"]),
    /^ {2}`minimumVersion` has no effect in a module without --trust-key$/mu,
  );
  const said = run(folder, ["build", "policy.yaml", "--trust-key", "signing.pub.pem"]);
  assert.match(said, /only images of `shop` of version 12 or newer that key [0-9a-f]{16} has signed/u);
  assert.match(run(folder, [...sign, "--image-version", "12"]), /version 12, signed by key/u);
});

test("minimumVersion: what it may not be, and lowering it is a gain that diff tells", (context) => {
  const withVersion = (version: string): string =>
    plain_policy.replace("name: shop", `name: shop${version === "" ? "" : `\nminimumVersion: ${version}`}`);
  const versions = { twelve: "12", eleven: "11", none: "", zero: "0", half: "1.5", large: "4294967296", text: "x" };
  const folder = folderWith(
    context,
    Object.fromEntries(Object.entries(versions).map(([name, version]) => [`${name}.yaml`, withVersion(version)])),
  );
  for (const name of ["zero", "half", "large"])
    assert.match(
      refused(folder, ["check", `${name}.yaml`]),
      /`minimumVersion` must be a whole number from 1 to 4294967295/u,
    );
  assert.match(refused(folder, ["check", "text.yaml"]), /`minimumVersion` is text, but must be a whole number/u);
  const compared = (old: string, next: string): [number | null, string] => {
    const { code, stdout } = sallyport(["diff", `${old}.yaml`, `${next}.yaml`, "--no-new-access"], { cwd: folder });
    return [code, /^([+~-] .*)$/mu.exec(stdout)?.[1] ?? ""];
  };
  assert.deepEqual(compared("twelve", "eleven"), [1, "+ minimumVersion: 12 → 11 (may admit more)"]);
  assert.deepEqual(compared("twelve", "none"), [1, "+ minimumVersion: 12 → none (may admit more)"]);
  assert.deepEqual(compared("eleven", "twelve"), [0, "~ minimumVersion: 11 → 12"]);
  assert.deepEqual(compared("none", "twelve"), [0, "~ minimumVersion: none → 12"]);
});

test("what is in shadow mode enforces nothing, and build and image say so; signed without an end, that is noted", (context) => {
  const shadow = plain_policy.replace("name: shop", "name: shop\nmode: shadow");
  const folder = folderWith(context, { ...files, "shadow.yaml": shadow });
  run(folder, ["keygen"]);
  const version = ["--sign", "signing.key.pem", "--image-version", "1", "-o", "signed.bin"];
  const say = (...args: string[]): string => {
    const { code, stdout, stderr } = sallyport(args, { cwd: folder });
    assert.equal(code, 0, stderr);
    return stderr + stdout;
  };
  const words = /image [0-9a-f]{8}.*, in shadow mode: it enforces nothing$/mu;
  const note = /^note: a signed policy in shadow mode lets every request through/mu;
  assert.match(say("build", "shadow.yaml"), words);
  assert.match(say("image", "shadow.yaml"), words);
  assert.doesNotMatch(say("image", "shadow.yaml"), note);
  const signed = say("image", "shadow.yaml", ...version);
  assert.match(signed, words);
  assert.match(signed, note);
  assert.match(signed, /\[shadow_mode\]/u);
  assert.doesNotMatch(say("image", "shadow.yaml", ...version, "--expires", "2100-01-01T00:00:00Z"), note);
  assert.equal(JSON.parse(run(folder, ["image", "shadow.yaml", ...version, "--format", "json"])).mode, "shadow");
  assert.doesNotMatch(say("image", "policy.yaml", ...version), /shadow/u);
});

test("an end that has passed is noted, since a build may be repeated", (context) => {
  const folder = folderWith(context, files);
  run(folder, ["keygen"]);
  const { code, stderr } = sallyport([...sign, "--image-version", "1", "--expires", "2020-01-01T00:00:00Z"], {
    cwd: folder,
  });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^note: --expires has passed: no module takes this image$/mu);
});

test("oci, manifest and status know of trust keys", (context) => {
  const folder = folderWith(context, {
    "policy.yaml": plain_policy.replace("name: shop", "name: shop\nminimumVersion: 12"),
  });
  run(folder, ["keygen"]);
  const trust = ["--trust-key", "signing.pub.pem"];
  const { keyId } = JSON.parse(run(folder, [...sign, "--image-version", "12", "--format", "json"]));
  run(folder, ["build", "policy.yaml", ...trust]);
  const { annotations, moduleSha256 } = JSON.parse(
    run(folder, ["oci", "policy.yaml", ...trust, "--no-revision", "-o", "image", "--format", "json"]),
  );
  assert.equal(annotations["sallyport.policy.minimumVersion"], "12");
  assert.equal(annotations["sallyport.policy.trustKeys"], keyId);
  assert.equal(
    moduleSha256,
    execFileSync("sha256sum", [join(folder, "sallyport.wasm")], { encoding: "utf8" }).slice(0, 64),
  );
  const place = ["--for", "istio", "--url", "https://modules.example.org/sallyport.wasm", "--selector", "app=shop"];
  assert.ok(
    run(folder, ["manifest", "policy.yaml", ...place, ...trust]).includes(moduleSha256),
    "no digest of the module",
  );
  assert.equal(run(folder, ["manifest", "policy.yaml", ...place]).includes(moduleSha256), false);
  assert.match(
    refused(folder, ["manifest", "policy.yaml", "--for", "envoy", ...trust]),
    /--trust-key is not for envoy: leave it out/u,
  );
});
