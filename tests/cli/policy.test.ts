/** `check`, `image`, `build`, `init` and wrong usage: what is said where, and what the program ends with. */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { verbs } from "../../scripts/commands/verbs.ts";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import { markOf } from "../../scripts/envoy/enforcement.ts";
import { extractImage } from "../../scripts/policy/module/embed.ts";
import { folderWith, plain_policy, sallyport } from "./program.ts";

const codeOf = ({ code }: { code: string }): string => code;

/** A policy whose callers are known by JWT-SVIDs, with the keys in `bundle.json`. */
const svid_policy = plain_policy.replace(
  /trust:.*/u,
  "trust: { domains: [example.org], identity: jwt-svid, jwtSvid: { audiences: [api], bundles: { example.org: { file: bundle.json } } } }",
);

const broken = plain_policy.replace("callers:", "callrs:");

test("check: a sound policy ends with 0, warnings on stderr", (context) => {
  const folder = folderWith(context, { "policy.yaml": plain_policy });
  const { code, stdout, stderr } = sallyport(["check", "policy.yaml"], { cwd: folder });
  assert.equal(code, 0);
  assert.equal(stdout, "policy.yaml: sound: 1 rule, 1 warning\n");
  assert.match(
    stderr,
    /^policy\.yaml:5:11: warning: .*\[anonymous_rule\]\n {2}5 \| {3}- name: health\n {4}\| {11}\^\n$/u,
  );
});

test("check --format json: errors and warnings", (context) => {
  const folder = folderWith(context, { "policy.yaml": plain_policy, "broken.yaml": broken });
  const sound = sallyport(["check", "policy.yaml", "--format", "json"], { cwd: folder });
  assert.equal(sound.code, 0);
  const { errors, warnings } = JSON.parse(sound.stdout);
  assert.deepEqual(errors, []);
  assert.deepEqual(Object.keys(warnings[0]), ["file", "line", "column", "code", "message"]);

  const invalid = sallyport(["check", "broken.yaml", "--format", "json"], { cwd: folder });
  assert.equal(invalid.code, 2);
  const found = JSON.parse(invalid.stdout).errors.find((one: { code: string }) => one.code === "unknown_key");
  assert.deepEqual([found.file, found.line, found.column], ["broken.yaml", 6, 5]);
  assert.match(found.message, /did you mean `callers`\?/u);
});

test("check: an invalid policy ends with 2 and shows the place", (context) => {
  const folder = folderWith(context, { "policy.yaml": broken });
  const { code, stdout, stderr } = sallyport(["check", "policy.yaml"], { cwd: folder });
  assert.equal(code, 2);
  assert.equal(stdout, "");
  assert.match(
    stderr,
    /policy\.yaml:6:5: error: .*did you mean `callers`\?.*\n {2}6 \| {5}callrs: \[anonymous\]\n {4}\| {5}\^/u,
  );
  assert.ok(!stderr.includes("\u001b"), "no colour where nobody looks");
});

test("check: what a policy says cannot steer the terminal", (context) => {
  const folder = folderWith(context, { "policy.yaml": `"\\e[2Jx\\n": 1\n${plain_policy}` });
  const { code, stderr } = sallyport(["check", "policy.yaml"], { cwd: folder });
  assert.equal(code, 2);
  assert.match(stderr, /^policy\.yaml:1:1: error: a policy has no key ` \[2Jx `/mu);
});

test("check: a file that is not there, a folder, and bytes that are no text", (context) => {
  const folder = folderWith(context);
  writeFileSync(join(folder, "latin1.yaml"), Uint8Array.from([0x6e, 0xe9]));
  assert.match(sallyport(["check", "nope.yaml"], { cwd: folder }).stderr, /^nope\.yaml:1:1: error: .*no such file/u);
  assert.match(sallyport(["check", "."], { cwd: folder }).stderr, /directory/u);
  assert.equal(sallyport(["check", "."], { cwd: folder }).code, 2);
  assert.match(sallyport(["check", "latin1.yaml"], { cwd: folder }).stderr, /not UTF-8/u);
});

