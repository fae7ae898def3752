/** Rules: each part on its own, and what the parts mean together. */
import { policy_methods_max, policy_rules_max, response_bytes_max, rule_limits_max } from "../../../assembly/limits.ts";
import { type DeclaredClaims, declaredByAll } from "../condition/claimtypes.ts";
import { type ConditionScope, compileCondition } from "../condition/compile.ts";
import { mayWrite } from "../language/carried.ts";
import { printClaimPath } from "../language/claimpath.ts";
import { type Condition, captureName, ruleVariables } from "../language/condition.ts";
import type { DraftFile, DraftRule, Rule, RuleCaller } from "../language/model.ts";
import { isAnyForm, type PathOptions, type Slashes, slashesOf, withPaths } from "../language/pathoptions.ts";
import { calledProtocols, read_body_bytes_max, readsBody, usual_read_body_bytes } from "../language/reads.ts";
import { readCaptures } from "../language/spiffe.ts";
import { type HostPattern, parseHost, scopeFault } from "../language/values.ts";
import type { ErrorCode } from "../source/codes.ts";
import { positionOf } from "../source/source.ts";
import { didYouMean } from "../source/suggest.ts";
import type { Located } from "../source/yaml.ts";
import { checkEndpoints, endpointPaths, namedMethods, refuseFoldedCalls } from "./endpoints.ts";
import { checkGrant } from "./grant.ts";
import { type Context, caller_words, checkCaller, checkName, Names, patternsOf } from "./names.ts";
import { checkDeniedCallers } from "./never.ts";
import { mostBytesOf, size_keys } from "./sizes.ts";
import { checkLimitVariables, checkVariables } from "./variables.ts";

/** The scopes of a rule stand in the answer to a token that lacks one. */
const challenge_bytes = response_bytes_max / 2;

