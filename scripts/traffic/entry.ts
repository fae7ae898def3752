/** One request, as any log has it: the members of the examples' JSON access log, which the query reads. */

/** Texts as the log has them. What a log does not say is left out. */
export interface Entry {
  time?: string;
  source?: string;
  peer?: string;
  method?: string;
  host?: string;
  /** As received: escaped, with its query. */
  path?: string;
  status?: string;
  grpc_status?: string;
  duration_ms?: string;
  bytes_received?: string;
  bytes_sent?: string;
  operation?: string;
  scopes?: string;
  /** Why TLS failed: then it is no request. */
  tls_failure?: string;
  /** The filter's record: JSON. Only a member that Envoy's configuration made comes here, and no text that a caller had a part in. */
  record?: string;
}

/** So many characters of a member are kept; a path that is cut ends in `*`, which makes its last segment `{other}`. */
const characters_max = 8_192;

/** An entry as a line of JSON: bounded, and sound Unicode. */
export function lineOf(entry: Entry): string {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(entry)) {
    if (value === undefined) continue;
    const most = name === "record" ? 8 * characters_max : characters_max;
    const text = value.length <= most ? value : `${value.slice(0, most)}${name === "path" ? "*" : ""}`;
    // A record that is cut is none.
    if (name !== "record" || value.length <= most) kept[name] = text.replace(/\p{Surrogate}/gu, "\ufffd");
  }
  return JSON.stringify(kept);
}

/** A value of JSON as text; undefined for null, `-`, lists and objects. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value === "-" ? undefined : value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
}

/** A member that is an object, or an empty one: no member of it is there then. */
export function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** A member that is a list. */
export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The entry without members that are not there. */
export function entryOf(members: { [Name in keyof Entry]: string | undefined }): Entry {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Entry;
}

/** Milliseconds since 1970 as a time; undefined where there is none. */
export function timeOf(milliseconds: number): string | undefined {
  const isTime = Number.isFinite(milliseconds) && milliseconds > 0 && milliseconds < 7_258_118_400_000;
  return isTime ? new Date(milliseconds).toISOString() : undefined;
}
