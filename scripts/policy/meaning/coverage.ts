/**
 * Rules that say what others say already, rules that never admit, and patterns wider than a reviewer would like: what is
 * sound and still worth a word. For each warning the search begins at one caller and one endpoint of a rule and is
 * bounded, so that it takes about the same time for each of 100,000 rules; what lies beyond the bound gets no warning.
 */

import { mayWrite } from "../language/carried.ts";
import { ruleVariables } from "../language/condition.ts";
import type { Endpoint } from "../language/endpoint.ts";
import type { CallerSet, Rule } from "../language/model.ts";
import { callerText } from "../language/spiffe.ts";
import { endpointHolds } from "./calls.ts";
import { conditionsOf, isUnconditional, isWeaker } from "./conditions.ts";
import { Callers, callerKey, members_max } from "./membership.ts";
import { PathIndex } from "./paths.ts";
import { hostsCover } from "./relations.ts";

/** The codes of these warnings (docs/diagnostics.md). */
export type CoverageCode =
  | "rule_covered"
  | "rule_unreachable"
  | "wildcard_wide"
  | "endpoint_covered"
  | "caller_covered";

/** Told of each finding, with the rule that it is about. */
export type WarnCovered = (code: CoverageCode, rule: Rule, message: string) => void;

/** So many rules are looked at for each, at the most. */
const candidates_max = 64;

/** Warns about rules and parts of rules that other ones make superfluous, and about patterns that are very wide. */
export function warnCovered(
  rules: readonly Rule[],
  callerSets: readonly CallerSet[],
  trustDomains: Iterable<string>,
  warn: WarnCovered,
): void {
  const callers = new Callers(callerSets, new Set(trustDomains));
  const enforced = rules.filter(({ mode }) => mode === "enforce");
  const allows = new RuleIndex(enforced.filter(({ action }) => action === "allow"));
  const denies = new RuleIndex(
    enforced.filter(
      (rule) =>
        rule.action === "deny" && rule.endpoints.slice(0, 1).every((one) => isUnconditional(conditionsOf(rule, one))),
    ),
  );
  for (const rule of rules) {
    warnWithin(rule, callers, warn);
    if (rule.action !== "allow") continue;
    warnWide(rule, callers, warn);
    if (rule.mode !== "enforce") continue;
    if (rule.callers.length > 0 && rule.callers.every((caller) => callers.isNobody(caller))) {
      warn("rule_unreachable", rule, `\`${rule.name}\` admits nobody: its callers are in none of \`trust.domains\``);
      continue;
    }
    const denied = denies.find(rule, callers, (other) => deniesAll(other, rule, callers));
    if (denied !== undefined) {
      const message = `\`${rule.name}\` admits nothing: the deny rule \`${denied.name}\` denies all of it; remove one of them`;
      warn("rule_unreachable", rule, message);
      continue;
    }
    const wider = allows.find(rule, callers, (other) => admitsAll(other, rule, callers));
    if (wider === undefined) continue;
    const isEqual = admitsAll(rule, wider, callers);
    // Of two rules that say the same, the one that stands later is superfluous.
    if (isEqual && isBefore(rule, wider)) continue;
    const isWithoutToken = rule.issuers.length > 0 && (wider.issuers.length === 0 || wider.isTokenOptional);
    const message = isEqual
      ? `\`${rule.name}\` says the same as \`${wider.name}\`; remove one of them`
      : isWithoutToken && !rule.isTokenOptional
        ? `\`${rule.name}\` keeps nobody out: \`${wider.name}\` admits all of it without a token too; if that is meant, write one rule with \`token: { issuer: ${rule.issuers[0]}, optional: true }\`, which refuses bad tokens`
        : `\`${rule.name}\` adds nothing: \`${wider.name}\` admits all of it on the same or weaker conditions; remove it, or narrow \`${wider.name}\``;
    warn("rule_covered", rule, message);
  }
}

