/** Limits: what the compiler makes of them, what it refuses, and what it warns of. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { writeImage } from "../../../scripts/policy/image/image.ts";
import { leftOutCallbacks } from "../../../scripts/policy/module/embed.ts";
import { type Case, run } from "../../support/findings.ts";
import { check, mark, withRule } from "../../support/policy.ts";

const callers = 'callers: ["spiffe://example.org/ns/{ns}/sa/{sa}"]';

/** A policy with a limit `own`, and a rule that takes from it. */
function limited(limit: string, rule = "", more = ""): string {
  const lines = `  - { name: a, ${callers}, allow: [GET /a], token: corp, scopes: [a], limit: own${rule} }\n${more}`;
  return withRule(lines).replace("limits:\n", `limits:\n  own: { ${limit} }\n`);
}

test("a limit may say all that there is to say of one of a fleet", () => {
  const said =
    "rate: 100/s, burst: 200, per: [caller.ns, claims.sub, source.ip/24], scope: fleet, fleet: leased, onError: local, headers: always";
  const { errors, policy } = check(limited(said));
  assert.deepEqual(errors, []);
  const { burstTokens, onError, isLeased } = policy!.limits.find(({ name }) => name === "own")!;
  assert.deepEqual({ burstTokens, onError, isLeased }, { burstTokens: 200, onError: "local", isLeased: true });
});

test("a module keeps the callback for answers only for limits that answers to admitted requests tell of", () => {
  const isKept = (limit: string): boolean =>
    !leftOutCallbacks(writeImage(check(limited(limit)).policy!)).includes("proxy_on_response_headers");
  assert.ok(isKept("rate: 100/s, headers: always"));
  assert.ok(!isKept("rate: 100/s"));
  assert.ok(isKept("rate: 100/s, scope: fleet, headers: always"));
  assert.ok(!isKept("rate: 1000/s, scope: fleet, fleet: leased, headers: always"));
});

/** The same with `/a/{id}` and `/b` for endpoints. */
const byPath = (limit: string, rule = ""): string =>
  limited(limit, rule).replace("allow: [GET /a]", 'allow: ["GET /a/{id}", GET /b]');

const refused: Case[] = [
  ...[limited, byPath].map(
    (of): Case => [
      "a tier by a path variable that no endpoint has",
      of(`rate: 1/s, tier: ${mark}path.ib, tiers: { a: 2/s }`),
      "unknown_path_variable",
      of === byPath
        ? /`own`.*nobody.*did you mean `id`\?/
        : /no endpoint of a rule with the limit `own` has `\{ib\}`.*take/,
    ],
  ),
  [
    "a tier by a segment that no caller names",
    limited(`rate: 1/s, tier: ${mark}caller.nz, tiers: { a: 2/s }`),
    "unknown_name",
    /no caller.*`\{nz\}`.*did you mean `ns`\?/,
  ],
  [
    "what no endpoint has, without which requests are denied",
    limited(`rate: 1/s, per: [caller, ${mark}path.id], absent: deny`),
    "unknown_path_variable",
    /it would deny every request/,
  ],
  [
    "what no caller has, without which requests are denied",
    limited(`concurrency: 5, per: [${mark}caller.team], absent: deny`),
    "unknown_name",
    /it would deny every request; known: `ns`, `sa`/,
  ],
];

/** A cost of the rule, marked as it is given. */
const costing = (cost: string, limit = "rate: 1/s, burst: 9"): string => limited(limit, `, cost: ${cost}`);

refused.push(
  [
    "a cost for each limit",
    costing(`${mark}{ own: 5 }`),
    "type",
    /`cost` is a mapping, but must be one for all limits of the rule: .*`\{ value: CEL, most: 50 \}`.*another rule/,
  ],
  ["an empty cost", costing(`'${mark}'`), "condition_syntax", /a cost is empty; leave `cost` out/],
  ["a cost that is true", costing(`${mark}true`), "type", /must be a whole number, or CEL in quotes/],
  ["a list of costs", costing(`${mark}[1, 2]`), "type", /is a list, but must be a whole number, or CEL/],
  ["a cost of nothing", costing(`${mark}0`), "value", /from 1 to/],
  ...["concurrency: 5", "hops: x-h, most: 5"].map(
    (limit): Case => [
      `a cost of ${limit}`,
      costing(`${mark}'size(request.path)'`, limit),
      "cost_without_limit",
      /`own` counts (?:hops|requests that are open).*leave `cost` out, or name a limit with a `rate` too/,
    ],
  ),
  [
    "a cost without a limit",
    costing(`${mark}5`).replace("limit: own, ", ""),
    "cost_without_limit",
    /the rule names none; add `limit`/,
  ],
  [
    "tiers without a rate",
    limited("per: [caller], tier: caller, tiers: { a: 1/s }").replace("own:", `${mark}own:`),
    "missing_key",
    /`tiers` are for some.*own `rate`; add it/,
  ],
);

run("errors", refused);

