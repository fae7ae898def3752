/** Tokens of the test runner: signed as their algorithm says, put where the policy looks for them, bound to who carries them. */
import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { jwtVerify } from "jose";
import { decodeToken } from "../../scripts/evaluate/token.ts";
import { loadEngine } from "../../scripts/policy/build.ts";
import { algorithm_names } from "../../scripts/policy/language/algorithms.ts";
import { PolicyError } from "../../scripts/policy/source/diagnostic.ts";
import { concreteTests } from "../../scripts/policytest/cases.ts";
import { readTestFile } from "../../scripts/policytest/file.ts";
import { certificateDigest } from "../../scripts/policytest/identity.ts";
import { findInputs } from "../../scripts/policytest/inputs.ts";
import { standInKey } from "../../scripts/policytest/keys.ts";
import { mintToken } from "../../scripts/policytest/mint.ts";
import { loadTestPolicy } from "../../scripts/policytest/policy.ts";
import { runPolicyTests } from "../../scripts/policytest/run.ts";

for (const [algorithm, name] of algorithm_names.entries()) {
  test(`a token signed with ${name} is one to other libraries`, async () => {
    const issuer = { iss: "i", audiences: ["a"], algorithms: [algorithm], lifetimeSeconds: 0 };
    const token = mintToken({ issuer: "i", claims: {}, header: {} }, issuer, Date.now() / 1000);
    const key = createPublicKey({ key: Buffer.from(standInKey(algorithm).spki), format: "der", type: "spki" });
    const { protectedHeader } = await jwtVerify(token, key, { algorithms: [name], issuer: "i", audience: "a" });
    assert.equal(protectedHeader.kid, standInKey(algorithm).kid);
  });
}

const folder = mkdtempSync(join(tmpdir(), "sallyport-mint-"));
after(() => rmSync(folder, { recursive: true }));
const keys = join(import.meta.dirname, "../policy/keys");
const web = "spiffe://example.org/web";

/** The requests that tests make of a policy with these parts. */
function requests(trust: string, issuer: string, tests: string) {
  writeFileSync(
    join(folder, "policy.yaml"),
    `version: 1\nname: p\ntrust:\n  domains: [example.org]\n${trust}issuers:\n  corp:\n    issuer: i\n    audiences: [a]\n    algorithms: [ES256]\n    keys: { file: ${keys}/corp.jwks.json }\n${issuer}rules:\n  - { name: r, callers: [any], allow: [GET /a], token: corp }\n`,
  );
  const path = join(folder, "tests.yaml");
  writeFileSync(path, `policy: policy.yaml\ndefaults: { caller: "${web}" }\ntests:\n${tests}`);
  const file = readTestFile(path);
  const policy = loadTestPolicy(file.policy);
  return { policy, tests: concreteTests(file, policy).tests };
}

const one = (lines: string): string => `  - { name: n, request: GET /a, expect: allow, ${lines} }\n`;
const token = "token: { issuer: corp, claims: { sub: alice } }";
const svid = `  identity: jwt-svid\n  jwtSvid: { audiences: [a], bundles: { example.org: { file: ${keys}/bundle.json } }, from: [{ header: x-svid }] }\n`;
const claimsOf = (text: string): Record<string, unknown> => decodeToken(text).claims ?? {};

test("a token goes to the first place of its issuer", () => {
  const { tests } = requests("", '    from: [{ header: x-token, prefix: "T " }]\n', one(token));
  const { token: bearer, headers, placedToken } = tests[0]!.request;
  assert.equal(bearer, null);
  assert.deepEqual(headers, [["x-token", `T ${placedToken}`]]);
  const cookie = requests(
    "",
    "    from: [{ cookie: session }]\n",
    `  - { name: n, request: { path: /a, headers: { cookie: a=b } }, expect: allow, ${token} }\n`,
  ).tests[0]!.request;
  assert.deepEqual(cookie.headers, [["cookie", `a=b; session=${cookie.placedToken}`]]);
  const query = requests("", "    from: [{ query: t }]\n", one(token).replace("GET /a", '"GET /a?b=?"')).tests[0]!;
  assert.equal(query.request.path, `/a?b=?&t=${query.request.placedToken}`);
});

test("a raw token is sent as bearer where the policy has that, and else to its first place", () => {
  const raw = one("token: a.b.c");
  assert.equal(
    requests("", "    from: [{ cookie: s }, { header: authorization }]\n", raw).tests[0]!.request.token,
    "a.b.c",
  );
  assert.deepEqual(requests("", "    from: [{ cookie: s }]\n", raw).tests[0]!.request.headers, [["cookie", "s=a.b.c"]]);
});

test("a token and the header that it goes into are one too many", () => {
  const both = (header: string) =>
    one(token).replace("request: GET /a", `request: { path: /a, headers: { ${header}: x } }`);
  assert.throws(() => requests("", "", both("authorization")), PolicyError);
  assert.throws(() => requests("", "    from: [{ header: x-token }]\n", both("x-token")), /x-token/);
  assert.equal(requests("", "    from: [{ header: x-token }]\n", both("authorization")).tests.length, 1);
});

