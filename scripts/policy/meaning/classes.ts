/**
 * All callers, and all hosts, that two policies tell apart: each pattern that either names, without the narrower ones in
 * it, is one atom, and so is whatever no pattern names. Callers that meet the same clauses in both policies are one class.
 */
import type { CallerSet, Policy, Rule } from "../language/model.ts";
import { type CallerPattern, callerText, parseCaller } from "../language/spiffe.ts";
import type { HostPattern } from "../language/values.ts";
import type { Clause } from "./clauses.ts";
import { every_host } from "./clauses.ts";
import { Family } from "./hierarchy.ts";
import { orderedCallers } from "./overlaps.ts";
import { PathIndex } from "./paths.ts";
import { hostText, widerHosts } from "./relations.ts";

/** A policy's rules that are to be compared, with their clauses. */
export interface Side {
  policy: Policy;
  rules: readonly { rule: Rule; clauses: readonly Clause[] }[];
}

/** Clauses that some callers meet, found by path. */
export class ClauseList {
  readonly clauses: ReadonlyMap<number, Clause>;
  #index: PathIndex<Clause> | undefined;

  constructor(clauses: ReadonlyMap<number, Clause>) {
    this.clauses = clauses;
  }

  get index(): PathIndex<Clause> {
    if (this.#index === undefined) {
      this.#index = new PathIndex();
      for (const clause of this.clauses.values()) this.#index.add(clause.path, clause);
    }
    return this.#index;
  }
}

/** Callers for whom each policy has the same clauses. */
export interface CallerClass {
  /** Members of the family of callers. */
  callers: number[];
  before: ClauseList[];
  after: ClauseList[];
}

/** Members of every family of callers: everybody, and everybody whose ID is of a trusted domain. */
export const anonymous = 0;
const any = 1;

/** The members of a rule's callers that are patterns. */
export function patternsOf(rule: Rule, sets: ReadonlyMap<string, CallerSet>): CallerPattern[] {
  return rule.callers.flatMap((caller) => {
    if (caller.kind === "pattern") return [caller.pattern];
    return caller.kind === "set" ? (sets.get(caller.name)?.callers ?? []) : [];
  });
}

/** A policy's sets of callers by name. */
export const setsOf = ({ callerSets }: Policy): Map<string, CallerSet> =>
  new Map(callerSets.map((set) => [set.name, set]));

/**
 * The callers that policies tell apart, with the trust domain of each: "" for those of none. The first two are `anonymous` and `any`.
 * @param also callers that are told apart besides; those that are in no trusted domain are not
 */
export function callersOf(
  sides: readonly Side[],
  also: readonly CallerPattern[] = [],
): { family: Family; domains: string[] } {
  const family = new Family("anonymous");
  family.add("any", [anonymous], true);
  const domains = ["", ""];
  const patterns = new Map<string, CallerPattern>();
  const trusted = new Set(sides.flatMap(({ policy }) => policy.trustDomains));
  for (const trustDomain of trusted) {
    const pattern = parseCaller(`spiffe://${trustDomain}/**`) as CallerPattern;
    patterns.set(callerText(pattern), pattern);
  }
  for (const pattern of also) if (trusted.has(pattern.trustDomain)) patterns.set(callerText(pattern), pattern);
  for (const { policy, rules } of sides) {
    const sets = setsOf(policy);
    const seen = new Set<string>();
    for (const { rule } of rules) {
      for (const caller of rule.callers) {
        if (caller.kind === "set" && seen.has(caller.name)) continue;
        if (caller.kind === "set") seen.add(caller.name);
        for (const pattern of patternsOf({ ...rule, callers: [caller] }, sets)) {
          // Nobody outside the trusted domains is a caller by name.
          if (trusted.has(pattern.trustDomain)) patterns.set(callerText(pattern), pattern);
        }
      }
    }
  }
  for (const { pattern, parents } of orderedCallers(patterns)) {
    const found = parents.map((text) => family.find(text)!);
    family.add(callerText(pattern), found.length === 0 ? [any] : found);
    domains.push(pattern.trustDomain);
  }
  return { family, domains };
}

