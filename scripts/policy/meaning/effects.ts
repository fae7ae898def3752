/** What a change does to callers and tokens beside what it says: whom else it lets through. */

import { compare } from "../language/byteorder.ts";
import type { Issuer, Policy, Rule } from "../language/model.ts";
import type { Meeting } from "./change.ts";
import type { Matching } from "./names.ts";

const isEnforced = (rule: Rule, action: Rule["action"]): boolean => rule.mode === "enforce" && rule.action === action;
const isForAnybody = ({ callers }: Rule): boolean => callers.some(({ kind }) => kind === "anonymous");

/**
 * Whether members of a trust domain that becomes trusted may be let through, or say who others are. They may where an allow
 * rule is for them, or for anonymous callers too: conditions on the caller, tokens bound to it and limits of its own have no
 * meaning until a caller has a name.
 */
export function isDomainMet({ policies: { after } }: Meeting<Policy>, domain: string): boolean {
  const { rules, callerSets } = after;
  const sets = new Set(
    callerSets.filter(({ callers }) => callers.some((one) => one.trustDomain === domain)).map(({ name }) => name),
  );
  return (
    hasForwarderOf(after, domain) ||
    rules.some(
      (rule) =>
        isEnforced(rule, "allow") &&
        rule.callers.some(
          (caller) =>
            caller.kind === "any" ||
            caller.kind === "anonymous" ||
            (caller.kind === "set" && sets.has(caller.name)) ||
            (caller.kind === "pattern" && caller.pattern.trustDomain === domain),
        ),
    )
  );
}

/** Whether a trust domain that is not trusted any more had a gateway: everybody behind it becomes that gateway, whom nobody knows now. */
export function isDomainForwarding({ policies: { before } }: Meeting<Policy>, domain: string): boolean {
  return hasForwarderOf(before, domain);
}

function hasForwarderOf({ forwarders }: Policy, domain: string): boolean {
  return forwarders.some((id) => id.startsWith(`spiffe://${domain}/`));
}

/**
 * Whether a caller that loses its name may be let through for it: deny rules for named callers, `any` among them, do not reach
 * it any more, and rules for anonymous callers do. Conditions do not matter: without a name, what asks for it is an error.
 */
export function admitsNameless({ policies: { before, after } }: Meeting<unknown>): boolean {
  return (
    before.rules.some((rule) => isEnforced(rule, "deny") && !isForAnybody(rule)) &&
    after.rules.some((rule) => isEnforced(rule, "allow") && isForAnybody(rule))
  );
}

/** Whether it matters to a rule which of several tokens it takes: the claims are those of the first issuer whose token is good. */
function readsClaims({ scopes, condition, costFrom, limits }: Rule, { limits: all }: Policy): boolean {
  const isByClaim = (name: string): boolean =>
    all.some((limit) => limit.name === name && [...limit.per, limit.tier].some((one) => one?.kind === "claim"));
  return scopes.length > 0 || condition !== undefined || costFrom !== undefined || limits.some(isByClaim);
}

/**
 * Whether a rule reads the claims of another issuer's token where that of this issuer is not good any more. An allow rule
 * may then admit, and a deny rule not match, by what the other token says.
 */
export function isSubstituted({ pair, policies }: Meeting<{ name: string }>): boolean {
  return (["before", "after"] as const).some((side) =>
    policies[side].rules.some(
      (rule) =>
        rule.mode === "enforce" &&
        rule.issuers.length > 1 &&
        rule.issuers.includes(pair[side].name) &&
        readsClaims(rule, policies[side]),
    ),
  );
}

/** Issuers of one rule whose names come in another order than before, so that it takes another one's claims first. */
export function reorderedIssuers(
  { policies: { after } }: Meeting<Policy>,
  { pairs }: Matching<Issuer>,
): { before: string; after: string; gain: boolean }[] {
  const before = new Map(pairs.map((pair) => [pair.after.name, pair.before.name]));
  const changes = new Map<string, { before: string; after: string; gain: boolean }>();
  for (const rule of after.rules) {
    if (rule.mode !== "enforce" || rule.issuers.length < 2 || !readsClaims(rule, after)) continue;
    const names = rule.issuers.filter((name) => before.has(name)).sort(compare);
    const first = [...names].sort((a, b) => compare(before.get(a)!, before.get(b)!));
    const change = { before: first.join(", "), after: names.join(", "), gain: true };
    if (change.before !== change.after) changes.set(change.after, change);
  }
  return [...changes.values()];
}
