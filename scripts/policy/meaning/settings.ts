/**
 * What two policies say differently of everybody: whom they trust, whose tokens they believe, how much they let through. The
 * tables say of every key of the language how it is compared, and which of its changes let more through: a request that was
 * denied, or a header, cookie or parameter for the upstream that was removed. What cannot be shown to let nothing more
 * through is a gain.
 */
import { createHash } from "node:crypto";
import { printClaimPath } from "../language/claimpath.ts";
import { variableOfCapture } from "../language/condition.ts";
import type { Issuer, Limit, Policy, Rule } from "../language/model.ts";
import { paths_shape } from "../language/pathoptions.ts";
import { type Protocol, protocol_names, protocol_words, protocolPath } from "../language/protocols.ts";
import type { ForwardValue } from "../language/values.ts";
import { compareRows, type PolicyChange, type Row, stableText } from "./change.ts";
import { admitsNameless, isDomainForwarding, isDomainMet, isSubstituted, reorderedIssuers } from "./effects.ts";
import { type Believed, believed, hiddenPlaces, tokenRows } from "./issuers.ts";
import { compareLimits } from "./limits.ts";
import { changedLists } from "./lists.ts";
import { type Matching, matchNames, type Pair } from "./names.ts";
import { changedQuarantines } from "./quarantines.ts";

export type { PolicyChange } from "./change.ts";

function forwardText(value: ForwardValue): string {
  if (value.kind === "capture") return variableOfCapture(value.name);
  if (value.kind !== "claim") return value.kind;
  return printClaimPath(value.path) + (value.as === "plain" ? "" : ` as ${value.as}`);
}

/** What is spoken on a path, and what it may be like. Persisted documents are told by how many there are, and by a digest. */
function protocolText({ name, calls, graphql }: Protocol): string {
  const parts = [protocol_words[name], `${calls} calls at most`];
  if (graphql !== undefined) {
    const { depth, aliases, introspection, persisted } = graphql;
    parts.push(`depth ${depth}`, `${aliases} aliases`, `introspection ${introspection}`);
    const digest = createHash("sha256").update(JSON.stringify(persisted)).digest("hex").slice(0, 8);
    if (persisted.length > 0) parts.push(`${persisted.length} persisted documents (${digest})`);
  }
  return parts.join(", ");
}

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

const path_keys = ["paths", ...Object.keys(paths_shape.keys).map((key) => `paths.${key}`)];

/** The policy as a whole. */
export const policy_rows: readonly Row<Policy>[] = [
  // The only one there is.
  { kind: "elsewhere", keys: ["version"], parts: [] },
  // Filters with one name in one Envoy share the buckets of their limits, and each other's mark.
  { kind: "choice", keys: ["name"], parts: ["name"], what: "name", value: ({ name }) => name, changed: true },
  // Reports know the service by it; it decides nothing.
  {
    kind: "choice",
    keys: ["service"],
    parts: ["service"],
    what: "service",
    value: ({ service }) => service ?? null,
    changed: false,
  },
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
    // Where a rule takes tokens of several issuers, one that is too large may leave its place to another one's.
    kind: "amount",
    keys: ["tokenBytes"],
    parts: ["tokenBytes"],
    what: "tokenBytes",
    amount: ({ tokenBytes }) => tokenBytes,
    words: ({ tokenBytes }) => String(tokenBytes),
    more: true,
    less: ({ policies }) => policies.after.rules.some(({ issuers }) => issuers.length > 1),
  },
  {
    // It decides no request, but which policies may come in force after this one.
    kind: "amount",
    keys: ["minimumVersion"],
    parts: ["minimumVersion"],
    what: "minimumVersion",
    amount: ({ minimumVersion = 0 }) => minimumVersion,
    words: ({ minimumVersion }) => (minimumVersion === undefined ? "none" : String(minimumVersion)),
    more: false,
    less: true,
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
    // Whoever is known by another ID meets other rules: allow rules where it met none, and no deny rule where it met one.
    kind: "entries",
    keys: ["trust.aliases"],
    parts: ["aliases"],
    what: "alias of a trust domain",
    entries: ({ aliases }) => aliases,
    added: true,
    removed: true,
    changed: true,
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
    // Somebody else says who the caller is.
    kind: "choice",
    keys: ["trust.filterState"],
    parts: ["filterState"],
    what: "filterState",
    value: ({ filterState }) => filterState ?? "none",
    changed: true,
  },
  {
    // Where the address is refused, a condition is an error: an allow rule does not hold then, and a deny rule matches.
    kind: "choice",
    keys: ["trust.sourceAddress"],
    parts: ["sourceAddress"],
    what: "sourceAddress",
    value: ({ sourceAddress }) => sourceAddress,
    changed: ({ pair }) => pair.after.sourceAddress === "forwarded",
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
    entries: ({ forwards }) => new Map(forwards.map(({ header, value }) => [header, forwardText(value)])),
    added: true,
    removed: true,
    changed: true,
  },
  {
    // As with `forward`: where the filter does not set it, it comes from whoever sends it.
    kind: "set",
    keys: [],
    parts: [],
    what: "header that counts hops",
    values: ({ limits }) => [...new Set(limits.flatMap(({ header }) => (header === "" ? [] : [header])))],
    added: true,
    removed: true,
  },
  // Which forms of paths are taken is compared with each rule; the policy's own keys decide else only between 400 and 403.
  { kind: "elsewhere", keys: path_keys, parts: ["paths"] },
  {
    // A path that becomes one of a protocol has requests refused that are no calls, and lets in what it did of those that are: which calls rules
    // are for is compared with each rule.
    kind: "entries",
    keys: [
      ...protocol_names,
      ...protocol_names.flatMap((name) => [`${name}.paths`, `${name}.batch`]),
      ...["depth", "aliases", "introspection", "persisted", "persisted.file"].map((key) => `graphql.${key}`),
    ],
    parts: ["protocols"],
    what: "protocol on",
    entries: ({ protocols = [] }) => new Map(protocols.map((one) => [protocolPath(one), protocolText(one)])),
    added: false,
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
  {
    keys: ["quarantine"],
    parts: ["quarantines"],
    kind: "relation",
    what: "quarantine",
    find: ({ policies }) => changedQuarantines(policies),
  },
  // A list that one of the policies does not have is compared with the conditions that look into it.
  { kind: "relation", keys: ["lists"], parts: ["lists"], what: "list", find: changedLists },
  {
    // Another service, or another domain of one, has not counted yet.
    kind: "choice",
    keys: ["fleet", "fleet.cluster", "fleet.domain", "fleet.deadline"],
    parts: ["fleet"],
    what: "fleet",
    value: ({ name, fleet }) =>
      fleet === undefined
        ? null
        : `cluster ${fleet.cluster}, domain ${fleet.domain ?? name}, deadline ${fleet.deadlineMilliseconds}ms`,
    changed: true,
  },
  {
    // What each Envoy admits by itself is the limit divided by it.
    kind: "amount",
    keys: ["fleet.replicas"],
    parts: [],
    what: "fleet replicas",
    amount: ({ fleet }) => fleet?.replicas,
    words: ({ fleet }) => String(fleet?.replicas),
    more: false,
    less: true,
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
    ...limits.pairs.filter((pair) => usedLimits.has(pair.after.name)).flatMap((pair) => compareLimits(pair, policies)),
  ];
}
