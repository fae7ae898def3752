/** Bodies and trailers in the Node host, scenario by scenario; `tests/envoy/heldbodies.test.ts` has Envoy play the same. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compileBodyFilter, playInNode, scenarios } from "../support/bodyfilter.ts";

const wasm = await compileBodyFilter();

describe("bodies in the Node host", () => {
  for (const scenario of scenarios) {
    test(scenario.name, () => {
      const { client, upstream, steps } = playInNode(wasm, scenario);
      assert.deepEqual({ client, upstream }, scenario.expected, JSON.stringify(steps));
    });
  }
});
