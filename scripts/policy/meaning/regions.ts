/**
 * Where the access of one class of callers differs within the reach of one clause: the clause's hosts, methods and paths
 * are cut into regions in which every request meets the same clauses of both policies, and each is judged by itself.
 */
import { type Access, accessOf, compareAccess, type Difference } from "./access.ts";
import type { Clause } from "./clauses.ts";
import type { Family } from "./nesting.ts";
import { PathIndex, type PathRegion, pathText, regionsOf } from "./paths.ts";
import { deniesMethod, type Method, type PathPattern, pathCovers } from "./relations.ts";

/** A difference and what it is between. */
export interface Verdict {
  difference: Exclude<Difference, "same">;
  before: Access;
  after: Access;
  /** The patterns cross each other too often to be told apart: there may be less to it. */
  isUnsure: boolean;
}

/** One method and one path, without some that lie in it. */
export interface Place {
  method: Method;
  path: string;
  /** Paths for which it is not so. */
  except: string[];
  /** Methods for which it is not so, where `method` is "*". */
  exceptMethods: string[];
}

/** A difference at hosts (members of the family of hosts) and a place. */
export interface Change {
  verdict: Verdict;
  hosts: number[];
  place: Place;
}

/** What the regions are made from. */
export interface Surroundings {
  hosts: Family;
  /** A spelling of a denied method that no rule names, by the method as it is denied. */
  respelled: ReadonlyMap<Method, Method>;
}

/** Methods that no rule names. */
const other_methods = "*";

/**
 * Compares access within the reach of a clause.
 * @param before the clauses of the older policy that overlap it in path
 */
export function changesWithin(
  clause: Clause,
  before: readonly Clause[],
  after: readonly Clause[],
  surroundings: Surroundings,
): Change[] {
  const { hosts } = surroundings;
  const own = hosts.find(clause.host)!;
  const hostOf = (other: Clause): number => hosts.find(other.host)!;
  const isNear = (other: Clause): boolean => hosts.isWithin(hostOf(other), own) || hosts.isWithin(own, hostOf(other));
  const sides: [Clause[], Clause[]] = [before.filter(isNear), after.filter(isNear)];
  const all = sides.flat();
  const methods = methodsWithin(clause, all, surroundings);
  const inner = new Set([own, ...all.map(hostOf).filter((host) => hosts.isWithin(host, own))]);
  const paths = new Map<string, { path: PathPattern; clauses: [Clause[], Clause[]] }>();
  for (const [side, clauses] of sides.entries()) {
    for (const one of clauses) {
      const key = pathText(one.path);
      const known = paths.get(key) ?? { path: one.path, clauses: [[], []] };
      known.clauses[side]!.push(one);
      paths.set(key, known);
    }
  }
  const patterns = [...paths.values()];
  const regions = regionsOf(
    clause.path,
    patterns.map(({ path }) => path),
  );
  const named = new Map([...paths.keys()].map((text, place) => [text, place]));
  const everywhere: PathRegion = { path: clause.path, members: [named.get(pathText(clause.path)) ?? -1] };
  const judge = verdictMaker();
  const changes = new Map<string, Change>();
  for (const host of inner) {
    const isHere = (one: Clause): boolean => hosts.isWithin(host, hostOf(one));
    const verdicts = methods.map((method) =>
      (regions ?? [everywhere]).map(({ members }) => {
        if (regions === undefined) return judge(sides[0].filter(isHere), sides[1].filter(isHere), true);
        const meet = (side: 0 | 1): Clause[] =>
          members.flatMap((member) =>
            patterns[member]!.clauses[side].filter((one) => isHere(one) && hasMethod(one, method)),
          );
        return judge(meet(0), meet(1), false);
      }),
    );
    // Hosts in it that no clause here tells apart from it go with it.
    const alike = hosts.inside(host, (other) => inner.has(other));
    for (const change of placesOf(clause, methods, regions ?? [everywhere], verdicts)) {
      const key = changeKey(change);
      const known = changes.get(key);
      if (known === undefined) changes.set(key, { ...change, hosts: alike });
      else known.hosts.push(...alike);
    }
  }
  return [...changes.values()];
}

/** The same text for equal differences at equal places. */
export function changeKey({ verdict, place }: Pick<Change, "verdict" | "place">): string {
  const { method, path, except, exceptMethods } = place;
  return `${verdictKey(verdict)} ${method} ${path} ${except.join()} ${exceptMethods.join()}`;
}

function hasMethod({ action, method }: Clause, asked: Method): boolean {
  return action === "deny" ? deniesMethod(method, asked) : method === "*" || method === asked;
}

