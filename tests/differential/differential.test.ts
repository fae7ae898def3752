/**
 * Random policies and requests, put to the product and to a second evaluator that is written plainly from
 * docs/policy-language.md and shares no code with it (reference/). They must agree on every decision, its status, its
 * reason, its rule, the verdicts of rules in shadow mode, and on what the upstream gets of a request that goes on.
 *
 *   DECISIONS=5000000 npx tsx --test tests/differential/differential.test.ts    so many (default 200000)
 *   SEED=1 …                       where to begin; a failure says which seed shows it
 *   PROCESSES=1 …                  how many processes take part (default 2)
 */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { kindNames } from "./arbitrary/conditions.ts";
import { traitNames } from "./reference/evaluate.ts";
import { reasonNames } from "./reference/reasons.ts";
import { Tally } from "./tally.ts";
import type { Message } from "./worker.ts";

const decisions = Number(process.env.DECISIONS ?? 200_000);
const firstSeed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
const processes = Number(process.env.PROCESSES ?? 2);
/** Each process has seeds of its own, more than it could ever need. */
const seeds_apart = 1_000_000;
/** A reason or an outcome of a kind of condition that comes up less often than once in so many decisions is not tested. */
const rarest = 50_000;
/** The same of what admitted requests have to them. */
const rarest_trait = 200_000;

async function runWorker(seed: number): Promise<Message> {
  const worker = fork(fileURLToPath(new URL("worker.ts", import.meta.url)), [
    String(seed),
    String(Math.ceil(decisions / processes)),
  ]);
  let last: Message = { failure: `the process with seed ${seed} ended without a word` };
  worker.on("message", (message: Message) => {
    last = message;
  });
  await once(worker, "exit");
  return last;
}

test(`the product decides ${decisions} times as the policy reads`, async () => {
  console.log(`seed ${firstSeed}`);
  const starts = Array.from({ length: processes }, (_, index) => firstSeed + index * seeds_apart);
  const tally = new Tally();
  const failures: string[] = [];
  for (const message of await Promise.all(starts.map(runWorker))) {
    if ("failure" in message) failures.push(message.failure);
    else tally.add(message.counts);
  }
  console.log(String(tally));
  if (failures.length > 0) assert.fail(`product and reference differ\n${failures[0]}`);
  const { counts } = tally;
  const least = Math.floor(counts.decisions / rarest);
  const leastTraits = Math.floor(counts.decisions / rarest_trait);
  for (const reason of reasonNames) {
    assert.ok((counts.reasons[reason] ?? 0) >= least, `${reason} came up ${counts.reasons[reason] ?? 0} times`);
  }
  for (const trait of traitNames) {
    assert.ok((counts.traits[trait] ?? 0) >= leastTraits, `${trait}: ${counts.traits[trait] ?? 0} times`);
  }
  for (const kind of kindNames) {
    for (const [outcome, count] of Object.entries(counts.kinds[kind] ?? { any: 0 })) {
      assert.ok(count >= least, `conditions with ${kind} were ${outcome} ${count} times`);
    }
  }
});
