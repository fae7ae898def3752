/** `sallyport rollout` as a user runs it: the steps it writes, what it refuses, and what it says of a log. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { parse } from "yaml";
import { sallyport } from "./program.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-rollout-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function policy(file: string, endpoint: string, { name = "shop", more = "" } = {}): string {
  const path = join(folder, file);
  const rule = `rules:\n  - { name: only, callers: [spiffe://example.org/web], allow: [${endpoint}]${more} }\n`;
  const limits = "fleet: { replicas: 2 }\nlimits: { all: { rate: 100/s, scope: fleet }, own: { rate: 100/s } }\n";
  writeFileSync(
    path,
    `version: 1\nname: ${name}\ntrust: { domains: [example.org] }\n${more === "" ? "" : limits}${rule}`,
  );
  return path;
}

const old = policy("old.yaml", "GET /a");
const next = policy("new.yaml", "GET /b");
const digest = "a".repeat(64);
const images = ["--image", "r.example.org/shop:2", "--sha256", digest, "--old-image", "r.example.org/shop:1"];
const mesh = [...images, "--old-sha256", "b".repeat(64)];

describe("usage: exit 2 with the way out", () => {
  const other = policy("other.yaml", "GET /a", { name: "other" });
  const cases: [args: string[], says: RegExp][] = [
    [[old, next], /say which system runs the filter.* --for envoy -o rollout.* --log access\.log/su],
    [[old, next, "--for", "envoy"], /where to write the steps/u],
    [[old, other, "--for", "envoy", "-o", folder], /policy `shop`, and .*`other`: give both one name/u],
    [[old, next, "--for", "istio", "-o", folder, "--selector", "app=a"], /say where the module is/u],
    [[old, next, "--for", "envoy", "-o", folder, ...mesh], /--image is not for envoy/u],
    [[old, next, "--log", join(folder, "nowhere.log")], /cannot read .*nowhere\.log/u],
  ];
  for (const [args, says] of cases) {
    test(args.map((arg) => arg.replace(folder, "…")).join(" "), () => {
      const { code, stderr } = sallyport(["rollout", ...args]);
      assert.match(stderr.replaceAll(/\s+/gu, " "), says);
      assert.equal(code, 2);
    });
  }
});

test("Envoy: the first step leaves the filter that enforces as it is", () => {
  const output = join(folder, "envoy");
  const { code, stdout } = sallyport(["rollout", old, next, "--for", "envoy", "-o", output]);
  assert.equal(code, 0);
  assert.deepEqual(readdirSync(join(output, "1-shadow")).sort(), ["ecds-next.yaml", "lds.yaml"]);
  const listener = parse(readFileSync(join(output, "1-shadow/lds.yaml"), "utf8")).resources[0];
  const manager = listener.filter_chains[0].filters[0].typed_config;
  assert.deepEqual(
    manager.http_filters.map(({ name }: { name: string }) => name),
    ["sallyport-next", "sallyport", "enforcement-check", "envoy.filters.http.router"],
  );
  const enforced = parse(readFileSync(join(output, "2-enforce/ecds.yaml"), "utf8")).resources[0].typed_config.config;
  const { filename } = enforced.vm_config.code.local;
  assert.match(filename, /^\/etc\/sallyport\/sallyport-[0-9a-f]{8}\.wasm$/u);
  assert.equal(enforced.configuration, undefined);
  assert.match(stdout, new RegExp(`sallyport build ${next} -o ${filename.slice("/etc/sallyport/".length)} `, "u"));
  assert.match(stdout, /1 gained, 1 lost/u);
});

for (const [system, more, file] of [
  ["istio", ["--selector", "app=orders"], "65-wasm-plugin-next.yaml"],
  ["envoy-gateway", ["--gateway", "eg"], "40-filter.yaml"],
] as const) {
  test(`${system}: the new policy is tried by the new image, and the old image enforces meanwhile`, () => {
    const output = join(folder, system);
    const args = ["--for", system, "-o", output, ...mesh, ...more];
    const { code, stderr, stdout } = sallyport(["rollout", old, next, ...args]);
    assert.equal(stderr, "");
    assert.equal(code, 0);
    // Whoever copies the lines gives kubectl resources and nothing else.
    const given = [...stdout.matchAll(/kubectl apply( -f \S+)+$/gmu)].flatMap(([line]) => line.split(" -f ").slice(1));
    assert.ok(given.includes(join(output, "1-shadow", file)), stdout);
    for (const path of given) assert.match(readFileSync(path, "utf8"), /^kind: \w+$/mu, path);
    assert.doesNotMatch(stdout, /kustomization\.yaml/u);
    assert.equal(/mesh-config\.yaml is no resource/u.test(stdout), system === "istio");
    const tried = readFileSync(join(output, "1-shadow", file), "utf8");
    assert.match(tried, new RegExp(digest, "u"));
    assert.match(tried, /record: next/u);
    assert.ok(!existsSync(join(output, "1-shadow/kustomization.yaml")), "it would name files that are not there");
    const files = (step: string): string => readdirSync(join(output, step)).join();
    assert.equal(files("2-enforce"), files("back"));
  });
}

test("modules by URL: the digests are those of what `build` makes of each policy", () => {
  const output = join(folder, "urls");
  const urls = ["--url", "https://r.example.org/new.wasm", "--old-url", "https://r.example.org/old.wasm"];
  const args = ["--for", "istio", "--namespace", "shop", "--selector", "app=orders", "-o", output, ...urls];
  assert.equal(sallyport(["rollout", old, next, ...args]).code, 0);
  const sha256 = (path: string): string => parse(readFileSync(join(output, path), "utf8")).spec.sha256;
  const [tried, then, now] = ["1-shadow/65-wasm-plugin-next", "2-enforce/70-wasm-plugin", "back/70-wasm-plugin"].map(
    (name) => sha256(`${name}.yaml`),
  );
  assert.equal(tried, then);
  assert.notEqual(now, then);
});

test("trust keys: every module but the trial's has them, and no file can be taken for another", () => {
  const keys = join(folder, "keys");
  assert.equal(sallyport(["keygen", "-o", keys]).code, 0);
  const key = join(keys, readdirSync(keys).find((name) => name.includes("pub"))!);
  const output = join(folder, "trusting");
  const args = ["--for", "envoy", "-o", output, "--trust-key", key];
  const { code, stdout } = sallyport(["rollout", old, next, ...args]);
  assert.equal(code, 0);
  const builds = [...stdout.matchAll(/sallyport build (\S+) (--trust-key \S+ )?-o (\S+)/gu)].map(
    ([, path, trusted, file]) => [path === old ? "old" : "new", trusted !== undefined, file!] as const,
  );
  assert.deepEqual(
    builds.map(([policyOf, trusted]) => [policyOf, trusted]),
    [
      ["new", false],
      ["new", true],
      ["old", true],
    ],
  );
  assert.equal(new Set(builds.map(([, , file]) => file)).size, 3);
  const moduleOf = (path: string): string =>
    parse(readFileSync(join(output, path), "utf8")).resources[0].typed_config.config.vm_config.code.local.filename;
  const files = ["1-shadow/ecds-next.yaml", "2-enforce/ecds.yaml", "back/ecds.yaml"].map(moduleOf);
  assert.deepEqual(
    files,
    builds.map(([, , file]) => `/etc/sallyport/${file}`),
  );
  const refused = sallyport([
    "rollout",
    old,
    next,
    "--for",
    "istio",
    "-o",
    output,
    ...mesh,
    "--selector",
    "a=b",
    "--trust-key",
    key,
  ]);
  assert.match(refused.stderr.replaceAll(/\s+/gu, " "), /a module with trust keys takes no policy that is not signed/u);
  assert.equal(refused.code, 2);
});

test("where signed images are in force, they are what is rolled out, and the way back has the newest version", () => {
  const at = (name: string): string => join(folder, name);
  const ok = (...args: string[]): string => {
    const { code, stdout, stderr } = sallyport(args);
    assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  const keys = at("signers");
  for (const name of ["signing", "other"]) ok("keygen", "-o", keys, "--name", name);
  const sign = (path: string, version: string, to: string, key = "signing"): string => {
    ok("image", path, "--sign", join(keys, `${key}.key.pem`), "--image-version", version, "-o", at(to));
    return at(to);
  };
  const place = ["--for", "envoy", "-o", at("signed")];
  const trust = [...place, "--trust-key", join(keys, "signing.pub.pem")];
  const [eight, nine] = [sign(next, "8", "next8.bin"), sign(old, "9", "old9.bin")];
  const warned = ok("rollout", old, next, ...trust);
  assert.match(warned, /Only where no signed image of `shop` has been in force.*every request would be denied/u);
  const said = ok("rollout", old, next, ...trust, "--signed", eight, "--old-signed", nine);
  assert.match(said, /signed image of version 8, that of the way back version 9/u);
  assert.doesNotMatch(said, /Only where no signed image/u);
  assert.deepEqual(readdirSync(at("signed/1-shadow")).sort(), ["ecds-next.yaml", "lds.yaml"]);
  for (const [step, file] of [
    ["2-enforce", eight],
    ["back", nine],
  ] as const) {
    const [{ typed_config }] = parse(readFileSync(at(`signed/${step}/ecds.yaml`), "utf8")).resources;
    const { policy: image, ...others } = JSON.parse(typed_config.config.configuration.value);
    assert.deepEqual(Buffer.from(image, "base64"), readFileSync(file));
    assert.deepEqual(others, {});
  }
  const damaged = at("damaged.bin");
  const bytes = readFileSync(eight);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(damaged, bytes);
  const ended = at("ended.bin");
  const end = ["--expires", "2020-01-01T00:00:00Z"];
  ok("image", next, "--sign", join(keys, "signing.key.pem"), "--image-version", "8", ...end, "-o", ended);
  ok("image", next, "-o", at("plain.bin"));
  const cases: [string[], RegExp][] = [
    [[...trust, "--signed", eight], /give both --signed and --old-signed/u],
    [[...place, "--signed", eight, "--old-signed", nine], /give the keys with --trust-key/u],
    [[...trust, "--signed", eight, "--old-signed", sign(old, "8", "old8.bin")], /sign \S+ with a higher version/u],
    [[...trust, "--signed", nine, "--old-signed", nine], /has image [0-9a-f]{8}, and \S+ makes image [0-9a-f]{8}/u],
    [[...trust, "--signed", sign(next, "8", "o.bin", "other"), "--old-signed", nine], /which is no --trust-key/u],
    [[...trust, "--signed", damaged, "--old-signed", nine], /has a wrong signature/u],
    [[...trust, "--signed", ended, "--old-signed", nine], /has ended/u],
    [[...trust, "--signed", at("plain.bin"), "--old-signed", nine], /is no signed policy image/u],
    [[...trust, "--signed", at("none.bin"), "--old-signed", nine], /cannot read/u],
  ];
  for (const [args, says] of cases) {
    const { code, stderr } = sallyport(["rollout", old, next, ...args]);
    assert.match(stderr.replaceAll(/\s+/gu, " "), says, args.join(" "));
    assert.equal(code, 2);
  }
});

test("a name whose trial would have the same one is refused", () => {
  const long = policy("long.yaml", "GET /a", { name: `${"x".repeat(59)}-next` });
  const { code, stderr } = sallyport(["rollout", long, long, "--for", "envoy", "-o", join(folder, "long")]);
  assert.match(stderr.replaceAll(/\s+/gu, " "), /give it a shorter one/u);
  assert.equal(code, 2);
});

test("the first limit of a fleet, and the last: its service is in the manifests of those that ask it", () => {
  const fleet = policy("first.yaml", "GET /a", { more: ", limit: all" });
  const service = ["--ratelimit", "127.0.0.1:8081"];
  for (const [name, from, to] of [
    ["first", old, fleet],
    ["last", fleet, old],
  ] as const) {
    const output = join(folder, name);
    const { code, stderr, stdout } = sallyport(["rollout", from, to, "--for", "envoy", "-o", output, ...service]);
    assert.equal(code, 0, stderr);
    const names = (step: string): boolean =>
      parse(readFileSync(join(output, step, "bootstrap.yaml"), "utf8")).static_resources.clusters.some(
        (cluster: { name: string }) => cluster.name === "ratelimit",
      );
    assert.deepEqual([names("2-enforce"), names("back")], [to === fleet, from === fleet]);
    if (to === fleet) assert.ok(names("1-shadow"), "the new policy's servers are there before it is");
    assert.match(stdout, /start Envoy again/u);
  }
  const neither = sallyport(["rollout", old, next, "--for", "envoy", "-o", join(folder, "neither"), ...service]);
  assert.match(neither.stderr, /--ratelimit is for policies with/u);
  assert.equal(neither.code, 2);
});

test("trusted hops are heeded by the policy that reads forwarded addresses", () => {
  const forwarded = join(folder, "forwarded.yaml");
  writeFileSync(
    forwarded,
    readFileSync(next, "utf8").replace("domains: [example.org]", "domains: [example.org], sourceAddress: forwarded"),
  );
  const output = join(folder, "hops");
  const args = ["--for", "envoy", "-o", output, "--trusted-hops", "3"];
  assert.equal(sallyport(["rollout", old, forwarded, ...args]).code, 0);
  const hops = (step: string): number =>
    parse(readFileSync(join(output, step, "lds.yaml"), "utf8")).resources[0].filter_chains[0].filters[0].typed_config
      .xff_num_trusted_hops;
  assert.deepEqual(["1-shadow", "2-enforce", "back"].map(hops), [0, 3, 0]);
});

test("limits of the fleet are left out of what is tried, and it says so", () => {
  const fleet = policy("fleet.yaml", "GET /a", { more: ", limit: [all, own]" });
  const place = ["--for", "envoy", "-o", join(folder, "fleet"), "--ratelimit", "127.0.0.1:8081"];
  const { code, stdout } = sallyport(["rollout", fleet, fleet, ...place]);
  assert.equal(code, 0);
  assert.match(stdout, /tried without these limits, of a fleet or of hops: all\./u);
});

describe("a log", () => {
  const record = (name: string, decision: string, path = "/a"): string =>
    JSON.stringify({ admit: true, policy: name, decision, reason: decision === "allow" ? "allowed" : "no_rule", path });
  const log = (...lines: object[]): string => {
    const path = join(folder, "access.log");
    writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    return path;
  };
  const same = { record: record("shop", "allow"), next: record("shop-next", "allow") };

  test("exit 0 where nothing that is admitted would be denied", () => {
    const { code, stdout } = sallyport(["rollout", old, next, "--log", log(same, same)]);
    assert.equal(stdout.split("\n")[0], "2 requests judged by both, 2 of them alike");
    assert.equal(code, 0);
  });

  test("exit 1 where something would be, and what callers sent cannot write to a terminal", () => {
    const lost = { record: record("shop", "allow"), next: record("shop-next", "deny", "/\u001b[31m") };
    const { code, stdout } = sallyport(["rollout", old, next, "--log", log(same, lost)]);
    assert.match(stdout, /1 admitted now, and denied by the new policy\n- 1 × \(no caller\) {2}\/.*no_rule/u);
    assert.ok(!stdout.includes("\u001b"), "an escape sequence came through");
    assert.equal(code, 1);
  });

  test("exit 1 where no request has both records, with the way out", () => {
    const { code, stdout } = sallyport(["rollout", old, next, "--log", log({ record: record("shop", "allow") })]);
    assert.match(stdout, /is the first step applied/u);
    assert.equal(code, 1);
  });
});
