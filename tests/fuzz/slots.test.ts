/** Requests in flight under random schedules: however streams and workers end, nothing is left taken, and never are more open than may be. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { lost_worker_beats } from "../../assembly/limits.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { Flight, policy, x } from "../support/flight.ts";
import { imageOf } from "../support/workers.ts";

/** Numbers that look random and are the same in each run. */
function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test("100,000 streams opened and broken, with workers lost on the way, leave nothing", () => {
  const random = seeded(7);
  const sharedData = new SharedData();
  const text = policy("open: { concurrency: 20, per: [caller] }");
  const image = imageOf(text);
  const workers = new Flight(image, 3, sharedData);
  const open: { worker: number; caller: string; outcome: Outcome }[] = [];
  const held = new Map<string, number>();
  let lost = 0;
  for (let step = 0; step < 100_000; step++) {
    const worker = random(3);
    const caller = `${x}${random(12)}`;
    const outcome = workers.open(worker, caller);
    assert.equal(outcome.trapped, false);
    if (outcome.action === "continue") {
      open.push({ worker, caller, outcome });
      held.set(caller, (held.get(caller) ?? 0) + 1);
      assert.ok(held.get(caller)! <= 20, `${caller} has ${held.get(caller)} open`);
    } else workers.end(outcome, worker);
    while (open.length > 150 || (open.length > 0 && random(3) === 0)) {
      const [{ worker: of, caller: who, outcome: ended }] = open.splice(random(open.length), 1) as [(typeof open)[0]];
      workers.end(ended, of);
      held.set(who, held.get(who)! - 1);
    }
    if (random(50) === 0) workers.seconds(1);
    if (random(20_000) === 0) {
      // A worker traps: its streams are gone, and a new VM takes its place.
      lost++;
      const next = new Flight(image, 1, sharedData);
      next.hosts[0]!.clock = workers.hosts[0]!.clock;
      workers.hosts[worker] = next.hosts[0]!;
      workers.roots[worker] = next.roots[0]!;
      for (let index = open.length - 1; index >= 0; index--) {
        if (open[index]!.worker !== worker) continue;
        held.set(open[index]!.caller, held.get(open[index]!.caller)! - 1);
        open.splice(index, 1);
      }
    }
  }
  assert.ok(lost > 0, "no worker was lost");
  for (const { worker, outcome } of open) workers.end(outcome, worker);
  workers.seconds(lost_worker_beats + 3);
  for (let caller = 0; caller < 12; caller++) assert.equal(workers.room(caller % 3, `${x}${caller}`), 20);
});