test("tokens are bound to the caller, unless the test says otherwise", () => {
  const certificate = (lines: string) => requests("", "    bind: certificate\n", one(lines)).tests[0]!.request;
  const { token: bound, certificateDigest: digest, caller } = certificate(token);
  assert.deepEqual([caller, digest], [web, certificateDigest(web)]);
  assert.match(digest!, /^[0-9a-f]{64}$/u);
  assert.deepEqual(claimsOf(bound!).cnf, { "x5t#S256": Buffer.from(digest!, "hex").toString("base64url") });
  assert.equal(claimsOf(certificate("token: { issuer: corp, claims: { cnf: null } }").token!).cnf, undefined);
  assert.deepEqual(claimsOf(certificate("token: { issuer: corp, claims: { cnf: { x: y } } }").token!).cnf, { x: "y" });

  const ofCaller = (lines: string) =>
    claimsOf(requests("", "    bind: caller\n", one(lines)).tests[0]!.request.token!).sub;
  assert.equal(ofCaller("token: { issuer: corp }"), web);
  assert.equal(ofCaller(token), "alice");
  assert.equal(requests("", "", one(token)).tests[0]!.request.certificateDigest, undefined);
});

test("where callers are known by JWT-SVIDs, `caller` stands for one", () => {
  const { tests, policy } = requests(svid, "", one(token));
  const { caller, headers } = tests[0]!.request;
  assert.equal(caller, null);
  assert.equal(headers[0]![0], "x-svid");
  const { sub, aud, iss, exp } = claimsOf(headers[0]![1]);
  assert.deepEqual([sub, aud, iss, typeof exp], [web, "a", undefined, "number"]);
  assert.equal(tests[0]!.image, policy.standInImage);
  const raw = requests(svid, "", one("token: a.b.c")).tests[0]!;
  assert.equal(raw.request.token, "a.b.c");
  assert.equal(requests(svid, "", one("caller: null")).tests[0]!.request.headers.length, 0);
  const bound = requests(svid, "    bind: certificate\n", one(token)).tests[0]!.request;
  assert.deepEqual([bound.caller, bound.certificateDigest], [web, certificateDigest(web)]);
});

test("`svid` makes a JWT-SVID, and the caller of the defaults is not meant then", () => {
  const either = svid.replace("identity: jwt-svid", "identity: either");
  const plain = requests(either, "", one(token)).tests[0]!.request;
  assert.deepEqual([plain.caller, plain.headers], [web, []]);
  const other = requests(either, "    bind: caller\n", one(`token: { issuer: corp }, svid: "spiffe://example.org/b"`));
  const { caller, headers, token: bearer } = other.tests[0]!.request;
  assert.equal(caller, null);
  assert.deepEqual(
    [claimsOf(headers[0]![1]).sub, claimsOf(bearer!).sub],
    ["spiffe://example.org/b", "spiffe://example.org/b"],
  );
  const claims = requests(either, "", one(`svid: { sub: "${web}", claims: { aud: [x] }, header: { alg: RS384 } }`));
  const made = claims.tests[0]!.request.headers[0]![1];
  assert.deepEqual([claimsOf(made).aud, decodeToken(made).header?.alg], [["x"], "RS384"]);
  const raw = requests(either, "", one("svid: a.b.c"));
  assert.deepEqual(raw.tests[0]!.request.headers, [["x-svid", "a.b.c"]]);
  assert.equal(raw.tests[0]!.image, raw.policy.image);
  assert.throws(() => requests("", "", one(`svid: "${web}"`)), /certificates/);
  const both = `  - { name: n, request: { path: /a, headers: { x-svid: x } }, expect: allow, svid: "${web}" }\n`;
  assert.throws(() => requests(either, "", both), /a JWT-SVID and the header `x-svid`/);
});

test("keys that are fetched are stood in for; a token of their own is 503, as in Envoy before they have come", () => {
  writeFileSync(
    join(folder, "fetched.yaml"),
    "version: 1\nname: p\ntrust: { domains: [example.org] }\nissuers:\n  corp:\n    issuer: i\n    audiences: [a]\n    algorithms: [EdDSA]\n    keys: { url: https://idp.example.org/, cluster: idp }\nrules:\n  - { name: r, callers: [any], allow: [GET /a], token: corp }\n",
  );
  const path = join(folder, "fetched.test.yaml");
  const unknown = `${Buffer.from('{"alg":"EdDSA","kid":"a"}').toString("base64url")}.${Buffer.from('{"iss":"i"}').toString("base64url")}.AAAA`;
  writeFileSync(
    path,
    `policy: fetched.yaml\ndefaults: { caller: "${web}" }\ntests:\n${one("token: { issuer: corp }")}  - { name: raw, request: GET /a, token: ${unknown}, expect: { deny: keys_unavailable } }\n`,
  );
  const { results } = runPolicyTests([path], { engine: loadEngine() });
  assert.deepEqual(
    results.map(({ ok, verdict }) => [ok, verdict.reason]),
    [
      [true, "allowed"],
      [true, "keys_unavailable"],
    ],
  );
});

test("files of lists are watched, those of included files too", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-inputs-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  mkdirSync(join(folder, "teams"));
  write("tests.yaml", "policy: policy.yaml\n");
  write("policy.yaml", "lists: { a: { file: lists/a.txt }, b: [x] }\ninclude: [teams/*.yaml]\n");
  write("teams/one.yaml", "lists: { c: { file: c.txt } }\n");
  const { files, folders } = findInputs([join(folder, "tests.yaml")]);
  for (const name of ["lists/a.txt", "teams/c.txt"]) assert.ok(files.has(join(folder, name)), name);
  assert.ok(folders.has(join(folder, "lists")));
});

test("files of keys are watched, those of bundles too", () => {
  const { tests } = requests(svid, "", one(token));
  const { files } = findInputs([tests[0]!.file]);
  assert.deepEqual(
    [...files].filter((file) => file.endsWith(".json")).map((file) => basename(file)),
    ["corp.jwks.json", "bundle.json"],
  );
});
