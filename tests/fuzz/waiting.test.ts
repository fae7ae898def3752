/**
 * Two workers of one proxy, and whatever may come over them in any order: requests, resets, ticks, answers of every kind, reloads,
 * lost configurations, a clock that steps. The host takes the proxy down where the filter acts on a stream that has ended. Nobody
 * waits for longer than a request may.
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { key_wait_seconds_max } from "../../assembly/limits.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { makeKey, type ProviderKey } from "../support/jwks-server.ts";
import { Random, runSeed } from "../support/random.ts";
import { fetchingPolicy, imageOf, jwks, Workers } from "../support/workers.ts";

const image = imageOf(fetchingPolicy({ refresh: "10s" }));
let keys: ProviderKey[];
let tokens: string[];

before(async () => {
  keys = await Promise.all(["one", "two", "three"].map((kid) => makeKey(kid)));
  tokens = await Promise.all(keys.map((key) => key.token()));
});

interface Waiting {
  outcome: Outcome;
  worker: number;
  /** For how many seconds it has waited while its root context ticked. */
  seconds: number;
}

/** Runs so many events on two workers; gives how many requests waited, and how many of those were reset. */
function run(random: Random, events: number): { waited: number; resets: number } {
  const workers = new Workers(image, 2);
  const roots = workers.roots.map((root) => [root]);
  let waiting: Waiting[] = [];
  const tally = { waited: 0, resets: 0 };
  const known = () => jwks(...keys.filter(() => random.below(3) !== 0));
  const tickAll = (worker: number): void => {
    for (const root of roots[worker]!) {
      const { trapped, error } = workers.hosts[worker]!.tick(root);
      assert.equal(trapped, false, error?.message);
    }
  };
  for (let event = 0; event < events; event++) {
    const worker = random.below(2);
    const host = workers.hosts[worker]!;
    switch (random.below(12)) {
      case 0:
      case 1:
      case 2: {
        const from = random.below(4) === 0 ? { caller: null, source: `10.0.0.${random.below(9)}` } : {};
        const outcome = workers.ask(worker, random.pick(tokens), from);
        assert.equal(outcome.trapped, false, outcome.error?.message);
        if (!outcome.paused) break;
        waiting.push({ outcome, worker, seconds: 0 });
        tally.waited++;
        break;
      }
      case 3: {
        const one = waiting[random.below(Math.max(1, waiting.length))];
        if (one === undefined) break;
        workers.hosts[one.worker]!.deleteContext(one.outcome.context);
        tally.resets++;
        break;
      }
      case 4:
      case 5:
        tickAll(worker);
        break;
      case 6:
      case 7: {
        const call = host.calls[0];
        if (call === undefined) break;
        const answer =
          random.below(4) === 0 ? random.pick(["refused", "timeout", "reset"] as const) : { body: known() };
        const { trapped, error } = host.answer(call.token, answer);
        assert.equal(trapped, false, error?.message);
        break;
      }
      case 8: {
        const started = workers.start(host, image);
        workers.roots[worker] = started;
        roots[worker]!.push(started);
        break;
      }
      case 9: {
        // An old configuration whose last stream has ended.
        const old = roots[worker]!.find((root) => root !== workers.roots[worker]);
        if (old === undefined || waiting.length > 0) break;
        host.deleteContext(old);
        roots[worker] = roots[worker]!.filter((root) => root !== old);
        break;
      }
      case 10:
        if (random.below(6) === 0) {
          const step = random.pick([-3600, -3, 3, 3600]);
          workers.pass(step);
          // A clock that steps back by less than they have waited has them wait for as long again.
          if (step === -3) for (const one of waiting) one.seconds -= 3;
        }
        if (random.below(3) === 0) host.endRound();
        break;
      default: {
        const seconds = random.pick([0.2, 0.2, 1, 2.5]);
        workers.pass(seconds);
        for (const index of [0, 1]) tickAll(index);
        for (const one of waiting) one.seconds += seconds;
      }
    }
    waiting = waiting.filter(({ outcome }) => outcome.paused);
    for (const { seconds } of waiting) assert.ok(seconds <= key_wait_seconds_max + 2.5, `${seconds} s`);
  }
  return tally;
}

test("nothing acts on a stream that has ended, and nobody waits for ever", () => {
  const seed = runSeed();
  console.log(`SEED=${seed}`);
  const random = new Random(seed);
  const total = { waited: 0, resets: 0 };
  for (let round = 0; round < 60; round++) {
    const { waited, resets } = run(random, 150);
    total.waited += waited;
    total.resets += resets;
  }
  assert.ok(total.waited > 300 && total.resets > 50, JSON.stringify(total));
});
