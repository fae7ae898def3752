/** What two policies say differently of everybody: whom they trust, whose tokens they believe, how much they let through. */
import type { Issuer, Limit, Policy, Rule } from "../model.ts";
import { type Matching, matchNames, type Pair } from "./names.ts";

/** A difference that is no rule's. */
export interface PolicyChange {
  what: string;
  /** null: it is not there. */
  before: string | null;
  after: string | null;
  /** More may be admitted than before. */
  gain: boolean;
}

const known_keys: ReadonlySet<string> = new Set<keyof Policy>([
  "name",
  "mode",
  "trustDomains",
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

/** JSON in which neither the order of keys nor that of lists has a say: no list of a policy has an order that matters. */
function stableText(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return `[${value.map(stableText).sort().join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members
    .map(([key, member]) => `${key}:${stableText(member)}`)
    .sort()
    .join()}}`;
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
    ...compareLists("forwarder", before.forwarders ?? [], after.forwarders ?? [], () => true),
    ...compareForwards(before, after),
    ...issuers.pairs.filter((pair) => usedIssuers.has(pair.after.name)).flatMap(compareIssuer),
    ...limits.pairs.filter((pair) => usedLimits.has(pair.after.name)).flatMap(compareLimit),
    ...compareOthers(before, after),
  ];
}

function compareMode(before: Policy, after: Policy): PolicyChange[] {
  if (before.mode === after.mode) return [];
  // In shadow mode everybody is let through.
  return [{ what: "mode", before: before.mode, after: after.mode, gain: after.mode === "shadow" }];
}

/** @param isGain whether something that is added admits more */
function compareLists(
  what: string,
  before: readonly string[],
  after: readonly string[],
  isGain: (added: string) => boolean,
): PolicyChange[] {
  const added = after.filter((one) => !before.includes(one));
  const removed = before.filter((one) => !after.includes(one));
  return [
    ...added.map((one) => ({ what, before: null, after: one, gain: isGain(one) })),
    ...removed.map((one) => ({ what, before: one, after: null, gain: false })),
  ];
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

function compareIssuer({ before, after }: Pair<Issuer>): PolicyChange[] {
  const changes: PolicyChange[] = [];
  const add = (what: string, was: string, is: string, gain: boolean): void => {
    if (was !== is) changes.push({ what: `issuer ${after.name}: ${what}`, before: was, after: is, gain });
  };
  const list = (
    what: string,
    was: readonly string[],
    is: readonly string[],
    words = (all: readonly string[]) => all.join(", "),
  ): void => {
    const [old, now] = [[...was].sort(), [...is].sort()];
    if (old.join() === now.join()) return;
    changes.push({
      what: `issuer ${after.name}: ${what}`,
      before: words(old),
      after: words(now),
      gain: now.some((one) => !old.includes(one)),
    });
  };
  add("issuer", before.issuer, after.issuer, true);
  list("audiences", before.audiences, after.audiences);
  list("algorithms", before.algorithms, after.algorithms);
  const keysOf = ({ keys }: Issuer): string[] => keys.map(stableText);
  const nameKeys = (keys: readonly string[]): string => `${keys.length} (${keys.map(shortKey).join(", ")})`;
  list("keys", keysOf(before), keysOf(after), nameKeys);
  add("leeway", `${before.leewaySeconds}s`, `${after.leewaySeconds}s`, after.leewaySeconds > before.leewaySeconds);
  const lifetime = ({ maxLifetimeSeconds }: Issuer): number => maxLifetimeSeconds || Number.POSITIVE_INFINITY;
  const lifetimeWords = (one: Issuer): string => (one.maxLifetimeSeconds === 0 ? "any" : `${one.maxLifetimeSeconds}s`);
  add("maxLifetime", lifetimeWords(before), lifetimeWords(after), lifetime(after) > lifetime(before));
  changes.push(...compareRest(`issuer ${after.name}`, before, after, issuer_keys));
  return changes;
}

const issuer_keys = ["name", "issuer", "audiences", "algorithms", "keys", "leewaySeconds", "maxLifetimeSeconds"];
const limit_keys = ["name", "rate", "burstTokens", "per"];

/** What a person can tell a key by: its ID, or the end of its bytes. */
function shortKey(text: string): string {
  const id = /kid:"([^"]+)"/u.exec(text)?.[1];
  return id ?? `…${/spki:([^,}]*)/u.exec(text)?.[1]?.slice(-12) ?? "key"}`;
}

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

function compareRest(what: string, before: object, after: object, known: readonly string[]): PolicyChange[] {
  const [was, is] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  const keys = [...new Set([...was.keys(), ...is.keys()])].filter((key) => !known.includes(key));
  const words = (value: unknown): string | null => (value === undefined ? null : stableText(value));
  return keys.flatMap((key) => {
    const [old, now] = [words(was.get(key)), words(is.get(key))];
    return old === now ? [] : [{ what: what === "" ? key : `${what}: ${key}`, before: old, after: now, gain: true }];
  });
}
