/** What a condition was made of when it was evaluated: its terms, joined by `&&`, `||`, `!` and `?:`, and what each was. */
import * as code from "../../assembly/policy/instructions.ts";
import type { Condition, Instruction } from "../policy/condition/condition.ts";

/** A part of a condition's text and the value it had; undefined where it was not evaluated. */
export interface TracedValue {
  expression: string;
  value: string | undefined;
}

/** A term, and the parts of the request that it looks at. */
export interface TracedTerm extends TracedValue {
  operands: TracedValue[];
}

/** Instructions that join terms: what they compute shows from the terms. */
const joining: ReadonlySet<number> = new Set([
  code.op_not,
  code.op_and,
  code.op_or,
  code.op_jump_if_false,
  code.op_jump_if_true,
  code.op_choose,
  code.op_jump,
  code.op_loop,
]);

/**
 * Takes a condition apart.
 * @param values what each instruction left, by its index, as the engine's inspection lines have it
 */
export function termsOf(condition: Condition, values: ReadonlyMap<number, string>): TracedTerm[] {
  const steps = condition.instructions.map((instruction, index) => ({ ...instruction, index }));
  const traced = ({ start, end, index }: Step): TracedValue => ({
    expression: condition.text.slice(start, end),
    value: values.get(index),
  });
  const computing = steps.filter(({ op }) => !joining.has(op));
  return widest(computing).map((term) => {
    const loop = steps.find(({ op, start, end }) => op === code.op_loop && start >= term.start && end <= term.end);
    const inside = computing.filter(
      (step) => step.index < (loop?.index ?? term.index) && isWithin(step, term) && step.op > code.op_list,
    );
    const operands = values.has(term.index) ? widest(inside).map(traced) : [];
    return { ...traced(term), operands };
  });
}

type Step = Instruction & { index: number };

/** Those that are not part of another one. */
function widest(steps: readonly Step[]): Step[] {
  return steps.filter((step) => !steps.some((other) => isWithin(step, other)));
}

function isWithin(step: Step, other: Step): boolean {
  if (step.index === other.index) return false;
  const isWider = other.end - other.start > step.end - step.start;
  // Of two that compute the same text, as a macro's parts do, the later one has the outcome.
  const isLater = other.end - other.start === step.end - step.start && other.index > step.index;
  return step.start >= other.start && step.end <= other.end && (isWider || isLater);
}
