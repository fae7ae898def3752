/** Quarantines of a fleet: several Envoys, each with workers, a clock and a secret of its own, and one rate limit service. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { quarantine_ask_seconds } from "../../assembly/limits.ts";
import type { FilterRequest } from "../../scripts/evaluate/engine.ts";
import { mobile, web } from "../support/quarantine.ts";
import { fleetPolicy, fleetProbing, GuardedFleet, met, quarter } from "../support/quarantinefleet.ts";
import { Random } from "../support/random.ts";
import { readQuestion } from "../support/ratelimit.ts";

describe("a caller that one Envoy shuts out", () => {
  test("is shut out by the others once they have asked, on all their workers", () => {
    const fleet = new GuardedFleet(3);
    fleet.probe(0, 4);
    assert.equal(fleet.reason(0), "quarantined");
    for (const envoy of [1, 2]) {
      assert.deepEqual(met(fleet, envoy), ["allowed", "quarantined"]);
      assert.equal(fleet.reason(envoy, {}, 1), "quarantined");
      assert.equal(fleet.reason(envoy, { caller: mobile }), "allowed", "others are not");
    }
  });

  test("is let in again everywhere when its time is over, at most a quarter later where another Envoy says so", () => {
    for (const start of [0, 17, 31, 40]) {
      const fleet = new GuardedFleet();
      fleet.pass(start);
      fleet.probe(0, 4);
      met(fleet, 1);
      // It goes on asking, everywhere.
      for (let second = 0; second < 115; second++) {
        fleet.pass(1);
        for (const envoy of [0, 1]) assert.equal(fleet.reason(envoy), "quarantined", `after ${second} s`);
      }
      fleet.pass(120 * quarter - 115);
      for (const envoy of [0, 1]) assert.equal(fleet.reason(envoy), "allowed");
    }
  });

  test("is let in where it was denied when it has waited for as long as it was told, and is not shut out by the echo", () => {
    for (let start = 0; start < 16; start++) {
      const fleet = new GuardedFleet();
      fleet.pass(start);
      fleet.probe(0, 4);
      const seconds = fleet.retryAfter(0);
      assert.equal(seconds, 120);
      for (let left = seconds; left > 1; left--) {
        fleet.pass(1);
        if (start % 2 === 0) assert.equal(fleet.reason(0), "quarantined");
      }
      fleet.pass(1);
      assert.deepEqual(met(fleet, 0), ["allowed", "allowed"], `begun at ${start} s`);
      fleet.probe(0, 4);
      assert.equal(fleet.retryAfter(0), 240, "it has happened once before");
    }
  });

  test("is shut out where it comes late, and until the end", () => {
    const fleet = new GuardedFleet();
    fleet.probe(0, 4);
    fleet.pass(90);
    assert.deepEqual(met(fleet, 1), ["allowed", "quarantined"]);
    fleet.pass(120 * quarter - 90);
    assert.deepEqual(met(fleet, 1), ["allowed", "allowed"]);
  });

  test("is shut out for longer each time, everywhere", () => {
    const fleet = new GuardedFleet();
    for (const seconds of [120, 240, 480, 960, 960]) {
      fleet.probe(0, 4);
      fleet.pass(quarantine_ask_seconds);
      assert.deepEqual(met(fleet, 1), ["allowed", "quarantined"]);
      fleet.pass(seconds - 2 * quarantine_ask_seconds);
      assert.equal(fleet.reason(0), "quarantined");
      fleet.reason(1);
      assert.equal(fleet.reason(1), "quarantined", `${seconds} s`);
      fleet.pass(seconds * (quarter - 1) + quarantine_ask_seconds);
      assert.equal(fleet.reason(0), "allowed");
      assert.equal(fleet.reason(1), "allowed");
    }
  });
});

describe("how often it has happened", () => {
  test("an Envoy knows that is told, whether or not it was told before", () => {
    const fleet = new GuardedFleet();
    for (const seconds of [120, 240, 480]) {
      fleet.probe(0, 4);
      assert.equal(fleet.retryAfter(0), seconds);
      if (seconds < 480) fleet.pass(seconds * quarter);
    }
    assert.deepEqual(met(fleet, 1), ["allowed", "quarantined"]);
    fleet.pass(480 * quarter);
    fleet.probe(1, 4);
    assert.equal(fleet.retryAfter(1), 960);
  });

  test("is forgotten after the longest time, also where the next time is told", () => {
    const fleet = new GuardedFleet();
    for (const seconds of [120, 240, 480]) {
      fleet.probe(1, 4);
      fleet.pass(seconds * quarter);
    }
    fleet.pass(960);
    fleet.probe(0, 4);
    assert.equal(fleet.retryAfter(0), 120);
    assert.deepEqual(met(fleet, 1), ["allowed", "quarantined"]);
    fleet.pass(120 * quarter);
    fleet.probe(1, 4);
    assert.equal(fleet.retryAfter(1), 240);
  });

  test("is not more because an Envoy is told of the same time twice", () => {
    const fleet = new GuardedFleet();
    fleet.probe(0, 4);
    // The first answer comes; what is asked then is lost.
    const [host] = fleet.envoys[1]!.workers.hosts;
    fleet.envoys[1]!.reason();
    host!.answerGrpc(host!.grpcCalls[0]!.token, fleet.service.answer(host!.grpcCalls[0]!.message));
    host!.answerGrpc(host!.grpcCalls[0]!.token, 14);
    fleet.pass(fleet.retryAfter(1) + quarantine_ask_seconds);
    assert.deepEqual(met(fleet, 1), ["allowed", "quarantined"]);
    fleet.pass(120 * quarter);
    fleet.probe(1, 4);
    assert.equal(fleet.retryAfter(1), 240);
  });
});

describe("denials", () => {
  test("count together that several Envoys have", () => {
    const fleet = new GuardedFleet(4);
    for (const envoy of [0, 1, 2]) fleet.probe(envoy, 1);
    assert.equal(fleet.reason(0), "allowed");
    fleet.probe(3, 1);
    assert.equal(fleet.reason(3), "quarantined", "the fourth");
    fleet.pass(quarantine_ask_seconds);
    for (const envoy of [0, 1, 2]) assert.deepEqual(met(fleet, envoy), ["allowed", "quarantined"]);
  });

  test("of another minute of the clock do not", () => {
    const fleet = new GuardedFleet(4);
    for (const envoy of [0, 1, 2]) fleet.probe(envoy, 1);
    fleet.pass(60);
    fleet.probe(3, 1);
    assert.equal(fleet.reason(3), "allowed");
  });

  test("of before do not count again once a caller is let in", () => {
    const fleet = new GuardedFleet();
    fleet.probe(0, 4);
    fleet.pass(120 * quarter);
    assert.equal(fleet.probe(0, 3), "no_rule");
    assert.equal(fleet.reason(0), "allowed");
  });

  test("that come faster than answers are told together", () => {
    const fleet = new GuardedFleet(2);
    const [host] = fleet.envoys[0]!.workers.hosts;
    const hitsOfCall = (): (number | undefined)[] => readQuestion(host!.grpcCalls[0]!.message).ownHits;
    for (let count = 0; count < 3; count++) fleet.envoys[0]!.reason({ path: "/nothing" });
    // The first request asked before it was denied.
    assert.deepEqual(hitsOfCall(), [0, 0, 0, 0, 0, 0]);
    const [call] = host!.grpcCalls;
    host!.answerGrpc(call!.token, fleet.service.answer(call!.message));
    assert.deepEqual(hitsOfCall(), [3, 0, 0, 0, 0, 0]);
    fleet.settle();
    fleet.probe(1, 1);
    fleet.pass(quarantine_ask_seconds);
    assert.deepEqual(met(fleet, 0), ["allowed", "quarantined"]);
  });
});

describe("what stays apart", () => {
  test("a quarantine in shadow mode shuts nobody out elsewhere either", () => {
    const fleet = new GuardedFleet(2, fleetPolicy(fleetProbing.replace("scope: fleet", "scope: fleet, mode: shadow")));
    fleet.probe(0, 5);
    assert.deepEqual(met(fleet, 1), ["allowed", "allowed"]);
    assert.equal(fleet.envoys[1]!.counted("probing", "shadow_enter"), 1);
  });

  test("what is counted in shadow mode shuts nobody out where the quarantine is enforced", () => {
    const fleet = new GuardedFleet(2);
    fleet.envoys[1]!.reload(fleetPolicy(fleetProbing.replace("scope: fleet", "scope: fleet, mode: shadow")));
    fleet.probe(1, 3);
    fleet.probe(0, 1);
    assert.equal(fleet.reason(0), "allowed");
    fleet.probe(0, 3);
    assert.equal(fleet.reason(0), "quarantined");
  });

  test("callers that are let out by name are neither asked for nor told of", () => {
    const fleet = new GuardedFleet(2);
    fleet.probe(0, 4);
    met(fleet, 1);
    const released = fleetPolicy(fleetProbing.replace("scope: fleet", `scope: fleet, release: ["${web}"]`));
    for (const envoy of fleet.envoys) envoy.reload(released);
    const { asked } = fleet.service;
    for (let count = 0; count < 10; count++) {
      fleet.pass(quarantine_ask_seconds);
      for (const envoy of [0, 1]) assert.equal(fleet.reason(envoy), "allowed");
    }
    assert.equal(fleet.service.asked, asked);
  });

  test("two quarantines of a caller are asked for each by itself", () => {
    const other = fleetProbing.replace("probing", "scopes").replace("no_rule", "scope_missing");
    const fleet = new GuardedFleet(2, fleetPolicy(`${fleetProbing}, ${other}`));
    fleet.probe(0, 4);
    met(fleet, 1);
    assert.equal(fleet.envoys[1]!.counted("probing", "enter"), 1);
    assert.equal(fleet.envoys[1]!.counted("scopes", "enter"), 0);
  });
});

test("who is shut out by the fleet is said once on each Envoy", () => {
  const fleet = new GuardedFleet();
  fleet.probe(0, 4);
  for (let count = 0; count < 5; count++) {
    met(fleet, 1);
    fleet.pass(quarantine_ask_seconds);
  }
  const lines = fleet.envoys[1]!.lines;
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^sallyport: policy shop, quarantine probing: enter, as the fleet says$/u);
  assert.equal(fleet.envoys[1]!.counted("probing", "enter"), 1);
});

/** Whether an Envoy has a key out, once it has heard of it. */
function isOut(fleet: GuardedFleet, envoy: number, request: Partial<FilterRequest>): boolean {
  fleet.pass(quarantine_ask_seconds / 2);
  return met(fleet, envoy, request)[1] === "quarantined";
}

