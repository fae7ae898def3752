/** Traffic beside a policy: what of it was used and what never, which denials are worth a look, who asks for grants that have ended. */
import type { Endpoint as RuleEndpoint } from "../policy/language/endpoint.ts";
import type { Policy, Rule } from "../policy/language/model.ts";
import { callerCovers, printCaller } from "../policy/language/spiffe.ts";
import { pathText } from "../policy/meaning/paths.ts";
import { isCallerUnknown, type Usage } from "../traffic/usage.ts";
import { endpointText, groupUsages, isDenied } from "./endpoints.ts";
import { idOf, isUse, possibleEndpoints, RuleMatcher, usagesFor } from "./matching.ts";
import { compareTexts } from "./order.ts";
import { pinsOfPolicy } from "./pins.ts";
import { recordOf } from "./use.ts";

/** What a policy grants, and what of it was used. */
export interface PolicyUse {
  policy: string;
  /** Days with requests: "never used" is within these. 0 where the log has no times. */
  days: number;
  /** UTC, `YYYY-MM-DD`; "" where the log has no times. */
  from: string;
  to: string;
  /** Requests that the policy's records tell of: who used which rule is then known, and else judged by caller, host and endpoint. */
  recorded: number;
  /** In the order of the file. */
  rules: RuleUse[];
  attempts: Attempt[];
  deniedOnly: { caller: string; requests: number; reasons: Record<string, number>; most: string }[];
  expired: ExpiredGrant[];
}

export interface RuleUse {
  name: string;
  action: "allow" | "deny";
  file: string;
  line: number;
  /** Requests that it decided. */
  requests: number;
  days: number;
  /** Milliseconds since 1970; 0 for never, or where the log has no times. */
  lastSeen: number;
  used: PairUse[];
  /** Its endpoints that nobody used. */
  unusedEndpoints: string[];
  /** Its endpoints of which the log does not say: it has requests that may have been for them, such as `/orders/{number}` for `/orders/7`. */
  unknownEndpoints: string[];
  /** Its callers, those of its sets too, that used nothing of it; patterns as they are written. */
  unusedCallers: string[];
  /** Callers and endpoints that are used, but not with each other; at most `pairs_max`. */
  unusedPairs: { caller: string; endpoint: string }[];
  /** UTC; undefined for a rule without an end. */
  expires?: string;
  isExpired: boolean;
}

/** One caller's use of an endpoint of a rule. */
export interface PairUse {
  /** A SPIFFE ID; "" for nobody. */
  caller: string;
  /** As the policy has it. */
  endpoint: string;
  requests: number;
  days: number;
  lastSeen: number;
}

/** Denials of a caller with an identity at something that is there. */
export interface Attempt {
  caller: string;
  host: string;
  endpoint: string;
  reason: string;
  rule: string;
  requests: number;
  lastSeen: number;
  /** Whether others were let in there. */
  isUsedByOthers: boolean;
  /** Whether this caller was let in there at other times. */
  isUsedByCaller: boolean;
}

export interface ExpiredGrant {
  rule: string;
  /** UTC. */
  expires: string;
  requests: number;
  callers: string[];
  lastSeen: number;
}

/** So many unused pairs of one rule, and so many attempts, are told. */
export const pairs_max = 1_000;

/** Denials that say nothing of rights: the same caller is let in at another time. */
const passing_reasons: ReadonlySet<string> = new Set([
  "limit_exceeded",
  "keys_unavailable",
  "internal",
  "quarantined",
  "grant_inactive",
]);

/**
 * What traffic used of a policy.
 * @param usages of one period; those that another policy judged are left out
 */
export function policyUseOf(all: readonly Usage[], policy: Policy): PolicyUse {
  const usages = usagesFor(all, policy);
  const days = [...new Set(usages.map(({ day }) => day))].filter((day) => day !== "").sort();
  const matcher = new RuleMatcher(policy);
  const tallies = new Map(policy.rules.map((rule) => [rule.name, new RuleTally(rule, matcher)]));
  let recorded = 0;
  for (const usage of usages) {
    if (usage.policy !== "") recorded += usage.count;
    for (const { rule, endpoint } of deciding(usage, matcher, tallies)) tallies.get(rule.name)!.take(usage, endpoint);
    for (const rule of possible(usage, matcher, tallies)) tallies.get(rule.name)!.takePossible(usage);
  }
  const end = usages.reduce((most, { lastSeen }) => Math.max(most, lastSeen), 0);
  const inFile = [...policy.rules].sort(
    (a, b) => compareTexts(a.file, b.file) || a.line - b.line || a.column - b.column,
  );
  return {
    ...{ policy: policy.name, days: days.length, from: days[0] ?? "", to: days.at(-1) ?? "", recorded },
    rules: inFile.map((rule) => tallies.get(rule.name)!.use(end)),
    attempts: attemptsOf(usages, policy),
    deniedOnly: deniedOnlyOf(usages),
    expired: expiredOf(usages, policy, matcher, end),
  };
}

