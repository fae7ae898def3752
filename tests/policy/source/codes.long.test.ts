/** Each code of diagnostics is raised by its example, and by nothing that has another code. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CodeEntry, Example } from "../../../scripts/policy/source/codeentry.ts";
import { code_tables } from "../../../scripts/policy/source/codes.ts";
import { sayOf } from "../../support/example.ts";

test("of the policy that examples begin with, there is nothing to say", () => {
  assert.deepEqual(sayOf({}), { errors: [], warnings: [] });
});

for (const [table, codes] of Object.entries(code_tables)) {
  const isError = table === "errors" || table === "test_errors";
  for (const [code, { example }] of Object.entries(codes) as [string, CodeEntry][]) {
    if (example === undefined) continue;
    test(`the example of ${code} raises it, and is no other error`, () => {
      const { errors, warnings } = sayOf(example as Example);
      const found = (isError ? errors : warnings).map((one) => one.code as string);
      assert.ok(found.includes(code), `${JSON.stringify([errors, warnings], null, 1)}`);
      assert.deepEqual(
        errors.filter((one) => !isError || one.code !== code),
        [],
      );
    });
  }
}
