/**
 * Many distinct keys of one limit leave shared data and memory at a fixed size. `npm run bench:limits` sends ten million; KEYS has this
 * test send more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadEngine } from "../../scripts/policy/build.ts";
import {
  type Footprint,
  many_keys_policy,
  sendManyKeys,
  value_bytes_max,
  values_max,
} from "../bench/limits/manykeys.ts";
import { runSeed } from "../support/random.ts";
import { imageOf } from "../support/workers.ts";

const keys = Number(process.env.KEYS ?? 200_000);

test(`${keys.toLocaleString("en")} keys leave shared data at its fixed size`, () => {
  const seed = runSeed();
  console.log(`SEED=${seed}`);
  const samples: Footprint[] = [];
  const given = { keys, seed, every: Math.ceil(keys / 4) };
  sendManyKeys(loadEngine(), imageOf(many_keys_policy), given, (sample) => samples.push(sample));
  const [first, last] = [samples[0]!, samples.at(-1)!];
  assert.equal(samples.length, 4);
  // A quarter of the keys may leave a set that none of them is in.
  assert.ok(first.values <= values_max && first.valueBytes <= value_bytes_max);
  for (const { values, valueBytes, memoryBytes } of samples.slice(1)) {
    assert.deepEqual([values, valueBytes, memoryBytes], [values_max, value_bytes_max, first.memoryBytes]);
  }
  // Most keys find no room, and are denied together rather than let pass uncounted.
  assert.ok(last.admitted < keys, `${last.admitted} admitted`);
});
