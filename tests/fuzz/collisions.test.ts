/**
 * Keys that crowd into one set of buckets (assembly/limit/store.ts), more of them than it has room for: whatever comes, none is admitted
 * more than a bucket of its own would admit.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bucket_ways } from "../../assembly/limits.ts";
import { Limited, policyOf } from "../support/limited.ts";
import { Random, runSeed } from "../support/random.ts";
import { callersOfOneSet } from "../support/secret.ts";

const limits = [
  { rate: "60/h", burst: 3, intervalNanoseconds: 60_000_000_000n },
  { rate: "2/s", burst: 9, intervalNanoseconds: 500_000_000n },
];
const crowd = bucket_ways + 9;
const workers = 3;
const steps = Number(process.env.STEPS ?? 3000);

for (const { rate, burst, intervalNanoseconds } of limits) {
  test(`${crowd} keys in one set of ${bucket_ways}, ${rate} and a burst of ${burst}: collisions only deny`, () => {
    const seed = runSeed();
    console.log(`SEED=${seed}`);
    const random = new Random(seed);
    const callers = callersOfOneSet(crowd, { policy: "reservations", name: "big", burst, intervalNanoseconds });
    const proxy = new Limited(policyOf(`big: { rate: ${rate}, burst: ${burst}, per: [caller] }`), workers);
    /** When the bucket of each would be full. */
    const fullAt = new Map<string, bigint>();
    const interval = intervalNanoseconds / 1_000_000n;
    let [now, admitted, shared] = [0n, 0, 0];
    for (let step = 0; step < steps; step++) {
      // Mostly less than a token, at times more than all.
      const intervals = random.below(60) === 0 ? random.below(2 * burst) : random.pick([0, 0, 0.1]);
      const milliseconds = Math.floor(Number(interval) * intervals);
      proxy.pass(milliseconds / 1000);
      now += BigInt(milliseconds);
      const caller = random.pick(callers);
      for (let times = random.below(burst) + 1; times > 0; times--) {
        const before = fullAt.get(caller) ?? 0n;
        const after = (before > now ? before : now) + interval;
        const isThere = after <= now + interval * BigInt(burst);
        const admits = proxy.admits(random.below(workers), caller);
        assert.ok(isThere || !admits, `step ${step}: ${caller} has spent its bucket, SEED=${seed}`);
        if (admits) {
          fullAt.set(caller, after);
          admitted++;
        } else if (isThere) shared++;
      }
    }
    assert.ok(admitted > 0 && shared > 0, `${admitted} admitted, ${shared} denied for others`);
  });
}
