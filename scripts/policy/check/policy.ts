/**
 * From a draft to a policy: every name known, every value in bounds, every rule of a form the engine can evaluate. What
 * is suspicious but sound is a warning.
 */
import { limit_burst_tokens_max, policy_issuers_max } from "../../../assembly/limits.ts";
import type { CallerSet, Draft, DraftCallerSet, DraftLimit, Limit, Policy } from "../language/model.ts";
import { type CallerPattern, trustDomainFault } from "../language/spiffe.ts";
import { parseRate, parseSelector, type Selector } from "../language/values.ts";
import { warnCovered } from "../meaning/coverage.ts";
import type { WarningCode } from "../source/codes.ts";
import type { Reporter } from "../source/diagnostic.ts";
import type { Located } from "../source/yaml.ts";
import { ExampleKeyCheck, type ExampleKeys } from "./example.ts";
import { checkForwarders, checkForwards } from "./forward.ts";
import { checkIdentity, warnSharedBundle, warnSharedPlace } from "./identity.ts";
import { checkIssuer } from "./issuer.ts";
import { KeySources } from "./keysources.ts";
import { Places } from "./locations.ts";
import { type Context, caller_words, checkCaller, checkName, Names } from "./names.ts";
import { checkRules } from "./rules.ts";

/**
 * Checks a draft; what it returns is a sound policy only if no error was reported.
 * @param reporter the main file's
 * @param exampleKeys what is said of keys whose private halves lie about
 */
export function checkPolicy(reporter: Reporter, draft: Draft, exampleKeys: ExampleKeys = "take"): Policy {
  const { policy, files } = draft;
  checkName(reporter, policy.name);
  const domains = policy.trust?.domains?.value ?? [];
  const trustDomains = checkTrust(reporter, domains);
  const issuers = policy.issuers ?? [];
  if (issuers.length > policy_issuers_max)
    reporter.error("bound", issuers[policy_issuers_max]!.name.at, `a policy has at most ${policy_issuers_max} issuers`);
  const context: Context = { reporter, trustDomains, issuers: new Map(), callerSets: new Map(), limits: new Map() };
  const forwarders = checkForwarders(context, policy.trust?.forwarders?.value ?? []);
  const sources = new KeySources(reporter, new ExampleKeyCheck(reporter.source.file, exampleKeys));
  const places = new Places(reporter);
  for (const issuer of issuers) context.issuers.set(issuer.name.value, checkIssuer(reporter, issuer, sources, places));
  const identity = checkIdentity(context, policy.trust, sources, places, issuers.length);
  if (trustDomains.size > 1) warnSharedBundle(reporter, domains, identity.identity);
  warnSharedPlace(context, identity, new Map(issuers.map(({ name }) => [name.value, name.at])));
  checkParts(context, draft);
  const rules = checkRules(context, files);
  const used = usedNames(draft);
  const forwards = checkForwards(context, policy.forward ?? [], used.issuers.size > 0);
  places.checkForwards(forwards);
  warnUnused(draft, used);
  // Where something is wrong, what covers what is not known.
  if (reporter.findings.errors.length === 0) {
    warnCovered(rules, known(context.callerSets.values()), trustDomains, (code, { file, line, column }, message) =>
      reporter.findings.warnings.push({ file, line, column, code, message }),
    );
  }
  if (policy.mode?.value === "shadow") {
    const message = "`mode: shadow` lets every request through and only records the verdict";
    reporter.warn("shadow_mode", policy.mode.at, message);
  }
  return {
    name: policy.name?.value ?? "",
    mode: policy.mode?.value ?? "enforce",
    trustDomains: [...trustDomains],
    ...identity,
    forwarders,
    forwards,
    issuers: known(context.issuers.values()),
    callerSets: known(context.callerSets.values()),
    limits: known(context.limits.values()),
    rules,
  };
}

function known<T>(values: Iterable<T | undefined>): T[] {
  return [...values].filter((one) => one !== undefined);
}

