/**
 * The query's last steps as DuckDB does them fastest. What `groupSteps` counts in one row a minute, wide keys and all, is here one row for each
 * bucket of durations with a list of minutes; the minutes are counted at the end, for the groups that are kept.
 */
import { duckdb } from "./dialects.ts";
import { bucketOf, entrySteps, key_columns, type Period } from "./query.ts";
import { duration_bounds_ms, usages_max } from "./usage.ts";

const keys = ["kind", ...key_columns.map((column) => (column === "day" ? "day_number" : column))].join(", ");

/** Lines → rows of `parts`. */
export function partsQuery(source: string, period: Period): string {
  return `WITH ${entrySteps(duckdb, source, period).join(",\n")}
  SELECT ${keys}, ${bucketOf("duration")} AS bucket, COUNT(*) AS requests, MIN(ms) AS first_ms, MAX(ms) AS last_ms,
    SUM(bytes_in)::DOUBLE AS sum_in, SUM(bytes_out)::DOUBLE AS sum_out, LIST(minute::INTEGER) AS minutes
  FROM entries GROUP BY ${keys}, bucket`;
}

/** Rows of `parts` → one row for each `Usage`, those with the most admitted requests first. */
export function usagesQuery(parts: string): string {
  const buckets = Array.from({ length: duration_bounds_ms.length + 1 }, (_, index) => index);
  const took = buckets.map((index) => `COALESCE(SUM(requests) FILTER (WHERE bucket = ${index}), 0)::VARCHAR`);
  return `WITH whole AS (SELECT ${keys}, SUM(requests)::DOUBLE AS count, MIN(first_ms) AS first_seen, MAX(last_ms) AS last_seen,
      SUM(sum_in) AS bytes_in, SUM(sum_out) AS bytes_out, ${took.join(" || ' ' || ")} AS durations, FLATTEN(LIST(minutes)) AS minutes
    FROM ${parts} WHERE kind = 'request' GROUP BY ${keys}),
  kept AS MATERIALIZED (SELECT *, ROW_NUMBER() OVER (ORDER BY ${order}) AS place FROM whole ORDER BY ${order} LIMIT ${usages_max}),
  peaks AS (SELECT place, MAX(requests) AS peak FROM
    (SELECT place, minute, COUNT(*) AS requests FROM (SELECT place, UNNEST(minutes) AS minute FROM kept WHERE day_number > 0) GROUP BY place, minute)
    GROUP BY place)
  SELECT kept.* EXCLUDE (minutes, kind, day_number), ${duckdb.day("day_number")} AS day, COALESCE(peak, 0) AS peak_minute
  FROM kept LEFT JOIN peaks USING (place) ORDER BY place`;
}

const order = `CASE WHEN admitted THEN count ELSE 0 END DESC, count DESC, ${keys}`;

/** Lines → rows that are merged by `requestsQuery`. */
export function askedQuery(source: string, period: Period): string {
  return `WITH ${entrySteps(duckdb, source, period).join(",\n")}
  SELECT kind, ${request_keys.replace("source", () => `${port} AS source`)}, COUNT(*) AS requests, MIN(ms) AS first_ms, MAX(ms) AS last_ms
  FROM entries GROUP BY ALL`;
}

const request_keys =
  "host, method, judged_path, caller, source, issuer, scopes, decision, reason, rule, admitted, policy";

/** Ports are 0 or 1: whether Envoy took the address from a header is all that counts. */
const port = `CASE WHEN regexp_full_match(source, '(\\[[^\\]]*\\]|[^:]*):[0-9]+')
      THEN regexp_replace(source, ':[0-9]*[1-9][0-9]*$', ':1') ELSE source END`;

/** The rows of requests, each kind once. */
export function requestsQuery(asked: string): string {
  return `SELECT ${request_keys.replace("judged_path", "judged_path AS path")}, SUM(requests)::DOUBLE AS count,
    MIN(first_ms)::DOUBLE AS "firstSeen", MAX(last_ms)::DOUBLE AS "lastSeen"
  FROM ${asked} WHERE kind = 'request' GROUP BY ${request_keys}`;
}