/** The hosts that two policies tell apart. */
export function hostsOf(sides: readonly Side[]): Family {
  const family = new Family(every_host);
  const hosts = new Map<string, HostPattern>();
  for (const { rules } of sides) {
    for (const { rule } of rules) for (const host of rule.hosts) hosts.set(hostText(host), host);
  }
  const labels = ({ text }: HostPattern): number => text.split(".").length;
  const wideFirst = [...hosts.values()].sort(
    (a, b) => labels(a) - labels(b) || (a.kind === b.kind ? 0 : a.kind === "suffix" ? -1 : 1),
  );
  for (const host of wideFirst) {
    const parent = widerHosts(host).find((text) => family.find(text) !== undefined);
    family.add(hostText(host), [parent === undefined ? 0 : family.find(parent)!]);
  }
  return family;
}

/** For each member of the family, the numbers of the rules that name it. */
export function namedBy({ policy, rules }: Side, family: Family): (number[] | undefined)[] {
  const sets = setsOf(policy);
  const named: (number[] | undefined)[] = [];
  for (const [number, { rule }] of rules.entries()) {
    const members = new Set(patternsOf(rule, sets).map((pattern) => family.find(callerText(pattern))));
    for (const { kind } of rule.callers) {
      if (kind === "any") members.add(any);
      else if (kind === "anonymous") members.add(anonymous);
    }
    for (const member of members) {
      if (member === undefined) continue;
      const numbers = named[member];
      if (numbers === undefined) named[member] = [number];
      else numbers.push(number);
    }
  }
  return named;
}

/** For each member of the family, the clauses of the rules that name it; lists that are equal are one. */
function listsOf(side: Side, family: Family, known: Map<string, ClauseList>): (ClauseList | undefined)[] {
  const { rules } = side;
  const byRules = new Map<string, ClauseList>();
  return namedBy(side, family).map((numbers) => {
    if (numbers === undefined) return undefined;
    const key = numbers.join();
    let list = byRules.get(key);
    if (list === undefined) {
      const clauses = new Map<number, Clause>();
      for (const number of numbers) for (const clause of rules[number]!.clauses) clauses.set(clause.id, clause);
      const clausesKey = [...clauses.keys()].sort((a, b) => a - b).join();
      list = known.get(clausesKey) ?? new ClauseList(clauses);
      known.set(clausesKey, list);
      byRules.set(key, list);
    }
    return list;
  });
}

/** All callers by what they meet. */
export function classesOf(before: Side, after: Side): { family: Family; classes: CallerClass[] } {
  const { family, domains } = callersOf([before, after]);
  const known = new Map<string, ClauseList>();
  const numbers = new Map<ClauseList, number>();
  const numberOf = (list: ClauseList): number => {
    const number = numbers.get(list) ?? numbers.size;
    numbers.set(list, number);
    return number;
  };
  const sides = [before, after].map((side) => ({
    lists: listsOf(side, family, known),
    trusted: new Set(side.policy.trustDomains),
  }));
  const classes = new Map<string, CallerClass>();
  for (const [member, { isHollow }] of family.members.entries()) {
    if (isHollow) continue;
    const around = family.around(member);
    const met = sides.map(({ lists, trusted }) => {
      // Who is in no trusted domain meets the rules for everybody and no others.
      const meets = trusted.has(domains[member]!) ? around : [anonymous];
      return [...new Set(meets.flatMap((one) => lists[one] ?? []))].sort((a, b) => numberOf(a) - numberOf(b));
    }) as [ClauseList[], ClauseList[]];
    const key = met.map((lists) => lists.map(numberOf).join()).join("|");
    const known = classes.get(key);
    if (known === undefined) classes.set(key, { callers: [member], before: met[0], after: met[1] });
    else known.callers.push(member);
  }
  return { family, classes: [...classes.values()] };
}
