/**
 * What a path becomes before requests are grouped: segments that are values are replaced by their kind. The rules stand here once, as
 * patterns that every system of `dialects.ts` reads alike, and as a function that does the same.
 *
 * | kind | what it is |
 * |---|---|
 * | `number` | digits, with `-` before them or not |
 * | `uuid` | hexadecimal digits in groups of 8, 4, 4, 4 and 12 |
 * | `ulid` | 26 of Crockford's base 32, all large or all small, the first from 0 to 7 |
 * | `hash` | 16 hexadecimal digits or more, at least one of them from 0 to 9; `sha256:` and the like may stand before them |
 * | `date` | a day of 1900 to 2099 as `2026-11-30`, with a time after `T` or without |
 * | `email` | one `@`, and a dot in what comes after it |
 * | `other` | a control character, one that changes the direction of text, a brace, `*`, what is no UTF-8, an escape that is none or stands for `/`, or more than 128 bytes |
 */
import type { SegmentKind } from "./usage.ts";

/** So long may a segment be. */
export const segment_bytes_max = 128;
/** So many segments of a path are told apart; the rest of it is one more, `{other}`. */
export const path_segments_max = 16;
/**
 * A quick test before the slow ones: a segment of so many bytes that begins with `:` or later, in the order of bytes, and in which `marked` finds nothing,
 * stands for itself. No kind but `email`, `hash` and `uuid` begins later.
 */
export const unmarked_bytes_max = 15;
export const marked = "[@{}*/]|[^ -~]";

/**
 * Patterns of RE2 and Java, for the whole segment; in this order. `bytes` is what a segment of the kind has at least, and at most; `digit`
 * whether it begins with a digit or `-`, so that it stands before `:` in any order by bytes. Where `bytes` says how many there are, the pattern
 * does not count: DuckDB compiles it anew for every 2,048 paths, and a count is as many states.
 */
export const patterns: readonly {
  kind: SegmentKind;
  pattern: string;
  bytes: readonly [number, number];
  digit: boolean;
}[] = [
  { kind: "number", pattern: "-?[0-9]+", bytes: [1, segment_bytes_max], digit: true },
  { kind: "uuid", pattern: "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", bytes: [36, 36], digit: false },
  { kind: "ulid", pattern: "[0-7]([0-9A-HJKMNP-TV-Z]+|[0-9a-hjkmnp-tv-z]+)", bytes: [26, 26], digit: true },
  {
    kind: "date",
    pattern: "(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T[0-9:.]+(Z|[+-][0-9:]+)?)?",
    bytes: [10, segment_bytes_max],
    digit: true,
  },
  // That one of them is a digit is asked for apart: a pattern that looks ahead is none of RE2.
  {
    kind: "hash",
    pattern: "((sha(1|256|384|512)|md5)[:])?[0-9A-Fa-f]{15,}[0-9A-Fa-f]",
    bytes: [16, segment_bytes_max],
    digit: false,
  },
];

/** One `@`, and a dot in what comes after it: the kind `email`, after all others. */
export const email = "[^@]+@[^@]+[.][^@.]+";

/** What a segment of the kind `other` has somewhere. A slash is there only where it was escaped. */
export const hidden = "[\\x00-\\x1f\\x7f-\\x{9f}\\x{202a}-\\x{202e}\\x{2066}-\\x{2069}\\x{fffd}{}*/]";

const compiled = patterns.map(({ kind, pattern, bytes }) => ({
  kind,
  bytes,
  whole: new RegExp(`^(?:${pattern})$`),
}));
const hiding = new RegExp(hidden.replace(/\\x\{(\w+)\}/g, "\\u{$1}"), "u");
const mails = new RegExp(`^${email}$`, "u");

/** The segments of a path as `Usage` has it; undefined for what is no path, such as `*` or one that is not known. */
export function segmentsOf(path: string): string[] | undefined {
  if (path[0] !== "/") return undefined;
  return path === "/" ? [] : path.slice(1).split("/");
}

/** A segment, decoded, or what stands for it: `{number}`. */
export function segmentShape(segment: string): string {
  const bytes = Buffer.byteLength(segment);
  const found = compiled.find(
    ({ kind, bytes: [least, most], whole }) =>
      bytes >= least && bytes <= most && whole.test(segment) && (kind !== "hash" || /[0-9]/.test(segment)),
  );
  if (found !== undefined) return `{${found.kind}}`;
  if (bytes > segment_bytes_max || hiding.test(segment)) return "{other}";
  return mails.test(segment) ? "{email}" : segment;
}

/**
 * A path without its query, as it is grouped. One that does not begin with a slash is `{other}`, an empty one stays so.
 * @param isEscaped whether `%20` stands for a blank in it
 */
export function pathShape(path: string, isEscaped: boolean): string {
  if (path === "") return "";
  if (!path.startsWith("/")) return "{other}";
  const segments = path.split("/");
  const shapes = segments
    .slice(0, path_segments_max + 1)
    .map((segment) => segmentShape(isEscaped ? unescaped(segment) : segment));
  if (segments.length > shapes.length) shapes.push("{other}");
  return shapes.join("/");
}

function unescaped(segment: string): string {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    // What no escape stands for is hidden.
    return "*";
  }
}
