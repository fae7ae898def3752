/** Conditions written in tests, and what the compiler says about them. */
import * as code from "../../assembly/policy/instructions.ts";
import { type ConditionScope, compileCondition } from "../../scripts/policy/condition/compile.ts";
import type { Condition, Instruction } from "../../scripts/policy/language/condition.ts";
import { type Diagnostic, Findings, Reporter } from "../../scripts/policy/source/diagnostic.ts";
import { sourceOf } from "../../scripts/policy/source/source.ts";
import { endpoint } from "./arbitrary.ts";

/** What stands before the condition in its file: an offset into the text is not one into the file. */
const before = "when: ";

/** What the compiler says about a condition. Columns count from the condition's first character. */
export interface Compiled {
  condition: Condition | undefined;
  errors: Diagnostic[];
  warnings: Diagnostic[];
}

/** Compiles a condition of a rule with a token and the path variables `id` and, in one of its endpoints, `org`. */
export function compile(
  text: string,
  {
    hasToken = true,
    endpoints = ["GET /a/{id}", "GET /{org}/{id}"],
    ...more
  }: { hasToken?: boolean; endpoints?: string[] } & Pick<ConditionScope, "action" | "claims"> = {},
): Compiled {
  const findings = new Findings();
  const reporter = new Reporter(sourceOf("policy.yaml", before + text), findings);
  const scope = { hasToken, endpoints: endpoints.map(endpoint), ...more };
  const condition = compileCondition(reporter, { value: text, at: before.length }, scope);
  findings.sort();
  const onLine = (one: Diagnostic): Diagnostic =>
    one.line === 1 ? { ...one, column: one.column - before.length } : one;
  return { condition, errors: findings.errors.map(onLine), warnings: findings.warnings.map(onLine) };
}

const names = new Map(
  Object.entries(code)
    .filter(([name]) => name.startsWith("op_"))
    .map(([name, op]) => [op as number, name.slice(3)]),
);

/** An instruction as one line: its name and its operands. */
export function show({ op, text, a, b, c }: Instruction): string {
  const shown = typeof text === "string" ? JSON.stringify(text) : text?.join(".");
  return [names.get(op), shown, a, b, c].filter((part) => part !== undefined).join(" ");
}