test("what is wrong with a limit is said once", () => {
  const said = (limit: string): string[] =>
    check(limited(limit)).errors.map(({ code, message }) => `${code} ${message}`);
  for (const limit of [
    "rate: 100",
    "rate: [100/s]",
    "rte: 100/s",
    "concurrency: all",
    "concurrency: 0",
    "hops: [x-h], most: 2",
  ])
    assert.equal(said(limit).length, 1, JSON.stringify(said(limit)));
  assert.equal(said("rate: 1/s, tier: caller, tiers: [a]").length, 1);
  assert.match(said("rate: 100")[0]!, /write `100\/s`/);
  assert.match(said("rte: 100/s")[0]!, /did you mean `rate`/);
  assert.match(said("burst: 5")[0]!, /a limit needs `rate`/);
});

test("a tier, and what is denied without, may be what some endpoint or caller of some rule has", () => {
  const other = "  - { name: b, callers: [storefront], allow: [GET /c], token: corp, scopes: [a], limit: own }\n";
  for (const text of [
    byPath("rate: 1/s, tier: path.id, tiers: { a: 2/s }"),
    limited("rate: 1/s, tier: caller.ns, tiers: { a: 2/s }", "", other),
    byPath("rate: 1/s, per: [path.id], absent: deny"),
    limited("rate: 1/s, per: [caller.ns], absent: deny", "", other),
    limited("rate: 1/s, per: [path.id], absent: share"),
    // Nobody takes from it, which is warned of.
    limited("rate: 1/s").replace("limits:\n", "limits:\n  idle: { rate: 1/s, tier: path.a, tiers: { a: 2/s } }\n"),
  ])
    assert.deepEqual(check(text).errors, []);
});

test("an endpoint that is wrong may be the one with the name, which is not said to be absent", () => {
  const text = byPath("rate: 1/s, tier: path.id, tiers: { a: 2/s }").replace("/a/{id}", "/a/{id}/");
  assert.deepEqual(
    check(text).errors.map(({ code }) => code),
    ["path_ambiguous"],
  );
});

/** The same as one of a fleet of so many Envoys. */
const ofFleet = (limit: string, replicas = 4): string =>
  limited(limit).replace("limits:\n", `fleet: { replicas: ${replicas} }\nlimits:\n`);

const warnings: Case[] = [
  [
    "in shadow mode",
    limited("rate: 1/s, mode: shadow").replace("own:", `${mark}own:`),
    "shadow_limit",
    /denies nothing/,
  ],
  [
    "a limit that is too small for blocks",
    ofFleet(`rate: 59/m, scope: fleet, ${mark}fleet: leased`),
    "fleet_lease",
    /`59\/m`.*as with `fleet: exact`.*`60\/m` for `replicas: 4`/,
  ],
  [
    "a fleet that is not said to have several Envoys",
    limited("rate: 100/s, scope: fleet").replace("own:", `${mark}own:`),
    "fleet_without_replicas",
    /whole limit `own`.*replicas: 4/,
  ],
  [
    "a fleet that says other things",
    limited("rate: 100/s, scope: fleet").replace("limits:\n", `${mark}fleet: { cluster: other }\nlimits:\n`),
    "fleet_without_replicas",
    /whole limit `own`/,
  ],
  [
    "answers that are to tell of a leased limit of the fleet",
    limited(`rate: 1000/s, scope: fleet, fleet: leased, ${mark}headers: always`),
    "fleet_headers",
    /admitted requests.*leave `headers` out/,
  ],
];

/** The rule has this bound, marked. */
const bounded = (key: string, bytes: number): string => limited("rate: 1/s", `, ${key}: ${mark}${bytes}`);
warnings.push(
  [
    "headers that no request has so few of",
    bounded("maxHeaderBytes", 63),
    "size_bound",
    /denies every request.*`:method`/,
  ],
  [
    "headers that the filter does not read",
    bounded("maxHeaderBytes", 65536),
    "size_bound",
    /never denies.*65536 bytes/,
  ],
  [
    "a query that the filter does not read",
    bounded("maxQueryBytes", 65536),
    "size_bound",
    /`maxQueryBytes` never denies/,
  ],
);

run("warnings", warnings);

test("a bound that some requests pass is not warned of", () => {
  for (const [key, bytes] of [
    ["maxHeaderBytes", 64],
    ["maxHeaderBytes", 60000],
    ["maxQueryBytes", 0],
    ["maxQueryBytes", 9000],
  ] as const) {
    const codes = check(bounded(key, bytes).replace(mark, "")).warnings.map(({ code }) => code);
    assert.ok(!codes.includes("size_bound"), `${key}: ${bytes}`);
  }
});

test("a limit that blocks are asked for of is not warned of", () => {
  const codes = (text: string): string[] => check(text).warnings.map(({ code }) => code);
  assert.ok(!codes(ofFleet("rate: 60/m, scope: fleet, fleet: leased")).includes("fleet_lease"));
  assert.ok(!codes(ofFleet("rate: 10/m, scope: fleet, fleet: exact")).includes("fleet_lease"));
  assert.ok(!codes(ofFleet("rate: 100/s, scope: fleet")).includes("fleet_without_replicas"));
});
