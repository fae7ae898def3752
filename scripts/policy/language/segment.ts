/** One segment of an endpoint's path that is more than a literal: a variable, a star, or text around one of them. */
import { affix_bytes_max } from "../../../assembly/limits.ts";
import type { Affix } from "./pathpattern.ts";

/** A variable or a star, and the text around it as it is written: percent-encoded. */
export interface OpenSegment {
  before: string;
  /** Undefined for a star. */
  name: string | undefined;
  after: string;
}

/** What is wrong with a segment, and how far into it. */
export interface SegmentSlip {
  message: string;
  offset: number;
}

/** Takes a segment apart that has a star or braces; undefined for others. */
export function openSegment(part: string): OpenSegment | SegmentSlip | undefined {
  if (!/[{}*]/u.test(part)) return undefined;
  const [, before, open, name, after] = /^([^{}*]*)(\*|\{([A-Za-z_][A-Za-z0-9_]*)\})([^{}*]*)$/u.exec(part) ?? [];
  if (open !== undefined) return { before: before!, name, after: after! };
  return { message: slipIn(part), offset: part.search(/[{}*]/u) };
}

function slipIn(part: string): string {
  const [, braced] = /\{([^{}]*)\}/u.exec(part) ?? [];
  const [, typed] = /^([A-Za-z_]\w*) *[:=] *\*?[^*]*$/u.exec(braced ?? "") ?? [];
  if (typed !== undefined && braced !== `${typed}:path`)
    return `a variable is a name alone: \`{${typed}}\`; what it may be is said in \`when\``;
  if (braced !== undefined && /^\*\*|^\*[A-Za-z_]|=\*\*$|:path$/u.test(braced))
    return "any number of segments is `/**`, which has no name; conditions have `request.path`";
  if (braced === "*") return "any one segment is `*`, without braces";
  const opens = part.match(/\{[A-Za-z_][A-Za-z0-9_]*\}|\*/gu) ?? [];
  if (part.includes("**"))
    return "`**` stands for whole segments, any number of them (`/a/**`); in a segment one `*` is any text; stars themselves are `%2A`";
  if (opens.length > 1)
    return 'a segment has one variable or one star, since of two nobody knows where the one ends; name the whole segment and take it apart in `when`, as in `path.x.split("-")`';
  if (braced !== undefined && /^[\w-]+$/u.test(braced) && /^[A-Za-z_]/u.test(braced))
    return `the name of a variable has letters, digits and \`_\`; did you mean \`{${braced.replaceAll("-", "_")}}\`?`;
  return "a variable is `{name}` (a letter, then letters, digits, `_`); braces themselves are `%7B`, `%7D`";
}

/** The pattern of decoded text around a variable or a star; null where there is none; in words what is wrong. */
export function affixOf(prefix: string, suffix: string, isVariable: boolean): Affix | null | string {
  if (prefix === "" && suffix === "") return null;
  if (Math.max(Buffer.byteLength(prefix), Buffer.byteLength(suffix)) > affix_bytes_max)
    return `the text before or after a variable or a star has at most ${affix_bytes_max} bytes`;
  return { prefix, suffix, least: isVariable ? 1 : 0 };
}
