/** Many path patterns: which of them touch a given one. What regions they cut it into is in regions.ts. */
import {
  type Affix,
  afterOf,
  isAffix,
  type PathPattern,
  pathCovers,
  pathsMeet,
  type SegmentPattern,
  segmentCovers,
  segmentsMeet,
} from "../language/pathpattern.ts";
import { regexInPath } from "../language/regex.ts";

interface Entry<Value> {
  path: PathPattern;
  value: Value;
}

interface Child<Value> {
  segment: Affix;
  node: Node<Value>;
}

/** Texts around a variable or a star, of the same sizes before and after it: by the texts, so that few are looked at. */
interface Shape<Value> {
  prefix: number;
  suffix: number;
  children: Map<string, Child<Value>>;
}

interface Node<Value> {
  literals: Map<string, Node<Value>>;
  wildcard: Node<Value> | undefined;
  shapes: Map<string, Shape<Value>> | undefined;
  /** Of the patterns that end here, and of those that end here in a tail. */
  ends: Entry<Value>[];
  tails: Entry<Value>[];
  /** Of the patterns that have `/**` here and segments after it: those, from the last on. */
  backward: Node<Value> | undefined;
}

const emptyNode = <Value>(): Node<Value> => ({
  literals: new Map(),
  wildcard: undefined,
  shapes: undefined,
  ends: [],
  tails: [],
  backward: undefined,
});

function childOf<Value>(node: Node<Value>, segment: SegmentPattern): Node<Value> {
  if (segment === null) {
    node.wildcard ??= emptyNode();
    return node.wildcard;
  }
  if (!isAffix(segment)) {
    let next = node.literals.get(segment);
    if (next === undefined) {
      next = emptyNode();
      node.literals.set(segment, next);
    }
    return next;
  }
  const { prefix, suffix, least } = segment;
  node.shapes ??= new Map();
  const key = `${prefix.length} ${suffix.length} ${least}`;
  const shape = node.shapes.get(key) ?? { prefix: prefix.length, suffix: suffix.length, children: new Map() };
  node.shapes.set(key, shape);
  const child = shape.children.get(prefix + suffix) ?? { segment, node: emptyNode<Value>() };
  shape.children.set(prefix + suffix, child);
  return child.node;
}

/** Children whose segments hold all of one. */
function* covering<Value>(node: Node<Value>, segment: SegmentPattern): Generator<Node<Value>> {
  if (segment !== null) {
    const [before, after] = isAffix(segment) ? [segment.prefix, segment.suffix] : [segment, segment];
    const literal = isAffix(segment) ? undefined : node.literals.get(segment);
    if (literal !== undefined) yield literal;
    for (const { prefix, suffix, children } of node.shapes?.values() ?? []) {
      if (prefix > before.length || suffix > after.length) continue;
      const child = children.get(before.slice(0, prefix) + after.slice(after.length - suffix));
      if (child !== undefined && segmentCovers(child.segment, segment)) yield child.node;
    }
  }
  if (node.wildcard !== undefined) yield node.wildcard;
}

/** Children whose segments have one in common with a segment's pattern. */
function* meeting<Value>(node: Node<Value>, segment: SegmentPattern): Generator<Node<Value>> {
  if (segment !== null && !isAffix(segment)) {
    yield* covering(node, segment);
    return;
  }
  for (const [literal, next] of node.literals) if (segmentsMeet(segment, literal)) yield next;
  for (const { children } of node.shapes?.values() ?? []) {
    for (const child of children.values()) if (segmentsMeet(segment, child.segment)) yield child.node;
  }
  if (node.wildcard !== undefined) yield node.wildcard;
}

/** Values by path pattern. */
export class PathIndex<Value> {
  readonly #root: Node<Value> = emptyNode();

  add(path: PathPattern, value: Value): void {
    let node = this.#root;
    for (const segment of path.segments) node = childOf(node, segment);
    if (path.after === undefined) {
      (path.tail ? node.tails : node.ends).push({ path, value });
      return;
    }
    node.backward ??= emptyNode();
    node = node.backward;
    for (const segment of [...path.after].reverse()) node = childOf(node, segment);
    node.ends.push({ path, value });
  }

