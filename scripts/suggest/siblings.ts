/**
 * What a variable would let in beside what was seen: `/orders/{orderId}` is `/orders/export` too, which is an endpoint of its own where
 * the log has it. Who was not seen there is kept out by a condition.
 */
import type { TemplateSegment } from "../discover/templates.ts";
import { asksNoMore, type Grant } from "./grants.ts";
import { addTo } from "./lists.ts";

/** Endpoints that one grant may keep out; more of them beside a variable are no endpoints that a person would tell apart. */
const siblings_max = 200;
/** So many places of the tree are looked at for one grant: a log that was made for it would take hours otherwise. */
const places_max = 2_000;
/** Characters of a condition at the most: far from what a policy has room for. */
const condition_characters_max = 6000;

/** What a request is for. */
type Called = Pick<Grant, "host" | "method" | "segments">;

class Node {
  readonly names = new Map<string, Node>();
  variable: Node | undefined;
  /** Of the endpoint that ends here. */
  grants: Grant[] | undefined;
  segments: readonly TemplateSegment[] = [];
}

/** All endpoints, found by what a template holds of them. */
export class Siblings {
  /** By method and number of segments, then by host. */
  readonly #roots = new Map<string, Map<string, Node>>();

  /** @param endpoints also those that nobody was let do */
  constructor(grants: readonly Grant[], endpoints: readonly Called[]) {
    for (const endpoint of endpoints) this.#nodeOf(endpoint);
    for (const grant of grants) this.#nodeOf(grant).grants!.push(grant);
  }

  #nodeOf(called: Called): Node {
    const key = rootOf(called);
    const hosts = this.#roots.get(key) ?? new Map<string, Node>();
    this.#roots.set(key, hosts);
    let node = hosts.get(called.host) ?? new Node();
    hosts.set(called.host, node);
    for (const segment of called.segments) {
      let next = typeof segment === "string" ? node.names.get(segment) : node.variable;
      next ??= new Node();
      if (typeof segment === "string") node.names.set(segment, next);
      else node.variable = next;
      node = next;
    }
    node.segments = called.segments;
    node.grants ??= [];
    return node;
  }

  /**
   * The condition under which a grant lets in nothing of other endpoints that its caller was not let do; undefined where it needs none.
   * @returns null where there are too many of them for a condition
   */
  conditionOf(grant: Grant): string | undefined | null {
    const single = new Map<string, string[]>();
    const several: string[] = [];
    let found = 0;
    const within = this.#within(grant);
    if (within === undefined) return null;
    for (const { segments, grants } of within) {
      if (isLetDo(grant, grants!)) continue;
      if (++found > siblings_max) return null;
      const named = segments.flatMap((segment, place) => {
        const own = grant.segments[place]!;
        return typeof segment === "string" && typeof own !== "string" ? [[own.variable, segment] as const] : [];
      });
      const [[variable, text] = ["", ""], ...others] = named;
      if (others.length === 0) addTo(single, variable, text);
      else several.push(`!(${named.map(([name, value]) => `path.${name} == ${literal(value)}`).join(" && ")})`);
    }
    const parts = [...single].map(([variable, texts]) => {
      const [first, ...others] = texts.sort();
      if (others.length === 0) return `path.${variable} != ${literal(first!)}`;
      return `!(path.${variable} in [${texts.map(literal).join(", ")}])`;
    });
    const condition = [...parts.sort(), ...several.sort()].join(" && ");
    if (condition.length > condition_characters_max) return null;
    return condition === "" ? undefined : condition;
  }

  /** Endpoints that the grant's template holds, with a name in place of one of its variables at least; undefined for too many to be looked at. */
  #within(grant: Grant): Node[] | undefined {
    const hosts = this.#roots.get(rootOf(grant)) ?? new Map<string, Node>();
    // Where the host is not known, the rule is for every host.
    const roots = [...hosts].filter(([host]) => grant.host === "" || host === grant.host);
    let nodes = roots.map(([, node]) => ({ node, isOther: false }));
    let places = 0;
    for (const segment of grant.segments) {
      if (typeof segment !== "string") for (const { node } of nodes) places += node.names.size;
      if (places > places_max) return undefined;
      nodes = nodes.flatMap(({ node, isOther }) => {
        const next = typeof segment === "string" ? node.names.get(segment) : node.variable;
        const same = next === undefined ? [] : [{ node: next, isOther }];
        if (typeof segment === "string") return same;
        return [...same, ...[...node.names.values()].map((one) => ({ node: one, isOther: true }))];
      });
    }
    return nodes.filter(({ node, isOther }) => isOther && node.grants !== undefined).map(({ node }) => node);
  }
}

/** `GET` is for `HEAD` too, so that both are looked at as one. */
function rootOf({ method, segments }: Called): string {
  return `${method === "HEAD" ? "GET" : method} ${segments.length}`;
}

/** Whether the caller of a grant was let do another endpoint, and asked for no more there. */
function isLetDo(grant: Grant, others: readonly Grant[]): boolean {
  return others.some(
    (other) =>
      (other.caller === grant.caller || other.caller === "") &&
      (other.method === grant.method || other.method === "GET") &&
      asksNoMore(other, grant),
  );
}

/** A text in CEL: what is not plain ASCII by its number, so that nothing of it means anything. */
export function literal(text: string): string {
  let inner = "";
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code >= 0x20 && code < 0x7f && character !== '"' && character !== "\\") inner += character;
    else if (code <= 0xffff) inner += `\\u${code.toString(16).padStart(4, "0")}`;
    else inner += `\\U${code.toString(16).padStart(8, "0")}`;
  }
  return `"${inner}"`;
}
