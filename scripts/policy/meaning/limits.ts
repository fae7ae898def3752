/** What two policies say differently of one limit that rules take from. */
import type { Allowance, Limit, Policy, Rule } from "../language/model.ts";
import { fleetName, intervalNanoseconds, localBurst, printRate, unitOf } from "../language/rate.ts";
import { printSelector } from "../language/selector.ts";
import { compareRows, type Meeting, type PolicyChange, type Row, stableText } from "./change.ts";
import type { Pair } from "./names.ts";

/** What may hold while the service of a fleet does not answer, the strictest first. */
const leniency: readonly Limit["onError"][] = [undefined, "deny", "local", "allow"];

function isOfProxy({ onError }: Limit): boolean {
  return onError === undefined;
}

/** Whether a limit denies nothing. */
function isShadow({ mode }: Limit): boolean {
  return mode === "shadow";
}

/** The key that says how much a limit of each kind gives at once. */
const most_keys = { rate: "burst", concurrency: "concurrency", hops: "most" } as const;

const allowanceWords = ({ rate, burstTokens }: Allowance): string => `${printRate(rate)}, burst ${burstTokens}`;

/** What a limit counts, in words. */
function kindWords(limit: Limit): string {
  switch (limit.kind) {
    case "concurrency":
      return `requests that are open at a time, ${limit.burstTokens} at most`;
    case "hops":
      return `hops by the header ${limit.header}, ${limit.burstTokens} at most`;
    default:
      return `requests by a rate, ${allowanceWords(limit)}`;
  }
}

export const limit_rows: readonly Row<Limit>[] = [
  // The buckets of another name are not those that another policy of the same name shares, and are full.
  { kind: "choice", keys: ["limits"], parts: ["name"], what: "name", value: ({ name }) => name, changed: true },
  {
    kind: "amount",
    keys: ["limits.*.rate"],
    parts: ["rate"],
    what: "rate",
    amount: (limit) => (limit.kind === "rate" ? 1 / intervalNanoseconds(limit) : undefined),
    words: ({ rate }) => printRate(rate),
    more: true,
    less: false,
  },
  {
    // A fleet counts by periods: of a shorter one all may come in less time, and after a longer one more may come at once.
    kind: "amount",
    keys: [],
    parts: [],
    what: "most in one period",
    amount: (limit) => (isOfProxy(limit) ? undefined : limit.rate.periodSeconds),
    words: (limit) => `${limit.rate.tokens} each ${unitOf(limit)}`,
    more: true,
    less: true,
  },
  {
    // What counts another thing may admit what the other would not.
    kind: "relation",
    keys: ["limits.*.hops"],
    parts: ["kind", "header"],
    what: "what it limits",
    find: ({ pair: { before, after } }) =>
      before.kind === after.kind && before.header === after.header
        ? []
        : [{ before: kindWords(before), after: kindWords(after), gain: true }],
  },
  ...(["rate", "concurrency", "hops"] as const).map(
    (kind): Row<Limit> => ({
      kind: "amount",
      keys: [`limits.*.${most_keys[kind]}`],
      parts: ["burstTokens"],
      what: most_keys[kind],
      amount: (limit) => (limit.kind === kind ? limit.burstTokens : undefined),
      words: ({ burstTokens }) => String(burstTokens),
      more: true,
      less: false,
    }),
  ),
  {
    kind: "set",
    keys: ["limits.*.per"],
    parts: ["per"],
    what: "per",
    values: ({ per }) => per.map(printSelector),
    words: (values) => values.join(", ") || "nothing (all requests together)",
    added: true,
    removed: true,
  },
  {
    kind: "choice",
    keys: ["limits.*.tier"],
    parts: ["tier"],
    what: "tier",
    value: ({ tier }) => (tier === undefined ? null : `by ${printSelector(tier)}`),
    changed: true,
  },
  {
    // Who gets into a tier, or out of one, begins with a full bucket.
    kind: "entries",
    keys: ["limits.*.tiers"],
    parts: ["tiers"],
    what: "tier",
    entries: ({ tiers = [] }) => new Map(tiers.map((tier) => [tier.name, allowanceWords(tier)])),
    added: true,
    removed: true,
    changed: true,
  },
  {
    // Not to say it is to say `share`.
    kind: "choice",
    keys: ["limits.*.absent"],
    parts: ["absent"],
    what: "absent",
    value: ({ absent }) => absent ?? "share",
    changed: ({ pair }) => pair.after.absent !== "deny",
  },
  {
    kind: "choice",
    keys: ["limits.*.mode"],
    parts: ["mode"],
    what: "mode",
    value: ({ mode }) => mode ?? "enforce",
    changed: ({ pair }) => isShadow(pair.after),
  },
  {
    // A fleet counts by periods and not by buckets, so that either may admit what the other would not.
    kind: "choice",
    keys: ["limits.*.scope", "limits.*.fleet"],
    parts: ["isLeased"],
    what: "scope",
    value: (limit) => (isOfProxy(limit) ? "proxy" : limit.isLeased === true ? "fleet, leased" : "fleet"),
    changed: true,
  },
  {
    kind: "choice",
    // Who is let through is the same; what clients are told is not.
    keys: ["limits.*.headers"],
    parts: ["headers"],
    what: "headers",
    value: ({ headers = "denied" }) => headers,
    changed: false,
  },
  {
    kind: "choice",
    keys: ["limits.*.onError"],
    parts: ["onError"],
    what: "onError",
    value: ({ onError }) => onError ?? null,
    changed: ({ pair: { before, after } }) => leniency.indexOf(after.onError) > leniency.indexOf(before.onError),
  },
  {
    // One rule's cost raises it for all rules with the limit.
    kind: "relation",
    keys: [],
    parts: [],
    what: "burst of each Envoy alone",
    find: ({ pair: { before, after }, policies }) => {
      if (before.onError !== "local" || after.onError !== "local") return [];
      const [was, is] = [localBurst(before, policies.before), localBurst(after, policies.after)];
      return was === is ? [] : [{ before: String(was), after: String(is), gain: is > was }];
    },
  },
  {
    // Full buckets, once, as after a restart of Envoy: no gain.
    kind: "relation",
    keys: [],
    parts: [],
    what: "counts",
    find: ({ pair: { before, after }, policies }) => {
      // Of hops nothing is kept.
      if (after.kind === "hops" || bucketsOf(policies.before, before) === bucketsOf(policies.after, after)) return [];
      const full = after.kind === "concurrency" ? "with no request counted" : "with full buckets";
      return [{ before: "as they are", after: `start anew, ${full}`, gain: false }];
    },
  },
];

