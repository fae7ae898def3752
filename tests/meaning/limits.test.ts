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
  const anew = "- limit own: counts: as they are → start anew, with full buckets";
  assert.deepEqual(told(of("1/s"), of("60/m")), ["+ limit own: period: 1s → 60s", anew]);
  assert.deepEqual(told(of("1/s"), of("50/m")), [
    "- limit own: rate: 1 in 1s → 50 in 60s",
    "+ limit own: period: 1s → 60s",
    anew,
  ]);
  assert.deepEqual(told(of("60/m"), of("1/s")), ["+ limit own: period: 60s → 1s", anew]);
  assert.deepEqual(told(of("60/m"), of("50/m")), ["- limit own: rate: 60 in 60s → 50 in 60s", anew]);
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
  assert.deepEqual(gains(of(long, short("shadow")), of(long, short("enforce"))), ["+ quarantine short"]);
  assert.deepEqual(gains(of(long, short("enforce")), of(long, short("shadow"))), ["+ quarantine short"]);
  assert.deepEqual(gains(of(long), of(long, short("enforce"))), ["+ quarantine short"]);
  assert.deepEqual(gains(of(long), of(long, short("shadow"))), ["- quarantine short"]);
  assert.deepEqual(gains(of(long, short("shadow")), of(long)), ["- quarantine short"]);
  assert.deepEqual(gains(of(short("shadow")), of(short("enforce"))), ["- quarantine short"]);
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
