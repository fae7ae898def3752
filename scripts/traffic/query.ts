/**
 * The query that groups requests, in the words of any dialect:
 *
 *   logged ──► recorded ──► judged ──► entries ──► minutes ──► groups
 *   members    those of     one value  keys and    one row     one row for a `Usage`
 *   of a line  its record   for each   numbers     a minute
 */
import type { Dialect } from "./dialects.ts";
import {
  email,
  hidden,
  marked,
  path_segments_max,
  patterns,
  segment_bytes_max,
  unmarked_bytes_max,
} from "./segments.ts";
import { duration_bounds_ms } from "./usage.ts";

/** Members of a line that are read, and the columns that have them: our examples' names first, then Istio's. */
export const line_members = [
  ["time", "time"],
  ["start_time", "start_time"],
  ["source", "source"],
  ["downstream_remote_address", "downstream_remote_address"],
  ["peer", "peer"],
  ["method", "method"],
  ["host", "host"],
  ["authority", "authority"],
  ["path", "path"],
  ["status", "status"],
  ["response_code", "response_code"],
  ["grpc_status", "grpc_status"],
  ["duration_ms", "duration_ms"],
  ["duration", "duration"],
  ["bytes_received", "bytes_received"],
  ["bytes_sent", "bytes_sent"],
  ["operation", "operation"],
  ["scopes", "scopes"],
  ["tls_failure", "tls_failure"],
  ["record", "record"],
] as const satisfies readonly (readonly [string, string])[];

const record_members = [
  "admit",
  "policy",
  "decision",
  "reason",
  "rule",
  "method",
  "host",
  "path",
  "path_bytes",
  "caller",
  "issuer",
].map((name) => [`recorded_${name}`, name] as const);

/** What is told apart. */
export const key_columns = [
  "day",
  "host",
  "method",
  "path",
  "parameters",
  "operation",
  "caller",
  "issuer",
  "scopes",
  "policy",
  "rule",
  "decision",
  "reason",
  "admitted",
  "status",
] as const;

/** How long texts may be, in bytes; a longer one is `{other}`. */
export const text_bytes_max = {
  host: 253,
  method: 32,
  operation: 256,
  caller: 2_048,
  issuer: 256,
  scopes: 1_024,
  policy: 64,
  rule: 64,
  reason: 64,
} as const;

/** Statuses of who was not let in, where no record says who was: also those of a path that nobody serves. */
export const refused_statuses = [0, 400, 401, 403, 404, 405, 407, 421, 426, 429, 431, 501] as const;
/** A path is handed on for replay as long as this; a longer one is none that a policy would name. */
const judged_bytes_max = 8_192;
/** Names of so many parameters are told apart, each of so many bytes. */
export const parameters_max = 32;
const parameter_pattern = "[A-Za-z0-9_.~$:-]{1,64}";
const grpc_refused = ["7", "16"];

/** Since when and until when, in milliseconds since 1970; a line without a time is then left out. */
export interface Period {
  sinceMs?: number;
  untilMs?: number;
}

