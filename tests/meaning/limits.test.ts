/** Limits and quarantines that two policies have otherwise: what is told of them, and what is a gain. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Policy } from "../../scripts/policy/language/model.ts";
import { comparePolicies } from "../../scripts/policy/meaning/difference.ts";
import { check, withRule } from "../support/policy.ts";

function sound(text: string): Policy {
  const { policy, errors } = check(text);
  assert.deepEqual(errors, []);
  return policy!;
}

/** A policy whose rule takes from this limit. */
function limited(limit: string, rule = "", more = ""): Policy {
  const lines = `  - { name: a, callers: [storefront], allow: [GET /a], limit: own${rule} }\n${more}`;
  return sound(withRule(lines).replace("limits:\n", `limits:\n  own: { ${limit} }\n`));
}

/** What is told of the policy as a whole; a gain has a `+`. */
const told = (before: Policy, after: Policy): string[] =>
  comparePolicies(before, after).policy.map(
    ({ what, before, after, gain }) => `${gain ? "+" : "-"} ${what}: ${before} → ${after}`,
  );

const fleet = "fleet: { cluster: ratelimit, replicas: 2 }\n";

test("another period of a limit of the fleet is a gain, whatever its rate", () => {
  const of = (rate: string): Policy => limited(`rate: ${rate}, burst: 60, scope: fleet`, "", fleet);
  const period = "limit own: most in one period";
  const anew = "- limit own: counts: as they are → start anew, with full buckets";
  assert.deepEqual(told(of("1/s"), of("60/m")), [`+ ${period}: 1 each second → 60 each minute`, anew]);
  assert.deepEqual(told(of("1/s"), of("50/m")), [
    "- limit own: rate: 1/s → 50/m",
    `+ ${period}: 1 each second → 50 each minute`,
    anew,
  ]);
  assert.deepEqual(told(of("60/m"), of("1/s")), [`+ ${period}: 60 each minute → 1 each second`, anew]);
  assert.deepEqual(told(of("60/m"), of("50/m")), ["- limit own: rate: 60/m → 50/m", anew]);
  assert.deepEqual(told(limited("rate: 1/s, burst: 60"), limited("rate: 60/m, burst: 60")), []);
});

test("a quarantine that may shut out sooner than another one that is enforced is a gain", () => {
  const quarantine = (name: string, mode: string, denials: number, time: string): string =>
    `  - { name: ${name}, when: [no_rule], denials: ${denials}, within: 1m, for: ${time}, mode: ${mode} }\n`;
  const of = (...quarantines: string[]): Policy =>
    sound(withRule(quarantines.length === 0 ? "" : `quarantine:\n${quarantines.join("")}`));
  const long = quarantine("long", "enforce", 3, "1h");
  const short = (mode: string): string => quarantine("short", mode, 2, "1s");
  const gains = (before: Policy, after: Policy): string[] =>
    comparePolicies(before, after).policy.map(({ what, gain }) => `${gain ? "+" : "-"} ${what}`);
  assert.deepEqual(gains(of(long, short("shadow")), of(long, short("enforce"))), ["+ quarantine short: mode"]);
  assert.deepEqual(gains(of(long, short("enforce")), of(long, short("shadow"))), ["+ quarantine short: mode"]);
  assert.deepEqual(gains(of(long), of(long, short("enforce"))), ["+ quarantine short"]);
  assert.deepEqual(gains(of(long), of(long, short("shadow"))), ["- quarantine short"]);
  assert.deepEqual(gains(of(long, short("shadow")), of(long)), ["- quarantine short"]);
  assert.deepEqual(gains(of(short("shadow")), of(short("enforce"))), ["- quarantine short: mode"]);
  assert.deepEqual(gains(of(), of(short("enforce"))), ["- quarantine short"]);
  assert.deepEqual(gains(of(short("enforce")), of()), ["+ quarantine short"]);
});

test("a cost that raises the share of each Envoy is a gain", () => {
  const of = (rule: string, limit = ""): Policy => limited(`rate: 100/s, burst: 10, scope: fleet${limit}`, rule, fleet);
  const raised = "limit own: burst of each Envoy alone: 5 →";
  assert.deepEqual(told(of(", cost: 5"), of(", cost: 50")), [`+ ${raised} 50`]);
  assert.deepEqual(told(of(", cost: 50"), of("")), ["- limit own: burst of each Envoy alone: 50 → 5"]);
  assert.deepEqual(told(of(""), of(", cost: { value: 'size(request.path)', most: 6 }")), [`+ ${raised} 6`]);
  assert.deepEqual(told(of("", ", onError: deny"), of(", cost: 50", ", onError: deny")), []);
});

