/**
 * The endpoint index: tries of path segments, their equal parts shared. Each root is the trie of the rules that one
 * group of callers has for one host; roots of the same rules are one.
 */
import type { Endpoint } from "../language/endpoint.ts";

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
  ends: Entry[];
  tails: Entry[];
}

/** A finished node. Nodes refer to each other by their place in `Tries.nodes`; children stand before their parents. */
export interface TrieNode {
  segments: string[];
  children: number[];
  /** -1: none. */
  wildcard: number;
  ends: Entry[];
  tails: Entry[];
  /** No request visits more nodes from here. */
  mostVisits: number;
  /** A request that takes this node's path exactly has at least so many rules to judge. */
  mostEntries: number;
  /** The conditions of no request cost more from here, in units of `condition_cost_max`. */
  mostCost: number;
}

/** An endpoint of a rule, its methods as bits. */
export interface Target {
  path: Pick<Endpoint, "segments" | "tail">;
  methods: number;
  /** For each path variable of the rule's condition the index of its segment, joined by commas; empty where it has none. */
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
   * @param costOf what a rule's condition may cost
   * @returns the root's place in `nodes`
   */
  add(
    rules: readonly number[],
    targets: (rule: number) => readonly Target[],
    costOf: (rule: number) => number,
  ): number {
    const root = growing();
    for (const rule of rules) {
      for (const target of targets(rule)) grow(root, rule, target);
    }
    return this.finish(root, costOf);
  }

  /** Children first, so that equal parts are found equal. */
  private finish(node: Growing, costOf: (rule: number) => number): number {
    const segments: string[] = [];
    const children: number[] = [];
    let key = `${entriesKey(node.ends)};${entriesKey(node.tails)}`;
    let visits = 0;
    let entries = node.ends.length;
    const costs = (all: Entry[]): number => all.reduce((sum, { rule }) => sum + costOf(rule), 0);
    let onwards = 0;
    for (const [segment, child] of node.edges ?? []) {
      const place = this.finish(child, costOf);
      segments.push(segment);
      children.push(place);
      key += `;${this.segmentNumber(segment)}=${place}`;
      visits = Math.max(visits, this.nodes[place]!.mostVisits);
      entries = Math.max(entries, this.nodes[place]!.mostEntries);
      onwards = Math.max(onwards, this.nodes[place]!.mostCost);
    }
    let wildcard = -1;
    if (node.wildcard !== undefined) {
      wildcard = this.finish(node.wildcard, costOf);
      key += `;*${wildcard}`;
      visits += this.nodes[wildcard]!.mostVisits;
      entries = Math.max(entries, this.nodes[wildcard]!.mostEntries);
      onwards += this.nodes[wildcard]!.mostCost;
    }
    const found = this.known.get(key);
    if (found !== undefined) return found;
    const place = this.nodes.length;
    const { ends, tails } = node;
    this.nodes.push({
      segments,
      children,
      wildcard,
      ends,
      tails,
      mostVisits: visits + 1,
      mostEntries: entries + tails.length,
      mostCost: Math.max(costs(ends), onwards) + costs(tails),
    });
    this.known.set(key, place);
    return place;
  }

  private segmentNumber(segment: string): number {
    const known = this.segmentNumbers.get(segment);
    if (known !== undefined) return known;
    const number = this.segmentNumbers.size;
    this.segmentNumbers.set(segment, number);
    return number;
  }
}

function growing(): Growing {
  return { edges: undefined, wildcard: undefined, ends: [], tails: [] };
}

function grow(root: Growing, rule: number, { path, methods, binding }: Target): void {
  let node = root;
  for (const segment of path.segments) {
    let child: Growing | undefined;
    if (segment === null) {
      child = node.wildcard ?? growing();
      node.wildcard = child;
    } else {
      node.edges ??= new Map();
      child = node.edges.get(segment);
      if (child === undefined) {
        child = growing();
        node.edges.set(segment, child);
      }
    }
    node = child;
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
