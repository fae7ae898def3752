/** Random conditions in the engine: what the compiler says about their meaning holds there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Engine } from "../../scripts/evaluate/engine.ts";
import { loadEngine } from "../../scripts/policy/build.ts";
import { normalConjuncts } from "../../scripts/policy/condition/normal.ts";
import type { Condition } from "../../scripts/policy/language/condition.ts";
import { parameters } from "../support/arbitrary.ts";
import { someCondition } from "../support/condition-arbitrary.ts";
import { type CompiledText, Conditions, compileText, type Outcome } from "./engine.ts";

const engine = new Engine(loadEngine());
const someTexts = fc.array(someCondition, { minLength: 50, maxLength: 100 });
const claims = [
  {},
  { a: true, b: "a", x: "x", n: 1, iat: 1_800_000_000, list: ["a", "x", 1], "b c": "GET" },
  { a: { b: [1] }, b: null, list: [], n: 1.5, x: 1 },
];

/** Every condition's outcome with each set of claims. */
function outcomes(conditions: readonly Condition[]): Outcome[][] {
  const asked = new Conditions(engine, conditions);
  return conditions.map((_, index) => claims.map((some) => asked.ask(index, some, "top")));
}

/** Compiles all, leaving out what costs too much. */
function compileAll(
  texts: readonly string[],
): { text: string; condition: Condition; warnings: CompiledText["warnings"] }[] {
  return texts.flatMap((text) => {
    const { condition, warnings } = compileText(text);
    return condition === undefined ? [] : [{ text, condition, warnings }];
  });
}

/** What `condition_constant` leaves as outcomes, by what its message begins with. */
const constants: [pattern: RegExp, left: Outcome[]][] = [
  [/is always true/u, ["true"]],
  [/is always false/u, ["false"]],
  [/is always an error/u, ["error"]],
  [/is never false/u, ["true", "error"]],
  [/is never true/u, ["false", "error"]],
];

test("a condition that is called constant is", () => {
  fc.assert(
    fc.property(someTexts, (texts) => {
      const all = compileAll(texts);
      const found = outcomes(all.map(({ condition }) => condition));
      for (const [index, { text, warnings }] of all.entries()) {
        const message = warnings.find(({ code }) => code === "condition_constant")?.message;
        if (message === undefined) continue;
        const [, left] = constants.find(([pattern]) => pattern.test(message))!;
        for (const outcome of found[index]!) assert.ok(left.includes(outcome), `\`${text}\` is ${outcome}: ${message}`);
      }
    }),
    { numRuns: 8, ...parameters },
  );
});

test("a condition's normal form means the same", () => {
  fc.assert(
    fc.property(someTexts, (texts) => {
      const normal = (text: string): string =>
        normalConjuncts(text)
          .map((one) => `(${one})`)
          .join(" && ");
      const pairs = compileAll(texts).flatMap(({ text, condition }) => {
        const other = compileText(normal(text)).condition;
        return other === undefined ? [] : [{ text, condition, other }];
      });
      const before = outcomes(pairs.map(({ condition }) => condition));
      const after = outcomes(pairs.map(({ other }) => other));
      for (const [index, { text }] of pairs.entries())
        assert.deepEqual(after[index], before[index], `\`${text}\` as \`${normal(text)}\``);
      assert.ok(pairs.length * 2 > texts.length);
    }),
    { numRuns: 8, ...parameters },
  );
});
