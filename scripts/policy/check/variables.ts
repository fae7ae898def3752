/** Variables of rules that limits count by and headers tell of. */
import { path_segments_max } from "../../../assembly/limits.ts";
import { captureName, ruleVariables } from "../language/condition.ts";
import type { Endpoint } from "../language/endpoint.ts";
import type { DraftRule, Rule } from "../language/model.ts";
import { printVariable } from "../language/selector.ts";
import { type CallerPattern, commonCallers, printCaller } from "../language/spiffe.ts";
import type { Context } from "./names.ts";

/** Where the variables of a rule are. */
interface VariableScope {
  endpoints: readonly Endpoint[];
  /** Some endpoint is wrong, which is reported there. */
  lacksEndpoints: boolean;
  /** For each caller the names of its ID's segments. */
  captures: readonly ReadonlyMap<string, number>[];
}

/** The variables that the limits of a rule count by. Each must be there in every request, or the limit says what becomes of those that lack it. */
export function checkLimitVariables(
  context: Context,
  draft: DraftRule,
  { endpoints, lacksEndpoints, captures }: VariableScope,
): string[] {
  const { reporter } = context;
  const variables = new Set<string>();
  for (const { value, at } of draft.limit?.value ?? []) {
    const limit = context.limits.get(value);
    // Who has nothing to choose a tier has none.
    if (limit?.tier?.kind === "variable") variables.add(limit.tier.name);
    for (const selector of limit?.per ?? []) {
      if (selector.kind !== "variable") continue;
      const { name } = selector;
      variables.add(name);
      if (limit?.absent !== undefined) continue;
      const capture = captureName(name);
      const counts = `the limit \`${value}\` counts by \`${printVariable(name)}\``;
      if (capture === undefined) {
        if (!lacksEndpoints && endpoints.some((endpoint) => !endpoint.variables.has(name)))
          reporter.error(
            "unknown_path_variable",
            at,
            `${counts}, and not every endpoint of the rule has \`{${name}}\`; name it in each, or say \`absent: share\` or \`absent: deny\` in the limit`,
          );
      } else if (captures.some((names) => !names.has(capture))) {
        const message = `${counts}, and not every caller of the rule has \`{${capture}}\` for a segment of its ID; name it in each, or say \`absent: share\` or \`absent: deny\` in the limit`;
        reporter.error("unknown_name", at, message);
      }
    }
  }
  return [...variables].sort();
}

/** So many pairs of patterns of one rule are compared with each other, which is quick. */
const compared_max = 65_536;

/**
 * Checks the variables of a rule together: there is room for them, and what limits count by and headers tell of is one and the same for
 * each ID, also where the ID has several of the rule's patterns.
 * @param patterns of the rule's callers; undefined for `any` and `anonymous`
 */
export function checkVariables(
  { reporter }: Context,
  draft: DraftRule,
  rule: Pick<Rule, "condition" | "costFrom" | "limitVariables" | "forwardVariables">,
  patterns: readonly (CallerPattern | undefined)[],
): void {
  if (ruleVariables(rule).length > path_segments_max) {
    const message = `condition and limits of a rule, and headers, read at most ${path_segments_max} path variables and names of segments`;
    reporter.error("bound", draft.limit?.at ?? draft.when?.at ?? draft.at, message);
  }
  for (const variable of new Set([...rule.limitVariables, ...rule.forwardVariables])) {
    const name = captureName(variable);
    if (name === undefined) continue;
    const naming = patterns.filter((one) => one?.captures.has(name)) as CallerPattern[];
    const others = patterns.filter((one) => !naming.includes(one!));
    const isElsewhere = new Set(naming.map((one) => one.captures.get(name))).size > 1;
    if (!isElsewhere && others.length === 0) continue;
    if (naming.length * patterns.length > compared_max) {
      const message = `\`{${name}}\` is not the same segment in all of the rule's ${patterns.length} callers, which are too many to tell apart; make it several rules`;
      reporter.error("bound", draft.callers!.at, message);
      continue;
    }
    const crossing = crossingPatterns(naming, patterns, name);
    if (crossing === undefined) continue;
    const [one, other] = crossing.map((pattern) => (pattern === undefined ? "any" : printCaller(pattern)));
    const how = crossing[1]?.captures.has(name) ? "is another segment in each" : "is in the first alone";
    const message = `an ID can have both \`${one}\` and \`${other}\`, and \`{${name}}\` ${how}, so what \`${variable}\` is would be open; make it two rules`;
    reporter.error("capture_ambiguous", draft.callers!.at, message);
  }
}

/** A pattern that has the name, and one that an ID can have too and that does not have it for the same segment. */
function crossingPatterns(
  naming: readonly CallerPattern[],
  patterns: readonly (CallerPattern | undefined)[],
  name: string,
): [CallerPattern, CallerPattern | undefined] | undefined {
  for (const one of naming) {
    for (const other of patterns) {
      const isSame = one.captures.get(name) === other?.captures.get(name);
      if (!isSame && (other === undefined || commonCallers(one, other) !== undefined)) return [one, other];
    }
  }
  return undefined;
}
