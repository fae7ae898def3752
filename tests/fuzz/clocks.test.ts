/**
 * A limit that several workers contend for, whose clocks differ: each reads the time, and comes to the bucket only later, when others
 * have been there. What all of them admit together is held against rate and burst over the true time, from the first request sent to the
 * last answer.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { WasmResult } from "../../scripts/host/abi.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { Limited, policyOf } from "../support/limited.ts";
import { Random, runSeed } from "../support/random.ts";

/** Shared data in which something else may happen right before a value is written. */
class Racing extends SharedData {
  before: (() => void) | undefined;

  override set(key: string, value: Uint8Array, cas: number): WasmResult {
    const before = this.before;
    this.before = undefined;
    before?.();
    return super.set(key, value, cas);
  }
}

interface Contention {
  workers: number;
  perSecond: number;
  burst: number;
  /** The most by which a time is old when it is used, in microseconds. */
  skew: number;
  seconds: number;
  seed: number;
}

/** A microsecond, in nanoseconds. */
const tick = 1_000n;

/** How many requests are admitted, at three times the rate that the limit allows, and over how long. */
function contend({ workers, perSecond, burst, skew, seconds, seed }: Contention): {
  admitted: number;
  seconds: number;
} {
  const sharedData = new Racing();
  const policy = policyOf(`big: { rate: ${perSecond}/s, burst: ${burst}, per: [caller] }`);
  const proxy = new Limited(policy, workers, sharedData);
  const random = new Random(seed);
  const below = (bound: number): number => random.below(bound);
  const start = 1_795_255_200_000_000_000n;
  let now = start;
  let first: bigint | undefined;
  let admitted = 0;
  /** One request of a worker, sent so many microseconds ago, when the worker read its clock. */
  const ask = (worker: number, late: number): void => {
    const sent = now - BigInt(late) * tick;
    if (first === undefined || sent < first) first = sent;
    proxy.hosts[worker]!.clock = () => sent;
    if (proxy.admits(worker)) admitted++;
  };
  const gap = Math.floor(1_000_000 / (3 * perSecond));
  while (now < start + BigInt(seconds) * 1_000_000_000n) {
    const worker = below(workers);
    if (workers > 1 && below(4) === 0) {
      // Another worker's request in between costs this one its compare-and-swap.
      const other = (worker + 1) % workers;
      sharedData.before = () => ask(other, below(skew + 1));
    }
    // Half of the times are fresh: a worker that is always late may find the bucket empty for as long.
    ask(worker, below(2) === 0 ? 0 : below(skew + 1));
    sharedData.before = undefined;
    now += BigInt(1 + below(2 * gap)) * tick;
  }
  return { admitted, seconds: Number(now - first!) / 1e9 };
}

test("workers whose clocks differ by up to a second admit no more than rate and burst, and what they took ahead", () => {
  const seed = runSeed();
  console.log(`SEED=${seed}`);
  const contention = fc.record({
    workers: fc.integer({ min: 2, max: 4 }),
    perSecond: fc.constantFrom(100, 1000, 4000),
    burst: fc.constantFrom(1, 50, 900, 3000),
    skew: fc.constantFrom(100, 5_000, 100_000, 1_000_000),
    seconds: fc.constant(2),
    seed: fc.integer(),
  });
  fc.assert(
    fc.property(contention, (given) => {
      const { admitted, seconds } = contend(given);
      const ahead = given.workers * Math.floor(given.burst / 1000);
      const most = given.perSecond * seconds + given.burst + ahead;
      assert.ok(admitted <= most, `${admitted} admitted in ${seconds} s, at most ${most}`);
    }),
    { numRuns: 8, seed },
  );
});

test("over a long time, workers whose clocks differ by milliseconds admit what one would, within a hundredth", () => {
  for (const workers of [1, 2, 4]) {
    const { admitted, seconds } = contend({ workers, perSecond: 400, burst: 90, skew: 5_000, seconds: 30, seed: 7 });
    const most = 400 * seconds + 90;
    assert.ok(admitted <= most && admitted >= 0.99 * most, `${workers} workers: ${admitted} of ${most}`);
  }
});

/** Buckets and how long they take to fill, in seconds. */
const windows = [
  ["1000/s", 1, 0.001],
  ["100/s", 200, 2],
  ["100/s", 1_000_000, 10_000],
  ["60/m", 60, 60],
  ["2/h", 3, 5400],
  ["4/d", 8, 172_800],
  ["1/d", 20_000, 1_728_000_000],
] as const;

for (const [rate, burst, window] of windows) {
  test(`a clock that jumps an hour opens or closes nothing for longer than the window: ${rate}, burst ${burst}`, () => {
    // Large bursts are taken in larger parts.
    const cost = Math.max(1, Math.floor(burst / 50));
    const limit = `big: { rate: ${rate}, burst: ${burst}, per: [caller] }`;
    const start = 1_795_255_200_000_000_000n;
    for (const hours of [1, -1]) {
      const proxy = new Limited(policyOf(limit, "big", cost), 2);
      let now = start;
      for (const host of proxy.hosts) host.clock = () => now;
      const drain = (): number => (proxy.drain(0) + proxy.drain(1)) * cost;
      const pass = (seconds: number): void => {
        now += BigInt(Math.ceil(seconds * 1e9));
      };
      assert.ok(drain() >= burst - 2 * cost);
      pass(3600 * hours);
      const opened = drain();
      // Forward, as much as an hour brings; back, nothing, and all is there again after the window.
      const most = hours < 0 ? 0 : Math.min(burst, (burst * 3600) / window);
      assert.ok(opened <= most + 1e-6 && opened >= most - 2 * cost, `${opened} of ${most} after ${hours} h`);
      pass(window);
      const again = drain();
      assert.ok(again >= burst - 2 * cost && again <= burst + 2 * 64, `${again} a window later, ${hours} h`);
      pass((window / burst) * cost);
      assert.ok(proxy.admits(0) || proxy.admits(1), "when it has the cost again");
    }
  });
}
