/** Templates that are known beforehand, from a policy or an OpenAPI document: what they hold is not guessed at. */
import type { Policy } from "../policy/language/model.ts";
import {
  type Affix,
  isAffix,
  type PathPattern,
  type SegmentPattern,
  segmentHolds,
} from "../policy/language/pathpattern.ts";
import type { HostPattern } from "../policy/language/values.ts";
import { kindOf } from "./names.ts";
import type { TemplateSegment } from "./templates.ts";

/** A template that is known. It says nothing of methods: those that were not foreseen are told of one path. */
export interface Pin {
  /** Empty: every host. */
  hosts: readonly HostPattern[];
  /** Segment by segment, without `/**`. */
  segments: readonly SegmentPattern[];
  /** The name of the variable in each segment; undefined for a name, and for `*`. */
  variables: readonly (string | undefined)[];
}

/**
 * The templates of a policy's rules. Endpoints with `/**` are left out: they say nothing of what is behind it. So are rules that deny,
 * whose endpoints nobody has to serve.
 */
export function pinsOfPolicy(policy: Policy): Pin[] {
  return policy.rules
    .filter(({ action }) => action === "allow")
    .flatMap(({ hosts, endpoints }) =>
      endpoints
        .filter(({ tail, call }) => !tail && call === undefined)
        .map((endpoint) => ({ hosts, ...pinOf(endpoint, endpoint.variables) })),
    );
}

/** Of one path, with the places of its variables. */
export function pinOf({ segments }: PathPattern, variables: ReadonlyMap<string, number>): Omit<Pin, "hosts"> {
  const named = new Map([...variables].map(([name, place]) => [place, name]));
  return { segments, variables: segments.map((_, place) => named.get(place)) };
}

/** Whether a pattern is for a host. */
export function hostHolds({ kind, text }: HostPattern, host: string): boolean {
  return kind === "exact" ? host === text : host.endsWith(`.${text}`);
}

interface PinNode {
  names: Map<string, PinNode>;
  /** Text around a variable or a star. */
  affixes: { affix: Affix; node: PinNode }[];
  /** Any segment. */
  any: PinNode | undefined;
  /** Those that end here. */
  pins: Pin[];
}

/** Pins, to be asked by path. */
export class PinIndex {
  readonly #root = emptyNode();

  constructor(pins: readonly Pin[]) {
    for (const pin of pins) {
      let node = this.#root;
      for (const segment of pin.segments) node = nodeBelow(node, segment);
      node.pins.push(pin);
    }
  }

  /** The template that holds a path: of several the one with a name where others have a variable, from the left. */
  find(host: string, segments: readonly string[]): TemplateSegment[] | undefined {
    const open: [node: PinNode, place: number][] = [[this.#root, 0]];
    for (let step = open.pop(); step !== undefined; step = open.pop()) {
      const [node, place] = step;
      if (place === segments.length) {
        const pin = node.pins.find(({ hosts }) => hosts.length === 0 || hosts.some((one) => hostHolds(one, host)));
        if (pin !== undefined) return templateOf(pin, segments);
        continue;
      }
      const segment = segments[place]!;
      const isValue = kindOf(segment) !== undefined;
      // The last that is put here is looked at first.
      if (node.any !== undefined && segment !== "") open.push([node.any, place + 1]);
      if (isValue) continue;
      for (const { affix, node: next } of node.affixes) if (segmentHolds(affix, segment)) open.push([next, place + 1]);
      const named = node.names.get(segment);
      if (named !== undefined) open.push([named, place + 1]);
    }
    return undefined;
  }
}

function emptyNode(): PinNode {
  return { names: new Map(), affixes: [], any: undefined, pins: [] };
}

function nodeBelow(node: PinNode, segment: SegmentPattern): PinNode {
  if (segment === null) {
    node.any ??= emptyNode();
    return node.any;
  }
  if (isAffix(segment)) {
    const { prefix, suffix, least } = segment;
    const known = node.affixes.find(
      ({ affix }) => affix.prefix === prefix && affix.suffix === suffix && affix.least === least,
    );
    if (known !== undefined) return known.node;
    const next = emptyNode();
    node.affixes.push({ affix: segment, node: next });
    return next;
  }
  const next = node.names.get(segment) ?? emptyNode();
  node.names.set(segment, next);
  return next;
}

/** A pin as the template of a path that it holds. */
function templateOf({ segments: patterns, variables }: Pin, segments: readonly string[]): TemplateSegment[] {
  const taken = new Set(variables);
  return segments.map((segment, place) => {
    const pattern = patterns[place]!;
    if (typeof pattern === "string") return pattern;
    // A variable around which text stands is told as what was asked for: a template has whole segments.
    if (isAffix(pattern)) return segment;
    const kind = kindOf(segment) ?? "name";
    let variable = variables[place] ?? "any";
    if (variables[place] === undefined) for (let number = 2; taken.has(variable); number++) variable = `any${number}`;
    taken.add(variable);
    return { variable, kinds: [kind] };
  });
}
