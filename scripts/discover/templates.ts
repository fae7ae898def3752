/**
 * Path templates from paths: which names at a place are values. Values of a known form come marked as such (`{number}`); names that
 * are too many to be told apart (slugs, user names) are found here, by the rule of docs/discover.md. The paths of one host are a tree.
 */
import { encodeName, kindOf, type VariableKind, variableName } from "./names.ts";

/** More names than this at one place may be values. */
export const slug_names_min = 50;
/** More names than this at one place are values, however often each is asked for. */
export const slug_names_many = 500;
/** Fewer names than that are values where half of them have at most so many requests on a day on which they have any. */
export const slug_requests_max = 10;
/** The share of the names that has to have what one of them has, so that this one is like the others. */
const slug_alike_share = 0.1;
/** A name with such a share of a place's requests stays a name. */
const slug_own_share = 0.2;
/** Steps that are spent on a path which the tree was not made from. */
const search_steps_max = 256;

/** Names that stand for no thing of their own among things: they stay names. */
const words_of_apis = new Set(
  "me self current latest default new all search query lookup count counts stats summary export import bulk batch health status version versions metrics login logout".split(
    " ",
  ),
);

/** A name, decoded, or what stands for any one segment. */
export type TemplateSegment = string | TemplateVariable;

export interface TemplateVariable {
  /** As it stands between the braces. */
  variable: string;
  /** What was seen in its place, in order; empty for one of a policy or a document that nobody used. */
  kinds: readonly VariableKind[];
}

const no_kinds: ReadonlySet<VariableKind> = new Set();
const no_methods: ReadonlySet<string> = new Set();
/** What most nodes have none of is made when it is needed: logs have hundreds of thousands of paths. */
const nothing: ReadonlyMap<string, PathNode> = new Map();

class PathNode {
  #names: Map<string, PathNode> | undefined;
  /** Where there are values. */
  variable: PathNode | undefined;
  /** What `variable` stands for. */
  kinds: ReadonlySet<VariableKind> = no_kinds;
  /** How the variable is called. */
  called = "";
  /** Methods of requests that end here. */
  methods: ReadonlySet<string> = no_methods;
  requests = 0;
  /** A bit for each day with requests. */
  days = 0n;

  get names(): ReadonlyMap<string, PathNode> {
    return this.#names ?? nothing;
  }

  setName(name: string, node: PathNode): void {
    this.#names ??= new Map();
    this.#names.set(name, node);
  }

  deleteName(name: string): void {
    this.#names?.delete(name);
  }

  addKind(kind: VariableKind): void {
    if (!this.kinds.has(kind)) this.kinds = new Set([...this.kinds, kind]);
  }

  addMethod(method: string): void {
    if (!this.methods.has(method)) this.methods = new Set([...this.methods, method]);
  }
}

/** The paths of one host. */
export class PathTree {
  readonly #root = new PathNode();

  /** Adds requests. @param day the number of the day, from 0 */
  add(segments: readonly string[], method: string, count: number, day: number): void {
    let node = this.#root;
    const bit = bitOf(day);
    for (const segment of segments) {
      const kind = valueKind(segment);
      let next: PathNode;
      if (kind === undefined) {
        next = node.names.get(segment) ?? new PathNode();
        if (next.requests === 0) node.setName(segment, next);
      } else {
        node.addKind(kind);
        node.variable ??= new PathNode();
        next = node.variable;
      }
      next.requests += count;
      next.days |= bit;
      node = next;
    }
    node.addMethod(method);
  }

  /** Finds the names that are values, once all requests are there. */
  infer(): void {
    const open: { node: PathNode; before: string | undefined; taken: ReadonlySet<string> }[] = [
      { node: this.#root, before: undefined, taken: new Set() },
    ];
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      const { node, before, taken } = place;
      for (const name of slugsOf(node)) {
        const child = node.names.get(name)!;
        node.deleteName(name);
        node.addKind("name");
        node.variable = node.variable === undefined ? child : merge(node.variable, child);
      }
      for (const [name, child] of node.names) open.push({ node: child, before: name, taken });
      if (node.variable === undefined) continue;
      node.called = variableName(before, node.kinds, taken);
      open.push({ node: node.variable, before: undefined, taken: new Set([...taken, node.called]) });
    }
  }

