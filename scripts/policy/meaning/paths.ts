/** Many path patterns: which of them touch a given one, and into what regions they cut it. */
import type { PathPattern } from "./relations.ts";

interface Node<Value> {
  literals: Map<string, Node<Value>>;
  wildcard: Node<Value> | undefined;
  /** Of the patterns that end here, and of those that end here in a tail. */
  ends: Value[];
  tails: Value[];
}

const emptyNode = <Value>(): Node<Value> => ({ literals: new Map(), wildcard: undefined, ends: [], tails: [] });

/** Values by path pattern. */
export class PathIndex<Value> {
  readonly #root: Node<Value> = emptyNode();

  add({ segments, tail }: PathPattern, value: Value): void {
    let node = this.#root;
    for (const segment of segments) {
      let next = segment === null ? node.wildcard : node.literals.get(segment);
      if (next === undefined) {
        next = emptyNode();
        if (segment === null) node.wildcard = next;
        else node.literals.set(segment, next);
      }
      node = next;
    }
    (tail ? node.tails : node.ends).push(value);
  }

  /** The values of all patterns that have a path in common with this one. */
  overlapping({ segments, tail }: PathPattern): Value[] {
    const found: Value[] = [];
    const all = (node: Node<Value>): void => {
      found.push(...node.ends, ...node.tails);
      for (const next of node.literals.values()) all(next);
      if (node.wildcard !== undefined) all(node.wildcard);
    };
    const walk = (node: Node<Value>, depth: number): void => {
      if (depth === segments.length) {
        if (tail) all(node);
        else found.push(...node.ends, ...node.tails);
        return;
      }
      found.push(...node.tails);
      const segment = segments[depth]!;
      if (segment === null) for (const next of node.literals.values()) walk(next, depth + 1);
      else if (node.literals.has(segment)) walk(node.literals.get(segment)!, depth + 1);
      if (node.wildcard !== undefined) walk(node.wildcard, depth + 1);
    };
    walk(this.#root, 0);
    return found;
  }

  /** The values of patterns that hold every path of this one, until `visit` returns true. */
  someCovering({ segments, tail }: PathPattern, visit: (value: Value) => boolean): boolean {
    const walk = (node: Node<Value>, depth: number): boolean => {
      if (node.tails.some(visit)) return true;
      if (depth === segments.length) return !tail && node.ends.some(visit);
      const segment = segments[depth]!;
      const literal = segment === null ? undefined : node.literals.get(segment);
      if (literal !== undefined && walk(literal, depth + 1)) return true;
      return node.wildcard !== undefined && walk(node.wildcard, depth + 1);
    };
    return walk(this.#root, 0);
  }
}

/** A part of a pattern all of whose paths are in the same patterns. */
export interface PathRegion {
  /** The narrowest pattern around the part: its literal segments, wildcards for what is none of the others' literals. */
  path: PathPattern;
  /** Indices of the patterns that hold it. */
  members: number[];
}

/** More regions than this are not told apart: patterns that cross each other many times make exponentially many. */
const regions_max = 50_000;

/**
 * Cuts a pattern into the regions that others make of it. Every path of `within` is in exactly one region.
 * @returns undefined when there are too many
 */
export function regionsOf(within: PathPattern, patterns: readonly PathPattern[]): PathRegion[] | undefined {
  const regions: PathRegion[] = [];
  const lengthOf = (index: number): number => patterns[index]!.segments.length;
  const isTail = (index: number): boolean => patterns[index]!.tail;
  const add = (segments: (string | null)[], tail: boolean, members: number[]): void => {
    regions.push({ path: { segments, tail }, members });
  };

  /** @param active the patterns that begin with the prefix, or have ended in a tail within it */
  const walk = (prefix: (string | null)[], active: number[]): void => {
    if (regions.length > regions_max) return;
    const depth = prefix.length;
    const isOpen = within.tail && depth >= within.segments.length;
    const tails = active.filter((index) => isTail(index) && lengthOf(index) <= depth);
    const ends = active.filter((index) => !isTail(index) && lengthOf(index) === depth);
    const longer = active.filter((index) => lengthOf(index) > depth);
    if (isOpen && longer.length === 0) {
      // From here on nothing tells one path from another, save where a pattern ends here without a tail.
      if (ends.length === 0) add(prefix, true, tails);
      else {
        add(prefix, false, [...tails, ...ends]);
        add([...prefix, null], true, tails);
      }
      return;
    }
    if (isOpen || depth === within.segments.length) add(prefix, false, [...tails, ...ends]);
    if (!isOpen && depth === within.segments.length) return;
    const byLiteral = new Map<string, number[]>();
    const wild = [...tails];
    for (const index of longer) {
      const segment = patterns[index]!.segments[depth]!;
      if (segment === null) wild.push(index);
      else if (byLiteral.has(segment)) byLiteral.get(segment)!.push(index);
      else byLiteral.set(segment, [index]);
    }
    const own = isOpen ? null : within.segments[depth]!;
    if (own !== null) {
      walk([...prefix, own], [...wild, ...(byLiteral.get(own) ?? [])]);
      return;
    }
    for (const [literal, indices] of byLiteral) walk([...prefix, literal], [...wild, ...indices]);
    walk([...prefix, null], wild);
  };
  walk([], [...patterns.keys()]);
  return regions.length > regions_max ? undefined : regions;
}

/**
 * A path as it is written in a policy.
 * @param names of wildcards, by segment
 */
export function pathText({ segments, tail }: PathPattern, names?: ReadonlyMap<number, string>): string {
  const parts = segments.map((segment, place) => {
    if (segment !== null)
      return encodeURIComponent(segment).replace(/\*/gu, "%2A").replace(/%3A/gu, ":").replace(/%40/gu, "@");
    const name = names?.get(place);
    return name === undefined ? "*" : `{${name}}`;
  });
  if (tail) parts.push("**");
  return `/${parts.join("/")}`;
}
