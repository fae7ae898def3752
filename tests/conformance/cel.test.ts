/** cel-spec's own conformance suite: what we compile comes out as it says, and the rest is refused by name. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Engine } from "../../scripts/evaluate/engine.ts";
import { loadEngine } from "../../scripts/policy/build.ts";
import type { Condition } from "../../scripts/policy/language/condition.ts";
import { type ConformanceCase, conformanceCases } from "./cases.ts";
import { Conditions, compileText } from "./engine.ts";

/** Coverage shrinks only where somebody says so here: `!!true` and `-(42)` are refused, since the library reads `x` in `!!x` and `-(-x)`. */
const fewest_cases = 464;

/** Where the engine means to differ. */
const exact_order =
  "ints and doubles are compared by their exact values, where the suite has the int rounded to a double first";
const long_difference =
  "the difference of two timestamps is exact, where the suite has it overflow 64 bits of nanoseconds";
const deviations: Record<string, string> = {
  "comparisons/lt_literal/not_lt_dyn_int_big_lossy_double": exact_order,
  "comparisons/gt_literal/not_gt_dyn_big_double_int": exact_order,
  "comparisons/lte_literal/lte_dyn_big_double_int": exact_order,
  "comparisons/gte_literal/gte_dyn_int_big_lossy_double": exact_order,
  "timestamps/timestamp_range/sub_time_duration_over": long_difference,
  "timestamps/timestamp_range/sub_time_duration_under": long_difference,
};

/** Literals out of range are errors when they are compiled; the suite has them fail when they are evaluated. */
const refusal_codes = ["condition_unsupported", "condition_type", "unknown_name", "condition_value"];

const compiled: { one: ConformanceCase; condition: Condition }[] = [];
const refused: { one: ConformanceCase; code: string; message: string }[] = [];
const { cases, leftOut } = conformanceCases();
for (const one of cases) {
  const { condition, errors } = compileText(one.condition);
  if (condition !== undefined) compiled.push({ one, condition });
  else refused.push({ one, code: errors[0]!.code, message: errors[0]!.message });
}

test("every case that compiles comes out as the suite says", () => {
  assert.ok(compiled.length >= fewest_cases, `only ${compiled.length} cases compile`);
  const conditions = new Conditions(
    new Engine(loadEngine()),
    compiled.map(({ condition }) => condition),
  );
  const wrong: string[] = [];
  for (const [index, { one }] of compiled.entries()) {
    const outcome = conditions.ask(index, one.claims);
    if (outcome !== one.wanted) wrong.push(one.name);
    assert.ok(
      outcome === one.wanted || one.name in deviations,
      `${one.name}: \`${one.condition}\` is ${outcome}, not ${one.wanted}`,
    );
  }
  assert.deepEqual(wrong.sort(), Object.keys(deviations).sort());
});

test("every other case is refused for what it is made of", (t) => {
  const counts = new Map<string, number>();
  for (const { one, code, message } of refused) {
    assert.ok(refusal_codes.includes(code), `${one.name}: \`${one.condition}\` is refused with ${code}: ${message}`);
    if (code === "condition_value") assert.equal(one.wanted, "error", one.name);
    const what = `${code}: ${message.replace(/`[^`]*`/gu, "…")}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  for (const [what, count] of [...counts, ...leftOut].sort((a, b) => b[1] - a[1])) t.diagnostic(`${count} ${what}`);
});
