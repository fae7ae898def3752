/**
 * `x-forwarded-client-cert` as Envoy writes it: elements joined by commas, the last one from the nearest proxy, each of pairs
 * `Key=value` joined by semicolons; a value may stand in double quotes, with backslashes before quotes in it.
 */
import type { Arrived } from "./request.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: a plain value has none
const pair = / *([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\x00-\x20\x7f",;]*))([,;]?)/uy;

/** Who calls, by its certificate or by what a gateway says. */
export interface Caller {
  /** "" stands for an ID that is none. */
  id: string | null;
  /** SHA-256 of its certificate in hexadecimal digits. */
  digest: string | null;
}

/** What one proxy says. */
interface Element {
  uris: string[];
  hash: string;
}

/** The caller that a connection shows, or the one that a gateway of the policy tells of. */
export function callerOf({ caller: id, digest, headers }: Arrived, forwarders: readonly string[]): Caller {
  const peer: Caller = { id, digest };
  const malformed: Caller = { id: "", digest };
  const told = headers.filter(([name]) => name === "x-forwarded-client-cert").map(([, value]) => value);
  if (id === null || told.length === 0) return peer;
  const elements = told.length > 1 ? undefined : readElements(told[0]!);
  if (elements === undefined) return malformed;
  // An element with the digest of the peer's own certificate was appended here, and says who the peer is.
  const last = elements.at(-1)!;
  const isOwn = last.hash !== "" && last.hash.toLowerCase() === digest?.toLowerCase();
  if (isOwn && last.uris.length > 1) return malformed;
  if (!forwarders.includes(id)) return peer;
  const element = isOwn ? elements.at(-2) : last;
  if (element === undefined) return peer;
  return {
    id: element.uris.length > 1 ? "" : (element.uris[0] ?? null),
    digest: element.hash === "" ? null : element.hash,
  };
}

/** The elements of a header; undefined where it cannot be read. */
function readElements(header: string): Element[] | undefined {
  const elements: Element[] = [{ uris: [], hash: "" }];
  pair.lastIndex = 0;
  for (;;) {
    const at = pair.lastIndex;
    const match = pair.exec(header);
    if (match === null || match.index !== at) return undefined;
    const [, key, quoted, plain, separator] = match;
    const element = elements.at(-1)!;
    if (key!.toLowerCase() === "uri") element.uris.push(quoted ?? plain!);
    if (key!.toLowerCase() === "hash") {
      if (element.hash !== "") return undefined;
      element.hash = quoted ?? plain!;
    }
    if (separator === "") return pair.lastIndex === header.length ? elements : undefined;
    if (separator === ",") elements.push({ uris: [], hash: "" });
  }
}
