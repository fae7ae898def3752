/** A compiled condition: what `when` becomes, and a `cost` that is CEL. */
import * as code from "../../../assembly/policy/instructions.ts";

/** One instruction (assembly/policy/instructions.ts). Operands that are left out are 0. */
export interface Instruction {
  op: number;
  /** Bytes for which `a` and `b` become their place in the image. */
  text?: string | Uint8Array;
  /** A named list, for whose number in the image `a` is. */
  list?: string;
  a?: number;
  b?: number;
  c?: number;
  /** Which part of the source it computes, in UTF-16 code units. */
  start: number;
  end: number;
}

/** What a named list is taken for: `x in lists.a`, or `lists.a.containsIP(x)`. */
export type ListUse = "texts" | "networks";

/** A condition that compiled, or what a rule costs. */
export interface Condition {
  /** As written. */
  text: string;
  instructions: Instruction[];
  /**
   * The path variables it reads, and the names of segments of the caller's ID, `caller.` before them; a variable's place is
   * its number in the instructions.
   */
  variables: string[];
  usesClaims: boolean;
  /** The named lists that it looks into, and what each is taken for. */
  lists: ReadonlyMap<string, ListUse>;
  /** No evaluation costs more, in units of assembly/limits.ts `condition_cost_max`. */
  costUnits: number;
  /** Nor does that of all calls that one request may have, where the rule is for calls; left out: a request has none. */
  callsUnits?: number;
}

/** Whether what a condition says can depend on how the path is read. */
export function readsPath(condition: Condition | undefined): boolean {
  if (condition === undefined) return false;
  const { variables, instructions } = condition;
  return (
    variables.some((name) => captureName(name) === undefined) ||
    instructions.some(({ op, a = 0 }) => op === code.op_request && a === code.request_path)
  );
}

/**
 * The variables of a rule: those of its condition and of its cost, in the order of their numbers there, and those that its limits
 * count by.
 */
export function ruleVariables(rule: {
  condition: Condition | undefined;
  costFrom: Condition | undefined;
  limitVariables: readonly string[];
  forwardVariables: readonly string[];
}): string[] {
  const read = [...(rule.condition?.variables ?? []), ...(rule.costFrom?.variables ?? [])];
  return [...new Set([...read, ...rule.limitVariables, ...rule.forwardVariables])];
}

/** The variable that stands for a named segment of the caller's ID. */
export function variableOfCapture(name: string): string {
  return `caller.${name}`;
}

/** The name of a segment of the caller's ID, where a variable is one; undefined for a path variable. */
export function captureName(variable: string): string | undefined {
  return variable.startsWith("caller.") ? variable.slice("caller.".length) : undefined;
}