/** The methods in the reach of a clause that clauses tell apart. */
function methodsWithin(clause: Clause, all: readonly Clause[], { respelled }: Surroundings): Method[] {
  const spellings = (method: Method): Method[] => {
    const other = respelled.get(method);
    return other === undefined ? [method] : [method, other];
  };
  if (clause.method !== "*") return clause.action === "deny" ? spellings(clause.method) : [clause.method];
  const methods = new Set<Method>();
  for (const { action, method } of all) {
    for (const one of action === "deny" ? spellings(method) : [method]) methods.add(one);
  }
  methods.add(other_methods);
  return [...methods];
}

/** Judges sets of clauses; equal sets have one verdict. */
function verdictMaker(): (before: Clause[], after: Clause[], isUnsure: boolean) => Verdict | undefined {
  const known = new Map<string, Verdict | undefined>();
  const access = (clauses: Clause[]): Access => {
    const of = (wanted: Clause["action"]) =>
      clauses.filter(({ action }) => action === wanted).map(({ conditions }) => conditions);
    return accessOf(of("allow"), of("deny"));
  };
  const idsOf = (clauses: Clause[]): string => clauses.map(({ id }) => id).join();
  return (before, after, isUnsure) => {
    const key = `${idsOf(before)}|${idsOf(after)}`;
    if (known.has(key)) return known.get(key);
    const [was, is] = [access(before), access(after)];
    const difference = isUnsure ? "changed" : compareAccess(was, is);
    const verdict = difference === "same" ? undefined : { difference, before: was, after: is, isUnsure };
    known.set(key, verdict);
    return verdict;
  };
}

/** The same text for verdicts that say the same. */
export function verdictKey({ difference, before, after, isUnsure }: Verdict): string {
  return JSON.stringify([difference, before, after, isUnsure]);
}

/** Joins regions with the same verdict into places. */
function placesOf(
  clause: Clause,
  methods: readonly Method[],
  regions: readonly PathRegion[],
  verdicts: readonly (readonly (Verdict | undefined)[])[],
): { verdict: Verdict; place: Place }[] {
  /** By verdict and paths, the methods they are the same for. */
  const found = new Map<string, { verdict: Verdict; path: string; except: string[]; methods: Method[] }>();
  for (const [at, method] of methods.entries()) {
    const byVerdict = new Map<string, { verdict: Verdict; chosen: number[] }>();
    for (const [region, verdict] of verdicts[at]!.entries()) {
      if (verdict === undefined) continue;
      const key = verdictKey(verdict);
      const known = byVerdict.get(key);
      if (known === undefined) byVerdict.set(key, { verdict, chosen: [region] });
      else known.chosen.push(region);
    }
    for (const [key, { verdict, chosen }] of byVerdict) {
      for (const { path, except } of describe(clause, regions, chosen)) {
        const placeKey = `${key} ${path} ${except.join()}`;
        const known = found.get(placeKey);
        if (known === undefined) found.set(placeKey, { verdict, path, except, methods: [method] });
        else known.methods.push(method);
      }
    }
  }
  return [...found.values()].flatMap(({ verdict, path, except, methods: chosen }) => {
    if (!chosen.includes(other_methods)) {
      const spelled = chosen.filter(
        (method) => method === method.toUpperCase() || !chosen.includes(method.toUpperCase()),
      );
      return spelled.map((method) => ({ verdict, place: { method, path, except, exceptMethods: [] } }));
    }
    const exceptMethods = methods.filter((method) => !chosen.includes(method));
    return [{ verdict, place: { method: other_methods, path, except, exceptMethods } }];
  });
}

/** Names a choice of regions: the clause's own path if all are chosen, else the widest of them and what is left out. */
function describe(
  { path, names }: Clause,
  regions: readonly PathRegion[],
  chosen: readonly number[],
): { path: string; except: string[] }[] {
  const text = (pattern: PathPattern): string => pathText(pattern, names);
  if (chosen.length === regions.length) return [{ path: text(path), except: [] }];
  const own = new PathIndex<number>();
  const others = new PathIndex<number>();
  const isChosen = new Set(chosen);
  for (const [region, one] of regions.entries()) (isChosen.has(region) ? own : others).add(one.path, region);
  const pathOf = (region: number): PathPattern => regions[region]!.path;
  // A region may lie within the text of another without being part of it; it is left out only where nothing else is near.
  const widest = chosen.filter(
    (region) =>
      others.someCovering(pathOf(region), () => true) ||
      !own.someCovering(pathOf(region), (other) => other !== region && !sameText(pathOf(other), pathOf(region))),
  );
  return widest.map((region) => {
    const within = others.overlapping(pathOf(region)).filter((other) => pathCovers(pathOf(region), pathOf(other)));
    const outer = new PathIndex<number>();
    for (const other of within) outer.add(pathOf(other), other);
    const except = within.filter((other) => !outer.someCovering(pathOf(other), (one) => one !== other));
    return { path: text(pathOf(region)), except: except.map((other) => text(pathOf(other))) };
  });
}

function sameText(a: PathPattern, b: PathPattern): boolean {
  return pathCovers(a, b) && pathCovers(b, a);
}