  /**
   * The template of a path; undefined where the tree has none.
   * @param isLoose whether a variable also stands for what was never seen in its place: for requests that were not let in
   */
  find(segments: readonly string[], isLoose = false): TemplateSegment[] | undefined {
    const open: { node: PathNode; template: TemplateSegment[] }[] = [{ node: this.#root, template: [] }];
    for (let steps = 0; steps < search_steps_max + segments.length; steps++) {
      const place = open.pop();
      if (place === undefined) return undefined;
      const { node, template } = place;
      if (template.length === segments.length) {
        if (node.methods.size > 0) return template;
        continue;
      }
      const segment = segments[template.length]!;
      const kind = valueKind(segment);
      const { variable } = node;
      const stands = kind === undefined ? node.kinds.has("name") : node.kinds.has(kind);
      // At the beginning of a path anything may stand, and where only values of no form were seen too: a scanner's path is not one of those.
      const mayStand = isLoose && template.length > 0 && (node.kinds.size > 1 || !node.kinds.has("other"));
      if (variable !== undefined && segment !== "" && (stands || mayStand))
        open.push({
          node: variable,
          template: [...template, { variable: node.called, kinds: [...node.kinds].sort() }],
        });
      const named = kind === undefined ? node.names.get(segment) : undefined;
      if (named !== undefined) open.push({ node: named, template: [...template, segment] });
    }
    return undefined;
  }
}

/** The kind of a segment that is a value, or that no policy could name. An empty one is a name: a slash at the end, or two. */
function valueKind(segment: string): VariableKind | undefined {
  if (segment === "") return undefined;
  return kindOf(segment) ?? (encodeName(segment) === undefined ? "other" : undefined);
}

function merge(into: PathNode, from: PathNode): PathNode {
  const open: [PathNode, PathNode][] = [[into, from]];
  for (let pair = open.pop(); pair !== undefined; pair = open.pop()) {
    const [one, other] = pair;
    one.requests += other.requests;
    one.days |= other.days;
    for (const method of other.methods) one.addMethod(method);
    for (const kind of other.kinds) one.addKind(kind);
    if (other.variable !== undefined) {
      if (one.variable === undefined) one.variable = other.variable;
      else open.push([one.variable, other.variable]);
    }
    for (const [name, child] of other.names) {
      const mine = one.names.get(name);
      if (mine === undefined) one.setName(name, child);
      else open.push([mine, child]);
    }
  }
  return into;
}

/** The names at a place that are values; none where it has few, or where they are not alike. */
function slugsOf(node: PathNode): string[] {
  if (node.names.size <= slug_names_min) return [];
  const candidates = [...node.names].filter(([name, child]) => mayBeValue(name, child));
  if (candidates.length <= slug_names_min) return [];
  // What stands behind a name counts by its own name where others have it too, and as anything where they do not.
  const next = tally(candidates.flatMap(([, child]) => [...child.names.keys()]));
  const least = candidates.length * slug_alike_share;
  const features = candidates.map(([, child]) => {
    const behind = [...child.names.keys()].map((name) => (next.get(name)! >= least ? `/${name}` : "/*"));
    return new Set([...child.methods, ...behind]);
  });
  const common = tally(features.flatMap((one) => [...one]));
  const alike = candidates.filter((_, at) => [...features[at]!].every((feature) => common.get(feature)! >= least));
  if (alike.length <= slug_names_min) return [];
  if (alike.length <= slug_names_many) {
    const rates = alike.map(([, { requests, days }]) => requests / bits(days)).sort((a, b) => a - b);
    if (rates[Math.floor((rates.length - 1) / 2)]! > slug_requests_max) return [];
  }
  const all = alike.reduce((sum, [, { requests }]) => sum + requests, 0);
  return alike.filter(([, { requests }]) => requests < all * slug_own_share).map(([name]) => name);
}

/** A name before a number is a collection's (`/orders/7`), and one with several capitals a procedure's (`/GetUser`). */
function mayBeValue(name: string, child: PathNode): boolean {
  if (name === "" || child.variable !== undefined || words_of_apis.has(name.toLowerCase())) return false;
  return !/^[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+$/u.test(name);
}

function tally(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

const day_bits: bigint[] = [];

function bitOf(day: number): bigint {
  day_bits[day] ??= 1n << BigInt(day);
  return day_bits[day];
}

function bits(set: bigint): number {
  let count = 0;
  for (let rest = set; rest !== 0n; rest &= rest - 1n) count++;
  return Math.max(count, 1);
}
