/**
 * Operands of `&&` that cannot be true together, as `claims.a == "x" && claims.a == "y"`, and operands of `||` of which
 * one is always true: those whose negations cannot be true together.
 */
import * as code from "../../../assembly/policy/instructions.ts";
import { emit } from "./emit.ts";
import { type ConstantValue, compareConstants, type Term } from "./term.ts";

/** A kind of values that compare with one another only. */
type Kind = "null" | "bool" | "number" | "string" | "timestamp" | "duration" | "other";

interface Constant {
  kind: Kind;
  value: ConstantValue;
}

/** What an operand asks of a value: `op` is a comparison, or `op_in` for one of several; `holds`: or the opposite. */
interface Ask {
  op: number;
  constants: Constant[];
  holds: boolean;
}

/** A value that is told apart: one of the constants in question, or anything between two of them. */
interface Candidate {
  kind: Kind;
  rank: number;
}

const mirrored: Record<number, number> = {
  [code.op_equal]: code.op_equal,
  [code.op_not_equal]: code.op_not_equal,
  [code.op_less]: code.op_greater,
  [code.op_less_equal]: code.op_greater_equal,
  [code.op_greater]: code.op_less,
  [code.op_greater_equal]: code.op_less_equal,
};
const opposite: Record<number, number> = {
  [code.op_less]: code.op_greater_equal,
  [code.op_less_equal]: code.op_greater,
  [code.op_greater]: code.op_less_equal,
  [code.op_greater_equal]: code.op_less,
};

/** Whether no value of what the operands read makes all of them `holds`. */
export function hasConflict(operands: readonly Term[], holds: boolean): boolean {
  const asked = new Map<string, Ask[]>();
  for (const operand of operands) {
    const { subject, ask } = askOf(operand, holds);
    const key = keyOf(subject);
    asked.set(key, [...(asked.get(key) ?? []), ask]);
  }
  return [...asked.values()].some((asks) => asks.length > 1 && !canHold(asks));
}

/** Two expressions with one key compute the same. */
export function keyOf(term: Term): string {
  const { instructions } = emit(term);
  return JSON.stringify(
    instructions.map(({ op, text, list, a, b, c }) => [
      op,
      typeof text === "string" ? text : [...(text ?? [])],
      list,
      a,
      b,
      c,
    ]),
  );
}

function askOf(term: Term, holds: boolean): { subject: Term; ask: Ask } {
  if (term.kind === "unary" && term.op === code.op_not) return askOf(term.operand, !holds);
  if (term.kind === "binary") {
    const { op, left, right } = term;
    const [mine, theirs] = [constantOf(left), constantOf(right)];
    if (op in mirrored && theirs !== undefined) return { subject: left, ask: askFor(op, [theirs], holds) };
    if (op in mirrored && mine !== undefined) return { subject: right, ask: askFor(mirrored[op]!, [mine], holds) };
    if (op === code.op_in && right.kind === "list") {
      const constants = right.elements.map(constantOf);
      if (!constants.includes(undefined)) return { subject: left, ask: askFor(op, constants as Constant[], holds) };
    }
    if (op === code.op_not_equal) return askOf({ ...term, op: code.op_equal }, !holds);
  }
  return { subject: term, ask: askFor(code.op_equal, [{ kind: "bool", value: holds }], true) };
}

/** An order and its opposite both need a value of the constant's kind, so the opposite is an order too. */
function askFor(op: number, constants: Constant[], holds: boolean): Ask {
  if (op === code.op_not_equal) return { op: code.op_in, constants, holds: !holds };
  if (op === code.op_equal) return { op: code.op_in, constants, holds };
  return holds || op === code.op_in ? { op, constants, holds } : { op: opposite[op]!, constants, holds: true };
}

function constantOf(term: Term): Constant | undefined {
  if (term.kind !== "constant") return undefined;
  const { type, value } = term;
  if (type === "int" || type === "double") return { kind: "number", value };
  return { kind: type === "null_type" ? "null" : (type as Kind), value };
}

function canHold(asks: readonly Ask[]): boolean {
  const constants = asks.flatMap((ask) => ask.constants);
  const byKind = new Map<Kind, ConstantValue[]>();
  for (const { kind, value } of constants) {
    const known = byKind.get(kind) ?? [];
    byKind.set(kind, known.some((one) => compareConstants(one, value) === 0) ? known : [...known, value]);
  }
  for (const values of byKind.values()) values.sort(compareConstants);
  /** Constants have odd ranks, what lies between them even ones. */
  const rankOf = ({ kind, value }: Constant): number =>
    2 * byKind.get(kind)!.findIndex((one) => compareConstants(one, value) === 0) + 1;
  const ranked = asks.map(({ op, constants: all, holds }) => ({
    op,
    holds,
    all: all.map((one) => ({ kind: one.kind, rank: rankOf(one) })),
  }));
  const candidates: Candidate[] = [{ kind: "other", rank: 0 }];
  for (const [kind, values] of byKind) {
    for (let rank = 0; rank <= 2 * values.length; rank++) candidates.push({ kind, rank });
  }
  // There is nothing but true and false: where both are asked about, there is nothing between or beside them.
  const bools = byKind.get("bool")?.length ?? 0;
  const sound = candidates.filter(
    ({ kind, rank }) => rank % 2 === 1 || !(kind === "null" || (kind === "bool" && bools === 2)),
  );
  return sound.some((candidate) => ranked.every((ask) => isMet(candidate, ask)));
}

function isMet(
  { kind, rank }: Candidate,
  { op, holds, all }: { op: number; holds: boolean; all: Candidate[] },
): boolean {
  if (op === code.op_in) return all.some((one) => one.kind === kind && one.rank === rank) === holds;
  const [than] = all as [Candidate];
  if (than.kind !== kind) return false;
  if (op === code.op_less) return rank < than.rank;
  if (op === code.op_less_equal) return rank <= than.rank;
  return op === code.op_greater ? rank > than.rank : rank >= than.rank;
}