/** Checks what any file may add to the names that rules of every file may use. */
function checkParts(context: Context, { files }: Draft): void {
  const setNames = new Names("caller set");
  const limitNames = new Names("limit");
  for (const { reporter, part } of files) {
    for (const set of part.callers ?? []) {
      const checked = checkCallerSet({ ...context, reporter }, set);
      if (setNames.take(reporter, set.name)) context.callerSets.set(set.name.value, checked);
    }
    for (const limit of part.limits ?? []) {
      const checked = checkLimit(reporter, limit);
      if (limitNames.take(reporter, limit.name)) context.limits.set(limit.name.value, checked);
    }
  }
}

function checkTrust(reporter: Reporter, domains: Located<string>[]): Set<string> {
  const trusted = new Set<string>();
  let failed = false;
  for (const { value, at } of domains) {
    const fault = trustDomainFault(value);
    if (fault !== undefined) {
      reporter.error("invalid_trust_domain", at, fault);
      failed = true;
    } else if (trusted.has(value)) reporter.error("duplicate", at, `\`${value}\` stands twice; remove one`);
    trusted.add(value);
  }
  // Where a name is wrong, which callers are trusted is not known: none of them is told that it is not.
  return failed ? new Set() : trusted;
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
  const callers: CallerPattern[] = [];
  for (const one of draft.value?.value ?? []) {
    const pattern = checkCaller(context, one, "; a set names its callers one by one, not other sets");
    if (pattern !== undefined) callers.push(pattern);
  }
  return { name, callers };
}

function checkLimit(reporter: Reporter, { name, value: draft }: DraftLimit): Limit | undefined {
  checkName(reporter, name);
  const per = new Map<string, Selector>();
  for (const { value, at } of draft?.per?.value ?? []) {
    const selector = parseSelector(value);
    if (typeof selector === "string") reporter.error("invalid_selector", at, selector);
    else per.set(selector.kind === "caller" ? "" : selector.path.join("."), selector);
  }
  if (draft?.rate === undefined) return undefined;
  const rate = parseRate(draft.rate.value);
  if (typeof rate === "string") {
    reporter.error("invalid_rate", draft.rate.at, rate);
    return undefined;
  }
  // Without `burst`, what one period of the rate gives may come at once.
  const burstTokens = draft.burst?.value ?? rate.tokens;
  if (burstTokens > limit_burst_tokens_max) {
    const message = `without \`burst\` it is ${burstTokens}, but at most ${limit_burst_tokens_max} is possible; give a \`burst\``;
    reporter.error("bound", draft.rate.at, message);
    return undefined;
  }
  return { name: name.value, rate, burstTokens, per: [...per.values()] };
}

/** The names that rules use. */
interface UsedNames {
  issuers: ReadonlySet<string>;
  limits: ReadonlySet<string>;
  callerSets: ReadonlySet<string>;
}

function usedNames({ files }: Draft): UsedNames {
  const issuers = new Set<string>();
  const limits = new Set<string>();
  const callerSets = new Set<string>();
  for (const { part } of files) {
    for (const rule of part.rules?.value ?? []) {
      for (const { value } of rule.token?.value ?? []) issuers.add(value);
      for (const { value } of rule.limit?.value ?? []) limits.add(value);
      for (const { value } of rule.callers?.value ?? []) callerSets.add(value);
    }
  }
  return { issuers, limits, callerSets };
}

function warnUnused({ policy, files }: Draft, used: UsedNames): void {
  for (const { reporter, part } of files) {
    const warn = (
      code: WarningCode,
      what: string,
      names: ReadonlySet<string>,
      all: { name: Located<string> }[] = [],
    ) => {
      for (const { name } of all) {
        if (!names.has(name.value)) reporter.warn(code, name.at, `no rule uses the ${what} \`${name.value}\``);
      }
    };
    if (reporter === files[0]!.reporter) warn("unused_issuer", "issuer", used.issuers, policy.issuers);
    warn("unused_limit", "limit", used.limits, part.limits);
    warn("unused_callers", "caller set", used.callerSets, part.callers);
  }
}
