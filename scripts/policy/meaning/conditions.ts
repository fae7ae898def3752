/**
 * The conditions of a rule, in a form that can be compared: which of two asks for less. A rule that asks for less admits
 * all that the other does. What cannot be shown to ask for less is taken not to.
 */

import { normalConjuncts, normalDisjuncts } from "../condition/normal.ts";
import type { Endpoint } from "../language/endpoint.ts";
import type { MostBytes, Rule } from "../language/model.ts";
import { openedBy } from "../language/pathoptions.ts";
import { isAffix, segmentAt } from "../language/pathpattern.ts";
import { printVariable } from "../language/selector.ts";

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
  /** With `from`, the most that it may be. */
  cost: number;
  /** The CEL that says what a request costs, as conditions are compared; undefined: it costs `cost`. */
  from?: string;
  /** What the limit counts by of the rule: segments, where it counts by variables, and the rule itself; as a text. */
  by: string;
}

/** What has to hold beside caller, host and endpoint. All of it must. */
export interface Conditions {
  /** A valid token of one of these; empty: no token is asked for. */
  issuers: readonly string[];
  /** It holds without a token at their places too, and refuses one that is there and not good. */
  isTokenOptional: boolean;
  /** Of each of these, one scope. */
  scopes: readonly (readonly string[])[];
  when: readonly Conjunct[];
  /** Seconds since 1970; 0: always, for ever. */
  startsSeconds: number;
  expiresSeconds: number;
  charges: readonly Charge[];
  /** How many bytes of it a request may have; Infinity: any number. */
  most: Readonly<Record<keyof MostBytes, number>>;
  /** What `paths` of an allow rule opens (scripts/policy/language/pathoptions.ts). A deny rule sees each reading, whatever it says. */
  opened: readonly string[];
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
  "paths",
  "issuers",
  "isTokenOptional",
  "scopes",
  "isAnyScope",
  "condition",
  "captures",
  "limits",
  "limitVariables",
  "ownLimits",
  // What headers tell of is compared with the policy as a whole.
  "forwardVariables",
  "cost",
  "costFrom",
  "mostBytes",
  "mode",
  // Reports tell of it; no request is decided by it.
  "isSensitive",
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
  const from = rule.costFrom && bindVariables(conjunctsOf(rule.costFrom.text).join(" && "), endpoint, rule.captures);
  return {
    issuers: rule.issuers.map(naming.issuer),
    isTokenOptional: rule.isTokenOptional,
    scopes: rule.isAnyScope ? [[...rule.scopes].sort()] : rule.scopes.map((scope) => [scope]),
    when: operands.map((text) => ({
      key: bindVariables(text, endpoint, rule.captures),
      disjuncts: normalDisjuncts(text).map((one) => bindVariables(one, endpoint, rule.captures)),
      text,
    })),
    startsSeconds: rule.startsSeconds,
    expiresSeconds: rule.expiresSeconds,
    charges: rule.limits.map((name) => ({
      limit: naming.limit(name),
      cost: rule.cost,
      ...(from !== undefined && { from }),
      by: [
        ...rule.limitVariables.map((one) => bindVariables(printVariable(one), endpoint, rule.captures)),
        ...(rule.ownLimits.includes(name) ? [`rule ${rule.name}`] : []),
      ].join(),
    })),
    most: {
      headers: rule.mostBytes?.headers ?? Infinity,
      query: rule.mostBytes?.query ?? Infinity,
      body: rule.mostBytes?.body ?? Infinity,
    },
    opened: rule.action === "allow" ? openedBy(rule.paths) : [],
    // What cannot be evaluated denies, also where nothing is taken for it.
    others: [...otherParts(rule), ...(from !== undefined && rule.limits.length === 0 ? [`cost ${from}`] : [])],
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

/** Text constants of CEL, which stay as they are, and path variables and parts of the caller's ID, unless they are a member of something else. */
const texts_and_variables = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?<![\w.])(path|caller)\.([A-Za-z_]\w*)/gsu;

/** Two names for the same segment mean the same, and one name for two segments does not. */
function bindVariables(text: string, endpoint: Endpoint, captures: Rule["captures"]): string {
  if (!text.includes("path.") && captures.size === 0) return text;
  return text.replace(texts_and_variables, (whole, space: string | undefined, name: string) => {
    // A variable that the endpoint does not have is as absent under one name as under another.
    if (space === "path") return `path#${placeOf(name, endpoint)}`;
    const segment = space === undefined ? undefined : captures.get(name);
    return segment === undefined ? whole : `caller#${segment}`;
  });
}

/** Where a variable stands, and the text around it, which is no part of its value. */
function placeOf(name: string, endpoint: Endpoint): string {
  const place = endpoint.variables.get(name);
  if (place === undefined) return "none";
  const segment = segmentAt(endpoint, place);
  return isAffix(segment) ? `${place}${JSON.stringify([segment.prefix, segment.suffix])}` : `${place}`;
}

/** Whether `inner` is a part of `outer`. */
function isSubset(inner: readonly string[], outer: readonly string[]): boolean {
  return inner.every((one) => outer.includes(one));
}

const sameTexts = (a: readonly string[], b: readonly string[]): boolean => isSubset(a, b) && isSubset(b, a);

/** Whether whoever has the scopes that `strong` asks for has those that `weak` does. */
function areHeld(weak: Conditions["scopes"], strong: Conditions["scopes"]): boolean {
  return weak.every((wanted) => strong.some((held) => isSubset(held, wanted)));
}

/** Whether `weak` holds wherever `strong` does, and is nowhere false where that is no more than an error. */
function isImplied(weak: readonly Conjunct[], strong: readonly Conjunct[]): boolean {
  return weak.every(({ disjuncts }) => strong.some((other) => isSubset(other.disjuncts, disjuncts)));
}

function holdsLonger(wide: Conditions, narrow: Conditions): boolean {
  if (wide.startsSeconds > narrow.startsSeconds) return false;
  return wide.expiresSeconds === 0 || (narrow.expiresSeconds !== 0 && wide.expiresSeconds >= narrow.expiresSeconds);
}

/** The parts of a request whose size a rule may bound. */
export const sized_parts = ["headers", "query", "body"] as const satisfies readonly (keyof MostBytes)[];

/** Whether one takes requests that are as large as those which the other takes. */
function takesLarger(wide: Conditions, narrow: Conditions): boolean {
  return sized_parts.every((part) => wide.most[part] >= narrow.most[part]);
}

/**
 * Whether it matters which of several good tokens is taken: it is that of the issuer that comes first by name, and what its
 * claims do not give, those of another do not either.
 */
export function readsClaims({ scopes, when, charges, others }: Conditions): boolean {
  return scopes.length + charges.length + others.length > 0 || when.some(({ text }) => text.includes("claims"));
}

/** Whether a token that is good for `strong`, and is the one taken there, is good and taken for `weak`. Where it is left out for one, it is so for the other. */
function takesToken(weak: Conditions, strong: Conditions): boolean {
  if (weak.issuers.length === 0) return true;
  if (strong.isTokenOptional && !(weak.isTokenOptional && sameTexts(weak.issuers, strong.issuers))) return false;
  if (strong.issuers.length === 0 || !isSubset(strong.issuers, weak.issuers)) return false;
  return weak.issuers.length === strong.issuers.length || !readsClaims(weak);
}

/** Whether what one takes is never less than what the other does. A cost that is calculated may be 1, or not be known at all. */
function costsMore(more: Charge, less: Charge): boolean {
  if (more.from === less.from) return more.cost >= less.cost;
  return less.from === undefined && less.cost === 1;
}

/** Whether an allow rule with conditions `weak` admits whatever one with `strong` does, as far as can be told. */
export function isWeaker(weak: Conditions, strong: Conditions): boolean {
  return (
    takesToken(weak, strong) &&
    areHeld(weak.scopes, strong.scopes) &&
    isImplied(weak.when, strong.when) &&
    holdsLonger(weak, strong) &&
    takesLarger(weak, strong) &&
    isSubset(strong.opened, weak.opened) &&
    weak.charges.every((one) =>
      strong.charges.some((other) => other.limit === one.limit && other.by === one.by && costsMore(other, one)),
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
    weak.isTokenOptional === strong.isTokenOptional &&
    areHeld(weak.scopes, strong.scopes) &&
    areHeld(strong.scopes, weak.scopes) &&
    isImplied(weak.when, strong.when) &&
    holdsLonger(weak, strong) &&
    sameTexts(weak.others, strong.others)
  );
}

/** Whether `strict` keeps from admission whatever tokens that are not good `other` does: both are rules whose token is optional. */
export function refusesMore(strict: Conditions, other: Conditions): boolean {
  return (
    sameTexts(strict.issuers, other.issuers) &&
    holdsLonger(strict, other) &&
    takesLarger(strict, other) &&
    sameTexts(strict.others, other.others)
  );
}

/** Whether `strict` admits whatever `other` does but for the size of its body, and holds bodies to no more. */
export function holdsBodies(strict: Conditions, other: Conditions): boolean {
  const ofAnySize = { ...strict, most: { ...strict.most, body: Infinity } };
  return strict.most.body <= other.most.body && isWeaker(ofAnySize, other);
}

/** Whether a rule asks for nothing beside caller, host and endpoint. */
export function isUnconditional(conditions: Conditions): boolean {
  const { issuers, scopes, when, startsSeconds, expiresSeconds, charges, others } = conditions;
  const parts = issuers.length + scopes.length + when.length + charges.length + others.length;
  return parts + startsSeconds + expiresSeconds === 0;
}
