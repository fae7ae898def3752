/** Structure and types: each case is a policy that a person could write wrongly, marked where the error must point. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { check, mark, unmark, withRule } from "../../support/policy.ts";

const head = "version: 1\nname: shop\ntrust: { domains: [example.org] }\n";
const rule = "  - name: a\n    callers: [any]\n    allow: [GET /a]\n";

const cases: [what: string, marked: string, code: string, message: RegExp][] = [
  ["nothing at all", `${mark}`, "missing_key", /sallyport init/],
  ["only a comment", `${mark}# later\n`, "missing_key", /empty/],
  ["a list instead of a mapping", `${mark}- version: 1\n`, "type", /a policy is a list, but must be a mapping/],
  ["a misspelt key", `${head}${mark}rulse:\n${rule}rules: []\n`, "unknown_key", /did you mean `rules`\?/],
  ["a key twice", `${head}rules: []\n${mark}rules: []\n`, "duplicate", /stands twice/],
  [
    "an unquoted pattern",
    `${head}rules:\n  - name: a\n    callers: [any]\n    allow: [${mark}* /a]\n`,
    "yaml",
    /quotes/,
  ],
  ["an alias", `${head}callers:\n  a: &x [spiffe://example.org/a]\n  b: ${mark}*x\nrules: []\n`, "yaml", /alias/],
  ["an anchor", `${head}callers:\n  a: &x ${mark}[spiffe://example.org/a]\nrules: []\n`, "yaml", /anchor/],
  ["a tag", `${head}rules: !!seq ${mark}[]\n`, "yaml", /tags/],
  ["a merge key", `${head}${mark}<<: { mode: shadow }\nrules: []\n`, "unknown_key", /`<<`/],
  ["two documents", `${head}rules: []\n${mark}---\nversion: 1\n`, "yaml", /second/],
  ["a tab", `${head}rules:\n${mark}\t- name: a\n`, "yaml", /spaces/],
  [
    "braces without quotes",
    `${head}rules:\n  - name: a\n    callers: [any]\n    allow: [GET /o/${mark}{id}]\n`,
    "yaml",
    /quotes/,
  ],
  ["an open bracket", `${head}rules:\n  - name: a\n    callers: [any\n    ${mark}allow: [GET /a]\n`, "yaml", /./],
  ["version 2", `${mark}version: 2\nname: a\ntrust: { domains: [a] }\nrules: []\n`, "unsupported", /version 2/],
  ["a version as text", `version: ${mark}"1"\nname: a\ntrust: { domains: [a] }\nrules: []\n`, "type", /whole number/],
  ["no version", `${mark}name: a\ntrust: { domains: [a] }\nrules: []\n`, "missing_key", /`version`/],
  ["a number as name", `version: 1\nname: ${mark}7\ntrust: { domains: [a] }\nrules: []\n`, "type", /quotes/],
  ["an empty name", `version: 1\nname:${mark}\ntrust: { domains: [a] }\nrules: []\n`, "type", /empty/],
  ["an unknown mode", `${head}mode: ${mark}dry-run\nrules: []\n`, "value", /`enforce` or `shadow`/],
  ["trust without domains", "version: 1\nname: a\n▸trust: {}\nrules: []\n", "missing_key", /`domains`/],
  ["no trusted domain", `version: 1\nname: a\ntrust: { ${mark}domains: [] }\nrules: []\n`, "value", /empty/],
  [
    "one caller instead of a list",
    `${head}callers:\n  a: ${mark}spiffe://example.org/a\nrules: []\n`,
    "type",
    /a list/,
  ],
  ["a list in a list", `${head}callers:\n  a: [${mark}[spiffe://example.org/a]]\nrules: []\n`, "type", /is a list/],
  ["a rule that is text", `${head}rules:\n  - ${mark}allow everything\n`, "type", /a rule is text/],
  ["rules without dashes", `${head}rules:\n  ${mark}name: a\n`, "type", /must be a list/],
  [
    "a misspelt key of a rule",
    `${head}rules:\n${rule}    ${mark}scope: [a]\n`,
    "unknown_key",
    /did you mean `scopes`\?/,
  ],
  [
    "a key in another case",
    `${head}rules:\n${rule}    ${mark}Hosts: [a.example.org]\n`,
    "unknown_key",
    /did you mean `hosts`\?/,
  ],
  ["a rule without callers", `${head}rules:\n  - ${mark}name: a\n    allow: [GET /a]\n`, "missing_key", /`callers`/],
  ["no hosts", `${head}rules:\n${rule}    ${mark}hosts: []\n`, "value", /every host/],
  ["burst 0", `${head}limits:\n  a: { rate: 1/s, burst: ${mark}0 }\nrules: []\n`, "value", /from 1 to 1000000/],
  ["burst 1.5", `${head}limits:\n  a: { rate: 1/s, burst: ${mark}1.5 }\nrules: []\n`, "value", /whole/],
  ["a limit without a rate", `${head}limits:\n  ${mark}a: { burst: 1 }\nrules: []\n`, "missing_key", /`rate`/],
  [
    "an issuer without keys",
    `${head}issuers:\n  ${mark}a: { issuer: a, audiences: [a], algorithms: [RS256] }\nrules: []\n`,
    "missing_key",
    /`keys`/,
  ],
];

for (const [what, marked, code, message] of cases) {
  test(`refused: ${what}`, () => {
    const { text, line, column } = unmark(marked);
    const { errors } = check(text);
    const found = errors.find((error) => error.code === code && error.line === line && error.column === column);
    assert.ok(found, `no ${code} at ${line}:${column} in ${JSON.stringify(errors, null, 1)}`);
    assert.match(found.message, message);
  });
}

test("what is done anyway may be asked for", () => {
  const text = `${withRule("    cost: 1\n    mode: enforce\n")}`
    .replace("per: [caller] }", "per: [caller], scope: proxy }")
    .replace("domains: [example.org]", "domains: [example.org]\n  identity: mtls")
    .replace(
      "issuer: https",
      'from: [{ header: Authorization, prefix: "Bearer " }]\n    forwardToken: true\n    bind: none\n    issuer: https',
    );
  assert.deepEqual(check(text).errors, []);
});

test("all errors are found in one run", () => {
  const { errors } = check(`${head}mode: off\nrulse: []\nrules:\n${rule}    scops: [a]\n    tokn: a\n`);
  assert.deepEqual(
    errors.map(({ line, code }) => `${line} ${code}`),
    ["4 value", "5 unknown_key", "10 unknown_key", "11 unknown_key"],
  );
});

test("a document that is nested without end is an error, not a crash", () => {
  const { errors } = check(`${head}rules: ${"[".repeat(100000)}`);
  assert.ok(errors.length > 0);
});

test("Windows line ends and a byte order mark change nothing", () => {
  const { errors } = check(`\uFEFF${withRule("").replaceAll("\n", "\r\n")}`);
  assert.deepEqual(errors, []);
});
