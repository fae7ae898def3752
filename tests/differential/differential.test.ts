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

/** How often it is begun anew until all that is rare came up. */
const runs_max = 4;

async function runWorker(seed: number): Promise<Message> {
  const path = fileURLToPath(new URL("worker.ts", import.meta.url));
  const worker = fork(path, [String(seed), String(Math.ceil(decisions / processes))], {
    execArgv: ["--import", "tsx"],
  });
  let last: Message = { failure: `the process with seed ${seed} ended without a word` };
  worker.on("message", (message: Message) => {
    last = message;
  });
  await once(worker, "exit");
  return last;
}

test(`the product decides ${decisions} times as the policy reads`, async () => {
  console.log(`seed ${firstSeed}`);
  const tally = new Tally();
  const failures: string[] = [];
  // Policies are asked many requests each, so what is rare comes in bunches: where a run meets too little of it, another one follows.
  for (let run = 0; run < runs_max && (run === 0 || lacking(tally.counts).length > 0); run++) {
    const first = firstSeed + run * processes * seeds_apart;
    const starts = Array.from({ length: processes }, (_, index) => first + index * seeds_apart);
    for (const message of await Promise.all(starts.map(runWorker))) {
      if ("failure" in message) failures.push(message.failure);
      else tally.add(message.counts);
    }
    if (failures.length > 0) assert.fail(`product and reference differ\n${failures[0]}`);
  }
  console.log(String(tally));
  assert.deepEqual(lacking(tally.counts), [], "what came up too rarely to be tested");
});

/** A reason that no random request has: it needs a certificate's end in the plugin's configuration (tests/wasm/expiry.test.ts). */
const elsewhere: readonly string[] = ["identity_expired"];

/** What came up less often than so many decisions should have it. */
function lacking(counts: Tally["counts"]): string[] {
  const least = Math.floor(decisions / rarest);
  const leastTraits = Math.floor(decisions / rarest_trait);
  const missed: string[] = [];
  for (const reason of reasonNames) {
    if (!elsewhere.includes(reason) && (counts.reasons[reason] ?? 0) < least)
      missed.push(`${reason}: ${counts.reasons[reason] ?? 0} times`);
  }
  for (const trait of traitNames) {
    if ((counts.traits[trait] ?? 0) < leastTraits) missed.push(`${trait}: ${counts.traits[trait] ?? 0} times`);
  }
  for (const kind of kindNames) {
    for (const [outcome, count] of Object.entries(counts.kinds[kind] ?? { any: 0 })) {
      if (count < least) missed.push(`conditions with ${kind} were ${outcome} ${count} times`);
    }
  }
  return missed;
}
