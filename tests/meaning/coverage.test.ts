/** Warnings about rules that others hold already, and about wide patterns. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Rule } from "../../scripts/policy/language/model.ts";
import { type CallerPattern, parseCaller } from "../../scripts/policy/language/spiffe.ts";
import { warnCovered } from "../../scripts/policy/meaning/coverage.ts";
import { check } from "../support/policy.ts";

const head = `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  corp:
    issuer: https://issuer.example.org
    audiences: [order-api]
    algorithms: [RS256, ES256]
    keys: { file: keys/corp.jwks.json }
callers:
  front: [spiffe://example.org/web, "spiffe://example.org/mobile/*"]
  far: [spiffe://elsewhere.net/a]
limits:
  w: { rate: 1/s }
rules:
`;

/** The codes and rules of the warnings about these rules, each as `name: { … }` in one line. */
function warnings(...rules: string[]): string[] {
  const lines = rules.map((rule) => `  - { ${rule} }\n`).join("");
  const { policy, errors } = check(head + lines);
  assert.deepEqual(errors, []);
  const found: string[] = [];
  const { rules: all, callerSets, trustDomains } = policy!;
  warnCovered(all, callerSets, trustDomains, (code, { name }) => found.push(`${code} ${name}`));
  return found.sort();
}

const web = "callers: [spiffe://example.org/web]";

for (const [title, rules, expected] of [
  ["apart", [`name: a, ${web}, allow: [GET /a]`, `name: b, ${web}, allow: [GET /b]`], []],
  [
    "a set holds its member",
    [`name: a, ${web}, allow: ["GET /a/{x}"]`, 'name: b, callers: [front], allow: ["GET|POST /a/**"]'],
    ["rule_covered a"],
  ],
  [
    "any holds a set",
    ["name: a, callers: [front], allow: [GET /a]", 'name: b, callers: [any], allow: ["GET /**"]'],
    ["rule_covered a"],
  ],
  [
    "of equals the later one",
    [`name: b, ${web}, allow: [GET /a]`, `name: a, ${web}, allow: [GET /a]`],
    ["rule_covered a"],
  ],
  [
    "other hosts",
    [
      `name: a, ${web}, hosts: [a.example.org], allow: [GET /a]`,
      `name: b, ${web}, hosts: [b.example.org], allow: [GET /a]`,
    ],
    [],
  ],
  [
    "a wider host",
    [
      `name: a, ${web}, hosts: [a.example.org], allow: [GET /a]`,
      `name: b, ${web}, hosts: ["*.example.org"], allow: [GET /a]`,
    ],
    ["rule_covered a"],
  ],
  [
    "without a token is weaker",
    [`name: a, ${web}, allow: [GET /a], token: corp`, `name: b, ${web}, allow: [GET /a]`],
    ["rule_covered a"],
  ],
  [
    "a scope more is stricter",
    [
      `name: a, ${web}, allow: [GET /a], token: corp, scopes: [x]`,
      `name: b, ${web}, allow: [GET /a], token: corp, scopes: [x, y]`,
    ],
    ["rule_covered b"],
  ],
  [
    "one of several scopes is weaker than each of them",
    [
      `name: a, ${web}, allow: [GET /a], token: corp, scopes: [x, z]`,
      `name: b, ${web}, allow: [GET /a], token: corp, scopes: { any: [x, y] }`,
    ],
    ["rule_covered a"],
  ],
  [
    "one of two is weaker than the first of them, and than both; one of three is weaker still",
    [
      `name: a, ${web}, allow: [GET /a], token: corp, scopes: { any: [x, y] }`,
      `name: b, ${web}, allow: [GET /a], token: corp, scopes: { any: [z, y, x] }`,
    ],
    ["rule_covered a"],
  ],
  [
    "one of these is none of those",
    [
      `name: a, ${web}, allow: [GET /a], token: corp, scopes: { any: [x, y] }`,
      `name: b, ${web}, allow: [GET /a], token: corp, scopes: { any: [x, z] }`,
    ],
    [],
  ],
  [
    "a limited rule holds no unlimited one",
    [`name: a, ${web}, allow: [GET /a]`, 'name: b, callers: [front], allow: ["GET /**"], limit: w'],
    [],
  ],
  [
    "a rule that takes larger requests is weaker",
    [
      `name: a, ${web}, allow: [GET /a], maxQueryBytes: 10, maxHeaderBytes: 4096`,
      'name: b, callers: [front], allow: ["GET /**"], maxQueryBytes: 11',
    ],
    ["rule_covered a"],
  ],
  [
    "a rule that takes smaller requests alone holds none that takes larger ones",
    [
      `name: a, ${web}, allow: [GET /a], maxQueryBytes: 10`,
      'name: b, callers: [front], allow: ["GET /**"], maxQueryBytes: 10, maxHeaderBytes: 4096',
    ],
    [],
  ],
  [
    "a smaller bound on bodies holds those without a length, unless the other rule comes first",
    [
      `name: a, ${web}, allow: [GET /a], maxBodyBytes: 10`,
      'name: b, callers: [front], allow: ["GET /**"], maxBodyBytes: 11',
      `name: c, ${web}, allow: [GET /a/b], maxBodyBytes: 10`,
      `name: d, ${web}, allow: [GET /a/b/c], maxBodyBytes: 10, token: corp, scopes: [x]`,
    ],
    ["rule_covered c"],
  ],
  [
    "a grant holds no lasting rule",
    [`name: a, ${web}, allow: [GET /a]`, `name: b, callers: [front], allow: [GET /a], expires: 2099-01-01T00:00:00Z`],
    [],
  ],
  [
    "a rule in shadow mode holds nothing",
    [`name: a, ${web}, allow: [GET /a]`, `name: b, callers: [front], allow: [GET /a], mode: shadow`],
    [],
  ],
  [
    "denied altogether",
    [`name: a, ${web}, allow: [DELETE /a]`, 'name: b, callers: [any], deny: ["DELETE /**"]'],
    ["rule_unreachable a"],
  ],
  [
    "denied in part",
    [`name: a, ${web}, allow: ["DELETE|GET /a"]`, 'name: b, callers: [any], deny: ["DELETE /**"]'],
    [],
  ],
  ["HEAD beside GET", [`name: a, ${web}, allow: [HEAD /a]`, `name: b, ${web}, allow: [GET /a]`], ["rule_covered a"]],
  ["GET beside HEAD", [`name: a, ${web}, allow: [GET /a]`, `name: b, ${web}, allow: [HEAD /a]`], ["rule_covered b"]],
  ["HEAD spelled out in a rule", [`name: a, ${web}, allow: [GET /a, HEAD /a]`], []],
  [
    "HEAD where GET is denied",
    [`name: a, ${web}, allow: [HEAD /a]`, "name: b, callers: [any], deny: [GET /a]"],
    ["rule_unreachable a"],
  ],
  ["GET where HEAD is denied", [`name: a, ${web}, allow: [GET /a]`, "name: b, callers: [any], deny: [HEAD /a]"], []],
  [
    "denied for a time",
    [
      `name: a, ${web}, allow: [DELETE /a]`,
      'name: b, callers: [any], deny: ["DELETE /**"], expires: 2099-01-01T00:00:00Z',
    ],
    [],
  ],
  ["callers nobody trusts", ["name: a, callers: [far], allow: [GET /a]"], ["rule_unreachable a"]],
  ["everything", [`name: a, ${web}, allow: ["* /**"]`], ["wildcard_wide a"]],
  ["everything on a host of one's own", [`name: a, ${web}, hosts: [web.example.org], allow: ["* /**"]`], []],
  [
    "writes of a whole domain",
    ['name: a, callers: ["spiffe://example.org/**"], allow: [POST /a]'],
    ["wildcard_wide a"],
  ],
  ["reads of a whole domain", ['name: a, callers: ["spiffe://example.org/**"], allow: [GET /a]'], []],
  [
    "endpoints",
    [`name: a, ${web}, allow: ["GET /a/{x}", GET /a/b, GET /c, GET /c]`],
    ["endpoint_covered a", "endpoint_covered a"],
  ],
  [
    "callers",
    [
      "name: a, callers: [front, spiffe://example.org/web, spiffe://example.org/mobile/ios, spiffe://example.org/pos], allow: [GET /a]",
    ],
    ["caller_covered a", "caller_covered a"],
  ],
] as const) {
  test(title, () => assert.deepEqual(warnings(...rules), expected));
}