/** The steps up to one row for each request, as the expressions of `WITH`. @param inner what has a column for each of `line_members` */
export function entrySteps(d: Dialect, inner: string, period: Period = {}): string[] {
  const bounded = (name: keyof typeof text_bytes_max, text: string): string =>
    `CASE WHEN ${d.bytes(text)} <= ${text_bytes_max[name]} THEN ${text} ELSE '{other}' END AS ${name}`;
  const given = (record: string, logged: string): string =>
    `CASE WHEN recorded_policy IS NOT NULL THEN COALESCE(${record}, ${logged}) ELSE ${logged} END`;
  const ofRecord = (name: string): string => `COALESCE(recorded_${name}, '')`;
  const time = period.sinceMs === undefined && period.untilMs === undefined ? "" : `\n  WHERE ${within(period)}`;
  return [
    `recorded AS (${d.members(inner, "CASE WHEN record LIKE '{%' THEN record END", record_members)})`,
    `judged AS (SELECT
    CASE WHEN method IS NOT NULL OR path IS NOT NULL THEN 'request'
      WHEN COALESCE(tls_failure, status, response_code) IS NOT NULL THEN 'other' ELSE 'unknown' END AS kind,
    ${d.milliseconds("COALESCE(time, start_time)")} AS read_ms,
    COALESCE(source, downstream_remote_address, '') AS source,
    LOWER(${given("recorded_host", "COALESCE(host, authority, '')")}) AS host,
    ${given("recorded_method", "COALESCE(method, '')")} AS method,
    CASE WHEN recorded_path IS NULL THEN ${cutAt(d, "COALESCE(path, '')", "?")}
      WHEN recorded_path_bytes IS NULL THEN recorded_path ELSE ${d.concat("recorded_path", "'*'")} END AS path,
    recorded_path IS NULL AND ${d.contains("COALESCE(path, '')", "%")} AS escaped,
    CASE WHEN ${d.contains("COALESCE(path, '')", "?")} THEN ${d.after("path", "?")} ELSE '' END AS query,
    COALESCE(operation, '') AS operation,
    CASE WHEN recorded_policy IS NOT NULL THEN COALESCE(recorded_caller, '')
      WHEN ${d.contains("COALESCE(peer, '')", "spiffe://")} THEN ${d.extract("peer", "spiffe://[^, ]*")} ELSE '' END AS caller,
    ${ofRecord("issuer")} AS issuer,
    COALESCE(scopes, '') AS scopes,
    ${ofRecord("policy")} AS policy,
    ${ofRecord("rule")} AS rule,
    CASE WHEN recorded_decision IN ('allow', 'deny', 'wait') THEN recorded_decision ELSE '' END AS decision,
    ${ofRecord("reason")} AS reason,
    recorded_admit AS admit,
    grpc_status,
    COALESCE(${d.integer("COALESCE(status, response_code)")}, 0) AS read_status,
    COALESCE(${d.integer("bytes_received")}, 0) AS read_in,
    COALESCE(${d.integer("bytes_sent")}, 0) AS read_out,
    COALESCE(${d.integer("COALESCE(duration_ms, duration)")}, -1) AS duration
  FROM recorded)`,
    // A list of its own, and no step of a longer expression: that takes half the time.
    `timed AS (SELECT *,
    CASE WHEN read_ms >= 0 AND read_ms < 7258118400000 THEN read_ms ELSE 0 END AS ms,
    CASE WHEN read_status >= 0 AND read_status <= 999 THEN read_status ELSE 0 END AS status,
    ${d.each(d.split(splitText(d), "/"), "segment", segmentCase(d, "segment"))} AS shapes
  FROM judged)`,
    `entries AS (SELECT
    kind,
    ms,
    ${d.quotient("ms", 86_400_000)} AS day_number,
    ${d.quotient("ms", 60_000)} AS minute,
    CASE WHEN ${d.bytes("source")} <= 64 THEN source ELSE '' END AS source,
    CASE WHEN ${d.bytes("host")} > ${text_bytes_max.host} OR ${d.finds("host", "[^0-9a-z._:-]")} AND NOT ${d.matches("host", "\\[[0-9a-f:.]+\\](:[0-9]*)?")} THEN '{other}'
      WHEN ${d.contains("host", ":")} THEN ${d.without("host", ":[0-9]*$")} ELSE host END AS host,
    ${bounded("method", "method")},
    CASE WHEN ${d.bytes("path")} > ${judged_bytes_max} THEN '{other}' WHEN escaped THEN ${judgedPath(d)} ELSE path END AS judged_path,
    ${shape(d)} AS path,
    CASE WHEN query = '' THEN '' ELSE ${parameterNames(d)} END AS parameters,
    ${bounded("operation", "operation")},
    CASE WHEN ${d.startsWith("caller", "spiffe://")} AND ${d.bytes("caller")} <= ${text_bytes_max.caller} THEN caller ELSE '' END AS caller,
    ${bounded("issuer", "issuer")},
    ${bounded("scopes", "scopes")},
    ${bounded("policy", "policy")},
    ${bounded("rule", "rule")},
    decision,
    ${bounded("reason", "reason")},
    CASE WHEN policy <> '' THEN COALESCE(admit, '') = 'true'
      ELSE ${isLetIn("status")} AND COALESCE(grpc_status, '') NOT IN (${grpc_refused.map(d.text).join(", ")}) END AS admitted,
    status,
    CASE WHEN read_in > 0 THEN read_in ELSE 0 END AS bytes_in,
    CASE WHEN read_out > 0 THEN read_out ELSE 0 END AS bytes_out,
    duration
  FROM timed${time})`,
  ];
}

/** Whether a status is none of those: one by one, since DuckDB makes a join of a long list, for each request. */
function isLetIn(status: string): string {
  return `CASE ${status} ${refused_statuses.map((refused) => `WHEN ${refused} THEN FALSE`).join(" ")} ELSE TRUE END`;
}

function within({ sinceMs, untilMs }: Period): string {
  const bounds = [
    ...(sinceMs === undefined ? [] : [`ms >= ${Math.ceil(sinceMs)}`]),
    ...(untilMs === undefined ? [] : [`ms < ${Math.ceil(untilMs)}`]),
  ];
  return `kind <> 'request' OR (ms > 0 AND ${bounds.join(" AND ")})`;
}

function cutAt(d: Dialect, text: string, separator: string): string {
  return `CASE WHEN ${d.contains(text, separator)} THEN ${d.before(text, separator)} ELSE ${text} END`;
}

