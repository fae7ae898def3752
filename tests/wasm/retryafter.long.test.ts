/** `Retry-After` obeyed is a request admitted, by whichever worker, and whatever that one or others have reserved. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Limited, policyOf, sharedDataCalls } from "../support/limited.ts";
import { Random, runSeed } from "../support/random.ts";

test("who waits as long as told is admitted by every worker, also where costs are large", () => {
  const seed = runSeed();
  console.log(`SEED=${seed}`);
  const random = new Random(seed);
  for (let run = 0; run < 25; run++) {
    const burst = random.pick([5, 900, 3000, 12_000]);
    const cost = 1 + random.below(Math.min(burst, random.pick([1, 8, 400])));
    const workers = 1 + random.below(4);
    const proxy = new Limited(policyOf(`big: { rate: 60/m, burst: ${burst}, per: [caller] }`, "big", cost), workers);
    for (let worker = 0; worker < workers; worker++) proxy.drain(worker);
    for (let turn = 0; turn < 20; turn++) {
      proxy.pass(random.below(3000) / 1000);
      const { action, localResponse } = proxy.get(random.below(workers));
      if (action === "continue") continue;
      const seconds = Number(new Map(localResponse!.headers).get("retry-after"));
      proxy.pass(seconds);
      const said = `${seconds} s at a cost of ${cost} and a burst of ${burst}, ${workers} workers, SEED=${seed}`;
      assert.ok(proxy.admits(random.below(workers)), said);
    }
  }
});

test("of several limits without room the answer is about the one that has it last", () => {
  const limits = "a: { rate: 60/m, burst: 2 }, b: { rate: 1/m, burst: 2 }, c: { rate: 6/m, burst: 2 }";
  for (const order of ["a, b, c", "b, c, a", "c, a, b"]) {
    const proxy = new Limited(policyOf(limits, `[${order}]`), 2);
    assert.equal(proxy.drain(0), 2);
    for (const worker of [0, 1, 0]) {
      const headers = new Map(proxy.get(worker).localResponse!.headers);
      assert.deepEqual([headers.get("retry-after"), headers.get("ratelimit")], ["60", '"b";r=0;t=60']);
    }
    assert.equal(sharedDataCalls(proxy.get(0)), 0, "known to be over");
    proxy.pass(60);
    assert.ok(proxy.admits(1), order);
  }
});
