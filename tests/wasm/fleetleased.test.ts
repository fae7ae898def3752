/** Leased limits of the fleet: blocks of tokens, for how long they are good, and what holds when no more come. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { lease_divisor } from "../../assembly/limits.ts";
import type { GrpcCall } from "../../scripts/host/context.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { Fleet, type Told } from "../support/fleet.ts";
import { ok, over, readQuestion, type Status, writeAnswer } from "../support/ratelimit.ts";
import { outcomeOf } from "../support/workers.ts";

describe("leased", () => {
  const rate = 3000;
  /** As many as a worker asks for at a time at the most, of four Envoys. */
  const most = rate / (lease_divisor * 4);
  const leased = (onError = "local", unit = "h"): Told => ({
    limits: `x: { rate: ${rate}/${unit}, per: [caller], scope: fleet, fleet: leased, onError: ${onError} }`,
  });
  const hits = ({ message }: GrpcCall): number => readQuestion(message).hits;

  /** Has requests come one after the other, each call answered at once by a service that counts; what it has admitted and been asked. */
  function drive(
    fleet: Fleet,
    count: number,
    grants: (hits: number) => Status = () => granting,
  ): { admitted: number; asked: number[] } {
    const [host] = fleet.hosts;
    const asked: number[] = [];
    let admitted = 0;
    for (let request = 0; request < count; request++) {
      const outcome = fleet.get();
      for (const call of host!.grpcCalls) {
        asked.push(hits(call));
        host!.answerGrpc(call.token, writeAnswer([grants(hits(call))]));
      }
      if (outcomeOf(outcome) === "allowed") admitted++;
    }
    return { admitted, asked };
  }
  const granting: Status = { code: 1, resetSeconds: 3000 };

  test("blocks grow with the key's own rate, up to the most, and spare most requests the wait", () => {
    const fleet = new Fleet(leased());
    const { admitted, asked } = drive(fleet, 1000);
    assert.equal(admitted, 1000);
    assert.equal(Math.max(...asked), most);
    assert.ok(asked.length < 60, `${asked.length} calls for 1000 requests`);
    fleet.tick(0);
    assert.ok(fleet.answersOf("leased") > 900n);
  });

  test("a key that comes but once asks once", () => {
    const fleet = new Fleet(leased());
    fleet.get();
    assert.deepEqual(fleet.hosts[0]!.grpcCalls.map(hits), [1]);
  });

  test("no more is admitted than the service has counted, whatever it answers and whenever", () => {
    let total = 0;
    fc.assert(
      fc.property(fc.array(fc.nat(999), { minLength: 200, maxLength: 600 }), (choices) => {
        const fleet = new Fleet(leased("deny"));
        const [host] = fleet.hosts;
        fleet.tick(0);
        let counted = 0;
        let left = 400;
        const outcomes: Outcome[] = [];
        for (const choice of choices) {
          if (choice < 600) outcomes.push(fleet.get());
          const [call] = host!.grpcCalls;
          if (call === undefined || choice % 4 === 0) continue;
          const wanted = hits(call);
          if (choice % 10 === 0) host!.answerGrpc(call.token, 14);
          else if (wanted > left) host!.answerGrpc(call.token, writeAnswer([over(3000)]));
          else {
            left -= wanted;
            counted += wanted;
            host!.answerGrpc(call.token, writeAnswer([granting]));
          }
        }
        const admitted = outcomes.filter((outcome) => outcomeOf(outcome) === "allowed").length;
        assert.ok(admitted <= counted, `${admitted} admitted of ${counted}`);
        total += admitted;
      }),
      { numRuns: 30 },
    );
    assert.ok(total > 0, "nothing was admitted in any run");
  });

  test("what is left of a block ends with the period in which it was counted", () => {
    const fleet = new Fleet(leased("deny", "m"));
    fleet.tick(0);
    drive(fleet, 100, () => ({ code: 1, resetSeconds: 30 }));
    assert.equal(outcomeOf(fleet.get()), "allowed");
    fleet.pass(31);
    fleet.tick(0);
    assert.equal(outcomeOf(fleet.get()), "waits");
  });

  test("a block that is granted in the next period takes the place of what is left of the one before", () => {
    const fleet = new Fleet(leased("deny", "m"));
    const [host] = fleet.hosts;
    fleet.tick(0);
    // Half of a block is left, and the next one has been asked for.
    drive(fleet, 200, () => ({ code: 1, resetSeconds: 30 }));
    while (host!.grpcCalls.length === 0) assert.equal(outcomeOf(fleet.get()), "allowed");
    const [call] = host!.grpcCalls;
    fleet.pass(29);
    host!.answerGrpc(call!.token, writeAnswer([{ code: 1, resetSeconds: 60 }]));
    let admitted = 0;
    for (; outcomeOf(fleet.get()) === "allowed"; admitted++) assert.ok(admitted < 2 * rate, "nothing is denied");
    assert.equal(admitted, hits(call!));
  });

  test("a block that comes when its own period is over is good for a second at the most", () => {
    const fleet = new Fleet(leased("deny", "m"));
    const [host] = fleet.hosts;
    fleet.tick(0);
    drive(fleet, 200, () => ({ code: 1, resetSeconds: 30 }));
    while (host!.grpcCalls.length === 0) fleet.get();
    // The service counted it in the last moment of its period, and says so.
    host!.answerGrpc(host!.grpcCalls[0]!.token, writeAnswer([{ code: 1, resetSeconds: 0 }]));
    assert.equal(outcomeOf(fleet.get()), "allowed");
    fleet.pass(1);
    assert.equal(outcomeOf(fleet.get()), "waits");
  });

  test("a block that is refused is not asked for again in that period; single requests are", () => {
    const fleet = new Fleet(leased("local", "m"));
    const refusing = () => drive(fleet, 200, (wanted) => (wanted > 1 ? over(30) : { code: 1, resetSeconds: 30 }));
    const { asked } = refusing();
    assert.equal(asked.filter((wanted) => wanted > 1).length, 1);
    assert.equal(asked.filter((wanted) => wanted === 1).length, 200);
    fleet.pass(31);
    fleet.tick(0);
    const { asked: afterwards } = refusing();
    assert.equal(afterwards.filter((wanted) => wanted > 1).length, 1, "once more in the next period");
  });

  test("the service goes away: what the worker has of a block is still admitted, and then onError holds", () => {
    const fleet = new Fleet(leased("deny"));
    fleet.tick(0);
    drive(fleet, 200);
    const [host] = fleet.hosts;
    let admitted = 0;
    for (; outcomeOf(fleet.get()) === "allowed"; admitted++) {
      for (const { token } of host!.grpcCalls) host!.answerGrpc(token, 14);
    }
    assert.ok(admitted <= 1.5 * most, `${admitted} admitted without the service`);
  });

  for (const [what, answer] of [
    ["of no limit", writeAnswer([], 1)],
    ["of two", writeAnswer([ok, ok])],
  ] as const) {
    test(`an answer ${what} is none for a block: nothing is admitted of it`, () => {
      const fleet = new Fleet(leased("deny"));
      const { asked } = drive(fleet, 50);
      assert.ok(asked.some((wanted) => wanted > 1));
      const [host] = fleet.hosts;
      let admitted = 0;
      for (let request = 0; request < 500; request++) {
        if (outcomeOf(fleet.get()) === "allowed") admitted++;
        for (const { token } of host!.grpcCalls) host!.answerGrpc(token, answer);
      }
      // What the service had granted until then.
      assert.ok(admitted <= 2 * most, `${admitted} admitted`);
    });
  }

  test("a rule with several limits of the fleet asks for each request", () => {
    const { limits } = leased();
    const fleet = new Fleet({ limits: `${limits}, y: { rate: 9000/h, scope: fleet, fleet: leased }`, limit: "[x, y]" });
    const [host] = fleet.hosts;
    for (let request = 0; request < 20; request++) {
      assert.equal(outcomeOf(fleet.get()), "waits");
      for (const { token } of host!.grpcCalls) host!.answerGrpc(token, writeAnswer([granting, granting]));
    }
  });

  test("each client has blocks of its own", () => {
    const fleet = new Fleet(leased("deny"));
    drive(fleet, 200);
    assert.equal(outcomeOf(fleet.get("/a", "spiffe://example.org/other")), "waits");
  });
});
