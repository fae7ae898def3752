/**
 * Requests of several callers at several workers, with time between them, against a limit from which workers take tokens ahead
 * (assembly/limit/reservation.ts): how many are admitted in any stretch of time, and whether any is denied that need not be.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Limited, policyOf } from "../support/limited.ts";
import { runSeed } from "../support/random.ts";

test("whatever comes, nobody has more than burst and rate allow and workers hold, nor is denied while the bucket has tokens", () => {
  const burst = 3000;
  const [perSecond, cost, workers, ahead] = [50, 2, 3, 3];
  const policy = policyOf(`big: { rate: ${perSecond}/s, burst: ${burst}, per: [caller] }`, "big", cost);
  const step = fc.record({
    worker: fc.nat(workers - 1),
    caller: fc.nat(2),
    times: fc.oneof({ arbitrary: fc.integer({ min: 1, max: 40 }), weight: 5 }, fc.constant(1600)),
    milliseconds: fc.oneof({ arbitrary: fc.integer({ min: 0, max: 500 }), weight: 8 }, fc.constant(70_000)),
  });
  const property = fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
    const proxy = new Limited(policy, workers);
    const spent = new Map<string, { time: number; tokens: number }[]>();
    /** What each bucket would have if every token taken from it had been spent at once. */
    const buckets = new Map<string, { tokens: number; time: number }>();
    let now = 0;
    for (const { worker, caller, times, milliseconds } of steps) {
      proxy.pass(milliseconds / 1000);
      now += milliseconds;
      const name = `spiffe://example.org/c${caller}`;
      const events = spent.get(name) ?? [];
      spent.set(name, events);
      const bucket = buckets.get(name) ?? { tokens: burst, time: now };
      buckets.set(name, bucket);
      bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.time) * perSecond) / 1000);
      bucket.time = now;
      let tokens = 0;
      for (let count = 0; count < times; count++) {
        if (!proxy.admits(worker, name)) {
          const most = cost + workers * ahead;
          assert.ok(
            bucket.tokens < most,
            `denied with ${bucket.tokens} tokens, of which workers hold ${workers * ahead} at most`,
          );
          break;
        }
        tokens += cost;
        bucket.tokens -= cost;
      }
      events.push({ time: now, tokens });
    }
    for (const events of spent.values()) {
      for (let from = 0; from < events.length; from++) {
        let sum = 0;
        for (let to = from; to < events.length; to++) {
          sum += events[to]!.tokens;
          const seconds = (events[to]!.time - events[from]!.time) / 1000;
          const most = burst + perSecond * seconds + (from === 0 ? 0 : workers * ahead);
          assert.ok(sum <= most + 1e-6, `${sum} tokens in ${seconds} s, at most ${most}`);
        }
      }
    }
  });
  const seed = runSeed();
  console.log(`SEED=${seed}`);
  fc.assert(property, { numRuns: 40, seed });
});
