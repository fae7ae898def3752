/**
 * Which rules, endpoints and callers of a policy traffic has used. Where the log leaves it open, more counts as used: what counts as
 * unused is taken away.
 */

import { isUse, possibleEndpoints, RuleMatcher } from "../discover/matching.ts";
import type { Policy, Rule } from "../policy/language/model.ts";
import { isCallerUnknown, type Usage } from "../traffic/usage.ts";

/** What was used of one rule. */
export interface RuleUse {
  /** The methods that were used, by the endpoint's place in the rule. */
  endpoints: Map<number, Set<string>>;
  /** Those who used it: SPIFFE IDs; "" for nobody known. */
  callers: Set<string>;
  requests: number;
  /** Milliseconds since 1970; 0 where the log has no times. */
  lastSeen: number;
}

/** What Envoy answers before any filter has seen the request: no rule was asked, and whoever sends it could keep rules in use. */
const before_filters: ReadonlySet<number> = new Set([0, 400, 426, 431]);

/** What traffic used of the allow rules of a policy, by their names. @param usages those of `usagesFor` */
export function usedBy(usages: readonly Usage[], policy: Policy): Map<string, RuleUse> {
  const matcher = new RuleMatcher(policy);
  const used = new Map<string, RuleUse>();
  const rules = policy.rules.filter(({ action }) => action === "allow");
  const byName = new Map(rules.map((rule) => [rule.name, rule]));
  const known = new Map<string, [Rule, number[]][]>();
  /** The places of a rule's endpoints that a usage may be for; undefined where the rule is not for its caller, host or path. */
  const match = (rule: Rule, usage: Usage): number[] | undefined => {
    const found = matcher.rulesFor(usage.caller).includes(rule) ? possibleEndpoints(rule, usage) : [];
    return found.length === 0 ? undefined : found;
  };
  for (const usage of usages.filter(isUse)) {
    // The record's rule let it in, and stays; so what else could have is not needed for it.
    const named = usage.policy === "" ? undefined : byName.get(usage.rule);
    const own = named === undefined ? undefined : match(named, usage);
    if (named !== undefined && own !== undefined) {
      take(used, named, own, usage);
      continue;
    }
    const key = JSON.stringify([usage.caller, usage.host, usage.method, usage.path, usage.policy]);
    let all = known.get(key);
    if (all === undefined) {
      all = rules.flatMap((rule) => {
        const endpoints = match(rule, usage);
        return endpoints === undefined ? [] : [[rule, endpoints] as [Rule, number[]]];
      });
      known.set(key, all);
    }
    for (const [rule, endpoints] of all) take(used, rule, endpoints, usage);
    // A rule that was another when it decided: nobody knows what of it was used.
    if (named !== undefined) take(used, named, [...named.endpoints.keys()], usage);
  }
  return used;
}

/**
 * Rules that requests of nobody knows whom may have used: by host, method and path. Which of a rule's callers it was is not to be told.
 * @returns so many requests, by the rule's name; rules for everybody alone are not in it
 */
export function usedByUnknown(usages: readonly Usage[], policy: Policy): Map<string, number> {
  const rules = policy.rules.filter(
    ({ action, callers }) => action === "allow" && callers.some(({ kind }) => kind !== "anonymous"),
  );
  const used = new Map<string, number>();
  for (const usage of usages) {
    if (!isCallerUnknown(usage) || !isUse(usage) || before_filters.has(usage.status)) continue;
    for (const rule of rules)
      if (possibleEndpoints(rule, usage).length > 0) used.set(rule.name, (used.get(rule.name) ?? 0) + usage.count);
  }
  return used;
}

function take(used: Map<string, RuleUse>, rule: Rule, endpoints: readonly number[], usage: Usage): void {
  const use = used.get(rule.name) ?? { endpoints: new Map(), callers: new Set(), requests: 0, lastSeen: 0 };
  used.set(rule.name, use);
  use.requests += usage.count;
  use.lastSeen = Math.max(use.lastSeen, usage.lastSeen);
  use.callers.add(usage.caller);
  for (const place of endpoints) {
    const methods = use.endpoints.get(place) ?? new Set();
    use.endpoints.set(place, methods.add(usage.method));
  }
}
