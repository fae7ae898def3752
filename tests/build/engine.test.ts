/** Whether an engine that was built is still the one that would be built now. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isNewest } from "../../scripts/build/engine.ts";

test("an engine is fresh where it is newer than all it is made of", () => {
  assert.equal(isNewest(20, [10, 19], 30), true);
  assert.equal(isNewest(20, [10, 20], 30), false);
  assert.equal(isNewest(20, [10, 25], 30), false);
});

test("one from the future is none: a file changed since then, by a clock that was set back, would seem older", () => {
  assert.equal(isNewest(40, [10, 29], 30), false);
});