/** What finds the buckets of a limit: one of another policy, or another name, rate, burst or way of counting has none of them. */
function bucketsOf(policy: Policy, limit: Limit): string {
  const { name, kind, burstTokens, per } = limit;
  // Requests in flight are counted by their limit's name and key, however many may be; hops are counted in each request.
  if (kind !== "rate") return stableText({ policy: policy.name, name, kind, per });
  if (!isOfProxy(limit))
    return stableText({ domain: policy.fleet?.domain ?? policy.name, fleet: fleetName(limit), per });
  return stableText({ policy: policy.name, name, interval: intervalNanoseconds(limit), burstTokens, per });
}

/** What two policies say differently of one limit. */
export function compareLimits(pair: Pair<Limit>, policies: Pair<Policy>): PolicyChange[] {
  const meeting: Meeting<Limit> = { pair, policies };
  const changes = compareRows(limit_rows, meeting, `limit ${pair.after.name}`);
  if (!isShadow(pair.before)) return changes;
  // It kept nobody from anything, so no change of it lets more through; but other policies may share the buckets of its name.
  const isRenamed = pair.before.name !== pair.after.name;
  return changes.map((change) => ({ ...change, gain: change.gain && isRenamed && change.what.endsWith(": name") }));
}

/** A rule with the limits that may deny its requests: not those in shadow mode, which are counted, and no more. */
export function withLimitsInForce(rule: Rule, { limits }: Policy): Rule {
  const inForce = limits.filter((limit) => rule.limits.includes(limit.name) && !isShadow(limit));
  if (inForce.length === rule.limits.length) return rule;
  const names = new Set(inForce.map(({ name }) => name));
  const variables = inForce.flatMap(({ per, tier }) =>
    [...per, tier].flatMap((one) => (one?.kind === "variable" ? [one.name] : [])),
  );
  return {
    ...rule,
    limits: rule.limits.filter((name) => names.has(name)),
    limitVariables: [...new Set(variables)].sort(),
    ownLimits: rule.ownLimits.filter((name) => names.has(name)),
  };
}
