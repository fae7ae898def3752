/** The policy tests of tests/policy/cases, one by one, through the release engine in the Node host. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { relative } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadEngineFor } from "../../scripts/policy/build.ts";
import { expectationWords } from "../../scripts/policytest/junit.ts";
import { runPolicyTests } from "../../scripts/policytest/run.ts";

const folder = fileURLToPath(new URL("../policy/cases/", import.meta.url));

/** A rule without a rate limit service, whose limit denies then. */
const denying_always = ["fleet.yaml strict"];

for (const name of readdirSync(folder).sort()) {
  describe(name, () => {
    const path = relative(process.cwd(), `${folder}${name}`);
    const { results, coverage } = runPolicyTests([path], { engine: loadEngineFor });
    for (const result of results) {
      test(result.name, () => {
        const got = JSON.stringify(result.verdict);
        assert.ok(result.ok, `${path}:${result.line}: expected ${expectationWords(result.expected)}, got ${got}`);
      });
    }

    test("every rule decides some test", () => {
      for (const { rules } of coverage)
        assert.deepEqual(
          rules.filter(({ rule, tests }) => tests === 0 && !denying_always.includes(`${name} ${rule}`)),
          [],
        );
    });
  });
}