  /** The values of all patterns that have a path in common with this one. */
  overlapping(path: PathPattern): Value[] {
    const { segments, tail } = path;
    const ending = endingOf(path);
    const found: Value[] = [];
    const take = (entries: readonly Entry<Value>[]): void => {
      for (const entry of entries) if (pathsMeet(path, entry.path)) found.push(entry.value);
    };
    const all = (node: Node<Value>): void => {
      take(node.ends);
      take(node.tails);
      for (const next of meeting(node, null)) all(next);
      if (node.backward !== undefined) all(node.backward);
    };
    const back = (node: Node<Value>, taken: number): void => {
      if (taken === ending.length) {
        if (tail) all(node);
        else take(node.ends);
        return;
      }
      take(node.ends);
      for (const next of meeting(node, ending[taken]!)) back(next, taken + 1);
    };
    const walk = (node: Node<Value>, depth: number): void => {
      if (depth === segments.length && tail) {
        all(node);
        return;
      }
      take(node.tails);
      if (node.backward !== undefined) back(node.backward, 0);
      if (depth === segments.length) take(node.ends);
      else for (const next of meeting(node, segments[depth]!)) walk(next, depth + 1);
    };
    walk(this.#root, 0);
    return found;
  }

  /** The values of patterns that hold every path of this one, until `visit` returns true. */
  someCovering(path: PathPattern, visit: (value: Value) => boolean): boolean {
    const { segments, tail } = path;
    const ending = endingOf(path);
    const visitAll = (entries: readonly Entry<Value>[]): boolean =>
      entries.some((entry) => pathCovers(entry.path, path) && visit(entry.value));
    const back = (node: Node<Value>, taken: number): boolean => {
      if (visitAll(node.ends)) return true;
      const segment = taken < ending.length ? ending[taken]! : null;
      // What is open here can only be held by what is open there.
      if (taken >= ending.length && (!tail || taken >= ending.length + segments.length)) return false;
      for (const next of covering(node, segment)) if (back(next, taken + 1)) return true;
      return false;
    };
    const walk = (node: Node<Value>, depth: number): boolean => {
      if (visitAll(node.tails)) return true;
      if (node.backward !== undefined && back(node.backward, 0)) return true;
      if (depth === segments.length && !tail) return visitAll(node.ends);
      if (depth >= segments.length + afterOf(path).length) return false;
      const segment = depth < segments.length ? segments[depth]! : null;
      for (const next of covering(node, segment)) if (walk(next, depth + 1)) return true;
      return false;
    };
    return walk(this.#root, 0);
  }
}

/** The segments that all paths of a pattern end in, from the last on. */
function endingOf(path: PathPattern): SegmentPattern[] {
  return [...(path.tail ? afterOf(path) : path.segments)].reverse();
}

/**
 * A path as it is written in a policy.
 * @param names of variables, by the place of the segment that each stands in
 */
export function pathText(path: PathPattern, names?: ReadonlyMap<number, string>): string {
  const used = new Set(names?.values());
  const open = (place: number, least: number): string => {
    const name = names?.get(place);
    if (name !== undefined) return `{${name}}`;
    if (least === 0) return "*";
    let free = "x";
    while (used.has(free)) free += "x";
    used.add(free);
    return `{${free}}`;
  };
  const segmentText = (segment: SegmentPattern, place: number): string => {
    if (segment === null) return open(place, 0);
    if (!isAffix(segment)) return encoded(segment);
    // A star where the pattern has a variable would hold one segment more.
    const least = segment.least === 0 ? "*" : open(place, 1);
    return encoded(segment.prefix) + least + encoded(segment.suffix);
  };
  const after = afterOf(path);
  const parts = path.segments.map((segment, place) => unmistakable(segmentText(segment, place)));
  if (path.tail) parts.push("**");
  parts.push(...after.map((segment, place) => unmistakable(segmentText(segment, place - after.length))));
  return `/${parts.join("/")}`;
}

function encoded(text: string): string {
  return encodeURIComponent(text).replace(/\*/gu, "%2A").replace(/%3A/gu, ":").replace(/%40/gu, "@");
}

/** A segment whose characters cannot be taken for a regular expression. */
function unmistakable(text: string): string {
  if (regexInPath(`/${text}`) === undefined) return text;
  return text.replace(/[()]/gu, (one) => (one === "(" ? "%28" : "%29")).replace(/\.(?=\*)/gu, "%2E");
}
