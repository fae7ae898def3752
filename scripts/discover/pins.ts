/** Templates that are known beforehand, from a policy or an OpenAPI document: what they hold is not guessed at. */
import type { Policy } from "../policy/language/model.ts";
import { isAffix, type PathPattern, type SegmentPattern, segmentHolds } from "../policy/language/pathpattern.ts";
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
      endpoints.filter(({ tail }) => !tail).map((endpoint) => ({ hosts, ...pinOf(endpoint, endpoint.variables) })),
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

/** Pins, to be asked by path. */
export class PinIndex {
  readonly #bySize = new Map<string, Pin[]>();

  constructor(pins: readonly Pin[]) {
    for (const pin of pins) {
      const [first = null] = pin.segments;
      const key = keyOf(pin.segments.length, typeof first === "string" ? first : "");
      const others = this.#bySize.get(key);
      if (others === undefined) this.#bySize.set(key, [pin]);
      else others.push(pin);
    }
  }

  /** The template that holds a path: of several the one with a name where others have a variable, from the left. */
  find(host: string, segments: readonly string[]): TemplateSegment[] | undefined {
    let best: Pin | undefined;
    for (const first of new Set([segments[0] ?? "", ""])) {
      for (const pin of this.#bySize.get(keyOf(segments.length, first)) ?? []) {
        if (best !== undefined && !isCloser(pin, best)) continue;
        if (holds(pin, host, segments)) best = pin;
      }
    }
    if (best === undefined) return undefined;
    const { segments: patterns, variables } = best;
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
}

function keyOf(size: number, first: string): string {
  return `${size}/${first}`;
}

function holds({ hosts, segments }: Pin, host: string, path: readonly string[]): boolean {
  if (hosts.length > 0 && !hosts.some((one) => hostHolds(one, host))) return false;
  return segments.every((pattern, place) =>
    kindOf(path[place]!) === undefined ? segmentHolds(pattern, path[place]!) : pattern === null,
  );
}

function isCloser(one: Pin, other: Pin): boolean {
  for (const [place, segment] of one.segments.entries()) {
    const difference = rank(segment) - rank(other.segments[place]!);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function rank(segment: SegmentPattern): number {
  return typeof segment === "string" ? 0 : isAffix(segment) ? 1 : 2;
}
