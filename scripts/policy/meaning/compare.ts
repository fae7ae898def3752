/**
 * Who gains and who loses access between two policies, by what the policies mean. Callers are grouped by the clauses they
 * meet; only what is within reach of a clause that one policy has and the other has not can differ, so only that is
 * looked into. What cannot be shown to be the same is reported.
 */
import { methodsOf } from "../language/endpoint.ts";
import type { Policy, Rule } from "../language/model.ts";
import { type PathPattern, pathCovers, pathsMeet } from "../language/pathpattern.ts";
import { callsWithin } from "./calls.ts";
import { byCaptures } from "./captures.ts";
import { type CallerClass, type ClauseList, classesOf, hostsOf, type Side } from "./classes.ts";
import { type Clause, ClauseTable } from "./clauses.ts";
import type { Naming } from "./conditions.ts";
import type { Family, Part } from "./hierarchy.ts";
import { withLimitsInForce } from "./limits.ts";
import {
  type Change,
  changeKey,
  changesWithin,
  type Place,
  type Surroundings,
  type Verdict,
  verdictKey,
} from "./partition.ts";
import { pathText } from "./paths.ts";
import { admitsMethod, type Method } from "./relations.ts";
import { speller } from "./spellings.ts";

/** The same difference, for the same callers, at the same hosts. */
export interface Finding {
  verdict: Verdict;
  callers: Part[];
  hosts: Part[];
  endpoints: Place[];
}

/** A policy and what its issuers and limits are called in the comparison. */
export interface Compared {
  policy: Policy;
  naming: Naming;
}

/** Compares the access that rules of two policies give; `chosen` says which rules take part. */
export function compareRules(before: Compared, after: Compared, chosen: (rule: Rule) => Rule | undefined): Finding[] {
  const table = new ClauseTable();
  const policies = [before.policy, after.policy];
  const spelled = speller(policies);
  const callsOf = callsWithin(policies);
  const sideOf = ({ policy, naming }: Compared): Side => ({
    policy,
    rules: policy.rules.flatMap((one) => {
      const endpoints = [...spelled(one), ...callsOf(one)];
      const rule = chosen({ ...withLimitsInForce(one, policy), endpoints });
      if (rule === undefined) return [];
      return byCaptures(rule, policy.callerSets).map((part) => ({ rule: part, clauses: table.of(part, naming) }));
    }),
  });
  const sides = [sideOf(before), sideOf(after)] as const;
  const { family, classes } = classesOf(...sides);
  const hosts = hostsOf(sides);
  const changesOf = changeFinder({ hosts, respelled: respellings(sides) });
  const cells = new Cells();
  for (const one of classes) for (const change of changesOf(one)) cells.add(change, one.callers);
  return cells.findings(family, hosts);
}

/** For each method that is denied, a spelling of it that is denied too and that no rule names. */
function respellings(sides: readonly Side[]): Map<string, string> {
  const named = new Set<string>();
  const denied = new Set<string>();
  for (const { rules } of sides) {
    for (const { action, method } of rules.flatMap(({ clauses }) => clauses)) {
      named.add(method);
      if (action === "deny" && method !== "*") for (const one of methodsOf(method)) denied.add(one);
    }
  }
  const respelled = new Map<string, string>();
  for (const method of denied) {
    if (method !== method.toUpperCase()) continue;
    const lower = method.toLowerCase();
    const others = [lower, method[0] + lower.slice(1), lower[0] + method.slice(1)];
    const free = others.find((spelling) => spelling !== method && !named.has(spelling));
    if (free !== undefined) respelled.set(method, free);
  }
  return respelled;
}

/** Finds the changes of classes of callers; what classes have in common is compared once. */
function changeFinder(surroundings: Surroundings): (one: CallerClass) => Change[] {
  const known = new Map<string, Change[]>();
  const overlaps = new Map<ClauseList, Map<string, Clause[]>>();
  const overlapping = (list: ClauseList, path: PathPattern, key: string): Clause[] => {
    const ofList = overlaps.get(list) ?? new Map<string, Clause[]>();
    overlaps.set(list, ofList);
    const found = ofList.get(key) ?? list.index.overlapping(path);
    ofList.set(key, found);
    return found;
  };
  return ({ before, after }) => {
    const differing = differingClauses(before, after);
    return differing.flatMap((clause) => {
      const path = pathText(clause.path);
      const near = (lists: readonly ClauseList[]): Clause[] => {
        const found = new Map(
          lists.flatMap((list) => overlapping(list, clause.path, path)).map((one) => [one.id, one]),
        );
        return [...found.values()].sort((a, b) => a.id - b.id);
      };
      const sides = [near(before), near(after)] as const;
      const key = `${clause.id}:${sides.map((side) => side.map(({ id }) => id).join()).join("|")}`;
      const changes = known.get(key) ?? changesWithin(clause, ...sides, surroundings);
      known.set(key, changes);
      return changes;
    });
  };
}

