/** What the rules for operators and functions need of the type checker (typecheck.ts), which calls them. */
import type { Names, Table } from "./names.ts";
import type { Node } from "./syntax.ts";
import type { Term } from "./term.ts";

/** An operator, or a function that is called. */
export type Call = Node & { kind: "call" };

/** The type checker, as its rules see it. */
export interface Checker {
  readonly names: Names;
  /** An expression of any type; undefined where something in it is wrong, which is reported. */
  check(node: Node): Term | undefined;
  /** The table, if that is what the expression names: `request.headers` or `request.query`. */
  tableOf(node: Node): Table | undefined;
  /** The name of a named list, if that is what the expression is, and where it stands: `lists.revoked`. */
  listOf(node: Node): { name: string; at: number } | undefined;
  /** Reports what is wrong with the types of an operation. @param at in the condition, in UTF-16 code units */
  mismatch(at: number, message: string): undefined;
  /** Reports an operation that is not supported. @param at in the condition, in UTF-16 code units */
  refuse(at: number, message: string): undefined;
  /** Reports a text whose content is wrong. @param at in the condition, in UTF-16 code units */
  invalid(at: number, message: string): undefined;
}

/** A 64-bit int as two words. */
export function longOperands(value: bigint): { a: number; b: number } {
  return { a: Number(BigInt.asUintN(32, value)), b: Number(BigInt.asUintN(32, value >> 32n)) };
}

/** Whether none is missing. */
export function allFound<Found>(all: (Found | undefined)[]): all is Found[] {
  return !all.includes(undefined);
}
