/**
 * Random schedules of requests, workers, reloads and clock steps: who is shut out when, held against the second evaluator's list of times,
 * and with clocks that step against what no step may change.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Quarantines, type Someone } from "../differential/reference/quarantine.ts";
import { nowSeconds } from "../support/plugin.ts";
import { edge, Guarded, mobile, quarantinePolicy, web } from "../support/quarantine.ts";
import { runSeed } from "../support/random.ts";

const runs = Number(process.env.CASES ?? 60);
const workers = 3;

const someQuarantine = fc.record({
  denials: fc.constantFrom(1, 2, 3, 5, 32),
  withinSeconds: fc.constantFrom(1, 5, 60),
  forSeconds: fc.constantFrom(1, 5, 20),
  maxSeconds: fc.constantFrom(20, 60),
  per: fc.constantFrom("caller", "source.ip", "caller.trust_domain"),
});
type Numbers = typeof someQuarantine extends fc.Arbitrary<infer T> ? T : never;

const someStep = fc.record({
  caller: fc.constantFrom(web, web, mobile, "spiffe://partner.net/a", null, edge),
  source: fc.constantFrom("10.0.0.1", "10.0.0.2"),
  isBad: fc.nat(3).map((number) => number > 0),
  worker: fc.nat(workers - 1),
  afterMilliseconds: fc.oneof(
    { arbitrary: fc.constantFrom(0, 0, 1, 100, 999, 1000), weight: 9 },
    { arbitrary: fc.constantFrom(4_999, 5_000, 20_000, 60_000), weight: 1 },
  ),
  isReload: fc.nat(30).map((number) => number === 0),
});

function policyOf({ denials, withinSeconds, forSeconds, maxSeconds, per }: Numbers): string {
  const times = `within: ${withinSeconds}s, for: ${forSeconds}s, max: ${maxSeconds}s`;
  const when = "[no_rule, identity_missing]";
  return quarantinePolicy(`{ name: a, per: [${per}], when: ${when}, denials: ${denials}, ${times} }`);
}

test("workers, reloads and time change nothing about who is shut out when", () => {
  const seed = runSeed();
  console.log(`SEED=${seed}`);
  let shut = 0;
  const steps = fc.array(someStep, { minLength: 50, maxLength: 400, size: "max" });
  fc.assert(
    fc.property(someQuarantine, steps, (numbers, schedule) => {
      const policy = policyOf(numbers);
      const guarded = new Guarded(policy, workers);
      const { denials, per } = numbers;
      const [withinMilliseconds, forMilliseconds, maxMilliseconds] = [
        numbers.withinSeconds,
        numbers.forSeconds,
        numbers.maxSeconds,
      ].map((seconds) => seconds * 1000) as [number, number, number];
      const when = ["no_rule", "identity_missing"];
      const one = { name: "a", mode: "enforce" as const, per: [per], when, denials, release: [] };
      const times = { withinMilliseconds, forMilliseconds, maxMilliseconds };
      const reference = new Quarantines([{ ...one, ...times }], [edge]);
      let now = nowSeconds * 1000;
      for (const [index, { caller, source, isBad, worker, afterMilliseconds, isReload }] of schedule.entries()) {
        now += afterMilliseconds;
        guarded.pass(afterMilliseconds / 1000);
        if (isReload) guarded.reload(policy);
        const path = isBad ? "/nothing" : "/public";
        const who: Someone = { caller, isBehind: caller === edge, source, takesForwardedAddress: false };
        const isShut = reference.shutOut(who, now);
        const plain = isBad ? (caller === null ? "identity_missing" : "no_rule") : "allowed";
        assert.equal(guarded.reason({ caller, source, path }, worker), isShut ? "quarantined" : plain, `step ${index}`);
        if (isShut) shut++;
        else if (isBad) reference.count(plain, who, now);
      }
    }),
    { numRuns: runs, seed },
  );
  assert.ok(shut > runs, `${shut} requests were shut out`);
});

test("whatever a clock does, nobody is shut out for longer than the longest time, and nobody who did nothing", () => {
  const seed = runSeed();
  console.log(`SEED=${seed}`);
  const someJump = fc.constantFrom(-86_400, -3600, -3600, -10, -2, 0, 2, 10, 3600, 3600, 86_400);
  const steps = fc.array(fc.record({ step: someStep, jump: fc.oneof(fc.constant(0), fc.constant(0), someJump) }), {
    minLength: 20,
    maxLength: 120,
    size: "max",
  });
  fc.assert(
    fc.property(someQuarantine, steps, (numbers, schedule) => {
      const guarded = new Guarded(policyOf({ ...numbers, per: "caller" }), workers);
      const innocent = { caller: "spiffe://example.org/innocent", path: "/orders" };
      for (const { step, jump } of schedule) {
        guarded.pass(step.afterMilliseconds / 1000 + jump);
        guarded.probe(1, { caller: web });
        assert.equal(guarded.reason(innocent, step.worker), "allowed");
        // Two seconds is how far workers' clocks may lie apart.
        const left = guarded.retryAfter();
        assert.ok(left <= numbers.maxSeconds + 2, `${left} s`);
      }
      guarded.reason();
      guarded.pass(numbers.maxSeconds + 2);
      assert.equal(guarded.reason(), "allowed");
    }),
    { numRuns: runs, seed },
  );
});
