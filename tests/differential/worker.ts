/**
 * One of several processes that look for differences. Arguments: a seed, and how many decisions to make. Its parent is
 * sent what it counted, or what it found.
 */
import * as fc from "fast-check";
import { writeKeySets } from "./arbitrary/keys.ts";
import { Difference, describeDifference, runScenario, type Scenario, someScenario } from "./scenario.ts";
import { type Counts, Tally } from "./tally.ts";

/** What a worker says: how far it is, or how it ended. */
export type Message = { counts: Counts } | { failure: string };

/** Scenarios of one seed: few, so that to run a seed again is soon done. */
const batch_scenarios = 100;

/** Looking for a smaller counterexample ends after so long, since one to read now is better than a smaller one later. */
const shrinking_milliseconds = 20_000;

const [firstSeed, decisions] = process.argv.slice(2).map(Number) as [number, number];
const folder = writeKeySets();
const send = (message: Message): void => {
  process.send!(message);
};

/** Runs a counterexample once more, for what there is to see in it. */
function describe(scenario: Scenario): string {
  try {
    runScenario(scenario, folder);
    return "it does not fail when it is run again";
  } catch (error) {
    return error instanceof Difference ? describeDifference(error) : String((error as Error).stack);
  }
}

// Nobody waits for the answer of a process whose parent is gone.
process.on("disconnect", () => process.exit());

const tally = new Tally();
let shrinkUntil = Number.POSITIVE_INFINITY;

function check(scenario: Scenario): void {
  if (Date.now() > shrinkUntil) return;
  try {
    runScenario(scenario, folder, tally);
  } catch (error) {
    if (!fc.PreconditionFailure.isFailure(error))
      shrinkUntil = Math.min(shrinkUntil, Date.now() + shrinking_milliseconds);
    throw error;
  }
}

for (let seed = firstSeed; tally.counts.decisions < decisions; seed++) {
  const property = fc.property(someScenario, check);
  const result = fc.check(property, { seed, numRuns: batch_scenarios });
  if (result.failed) {
    const rerun = `SEED=${seed} DECISIONS=1 npx tsx --test tests/differential/differential.test.ts`;
    send({ failure: `${describe(result.counterexample![0])}\n--- to run this again: ${rerun}` });
    process.exit(1);
  }
}
send({ counts: tally.counts });
process.disconnect();