test("image and build write what the engine reads", (context) => {
  const folder = folderWith(context, { "policy.yaml": plain_policy });
  const image = sallyport(["image", "policy.yaml", "-o", "policy.bin"], { cwd: folder });
  assert.deepEqual([image.code, image.stdout.split(":")[0]], [0, "policy.bin"]);
  const build = sallyport(["build", "policy.yaml", "-o", "filter.wasm", "--format", "json"], { cwd: folder });
  assert.equal(build.code, 0);
  const said = JSON.parse(build.stdout);
  assert.deepEqual(
    [said.file, said.policy, said.rules, said.bytes],
    ["filter.wasm", "shop", 1, statSync(join(folder, "filter.wasm")).size],
  );
  assert.deepEqual(
    extractImage(readFileSync(join(folder, "filter.wasm"))),
    new Uint8Array(readFileSync(join(folder, "policy.bin"))),
  );
  // Written over by a newer one without a word, as builds are.
  assert.equal(sallyport(["build", "policy.yaml", "-o", "filter.wasm"], { cwd: folder }).code, 0);
  assert.deepEqual(readdirSync(folder).sort(), ["filter.wasm", "policy.bin", "policy.yaml"]);
});

test("nothing is written for an invalid policy, or over something else", (context) => {
  const folder = folderWith(context, { "policy.yaml": plain_policy, "broken.yaml": broken });
  symlinkSync("policy.yaml", join(folder, "link.wasm"));
  assert.equal(sallyport(["build", "broken.yaml", "-o", "filter.wasm"], { cwd: folder }).code, 2);
  for (const target of ["policy.yaml", "link.wasm"]) {
    const { code, stderr } = sallyport(["build", "policy.yaml", "-o", target], { cwd: folder });
    assert.equal(code, 2);
    assert.match(stderr, /left as it is/u);
  }
  assert.equal(sallyport(["image", "policy.yaml", "-o", "no/such/folder.bin"], { cwd: folder }).code, 2);
  assert.equal(readFileSync(join(folder, "policy.yaml"), "utf8"), plain_policy);
  assert.deepEqual(readdirSync(folder).sort(), ["broken.yaml", "link.wasm", "policy.yaml"]);
});

test("init writes a policy that is sound, with tests, and keeps the private key out of git", (context) => {
  const folder = folderWith(context);
  assert.equal(sallyport(["init", "new"], { cwd: folder }).code, 0);
  for (const file of ["policy.yaml", "policy.test.yaml", "keys/corp.jwks.json", "envoy.yaml"]) {
    assert.ok(existsSync(join(folder, "new", file)), file);
  }
  assert.match(readFileSync(join(folder, "new/policy.yaml"), "utf8"), /^name: shop$/mu);
  assert.ok(
    readFileSync(join(folder, "new/envoy.yaml"), "utf8").includes(`'${markOf("shop")}'`),
    "the check has its name",
  );
  assert.ok(!readFileSync(join(folder, "new/keys/corp.jwks.json"), "utf8").includes('"d"'));
  assert.equal(readFileSync(join(folder, "new/.sallyport/.gitignore"), "utf8"), "*\n");
  assert.equal(statSync(join(folder, "new/.sallyport/corp.private.jwk.json")).mode & 0o077, 0);
  const check = ["check", "new/policy.yaml", "--allow-example-keys", "--format", "json"];
  const { code, stdout } = sallyport(check, { cwd: folder });
  const { errors, warnings } = JSON.parse(stdout);
  assert.deepEqual([code, errors, warnings.map(codeOf)], [0, [], ["example_key"]]);
  const tests = sallyport(["test", "new/policy.test.yaml"], { cwd: folder });
  assert.equal(tests.code, 0, tests.stdout + tests.stderr);
});

test("init --mcp writes a policy for a server of tools that is sound, and its tests", (context) => {
  const folder = folderWith(context);
  const { code: initCode, stdout: said } = sallyport(["init", "--mcp", "new"], { cwd: folder });
  assert.equal(initCode, 0);
  assert.match(said, /sallyport manifest --for envoy new\/policy\.yaml/u);
  assert.ok(!existsSync(join(folder, "new/envoy.yaml")), "what Envoy needs for it comes from manifest");
  const text = readFileSync(join(folder, "new/policy.yaml"), "utf8");
  assert.match(text, /^mcp: \{ paths: \[\/mcp\] \}/mu);
  assert.match(text, /mcp tools\/call get_\*/u);
  assert.ok(existsSync(join(folder, "new/policy.test.yaml")));
  const check = ["check", "new/policy.yaml", "--allow-example-keys", "--format", "json"];
  const { code, stdout } = sallyport(check, { cwd: folder });
  const { errors, warnings } = JSON.parse(stdout);
  assert.deepEqual([code, errors, warnings.map(codeOf)], [0, [], ["example_key"]]);
});