test("each part of a quarantine that is changed is told in words", () => {
  const of = (more: string): Policy => sound(withRule(`quarantine: [{ name: q, ${more} }]\n`));
  const plain = of("when: [no_rule], denials: 20, within: 1m, for: 5m, max: 1h");
  const other = of(
    "when: [no_rule, token_signature], denials: 200, within: 90s, for: 10m, max: 2h, per: [source.ip/24, caller], release: [spiffe://example.org/web, 10.1.2.3]",
  );
  assert.deepEqual(told(plain, other), [
    "+ quarantine q: per: caller → caller, source.ip/24",
    "+ quarantine q: when: no_rule → no_rule, token_signature",
    "+ quarantine q: denials: 20 → 200",
    "+ quarantine q: within: 1m → 90s",
    "+ quarantine q: for: 5m → 10m",
    "+ quarantine q: max: 1h → 2h",
    "+ quarantine q: release: null → 10.1.2.0",
    "+ quarantine q: release: null → 10.1.2.3",
    "+ quarantine q: release: null → spiffe://example.org/web",
  ]);
  const short = of("when: [no_rule], denials: 20, within: 1m, for: 5m");
  assert.deepEqual(told(short, of("when: [no_rule], denials: 20, within: 1m, for: 6m")), [
    "+ quarantine q: for: 5m → 6m",
  ]);
  const none = sound(withRule(""));
  const words = "20 denials (no_rule) within 1m shut out caller for 5m";
  assert.deepEqual(told(none, short), [`- quarantine q: null → ${words}`]);
  assert.deepEqual(told(plain, none), [`+ quarantine q: ${words} to 1h → null`]);
  const shadow = of("when: [no_rule], denials: 20, within: 1m, for: 5m, mode: shadow");
  assert.deepEqual(told(none, shadow), [`- quarantine q: null → ${words}, in shadow mode`]);
});

test("a limit in shadow mode keeps nobody from anything", () => {
  const [enforced, shadow] = ["enforce", "shadow"].map((mode) => limited(`rate: 1/s, mode: ${mode}`));
  const none = sound(withRule("  - { name: a, callers: [storefront], allow: [GET /a] }\n"));
  const kinds = (before: Policy, after: Policy): string[] => {
    const { gained, lost, changed } = comparePolicies(before, after);
    return [gained.map(() => "gained"), lost.map(() => "lost"), changed.map(() => "changed")].flat();
  };
  assert.deepEqual(kinds(none, shadow!), []);
  assert.deepEqual(kinds(shadow!, none), []);
  assert.deepEqual(kinds(enforced!, shadow!), ["gained"]);
  assert.deepEqual(told(enforced!, shadow!), ["+ limit own: mode: enforce → shadow"]);
  assert.deepEqual(kinds(shadow!, enforced!), ["lost"]);
  assert.deepEqual(told(shadow!, enforced!), ["- limit own: mode: shadow → enforce"]);
  const more = limited("rate: 9/s, mode: shadow, per: [caller]");
  assert.deepEqual(
    told(shadow!, more).filter((one) => one.startsWith("+")),
    [],
  );
  assert.equal(told(shadow!, more).length, 4);
});

test("a cost that cannot be evaluated denies, also where its limits are in shadow mode", () => {
  const of = (cost: string): Policy => limited("rate: 9/s, mode: shadow", `, cost: '${cost}'`);
  const { changed } = comparePolicies(of('int(request.query["a"])'), of('int(request.query["b"])'));
  assert.deepEqual(changed[0]?.conditions, [{ others: ["cost int(request.query.b)"] }]);
});

test("a limit that counts another thing is told in words", () => {
  const [rate, open, hops] = ["rate: 100/s, burst: 200", "concurrency: 20", "hops: x-hops, most: 8"].map((limit) =>
    limited(limit),
  );
  const [byRate, byOpen, byHops] = [
    "requests by a rate, 100/s, burst 200",
    "requests that are open at a time, 20 at most",
    "hops by the header x-hops, 8 at most",
  ];
  assert.deepEqual(told(rate!, open!), [
    `+ limit own: what it limits: ${byRate} → ${byOpen}`,
    "- limit own: counts: as they are → start anew, with no request counted",
  ]);
  assert.deepEqual(told(open!, rate!), [
    `+ limit own: what it limits: ${byOpen} → ${byRate}`,
    "- limit own: counts: as they are → start anew, with full buckets",
  ]);
  assert.deepEqual(told(open!, hops!).slice(1), [`+ limit own: what it limits: ${byOpen} → ${byHops}`]);
});

test("what a limit, or a policy, has not is not shown as nothing", () => {
  const plain = limited("rate: 1/s");
  const tiered = limited("rate: 1/s, per: [caller], tier: caller, tiers: { a: { rate: 5/m, burst: 9 } }");
  const anew = "- limit own: counts: as they are → start anew, with full buckets";
  assert.deepEqual(told(plain, tiered), [
    "+ limit own: per: nothing (all requests together) → caller",
    "+ limit own: tier: null → by caller",
    "+ limit own: tier a: null → 5/m, burst 9",
    anew,
  ]);
  assert.deepEqual(told(plain, limited("rate: 1/s, scope: fleet", "", fleet)), [
    "+ fleet: null → cluster ratelimit, domain shop, deadline 100ms",
    "+ limit own: scope: proxy → fleet",
    "+ limit own: onError: null → local",
    anew,
  ]);
});
