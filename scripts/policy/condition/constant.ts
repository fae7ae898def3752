/**
 * Conditions that come out the same whatever the request: nobody writes one on purpose. For each expression this finds
 * which outcomes it may have, taking parts as independent of one another save where they compare the same thing
 * (condition/conflict.ts). What it leaves out is certain; what it leaves in is only not ruled out.
 */
import * as code from "../../../assembly/policy/instructions.ts";
import { hasConflict, keyOf } from "./conflict.ts";
import { partsOf } from "./cost.ts";
import { type ConstantValue, compareConstants, type Term } from "./term.ts";
import type { Type } from "./types.ts";

/** A set of outcomes. */
const yes = 1;
const no = 2;
const fails = 4;
const anything = yes | no | fails;

/** What is wrong with a condition that does not depend on the request, and what to do; undefined for any other. */
export function describeConstant(term: Term): string | undefined {
  switch (outcomes(term)) {
    case yes:
      return "the condition is always true, so it asks for nothing; remove `when`";
    case no:
      return "the condition is always false, so the rule never matches; correct it, or remove the rule";
    case fails:
      return "the condition is always an error, so it never holds; correct it, or remove the rule";
    case yes | fails:
      return "the condition is never false: it is true, or an error where what it reads is missing; if that is what it asks for, write `has(…)`";
    case no | fails:
      return "the condition is never true: it is false, or an error, whatever the request; correct it, or remove the rule";
    default:
      return undefined;
  }
}

/**
 * Whether a condition is false, or an error, whatever the request.
 * @param isNever whether a comparison is known never to hold
 */
export function neverHolds(term: Term, isNever: (term: Term) => boolean): boolean {
  const set = outcomes(term, isNever);
  return (set & yes) === 0 && (set & no) !== 0;
}

/** Which outcomes an expression may have, as a bool. */
function outcomes(term: Term, isNever: (term: Term) => boolean = () => false): number {
  if (isNever(term)) return no | (mayFail(term) ? fails : 0);
  const folded = fold(term);
  if (folded !== undefined) return folded.value === true ? yes : folded.value === false ? no : fails;
  switch (term.kind) {
    case "load":
      return term.type === "bool" && term.safe ? yes | no : anything;
    case "unary":
      if (term.op === code.op_not) return negated(outcomes(term.operand, isNever));
      return mayFail(term) ? anything : yes | no;
    case "binary":
      return compared(term);
    case "logic": {
      const isAnd = term.op === "&&";
      // `x || y` is `!(!x && !y)`, errors included.
      const sets = term.operands.map((operand) =>
        isAnd ? outcomes(operand, isNever) : negated(outcomes(operand, isNever)),
      );
      const all = conjunction(sets) & (hasConflict(term.operands, isAnd) ? ~yes : anything);
      return isAnd ? all : negated(all);
    }
    case "choose": {
      const condition = outcomes(term.condition, isNever);
      return (
        (condition & yes ? outcomes(term.yes, isNever) : 0) |
        (condition & no ? outcomes(term.no, isNever) : 0) |
        (condition & fails)
      );
    }
    case "loop":
      return repeated(term, isNever);
    default:
      return anything;
  }
}

function negated(set: number): number {
  return (set & yes ? no : 0) | (set & no ? yes : 0) | (set & fails);
}

function conjunction(sets: number[]): number {
  const all = sets.every((set) => set & yes) ? yes : 0;
  const some = sets.some((set) => set & no) ? no : 0;
  const open = sets.every((set) => set & (yes | fails)) && sets.some((set) => set & fails);
  return all | some | (open ? fails : 0);
}

function compared(term: Term & { kind: "binary" }): number {
  const { op, left, right } = term;
  const failing = mayFail(term) ? fails : 0;
  const isSame = (op === code.op_equal || op === code.op_not_equal) && keyOf(left) === keyOf(right);
  if (isSame) return (op === code.op_equal ? yes : no) | failing;
  if (op === code.op_in && right.kind === "list" && right.elements.length === 0) return no | failing;
  return yes | no | failing;
}

function repeated({ name, range, body }: Term & { kind: "loop" }, isNever: (term: Term) => boolean): number {
  const isAll = name === "all";
  // Without elements `exists` is false and `all` is true.
  const empty = isAll ? yes : no;
  if (range.kind === "list" && range.elements.length === 0) return empty;
  const failing = mayFail(range) ? fails : 0;
  return outcomes(body, isNever) | failing | (range.kind === "list" ? 0 : empty);
}

/** Whether evaluating may be an error. */
function mayFail(term: Term): boolean {
  switch (term.kind) {
    case "constant":
      return false;
    case "load":
      return !term.safe;
    case "logic":
    case "loop":
      return (outcomes(term) & fails) !== 0;
    case "list":
      return term.elements.some(mayFail);
    case "unary":
      if (![code.op_not, code.op_size, code.op_lower, code.op_in_texts].includes(term.op)) return true;
      return term.operand.type === "dyn" || mayFail(term.operand);
    case "binary": {
      const isEquality = term.op === code.op_equal || term.op === code.op_not_equal;
      const isTotal = isEquality || !mayMismatch(term);
      return !isTotal || partsOf(term).some(mayFail);
    }
    default:
      return true;
  }
}

/** Whether an operation may meet values that it is not for, even where both operands are no errors. */
function mayMismatch({ op, left, right }: Term & { kind: "binary" }): boolean {
  const partial = [code.op_index, code.op_add, code.op_subtract, code.op_contains, code.op_split];
  if (partial.includes(op)) return true;
  return op === code.op_in ? right.type === "dyn" : left.type === "dyn" || right.type === "dyn";
}

/** The value of what is made of constants alone, where it is a scalar and no error. */
function fold(term: Term): { type: Type; value: ConstantValue } | undefined {
  if (term.kind === "constant") return term;
  if (term.kind === "unary") {
    const operand = fold(term.operand);
    if (operand === undefined) return undefined;
    const { value } = operand;
    if (term.op === code.op_not && typeof value === "boolean") return { type: "bool", value: !value };
    if (term.op === code.op_lower && typeof value === "string") return { type: "string", value: lowerAscii(value) };
    return term.op === code.op_size && typeof value === "string"
      ? { type: "int", value: BigInt([...value].length) }
      : undefined;
  }
  if (term.kind !== "binary") return undefined;
  const left = fold(term.left);
  const right = fold(term.right);
  if (left === undefined || right === undefined || left.type !== right.type) return undefined;
  if (term.op === code.op_join) return { type: "string", value: `${left.value}${right.value}` };
  const value = operate(term.op, left.value, right.value);
  return value === undefined ? undefined : { type: "bool", value };
}

/** A text as `lowerAscii` gives it. */
export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/gu, (letters) => letters.toLowerCase());
}

function operate(op: number, left: ConstantValue, right: ConstantValue): boolean | undefined {
  if (op === code.op_equal) return left === right;
  if (op === code.op_not_equal) return left !== right;
  if (typeof left === "string" && typeof right === "string") {
    if (op === code.op_starts_with) return left.startsWith(right);
    if (op === code.op_ends_with) return left.endsWith(right);
    if (op === code.op_contains) return left.includes(right);
  }
  if (left === null || right === null) return undefined;
  const order = compareConstants(left, right);
  if (op === code.op_less) return order < 0;
  if (op === code.op_less_equal) return order <= 0;
  if (op === code.op_greater) return order > 0;
  return op === code.op_greater_equal ? order >= 0 : undefined;
}
