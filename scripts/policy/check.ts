/**
 * From a draft to a policy: every name known, every value in bounds, every rule of a form the engine can evaluate. What
 * is suspicious but sound is a warning.
 */
import { limit_burst, policy_issuers, policy_rules } from "../../assembly/limits.ts";
import { checkIssuer } from "./check-issuer.ts";
import { type Context, caller_words, checkCaller, checkName } from "./check-names.ts";
import { checkRules } from "./check-rules.ts";
import type { Reporter } from "./diagnostic.ts";
import type { CallerSet, DraftCallerSet, DraftLimit, DraftPolicy, Limit, Policy } from "./model.ts";
import { type CallerPattern, trustDomainFault } from "./spiffe.ts";
import { parseRate, parseSelector, type Selector } from "./values.ts";
import type { Located } from "./yaml.ts";

/** Checks a draft; what it returns is a sound policy only if no error was reported. */
export function checkPolicy(reporter: Reporter, draft: DraftPolicy): Policy {
  checkName(reporter, draft.name);
  const trustDomains = checkTrust(reporter, draft.domains);
  if (draft.issuers.length > policy_issuers) {
    reporter.error("bound", draft.issuers[policy_issuers]!.name.at, `a policy has at most ${policy_issuers} issuers`);
  }
  if (draft.rules.length > policy_rules) {
    reporter.error("bound", draft.rules[policy_rules]!.at, `a policy has at most ${policy_rules} rules`);
  }
  const context: Context = { reporter, trustDomains, issuers: new Map(), callerSets: new Map(), limits: new Map() };
  for (const issuer of draft.issuers) context.issuers.set(issuer.name.value, checkIssuer(reporter, issuer));
  for (const set of draft.callerSets) context.callerSets.set(set.name.value, checkCallerSet(context, set));
  for (const limit of draft.limits) context.limits.set(limit.name.value, checkLimit(reporter, limit));
  const rules = checkRules(context, draft.rules);
  warnUnused(context, draft);
  if (draft.mode === "shadow") {
    reporter.warn(
      "shadow_mode",
      draft.modeAt,
      "`mode: shadow` lets every request through and only records the verdict",
    );
  }
  const known = <T>(values: Iterable<T | undefined>): T[] => [...values].filter((one) => one !== undefined);
  return {
    name: draft.name?.value ?? "",
    mode: draft.mode,
    trustDomains: [...trustDomains],
    issuers: known(context.issuers.values()),
    callerSets: known(context.callerSets.values()),
    limits: known(context.limits.values()),
    rules,
  };
}

function checkTrust(reporter: Reporter, domains: Located<string>[]): Set<string> {
  const trusted = new Set<string>();
  for (const { value, at } of domains) {
    const fault = trustDomainFault(value);
    if (fault !== undefined) reporter.error("invalid_trust_domain", at, fault);
    else if (trusted.has(value)) reporter.error("duplicate", at, `\`${value}\` stands twice; remove one`);
    trusted.add(value);
  }
  return trusted;
}

function checkCallerSet(context: Context, draft: DraftCallerSet): CallerSet {
  const { reporter } = context;
  const name = draft.name.value;
  if (caller_words.includes(name)) {
    reporter.error(
      "invalid_name",
      draft.name.at,
      `\`${name}\` has a meaning of its own in \`callers\`; choose another name for the set`,
    );
  } else checkName(reporter, draft.name);
  if (draft.callers?.length === 0)
    reporter.error("value", draft.name.at, `the set \`${name}\` is empty; name its callers or remove it`);
  const callers: CallerPattern[] = [];
  for (const one of draft.callers ?? []) {
    const pattern = checkCaller(context, one);
    if (pattern !== undefined) callers.push(pattern);
  }
  return { name, callers };
}

function checkLimit(reporter: Reporter, draft: DraftLimit): Limit | undefined {
  checkName(reporter, draft.name);
  const per = new Map<string, Selector>();
  for (const { value, at } of draft.per) {
    const selector = parseSelector(value);
    if (typeof selector === "string") reporter.error("invalid_selector", at, selector);
    else per.set(selector.kind === "caller" ? "" : selector.path.join("."), selector);
  }
  if (draft.rate === undefined) return undefined;
  const rate = parseRate(draft.rate.value);
  if (typeof rate === "string") {
    reporter.error("invalid_rate", draft.rate.at, rate);
    return undefined;
  }
  // Without `burst`, what one period of the rate gives may come at once.
  const burstTokens = draft.burst?.value ?? rate.tokens;
  return checkBurst(reporter, draft, burstTokens)
    ? { name: draft.name.value, rate, burstTokens, per: [...per.values()] }
    : undefined;
}

function checkBurst(reporter: Reporter, draft: DraftLimit, burstTokens: number): boolean {
  if (burstTokens <= limit_burst) return true;
  reporter.error(
    "bound",
    draft.rate!.at,
    `without \`burst\` it is ${burstTokens}, but at most ${limit_burst} is possible; give a \`burst\``,
  );
  return false;
}

function warnUnused(context: Context, draft: DraftPolicy): void {
  const { reporter } = context;
  const issuers = new Set<string>();
  const limits = new Set<string>();
  const sets = new Set<string>();
  for (const rule of draft.rules) {
    for (const { value } of rule.token?.value ?? []) issuers.add(value);
    for (const { value } of rule.limits?.value ?? []) limits.add(value);
    for (const { value } of rule.callers ?? []) sets.add(value);
  }
  const warn = (code: string, what: string, used: Set<string>, all: { name: Located<string> }[]): void => {
    for (const { name } of all) {
      if (!used.has(name.value)) reporter.warn(code, name.at, `no rule uses the ${what} \`${name.value}\``);
    }
  };
  warn("unused_issuer", "issuer", issuers, draft.issuers);
  warn("unused_limit", "limit", limits, draft.limits);
  warn("unused_callers", "caller set", sets, draft.callerSets);
}
