/**
 * Random policies, and a log that the engine itself makes of random requests with real tokens. Decided again by the same policy, no
 * request may be decided otherwise than its record says; decided again by another policy, none otherwise than the engine decides the
 * request itself under it. To say that a decision is not known is right in any case, so how often that is said is bounded too.
 *
 *   DECISIONS=1000000 npx tsx --test tests/replay/differential.test.ts    so many (default 40000)
 *   SEED=1 …                                                             where to begin
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Verdict } from "../../scripts/evaluate/engine.ts";
import type { Policy } from "../../scripts/policy/language/model.ts";
import { Replay, type Replayed } from "../../scripts/replay/replay.ts";
import type { RecordedRequest } from "../../scripts/traffic/usage.ts";
import { carry } from "../differential/arbitrary/carry.ts";
import { writeKeySets } from "../differential/arbitrary/keys.ts";
import { somePolicy, writePolicy } from "../differential/arbitrary/policies.ts";
import { someStep } from "../differential/arbitrary/requests.ts";
import { someToken, start_seconds } from "../differential/arbitrary/tokens.ts";
import type { Arrived } from "../differential/reference/request.ts";
import { ask, loadText, module, recordOf, someChange, start, withoutHistory } from "./world.ts";

const decisions = Number(process.env.DECISIONS ?? 40_000);
const firstSeed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
/** Policies of one seed. */
const batch = 20;

const scenario = fc.record({
  policy: somePolicy,
  tokens: fc.array(someToken, { minLength: 1, maxLength: 8, size: "+1" }),
  steps: fc.array(someStep, { minLength: 1, maxLength: 200, size: "max" }),
  change: someChange,
});

/** What the engine says for other reasons than its rules and the request. */
const beside = new Set(["keys_unavailable", "internal", "limit_exceeded", "quarantined"]);

const folder = writeKeySets();
const counts = { same: 0, sameKnown: 0, other: 0, otherKnown: 0, changed: 0, asSent: 0 };

test(`replay says of ${decisions} requests what the engine decided, or that it does not know`, () => {
  console.log(`seed ${firstSeed}`);
  for (let seed = firstSeed; counts.same < decisions; seed++) {
    const result = fc.check(fc.property(scenario, runScenario), { seed, numRuns: batch, endOnFailure: true });
    if (result.failed) {
      assert.fail(
        `${String((result.errorInstance as Error).stack)}\nSEED=${seed} npx tsx --test tests/replay/differential.test.ts`,
      );
    }
  }
  console.log(JSON.stringify(counts));
  // Half of these policies take paths that can be read in several ways, and no record says how such a path was sent.
  const judged = counts.same - counts.asSent;
  assert.ok(
    counts.sameKnown / judged > 0.9,
    `${counts.sameKnown} of ${judged} decisions of the same policy were known`,
  );
  assert.ok(
    counts.otherKnown / judged > 0.8,
    `${counts.otherKnown} of ${judged} decisions of another policy were known`,
  );
  assert.ok(counts.changed > 0, "no decision changed");
});

function runScenario({
  policy: parts,
  tokens,
  steps,
  change,
}: typeof scenario extends fc.Arbitrary<infer T> ? T : never): void {
  const policy = loadText(writePolicy(parts), folder);
  if (policy === undefined) return;
  const other = change(policy);
  const [logging, changed] = [start(policy), start(withoutHistory(other))];
  if (logging === undefined || changed === undefined) return;
  const [again, rollout] = [new Replay(module, policy, policy), new Replay(module, policy, other)];
  let now = start_seconds * 1000;
  for (const step of steps) {
    now += step.afterMilliseconds;
    const arrived = step.tokens.reduce<Arrived>(
      (one, carried) => carry(one, carried, tokens, parts.policy),
      step.request,
    );
    const { record } = ask(logging, arrived, now);
    if (record === undefined) continue;
    const recorded = recordOf(arrived, record, now);
    check(policy, recorded, again.replay(recorded), arrived);
    const { verdict } = ask(changed, arrived, now);
    checkOther(other, recorded, rollout.replay(recorded), verdict, arrived);
  }
}

function check(policy: Policy, recorded: RecordedRequest, replayed: Replayed, arrived: Arrived): void {
  const { before, after, standing } = replayed;
  counts.same++;
  if (standing === "contradicted")
    throw new Error(describe("contradicted", policy, recorded, replayed, undefined, arrived));
  const isAdmitted = recorded.decision === "allow" || recorded.reason === "limit_exceeded";
  if (
    after.doubts.some(
      ({ rule, reads }) => rule === "" && reads.some((read) => read.endsWith("as sent") || read.endsWith("was sent")),
    )
  )
    counts.asSent++;
  if (standing === "beside" || beside.has(recorded.reason)) return;
  for (const { decision } of [before, after]) {
    if (decision === "unknown") continue;
    if ((decision === "allow") !== isAdmitted)
      throw new Error(describe("another decision than its record", policy, recorded, replayed, undefined, arrived));
  }
  if (after.decision !== "unknown") counts.sameKnown++;
}

function checkOther(
  policy: Policy,
  recorded: RecordedRequest,
  replayed: Replayed,
  verdict: Verdict,
  arrived: Arrived,
): void {
  const { before, after } = replayed;
  if (beside.has(verdict.reason) || verdict.reason === "headers_too_large") return;
  counts.other++;
  if (after.decision === "unknown") return;
  counts.otherKnown++;
  if (before.decision !== "unknown" && before.decision !== after.decision) counts.changed++;
  if (after.decision !== verdict.decision)
    throw new Error(describe("another decision than the engine", policy, recorded, replayed, verdict, arrived));
}

function describe(
  what: string,
  policy: Policy,
  recorded: RecordedRequest,
  replayed: Replayed,
  verdict: Verdict | undefined,
  arrived: Arrived,
): string {
  const names = new Set([recorded.rule, replayed.before.rule, replayed.after.rule, verdict?.rule ?? ""]);
  const rules = policy.rules
    .filter(({ name }) => names.has(name))
    .map(({ condition, endpoints, ...rule }) =>
      JSON.stringify({
        ...rule,
        when: condition?.text,
        endpoints: endpoints.map(({ methods, segments }) => [methods, segments]),
      }),
    );
  const { identity, forwarders, paths, aliases, trustDomains, issuers, quarantines } = policy;
  return [
    what,
    JSON.stringify(recorded),
    JSON.stringify(replayed),
    JSON.stringify(verdict),
    JSON.stringify(arrived),
    JSON.stringify({ identity, forwarders, paths, aliases: [...aliases], trustDomains, quarantines }),
    JSON.stringify(issuers.map(({ name, issuer, places }) => ({ name, issuer, places }))),
    ...rules,
  ].join("\n");
}
