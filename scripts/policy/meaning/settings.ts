/**
 * What two policies say differently of everybody: whom they trust, whose tokens they believe, how much they let through. The
 * tables say of every key of the language how it is compared, and which of its changes let more through: a request that was
 * denied, or a header, cookie or parameter for the upstream that was removed. What cannot be shown to let nothing more
 * through is a gain.
 */
import type { Issuer, Limit, Policy, Rule } from "../language/model.ts";
import { intervalNanoseconds } from "../language/rate.ts";
import { compareRows, type PolicyChange, type Row, stableText } from "./change.ts";
import { admitsNameless, isDomainForwarding, isDomainMet, isSubstituted, reorderedIssuers } from "./effects.ts";
import { type Believed, believed, hiddenPlaces, tokenRows } from "./issuers.ts";
import { type Matching, matchNames, type Pair } from "./names.ts";

export type { PolicyChange } from "./change.ts";

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

/** The policy as a whole. */
export const policy_rows: readonly Row<Policy>[] = [
  // The only one there is.
  { kind: "elsewhere", keys: ["version"], parts: [] },
  // Filters with one name in one Envoy share the buckets of their limits, and each other's mark.
  { kind: "choice", keys: ["name"], parts: ["name"], what: "name", value: ({ name }) => name, changed: true },
  {
    // In shadow mode everybody is let through.
    kind: "choice",
    keys: ["mode"],
    parts: ["mode"],
    what: "mode",
    value: ({ mode }) => mode,
    changed: ({ pair }) => pair.after.mode === "shadow",
  },
  {
    // Whom rules meet in a trust domain that comes or goes is compared with the rules (classes.ts).
    kind: "set",
    keys: ["trust", "trust.domains"],
    parts: ["trustDomains"],
    what: "trust domain",
    values: ({ trustDomains }) => trustDomains,
    added: isDomainMet,
    removed: isDomainForwarding,
  },
  {
    // Who loses the name that a JWT-SVID gave it is anonymous; every other change gives somebody a name that it had not.
    kind: "choice",
    keys: ["trust.identity"],
    parts: ["identity"],
    what: "identity",
    value: ({ identity }) => identity,
    changed: (meeting) =>
      meeting.pair.before.identity !== "either" || meeting.pair.after.identity !== "mtls" || admitsNameless(meeting),
  },
  {
    kind: "set",
    keys: ["trust.jwtSvid", "trust.jwtSvid.bundles"],
    parts: ["svids"],
    what: "JWT-SVID bundle",
    values: ({ svids }) => svids.map(({ name }) => name),
    added: true,
    removed: admitsNameless,
  },
  {
    // Everybody behind a gateway that is not believed becomes that gateway.
    kind: "set",
    keys: ["trust.forwarders"],
    parts: ["forwarders"],
    what: "forwarder",
    values: ({ forwarders }) => forwarders,
    added: true,
    removed: true,
  },
  {
    // A header that is no longer set can be sent from outside; one that is set can have been taken away before the filter.
    kind: "entries",
    keys: ["forward"],
    parts: ["forwards"],
    what: "forward",
    entries: ({ forwards }) =>
      new Map(
        forwards.map(({ header, value }) => [
          header,
          value.kind === "claim" ? `claims.${value.path.join(".")}` : value.kind,
        ]),
      ),
    added: true,
    removed: true,
    changed: true,
  },
  {
    kind: "set",
    keys: ["issuers"],
    parts: ["issuers"],
    what: "token kept from the upstream",
    values: hiddenPlaces,
    added: false,
    removed: true,
  },
  // What rules say, of whom, is compared by what it means (compare.ts); files and names of sets mean nothing.
  { kind: "elsewhere", keys: ["rules", "callers", "limits", "include"], parts: ["rules", "callerSets", "limits"] },
];

/** What two policies say of one issuer whose tokens rules ask for. */
export const issuer_rows: readonly Row<Believed>[] = tokenRows(
  (name) => [name === "" ? "issuers" : `issuers.*.${name}`],
  isSubstituted,
);

/** What two policies say of the JWT-SVIDs of one trust domain. A caller whose JWT-SVID is not good is anonymous. */
export const svid_rows: readonly Row<Believed>[] = tokenRows((name) => {
  if (name === "keys") return ["trust.jwtSvid.bundles"];
  if (name.startsWith("keys.")) return [`trust.jwtSvid.bundles.*.${name.slice("keys.".length)}`];
  return /^(?:audiences|from|leeway|forwardToken)\b/u.test(name) ? [`trust.jwtSvid.${name}`] : [];
}, admitsNameless);

/** What two policies say of one limit that rules take from. */
export const limit_rows: readonly Row<Limit>[] = [
  // The buckets of another name are not those that another policy of the same name shares, and are full.
  { kind: "choice", keys: ["limits"], parts: ["name"], what: "name", value: ({ name }) => name, changed: true },
  {
    kind: "amount",
    keys: ["limits.*.rate"],
    parts: ["rate"],
    what: "rate",
    amount: (limit) => 1 / intervalNanoseconds(limit),
    words: ({ rate }) => `${rate.tokens} in ${rate.periodSeconds}s`,
    more: true,
    less: false,
  },
  {
    kind: "amount",
    keys: ["limits.*.burst"],
    parts: ["burstTokens"],
    what: "burst",
    amount: ({ burstTokens }) => burstTokens,
    words: ({ burstTokens }) => String(burstTokens),
    more: true,
    less: false,
  },
  {
    kind: "set",
    keys: ["limits.*.per"],
    parts: ["per"],
    what: "per",
    values: ({ per }) => per.map((one) => (one.kind === "caller" ? "caller" : `claims.${one.path.join(".")}`)),
    words: (values) => values.join(", "),
    added: true,
    removed: true,
  },
  // The only one there is.
  { kind: "elsewhere", keys: ["limits.*.scope"], parts: [] },
];

/** All differences of two policies that no rule has. */
export function comparePolicyWide(
  before: Policy,
  after: Policy,
  issuers: Matching<Issuer>,
  limits: Matching<Limit>,
): PolicyChange[] {
  const policies = { before, after };
  const whole = { pair: policies, policies };
  const used = (of: (rule: Rule) => readonly string[]): Set<string> => new Set(after.rules.flatMap(of));
  const usedIssuers = used((rule) => rule.issuers);
  const usedLimits = used((rule) => rule.limits);
  const tokens = (pair: Pair<Issuer>) => ({
    pair: { before: believed(pair.before), after: believed(pair.after) },
    policies,
  });
  const svids = after.svids.flatMap((svid): Pair<Issuer>[] => {
    const old = before.svids.find(({ name }) => name === svid.name);
    return old === undefined ? [] : [{ before: old, after: svid }];
  });
  return [
    ...compareRows(policy_rows, whole),
    ...reorderedIssuers(whole, issuers).map((change) => ({ what: "first of several issuers", ...change })),
    ...svids.flatMap((pair) => compareRows(svid_rows, tokens(pair), `JWT-SVIDs of ${pair.after.name}`)),
    ...issuers.pairs
      .filter((pair) => usedIssuers.has(pair.after.name))
      .flatMap((pair) => compareRows(issuer_rows, tokens(pair), `issuer ${pair.after.name}`)),
    ...limits.pairs
      .filter((pair) => usedLimits.has(pair.after.name))
      .flatMap((pair) => compareRows(limit_rows, { pair, policies }, `limit ${pair.after.name}`)),
  ];
}
