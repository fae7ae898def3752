/**
 * The conditions of a rule, in a form that can be compared: which of two asks for less. A rule that asks for less admits
 * all that the other does. What cannot be shown to ask for less is taken not to.
 */

import { normalConjuncts, normalDisjuncts } from "../condition/normal.ts";
import type { Endpoint } from "../language/endpoint.ts";
import type { Rule } from "../language/model.ts";

/** One operand of `when`. */
export interface Conjunct {
  /** What tells it from others: path variables stand in it by their place in the path. */
  key: string;
  /** The same of the operands of its outermost `||`. */
  disjuncts: readonly string[];
  /** For people. */
  text: string;
}

/** What a rule takes from a limit. */
export interface Charge {
  limit: string;
  cost: number;
}

/** What has to hold beside caller, host and endpoint. All of it must. */
export interface Conditions {
  /** A valid token of one of these; empty: no token is asked for. */
  issuers: readonly string[];
  scopes: readonly string[];
  when: readonly Conjunct[];
  /** Seconds since 1970; 0: always, for ever. */
  startsSeconds: number;
  expiresSeconds: number;
  charges: readonly Charge[];
  /** Parts of a rule that this file knows nothing of; each as a text, comparable only for equality. */
  others: readonly string[];
}

/** What issuers and limits are called where conditions are compared; a policy's own names by default. */
export interface Naming {
  issuer: (name: string) => string;
  limit: (name: string) => string;
}

const own_names: Naming = { issuer: (name) => name, limit: (name) => name };

/** The parts of a rule that are compared by what they mean, or mean nothing. */
const known_parts: ReadonlySet<string> = new Set<keyof Rule>([
  "name",
  "file",
  "line",
  "column",
  "action",
  "callers",
  "hosts",
  "endpoints",
  "issuers",
  "scopes",
  "condition",
  "limits",
  "cost",
  "mode",
  "startsSeconds",
  "expiresSeconds",
]);

const conjuncts = new Map<string, string[]>();

/** As normalConjuncts, remembered: policies have the same conditions in many rules. */
function conjunctsOf(text: string): string[] {
  let known = conjuncts.get(text);
  if (known === undefined) {
    known = normalConjuncts(text);
    conjuncts.set(text, known);
  }
  return known;
}

/** The conditions of a rule for one of its endpoints, whose path variables `when` may speak of. */
export function conditionsOf(rule: Rule, endpoint: Endpoint, naming = own_names): Conditions {
  const operands = rule.condition === undefined ? [] : conjunctsOf(rule.condition.text);
  return {
    issuers: rule.issuers.map(naming.issuer),
    scopes: rule.scopes,
    when: operands.map((text) => ({
      key: bindVariables(text, endpoint.variables),
      disjuncts: normalDisjuncts(text).map((one) => bindVariables(one, endpoint.variables)),
      text,
    })),
    startsSeconds: rule.startsSeconds,
    expiresSeconds: rule.expiresSeconds,
    charges: rule.limits.map((name) => ({ limit: naming.limit(name), cost: rule.cost })),
    others: otherParts(rule),
  };
}

/** Parts that the language has got since: to ignore one would be to call rules equal that are not. */
function otherParts(rule: Rule): string[] {
  const others: string[] = [];
  for (const [part, value] of Object.entries(rule)) {
    if (known_parts.has(part) || value === undefined) continue;
    const text = JSON.stringify(value);
    if (text !== "[]" && text !== "null") others.push(`${part} ${text}`);
  }
  return others;
}

/** Text constants of CEL, which stay as they are, and path variables, unless they are a member of something else. */
const texts_and_variables = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?<![\w.])path\.([A-Za-z_]\w*)/gsu;

/** Two names for the same segment mean the same, and one name for two segments does not. */
function bindVariables(text: string, variables: ReadonlyMap<string, number>): string {
  if (!text.includes("path.")) return text;
  return text.replace(texts_and_variables, (whole, name: string | undefined) => {
    // A variable that the endpoint does not have is as absent under one name as under another.
    return name === undefined ? whole : `path#${variables.get(name) ?? "none"}`;
  });
}

/** Whether `inner` is a part of `outer`. */
function isSubset(inner: readonly string[], outer: readonly string[]): boolean {
  return inner.every((one) => outer.includes(one));
}

const sameTexts = (a: readonly string[], b: readonly string[]): boolean => isSubset(a, b) && isSubset(b, a);

/** Whether `weak` holds wherever `strong` does, and is nowhere false where that is no more than an error. */
function isImplied(weak: readonly Conjunct[], strong: readonly Conjunct[]): boolean {
  return weak.every(({ disjuncts }) => strong.some((other) => isSubset(other.disjuncts, disjuncts)));
}

function holdsLonger(wide: Conditions, narrow: Conditions): boolean {
  if (wide.startsSeconds > narrow.startsSeconds) return false;
  return wide.expiresSeconds === 0 || (narrow.expiresSeconds !== 0 && wide.expiresSeconds >= narrow.expiresSeconds);
}

/**
 * Whether it matters which of several good tokens is taken: it is that of the issuer that comes first by name, and what its
 * claims do not give, those of another do not either.
 */
export function readsClaims({ scopes, when, charges }: Conditions): boolean {
  return scopes.length > 0 || charges.length > 0 || when.some(({ text }) => text.includes("claims"));
}

/** Whether a token that is good for `strong`, and is the one taken there, is good and taken for `weak`. */
function takesToken(weak: Conditions, strong: Conditions): boolean {
  if (weak.issuers.length === 0) return true;
  if (strong.issuers.length === 0 || !isSubset(strong.issuers, weak.issuers)) return false;
  return weak.issuers.length === strong.issuers.length || !readsClaims(weak);
}

/** Whether an allow rule with conditions `weak` admits whatever one with `strong` does, as far as can be told. */
export function isWeaker(weak: Conditions, strong: Conditions): boolean {
  return (
    takesToken(weak, strong) &&
    isSubset(weak.scopes, strong.scopes) &&
    isImplied(weak.when, strong.when) &&
    holdsLonger(weak, strong) &&
    weak.charges.every(({ limit, cost }) =>
      strong.charges.some((other) => other.limit === limit && other.cost >= cost),
    ) &&
    sameTexts(weak.others, strong.others)
  );
}

/**
 * Whether a deny rule with conditions `weak` denies whatever one with `strong` does. A deny rule matches unless one of the
 * operands of its `when` is false, so fewer operands match more; what its token has to do with it is not looked into.
 */
export function deniesMore(weak: Conditions, strong: Conditions): boolean {
  return (
    sameTexts(weak.issuers, strong.issuers) &&
    sameTexts(weak.scopes, strong.scopes) &&
    isImplied(weak.when, strong.when) &&
    holdsLonger(weak, strong) &&
    sameTexts(weak.others, strong.others)
  );
}

/** Whether a rule asks for nothing beside caller, host and endpoint. */
export function isUnconditional(conditions: Conditions): boolean {
  const { issuers, scopes, when, startsSeconds, expiresSeconds, charges, others } = conditions;
  const parts = issuers.length + scopes.length + when.length + charges.length + others.length;
  return parts + startsSeconds + expiresSeconds === 0;
}