/** A path's text as it is split: what is no path is hidden as a whole, and so is a segment with an escape of a slash, or of nothing. */
function splitText(d: Dialect): string {
  const decoded = d.join(d.each(d.split("path", "/"), "part", unescaped(d, "'*'")), "/");
  return `CASE WHEN path = '' THEN '' WHEN NOT ${d.startsWith("path", "/")} THEN '*' WHEN escaped THEN ${decoded} ELSE path END`;
}

/** What stands for a segment, as `segmentShape` says it. */
function segmentCase(d: Dialect, text: string): string {
  const kinds = patterns.map(({ kind, pattern, bytes: [least, most], digit }) => {
    const size = least === most ? `= ${least}` : `BETWEEN ${least} AND ${most}`;
    const first = digit ? ` AND ${text} < ':'` : "";
    const digits = kind === "hash" ? ` AND ${d.finds(text, "[0-9]")}` : "";
    return `WHEN ${d.bytes(text)} ${size}${first} AND ${d.matches(text, pattern)}${digits} THEN '{${kind}}'`;
  });
  return `CASE WHEN ${text} = '' THEN ${text}
      WHEN ${d.bytes(text)} <= ${unmarked_bytes_max} AND ${text} >= ':' AND NOT ${d.finds(text, marked)} THEN ${text}
      ${kinds.join("\n      ")}
      WHEN ${d.bytes(text)} > ${segment_bytes_max} OR ${d.finds(text, hidden)} THEN '{other}'
      WHEN ${d.contains(text, "@")} AND ${d.matches(text, email)} THEN '{email}'
      ELSE ${text} END`;
}

/** The path of its segments' shapes. */
function shape(d: Dialect): string {
  const few = path_segments_max + 1;
  return `CASE WHEN ${d.size("shapes")} > ${few} THEN ${d.concat(d.join(d.first("shapes", few), "/"), "'/{other}'")}
      ELSE ${d.join("shapes", "/")} END`;
}

/** A segment without its escapes. @param otherwise for one with a slash escaped, or with escapes that are none */
function unescaped(d: Dialect, otherwise: string): string {
  return `CASE WHEN NOT ${d.contains("part", "%")} THEN part WHEN ${d.finds("part", "%2[Ff]")} THEN ${otherwise}
        WHEN ${d.matches("part", "([^%]|%[0-9A-Fa-f]{2})*")} THEN COALESCE(${d.decode("part")}, ${otherwise}) ELSE ${otherwise} END`;
}

/** The path for replay, without its escapes; a segment in which one stands for a slash, or for nothing, stays as it is. */
function judgedPath(d: Dialect): string {
  return d.join(d.each(d.split("path", "/"), "part", unescaped(d, "part")), "/");
}

function parameterNames(d: Dialect): string {
  const name = `CASE WHEN ${d.matches(d.before("pair", "="), parameter_pattern)} THEN ${d.before("pair", "=")} ELSE '{other}' END`;
  return d.join(d.first(d.distinctSorted(d.each(d.split("query", "&"), "pair", name)), parameters_max), " ");
}

/** Which of the buckets of `duration_bounds_ms` a duration is in; -1 for none. */
export function bucketOf(duration: string): string {
  const bounds = duration_bounds_ms.map((bound, index) => `WHEN ${duration} <= ${bound} THEN ${index}`).join(" ");
  return `CASE WHEN ${duration} < 0 THEN -1 ${bounds} ELSE ${duration_bounds_ms.length} END`;
}

/** The steps from entries to one row for each group. */
export function groupSteps(d: Dialect): string[] {
  const buckets = Array.from({ length: duration_bounds_ms.length + 1 }, (_, index) => index);
  const same = key_columns.filter((column) => column !== "day").join(", ");
  return [
    `minutes AS (SELECT day_number, ${same}, minute, COUNT(*) AS requests, MIN(ms) AS first_ms, MAX(ms) AS last_ms,
    SUM(bytes_in) AS sum_in, SUM(bytes_out) AS sum_out,
    ${buckets.map((index) => `${d.countIf(`bucket = ${index}`)} AS took_${index}`).join(", ")}
  FROM (SELECT *, ${bucketOf("duration")} AS bucket FROM entries WHERE kind = 'request') AS bucketed
  GROUP BY day_number, ${same}, minute)`,
    `grouped AS (SELECT day_number, ${same}, SUM(requests) AS total, MIN(first_ms) AS first_seen, MAX(last_ms) AS last_seen,
    SUM(sum_in) AS bytes_in, SUM(sum_out) AS bytes_out,
    ${d.concat(...buckets.flatMap((index) => [...(index === 0 ? [] : ["' '"]), d.asText(`SUM(took_${index})`)]))} AS durations,
    MAX(requests) AS most
  FROM minutes GROUP BY day_number, ${same})`,
  ];
}
