/**
 * A policy as far as a log can tell. The engine is asked by a policy that leaves out what no log has: rules all of whose parts are known
 * decide, as in the policy itself; a rule with a part that is not known is in shadow mode, without that part, so that the record says
 * whether the rest of it holds. What its answer then means is judged in `settle.ts`.
 *
 * Keys, limits, quarantines and a fleet are left out. A token that is known to be good is one of ours, under a name of its own.
 */
import type { Issuer, Policy, Rule } from "../policy/language/model.ts";
import { isAnyForm } from "../policy/language/pathoptions.ts";
import { standInKeys } from "../policytest/keys.ts";
import { type Guards, goodnessText } from "./guard.ts";
import type { Known } from "./known.ts";
import { isTimed, sizesOf, tellCondition } from "./reads.ts";
import { good_issuer, stand_in_algorithm } from "./tokens.ts";

/** The `iss` of tokens that are not ours. */
const other_issuer = "replay:other";

/** A rule as the engine is asked about it. */
export interface DerivedRule {
  /** As the policy has it. */
  rule: Rule;
  guard: number;
  /** Parts that were left out, in words. */
  parts: readonly string[];
  /** What the condition asks for and nobody knows. */
  reads: readonly string[];
  /** It may have a token that is bad, for which rules without a token do not admit. */
  mayRefuse: boolean;
  /** Whether it admits with a token. */
  takesToken: boolean;
}

export interface DerivedPolicy {
  policy: Policy;
  /** By name, those that take part in decisions. */
  rules: ReadonlyMap<string, DerivedRule>;
}

/** What a known token is to the issuers of a policy, by their names; issuers that are neither may have another token, or none. */
interface Believed {
  good: ReadonlySet<string>;
  /** The token is not theirs, and they have no other. */
  bad: ReadonlySet<string>;
  /** Its scopes are read alike. */
  scopes: ReadonlySet<string>;
}

const nobody: Believed = { good: new Set(), bad: new Set(), scopes: new Set() };

/** @param old the policy whose record the log has: the known issuer is one of its own */
export function derivePolicy(policy: Policy, old: Policy, known: Known, guards: Guards): DerivedPolicy {
  const believed = believedBy(policy, old, known);
  const rules = new Map<string, DerivedRule>();
  const made: Rule[] = [];
  for (const one of policy.rules) {
    // No log has calls: of a request that may have some nobody knows what becomes of it (known.ts), and no other meets their rules.
    const rule = { ...one, endpoints: one.endpoints.filter(({ call }) => call === undefined) };
    if (rule.endpoints.length === 0) continue;
    // A rule in shadow mode decides nothing, but for which paths are refused before any rule is looked at.
    if (rule.mode === "shadow" && !isAnyForm(rule.paths)) continue;
    const { derived, engine } = deriveRule(policy, rule, known, believed, guards);
    if (rule.mode === "enforce") rules.set(rule.name, derived);
    made.push({ ...engine, mode: rule.mode === "enforce" ? engine.mode : "shadow" });
  }
  const names = new Set(made.flatMap(({ issuers }) => issuers));
  const { protocols: _, ...spoken } = policy;
  const derivedPolicy: Policy = {
    ...spoken,
    mode: "enforce",
    identity: "mtls",
    filterState: undefined,
    svids: [],
    forwarders: [],
    forwards: [],
    minimumVersion: undefined,
    issuers: policy.issuers
      .filter(({ name }) => names.has(name))
      .map(({ name }) => standIn(name, believed.good.has(name) ? good_issuer : other_issuer)),
    limits: [],
    quarantines: [],
    fleet: undefined,
    rules: made,
  };
  return { policy: derivedPolicy, rules };
}

