/**
 * `x-forwarded-client-cert` as Envoy writes it: elements joined by commas, the last one from the nearest proxy, each of pairs
 * `Key=value` joined by semicolons; a value may stand in double quotes, with backslashes before quotes in it.
 */
import type { Arrived } from "./request.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: a plain value has none
const pair = / *([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\x00-\x20\x7f",;]*))([,;]?)/uy;

/** The ID the caller is judged by: its own, or the one that a gateway of the policy tells of; "" stands for one that is no ID. */
export function callerOf({ caller, headers }: Arrived, forwarders: readonly string[]): string | null {
  const told = headers.filter(([name]) => name === "x-forwarded-client-cert").map(([, value]) => value);
  if (caller === null || told.length === 0) return caller;
  const names = told.length > 1 ? undefined : lastUris(told[0]!);
  if (names === undefined) return "";
  if (!forwarders.includes(caller)) return caller;
  if (names.length > 1) return "";
  return names[0] ?? null;
}

/** The URI names of the last element; undefined where the header cannot be read. */
function lastUris(header: string): string[] | undefined {
  let uris: string[] = [];
  let hashes = 0;
  pair.lastIndex = 0;
  for (;;) {
    const at = pair.lastIndex;
    const match = pair.exec(header);
    if (match === null || match.index !== at) return undefined;
    const [, key, quoted, plain, separator] = match;
    if (key!.toLowerCase() === "uri") uris.push(quoted ?? plain!);
    if (key!.toLowerCase() === "hash" && (quoted ?? plain) !== "" && ++hashes > 1) return undefined;
    if (separator === "") return pair.lastIndex === header.length ? uris : undefined;
    if (separator === ",") {
      uris = [];
      hashes = 0;
    }
  }
}
