/**
 * `x-forwarded-client-cert` as Envoy writes it: elements joined by commas, the last one from the nearest proxy, each of pairs
 * `Key=value` joined by semicolons; `Subject` and whole certificates stand in double quotes, with backslashes before quotes in
 * them, other values as they are. `By` is the proxy that wrote the element, and DNS names come last.
 */
import type { Policy } from "./policy.ts";
import { type Arrived, withoutAlias } from "./request.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: no value has them
const pair = / *([A-Za-z]+)=(?:"((?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*)"|([^\x00-\x20\x7f",;]*))([,;]?)/uy;

/** Who calls, by its certificate or by what a gateway says. */
export interface Caller {
  /** "" stands for an ID that is none. */
  id: string | null;
  /** SHA-256 of its certificate in hexadecimal digits. */
  digest: string | null;
}

/** What one proxy says. */
interface Element {
  by: string[];
  uris: string[];
  hash: string;
  hasDns: boolean;
}

/** The caller that a connection shows, or the one that a gateway of the policy tells of. */
export function callerOf(
  { caller: id, digest, headers }: Arrived,
  { forwarders: gateways, aliases }: Pick<Policy, "forwarders" | "aliases">,
): Caller {
  const forwarders = gateways.map((gateway) => withoutAlias(gateway, aliases));
  const peer: Caller = { id, digest };
  const malformed: Caller = { id: "", digest };
  const told = headers.filter(([name]) => name === "x-forwarded-client-cert").map(([, value]) => value);
  if (id === null || told.length === 0) return peer;
  const elements = told.length > 1 ? undefined : readElements(told[0]!);
  if (elements === undefined) return malformed;
  // An element with the digest of the peer's own certificate was appended here, and says who the peer is.
  const isOfPeer = ({ hash }: Element): boolean => hash !== "" && hash.toLowerCase() === digest?.toLowerCase();
  if (elements.some((one) => isOfPeer(one) && one.uris.length > 1)) return malformed;
  if (!forwarders.includes(id)) return peer;
  const last = elements.at(-1)!;
  const isOwn = isOfPeer(last);
  const element = isOwn ? elements.at(-2) : last;
  if (element === undefined) return peer;
  // What a gateway wrote says so, or does not say who wrote it: then what follows may be of its callers' making.
  const earlier = elements.slice(0, elements.indexOf(element));
  if (earlier.some(({ by }) => by.length === 0 || by.some((one) => withoutAlias(one, aliases) === id)))
    return malformed;
  return {
    id: element.uris.length > 1 ? "" : (element.uris[0] ?? null),
    digest: element.hash === "" ? null : element.hash,
  };
}

/** The elements of a header; undefined where it cannot be read. */
function readElements(header: string): Element[] | undefined {
  const none = (): Element => ({ by: [], uris: [], hash: "", hasDns: false });
  const elements = [none()];
  pair.lastIndex = 0;
  for (;;) {
    const at = pair.lastIndex;
    const match = pair.exec(header);
    if (match === null || match.index !== at) return undefined;
    const [, key, quoted, plain, separator] = match;
    const element = elements.at(-1)!;
    const name = key!.toLowerCase();
    if (quoted !== undefined && ["by", "hash", "uri"].includes(name)) return undefined;
    if (name === "by") element.by.push(plain!);
    if (name === "dns") element.hasDns = true;
    if (name === "uri" && element.hasDns) return undefined;
    if (name === "uri") element.uris.push(plain!);
    if (name === "hash" && element.hash !== "") return undefined;
    if (name === "hash") element.hash = plain!;
    if (separator === "") return pair.lastIndex === header.length ? elements : undefined;
    if (separator === ",") elements.push(none());
  }
}
