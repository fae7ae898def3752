/**
 * Tokens that workers take ahead from large buckets (assembly/limit/reservation.ts): which calls they spare, and that a limit holds all
 * the same, within what the workers hold.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { reservation_divisor, reservation_entries_max, reservation_tokens_max } from "../../assembly/limits.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import { Limited, policyOf, rivalOf, sharedDataCalls, x } from "../support/limited.ts";
import { assertInternal } from "../support/plugin.ts";
import { imageOf, outcomeOf } from "../support/workers.ts";

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
    assert.deepEqual([reservation_divisor, reservation_tokens_max], [1000, 64]);
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
    const proxy = new Limited(policyOf("big: { rate: 2000/h, burst: 2000, per: [caller] }"));
    const rival = rivalOf(2000, 1_800_000_000n);
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

  test("a limit that is changed counts anew, and has nothing of what was taken under the old one", () => {
    const proxy = new Limited(policyOf("big: { rate: 1/h, burst: 1000000, per: [caller] }"));
    assert.ok(proxy.admits(0));
    for (const burst of [1, 2000]) {
      const image = imageOf(policyOf(`big: { rate: 1/h, burst: ${burst}, per: [caller] }`));
      proxy.roots[0] = proxy.start(proxy.hosts[0]!, image);
      assert.equal(proxy.drain(0), burst);
    }
  });

  test("two policies of one name, each with another burst or rate, do not touch each other's buckets", () => {
    for (const [limit, other] of [
      ["rate: 1/h, burst: 3000", "rate: 1/h, burst: 2000"],
      ["rate: 1/h, burst: 1000", "rate: 60/h, burst: 1000"],
    ]) {
      const proxy = new Limited(policyOf(`big: { ${limit}, per: [caller] }`));
      const second = proxy.start(proxy.hosts[0]!, imageOf(policyOf(`big: { ${other}, per: [caller] }`)));
      const roots = [proxy.roots[0]!, second];
      const admitted = [0, 0];
      for (let turn = 0; turn < 8000; turn++) {
        proxy.roots[0] = roots[turn % 2]!;
        if (proxy.admits(0)) admitted[turn % 2]!++;
      }
      const bursts = [limit, other].map((text) => Number(/burst: (\d+)/.exec(text!)![1]));
      assert.deepEqual(admitted, bursts);
    }
  });

  test("limits without `per` each have a place of their own", () => {
    const names = ["one", "two", "three", "four"];
    const limits = names.map((name) => `${name}: { rate: 1/h, burst: 100000 }`).join(", ");
    const rules = names.map(
      (name) => `  - { name: ${name}-rule, callers: [any], allow: [GET /${name}], limit: ${name} }\n`,
    );
    const proxy = new Limited(policyOf(limits, "one").replace(/ {2}- .*\n/u, rules.join("")));
    let asked = 0;
    for (let turn = 0; turn < 200; turn++) {
      for (const name of names) {
        const outcome = proxy.get(0, x, `/${name}`);
        assert.equal(outcome.action, "continue");
        if (sharedDataCalls(outcome) > 0) asked++;
      }
    }
    assert.equal(asked, names.length * Math.ceil(200 / 65));
  });

  test("callers with small bursts, however many, keep no places from those with large ones", () => {
    const limits = "big: { rate: 1/h, burst: 100000, per: [caller] }, small: { rate: 10/h, burst: 10, per: [caller] }";
    const proxy = new Limited(
      `${policyOf(limits)}  - { name: two, callers: [any], allow: [GET /two], limit: small }\n`,
    );
    for (let caller = 0; caller < 8 * reservation_entries_max; caller++)
      assert.ok(proxy.admits(0, `${x}${caller}`, "/two"));
    const asked = Array.from({ length: 130 }, () => sharedDataCalls(proxy.get(0))).filter((count) => count > 0);
    assert.equal(asked.length, 2);
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

  test("a clock that steps back leaves what is held, and of the bucket what its time says", () => {
    const proxy = new Limited(policyOf("big: { rate: 1/h, burst: 10000, per: [caller] }"));
    assert.ok(proxy.admits(0));
    proxy.pass(-1_000_000);
    // A million seconds are 277.8 hours: so many tokens more are missing by this clock.
    assert.equal(proxy.drain(0), 10_000 - 1 - 278);
  });
});
