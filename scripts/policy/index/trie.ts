/**
 * The endpoint index: tries of path segments, their equal parts shared. Each root is the trie of the rules that one
 * group of callers has for one host; roots of the same rules are one.
 */
import { type Affix, isAffix, type PathPattern, type SegmentPattern } from "../language/pathpattern.ts";
import type { Judged } from "./readings.ts";

/** A rule that ends at, or goes on from, a node. */
interface Entry {
  rule: number;
  /** A bit a method. */
  methods: number;
  /** As in `Target`. */
  binding: string;
}

/** A node while its trie is built. */
interface Growing {
  edges: Map<string, Growing> | undefined;
  wildcard: Growing | undefined;
  /** By the sizes of the text before and after a variable or a star, and whether that may be empty. */
  shapes: Map<string, GrowingShape> | undefined;
  /** The segments after `/**`, from the last on. */
  backward: Growing | undefined;
  ends: Entry[];
  tails: Entry[];
}

interface GrowingShape {
  prefixBytes: number;
  suffixBytes: number;
  leastBytes: number;
  edges: Map<string, Growing>;
}

/** The edges of a node whose segments have text of these sizes around a variable or a star. */
export interface TrieShape {
  prefixBytes: number;
  suffixBytes: number;
  /** The shortest segment that one of them leads along. */
  leastBytes: number;
  /** The text before and the text after, as one. */
  affixes: string[];
  children: number[];
}

/** A finished node. Nodes refer to each other by their place in `Tries.nodes`; children stand before their parents. */
export interface TrieNode {
  segments: string[];
  children: number[];
  /** -1: none. */
  wildcard: number;
  shapes: TrieShape[];
  /** The root of the segments after `/**`, from the last on; -1: none. Entries stand in `tails` there. */
  backward: number;
  ends: Entry[];
  tails: Entry[];
  /** No request visits more nodes from here. */
  mostVisits: number;
  /** No request has more rules to judge from here. */
  mostEntries: number;
  /** The conditions of no request cost more from here, in units of `condition_cost_max`. */
  mostCost: number;
}

/** An endpoint of a rule, its methods as bits. */
export interface Target {
  path: PathPattern;
  methods: number;
  /** For each path variable of the rule's condition where it stands (policy/layout.ts, ENTRIES), joined by commas; empty where it has none. */
  binding: string;
}

/** All tries of a policy. */
export class Tries {
  readonly nodes: TrieNode[] = [];
  private readonly known = new Map<string, number>();
  private readonly segmentNumbers = new Map<string, number>();

  /**
   * Adds the trie of some rules.
   * @param rules their numbers, ascending
   * @param targets a rule's endpoints
   * @param judgedOf what an endpoint of a rule counts for
   * @returns the root's place in `nodes`
   */
  add(
    rules: readonly number[],
    targets: (rule: number) => readonly Target[],
    judgedOf: (rule: number) => Judged,
  ): number {
    const root = growing();
    for (const rule of rules) {
      for (const target of targets(rule)) grow(root, rule, target);
    }
    return this.finish(root, judgedOf);
  }

  /** Children first, so that equal parts are found equal. */
  private finish(node: Growing, judgedOf: (rule: number) => Judged): number {
    const total = (all: Entry[], part: keyof Judged): number =>
      all.reduce((sum, { rule }) => sum + judgedOf(rule)[part], 0);
    const { ends, tails } = node;
    const edges = this.finishEdges(node.edges, judgedOf);
    const { most } = edges;
    let key = `${entriesKey(ends)};${entriesKey(tails)}${edges.key}`;
    // What else a segment leads to is visited beside the edge of its name.
    const add = (other: Most, extra: number): void => {
      most.visits += other.visits + extra;
      most.entries += other.entries;
      most.cost += other.cost;
    };
    let wildcard = -1;
    if (node.wildcard !== undefined) {
      wildcard = this.finish(node.wildcard, judgedOf);
      key += `;*${wildcard}`;
      add(this.mostOf(wildcard), 0);
    }
    const shapes: TrieShape[] = [];
    for (const { edges: growingEdges, ...sizes } of node.shapes?.values() ?? []) {
      const shape = this.finishEdges(growingEdges, judgedOf);
      key += `;${Object.values(sizes).join()}(${shape.key})`;
      // A shape takes a lookup of its own.
      add(shape.most, 1);
      shapes.push({ ...sizes, affixes: shape.segments, children: shape.children });
    }
    let backward = -1;
    if (node.backward !== undefined) {
      backward = this.finish(node.backward, judgedOf);
      key += `;/${backward}`;
      add(this.mostOf(backward), 0);
    }
    const found = this.known.get(key);
    if (found !== undefined) return found;
    const place = this.nodes.length;
    this.nodes.push({
      segments: edges.segments,
      children: edges.children,
      wildcard,
      shapes,
      backward,
      ends,
      tails,
      mostVisits: most.visits + 1,
      mostEntries: Math.max(most.entries, total(ends, "entries")) + total(tails, "entries"),
      mostCost: Math.max(most.cost, total(ends, "cost")) + total(tails, "cost"),
    });
    this.known.set(key, place);
    return place;
  }