function deriveRule(
  policy: Policy,
  rule: Rule,
  known: Known,
  believed: Believed,
  guards: Guards,
): { derived: DerivedRule; engine: Rule } {
  const isAllowed = rule.action === "allow";
  const told = rule.condition === undefined ? undefined : tellCondition(rule.condition, known);
  const parts: string[] = sizesOf(rule);
  const hasTime = isTimed(rule) && known.time === "unknown";
  if (hasTime) parts.push("the time");
  // Whether a deny rule matches does not hang on its token, but for the claims that its condition reads.
  const token = isAllowed ? tokenOf(rule, believed) : "known";
  if (token === "unknown") parts.push(`a token of ${rule.issuers.join(" or ")}`);
  const hasScopes = isAllowed && rule.scopes.length > 0;
  const areScopesKnown = hasScopes && token === "known" && known.scopes && isOneReading(rule, believed);
  if (hasScopes && !areScopesKnown) parts.push("the token's scopes");
  if (rule.costFrom !== undefined) parts.push("its cost");
  const reads = told?.unknown ?? [];
  const issuers = isAllowed && token === "known" ? rule.issuers.filter((name) => isKnown(name, believed)) : [];
  const derived: DerivedRule = {
    rule,
    guard: guards.numberOf(policy, rule),
    parts,
    reads,
    mayRefuse: isAllowed && rule.isTokenOptional && token === "unknown",
    takesToken:
      rule.issuers.length > 0 && (!rule.isTokenOptional || rule.issuers.some((name) => believed.good.has(name))),
  };
  const engine: Rule = {
    ...rule,
    mode: parts.length === 0 && reads.length === 0 ? "enforce" : "shadow",
    issuers,
    isTokenOptional: rule.isTokenOptional && issuers.length > 0,
    scopes: areScopesKnown ? rule.scopes : [],
    isAnyScope: areScopesKnown && rule.isAnyScope,
    condition: told?.condition,
    limits: [],
    limitVariables: [],
    ownLimits: [],
    forwardVariables: [],
    cost: 1,
    costFrom: undefined,
    mostBytes: undefined,
    startsSeconds: hasTime ? 0 : rule.startsSeconds,
    expiresSeconds: hasTime ? 0 : rule.expiresSeconds,
  };
  return { derived, engine };
}

const isKnown = (name: string, { good, bad }: Believed): boolean => good.has(name) || bad.has(name);

/** Whether it is known if a rule has its token. */
function tokenOf({ issuers }: Rule, believed: Believed): "known" | "unknown" {
  if (issuers.some((name) => believed.good.has(name))) return "known";
  return issuers.every((name) => believed.bad.has(name)) ? "known" : "unknown";
}

/** Whether the token whose scopes count is the one that is known: no issuer of the rule may have another one. */
function isOneReading({ issuers }: Rule, { scopes, bad }: Believed): boolean {
  return issuers.every((name) => scopes.has(name) || bad.has(name));
}

function believedBy(policy: Policy, old: Policy, { issuer: name }: Known): Believed {
  const issuer = old.issuers.find((one) => one.name === name);
  if (issuer === undefined || policy.tokenBytes < old.tokenBytes) return nobody;
  const text = goodnessText(issuer);
  const good = policy.issuers.filter((one) => goodnessText(one) === text);
  const bad = policy.issuers.filter((one) => isForeign(one, issuer));
  const scopes = good.filter(({ scopeClaims }) => JSON.stringify(scopeClaims) === JSON.stringify(issuer.scopeClaims));
  return { good: namesOf(good), bad: namesOf(bad), scopes: namesOf(scopes) };
}

const namesOf = (issuers: readonly Issuer[]): ReadonlySet<string> => new Set(issuers.map(({ name }) => name));

/** Whether a token that is good for `issuer` stands in the only place where `other` looks, and is none of its tokens. */
function isForeign(other: Issuer, issuer: Issuer): boolean {
  const places = new Set([...issuer.places, ...other.places].map((place) => JSON.stringify(place)));
  return (
    places.size === 1 && issuer.template.length === 0 && other.template.length === 0 && issuer.issuer !== other.issuer
  );
}

function standIn(name: string, issuer: string): Issuer {
  return {
    name,
    issuer,
    template: [],
    tenants: undefined,
    audiences: [],
    audienceClaim: [],
    scopeClaims: [["scope"]],
    types: ["", "jwt"],
    algorithms: [stand_in_algorithm],
    keySet: { use: "sig", keys: standInKeys([stand_in_algorithm]), source: undefined },
    leewaySeconds: 0,
    maxLifetimeSeconds: 0,
    places: [{ kind: "header", name: "authorization", prefix: "Bearer " }],
    forwardToken: true,
    bind: "none",
    claims: [],
  };
}
