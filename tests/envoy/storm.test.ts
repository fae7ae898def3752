/**
 * Clients that leave while their requests wait for keys, in every way, in every state of the keys, and in the very round of Envoy's
 * event loop in which those requests are decided. `npm run test:storm` does it for as long as one likes.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runStorm } from "../storm/storm.ts";
import { runSeed } from "../support/random.ts";

for (const workers of [1, 2]) {
  test(`a storm of clients that leave does an Envoy of ${workers} workers no harm`, async () => {
    const seed = runSeed();
    const { problems } = await runStorm({ seconds: 25, workers, seed });
    assert.deepEqual(problems, [], `SEED=${seed}`);
  });
}