test("an example key does not ship: check, build and image refuse it and say where it is and what to do", (context) => {
  const folder = folderWith(context);
  assert.equal(sallyport(["init", "new"], { cwd: folder }).code, 0);
  for (const args of [["check"], ["build", "-o", "filter.wasm"], ["image", "-o", "policy.bin"]]) {
    const { code, stdout, stderr } = sallyport([...args, "new/policy.yaml"], { cwd: folder });
    assert.deepEqual([code, stdout], [2, ""], args[0]);
    assert.match(
      stderr,
      /^new\/keys\/corp\.jwks\.json:\d+:\d+: error: `example-1` is an example key: its private half is in `new\/\.sallyport\/corp\.private\.jwk\.json`.*public keys in its place.*--allow-example-keys \[example_key\]\n/u,
    );
  }
  assert.deepEqual(readdirSync(folder), ["new"]);
  for (const args of [["check"], ["build", "-o", "filter.wasm"], ["image", "-o", "policy.bin"]]) {
    const { code, stderr } = sallyport([...args, "new/policy.yaml", "--allow-example-keys"], { cwd: folder });
    assert.deepEqual([code, /: warning: .*\[example_key\]/u.test(stderr)], [0, true], args[0]);
  }
  // Verbs that try a policy out take it without a word.
  const told = ["--caller", "spiffe://example.org/web", "--request", "GET /catalog/7"];
  assert.deepEqual(sallyport(["explain", "new/policy.yaml", ...told], { cwd: folder }).stderr, "");

  // The private half is not in git: the key is known without it, by what init wrote into it, and also under another name.
  rmSync(join(folder, "new/.sallyport"), { recursive: true });
  assert.match(
    sallyport(["build", "new/policy.yaml"], { cwd: folder }).stderr,
    /`example-1`.*`sallyport init` made it/u,
  );
});

test("a key whose private half lies beside the policy is an example key, whoever made it and whatever it is for", (context) => {
  const folder = folderWith(context, { "policy.yaml": svid_policy });
  mkdirSync(join(folder, ".sallyport"));
  writeFileSync(join(folder, ".sallyport/broken.private.jwk.json"), "{");
  const [first, second] = [makeKeyPair("ec", { namedCurve: "P-256" }), makeKeyPair("rsa", { modulusLength: 2048 })];
  const jwk = ({ publicKey }: typeof first, kid: string) => ({ ...publicKey.export({ format: "jwk" }), kid });
  const secret = JSON.stringify(second.privateKey.export({ format: "jwk" }));
  const keys = [
    { ...jwk(first, "a"), use: "jwt-svid" },
    { ...jwk(second, "b"), use: "jwt-svid" },
  ];
  writeFileSync(join(folder, "bundle.json"), JSON.stringify({ keys }));
  const codes = (): string[] =>
    JSON.parse(sallyport(["check", "policy.yaml", "--format", "json"], { cwd: folder }).stdout).errors.map(codeOf);
  assert.deepEqual(codes(), []);
  writeFileSync(join(folder, ".sallyport/any.private.jwk.json"), secret);
  assert.deepEqual(codes(), ["example_key"]);
  writeFileSync(join(folder, "bundle.json"), JSON.stringify({ keys: keys.slice(0, 1) }));
  assert.deepEqual(codes(), []);
});

test("init writes nothing when something is there", (context) => {
  const folder = folderWith(context, { "policy.yaml": "mine" });
  const { code, stderr } = sallyport(["init"], { cwd: folder });
  assert.equal(code, 2);
  assert.match(stderr, /policy\.yaml.*sallyport init DIR/u);
  assert.deepEqual(readdirSync(folder), ["policy.yaml"]);
  assert.equal(readFileSync(join(folder, "policy.yaml"), "utf8"), "mine");
});

const usage: [args: string[], stderr: RegExp][] = [
  [[], /Usage: sallyport/u],
  [["chekc"], /Did you mean check\?/u],
  [["check"], /missing required argument 'policy'/u],
  [["check", "a.yaml", "b.yaml"], /too many arguments/u],
  [["check", "a.yaml", "--fromat", "json"], /Did you mean --format\?/u],
  [["check", "a.yaml", "--format", "xml"], /Allowed choices are text, json/u],
];

for (const [args, message] of usage) {
  test(`wrong usage ends with 2: ${args.join(" ") || "no verb"}`, (context) => {
    const { code, stdout, stderr } = sallyport(args, { cwd: folderWith(context) });
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, message);
  });
}

test("help and version end with 0", (context) => {
  const folder = folderWith(context);
  for (const verb of Object.keys(verbs)) {
    const { code, stdout } = sallyport([verb, "--help"], { cwd: folder });
    assert.equal(code, 0, verb);
    assert.match(stdout, /--format <format>/u, verb);
  }
  assert.match(sallyport(["--version"], { cwd: folder }).stdout, /^\d+\.\d+\.\d+ \(engine sha256:[0-9a-f]{64}\)\n$/u);
});
