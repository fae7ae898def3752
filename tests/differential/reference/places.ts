/** Where tokens stand in a request, and what is left of it for the upstream when they are taken away. */
import { type Arrived, queryParameter } from "./request.ts";

export interface Place {
  kind: "header" | "cookie" | "query";
  /** A header's in lower case. */
  name: string;
  /** What stands before the token in a header. */
  prefix: string;
  /** Whether the token is taken away. */
  isStripped: boolean;
  /** How many bytes a token may have there. */
  tokenBytes: number;
}

type Header = readonly [name: string, value: string];

/** The places of an issuer, or of JWT-SVIDs, in the byte order of what they are. */
export function readPlaces(owner: Record<string, unknown> | undefined): Place[] {
  if (owner === undefined) return [];
  const from = (owner.from ?? [{ header: "authorization" }]) as Record<string, string>[];
  const of = { isStripped: owner.forwardToken === false, tokenBytes: Number(owner.tokenBytes ?? 16384) };
  return from
    .map(({ header, cookie, query, prefix }): Place => {
      if (cookie !== undefined) return { kind: "cookie", name: cookie, prefix: "", ...of };
      if (query !== undefined) return { kind: "query", name: query, prefix: "", ...of };
      const name = header!.toLowerCase();
      return { kind: "header", name, prefix: prefix ?? (name === "authorization" ? "Bearer " : ""), ...of };
    })
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

const keyOf = ({ kind, name, prefix }: Place): string => `${kind} ${name} ${prefix}`;

/** The token at a place: undefined where there is none, null where it could be read in two ways. */
export function tokenAt({ kind, name, prefix }: Place, { headers, path }: Arrived): string | undefined | null {
  if (kind === "query") {
    const mark = path.indexOf("?");
    const value = queryParameter(mark < 0 ? undefined : path.slice(mark + 1), name);
    return value == null ? value : Buffer.from(value).toString("latin1");
  }
  if (kind === "cookie") {
    const values = headers.filter(([other]) => other === "cookie").flatMap(([, value]) => cookieValues(value, name));
    return values.length > 1 || values.includes(null) ? null : (values[0] ?? undefined);
  }
  const values = headers.filter(([other]) => other === name).map(([, value]) => value);
  if (values.length > 1) return null;
  const [value] = values;
  // RFC 9110 §11.1: the scheme has no case, and one or more blanks after it.
  if (prefix === "Bearer ") {
    const token = /^bearer +(.*)$/isu.exec(value ?? "")?.[1];
    // Behind a tab, or another scheme and a comma, some readers find one.
    const isHidden = /(?:^|,[ \t]*)bearer(?:[ \t]|$)/iu.test(value ?? "") && value!.length > prefix.length - 1;
    return token === undefined && isHidden ? null : token;
  }
  return value?.startsWith(prefix) ? value.slice(prefix.length) : undefined;
}

/** What cookies of a name hold in one header; null for one that only some readers take for it. */
function cookieValues(header: string, name: string): (string | null)[] {
  const found: (string | null)[] = [];
  let separator = ";";
  let at = 0;
  for (const piece of header.split(/[;,]/u)) {
    const [whole = "", before = "", key = "", after = ""] = /^([ \t]*)([^=]*?)([ \t]*)=/u.exec(piece) ?? [];
    if (whole !== "" && key === name) {
      const isTidy = separator === ";" && !before.includes("\t") && after === "";
      found.push(isTidy ? header.slice(at + whole.length).split(";")[0]! : null);
    }
    at += piece.length + 1;
    separator = header[at - 1] ?? "";
  }
  return found;
}

/** All cookies of a request, in order, however they are separated. */
function cookiesOf(headers: readonly Header[]): string[] {
  return headers
    .filter(([name]) => name === "cookie")
    .flatMap(([, value]) => value.split(/[;,]/u).map((cookie) => cookie.replace(/^[ \t]+/u, "")))
    .filter((cookie) => cookie !== "");
}

/** The headers without what stands at the places whose tokens are taken away. */
export function stripHeaders(headers: readonly Header[], places: readonly Place[]): Header[] {
  let left = [...headers];
  for (const { kind, name, prefix, isStripped } of places) {
    if (!isStripped) continue;
    if (kind === "header") {
      // Upstreams may not mind the case of a scheme, what white space follows it, or `_` for `-`.
      const word = prefix.trimEnd().toLowerCase();
      const isToken = ([other, value]: Header): boolean =>
        other.replaceAll("_", "-") === name.replaceAll("_", "-") &&
        value
          .split(",")
          .map((part, index) => (index === 0 ? part : part.replace(/^[ \t]+/u, "")))
          .some(
            (part, index, parts) =>
              part.toLowerCase().startsWith(word) &&
              (word.length === prefix.length ||
                /^[ \t]/u.test(part.slice(word.length)) ||
                (index === parts.length - 1 && part.length === word.length)),
          );
      const names = new Set(left.filter(isToken).map(([other]) => other));
      left = left.filter(([other]) => !names.has(other));
    } else if (kind === "cookie") {
      left = left.map(([other, value]): Header => {
        if (other !== "cookie") return [other, value];
        const kept = cookiesOf([[other, value]]).filter(
          (cookie) => !cookie.includes("=") || cookie.split("=")[0]!.replace(/[ \t]+$/u, "") !== name,
        );
        return [other, kept.join("; ")];
      });
    }
  }
  return left;
}

/** The path without the parameters that are taken away, however their names are encoded. */
export function stripPath(path: string, places: readonly Place[]): string {
  const mark = path.indexOf("?");
  if (mark < 0) return path;
  const names = places.filter(({ kind, isStripped }) => kind === "query" && isStripped).map(({ name }) => name);
  const kept = parametersOf(path.slice(mark + 1)).filter((one) => !names.includes(nameOf(one)));
  return path.slice(0, mark) + (kept.length === 0 ? "" : `?${kept.join("&")}`);
}

const parametersOf = (query: string): string[] => query.split(/[&;#]/u).filter((one) => one !== "");

function nameOf(parameter: string): string {
  const byte = (_: string, digits: string): string => String.fromCharCode(Number.parseInt(digits, 16));
  return parameter
    .split("=")[0]!
    .replaceAll("+", " ")
    .replace(/%([0-9a-f]{2})/giu, byte);
}

/** What an upstream gets of headers, in one form: cookies one by one, headers of other names in their order. */
export function plainHeaders(headers: readonly Header[]): [string, string][] {
  const cookies = cookiesOf(headers).map((cookie): [string, string] => ["cookie", cookie]);
  return [
    ...headers.filter(([name]) => name !== "cookie").map(([name, value]): [string, string] => [name, value]),
    ...cookies,
  ]
    .map((header, index) => ({ header, index }))
    .sort((a, b) => (a.header[0] < b.header[0] ? -1 : a.header[0] > b.header[0] ? 1 : a.index - b.index))
    .map(({ header }) => header);
}

/** A path in one form: without parameters that are empty. */
export function plainPath(path: string): string {
  return stripPath(path, []);
}
