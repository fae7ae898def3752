/** Buckets that a worker found empty, and does not ask for again for a while (assembly/limit/reservation.ts). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { WasmResult } from "../../scripts/host/abi.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { Limited, policyOf, rivalOf, sharedDataCalls, x } from "../support/limited.ts";
import { imageOf, outcomeOf } from "../support/workers.ts";

describe("a bucket that was found empty", () => {
  const three = "big: { rate: 1/m, burst: 3, per: [caller] }";
  const waitOf = ({ localResponse }: Outcome) => new Map(localResponse!.headers).get("retry-after");

  test("is asked again when it has a token, and each second at the most; Retry-After counts down all the same", () => {
    const proxy = new Limited(policyOf(three));
    assert.equal(proxy.drain(0), 3);
    for (const [seconds, calls, wait] of [
      [0, 0, "60"],
      [0.5, 0, "60"],
      [0.499, 0, "60"],
      [0.001, 1, "59"],
      [0.999, 0, "59"],
      [57, 1, "2"],
      [0.5, 0, "1"],
      [0.5, 1, "1"],
    ] as const) {
      proxy.pass(seconds);
      const outcome = proxy.get(0);
      assert.deepEqual(
        [outcomeOf(outcome), sharedDataCalls(outcome), waitOf(outcome)],
        ["limit_exceeded", calls, wait],
      );
    }
    proxy.pass(0.001);
    assert.ok(proxy.admits(0), "after a minute to the millisecond");
    const outcome = proxy.get(0);
    assert.deepEqual([outcomeOf(outcome), waitOf(outcome)], ["limit_exceeded", "60"]);
    const fast = new Limited(policyOf("big: { rate: 4/s, burst: 1, per: [caller] }"));
    assert.equal(fast.drain(0), 1);
    fast.pass(0.249);
    assert.equal(sharedDataCalls(fast.get(0)), 0);
    fast.pass(0.001);
    assert.ok(fast.admits(0));
  });

  test("answers with no more calls of the host than an admission takes, once it is known to be empty", () => {
    const proxy = new Limited(policyOf(three));
    const admitted = proxy.get(0);
    assert.equal(outcomeOf(admitted), "allowed");
    proxy.drain(0);
    const denied = proxy.get(0);
    assert.equal(outcomeOf(denied), "limit_exceeded");
    const names = ({ calls }: Outcome) => calls.map(({ name }) => name);
    assert.ok(denied.calls.length <= admitted.calls.length, `${names(denied)} for ${names(admitted)}`);
    // The same but for the bucket, which is asked and written where there may be a token, and for the answer.
    const own = ["get_shared_data", "set_shared_data", "send_local_response", "set_tick_period_milliseconds"];
    const others = (outcome: Outcome) => names(outcome).filter((name) => !own.includes(name));
    assert.deepEqual(others(denied), others(proxy.get(0)));
    assert.equal(sharedDataCalls(denied), 0);
    assert.equal(sharedDataCalls(admitted), 2);
  });

  test("is asked though a clock that stepped back has come by again", () => {
    const back = new Limited(policyOf("big: { rate: 1/h, burst: 3, per: [caller] }"), 2);
    assert.equal(back.drain(0), 3);
    back.pass(-3600);
    assert.equal(back.admits(1), false, "written back as just empty");
    back.pass(3601);
    assert.ok(back.admits(0), "an hour by the clock as it is");
  });

  test("is empty for the caller that emptied it, and on each worker by itself", () => {
    const proxy = new Limited(policyOf(three), 2);
    assert.equal(proxy.drain(0), 3);
    assert.equal(proxy.drain(0, "spiffe://example.org/y"), 3);
    assert.equal(sharedDataCalls(proxy.get(1)), 1);
    assert.equal(sharedDataCalls(proxy.get(1)), 0);
    proxy.pass(60);
    assert.ok(proxy.admits(1));
    assert.equal(proxy.admits(0), false, "the token of this minute is the other worker's");
    proxy.pass(60);
    assert.ok(proxy.admits(0));
  });

  test("may have enough for a cheaper request", () => {
    const text = policyOf("big: { rate: 1/m, burst: 10, per: [caller] }", "big", 4);
    const proxy = new Limited(`${text}  - { name: two, callers: [any], allow: [GET /two], limit: big, cost: 1 }\n`);
    assert.equal(proxy.drain(0), 2);
    assert.equal(proxy.drain(0, x, "/two"), 2);
    proxy.pass(60);
    assert.equal(proxy.admits(0), false);
    assert.ok(proxy.admits(0, x, "/two"));
  });

  test("says how long it is empty for the request that asks, whatever was found empty before", () => {
    const text = policyOf("big: { rate: 1/m, burst: 10, per: [caller] }", "big", 5);
    const proxy = new Limited(`${text}  - { name: two, callers: [any], allow: [GET /two], limit: big, cost: 1 }\n`);
    assert.equal(proxy.drain(0), 2);
    const waits = (path: string) => waitOf(proxy.get(0, x, path));
    assert.deepEqual([waits("/one"), waits("/two"), waits("/one"), waits("/two")], ["300", "60", "300", "60"]);
    proxy.pass(60);
    assert.equal(waits("/one"), "240");
    assert.ok(proxy.admits(0, x, "/two"));
    assert.deepEqual([waits("/one"), waits("/two")], ["300", "60"]);
  });

  test("is not remembered where another worker was first to write it", () => {
    const proxy = new Limited(policyOf(three));
    const host = proxy.hosts[0]!;
    assert.equal(proxy.drain(0), 3);
    proxy.pass(-1000);
    host.faults = [{ call: "set_shared_data", nth: 1, result: WasmResult.CasMismatch }];
    assert.equal(proxy.admits(0), false);
    host.faults = [];
    assert.equal(sharedDataCalls(proxy.get(0)), 2, "read again, and written back as just empty");
    proxy.pass(60);
    assert.ok(proxy.admits(0));
  });

  test("does not take away what is held", () => {
    const text = policyOf("big: { rate: 3600/h, burst: 10000, per: [caller] }", "big", 1);
    const proxy = new Limited(`${text}  - { name: two, callers: [any], allow: [GET /two], limit: big, cost: 9999 }\n`);
    assert.ok(proxy.admits(0) && proxy.admits(0));
    assert.equal(proxy.admits(0, x, "/two"), false, "nine are held, and one less is there than it takes besides");
    proxy.pass(60);
    assert.ok(proxy.admits(0, rivalOf(10_000, 1_000_000_000n)));
    assert.deepEqual(
      Array.from({ length: 9 }, () => sharedDataCalls(proxy.get(0))),
      Array(9).fill(0),
    );
  });

  test("is asked after the clock stepped back, and is another under another rate", () => {
    const proxy = new Limited(policyOf(three));
    assert.equal(proxy.drain(0), 3);
    proxy.pass(-1000);
    assert.equal(sharedDataCalls(proxy.get(0)), 2, "read, and written back as just empty");
    proxy.pass(60);
    assert.ok(proxy.admits(0), "a minute by the clock as it is");
    assert.equal(proxy.admits(0), false);
    const faster = imageOf(policyOf("big: { rate: 60/m, burst: 3, per: [caller] }"));
    proxy.roots[0] = proxy.start(proxy.hosts[0]!, faster);
    assert.equal(proxy.drain(0), 3);
    proxy.pass(1);
    assert.ok(proxy.admits(0), "a token a second from now on");
  });
});