/** What the policy decided; in shadow mode requests go on all the same. */
function isAllowed({ decision, admitted }: Usage): boolean {
  return decision === "allow" || (decision === "" && admitted);
}

/** The rule that the record names, or, without a record, those that are for the request. */
function* deciding(
  usage: Usage,
  matcher: RuleMatcher,
  rules: ReadonlyMap<string, RuleTally>,
): Generator<{ rule: Rule; endpoint: RuleEndpoint | undefined }> {
  const { reason, policy } = usage;
  if (policy === "") {
    if (isAllowed(usage)) yield* matcher.matches(usage).filter(({ rule }) => rule.action === "allow");
    return;
  }
  const rule = rules.get(usage.rule)?.rule;
  if (rule === undefined || !(isAllowed(usage) || reason === "rule_denied")) return;
  yield { rule, endpoint: matcher.endpointOf(rule, usage) };
}

/** The rules that may have let a usage in, or would have: also those that a log does not tell from others. */
function possible(usage: Usage, matcher: RuleMatcher, rules: ReadonlyMap<string, RuleTally>): readonly Rule[] {
  if (!isUse(usage)) return [];
  if (usage.policy === "") {
    const some = isCallerUnknown(usage) ? [...rules.values()].map(({ rule }) => rule) : matcher.rulesFor(usage.caller);
    return some.filter(({ action }) => action === "allow");
  }
  const rule = rules.get(usage.rule)?.rule;
  return rule === undefined ? [] : [rule];
}

class RuleTally {
  readonly rule: Rule;
  readonly #matcher: RuleMatcher;
  readonly #pairs = new Map<string, PairUse & { seen: Set<string>; endpoint: string }>();
  readonly #days = new Set<string>();
  readonly #endpoints = new Set<RuleEndpoint>();
  /** Those that may have been used, and by whom. */
  readonly #possible = new Map<RuleEndpoint, Set<string>>();
  #requests = 0;
  #lastSeen = 0;
  /** Some requests do not say who called: any caller may have. */
  #hasUnknownCallers = false;

  constructor(rule: Rule, matcher: RuleMatcher) {
    this.rule = rule;
    this.#matcher = matcher;
  }

