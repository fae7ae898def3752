/** Random well-typed conditions: all compile, their code is sound whichever way it runs, and normal forms are stable. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { condition_values_max } from "../../../assembly/limits.ts";
import * as code from "../../../assembly/policy/instructions.ts";
import { Form } from "../../../assembly/policy/instructions.ts";
import { normalConjuncts } from "../../../scripts/policy/condition/normal.ts";
import type { Instruction } from "../../../scripts/policy/language/condition.ts";
import { parameters } from "../../support/arbitrary.ts";
import { compile } from "../../support/condition.ts";
import { someCondition } from "../../support/condition-arbitrary.ts";

/** Follows every way through the code: the depth of the stack at each instruction is the same on all of them. */
function checkCode(instructions: readonly Instruction[]): void {
  const count = instructions.length;
  const depths: (number | undefined)[] = Array(count + 1).fill(undefined);
  const arrive = (from: number, to: number, depth: number): void => {
    assert.ok(to > from && to <= count, `a jump from ${from} to ${to}, of ${count}`);
    assert.equal(depths[to] ?? depth, depth, `the depth at ${to}`);
    depths[to] = depth;
  };
  depths[0] = 0;
  let loop: { first: number; end: number; depth: number } | undefined;
  for (const [at, { op, a = 0, b = 0 }] of instructions.entries()) {
    const depth = depths[at];
    assert.ok(depth !== undefined, `nothing leads to ${at}`);
    assert.ok(depth <= condition_values_max);
    const next = (grows: number): void => arrive(at, at + 1, depth + grows);
    const form = code.formOf(op);
    if (form === Form.LIST) next(1 - a);
    else if (form === Form.CONSTANT || form === Form.SOURCE) next(1);
    else if (form === Form.UNARY || form === Form.COMPOSE_ONE) next(0);
    else if (form === Form.BINARY || form === Form.COMPOSE_TWO || form === Form.LOGIC) next(-1);
    else if (op === code.op_jump_if_false || op === code.op_jump_if_true) {
      arrive(at, a, depth);
      next(0);
    } else if (op === code.op_choose) {
      arrive(at, a, depth - 1);
      arrive(at, b, depth);
      next(-1);
    } else if (op === code.op_jump) arrive(at, a, depth);
    else if (op === code.op_loop) {
      assert.equal(loop, undefined, "one loop at a time");
      loop = { first: at + 1, end: a, depth };
      arrive(at, a, depth);
      next(-1);
    } else {
      assert.equal(op, code.op_next);
      assert.deepEqual([loop?.first, loop?.end, loop?.depth], [a, at + 1, depth]);
      loop = undefined;
      next(0);
    }
  }
  assert.equal(loop, undefined);
  assert.equal(depths[count], 1);
}

test("well-typed conditions compile to sound code", () => {
  let compiled = 0;
  fc.assert(
    fc.property(someCondition, (text) => {
      const { condition, errors } = compile(text);
      // What is too long or too dear is refused for that alone.
      if (condition === undefined) {
        const codes = new Set(errors.map((error) => error.code));
        assert.ok(
          [...codes].every((one) => one === "condition_cost" || one === "bound"),
          `${text}: ${errors[0]?.message}`,
        );
        return;
      }
      compiled++;
      checkCode(condition.instructions);
      for (const { start, end } of condition.instructions) assert.ok(start >= 0 && start < end && end <= text.length);
    }),
    { numRuns: 600, ...parameters },
  );
  if (parameters.seed === undefined) assert.ok(compiled > 400, `only ${compiled} of 600 compile`);
});

test("a normal form is its own normal form", () => {
  fc.assert(
    fc.property(someCondition, (text) => {
      const conjuncts = normalConjuncts(text);
      const again = normalConjuncts(conjuncts.map((one) => `(${one})`).join(" && "));
      assert.deepEqual(again, conjuncts, text);
    }),
    { numRuns: 600, ...parameters },
  );
});
