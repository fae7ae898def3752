/** Rules whose conditions or limits read named segments of the caller's ID. */
import { ruleVariables } from "../language/condition.ts";
import type { CallerSet, Rule, RuleCaller } from "../language/model.ts";
import { readCaptures } from "../language/spiffe.ts";

/**
 * Takes a rule apart so that in each part all callers have a name at the same segment: conditions of two parts are compared then.
 * Most rules are their only part.
 */
export function byCaptures(rule: Rule, sets: readonly CallerSet[]): Rule[] {
  if (rule.captures.size === 0) return [rule];
  const parts = new Map<string, { captures: Rule["captures"]; callers: RuleCaller[] }>();
  for (const caller of rule.callers.flatMap((one) => membersOf(one, sets))) {
    const captures = readCaptures(ruleVariables(rule), [caller.kind === "pattern" ? caller.pattern : undefined]);
    const key = JSON.stringify([...captures]);
    const part = parts.get(key);
    if (part === undefined) parts.set(key, { captures, callers: [caller] });
    else part.callers.push(caller);
  }
  return [...parts.values()].map((part) => ({ ...rule, ...part }));
}

function membersOf(caller: RuleCaller, sets: readonly CallerSet[]): RuleCaller[] {
  if (caller.kind !== "set") return [caller];
  const callers = sets.find(({ name }) => name === caller.name)?.callers ?? [];
  return callers.map((pattern) => ({ kind: "pattern", pattern }));
}