function isBefore(a: Rule, b: Rule): boolean {
  if (a.file !== b.file) return a.name < b.name;
  return a.line - b.line < 0 || (a.line === b.line && a.column < b.column);
}

function bodyBytesOf({ mostBytes }: Rule): number {
  return mostBytes?.body ?? Infinity;
}

/** Whether a rule is asked before another one that may admit the same: those with a token are, else the names say. */
function comesFirst(rule: Rule, other: Rule): boolean {
  return rule.name < other.name || (rule.issuers.length > 0 && other.issuers.length === 0);
}

function admitsAll(wide: Rule, narrow: Rule, callers: Callers): boolean {
  // What is bad about a token keeps nobody out of a rule without one.
  if (narrow.isTokenOptional && !wide.isTokenOptional) return false;
  // A body without `content-length` is held to the bound of the rule that comes first.
  if (bodyBytesOf(narrow) < bodyBytesOf(wide) && comesFirst(narrow, wide)) return false;
  if (wide === narrow || !callers.cover(wide.callers, narrow.callers) || !hostsCover(wide.hosts, narrow.hosts)) {
    return false;
  }
  if (wide.endpoints.length * narrow.endpoints.length > members_max ** 2) return false;
  return narrow.endpoints.every((inner) =>
    wide.endpoints.some(
      (outer) => endpointHolds(wide, outer, inner) && isWeaker(conditionsOf(wide, outer), conditionsOf(narrow, inner)),
    ),
  );
}

function deniesAll(deny: Rule, allow: Rule, callers: Callers): boolean {
  if (!callers.cover(deny.callers, allow.callers) || !hostsCover(deny.hosts, allow.hosts)) return false;
  if (deny.endpoints.length * allow.endpoints.length > members_max ** 2) return false;
  return allow.endpoints.every((inner) => deny.endpoints.some((outer) => endpointHolds(deny, outer, inner)));
}

/** Fewer rules than this are looked through one by one. */
const few_rules = 8;

/** Rules by the callers they name, and by path where many name the same. */
class RuleIndex {
  readonly #byCaller = new Map<string, Rule[]>();
  readonly #byPath = new Map<string, PathIndex<Rule>>();

  constructor(rules: readonly Rule[]) {
    for (const rule of rules) {
      for (const caller of rule.callers) {
        const key = callerKey(caller);
        const known = this.#byCaller.get(key);
        if (known === undefined) this.#byCaller.set(key, [rule]);
        else known.push(rule);
      }
    }
  }

  /** A rule other than this one that may hold all of it and does. */
  find(rule: Rule, callers: Callers, holds: (other: Rule) => boolean): Rule | undefined {
    const [caller, endpoint] = [rule.callers[0], rule.endpoints[0]];
    if (caller === undefined || endpoint === undefined) return undefined;
    let left = candidates_max;
    let found: Rule | undefined;
    const visit = (other: Rule): boolean => {
      if (other !== rule && holds(other)) found = other;
      return found !== undefined || --left <= 0;
    };
    for (const key of callers.keysAround(caller)) {
      const rules = this.#byCaller.get(key);
      if (rules === undefined) continue;
      const isOver =
        rules.length <= few_rules ? rules.some(visit) : this.#index(key, rules).someCovering(endpoint, visit);
      if (isOver) break;
    }
    return found;
  }

  #index(key: string, rules: readonly Rule[]): PathIndex<Rule> {
    let index = this.#byPath.get(key);
    if (index === undefined) {
      index = new PathIndex();
      for (const rule of rules) for (const endpoint of rule.endpoints) index.add(endpoint, rule);
      this.#byPath.set(key, index);
    }
    return index;
  }
}