const seeds = Number(process.env.SEEDS ?? 12);
const first = Number(process.env.SEED ?? 1);

for (let seed = first; seed < first + seeds; seed++) {
  test(`Envoys agree on who is out, whatever happened, and nobody is who was not denied (SEED=${seed} SEEDS=1)`, () => {
    const random = new Random(seed);
    const fleet = new GuardedFleet(3);
    const callers = [web, mobile, "spiffe://example.org/quiet"];
    /** When each caller was denied, anywhere. */
    const denied = new Map(callers.map((caller): [string, number[]] => [caller, []]));
    /** Whether so many denials lie within a minute, so long ago at the most as the longest time is. */
    const hasReason = (caller: string): boolean => {
      const times = denied.get(caller)!.filter((time) => time > fleet.seconds - 960 * quarter - 120);
      return times.some((time, index) => (times[index + 3] ?? Number.POSITIVE_INFINITY) - time < 60);
    };
    for (let step = 0; step < 60; step++) {
      const caller = random.pick([web, mobile]);
      const what = random.below(10);
      if (what < 5) {
        for (let count = random.below(5); count >= 0; count--) {
          const reason = fleet.probe(random.below(3), 1, { caller });
          if (reason === "no_rule") denied.get(caller)!.push(fleet.seconds);
          else assert.ok(hasReason(caller), `step ${step}: ${caller} is ${reason}`);
        }
      } else if (what < 8) fleet.pass(random.pick([0.5, 3, 7, 31, 64, 130, 700]));
      else if (what === 8) fleet.service.forget();
      else fleet.isAway = !fleet.isAway;
      assert.equal(fleet.reason(random.below(3), { caller: callers[2] }), "allowed");
      if (fleet.isAway || step % 4 !== 0) continue;
      // Who knows tells, and then the others can ask; two keys that share an entry take turns.
      const outs = (one: string): boolean[] => [0, 1, 2].map((envoy) => isOut(fleet, envoy, { caller: one }));
      for (let round = 0; round < 3; round++) callers.forEach(outs);
      for (const one of callers) {
        const found = outs(one);
        if (new Set(found).size === 1) continue;
        // Its time was over in between, where that began; elsewhere it is a quarter of it later.
        fleet.pass(960 * (quarter - 1) + 3 * quarantine_ask_seconds);
        for (let round = 0; round < 3; round++) outs(one);
        assert.deepEqual(outs(one), [false, false, false], `step ${step}: ${one} was ${found.join(", ")}`);
      }
    }
  });
}
