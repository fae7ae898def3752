/**
 * SPIFFE IDs as the SPIFFE ID standard has them (https://spiffe.io/docs/latest/spiffe-specs/spiffe-id/ §2), and the
 * patterns a policy names callers by.
 */
import { pattern_segments_max, spiffe_id_bytes_max, trust_domain_bytes_max } from "../../../assembly/limits.ts";
import { captureName } from "./condition.ts";
import { regexInName } from "./regex.ts";

/** A caller, or a family of callers. */
export interface CallerPattern {
  /** `child`: one more path segment than `text`; `descendants`: one or more. */
  kind: "exact" | "child" | "descendants";
  /** The ID, or the pattern without its `/*` or `/**`; a segment `*` in it is any one segment. */
  text: string;
  trustDomain: string;
  /** Path segments of `text`. */
  segments: number;
  /** Bit n: segment n of `text` is `*`. */
  wildcards: number;
  /** By name, the index of the segment that a `{name}` stands for. */
  captures: ReadonlyMap<string, number>;
}

/** Members of `caller` in conditions that no `{name}` may have as its name. */
const caller_members = ["id", "trust_domain", "path"];

const scheme = "spiffe://";

/** Why a text is no trust domain name (SPIFFE-ID §2.1), or undefined. */
export function trustDomainFault(name: string): string | undefined {
  if (name.startsWith(scheme)) return `write the name alone: \`${name.slice(scheme.length).replace(/\/.*$/su, "")}\``;
  if (name.length === 0) return "a trust domain needs a name, as in `example.org`";
  if (name.length > trust_domain_bytes_max) return `a trust domain has at most ${trust_domain_bytes_max} bytes`;
  if (/^[a-z0-9._-]+$/u.test(name)) return undefined;
  const lower = name.toLowerCase();
  if (/^[a-z0-9._-]+$/u.test(lower)) return `trust domains are lower-case: \`${lower}\``;
  return "a trust domain has only lower-case letters, digits, `.`, `-` and `_` (no port, no user)";
}

/**
 * Parses an exact SPIFFE ID or a pattern: `*` and `{name}` stand for one whole segment, `/**` at the end for one or more.
 * @returns the pattern, or in words why it is none
 */
export function parseCaller(text: string): CallerPattern | string {
  if (!text.startsWith(scheme)) {
    return /^spiffe:/iu.test(text)
      ? "a SPIFFE ID begins with `spiffe://`, in lower case"
      : "a SPIFFE ID begins with `spiffe://`";
  }
  const isOpen = text.endsWith("/**");
  const id = isOpen ? text.slice(0, -3) : text;
  if (id.length > spiffe_id_bytes_max) return `a SPIFFE ID has at most ${spiffe_id_bytes_max} bytes`;
  const slash = id.indexOf("/", scheme.length);
  const trustDomain = slash < 0 ? id.slice(scheme.length) : id.slice(scheme.length, slash);
  if (/[*{}]/u.test(trustDomain)) return "the trust domain cannot be a pattern; name each one";
  const fault = trustDomainFault(trustDomain);
  if (fault !== undefined) return fault;
  const captures = new Map<string, number>();
  const segments = slash < 0 ? [] : id.slice(slash + 1).split("/");
  for (const [index, segment] of segments.entries()) {
    const fault = segmentFault(segment, index === segments.length - 1) ?? takeCapture(segment, index, captures);
    if (fault !== undefined) return fault;
    if (segment.startsWith("{")) segments[index] = "*";
  }
  if (!isOpen && segments.length === 0) {
    return `this names a trust domain, not a caller; \`${scheme}${trustDomain}/**\` is everyone in it`;
  }
  if ((isOpen || segments.includes("*")) && segments.length > pattern_segments_max - (isOpen ? 1 : 0)) {
    return `a pattern has at most ${pattern_segments_max} segments`;
  }
  const kind = isOpen ? "descendants" : segments.at(-1) === "*" ? "child" : "exact";
  if (kind === "child") segments.pop();
  return {
    kind,
    text: [scheme + trustDomain, ...segments].join("/"),
    trustDomain,
    segments: segments.length,
    wildcards: segments.reduce((mask, segment, index) => (segment === "*" ? mask | (1 << index) : mask), 0),
    captures,
  };
}

/** Why a segment of an ID or pattern is none, or undefined. */
function segmentFault(segment: string, isLast: boolean): string | undefined {
  if (segment === "")
    return isLast ? "a SPIFFE ID has no slash at its end" : "a SPIFFE ID has no empty segments (`//`)";
  if (segment === "." || segment === "..") return "a SPIFFE ID has no `.` or `..` segments";
  if (segment === "*" || /^\{[^{}]*\}$/u.test(segment)) return undefined;
  const slip = regexInName(segment);
  if (slip !== undefined)
    return `\`${slip}\` looks like a regular expression, which IDs are not: write \`*\` or \`{name}\` for a segment, \`/**\` at the end for several, or each ID`;
  if (segment === "**") return "`/**` stands only at the end of a pattern; `*` is one segment";
  if (segment.includes("*"))
    return `\`*\` stands for a whole segment (\`/*/\`), not for a part of one as in \`${segment}\`; the rest can be said in \`when\`, with \`{name}\` for the segment and \`caller.name.startsWith("…")\``;
  if (/[{}]/u.test(segment)) return "`{name}` stands for a whole segment of a SPIFFE ID";
  const isSound = /^[a-zA-Z0-9._-]+$/u.test(segment);
  return isSound
    ? undefined
    : "a segment of a SPIFFE ID has only letters, digits, `.`, `-` and `_` (no query, no percent-encoding)";
}

