/** From the text of `when` to instructions: parse, check types, emit, and count what it can cost. */
import { condition_cost_max, condition_instructions_max, condition_values_max } from "../../../assembly/limits.ts";
import type { Condition } from "../language/condition.ts";
import { body_cost_factor } from "../language/reads.ts";
import type { Reporter } from "../source/diagnostic.ts";
import { placer } from "../source/scalar.ts";
import { type Located, way_out } from "../source/yaml.ts";
import { declaredKey } from "./claimtypes.ts";
import { describeConstant, neverHolds } from "./constant.ts";
import { costOf, isConstantInLoop, partsOf } from "./cost.ts";
import { emit } from "./emit.ts";

import { type ConditionScope, Names } from "./names.ts";
import { findNever, isNever } from "./never.ts";

import type { OnFault, OnWarning } from "./problem.ts";
import { parseSyntax, type Syntax } from "./syntax.ts";
import type { Term } from "./term.ts";
import { TypeChecker } from "./typecheck.ts";
import { warnUntyped } from "./untyped.ts";
import { warnWords } from "./words.ts";

export type { ConditionScope } from "./names.ts";

/** Compiles the `when` of a rule, or its `cost`; undefined where there is an error, which is reported at its place in the file. */
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
    const isCost = scope.key === "cost";
    if (isCost && text.trim() === "") {
      onFault("condition_syntax", 0, "a cost is empty; leave `cost` out, or say what a request costs");
      return undefined;
    }
    const syntax = parseSyntax(text, onFault);
    if (syntax === undefined) return undefined;
    checkComments(syntax, reporter, { value: text, at: start }, { key: scope.key ?? "when", onFault });
    const names = new Names(scope, onFault, onWarning);
    const checker = new TypeChecker(names, onFault);
    const term = isCost ? checker.cost(syntax.root) : checker.condition(syntax.root);
    if (term === undefined || failed) return undefined;
    if (isCost && !readsRequest(term))
      onFault("cost_constant", term.start, "the cost is the same for every request; write the number without quotes");
    const { instructions, depth } = emit(term);
    if (instructions.length > condition_instructions_max)
      onFault(
        "bound",
        0,
        `a condition has at most ${condition_instructions_max} instructions, and this one ${instructions.length}; make it two rules`,
      );
    if (depth > condition_values_max)
      onFault("bound", 0, `a condition holds at most ${condition_values_max} values at a time, and this one ${depth}`);
    const costUnits = checkCost(term, text, names, onFault);
    if (failed) return undefined;
    names.finish();
    if (failed) return undefined;
    const isDead = isCost ? warnNever(term, scope, onWarning) : warnOutcome(term, scope, { onFault, onWarning });
    warnUntyped(term, scope.action ?? "allow", onWarning);
    warnWords(term, onWarning);
    if (/&&|\|\||[=!]=/u.test(lost))
      onWarning(
        "condition_comment",
        text.length,
        `YAML begins a comment at \` #\`, so what follows is no part of the condition; ${way_out}`,
      );
    if (isDead) return undefined;
    const { calls = 1 } = scope;
    const condition = {
      text,
      instructions,
      variables: names.variables,
      usesClaims: names.usesClaims,
      lists: names.lists,
      costUnits,
      ...(calls > 1 && {
        callsUnits: Math.max(costUnits, calls * costOf(term, names.nodesOfEach(calls), calls).units),
      }),
    };
    if (key !== undefined && !warned) remember(key, condition);
    return condition;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    onFault("bound", 0, "the condition is nested too deeply");
    return undefined;
  }
}

/**
 * Says what in a condition never holds, or does not depend on the request. A deny rule whose condition never holds denies nobody, and
 * whoever wrote it believes otherwise: that is an error. @returns whether it is
 */
function warnOutcome(term: Term, scope: ConditionScope, { onFault, onWarning }: Problems): boolean {
  const never = findNever(term, scope);
  if (scope.action === "deny" && neverHolds(term, (one) => isNever(one, scope))) {
    const [first] = never;
    const why = first?.why ?? describeConstant(term) ?? "the condition is never true";
    onFault("deny_never", first?.at ?? 0, `this rule denies nobody: ${why}`);
    return true;
  }
  for (const { at, why } of never) onWarning("condition_never", at, why);
  const constant = describeConstant(term);
  if (constant !== undefined) onWarning("condition_constant", 0, constant);
  return false;
}

/** Says what never holds in a cost, which may be any number. @returns false: none is without effect */
function warnNever(term: Term, scope: ConditionScope, onWarning: OnWarning): false {
  for (const { at, why } of findNever(term, scope)) onWarning("condition_never", at, why);
  return false;
}

/** Whether anything in it depends on the request. */
function readsRequest(term: Term): boolean {
  return term.kind === "load" || partsOf(term).some(readsRequest);
}

/** Takes what is wrong with a condition. */
interface Problems {
  onFault: OnFault;
  onWarning: OnWarning;
}

/** Conditions of which there was nothing to say: many rules of a policy have the same. */
const compiled = new Map<string, Condition>();
const compiled_max = 4096;

/** All that the outcome depends on. */
function keyOf(text: string, scope: ConditionScope): string {
  const { action, hasToken, claims = new Map(), endpoints, lacksEndpoints, captures = [], lists, tokenBytes } = scope;
  const { slashes, trustDomains = [], aliases = [], key = "when", variables = [] } = scope;
  const { protocols = [], called = [], bodyBytes = 0 } = scope;
  const shapes = endpoints.map(
    ({ methods, variables, call }) => `${methods} ${[...variables.keys()].join()} ${call?.text ?? ""}`,
  );
  const names = captures.map((one) => [...one.keys()].join());
  const known = text.includes("lists") && [...(lists ?? [])];
  return JSON.stringify([
    text,
    key,
    variables,
    action,
    hasToken,
    declaredKey(claims),
    lacksEndpoints === true,
    shapes,
    names,
    known,
    tokenBytes ?? 0,
    bodyBytes,
    scope.calls ?? 1,
    [...protocols],
    [...called],
    slashes,
    text.includes("caller") && [...trustDomains, ...aliases],
  ]);
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

function checkCost(term: Term, text: string, names: Names, onFault: OnFault): number {
  const { units, dearest } = costOf(term, names.nodes);
  const most = condition_cost_max * (names.calls.readsBody ? body_cost_factor : 1);
  if (units <= most) return units;
  const part = text.slice(dearest.term.start, dearest.term.end).replace(/\s+/gu, " ");
  const shown = part.length > 80 ? `${part.slice(0, 79)}…` : part;
  const same = isConstantInLoop(dearest.term)
    ? "; it is the same for each: instead of a loop with `==` write `x in list`"
    : "";
  const often = dearest.rounds > 1 ? `, for it is evaluated for each of up to ${dearest.rounds} elements${same}` : "";
  const way = names.calls.readsBody ? "; with a smaller `maxBodyBytes` it costs less" : "";
  onFault(
    "condition_cost",
    dearest.term.start,
    `the condition can cost ${units} units, and at most ${most} are allowed; of these \`${shown}\` can cost ${dearest.units}${often}${way}`,
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
  { key, onFault }: { key: string; onFault: OnFault },
): void {
  if (source.text[at] === "|" || source.text.startsWith(value, at)) return;
  for (const { start } of comments) {
    onFault(
      "condition_syntax",
      start,
      `YAML does not keep these lines as they are, and the comment could take a part of the condition away; write \`${key}: |\` and the condition below it`,
    );
  }
}
