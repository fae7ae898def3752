/** The arithmetic of `npm run bench:limits`: what one exact bucket admits, when a limit counts as held, and ratios of costs. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { rateOf } from "../bench/limits/admitted.ts";
import { chains } from "../bench/limits/chains.ts";
import { admittedByOneBucket, judge, leastByOneBucket, reservedTokens } from "../bench/limits/exact.ts";
import { ratiosOf } from "../bench/limits/ratios.ts";
import { cellHeader, cellLine, ratioLines } from "../bench/limits/tables.ts";
import type { CaseResult } from "../bench/results.ts";
import { summarize } from "../bench/statistics.ts";

describe("one exact bucket", () => {
  const rate = { perSecond: 10, burst: 2, cost: 1 };

  test("admits its burst, then a request each interval, in whatever order the log has them", () => {
    assert.equal(admittedByOneBucket([0, 0, 0], rate), 2);
    assert.equal(admittedByOneBucket([100_000, 0, 0, 99_999, 0], rate), 3);
    assert.equal(admittedByOneBucket([0, 0, 1_000_000, 1_000_000, 1_000_000], rate), 4);
    assert.equal(admittedByOneBucket([0, 0, 100_000, 200_000], { ...rate, cost: 2 }), 2);
  });

  test("by beginnings or ends of requests, whichever admits less", () => {
    const arrivals = [
      { began: 0, ended: 50_000 },
      { began: 100_000, ended: 100_010 },
    ];
    assert.equal(leastByOneBucket(arrivals, { perSecond: 10, burst: 1, cost: 1 }), 1);
  });
});

describe("a limit held", () => {
  const rate = { perSecond: 1000, burst: 2000, cost: 10 };
  const seen = { workers: 2, seconds: 2, byOneBucket: 400 };

  test("up to rate × time, burst and what workers may have reserved, and not beyond", () => {
    assert.equal(reservedTokens(2, 2000), 4);
    assert.deepEqual([reservedTokens(4, 999), reservedTokens(4, 1_000_000)], [0, 256]);
    const held = judge(rate, { ...seen, admitted: 400 });
    assert.deepEqual([held.allowedTokens, held.mostTokens, held.problem], [4000, 4004, ""]);
    assert.equal(judge(rate, { ...seen, admitted: 401 }).problem, "BEYOND THE BOUND");
  });

  test("down to a hundredth less than one bucket, one request, and what workers may hold", () => {
    assert.equal(judge(rate, { ...seen, admitted: 395 }).problem, "");
    assert.equal(judge(rate, { ...seen, admitted: 394 }).problem, "TOO FEW");
  });

  test("and its line has what it admitted beside what it may", () => {
    const given = { ...seen, admitted: 401 };
    const line = cellLine({ ...rate, ...given, ...judge(rate, given), requests: 5000 });
    assert.match(line, /^ +2 +1000 +2000 +10 +5000 +2\.00 +4010 +4000 +4004 +1\.0015 +1\.0025 {2}BEYOND THE BOUND$/u);
    assert.equal(cellHeader.length, line.length - "  BEYOND THE BOUND".length);
  });
});

test("limits of more than clients can ask for take several tokens a request, as far as their burst goes", () => {
  const costs = [
    [10, 1],
    [10, 100_000],
    [100_000, 1],
    [100_000, 10],
    [100_000, 100_000],
  ].map(([perSecond, burst]) => rateOf(perSecond!, burst!).cost);
  assert.deepEqual(costs, [1, 100, 1, 10, 100]);
});

describe("ratios of costs", () => {
  /** All chains as they were in three rounds, some of them given. */
  const measured = (given: Readonly<Record<string, number[]>>): CaseResult[] =>
    Object.keys(chains).map((chain) => {
      const roundMicroseconds = given[chain] ?? [30, 40, 50];
      const microseconds = summarize(roundMicroseconds);
      return { chain, roundMicroseconds, microseconds } as unknown as CaseResult;
    });
  const ratioOf = (results: readonly CaseResult[], what: string) => {
    const found = ratiosOf(results).find((one) => one.what === what);
    assert.ok(found !== undefined, what);
    return [found.ratio, found.ratioByMinima];
  };

  test("in all, or of what is added to a base in the same round", () => {
    const results = measured({
      router: [10, 20, 40],
      "ours-429": [20, 26, 60],
      "ours-shared": [20, 30, 44],
      "ours-shared-upstream": [40, 52, 90],
    });
    // The differences of each round are 10, 6, 20 and 10, 10, 4.
    assert.deepEqual(ratioOf(results, "ours-429 over the router : ours-shared over the router"), [1, 1]);
    assert.deepEqual(ratioOf(results, "ours-429, in all : ours-shared-upstream, in all"), [0.5, 0.5]);
  });

  test("are unknown where noise has left nothing to divide by", () => {
    const results = measured({ router: [30, 40, 50], "ours-shared": [30, 40, 50], "ours-429": [40, 50, 60] });
    assert.deepEqual(ratioOf(results, "ours-429 over the router : ours-shared over the router"), [null, null]);
    assert.match(ratioLines([{ what: "x", ratio: null, ratioByMinima: 1.234 }]).at(-1)!, /^ +\? +1\.23 {2}x$/);
  });
});