/** Takes the name of a `{name}`; why it cannot have that name, or undefined. */
function takeCapture(segment: string, index: number, captures: Map<string, number>): string | undefined {
  if (!segment.startsWith("{")) return undefined;
  const name = segment.slice(1, -1);
  if (!/^[A-Za-z][A-Za-z0-9_]*$/u.test(name))
    return `\`${segment}\` needs a name: a letter, then letters, digits, \`_\``;
  if (caller_members.includes(name))
    return `\`caller.${name}\` has a meaning of its own; give \`${segment}\` another name`;
  if (captures.has(name)) return `\`${segment}\` stands twice in the pattern; give each its own name`;
  captures.set(name, index);
  return undefined;
}

/**
 * Where the IDs of callers have the segments that a rule reads by name (model.ts, `Rule.captures`).
 * @param variables those of the rule
 * @param patterns of the rule's callers; undefined for those of any ID or none
 */
export function readCaptures(
  variables: readonly string[],
  patterns: readonly (CallerPattern | undefined)[],
): ReadonlyMap<string, string> {
  const names = variables.flatMap((variable) => captureName(variable) ?? []);
  return new Map(
    names.map((name) => {
      const indices = new Set(patterns.map((pattern) => `${pattern?.captures.get(name) ?? "none"}`));
      const [index] = indices;
      if (indices.size <= 1) return [name, index ?? "none"];
      const each = patterns.map((pattern) =>
        pattern === undefined ? "any" : `${callerText(pattern)}=${pattern.captures.get(name) ?? "none"}`,
      );
      return [name, [...new Set(each)].sort().join()];
    }),
  );
}

/** The pattern in the trust domain that its own is an alias of, if it is one: the engine knows callers by that alone. */
export function withoutAlias(pattern: CallerPattern, aliases: ReadonlyMap<string, string>): CallerPattern {
  const trustDomain = aliases.get(pattern.trustDomain);
  if (trustDomain === undefined) return pattern;
  return {
    ...pattern,
    trustDomain,
    text: scheme + trustDomain + pattern.text.slice(scheme.length + pattern.trustDomain.length),
  };
}

/** What patterns with a `*` before their end have in common with others that are found in the same way. */
export type CallerShape = Pick<CallerPattern, "kind" | "segments" | "wildcards">;

/** The shapes of the patterns that have a `*` before their end, each once, in an order of their own. */
export function callerShapes(patterns: readonly CallerPattern[]): CallerShape[] {
  const shapes = new Map<string, CallerShape>();
  for (const { kind, segments, wildcards } of patterns)
    if (wildcards !== 0) shapes.set(`${kind} ${segments} ${wildcards}`, { kind, segments, wildcards });
  return [...shapes.keys()].sort().map((key) => shapes.get(key)!);
}

/** Whether every ID of `narrow` is one of `wide`. */
export function callerCovers(wide: CallerPattern, narrow: CallerPattern): boolean {
  const [outer, inner] = [segmentsOf(wide), segmentsOf(narrow)];
  if (
    wide.kind === "descendants"
      ? inner.length - 1 < outer.length - (narrow.kind === "descendants" ? 1 : 0)
      : narrow.kind === "descendants" || inner.length !== outer.length
  )
    return false;
  return outer.every((segment, index) => segment === inner[index] || (segment === "*" && index > 0));
}

/** The pattern of the IDs that are of both, or undefined where there is none. */
export function commonCallers(one: CallerPattern, other: CallerPattern): CallerPattern | undefined {
  const [longer, shorter] = [one, other].sort((a, b) => segmentsOf(b).length - segmentsOf(a).length) as [
    CallerPattern,
    CallerPattern,
  ];
  const [long, short] = [segmentsOf(longer), segmentsOf(shorter)];
  const isLonger = long.length > short.length;
  if (isLonger && shorter.kind !== "descendants") return undefined;
  const isOpen = longer.kind === "descendants" && shorter.kind === "descendants";
  // What is one segment at the end on one side, and one or more on the other, is one.
  if (!isLonger && !isOpen && (longer.kind === "descendants" || shorter.kind === "descendants")) return undefined;
  const common: string[] = [];
  for (const [index, segment] of long.entries()) {
    const own = short[index] ?? "*";
    if (index > 0 && own === "*") common.push(segment);
    else if (segment === own || (index > 0 && segment === "*")) common.push(own);
    else return undefined;
  }
  return parseCaller(common.join("/") + (isOpen ? "/**" : "")) as CallerPattern;
}

/** Trust domain and segments, a `*` at the end among them; without the `/**` of descendants. */
function segmentsOf({ kind, text }: CallerPattern): string[] {
  const segments = text.slice(scheme.length).split("/");
  segments[0] = scheme + segments[0]!;
  return kind === "child" ? [...segments, "*"] : segments;
}

/** The pattern as it is written in a policy, `*` for each `{name}`. */
export function callerText(pattern: CallerPattern): string {
  return pattern.text + (pattern.kind === "exact" ? "" : pattern.kind === "child" ? "/*" : "/**");
}

/** A caller pattern as a policy writes it, with the names of its segments. */
export function printCaller(pattern: CallerPattern): string {
  const [root, ...segments] = callerText(pattern).slice(scheme.length).split("/");
  for (const [name, index] of pattern.captures) segments[index] = `{${name}}`;
  return `${scheme}${[root, ...segments].join("/")}`;
}
