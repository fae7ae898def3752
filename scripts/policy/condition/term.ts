/** A checked condition: every name known, every type sound, each operation one of the engine's. */
import type { DeclaredClaims } from "./claimtypes.ts";
import type { Range } from "./syntax.ts";
import type { Type } from "./types.ts";

/** Operands of an instruction, as condition.ts has them. */
export interface Operands {
  text?: string | Uint8Array;
  list?: string;
  a?: number;
  b?: number;
  c?: number;
}

/** A constant's value, for analysis: timestamps and durations count in nanoseconds. */
export type ConstantValue = null | boolean | bigint | number | string;

/** An expression that leaves one value on the stack. */
export type Term = Range & {
  type: Type;
  /** Of the claims, and of what lies in them: what is declared of its members; undefined where nothing is declared of it. */
  declared?: DeclaredClaims | undefined;
} & (
    | { kind: "constant"; op: number; operands: Operands; value: ConstantValue }
    | { kind: "list"; elements: Term[] }
    /** Reads a part of the request. `bytes`: the longest text it can be; `nodes`: how many values it may have, of JSON; `units`: what finding it costs. */
    | { kind: "load"; op: number; operands: Operands; bytes: number; nodes?: number; units: number; safe: boolean }
    /** The loop's element. */
    | { kind: "element"; loop: Term }
    | { kind: "unary"; op: number; operands: Operands; operand: Term }
    | { kind: "binary"; op: number; operands?: Operands; left: Term; right: Term }
    | { kind: "logic"; op: "&&" | "||"; operands: Term[]; ends: number[] }
    | { kind: "choose"; condition: Term; yes: Term; no: Term }
    | { kind: "loop"; name: "exists" | "all"; range: Term; body: Term }
  );

/** The order of two constants of one kind; strings by code points, which is the order of their UTF-8. */
export function compareConstants(left: ConstantValue, right: ConstantValue): number {
  if (typeof left === "string" && typeof right === "string")
    return Buffer.compare(Buffer.from(left), Buffer.from(right));
  return left! < right! ? -1 : left! > right! ? 1 : 0;
}
