/** From the text of `when` to instructions: parse, check types, emit, and count what it can cost. */
import { condition_cost_max, condition_instructions_max, condition_values_max } from "../../../assembly/limits.ts";
import type { Condition } from "../language/condition.ts";
import type { Reporter } from "../source/diagnostic.ts";
import { placer } from "../source/scalar.ts";
import { type Located, way_out } from "../source/yaml.ts";
import { describeConstant } from "./constant.ts";
import { costOf } from "./cost.ts";
import { emit } from "./emit.ts";
import { type ConditionScope, Names } from "./names.ts";
import { warnNever } from "./never.ts";
import type { OnFault, OnWarning } from "./problem.ts";
import { parseSyntax, type Syntax } from "./syntax.ts";
import type { Term } from "./term.ts";
import { TypeChecker } from "./typecheck.ts";

export type { ConditionScope } from "./names.ts";

/** Compiles the `when` of a rule; undefined where there is an error, which is reported at its place in the file. */
export function compileCondition(
  reporter: Reporter,
  { value: text, at: start }: Located<string>,
  scope: ConditionScope,
): Condition | undefined {
  const placeOf = placer(reporter.source.text, start, text);
  const lost = commentAfter(reporter.source.text, start, placeOf(text.length));
  // What depends on how the file has it is looked at each time.
  const key = lost === "" && !text.includes("//") ? keyOf(text, scope) : undefined;
  const known = key === undefined ? undefined : compiled.get(key);
  if (known !== undefined) return known;
  let failed = false;
  let warned = false;
  const onFault: OnFault = (code, at, message) => {
    failed = true;
    const way = code === "condition_syntax" && lost !== "" ? `; YAML begins a comment at \` #\`: ${way_out}` : "";
    reporter.error(code, placeOf(at), message + way);
  };
  const onWarning: OnWarning = (code, at, message) => {
    warned = true;
    reporter.warn(code, placeOf(at), message);
  };
  try {
    const syntax = parseSyntax(text, onFault);
    if (syntax === undefined) return undefined;
    checkComments(syntax, reporter, { value: text, at: start }, onFault);
    const names = new Names(scope, onFault, onWarning);
    const term = new TypeChecker(names, onFault).condition(syntax.root);
    if (term === undefined || failed) return undefined;
    const { instructions, depth } = emit(term);
    if (instructions.length > condition_instructions_max)
      onFault(
        "bound",
        0,
        `a condition has at most ${condition_instructions_max} instructions, and this one ${instructions.length}; make it two rules`,
      );
    if (depth > condition_values_max)
      onFault("bound", 0, `a condition holds at most ${condition_values_max} values at a time, and this one ${depth}`);
    const costUnits = checkCost(term, text, onFault);
    if (failed) return undefined;
    names.finish();
    warnNever(term, scope.endpoints, onWarning);
    if (/&&|\|\||[=!]=/u.test(lost))
      onWarning(
        "condition_comment",
        text.length,
        `YAML begins a comment at \` #\`, so what follows is no part of the condition; ${way_out}`,
      );
    const constant = describeConstant(term);
    if (constant !== undefined) onWarning("condition_constant", 0, constant);
    const condition = { text, instructions, variables: names.variables, usesClaims: names.usesClaims, costUnits };
    if (key !== undefined && !warned) remember(key, condition);
    return condition;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    onFault("bound", 0, "the condition is nested too deeply");
    return undefined;
  }
}

/** Conditions of which there was nothing to say: many rules of a policy have the same. */
const compiled = new Map<string, Condition>();
const compiled_max = 4096;

/** All that the outcome depends on. */
function keyOf(text: string, { hasToken, endpoints, lacksEndpoints }: ConditionScope): string {
  const shapes = endpoints.map(({ methods, variables }) => `${methods} ${[...variables.keys()].join()}`);
  return JSON.stringify([text, hasToken, lacksEndpoints === true, shapes]);
}

function remember(key: string, condition: Condition): void {
  if (compiled.size === compiled_max) compiled.clear();
  compiled.set(key, condition);
}

/** The comment that ends a plain scalar: of the other styles it is told apart by what ends them. */
function commentAfter(source: string, start: number, end: number): string {
  if (/["'|>]/u.test(source[start] ?? "")) return "";
  const comment = /[ \t]+#[^\r\n]*/uy;
  comment.lastIndex = end;
  return comment.exec(source)?.[0] ?? "";
}

function checkCost(term: Term, text: string, onFault: OnFault): number {
  const { units, dearest } = costOf(term);
  if (units <= condition_cost_max) return units;
  const part = text.slice(dearest.term.start, dearest.term.end).replace(/\s+/gu, " ");
  const shown = part.length > 80 ? `${part.slice(0, 79)}…` : part;
  const often = dearest.rounds > 1 ? `, for it is evaluated for each of up to ${dearest.rounds} elements` : "";
  onFault(
    "condition_cost",
    dearest.term.start,
    `the condition can cost ${units} units, and at most ${condition_cost_max} are allowed; of these \`${shown}\` can cost ${dearest.units}${often}`,
  );
  return units;
}

/**
 * YAML joins lines, or has them as escapes, in every style but `|`: a comment would end elsewhere than it seems to, and take
 * a part of the condition away. So it stands only where the text is in the file as it is.
 */
function checkComments(
  { comments }: Syntax,
  { source }: Reporter,
  { value, at }: Located<string>,
  onFault: OnFault,
): void {
  if (source.text[at] === "|" || source.text.startsWith(value, at)) return;
  for (const { start } of comments) {
    onFault(
      "condition_syntax",
      start,
      "YAML does not keep these lines as they are, and the comment could take a part of the condition away; write `when: |` and the condition below it",
    );
  }
}
