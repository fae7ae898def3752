/**
 * From a draft to a policy: every name known, every value in bounds, every rule of a form the engine can evaluate. What
 * is suspicious but sound is a warning.
 */
import { policy_issuers_max, usual_token_bytes_max } from "../../../assembly/limits.ts";
import type { CallerSet, Draft, DraftCallerSet, Policy } from "../language/model.ts";
import { strict_paths, withPaths } from "../language/pathoptions.ts";
import type { CallerPattern } from "../language/spiffe.ts";
import { warnCovered } from "../meaning/coverage.ts";
import type { WarningCode } from "../source/codes.ts";
import type { Reporter } from "../source/diagnostic.ts";
import type { Located } from "../source/yaml.ts";
import { checkUnnamed, warnAbsent } from "./absence.ts";
import { checkCallForms } from "./endpoints.ts";
import { ExampleKeyCheck, type ExampleKeys } from "./example.ts";
import { checkFleet, warnShares } from "./fleet.ts";
import { checkForwarders, checkForwards, forwardVariables } from "./forward.ts";
import { checkIdentity, refuseCertificateBinding, warnSharedBundle, warnSharedPlace } from "./identity.ts";
import { checkIssuer } from "./issuer.ts";
import { KeySources } from "./keysources.ts";
import { checkLimit } from "./limits.ts";
import { Lists } from "./lists.ts";
import { Places } from "./locations.ts";
import { type Context, caller_words, checkCaller, checkName, Names } from "./names.ts";
import { callableDomains, warnNothingAdmitted } from "./never.ts";
import { checkProtocols } from "./protocols.ts";
import { checkQuarantines } from "./quarantine.ts";
import { checkRules } from "./rules.ts";
import { checkService } from "./service.ts";
import { checkTypeCount } from "./terms.ts";
import { checkAliases, checkTrustDomains } from "./trust.ts";

/**
 * Checks a draft; what it returns is a sound policy only if no error was reported.
 * @param reporter the main file's
 * @param exampleKeys what is said of keys whose private halves lie about
 */
export function checkPolicy(reporter: Reporter, draft: Draft, exampleKeys: ExampleKeys = "take"): Policy {
  const { policy, files } = draft;
  checkName(reporter, policy.name);
  const domains = policy.trust?.domains?.value ?? [];
  const trustDomains = checkTrustDomains(reporter, domains);
  const aliases = checkAliases(reporter, policy.trust?.aliases, trustDomains);
  const issuers = policy.issuers ?? [];
  if (issuers.length > policy_issuers_max)
    reporter.error("bound", issuers[policy_issuers_max]!.name.at, `a policy has at most ${policy_issuers_max} issuers`);
  const context: Context = {
    reporter,
    trustDomains,
    callableDomains: trustDomains,
    aliases,
    forwardVariables: forwardVariables(policy.forward ?? []),
    issuers: new Map(),
    callerSets: new Map(),
    limits: new Map(),
    lists: readLists(draft),
    tokenBytes: policy.tokenBytes?.value ?? usual_token_bytes_max,
    protocols: checkProtocols(reporter, policy),
  };
  const service = checkService(reporter, policy.service);
  const forwarders = checkForwarders(context, policy.trust?.forwarders?.value ?? []);
  const sources = new KeySources(reporter, new ExampleKeyCheck(reporter.source.file, exampleKeys));
  const places = new Places(reporter);
  for (const issuer of issuers) context.issuers.set(issuer.name.value, checkIssuer(reporter, issuer, sources, places));
  if (issuers[0] !== undefined) checkTypeCount(reporter, known(context.issuers.values()), issuers[0].name.at);
  const identity = checkIdentity(context, policy.trust, sources, places, issuers.length);
  if (trustDomains.size > 1) warnSharedBundle(reporter, domains, identity.identity);
  refuseCertificateBinding(reporter, issuers, identity);
  warnSharedPlace(context, identity, new Map(issuers.map(({ name }) => [name.value, name.at])));
  context.callableDomains = callableDomains(trustDomains, aliases, identity);
  checkParts(context, draft);
  const paths = withPaths(strict_paths, policy.paths);
  const { errors } = reporter.findings;
  const errorsBeside = errors.length;
  const rules = checkRules(context, files, paths);
  checkCallForms(reporter.findings, rules, [...context.protocols.values()].flat());
  if (errors.length === errorsBeside) checkUnnamed(context, files, rules);
  const lists = context.lists.finish();
  const limits = known(context.limits.values());
  const quarantineDrafts = policy.quarantine?.value ?? [];
  const quarantines = checkQuarantines(context, quarantineDrafts);
  const fleet = checkFleet(reporter, policy.fleet, limits, quarantines, quarantineDrafts, files);
  warnShares(files, { fleet, limits, rules });
  const used = usedNames(draft);
  const forwards = checkForwards(context, policy.forward ?? [], used.issuers.size > 0, rules);
  places.checkForwards(forwards);
  warnUnused(draft, used);
  warnAbsent(context, files, rules);
  // Where something is wrong, what covers what is not known.
  if (errors.length === 0) {
    const unreachable = new Set<string>();
    warnCovered(
      rules,
      known(context.callerSets.values()),
      trustDomains,
      (code, { name, file, line, column }, message) => {
        if (code === "rule_unreachable") unreachable.add(name);
        reporter.findings.warnings.push({ file, line, column, code, message });
      },
    );
    warnNothingAdmitted(context, policy.rules?.at ?? policy.at, rules, unreachable);
  }
  if (policy.mode?.value === "shadow") {
    const message = "`mode: shadow` lets every request through and only records the verdict";
    reporter.warn("shadow_mode", policy.mode.at, message);
  }
  return {
    name: policy.name?.value ?? "",
    ...(service !== undefined && { service }),
    mode: policy.mode?.value ?? "enforce",
    minimumVersion: policy.minimumVersion?.value,
    tokenBytes: context.tokenBytes,
    trustDomains: [...trustDomains],
    aliases,
    ...identity,
    sourceAddress: policy.trust?.sourceAddress?.value ?? "connection",
    forwarders,
    forwards,
    paths,
    ...(context.protocols.size > 0 && { protocols: [...context.protocols.values()].flat() }),
    issuers: known(context.issuers.values()),
    callerSets: known(context.callerSets.values()),
    limits,
    fleet,
    quarantines,
    lists,
    rules,
  };
}

function readLists({ files }: Draft): Lists {
  const names = new Names("list");
  return new Lists(files, (reporter, name) => {
    checkName(reporter, name);
    return names.take(reporter, name);
  });
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
