/** A compiled condition: what `when` becomes. */

/** One instruction (assembly/policy/instructions.ts). Operands that are left out are 0. */
export interface Instruction {
  op: number;
  /** Bytes for which `a` and `b` become their place in the image. */
  text?: string | Uint8Array;
  a?: number;
  b?: number;
  c?: number;
  /** Which part of the source it computes, in UTF-16 code units. */
  start: number;
  end: number;
}

/** A condition that compiled. */
export interface Condition {
  /** As written. */
  text: string;
  instructions: Instruction[];
  /** The path variables it reads; a variable's place is its number in the instructions. */
  variables: string[];
  usesClaims: boolean;
  /** No evaluation costs more, in units of assembly/limits.ts `condition_cost_max`. */
  costUnits: number;
}