/** Checks the rules of all files; the sound ones, in the byte order of their names. */
export function checkRules(context: Context, files: readonly DraftFile[], policyPaths: PathOptions): Rule[] {
  const drafts = files.flatMap(({ part }) => part.rules?.value ?? []);
  // A deny rule is matched with every reading of a path that any rule lets in, and any reading may have a slash more.
  const isOpen = drafts.some(({ paths }) => isAnyForm(withPaths(policyPaths, paths)));
  const around: PathsAround = { paths: policyPaths, denied: { end: isOpen, empty: isOpen } };
  const names = new Names("rule");
  const methods = new Set<string>();
  const rules: Rule[] = [];
  let count = 0;
  for (const { reporter, part } of files) {
    for (const draft of part.rules?.value ?? []) {
      if (++count === policy_rules_max + 1)
        reporter.error("bound", draft.at, `a policy has at most ${policy_rules_max} rules`);
      const rule = checkRule({ ...context, reporter }, draft, around);
      if (rule === undefined || !names.take(reporter, draft.name!)) continue;
      for (const method of rule.endpoints.flatMap(namedMethods)) methods.add(method);
      if (methods.size > policy_methods_max) {
        reporter.error("bound", draft.at, `a policy names at most ${policy_methods_max} methods`);
        methods.clear();
      }
      rules.push(rule);
    }
  }
  return rules.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What a policy says of paths for every rule, and which of those with more slashes get to the conditions of deny rules. */
interface PathsAround {
  paths: PathOptions;
  denied: Slashes;
}

function checkRule(context: Context, draft: DraftRule, around: PathsAround): Rule | undefined {
  const { reporter } = context;
  checkName(reporter, draft.name);
  const name = draft.name?.value;
  const callers = checkCallers(context, draft);
  const hosts = checkHosts(context, draft);
  const part = checkAction(context, draft);
  const issuers = checkNames(context, draft.token?.value ?? [], context.issuers, "unknown_issuer", "issuer");
  const limits = checkNames(context, draft.limit?.value ?? [], context.limits, "unknown_limit", "limit");
  const scopes = checkScopes(context, draft);
  const grant = checkGrant(context, draft, limits);
  if (limits.length > rule_limits_max)
    reporter.error("bound", draft.limit!.at, `a rule has at most ${rule_limits_max} limits`);
  if (part === undefined) return undefined;
  if (part.action === "deny") checkDeny(context, draft, callers);
  else checkAllow(context, draft);
  const paths = withPaths(around.paths, draft.paths);
  const errorsBefore = reporter.findings.errors.length;
  const endpoints = checkEndpoints(context, part.endpoints, endpointPaths(part.action, paths));
  const lacksEndpoints = reporter.findings.errors.length > errorsBefore;
  refuseFoldedCalls(context, draft, { action: part.action, endpoints, paths });
  const patterns = callers.flatMap((caller) => patternsOf(context, caller));
  const captures = patterns.map((pattern) => pattern?.captures ?? new Map<string, number>());
  const called = calledProtocols({ action: part.action, paths, endpoints }, [...context.protocols.values()].flat());
  const scope: RuleScope = {
    hasToken: draft.token !== undefined,
    action: part.action,
    claims: claimsOf(context, issuers),
    endpoints,
    lacksEndpoints,
    captures,
    slashes: part.action === "deny" ? around.denied : slashesOf(paths),
    bodyBytes: Math.min(draft.maxBodyBytes?.value ?? usual_read_body_bytes, read_body_bytes_max),
    protocols: new Set(context.protocols.keys()),
    called: new Set(called.map((protocol) => protocol.name)),
    calls: Math.max(1, ...called.map(({ calls }) => calls)),
  };
  const condition = checkCondition(context, draft.when, scope);
  const costFrom =
    typeof draft.cost?.value === "string"
      ? checkCondition(context, draft.cost as Located<string>, {
          ...scope,
          key: "cost",
          variables: condition?.variables ?? [],
        })
      : undefined;
  if (name === undefined || draft.callers === undefined) return undefined;
  if (part.action === "allow") warnAboutRule(context, draft, { name, callers, endpoints, issuers, condition });
  const isHere = (variable: string): boolean => captures.some((names) => names.has(captureName(variable)!));
  const forwardVariables = part.action === "allow" ? context.forwardVariables.filter(isHere) : [];
  const limitVariables = checkLimitVariables(context, draft, { endpoints, lacksEndpoints, captures });
  const read = { condition, costFrom, limitVariables, forwardVariables };
  checkVariables(context, draft, read, patterns);
  return {
    name,
    file: reporter.source.file,
    ...positionOf(reporter.source, draft.at),
    action: part.action,
    callers,
    hosts,
    endpoints,
    paths,
    issuers,
    isTokenOptional: draft.token?.optional?.value === true && scopes.scopes.length === 0,
    ...scopes,
    condition,
    costFrom,
    captures: readCaptures(ruleVariables(read), patterns),
    limits,
    limitVariables,
    ownLimits: limits.filter((one) => context.limits.get(one)?.per.some(({ kind }) => kind === "rule")),
    forwardVariables,
    ...(draft.sensitive?.value === true && { isSensitive: true }),
    mostBytes: mostBytesOf(context, draft, readsBody({ condition, costFrom, endpoints })),
    ...grant,
  };
}

function checkAction(
  context: Context,
  { at, allow, deny, name }: DraftRule,
): { action: "allow" | "deny"; endpoints: Located<Located<string>[]> } | undefined {
  const { reporter } = context;
  if (allow !== undefined && deny !== undefined) {
    reporter.error("action", Math.max(allow.at, deny.at), "a rule either allows or denies; make it two rules");
    return undefined;
  }
  const endpoints = allow ?? deny;
  if (endpoints === undefined) {
    reporter.error(
      "action",
      name?.at ?? at,
      "a rule needs `allow` or `deny`, a list of endpoints such as `[GET /orders]`",
    );
    return undefined;
  }
  return { action: allow === undefined ? "deny" : "allow", endpoints };
}

function checkDeny(context: Context, draft: DraftRule, callers: readonly RuleCaller[]): void {
  const { reporter } = context;
  const named = draft.callers?.value ?? [];
  // Where one of them is wrong, which is which is not known.
  if (named.length === callers.length) {
    const patterns = callers.map((caller) => patternsOf(context, caller).filter((one) => one !== undefined));
    checkDeniedCallers(
      context,
      draft.name?.value ?? "",
      named.map((caller, place) => ({ caller, patterns: patterns[place]! })),
    );
  }
  if (draft.scopes !== undefined)
    reporter.error("deny_with", draft.scopes.at, "a deny rule takes no `scopes`: it denies whoever matches");
  if (draft.limit !== undefined)
    reporter.error("deny_with", draft.limit.at, "a deny rule takes no `limit`: it admits nothing to count");
  if (draft.cost !== undefined)
    reporter.error("deny_with", draft.cost.at, "a deny rule takes no `cost`: it admits nothing to count");
  for (const key of size_keys) {
    // Of the body it is asked once it is known whether the rule reads it.
    if (key === "maxBodyBytes") continue;
    const message = `a deny rule takes no \`${key}\`: it denies requests of any size`;
    if (draft[key] !== undefined) reporter.error("deny_with", draft[key].at, message);
  }
  if (draft.token !== undefined && draft.when === undefined) {
    reporter.error(
      "deny_with",
      draft.token.at,
      "a deny rule takes `token` only together with `when`; add a condition, or remove it",
    );
  }
}

/** What all of a rule's issuers declare of their claims. */
function claimsOf(context: Context, issuers: readonly string[]): DeclaredClaims {
  return declaredByAll(issuers.map((name) => context.issuers.get(name)?.claims ?? []));
}

/** What a rule's conditions may speak of, beside what any rule's may. */
type RuleScope = Omit<ConditionScope, "lists" | "tokenBytes" | "trustDomains" | "aliases">;

function checkCondition(context: Context, text: Located<string> | undefined, scope: RuleScope): Condition | undefined {
  if (text === undefined) return undefined;
  const { reporter, lists, tokenBytes, callableDomains, aliases } = context;
  const condition = compileCondition(reporter, text, {
    lists: lists.contents,
    tokenBytes,
    trustDomains: callableDomains,
    aliases,
    ...scope,
  });
  if (condition === undefined) lists.useAny();
  else lists.use(reporter, text.at, condition.lists);
  return condition;
}

function checkAllow(context: Context, draft: DraftRule): void {
  const { reporter } = context;
  const { token } = draft;
  if (token !== undefined) {
    if (draft.scopes === undefined || token.optional?.value !== true) return;
    const message =
      "without a token there are no scopes, so the rule needs one though it is `optional`; leave `optional` out, or make it two rules, one that needs the scopes, and one without `token`";
    reporter.warn("scopes_of_optional_token", draft.scopes.at, message);
    return;
  }
  const lack = "the rule asks for no token; add `token: ISSUER`";
  if (draft.scopes !== undefined) {
    reporter.error("scopes_without_token", draft.scopes.at, `scopes are read from a token, but ${lack}`);
  }
  for (const { value, at } of draft.limit?.value ?? []) {
    const limit = context.limits.get(value);
    const claim = [...(limit?.per ?? []), limit?.tier].find((selector) => selector?.kind === "claim");
    if (claim?.kind === "claim") {
      reporter.error(
        "claims_without_token",
        at,
        `the limit \`${value}\` counts by \`${printClaimPath(claim.path)}\`, but ${lack}`,
      );
    }
  }
}

function checkCallers(context: Context, draft: DraftRule): RuleCaller[] {
  const { reporter, callerSets } = context;
  const callers: RuleCaller[] = [];
  for (const one of draft.callers?.value ?? []) {
    const text = one.value;
    if (text === "any" || text === "anonymous") callers.push({ kind: text });
    else if (callerSets.has(text)) callers.push({ kind: "set", name: text });
    else if (text === "*")
      reporter.error("invalid_spiffe_id", one.at, "every caller with an identity is `any`, one without is `anonymous`");
    else if (/^[A-Za-z0-9_-]+$/u.test(text)) {
      const names = [...callerSets.keys(), ...caller_words];
      reporter.error("unknown_callers", one.at, `there is no caller set \`${text}\`${didYouMean(text, names)}`);
    } else {
      const pattern = checkCaller(context, one, "", draft.deny !== undefined);
      if (pattern !== undefined) callers.push({ kind: "pattern", pattern });
    }
  }
  return callers;
}

function checkHosts(context: Context, draft: DraftRule): HostPattern[] {
  const hosts = new Map<string, HostPattern>();
  for (const { value, at } of draft.hosts?.value ?? []) {
    const host = parseHost(value);
    if (typeof host === "string") context.reporter.error("invalid_host", at, host);
    else hosts.set(`${host.kind} ${host.text}`, host);
  }
  return [...hosts.values()];
}

function checkNames(
  context: Context,
  names: Located<string>[],
  known: ReadonlyMap<string, unknown>,
  code: ErrorCode,
  what: string,
): string[] {
  const found = new Set<string>();
  for (const { value, at } of names) {
    if (known.has(value)) found.add(value);
    else context.reporter.error(code, at, `there is no ${what} \`${value}\`${didYouMean(value, known.keys())}`);
  }
  return [...found];
}

function checkScopes(context: Context, { scopes: draft }: DraftRule): Pick<Rule, "scopes" | "isAnyScope"> {
  const { reporter } = context;
  const scopes = new Set<string>();
  for (const { value, at } of draft?.value ?? []) {
    const fault = scopeFault(value);
    if (fault !== undefined) reporter.error("invalid_scope", at, fault);
    scopes.add(value);
  }
  if ([...scopes].join(" ").length > challenge_bytes) {
    reporter.error("bound", draft!.at, `the scopes of a rule have at most ${challenge_bytes} bytes together`);
  }
  // One of one scope is that scope.
  return { scopes: [...scopes], isAnyScope: draft?.isAny === true && scopes.size > 1 };
}

function warnAboutRule(
  context: Context,
  draft: DraftRule,
  {
    name,
    callers,
    endpoints,
    issuers,
    condition,
  }: Pick<Rule, "name" | "callers" | "endpoints" | "issuers" | "condition">,
): void {
  const { reporter } = context;
  const at = draft.name!.at;
  if (callers.some((caller) => caller.kind === "anonymous")) {
    reporter.warn("anonymous_rule", at, `\`${name}\` admits callers without any identity`);
  } else if (callers.some((caller) => caller.kind === "any")) {
    reporter.warn("any_rule", at, `\`${name}\` admits every caller of every trusted domain; name those that need it`);
  }
  if (draft.token !== undefined && draft.token.optional?.value !== true) {
    const isBound = issuers.every((issuer) => context.issuers.get(issuer)?.bind === "caller");
    if (isBound && issuers.length > 0 && callers.every(({ kind }) => kind === "anonymous")) {
      const message = `\`${name}\` is for callers without an identity, but its token is bound to one (\`bind: caller\`), so that no such request can pass; name callers, or another issuer`;
      reporter.warn("binding_never", draft.token.at, message);
    }
    // A condition on claims says what the token must be for, too.
    if (draft.scopes === undefined && condition?.usesClaims !== true) {
      reporter.warn(
        "token_without_scopes",
        at,
        `\`${name}\` takes any valid token, whatever it was issued for; ask for \`scopes\``,
      );
    }
    return;
  }
  if (endpoints.some(mayWrite))
    reporter.warn("write_without_token", at, `\`${name}\` admits writes without a token; ask for one with \`token\``);
}