test("what a condition says of a path variable is said of its place", () => {
  const rule = (name: string, endpoint: string): string =>
    `name: ${name}, ${web}, token: corp, when: claims.sub == path.id, allow: ["${endpoint}"]`;
  assert.deepEqual(warnings(rule("a", "GET /{id}/{x}"), rule("b", "GET /{x}/{id}")), []);
  assert.deepEqual(warnings(rule("a", "GET /a/{id}"), rule("b", "GET /{x}/{id}")), ["rule_covered a"]);
});

test("100,000 rules that have nothing to do with each other", () => {
  const { policy } = check(`${head}  - { name: a, ${web}, allow: ["GET /a/{id}"] }\n`);
  const [one] = policy!.rules as [Rule];
  const rules = Array.from({ length: 100_000 }, (_, number): Rule => {
    const segments = [`a${number % 5000}`, null, `b${number}`];
    const text = `spiffe://example.org/svc-${number % 20_000}`;
    const pattern = parseCaller(text) as CallerPattern;
    const callers: Rule["callers"] = number % 10 === 0 ? [{ kind: "any" }] : [{ kind: "pattern", pattern }];
    return {
      ...one,
      name: `r${number}`,
      line: number,
      callers,
      endpoints: [{ ...one.endpoints[0]!, segments, variables: new Map() }],
    };
  });
  let count = 0;
  warnCovered(rules, policy!.callerSets, policy!.trustDomains, () => count++);
  assert.equal(count, 0);
});
