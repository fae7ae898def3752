/** Simulated fleets keep what docs/limits.md promises of each way of counting. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random, runSeed } from "../support/random.ts";
import { modes } from "./envoy.ts";
import { compileLeases } from "./leases.ts";
import { type Result, simulate } from "./simulation.ts";
import { fleetOptions, usual } from "./sweeps.ts";
import { Zipf } from "./zipf.ts";

const newLeases = await compileLeases();
const keys = new Zipf(1000);
const small = { ...usual, envoys: 4, limit: 600, rate: 500 };
const seed = runSeed();

const run = (mode: (typeof modes)[number], more: Partial<typeof usual> = {}, by = seed): Result =>
  simulate(fleetOptions({ ...small, ...more }, mode), keys, by, newLeases);

for (const mode of modes) {
  test(`${mode}: a seed brings a run back, and another one is another`, () => {
    assert.deepEqual(run(mode), run(mode), `SEED=${seed}`);
    assert.notDeepEqual(run(mode), run(mode, {}, seed + 1));
  });
}

test("counted by the service, nobody is admitted beyond a limit, and nobody is denied within it", () => {
  for (const mode of ["exact", "leased"] as const) {
    const { over, honestDenied, questionsPerSecond, waitMax_ms } = run(mode);
    assert.equal(over, 0, `${mode}, SEED=${seed}`);
    assert.equal(honestDenied, 0, `${mode}, SEED=${seed}`);
    assert.ok(questionsPerSecond > 0 && waitMax_ms <= usual.deadline_ms);
  }
  assert.equal(run("local").questionsPerSecond, 0);
});

test("blocks spare hot keys most of the questions", () => {
  const hot = new Zipf(20);
  const [exact, leased] = (["exact", "leased"] as const).map((mode) =>
    simulate(fleetOptions({ ...small, limit: 6000 }, mode), hot, seed, newLeases),
  ) as [Result, Result];
  assert.ok(leased.questionsPerSecond < exact.questionsPerSecond / 2, `SEED=${seed}`);
  assert.ok(leased.waited < 0.4, `SEED=${seed}: ${leased.waited}`);
});

test("messages that are lost and a service that is away: nobody waits beyond the deadline, and at most the limit comes on top", () => {
  const away = [60_000 * 1_000_000 + 10_000, 60_000 * 1_000_000 + 40_000] as const;
  for (const more of [{ loss: 0.05 }, { outage_ms: away }, { latency_ms: 90 }]) {
    for (const mode of ["exact", "leased"] as const) {
      const { over, waitMax_ms } = run(mode, more);
      assert.ok(waitMax_ms <= usual.deadline_ms + 1e-6, `${mode}, ${JSON.stringify(more)}, SEED=${seed}`);
      // The service's count, and all shares: a full one each, and what comes in a minute (docs/limits.md, Fleets).
      assert.ok(over <= 2, `${mode}, ${JSON.stringify(more)}, SEED=${seed}: ${over}`);
    }
  }
});

test("a key is drawn as often as its weight says", () => {
  const random = new Random(seed);
  const zipf = new Zipf(10);
  const counts = Array<number>(10).fill(0);
  for (let draw = 0; draw < 100_000; draw++) counts[zipf.draw(random)]!++;
  for (const [key, count] of counts.entries())
    assert.ok(Math.abs(count / 100_000 - zipf.share(key)) < 0.01, `SEED=${seed}: key ${key}, ${count}`);
});
