/**
 * Where the access of one class of callers differs within the reach of one clause: the clause's hosts, methods and paths
 * are cut into regions in which every request meets the same clauses of both policies, and each is judged by itself.
 */
import { methodsOf } from "../language/endpoint.ts";
import { type PathPattern, pathCovers } from "../language/pathpattern.ts";
import { isCallMethod } from "../language/protocols.ts";
import { type Access, accessOf, compareAccess, type Difference } from "./access.ts";
import type { Clause } from "./clauses.ts";
import type { Family } from "./hierarchy.ts";
import { PathIndex, pathText } from "./paths.ts";
import { type PathRegion, regionsOf } from "./regions.ts";
import { admitsMethod, deniesMethod, type Method } from "./relations.ts";

/** A difference and what it is between. */
export interface Verdict {
  difference: Exclude<Difference, "same">;
  before: Access;
  after: Access;
  /** The patterns cross each other too often to be told apart: there may be less to it. */
  isUnsure: boolean;
}

/** Paths, as they are written, and as a pattern. */
interface Paths {
  path: string;
  pattern: PathPattern;
}

/** One method and one path, without some that lie in it. */
export interface Place extends Paths {
  method: Method;
  /** Paths for which it is not so. */
  except: Paths[];
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
  const cuts = patterns.map(({ path }) => path);
  const regions = regionsOf(clause.path, cuts);
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
    for (const change of placesOf(clause, methods, regions ?? [everywhere], cuts, verdicts)) {
      const key = changeKey(change);
      const known = changes.get(key);
      if (known === undefined) changes.set(key, { ...change, hosts: [...alike] });
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
  return action === "deny" ? deniesMethod(method, asked) : admitsMethod(method, asked);
}

/** The methods in the reach of a clause that clauses tell apart. */
function methodsWithin(clause: Clause, all: readonly Clause[], { respelled }: Surroundings): Method[] {
  const spellings = (action: Clause["action"], named: Method): Method[] =>
    methodsOf(named).flatMap((method) => {
      const other = action === "deny" ? respelled.get(method) : undefined;
      return other === undefined ? [method] : [method, other];
    });
  if (clause.method !== "*") return spellings(clause.action, clause.method);
  const methods = new Set<Method>();
  for (const { action, method } of all) {
    if (isCallMethod(method)) continue;
    for (const one of spellings(action, method)) methods.add(one);
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
  patterns: readonly PathPattern[],
  verdicts: readonly (readonly (Verdict | undefined)[])[],
): { verdict: Verdict; place: Place }[] {
  /** By verdict and paths, the methods they are the same for. */
  const found = new Map<string, { verdict: Verdict; words: ReturnType<typeof describe>[number]; methods: Method[] }>();
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
      for (const words of describe(clause, regions, patterns, chosen)) {
        const placeKey = `${key} ${words.path} ${words.except.map(({ path }) => path).join()}`;
        const known = found.get(placeKey);
        if (known === undefined) found.set(placeKey, { verdict, words, methods: [method] });
        else known.methods.push(method);
      }
    }
  }
  return [...found.values()].flatMap(({ verdict, words, methods: chosen }) =>
    nameMethods(chosen, methods).map((named) => ({ verdict, place: { ...words, ...named } })),
  );
}

/** Names a choice of methods as policies do: an endpoint for GET is for HEAD, too. */
function nameMethods(chosen: readonly Method[], all: readonly Method[]): Pick<Place, "method" | "exceptMethods">[] {
  const isWhole = (method: Method): boolean =>
    methodsOf(method).every((one) => chosen.includes(one) || !all.includes(one));
  const isSaid = (method: Method): boolean => method === "HEAD" && chosen.includes("GET");
  const rest = all.filter((method) => !chosen.includes(method));
  const others = rest.filter((method) => method !== "HEAD" || !rest.includes("GET"));
  if (chosen.includes(other_methods)) {
    const everything = { method: other_methods, exceptMethods: others };
    const isHidden = others.includes("GET") && chosen.includes("HEAD");
    return isHidden ? [everything, { method: "HEAD", exceptMethods: [] }] : [everything];
  }
  return chosen
    .filter((method) => !isSaid(method))
    .map((method) => ({
      method,
      exceptMethods: isWhole(method) ? [] : methodsOf(method).filter((one) => one !== method),
    }));
}

/** Regions in few words. */
interface Name {
  path: PathPattern;
  /** Undefined for a pattern of the policies, which is exactly its regions; else the region. */
  region: number | undefined;
}

/** Names regions by the patterns of the policies that consist of nothing else, and by themselves where there is none. */
function nameRegions(
  within: PathPattern,
  regions: readonly PathRegion[],
  patterns: readonly PathPattern[],
  isChosen: (region: number) => boolean,
): Name[] {
  const mixed = new Set<number>();
  const met = new Set<number>();
  for (const [region, { members }] of regions.entries()) {
    for (const member of members) (isChosen(region) ? met : mixed).add(member);
  }
  const whole = [...met].filter((member) => !mixed.has(member) && pathCovers(within, patterns[member]!));
  const used = new Set<number>();
  const names: Name[] = [];
  const isWide = new Set(whole);
  for (const [region, { path, members }] of regions.entries()) {
    if (!isChosen(region)) continue;
    const widest = members.filter((member) => isWide.has(member));
    if (widest.length === 0) names.push({ path, region });
    else {
      const first = widest.reduce((best, member) => (pathCovers(patterns[member]!, patterns[best]!) ? member : best));
      if (!used.has(first)) names.push({ path: patterns[first]!, region: undefined });
      used.add(first);
    }
  }
  return names;
}

/** Names a choice of regions: the clause's own path without the others, or the chosen ones, whichever is shorter. */
function describe(
  { path, names }: Clause,
  regions: readonly PathRegion[],
  patterns: readonly PathPattern[],
  chosen: readonly number[],
): Pick<Place, "path" | "pattern" | "except">[] {
  const written = (pattern: PathPattern): Paths => ({ path: pathText(pattern, names), pattern });
  if (chosen.length === regions.length) return [{ ...written(path), except: [] }];
  const isChosen = new Set(chosen);
  const own = new PathIndex<number>();
  const others = new PathIndex<number>();
  for (const [region, one] of regions.entries()) (isChosen.has(region) ? own : others).add(one.path, region);
  const inner = nameRegions(path, regions, patterns, (region) => isChosen.has(region));
  const outer = nameRegions(path, regions, patterns, (region) => !isChosen.has(region));
  /** Indices of the regions of an index whose text lies within that of a region. */
  const within = (index: PathIndex<number>, pattern: PathPattern): number[] =>
    index.overlapping(pattern).filter((region) => pathCovers(pattern, regions[region]!.path));
  // A region's text may hold others that are told apart from it; such a text cannot be excepted.
  const isExact = outer.every(({ path, region }) => region === undefined || within(own, path).length === 0);
  if (isExact && outer.length <= inner.length)
    return [{ ...written(path), except: outer.map((one) => written(one.path)) }];
  return inner.map((one) => ({
    ...written(one.path),
    except: one.region === undefined ? [] : within(others, one.path).map((other) => written(regions[other]!.path)),
  }));
}