/** The clauses that one policy has for a class of callers and the other has not. */
function differingClauses(before: readonly ClauseList[], after: readonly ClauseList[]): Clause[] {
  const differing = new Map<number, Clause>();
  const isIn = (lists: readonly ClauseList[], id: number): boolean => lists.some(({ clauses }) => clauses.has(id));
  const collect = (from: readonly ClauseList[], to: readonly ClauseList[]): void => {
    for (const list of from) {
      // A list that both have holds nothing that differs.
      if (to.includes(list)) continue;
      for (const [id, clause] of list.clauses) if (!isIn(to, id)) differing.set(id, clause);
    }
  };
  collect(before, after);
  collect(after, before);
  return [...differing.values()];
}

/** Changes put together: the callers of each, then what has the same callers and hosts. */
class Cells {
  readonly #cells = new Map<string, { change: Change; verdict: string; hosts: string; callers: Set<number> }>();
  readonly #keys = new WeakMap<Change, { cell: string; verdict: string; hosts: string }>();

  add(change: Change, callers: readonly number[]): void {
    let keys = this.#keys.get(change);
    if (keys === undefined) {
      const hosts = [...change.hosts].sort((a, b) => a - b).join();
      keys = { cell: `${changeKey(change)} ${hosts}`, verdict: verdictKey(change.verdict), hosts };
      this.#keys.set(change, keys);
    }
    const cell = this.#cells.get(keys.cell);
    if (cell === undefined) this.#cells.set(keys.cell, { change, ...keys, callers: new Set(callers) });
    else for (const caller of callers) cell.callers.add(caller);
  }

  findings(family: Family, hosts: Family): Finding[] {
    const findings = new Map<string, Finding>();
    for (const { change, verdict, hosts: hostsKey, callers } of this.#cells.values()) {
      const key = `${verdict} ${hostsKey} ${[...callers].sort((a, b) => a - b).join()}`;
      const known = findings.get(key);
      if (known !== undefined) {
        known.endpoints.push(change.place);
        continue;
      }
      findings.set(key, {
        verdict: change.verdict,
        callers: family.name(callers),
        hosts: hosts.name(new Set(change.hosts)),
        endpoints: [change.place],
      });
    }
    return [...findings.values()].flatMap((finding) =>
      withoutClashes(withoutCovered(finding.endpoints)).map((endpoints) => ({ ...finding, endpoints })),
    );
  }
}

/** More places than this are all shown. */
const compared_max = 500;

/** Leaves out places that lie within another one as a whole. */
function withoutCovered(places: Place[]): Place[] {
  if (places.length > compared_max) return places;
  const isWithin = (inner: Place, outer: Place): boolean =>
    inner !== outer &&
    (outer.method === inner.method
      ? outer.exceptMethods.every((one) => inner.exceptMethods.includes(one))
      : admitsMethod(outer.method, inner.method) &&
        outer.method === "*" &&
        !outer.exceptMethods.some((one) => admitsMethod(one, inner.method))) &&
    outer.except.length === 0 &&
    pathCovers(outer.pattern, inner.pattern);
  return places.filter(
    (one, at) => !places.some((other, place) => isWithin(one, other) && (place < at || !isWithin(other, one))),
  );
}

/** Whether what is left out of a place is in another one: of both together it could not be said to be left out. */
function clashes(one: Place, other: Place): boolean {
  const isMet = (method: Method): boolean =>
    other.method === "*"
      ? !other.exceptMethods.includes(method)
      : admitsMethod(method, other.method) || admitsMethod(other.method, method);
  const isLeftOut = (path: string): boolean => other.except.some((left) => left.path === path);
  return (
    ((one.method === "*" || isMet(one.method)) &&
      one.except.some(({ path, pattern }) => !isLeftOut(path) && pathsMeet(pattern, other.pattern))) ||
    (one.exceptMethods.some(isMet) && pathsMeet(one.pattern, other.pattern))
  );
}

/** Parts a finding's places so that what one leaves out is in no other one of its part. */
function withoutClashes(places: readonly Place[]): Place[][] {
  const plain = places.filter(({ except, exceptMethods }) => except.length + exceptMethods.length === 0);
  const parts: Place[][] = plain.length === 0 ? [] : [plain];
  for (const place of places) {
    if (plain.includes(place)) continue;
    const part =
      places.length > compared_max
        ? undefined
        : parts.find((part) => part.every((other) => !clashes(place, other) && !clashes(other, place)));
    if (part === undefined) parts.push([place]);
    else part.push(place);
  }
  return parts;
}