  take(usage: Usage, endpoint: RuleEndpoint | undefined): void {
    const { caller, count, day, lastSeen } = usage;
    this.#hasUnknownCallers ||= isCallerUnknown(usage);
    this.#requests += count;
    this.#lastSeen = Math.max(this.#lastSeen, lastSeen);
    if (day !== "") this.#days.add(day);
    // A rule that was another when it decided has no such endpoint.
    if (endpoint === undefined) return;
    this.#endpoints.add(endpoint);
    const text = ruleEndpointText(endpoint);
    const key = `${caller} ${text}`;
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      pair = { caller, endpoint: text, requests: 0, days: 0, lastSeen: 0, seen: new Set() };
      this.#pairs.set(key, pair);
    }
    pair.requests += count;
    pair.lastSeen = Math.max(pair.lastSeen, lastSeen);
    if (day !== "") pair.seen.add(day);
  }

  takePossible(usage: Usage): void {
    for (const place of possibleEndpoints(this.rule, usage)) {
      this.#hasUnknownCallers ||= isCallerUnknown(usage);
      const endpoint = this.rule.endpoints[place]!;
      const callers = this.#possible.get(endpoint) ?? new Set();
      this.#possible.set(endpoint, callers.add(usage.caller));
    }
  }

  use(end: number): RuleUse {
    const { rule } = this;
    const used = [...this.#pairs.values()]
      .map(({ seen, ...pair }) => ({ ...pair, days: seen.size }))
      .sort((a, b) => compareTexts(a.caller, b.caller) || compareTexts(a.endpoint, b.endpoint));
    const users = [...new Set(used.map(({ caller }) => caller))];
    const unusedCallers: string[] = [];
    const exact: string[] = [];
    const possible = [...this.#possible.values()].flatMap((callers) => [...callers]);
    const ids = [...new Set([...users, ...possible])].flatMap((caller) => idOf(caller) ?? []);
    for (const pattern of this.#matcher.patternsOf(rule)) {
      const text = printCaller(pattern);
      if (!ids.some((id) => callerCovers(pattern, id))) unusedCallers.push(text);
      else if (users.includes(text)) exact.push(text);
    }
    const unusedPairs: RuleUse["unusedPairs"] = [];
    const unseen = rule.endpoints.filter((endpoint) => !this.#endpoints.has(endpoint));
    for (const caller of new Set(exact)) {
      for (const one of this.#endpoints) {
        const endpoint = ruleEndpointText(one);
        const isOpen = this.#pairs.has(`${caller} ${endpoint}`) || this.#possible.get(one)?.has(caller);
        if (unusedPairs.length < pairs_max && !isOpen) unusedPairs.push({ caller, endpoint });
      }
    }
    return {
      ...{ name: rule.name, action: rule.action, file: rule.file, line: rule.line, requests: this.#requests },
      ...{ days: this.#days.size, lastSeen: this.#lastSeen, used },
      unusedEndpoints: unseen.filter((endpoint) => !this.#possible.has(endpoint)).map(ruleEndpointText),
      unknownEndpoints: unseen.filter((endpoint) => this.#possible.has(endpoint)).map(ruleEndpointText),
      unusedCallers: this.#hasUnknownCallers ? [] : [...new Set(unusedCallers)],
      unusedPairs: this.#hasUnknownCallers ? [] : unusedPairs,
      ...(rule.expiresSeconds > 0 && { expires: timeText(rule.expiresSeconds) }),
      isExpired: rule.expiresSeconds > 0 && rule.expiresSeconds * 1000 <= end,
    };
  }
}

/** An endpoint as the policy has it. */
export function ruleEndpointText(endpoint: RuleEndpoint): string {
  if (endpoint.call !== undefined) return endpoint.call.text;
  const names = new Map([...endpoint.variables].map(([name, place]) => [place, name]));
  const methods = endpoint.methods === "*" ? "*" : endpoint.methods.join("|");
  return `${methods} ${pathText(endpoint, names)}`;
}

function timeText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}

function attemptsOf(usages: readonly Usage[], policy: Policy): Attempt[] {
  const { endpoints, attempts } = groupUsages(usages, pinsOfPolicy(policy));
  const found = new Map<string, Attempt>();
  for (const endpoint of [...endpoints, ...attempts]) {
    const allowed = new Set(endpoint.usages.filter(isAllowed).map(({ caller }) => caller));
    for (const usage of endpoint.usages) {
      const { caller, host, reason, rule, count, lastSeen } = usage;
      if (!isDenied(usage) || caller === "" || passing_reasons.has(reason)) continue;
      const key = JSON.stringify([endpoint.key, caller, reason, rule]);
      const attempt = found.get(key) ?? {
        ...{ caller, host, endpoint: endpointText(endpoint), reason, rule, requests: 0, lastSeen: 0 },
        isUsedByOthers: [...allowed].some((one) => one !== caller),
        isUsedByCaller: allowed.has(caller),
      };
      found.set(key, attempt);
      attempt.requests += count;
      attempt.lastSeen = Math.max(attempt.lastSeen, lastSeen);
    }
  }
  return [...found]
    .sort(([a, one], [b, other]) => other.requests - one.requests || compareTexts(a, b))
    .slice(0, pairs_max)
    .map(([, attempt]) => attempt);
}

function deniedOnlyOf(usages: readonly Usage[]): PolicyUse["deniedOnly"] {
  const callers = new Map<string, { requests: number; reasons: Map<string, number>; asked: Map<string, number> }>();
  const allowed = new Set<string>();
  for (const usage of usages) {
    const { caller, count, reason, method, path } = usage;
    if (isAllowed(usage)) allowed.add(caller);
    if (caller === "" || !isDenied(usage)) continue;
    const mine = callers.get(caller) ?? { requests: 0, reasons: new Map(), asked: new Map() };
    callers.set(caller, mine);
    mine.requests += count;
    mine.reasons.set(reason, (mine.reasons.get(reason) ?? 0) + count);
    const asked = `${method} ${path}`;
    mine.asked.set(asked, (mine.asked.get(asked) ?? 0) + count);
  }
  return [...callers]
    .filter(([caller]) => !allowed.has(caller))
    .sort(([a, one], [b, other]) => other.requests - one.requests || compareTexts(a, b))
    .slice(0, pairs_max)
    .map(([caller, { requests, reasons, asked }]) => {
      const [most] = [...asked].sort(([a, one], [b, other]) => other - one || compareTexts(a, b));
      return {
        caller,
        requests,
        reasons: recordOf([...reasons].sort(([a], [b]) => compareTexts(a, b))),
        most: most![0],
      };
    });
}

function expiredOf(usages: readonly Usage[], policy: Policy, matcher: RuleMatcher, end: number): ExpiredGrant[] {
  const expired = new Map(
    policy.rules
      .filter(({ action, expiresSeconds }) => action === "allow" && expiresSeconds > 0 && expiresSeconds * 1000 <= end)
      .map((rule) => [rule.name, { rule, requests: 0, callers: new Set<string>(), lastSeen: 0 }]),
  );
  for (const usage of expired.size === 0 ? [] : usages) {
    if (!isDenied(usage)) continue;
    const names =
      usage.policy === ""
        ? matcher.matches(usage).map(({ rule }) => rule.name)
        : usage.reason === "grant_inactive"
          ? [usage.rule]
          : [];
    for (const grant of names.flatMap((name) => expired.get(name) ?? [])) {
      if (usage.lastSeen < grant.rule.expiresSeconds * 1000) continue;
      grant.requests += usage.count;
      grant.callers.add(usage.caller);
      grant.lastSeen = Math.max(grant.lastSeen, usage.lastSeen);
    }
  }
  return [...expired.values()]
    .filter(({ requests }) => requests > 0)
    .map(({ rule, requests, callers, lastSeen }) => ({
      ...{ rule: rule.name, expires: timeText(rule.expiresSeconds), requests, lastSeen },
      callers: [...callers].sort(compareTexts),
    }));
}