/** Endpoints and callers of a rule that others of the same rule hold already. */
function warnWithin(rule: Rule, callers: Callers, warn: WarnCovered): void {
  const { endpoints } = rule;
  // What `when` says of a path variable is said of one endpoint, and another one does not stand in for it.
  const isBound = ruleVariables(rule).length > 0;
  if (endpoints.length > 1 && endpoints.length <= members_max && !isBound) {
    const covers = (outer: Endpoint, inner: Endpoint): boolean => endpointHolds(rule, outer, inner);
    const named = (place: number): string => {
      const { call } = endpoints[place]!;
      return call === undefined ? `endpoint ${place + 1}` : `\`${call.text}\``;
    };
    // An endpoint that lists fields of GraphQL is several.
    const isCounted = endpoints.every(({ call }) => call?.protocol !== "graphql");
    for (const [at, inner] of endpoints.entries()) {
      const outer = endpoints.findIndex(
        (other, place) =>
          place !== at && covers(other, inner) && (place < at || !covers(inner, other)) && !spellsOutHead(inner, other),
      );
      if (outer < 0) continue;
      const [own, other] =
        isCounted || inner.call !== undefined ? [named(at), named(outer)] : ["an endpoint", "another"];
      const message = `${own} of \`${rule.name}\` adds nothing: ${other} holds all of it; remove it`;
      warn("endpoint_covered", rule, message);
    }
  }
  // So it is with what it says of a segment of the caller's ID.
  if (rule.callers.length > 1 && rule.callers.length <= members_max && rule.captures.size === 0)
    warnCallersWithin(rule, callers, warn);
}

/** Whether an endpoint names HEAD where another has it with GET: that is worth no word. */
function spellsOutHead(inner: Endpoint, outer: Endpoint): boolean {
  return inner.methods.includes("HEAD") && outer.methods !== "*" && !outer.methods.includes("HEAD");
}

function warnCallersWithin(rule: Rule, callers: Callers, warn: WarnCovered): void {
  const seen = new Set<string>();
  const isOpen = rule.callers.some(({ kind }) => kind === "anonymous");
  const isAny = rule.callers.some(({ kind }) => kind === "any");
  for (const caller of rule.callers) {
    const key = callerKey(caller);
    const own = key.replace(/^set /u, "");
    if (seen.has(key)) {
      warn("caller_covered", rule, `\`${own}\` stands twice among the callers of \`${rule.name}\`; remove one`);
      continue;
    }
    seen.add(key);
    let around: string | undefined;
    if (caller.kind === "pattern") around = callers.around(caller.pattern, rule.callers);
    else if (isOpen && caller.kind !== "anonymous") around = "anonymous";
    else if (isAny && caller.kind === "set") around = "any";
    if (around === undefined) continue;
    warn("caller_covered", rule, `\`${own}\` adds nothing to \`${rule.name}\`: \`${around}\` holds it; remove it`);
  }
}

/** Patterns of an allow rule that admit what nobody may have thought of. At most one finding a rule: it is read as one. */
function warnWide(rule: Rule, callers: Callers, warn: WarnCovered): void {
  const domain = wholeDomain(rule, callers);
  const everything = rule.endpoints.some(
    ({ methods, segments, tail, after }) => methods === "*" && segments.length === 0 && tail && after === undefined,
  );
  const isOpen = domain !== undefined || rule.callers.some(({ kind }) => kind === "any" || kind === "anonymous");
  // One caller that may do everything on hosts of its own is often meant so.
  if (everything && (rule.hosts.length === 0 || isOpen)) {
    const message = `\`${rule.name}\` admits every method on every path (\`* /**\`), also those that come later; name what its callers need`;
    warn("wildcard_wide", rule, message);
    return;
  }
  if (domain !== undefined && rule.endpoints.some(mayWrite)) {
    const message = `\`${rule.name}\` admits writes of everybody in a trust domain (\`${domain}\`); name the callers that need them`;
    warn("wildcard_wide", rule, message);
  }
}

/** A caller of a rule that is a whole trust domain. */
function wholeDomain(rule: Rule, callers: Callers): string | undefined {
  for (const caller of rule.callers) {
    const members = callers.members(caller);
    if (members.length > members_max) continue;
    const domain = members.find(({ kind, segments }) => kind === "descendants" && segments === 0);
    if (domain !== undefined) return callerText(domain);
  }
  return undefined;
}
