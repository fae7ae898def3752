/** What a condition was made of when it was evaluated: its terms, joined by `&&`, `||`, `!` and `?:`, and what each was. */
import * as code from "../../assembly/policy/instructions.ts";
import type { Condition, Instruction } from "../policy/language/condition.ts";

/** A part of a condition's text and the value it had; undefined where it was not evaluated. */
export interface TracedValue {
  expression: string;
  value: string | undefined;
  /** For an `error` that begins here: what is wrong, as far as it can be told. */
  note?: string;
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

/** Those after which a term's own value does not show what it did to the whole: `!`, `||` and `?:`. */
const turning: ReadonlySet<number> = new Set([code.op_not, code.op_or, code.op_choose]);

/**
 * Takes a condition apart. One that is more than terms joined by `&&` comes first as a whole.
 * @param values what each instruction left, by its index, as the engine's inspection lines have it
 * @param outcome what the whole was: `true`, `false` or `error`
 */
export function termsOf(condition: Condition, values: ReadonlyMap<number, string>, outcome?: string): TracedTerm[] {
  const steps = condition.instructions.map((instruction, index) => ({ ...instruction, index }));
  const textOf = ({ start, end }: Step): string => condition.text.slice(start, end);
  const traced = (step: Step): TracedValue => ({ expression: textOf(step), value: values.get(step.index) });
  const computing = steps.filter(({ op }) => !joining.has(op));
  const failing = computing.filter(({ index }) => values.get(index) === "error");
  const noted = (step: Step): TracedValue => {
    const note = failing.includes(step) ? noteOn(step, failing, computing, values, textOf) : undefined;
    return { ...traced(step), ...(note !== undefined && { note }) };
  };
  const terms = widest(computing);
  const isTurned = steps.some((step) => turning.has(step.op) && !terms.some((term) => isWithin(step, term)));
  const whole = isTurned ? [{ expression: condition.text.trim(), value: outcome, operands: [] }] : [];
  const parts = terms.map((term): TracedTerm => {
    const loop = steps.find(({ op, start, end }) => op === code.op_loop && start >= term.start && end <= term.end);
    const inside = computing.filter(
      (step) => step.index < (loop?.index ?? term.index) && isWithin(step, term) && !isWritten(step),
    );
    const operands = values.has(term.index) ? widest(inside).map(noted) : [];
    // An error of an operand is the operand's to explain.
    return { ...(operands.some(({ value }) => value === "error") ? traced(term) : noted(term)), operands };
  });
  return [...whole, ...parts];
}

/** Whether a step's value stands in the condition's own text, whatever the request is. */
function isWritten({ op }: Step): boolean {
  const form = code.formOf(op);
  return form === code.Form.CONSTANT || form === code.Form.LIST;
}

/** What is wrong where an error began: in the step itself, or in one that it is made of, which is named then. */
function noteOn(
  step: Step,
  failing: readonly Step[],
  computing: readonly Step[],
  values: ReadonlyMap<number, string>,
  textOf: (step: Step) => string,
): string {
  const origin = failing.find((one) => isWithin(one, step) && !failing.some((other) => isWithin(other, one))) ?? step;
  const inside = widest(computing.filter((one) => isWithin(one, origin)));
  const isOfMap = inside.length === 1 && values.get(inside[0]!.index) === "map";
  const what = faultWords(origin.op, isOfMap);
  return origin === step ? what : `\`${textOf(origin)}\` is ${what}`;
}

function faultWords(op: number, isOfMap: boolean): string {
  switch (op) {
    case code.op_claims:
      return "absent: there is no good token";
    case code.op_header:
    case code.op_query:
      return "absent, or stands twice";
    case code.op_destination_port:
      return "not given; `--destination` says the port, in tests `destination`";
    case code.op_to_int:
      return "no whole number";
    case code.op_select:
      return isOfMap ? "absent" : "of something that is no map";
    default:
      return "absent or of a wrong type";
  }
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
