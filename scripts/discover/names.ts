/** How templates are written: segments as the policy language has them, and names for what stands for values. */
import { parseEndpoint } from "../policy/language/endpoint.ts";
import { type SegmentKind, segment_kinds } from "../traffic/usage.ts";

/** What a variable stands for: kinds of values, and `name` for names that are too many to be told apart. */
export type VariableKind = SegmentKind | "name";

/** A name has at most so many characters, so that a table stays one. */
const variable_characters_max = 40;

/** Bytes of one segment that is written as a name; a longer one is a value. */
const segment_bytes_max = 255;

const kinds: ReadonlySet<string> = new Set(segment_kinds);
const written = new Map<string, string | undefined>();
const written_max = 100_000;

/** The kind that a segment of a usage's path stands for; undefined for a name. */
export function kindOf(segment: string): SegmentKind | undefined {
  if (segment[0] !== "{" || segment.at(-1) !== "}") return undefined;
  const kind = segment.slice(1, -1);
  // What is in braces and no kind that is known was written by somebody else: no policy names it.
  return kinds.has(kind) ? (kind as SegmentKind) : "other";
}

/**
 * A name as a policy has it, percent-encoded where it has to be.
 * @param name decoded
 * @returns undefined for what no policy names in its strict form: dots, slashes, backslashes, semicolons; and for characters that no
 * policy should name: control characters, those that are not seen, and those that no standard has
 */
export function encodeName(name: string): string | undefined {
  if (/^[A-Za-z0-9_][A-Za-z0-9._~-]*$/u.test(name) && name.length <= segment_bytes_max) return name;
  if (name === "") return undefined;
  if (written.has(name)) return written.get(name);
  const text = encodeUnusual(name);
  if (written.size < written_max) written.set(name, text);
  return text;
}

function encodeUnusual(name: string): string | undefined {
  if (Buffer.byteLength(name) > segment_bytes_max || /[\p{C}\p{Zl}\p{Zp}]/u.test(name)) return undefined;
  for (const plain of [/[A-Za-z0-9._~$&',=:@+()-]/u, /[A-Za-z0-9._~-]/u]) {
    let text = "";
    try {
      for (const character of name) text += plain.test(character) ? character : percent(character);
    } catch {
      // Half a character.
      return undefined;
    }
    // With something behind it: an expression may end where the path does.
    const parsed = parseEndpoint(`GET /${text}/x`);
    const alone = parseEndpoint(`GET /${text}`);
    if ("segments" in parsed && parsed.segments[0] === name && "segments" in alone && !parsed.tail) return text;
  }
  return undefined;
}

function percent(character: string): string {
  if (character < "\u0080") return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
  return encodeURIComponent(character);
}

/**
 * A name for a variable: of dates `date`, of e-mail addresses `email`; else the singular of the name before it, with `Id` for numbers
 * and other identifiers: `/orders/{orderId}`, `/products/{product}`.
 * @param before the segment before, decoded; undefined where none is or where it is a variable itself
 * @param taken names that stand in the path already
 */
export function variableName(
  before: string | undefined,
  found: ReadonlySet<VariableKind>,
  taken: ReadonlySet<string>,
): string {
  const name = nameFor(before, found);
  if (!taken.has(name)) return name;
  for (let number = 2; ; number++) if (!taken.has(`${name}${number}`)) return `${name}${number}`;
}

function nameFor(before: string | undefined, found: ReadonlySet<VariableKind>): string {
  const [only] = found.size === 1 ? found : [];
  if (only === "date" || only === "email") return only;
  const owner = before === undefined ? "" : ownerName(before);
  if (found.has("name")) return owner === "" ? "name" : owner;
  if (only === "other") return "value";
  return owner === "" ? "id" : `${owner}Id`;
}

/** `order-items` is `orderItem`; "" for what names nothing, such as `v1` and `api`. */
function ownerName(before: string): string {
  if (/^(?:v\d+(?:[a-z]+\d*)?|apis?|rest|\d.*)$/iu.test(before)) return "";
  const words = before.split(/[^A-Za-z0-9]+/u).filter((word) => word !== "");
  if (words.length === 0 || !/^[A-Za-z]/u.test(words[0]!)) return "";
  words.push(singular(words.pop()!));
  const [first, ...rest] = words as [string, ...string[]];
  const head = /^[A-Z]+$/u.test(first) ? first.toLowerCase() : first[0]!.toLowerCase() + first.slice(1);
  return [head, ...rest.map((word) => word[0]!.toUpperCase() + word.slice(1))]
    .join("")
    .slice(0, variable_characters_max);
}

/** English plurals by their ends, no dictionary: a wrong guess is a name that reads oddly. */
function singular(word: string): string {
  if (/[^aeiou]ies$/iu.test(word) && word.length > 4) return `${word.slice(0, -3)}y`;
  if (/(?:ss|x|ch|sh|zz)es$/iu.test(word)) return word.slice(0, -2);
  return /[^siu]s$/iu.test(word) ? word.slice(0, -1) : word;
}
