/** A request as rules see it: who calls, and method, host, path and query in the one way they can be read. */

/** What arrives at the filter. */
export interface Arrived {
  /** The SPIFFE ID in the caller's certificate; null: no certificate. */
  caller: string | null;
  /** SHA-256 of that certificate in hexadecimal digits; null where it is not known. */
  digest: string | null;
  /** An address, with or without a port. */
  source: string;
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
  /** Decoded. */
  segments: string[];
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

/** Reads a request, or says why it cannot be read in one way only. */
export function readRequest({ method, path, host }: Arrived): Readable | "request_malformed" | "path_ambiguous" {
  const name = readHost(host);
  if (!/^[A-Za-z0-9_-]{1,32}$/u.test(method) || name === undefined) return "request_malformed";
  const mark = path.indexOf("?");
  const before = mark < 0 ? path : path.slice(0, mark);
  if (!before.startsWith("/") || before.length > 8192) return "request_malformed";
  const segments = before === "/" ? [] : before.slice(1).split("/").map(readSegment);
  if (segments.includes(undefined)) return "path_ambiguous";
  return { method, host: name, segments: segments as string[], query: mark < 0 ? undefined : path.slice(mark + 1) };
}

function readHost(host: string): string | undefined {
  const [, name] = /^([a-z0-9._-]+|\[[a-f0-9.:]+\])(?::[0-9]*)?$/u.exec(host.toLowerCase()) ?? [];
  if (name === undefined || name.startsWith(".") || name.includes("..")) return undefined;
  return name.replace(/(.)\.$/u, "$1");
}

/** A decoded segment, or undefined for one that two readers could take for two. */
function readSegment(raw: string): string | undefined {
  if (!/^[\x21-\x7e]+$/u.test(raw) || /[\\;#]/u.test(raw)) return undefined;
  if (/%(?:00|2e|2f|3b|5c)/iu.test(raw)) return undefined;
  const decoded = decode(raw);
  if (decoded === undefined || decoded === "." || decoded === "..") return undefined;
  return /%[0-9a-f]{2}/iu.test(decoded) ? undefined : decoded;
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
