/** Into what regions path patterns cut one: parts all of whose paths are in the same patterns. */
import {
  type Affix,
  afterOf,
  isAffix,
  leastSegments,
  ofLength,
  type PathPattern,
  type SegmentPattern,
  segmentHolds,
} from "../language/pathpattern.ts";

/** A part of a pattern all of whose paths are in the same patterns. */
export interface PathRegion {
  /** The narrowest pattern around the part: wildcards, and texts around them, for what is none of the others' literals. */
  path: PathPattern;
  /** Indices of the patterns that hold it, ascending. */
  members: number[];
}

/** More regions than this are not told apart: patterns that cross each other many times make exponentially many. */
const regions_max = 50_000;

class TooMany extends Error {}

/**
 * Cuts a pattern into the regions that others make of it. Every path of `within` is in exactly one region.
 * @returns undefined when there are too many
 */
export function regionsOf(within: PathPattern, patterns: readonly PathPattern[]): PathRegion[] | undefined {
  const regions: PathRegion[] = [];
  const add = (path: PathPattern, members: readonly number[]): void => {
    regions.push({ path, members: [...members].sort((a, b) => a - b) });
    if (regions.length > regions_max) throw new TooMany();
  };
  try {
    if ([within, ...patterns].every(({ after }) => after === undefined)) cutForward(within, patterns, add);
    else cutByLength(within, patterns, add);
  } catch (thrown) {
    if (thrown instanceof TooMany) return undefined;
    throw thrown;
  }
  return regions;
}

type Add = (path: PathPattern, members: readonly number[]) => void;

/** Where no pattern has segments after `/**`: from the first segment on, until nothing tells one path from another. */
function cutForward(within: PathPattern, patterns: readonly PathPattern[], add: Add): void {
  const lengthOf = (index: number): number => patterns[index]!.segments.length;
  const isTail = (index: number): boolean => patterns[index]!.tail;
  /** @param active the patterns that begin with the prefix, or have ended in a tail within it */
  const walk = (segments: SegmentPattern[], active: readonly number[]): void => {
    const depth = segments.length;
    const isOpen = within.tail && depth >= within.segments.length;
    const tails = active.filter((index) => isTail(index) && lengthOf(index) <= depth);
    const ends = active.filter((index) => !isTail(index) && lengthOf(index) === depth);
    const longer = active.filter((index) => lengthOf(index) > depth);
    if (isOpen && longer.length === 0) {
      // From here on nothing tells one path from another, save where a pattern ends here without a tail.
      if (ends.length === 0) add({ segments, tail: true }, tails);
      else {
        add({ segments, tail: false }, [...tails, ...ends]);
        add({ segments: [...segments, null], tail: true }, tails);
      }
      return;
    }
    if (isOpen || depth === within.segments.length) add({ segments, tail: false }, [...tails, ...ends]);
    if (!isOpen && depth === within.segments.length) return;
    const own = isOpen ? null : within.segments[depth]!;
    const here = longer.map((index) => ({ index, segment: patterns[index]!.segments[depth]! }));
    for (const { segment, members } of cutSegment(own, here)) walk([...segments, segment], [...tails, ...members]);
  };
  walk([], [...patterns.keys()]);
}

/** Paths of each length by themselves, and those in one that are so long that the ends of no pattern meet its beginning. */
function cutByLength(within: PathPattern, patterns: readonly PathPattern[], add: Add): void {
  const least = leastSegments(within);
  if (!within.tail) {
    cutVector(within.segments, vectors(patterns, least), (segments, members) =>
      add({ segments, tail: false }, members),
    );
    return;
  }
  const open = [within, ...patterns.filter(({ tail }) => tail)];
  const head = Math.max(...open.map(({ segments }) => segments.length));
  const end = Math.max(...open.map((path) => afterOf(path).length));
  const closed = patterns.filter(({ tail }) => !tail).map(({ segments }) => segments.length + 1);
  const long = Math.max(head + end, least, ...closed);
  for (let length = least; length < long; length++) {
    const own = ofLength(within, length)!;
    cutVector(own, vectors(patterns, length), (segments, members) => add({ segments, tail: false }, members));
  }
  // As long as it may be, a path is told by its first and its last segments alone.
  const shortened = vectors(patterns, long).map(({ index, segments }) => ({
    index,
    segments: [...segments.slice(0, head), ...segments.slice(segments.length - end)],
  }));
  const own = ofLength(within, long)!;
  cutVector([...own.slice(0, head), ...own.slice(own.length - end)], shortened, (segments, members) => {
    const first = [...segments.slice(0, head), ...Array<null>(long - head - end).fill(null)];
    const after = segments.slice(head);
    add({ segments: first, tail: true, ...(after.length > 0 && { after }) }, members);
  });
}

