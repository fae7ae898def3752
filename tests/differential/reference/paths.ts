/** The path of a request: as sent, the forms of it that upstreams read in several ways, and how they read it. */

export type Form = "slash" | "encoded slash" | "empty segment" | "semicolon" | "dots";

/** One way to read a path: its segments, decoded, and the path that a condition sees. */
export interface Reading {
  segments: string[];
  text: string;
}

export interface Path {
  /** An empty segment at the end is left out here: `forms` tells of it. */
  sent: Reading;
  forms: ReadonlySet<Form>;
  /** Every other reading. */
  others: Reading[];
}

/** What an upstream does with paths, as `paths` says it. */
export interface PathOptions {
  trailingSlash: "refuse" | "same" | "distinct";
  encodedSlash: "refuse" | "segment";
  emptySegments: "refuse" | "keep";
  semicolons: "refuse" | "keep";
  case: "exact" | "ignore";
}

export const defaults: PathOptions = {
  trailingSlash: "refuse",
  encodedSlash: "refuse",
  emptySegments: "refuse",
  semicolons: "refuse",
  case: "exact",
};

/** Whether a rule with these options takes a form. */
export function takes(options: PathOptions, form: Form): boolean {
  switch (form) {
    case "slash":
      return options.trailingSlash !== "refuse";
    case "encoded slash":
      return options.encodedSlash === "segment";
    case "empty segment":
      return options.emptySegments === "keep";
    case "semicolon":
      return options.semicolons === "keep";
    default:
      return false;
  }
}

const dots = [".", ".."];
const withoutParameters = (part: string): string => part.split(";", 1)[0]!;

/** Reads a path without its query; undefined where nothing could make it readable. */
export function readPath(path: string): Path | undefined {
  if (path === "/") return { sent: { segments: [], text: "/" }, forms: new Set(), others: [] };
  const raw = path.slice(1).split("/");
  const decoded = raw.map(readSegment);
  if (decoded.includes(undefined)) return undefined;
  const sent = decoded as string[];
  const forms = new Set<Form>();
  if (sent.at(-1) === "") forms.add("slash");
  const segments = forms.has("slash") ? sent.slice(0, -1) : sent;
  if (segments.includes("")) forms.add("empty segment");
  if (/%2f/iu.test(path)) forms.add("encoded slash");
  if (/;|%3b/iu.test(path)) forms.add("semicolon");
  const parts = sent.flatMap((segment) => segment.split("/")).map(withoutParameters);
  if (parts.some((part) => dots.includes(part))) forms.add("dots");
  const others: Reading[] = [];
  for (const isSplit of [false, true]) {
    for (const cutFirst of [false, true]) {
      for (const cutLast of [false, true]) {
        for (const isMerged of [false, true])
          others.push(...withAndWithoutSlash(readAs(raw, { isSplit, cutFirst, cutLast, isMerged })));
      }
    }
  }
  return { sent: { segments, text: `/${sent.join("/")}` }, forms, others: forms.size === 0 ? [] : others };
}

/**
 * As a reader has it for whom encoded slashes are slashes, parameters of a segment are none of it (cut off before anything is decoded,
 * or after, or both), or several slashes are one.
 */
function readAs(
  raw: readonly string[],
  { isSplit, cutFirst, cutLast, isMerged }: Record<"isSplit" | "cutFirst" | "cutLast" | "isMerged", boolean>,
): Reading {
  const parts = raw
    .map((segment) => (cutFirst ? withoutParameters(segment) : segment))
    .flatMap((segment) => (isSplit ? segment.split(/%2f/iu) : [segment]))
    .map((part) => decodeURIComponent(part))
    .map((part) => (cutLast ? withoutParameters(part) : part));
  if (parts.at(-1) === "") parts.pop();
  const segments: string[] = [];
  for (const part of parts) {
    if (part === "..") segments.pop();
    else if (part !== "." && !(isMerged && part === "")) segments.push(part);
  }
  return { segments, text: `/${segments.join("/")}` };
}

/** A reading has its segments, whether or not there is a slash at the end of the path. */
function withAndWithoutSlash(reading: Reading): Reading[] {
  return reading.segments.length === 0 ? [reading] : [reading, { ...reading, text: `${reading.text}/` }];
}

/** A decoded segment, or undefined for one that no option makes readable. */
function readSegment(raw: string): string | undefined {
  if (!/^[\x21-\x7e]*$/u.test(raw) || /[\\#]/u.test(raw) || /%(?:00|5c)/iu.test(raw)) return undefined;
  let decoded: string;
  try {
    decoded = decodeURIComponent(raw);
  } catch {
    return undefined;
  }
  return dots.includes(decoded) || /%[0-9a-f]{2}/iu.test(decoded) ? undefined : decoded;
}

const literals = new Map<string, RegExp>();

/** Whether a text is a literal in upper or lower case. */
export function isInAnyCase(literal: string, text: string): boolean {
  let pattern = literals.get(literal);
  if (pattern === undefined) {
    pattern = new RegExp(`^${literal.replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&")}$`, "iu");
    literals.set(literal, pattern);
  }
  return pattern.test(text);
}
