/** A request as rules see it: who calls, and method, host, path and query in the one way they can be read. */
import { type Path, type Reading, readPath } from "./paths.ts";

/** What arrives at the filter. */
export interface Arrived {
  /** The SPIFFE ID in the caller's certificate; null: no certificate. */
  caller: string | null;
  /** SHA-256 of that certificate in hexadecimal digits; null where it is not known. */
  digest: string | null;
  /** What listeners in front have left of Envoy's filter state. */
  filterState?: Readonly<Record<string, string>>;
  /** An address, with or without a port. */
  source: string;
  /** The port it came to; undefined where it came to none. */
  destination?: number | undefined;
  method: string;
  path: string;
  host: string;
  /** Names in lower case; values with one character a byte. */
  headers: readonly (readonly [name: string, value: string])[];
}

export interface Readable {
  method: string;
  /** In lower case, without port and dot at the end. */
  host: string;
  path: Path;
  /** The reading of the path that is in hand. */
  reading: Reading;
  /** As received; undefined where there is no `?`. */
  query: string | undefined;
}

/** Why an ID does not count, or undefined where it does. */
export function identityFault(
  id: string | null,
  domains: readonly string[],
): "identity_missing" | "identity_malformed" | "identity_untrusted" | undefined {
  if (id === null) return "identity_missing";
  const [, domain, path] = /^spiffe:\/\/([a-z0-9._-]+)((?:\/[A-Za-z0-9._-]+)+)$/u.exec(id) ?? [];
  if (domain === undefined || id.length > 2048 || domain.length > 255) return "identity_malformed";
  if (path!.split("/").some((segment) => segment === "." || segment === "..")) return "identity_malformed";
  return domains.includes(domain) ? undefined : "identity_untrusted";
}

/** The ID that another trust domain gives a caller whose own is an alias; any other stays as it is. */
export function withoutAlias<T extends string | null>(id: T, aliases: ReadonlyMap<string, string>): T | string {
  if (id === null || identityFault(id, [...aliases.keys()]) !== undefined) return id;
  return id.replace(/^spiffe:\/\/([^/]*)/u, (_, domain: string) => `spiffe://${aliases.get(domain)!}`);
}

/** Whether a request has what every request has: before anything else is asked, its caller's gateway or token included. */
export function isFormed({ method, path, host }: Arrived): boolean {
  return /^[A-Za-z0-9_-]{1,32}$/u.test(method) && readHost(host) !== undefined && path !== "";
}

/** Reads a request, or says why it cannot be read in one way only. */
export function readRequest({ method, path, host }: Arrived): Readable | "request_malformed" | "path_ambiguous" {
  const name = readHost(host);
  if (!/^[A-Za-z0-9_-]{1,32}$/u.test(method) || name === undefined) return "request_malformed";
  const mark = path.indexOf("?");
  const before = mark < 0 ? path : path.slice(0, mark);
  if (!before.startsWith("/") || before.length > 8192) return "request_malformed";
  const read = readPath(before);
  if (read === undefined) return "path_ambiguous";
  const query = mark < 0 ? undefined : path.slice(mark + 1);
  return { method, host: name, path: read, reading: read.sent, query };
}

function readHost(host: string): string | undefined {
  const [, name] = /^([a-z0-9._-]+|\[[a-f0-9.:]+\])(?::[0-9]*)?$/u.exec(host.toLowerCase()) ?? [];
  if (name === undefined || name.startsWith(".") || name.includes("..")) return undefined;
  return name.replace(/(.)\.$/u, "$1");
}

/** Percent-decoded; undefined where the encoding is invalid or the bytes are not UTF-8. */
function decode(raw: string): string | undefined {
  try {
    return decodeURIComponent(raw);
  } catch {
    return undefined;
  }
}

/**
 * A parameter of the query: its value, undefined where there is none, null where two readers could read it in two ways: it
 * stands twice, some take the `;` for a separator or the `+` for a space, the encoding is invalid or no UTF-8, or the query is
 * longer than 8 KiB.
 */
export function queryParameter(query: string | undefined, name: string): string | undefined | null {
  if (query === undefined) return undefined;
  if (query.length > 8192 || !/^[\x21-\x7e]*$/u.test(query) || /[;#]/u.test(query) || query.includes("%00"))
    return null;
  const found: string[] = [];
  for (const part of query.split("&")) {
    const sign = part.indexOf("=");
    const key = decode(sign < 0 ? part : part.slice(0, sign));
    if (key === undefined) return null;
    if (key === name) found.push(sign < 0 ? "" : part.slice(sign + 1));
  }
  if (found.length === 0) return undefined;
  return found.length > 1 || found[0]!.includes("+") ? null : (decode(found[0]!) ?? null);
}

/** The address and port of a connection; the host of these tests makes up a port where none is given. */
export function readSource(source: string): { ip: string; port: number } {
  const match = /^(?:\[(.*)\]|([^:]*)):([0-9]+)$/u.exec(source);
  return match === null ? { ip: source, port: 40000 } : { ip: match[1] ?? match[2]!, port: Number(match[3]) };
}

/** Names and values of all headers, with those that HTTP/2 begins with a colon. */
export function headerBytes({ method, path, host, headers }: Arrived): number {
  const pseudo = [":method", method, ":path", path, ":authority", host, ":scheme", "https"];
  return [...pseudo, ...headers.flat()].join("").length;
}

/** What stands behind the `?`. */
export function queryBytes({ path }: Arrived): number {
  return path.includes("?") ? path.length - path.indexOf("?") - 1 : 0;
}

/** What a request says that its body has; 0 where it says nothing, undefined where nobody can tell. */
export function contentLength({ headers }: Arrived): number | undefined {
  const [said = "0", ...others] = headers.filter(([name]) => name === "content-length").map(([, value]) => value);
  return others.length === 0 && /^[0-9]+$/u.test(said) ? Number(said) : undefined;
}