interface Vector {
  index: number;
  segments: readonly SegmentPattern[];
}

/** The patterns that have paths of a length, as such paths. */
function vectors(patterns: readonly PathPattern[], length: number): Vector[] {
  return patterns.flatMap((path, index) => {
    const segments = ofLength(path, length);
    return segments === undefined ? [] : [{ index, segments }];
  });
}

function cutVector(
  own: readonly SegmentPattern[],
  all: readonly Vector[],
  add: (segments: SegmentPattern[], members: number[]) => void,
): void {
  const walk = (prefix: SegmentPattern[], active: readonly Vector[]): void => {
    const depth = prefix.length;
    if (depth === own.length) {
      add(
        prefix,
        active.map(({ index }) => index),
      );
      return;
    }
    const here = active.map(({ segments }, index) => ({ index, segment: segments[depth]! }));
    for (const { segment, members } of cutSegment(own[depth]!, here))
      walk(
        [...prefix, segment],
        members.map((member) => active[member]!),
      );
  };
  walk([], all);
}

interface SegmentPart {
  segment: SegmentPattern;
  members: number[];
}

/** Cuts the segments of `own` into parts all of whose segments are in the same patterns. */
function cutSegment(
  own: SegmentPattern,
  patterns: readonly { index: number; segment: SegmentPattern }[],
): SegmentPart[] {
  const holding = (text: string): number[] =>
    patterns.filter(({ segment }) => segmentHolds(segment, text)).map(({ index }) => index);
  if (own !== null && !isAffix(own)) return [{ segment: own, members: holding(own) }];
  const affixes = [own, ...patterns.map(({ segment }) => segment)].filter(isAffix);
  if (affixes.length === 0) return cutPlain(patterns);
  const literals = new Set(patterns.flatMap(({ segment }) => (typeof segment === "string" ? [segment] : [])));
  const prefixes = [...new Set(["", ...affixes.map(({ prefix }) => prefix)])];
  const suffixes = [...new Set(["", ...affixes.map(({ suffix }) => suffix)])];
  const outer: Affix = own ?? { prefix: "", suffix: "", least: 0 };
  const parts: SegmentPart[] = [];
  for (const prefix of prefixes.filter((one) => one.startsWith(outer.prefix))) {
    for (const suffix of suffixes.filter((one) => one.endsWith(outer.suffix))) {
      const members = patterns
        .filter(({ segment }) => segment === null || (isAffix(segment) && isAround(segment, prefix, suffix)))
        .map(({ index }) => index);
      // What begins and ends so and is no longer than the two texts may be in fewer patterns.
      for (const text of overlaps(prefix, suffix)) literals.add(text);
      const shortest = prefix + suffix;
      const isTold = holding(shortest).join() !== members.join() || (own !== null && !segmentHolds(own, shortest));
      if (shortest !== "" && isTold) literals.add(shortest);
      const isWhole = shortest === "" || literals.has(shortest);
      parts.push({
        segment: shortest === "" ? null : { prefix, suffix, least: isWhole ? 1 : 0 },
        members,
      });
    }
  }
  const isIn = (text: string): boolean => own === null || segmentHolds(own, text);
  return [...[...literals].filter(isIn).map((text) => ({ segment: text, members: holding(text) })), ...parts];
}

/** The same where patterns have literals and wildcards alone. */
function cutPlain(patterns: readonly { index: number; segment: SegmentPattern }[]): SegmentPart[] {
  const byLiteral = new Map<string, number[]>();
  const wild: number[] = [];
  for (const { index, segment } of patterns) {
    if (typeof segment !== "string") wild.push(index);
    else if (byLiteral.has(segment)) byLiteral.get(segment)!.push(index);
    else byLiteral.set(segment, [index]);
  }
  const parts: SegmentPart[] = [...byLiteral].map(([segment, own]) => ({ segment, members: [...wild, ...own] }));
  return [...parts, { segment: null, members: wild }];
}

/** Whether every long segment that begins and ends so is in a pattern. */
function isAround({ prefix, suffix }: Affix, before: string, after: string): boolean {
  return before.startsWith(prefix) && after.endsWith(suffix);
}

/** The texts that begin with the one and end with the other, where both share characters. */
function overlaps(prefix: string, suffix: string): string[] {
  const found: string[] = [];
  for (let shared = 1; shared <= Math.min(prefix.length, suffix.length); shared++) {
    if (prefix.endsWith(suffix.slice(0, shared))) found.push(prefix + suffix.slice(shared));
  }
  return found;
}