  /** Edges of which a segment leads along one at the most. */
  private finishEdges(
    edges: ReadonlyMap<string, Growing> | undefined,
    judgedOf: (rule: number) => Judged,
  ): { segments: string[]; children: number[]; key: string; most: Most } {
    const segments: string[] = [];
    const children: number[] = [];
    const most: Most = { visits: 0, entries: 0, cost: 0 };
    let key = "";
    for (const [segment, child] of edges ?? []) {
      const place = this.finish(child, judgedOf);
      segments.push(segment);
      children.push(place);
      key += `;${this.segmentNumber(segment)}=${place}`;
      const { visits, entries, cost } = this.mostOf(place);
      most.visits = Math.max(most.visits, visits);
      most.entries = Math.max(most.entries, entries);
      most.cost = Math.max(most.cost, cost);
    }
    return { segments, children, key, most };
  }

  private mostOf(place: number): Most {
    const { mostVisits, mostEntries, mostCost } = this.nodes[place]!;
    return { visits: mostVisits, entries: mostEntries, cost: mostCost };
  }

  private segmentNumber(segment: string): number {
    const known = this.segmentNumbers.get(segment);
    if (known !== undefined) return known;
    const number = this.segmentNumbers.size;
    this.segmentNumbers.set(segment, number);
    return number;
  }
}

/** What a request meets from a place on, at the most. */
interface Most {
  visits: number;
  entries: number;
  cost: number;
}

function growing(): Growing {
  return { edges: undefined, wildcard: undefined, shapes: undefined, backward: undefined, ends: [], tails: [] };
}

/** The child that a segment of a pattern leads to. */
function childOf(node: Growing, segment: SegmentPattern): Growing {
  if (segment === null) {
    node.wildcard ??= growing();
    return node.wildcard;
  }
  if (!isAffix(segment)) node.edges ??= new Map();
  const edges = isAffix(segment) ? shapeOf(node, segment).edges : node.edges!;
  const text = isAffix(segment) ? segment.prefix + segment.suffix : segment;
  let child = edges.get(text);
  if (child === undefined) {
    child = growing();
    edges.set(text, child);
  }
  return child;
}

function shapeOf(node: Growing, { prefix, suffix, least }: Affix): GrowingShape {
  const prefixBytes = Buffer.byteLength(prefix);
  const suffixBytes = Buffer.byteLength(suffix);
  node.shapes ??= new Map();
  const key = `${prefixBytes} ${suffixBytes} ${least}`;
  let shape = node.shapes.get(key);
  if (shape === undefined) {
    shape = { prefixBytes, suffixBytes, leastBytes: prefixBytes + suffixBytes + least, edges: new Map() };
    node.shapes.set(key, shape);
  }
  return shape;
}

function grow(root: Growing, rule: number, { path, methods, binding }: Target): void {
  let node = root;
  for (const segment of path.segments) node = childOf(node, segment);
  if (path.after !== undefined) {
    node.backward ??= growing();
    node = node.backward;
    for (const segment of [...path.after].reverse()) node = childOf(node, segment);
  }
  const entries = path.tail ? node.tails : node.ends;
  const last = entries.at(-1);
  // Rules come one after the other, and so do endpoints of a rule with the same path and variables.
  if (last?.rule === rule && last.binding === binding) last.methods = (last.methods | methods) >>> 0;
  else entries.push({ rule, methods, binding });
}

function entriesKey(entries: Entry[]): string {
  let key = "";
  for (const { rule, methods, binding } of entries) key += `${rule}:${methods}:${binding}|`;
  return key;
}
