/**
 * Tokens that workers take ahead from large buckets (assembly/limit/lease.ts): which calls they spare, and that a limit holds all
 * the same, within what the workers hold.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { lease_places, lease_share, lease_tokens } from "../../assembly/limits.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { hash32 } from "../../scripts/policy/hash.ts";
import { imageOf, outcomeOf } from "../keys/workers.ts";
import { assertInternal } from "./door.ts";
import { Limited, policyOf, x } from "./limited.ts";
import { sipHash } from "./siphash.ts";

function sharedDataCalls({ calls }: Outcome): number {
  return calls.filter(({ name }) => name.endsWith("shared_data")).length;
}

describe("tokens taken ahead", () => {
  test("of a large bucket a request in four asks for them, and all tokens of the burst are given, no more", () => {
    const proxy = new Limited(policyOf("big: { rate: 1/h, burst: 3000, per: [caller] }"));
    let asked = 0;
    let admitted = 0;
    for (let outcome = proxy.get(0); outcome.action === "continue"; outcome = proxy.get(0)) {
      if (sharedDataCalls(outcome) > 0) asked++;
      admitted++;
    }
    assert.equal(admitted, 3000);
    assert.equal(asked, 750, "three ahead, and the request's own");
  });

  test("a bucket of less than twice a thousand gives none, or one; the largest no more than 64", () => {
    const calls = (burst: number) => {
      const proxy = new Limited(policyOf(`big: { rate: 1/h, burst: ${burst}, per: [caller] }`));
      return Array.from({ length: 130 }, () => sharedDataCalls(proxy.get(0))).filter((count) => count > 0).length;
    };
    assert.deepEqual([calls(200), calls(999), calls(1000), calls(1_000_000)], [130, 130, 65, 2]);
    assert.deepEqual([lease_share, lease_tokens], [1000, 64]);
  });

  test("workers that take turns give the burst between them", () => {
    const proxy = new Limited(policyOf("big: { rate: 1/h, burst: 2500, per: [caller] }"), 3);
    let admitted = 0;
    for (let denied = 0, turn = 0; denied < 3; turn++) {
      if (proxy.admits(turn % 3)) {
        admitted++;
        denied = 0;
      } else denied++;
    }
    assert.equal(admitted, 2500);
  });

  test("what workers hold is the most by which a burst is passed, or falls short", () => {
    const proxy = new Limited(policyOf("big: { rate: 2000/h, burst: 2000, per: [caller] }"), 2);
    assert.ok(proxy.admits(1));
    // The other worker holds two; they are not there for this one.
    assert.equal(proxy.drain(0), 1_997);
    assert.equal(proxy.drain(1), 2);
    assert.ok(proxy.admits(1) === false);
    proxy.pass(3600);
    assert.ok(proxy.admits(1));
    proxy.pass(3600);
    assert.equal(proxy.drain(0) + proxy.drain(1), 2_002);
  });

  test("each caller's are its own, also where two want one place", () => {
    const seed = BigInt(hash32(0, Buffer.from("leases\0big")));
    const placeOf = (caller: string) => (sipHash(seed, 0x101n, Buffer.from(caller)) >> 40n) & BigInt(lease_places - 1);
    const others = Array.from({ length: 4 * lease_places }, (_, number) => `${x}${number}`);
    const rival = others.find((caller) => placeOf(caller) === placeOf(x))!;
    assert.ok(rival !== undefined);
    const proxy = new Limited(policyOf("big: { rate: 2000/h, burst: 2000, per: [caller] }"));
    assert.ok(proxy.admits(0));
    // The place is the first's: the rival asks each time, and neither spends what the other took.
    assert.deepEqual(
      Array.from({ length: 5 }, () => sharedDataCalls(proxy.get(0, rival))),
      [2, 2, 2, 2, 2],
    );
    assert.equal(proxy.drain(0, rival), 1_995);
    assert.equal(proxy.drain(0), 1_999);
    // After as long as the bucket takes to fill the place is free.
    proxy.pass(3600);
    assert.deepEqual(
      Array.from({ length: 3 }, () => sharedDataCalls(proxy.get(0, rival))),
      [2, 0, 0],
    );
    assert.equal(proxy.drain(0), 2_000);
  });

  test("costs are taken from what is held first, and the rest from the bucket", () => {
    const proxy = new Limited(policyOf("big: { rate: 1/h, burst: 10000, per: [caller] }", "big", 4));
    // Four and ten ahead; six left of them, two left, then two more and ten ahead.
    assert.deepEqual(
      Array.from({ length: 7 }, () => sharedDataCalls(proxy.get(0))),
      [2, 0, 0, 2, 0, 0, 2],
    );
    assert.equal(7 + proxy.drain(0), 2_500);
    const dear = new Limited(policyOf("big: { rate: 1/h, burst: 10000, per: [caller] }", "big", 3000));
    assert.equal(dear.drain(0), 3);
  });

  test("with several limits all must have room, and one that has none takes nothing from what is held", () => {
    const limits = "big: { rate: 1/h, burst: 10000, per: [caller] }, small: { rate: 60/m, burst: 2 }";
    const proxy = new Limited(policyOf(limits, "[big, small]"));
    assert.equal(proxy.drain(0), 2);
    for (let count = 0; count < 50; count++) assert.equal(outcomeOf(proxy.get(0)), "limit_exceeded");
    let admitted = 2;
    for (let second = 0; second < 20_000 && admitted <= 10_000; second++) {
      proxy.pass(1);
      if (proxy.admits(0)) admitted++;
      else break;
    }
    assert.ok(admitted >= 10_000 && admitted <= 10_006, `${admitted} of 10,000, and one an hour`);
  });

  test("a burst that is changed drops what was taken under the old one", () => {
    const proxy = new Limited(policyOf("big: { rate: 1/h, burst: 1000000, per: [caller] }"));
    assert.ok(proxy.admits(0));
    const root = proxy.start(proxy.hosts[0]!, imageOf(policyOf("big: { rate: 1/h, burst: 1, per: [caller] }")));
    proxy.roots[0] = root;
    assert.equal(proxy.drain(0), 0, "65 tokens are gone from the bucket, and one is all it may have");
    proxy.roots[0] = proxy.start(proxy.hosts[0]!, imageOf(policyOf("big: { rate: 1/h, burst: 2000, per: [caller] }")));
    proxy.pass(2000 * 3600);
    assert.equal(proxy.drain(0), 2000);
  });

  test("a host that fails denies as ever, and what is held is served without it", () => {
    const proxy = new Limited(policyOf("big: { rate: 1/h, burst: 10000, per: [caller] }"));
    const host = proxy.hosts[0]!;
    assert.ok(proxy.admits(0));
    host.faults = [{ call: "get_shared_data", result: WasmResult.InternalFailure }];
    for (let count = 0; count < 10; count++) assert.ok(proxy.admits(0));
    assertInternal(proxy.get(0), "no shared data");
    host.faults = [{ call: "set_shared_data", result: WasmResult.InternalFailure }];
    assertInternal(proxy.get(0), "shared data is not written");
    host.faults = [{ call: "set_shared_data", nth: 1, result: WasmResult.CasMismatch }];
    assert.ok(proxy.admits(0));
    host.faults = [];
    // A write that was refused has taken nothing, nor given anything to hold.
    assert.equal(proxy.drain(0), 10_000 - 12);
  });

  test("a clock that steps back takes nothing away, and gives nothing", () => {
    const proxy = new Limited(policyOf("big: { rate: 1/h, burst: 10000, per: [caller] }"));
    assert.ok(proxy.admits(0));
    proxy.pass(-1_000_000);
    const after = proxy.drain(0);
    assert.ok(after <= 9_999, `${after}`);
    assert.ok(after >= 10, "what is held");
  });
});

describe("a bucket that was found empty", () => {
  const three = "big: { rate: 1/m, burst: 3, per: [caller] }";
  const waitOf = ({ localResponse }: Outcome) => new Map(localResponse!.headers).get("retry-after");

  test("is not asked again before it has a token; Retry-After counts down all the same", () => {
    const proxy = new Limited(policyOf(three));
    assert.equal(proxy.drain(0), 3);
    for (const [seconds, wait] of [
      [0, "60"],
      [0.5, "60"],
      [0.5, "59"],
      [58, "1"],
      [0.999, "1"],
    ] as const) {
      proxy.pass(seconds);
      const outcome = proxy.get(0);
      assert.deepEqual([outcomeOf(outcome), sharedDataCalls(outcome), waitOf(outcome)], ["limit_exceeded", 0, wait]);
    }
    proxy.pass(0.001);
    assert.ok(proxy.admits(0), "after a minute to the millisecond");
    const outcome = proxy.get(0);
    assert.deepEqual([outcomeOf(outcome), waitOf(outcome)], ["limit_exceeded", "60"]);
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

  test("is asked after the clock stepped back, and under another rate", () => {
    const proxy = new Limited(policyOf(three));
    assert.equal(proxy.drain(0), 3);
    proxy.pass(-1000);
    assert.equal(sharedDataCalls(proxy.get(0)), 2, "read, and written back as just empty");
    proxy.pass(60);
    assert.ok(proxy.admits(0), "a minute by the clock as it is");
    assert.equal(proxy.admits(0), false);
    const faster = imageOf(policyOf("big: { rate: 60/m, burst: 3, per: [caller] }"));
    proxy.roots[0] = proxy.start(proxy.hosts[0]!, faster);
    assert.equal(sharedDataCalls(proxy.get(0)), 2, "read, and written back as just empty");
    proxy.pass(1);
    assert.ok(proxy.admits(0), "a token a second from now on");
  });
});
