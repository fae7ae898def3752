/** What a policy says of how an issuer's tokens look. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Case, many, policy, rule, run } from "../../support/findings.ts";
import { check, mark } from "../../support/policy.ts";

const audiences = (text: string): string => policy("audiences: [order-api]", text);
const also = (line: string): string => audiences(`audiences: [order-api]\n    ${line}`);
const scopes = (text: string): string => rule(`    allow: [GET /a]\n    token: corp\n    scopes: ${text}\n`);

run("errors", [
  ["no audience", audiences(`${mark}audiences: []`), "value", /`audienceFrom: client_id`.*`audiences: any`/],
  [
    "a star for audiences",
    audiences(`audiences: [${mark}"*"]`),
    "value",
    /`audiences: any`.*`audienceFrom: client_id`/,
  ],
  ["an audience without brackets", audiences(`audiences: ${mark}order-api`), "value", /write `\[order-api\]`/],
  [
    "no audiences",
    policy("    audiences: [order-api]\n", "").replace("  corp:", `  ${mark}corp:`),
    "missing_key",
    /`audiences: any`/,
  ],
  [
    "a claim for an audience that nobody asks for",
    audiences(`audiences: any\n    audienceFrom: ${mark}azp`),
    "value",
    /no effect/,
  ],
  ["a claim without a name", also(`audienceFrom: ${mark}claims.`), "invalid_claim", /named by single dots/],
  ["half a path", also(`scopesFrom: [${mark}'a["b"]']`), "invalid_claim", /brackets stand after `claims`/],
  ["a deep claim", also(`scopesFrom: [${mark}${"a.".repeat(16)}a]`), "invalid_claim", /at most 16 levels/],
  ["no claims of scopes", also(`${mark}scopesFrom: []`), "value", /`scope` and `scp`/],
  ["a claim of scopes twice", also(`scopesFrom: [a.b, ${mark}claims.a.b]`), "duplicate", /stands twice/],
  ["many claims of scopes", also(`${mark}scopesFrom: [${many(9, (n) => `a${n}`)}]`), "bound", /at most 8 claims/],
  ["no types", also(`${mark}types: []`), "value", /`JWT`, `at\+jwt` and tokens without `typ`/],
  ["a type that is none", also(`types: [${mark}"a b"]`), "value", /media type/],
  ["a type twice", also(`types: [at+jwt, ${mark}application/AT+JWT]`), "duplicate", /stands twice/],
  ["a type of a claim with a question mark", also(`claims: { ${mark}role?: string }`), "value", /write `role`/],
  ["a type of `claims.role`", also(`claims: { ${mark}claims.role: string }`), "value", /without `claims`.*in a map/],
  ["an empty choice of scopes", scopes(`{ ${mark}any: [] }`), "value", /is empty/],
  ["a choice of scopes of another kind", scopes(`{ ${mark}some: [a] }`), "unknown_key", /no key `some`/],
  ["a choice of scopes with a blank", scopes(`{ any: [a, ${mark}"b c"] }`), "invalid_scope", /\[b, c\]/],
] satisfies Case[]);

run("warnings", [["tokens for anybody", audiences(`${mark}audiences: any`), "audiences_any", /another service/]]);

test("a policy names so many types, and no more", () => {
  const types = (count: number): string => also(`types: [${many(count, (number) => `x${number}`)}]`);
  assert.deepEqual(check(types(28)).errors, []);
  assert.match(check(types(29)).errors[0]!.message, /at most 28 types/);
});

test("claims are named by dots, by quotes, and a URL as it is", () => {
  const read = check(also("scopesFrom: [scp, claims.a.b, 'claims[\"x.y\"].z', https://x.example/roles]"));
  assert.deepEqual(read.errors, []);
  assert.deepEqual(read.policy?.issuers[0]?.scopeClaims, [
    ["scp"],
    ["a", "b"],
    ["x.y", "z"],
    ["https://x.example/roles"],
  ]);
});

test("one of one scope is that scope", () => {
  const { policy: read } = check(scopes("{ any: [a] }"));
  assert.deepEqual(
    read?.rules.map(({ isAnyScope }) => isAnyScope),
    [false, false],
  );
  assert.equal(check(scopes("{ any: [a, b] }")).policy?.rules[0]?.isAnyScope, true);
});
