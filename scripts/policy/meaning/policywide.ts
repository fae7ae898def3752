/** What two policies say differently of everybody: whom they trust, whose tokens they believe, how much they let through. */
import type { Issuer, Limit, Policy, Rule } from "../model.ts";
import { compareLists, compareRest, type PolicyChange, stableText } from "./change.ts";
import { compareIdentity, compareIssuer } from "./issuers.ts";
import { type Matching, matchNames, type Pair } from "./names.ts";

export type { PolicyChange } from "./change.ts";

const known_keys: ReadonlySet<string> = new Set<keyof Policy>([
  "name",
  "mode",
  "trustDomains",
  "identity",
  "svids",
  "forwarders",
  "forwards",
  "issuers",
  "callerSets",
  "limits",
  "rules",
]);

/** What an issuer or limit is, without its name. */
function definitionOf({ name: _, ...definition }: Issuer | Limit): string {
  return stableText(definition);
}

/** Which issuer of one policy is which of the other. */
export function matchIssuers(before: Policy, after: Policy): Matching<Issuer> {
  return matchNames(before.issuers, after.issuers, definitionOf, ({ issuer }) => issuer);
}

/** Which limit of one policy is which of the other. */
export function matchLimits(before: Policy, after: Policy): Matching<Limit> {
  return matchNames(before.limits, after.limits, definitionOf);
}

/** All differences of two policies that no rule has. */
export function comparePolicyWide(
  before: Policy,
  after: Policy,
  issuers: Matching<Issuer>,
  limits: Matching<Limit>,
): PolicyChange[] {
  const used = (of: (rule: Rule) => readonly string[]): Set<string> => new Set(after.rules.flatMap(of));
  const usedIssuers = used((rule) => rule.issuers);
  const usedLimits = used((rule) => rule.limits);
  return [
    ...compareMode(before, after),
    ...compareLists("trust domain", before.trustDomains, after.trustDomains, (domain) => isAdmitted(after, domain)),
    ...compareIdentity(before, after),
    ...compareLists("forwarder", before.forwarders ?? [], after.forwarders ?? [], () => true),
    ...compareForwards(before, after),
    ...issuers.pairs
      .filter((pair) => usedIssuers.has(pair.after.name))
      .flatMap((pair) => compareIssuer(`issuer ${pair.after.name}`, pair)),
    ...limits.pairs.filter((pair) => usedLimits.has(pair.after.name)).flatMap(compareLimit),
    ...compareOthers(before, after),
  ];
}

function compareMode(before: Policy, after: Policy): PolicyChange[] {
  if (before.mode === after.mode) return [];
  // In shadow mode everybody is let through.
  return [{ what: "mode", before: before.mode, after: after.mode, gain: after.mode === "shadow" }];
}

/** Whether a rule admits members of a trust domain that are not named one by one, or any at all. */
function isAdmitted({ rules, callerSets }: Policy, domain: string): boolean {
  const sets = new Set(
    callerSets.filter(({ callers }) => callers.some((one) => one.trustDomain === domain)).map(({ name }) => name),
  );
  return rules.some(
    ({ action, mode, callers }) =>
      action === "allow" &&
      mode === "enforce" &&
      callers.some(
        (caller) =>
          caller.kind === "any" ||
          (caller.kind === "set" && sets.has(caller.name)) ||
          (caller.kind === "pattern" && caller.pattern.trustDomain === domain),
      ),
  );
}

function compareForwards(before: Policy, after: Policy): PolicyChange[] {
  const headersOf = ({ forwards = [] }: Policy) =>
    new Map(
      forwards.map(({ header, value }) => [
        header,
        value.kind === "claim" ? `claims.${value.path.join(".")}` : value.kind,
      ]),
    );
  const [was, is] = [headersOf(before), headersOf(after)];
  return [...new Set([...was.keys(), ...is.keys()])].flatMap((header) => {
    const [old, now] = [was.get(header) ?? null, is.get(header) ?? null];
    // A header that is no longer set can be sent from outside, and one that says something else may say too much.
    return old === now ? [] : [{ what: `forward ${header}`, before: old, after: now, gain: old !== null }];
  });
}

const limit_keys = ["name", "rate", "burstTokens", "per"];

/** More tokens, or tokens counted for each of other things, may let more through. */
function compareLimit({ before, after }: Pair<Limit>): PolicyChange[] {
  const changes: PolicyChange[] = [];
  const add = (what: string, was: string, is: string, gain: boolean): void => {
    if (was !== is) changes.push({ what: `limit ${after.name}: ${what}`, before: was, after: is, gain });
  };
  if (before.rate !== undefined && after.rate !== undefined) {
    const perSecond = ({ rate }: Limit): number => rate.tokens / rate.periodSeconds;
    const words = ({ rate }: Limit): string => `${rate.tokens} in ${rate.periodSeconds}s`;
    if (perSecond(before) !== perSecond(after))
      add("rate", words(before), words(after), perSecond(after) > perSecond(before));
  }
  add("burst", String(before.burstTokens), String(after.burstTokens), !(after.burstTokens <= before.burstTokens));
  const perOf = ({ per }: Limit): string =>
    (per ?? [])
      .map((one) => (one.kind === "caller" ? "caller" : `claims.${one.path.join(".")}`))
      .sort()
      .join(", ");
  add("per", perOf(before), perOf(after), true);
  changes.push(...compareRest(`limit ${after.name}`, before, after, limit_keys));
  return changes;
}

/** Parts of the policy that the language has got since: what they mean is not known here, so any difference is a gain. */
function compareOthers(before: Policy, after: Policy): PolicyChange[] {
  return compareRest("", before, after, [...known_keys]);
}
