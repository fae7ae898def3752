/** One way to name a claim, wherever a policy names one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseClaimName, parseClaimPath, printClaimPath } from "../../../scripts/policy/language/claimpath.ts";

const paths: [string, string[]][] = [
  ["claims.sub", ["sub"]],
  ["claims.org.id", ["org", "id"]],
  ["claims.my-dept", ["my-dept"]],
  ['claims["https://x.example/roles"]', ["https://x.example/roles"]],
  ["claims['urn:a'].b", ["urn:a", "b"]],
  ['claims["kubernetes.io"].namespace', ["kubernetes.io", "namespace"]],
  ['claims.a["b c"]["d"].e', ["a", "b c", "d", "e"]],
  [String.raw`claims["\"\\\u00e9'"]`, [`"\\é'`]],
];

for (const [text, path] of paths) {
  test(`${text} is a claim, and is printed so that it is read again`, () => {
    assert.deepEqual(parseClaimPath(text), path);
    assert.deepEqual(parseClaimName(text), path);
    assert.deepEqual(parseClaimPath(printClaimPath(path)), path);
  });
}

for (const text of [
  "claims",
  "claims.",
  "claims.a.",
  "claims..a",
  "claims.1a",
  "claims[a]",
  "claims[0]",
  'claims["a"',
  'claims["a"]b',
  'claims[""]',
  String.raw`claims["\n"]`,
  String.raw`claims["\ud800"]`,
  `claims${".a".repeat(17)}`,
  "caller",
]) {
  test(`${text} names no claim`, () => assert.equal(typeof parseClaimPath(text), "string"));
}

test("where nothing but a claim can stand, its name is enough", () => {
  assert.deepEqual(parseClaimName("scp"), ["scp"]);
  assert.deepEqual(parseClaimName("realm_access.roles"), ["realm_access", "roles"]);
  assert.deepEqual(parseClaimName("https://x.example/roles"), ["https://x.example/roles"]);
  assert.equal(typeof parseClaimName(""), "string");
});
