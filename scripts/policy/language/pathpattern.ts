/**
 * Patterns of paths, and what of one another holds: what endpoints are read into, and what the index, the warnings and `diff`
 * are made from. Texts are decoded.
 */

/** Text around what a variable or a star stands for in one segment. At least one of the two is not empty. */
export interface Affix {
  prefix: string;
  suffix: string;
  /** How many characters stand between them at least: a variable is never empty, a star may be. */
  least: 0 | 1;
}

/** A literal; null for any one segment (`{name}` or `*`); or text around one. */
export type SegmentPattern = string | null | Affix;

/** What paths look like. */
export interface PathPattern {
  /** From the beginning to `/**`, or all. */
  segments: readonly SegmentPattern[];
  /** `/**` follows: any number of segments, none included. */
  tail: boolean;
  /** Those after `/**`, where there are any. */
  after?: readonly SegmentPattern[];
}

const none: readonly SegmentPattern[] = [];

/** The segments after `/**`. */
export function afterOf({ after }: PathPattern): readonly SegmentPattern[] {
  return after ?? none;
}

/** A segment's pattern by where it is in a path: counted from the end for negative places, of which -1 is the last. */
export function segmentAt(path: PathPattern, place: number): SegmentPattern {
  return (place < 0 ? afterOf(path).at(place) : path.segments[place]) ?? null;
}

export function isAffix(segment: SegmentPattern): segment is Affix {
  return typeof segment === "object" && segment !== null;
}

/** Whether a pattern holds a segment. An empty one is held by itself alone. */
export function segmentHolds(pattern: SegmentPattern, text: string): boolean {
  if (!isAffix(pattern)) return pattern === null ? text !== "" : pattern === text;
  const { prefix, suffix, least } = pattern;
  return text.length >= prefix.length + suffix.length + least && text.startsWith(prefix) && text.endsWith(suffix);
}

/** Whether every segment of `narrow` is one of `wide`. */
export function segmentCovers(wide: SegmentPattern, narrow: SegmentPattern): boolean {
  if (wide === null) return narrow !== "";
  if (wide === narrow) return true;
  if (narrow === null) return false;
  if (!isAffix(narrow)) return segmentHolds(wide, narrow);
  if (!isAffix(wide) || !narrow.prefix.startsWith(wide.prefix) || !narrow.suffix.endsWith(wide.suffix)) return false;
  const fixed = ({ prefix, suffix, least }: Affix): number => prefix.length + suffix.length + least;
  return fixed(narrow) >= fixed(wide);
}

/** Whether two patterns have a segment in common. */
export function segmentsMeet(a: SegmentPattern, b: SegmentPattern): boolean {
  if (a === null || b === null) return a !== "" && b !== "";
  if (!isAffix(a)) return segmentHolds(b, a);
  if (!isAffix(b)) return segmentHolds(a, b);
  const startsAlike = a.prefix.startsWith(b.prefix) || b.prefix.startsWith(a.prefix);
  return startsAlike && (a.suffix.endsWith(b.suffix) || b.suffix.endsWith(a.suffix));
}

/** How many segments a path of a pattern has at least. */
export function leastSegments(path: PathPattern): number {
  return path.segments.length + afterOf(path).length;
}

/** The segments of the paths of a pattern that have so many; undefined where it has none of that length. */
export function ofLength(path: PathPattern, length: number): readonly SegmentPattern[] | undefined {
  const rest = length - leastSegments(path);
  if (!path.tail) return rest === 0 ? path.segments : undefined;
  return rest < 0 ? undefined : [...path.segments, ...Array<null>(rest).fill(null), ...afterOf(path)];
}

/** Whether every path of `narrow` is one of `wide`. */
export function pathCovers(wide: PathPattern, narrow: PathPattern): boolean {
  const least = leastSegments(narrow);
  if (wide.after === undefined && narrow.after === undefined) {
    const { length } = wide.segments;
    if (wide.tail ? least < length : narrow.tail || least !== length) return false;
    return wide.segments.every((segment, place) => segmentCovers(segment, narrow.segments[place]!));
  }
  if (narrow.tail && !wide.tail) return false;
  // Once both ends of the one lie in the open part of the other, a longer path is as good as this one.
  const most = narrow.tail ? least + leastSegments(wide) : least;
  for (let length = least; length <= most; length++) {
    const outer = ofLength(wide, length);
    const inner = ofLength(narrow, length)!;
    if (outer === undefined || !outer.every((segment, place) => segmentCovers(segment, inner[place]!))) return false;
  }
  return true;
}

/** Whether two patterns have a path in common. */
export function pathsMeet(a: PathPattern, b: PathPattern): boolean {
  // Where both are open, the longer a path is, the less do the end of the one and the beginning of the other meet.
  const length = a.tail ? (b.tail ? leastSegments(a) + leastSegments(b) : leastSegments(b)) : leastSegments(a);
  const [one, other] = [ofLength(a, length), ofLength(b, length)];
  return (
    one !== undefined && other !== undefined && one.every((segment, place) => segmentsMeet(segment, other[place]!))
  );
}
