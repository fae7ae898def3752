/**
 * What access logs say, grouped: requests of one day that were alike are one row, with how many they were. This is what everything about
 * traffic is made from, whether this machine read the logs or the system where they are: the columns of the query that
 * `discover --sql` prints, and of the file that `discover --from` reads, are the members here, in snake case.
 *
 *   logs ──► entries (one for each request) ──► usages (one for each group) ──► inventory, drift, suggestions, report
 *                       └──► requests (for `replay`)
 *
 * All texts come from callers: they are bounded, and nobody writes them anywhere without escaping.
 */

/** Upper bounds of the buckets of durations, in milliseconds; one more bucket has what took longer. */
export const duration_bounds_ms = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000] as const;

/** So many groups are told apart; of further ones those with the fewest admitted requests are counted only. */
export const usages_max = 200_000;

/**
 * What a segment of a path is replaced by where it is a value and no name. `{other}` stands for one that no policy would name: with control
 * characters, braces, `*` or a byte beyond the bounds.
 */
export const segment_kinds = ["number", "uuid", "ulid", "hash", "date", "email", "other"] as const;
export type SegmentKind = (typeof segment_kinds)[number];

/** Requests that were alike, on one day. */
export interface Usage {
  /** UTC, `YYYY-MM-DD`; "" where the log has no time. */
  day: string;
  /** In lower case, without a port; "" where it is not known. */
  host: string;
  method: string;
  /** Decoded, without its query; segments that are values are replaced by their kind: `/orders/{number}`. */
  path: string;
  /** The names of the query's parameters, each once and in order; empty too where the log leaves queries out. */
  parameters: readonly string[];
  /** What was asked for inside the request, where it is recorded: `mcp tools/call NAME`, `graphql query NAME`; else "". */
  operation: string;
  /** A SPIFFE ID; "" for nobody, or where it is not known. */
  caller: string;
  /** The name of the token's issuer in the policy, or `iss`; "" without a verified token. */
  issuer: string;
  /** In order, by blanks; "" without any, or where the log does not say. */
  scopes: string;
  /** The policy that judged; "" where the log has no record of the filter. */
  policy: string;
  /** The rule that decided or came closest; "" without one. */
  rule: string;
  /** What the policy decided; "" where the log has no record. */
  decision: "allow" | "deny" | "wait" | "";
  /** A reason code; "" where the log has no record. */
  reason: string;
  /** Whether the requests went on: in shadow mode they do whatever the decision. Without a record it is judged by the status. */
  admitted: boolean;
  /** The HTTP status; 0 where it is not known. */
  status: number;
  count: number;
  /** Milliseconds since 1970; 0 where the log has no time. */
  firstSeen: number;
  lastSeen: number;
  bytesIn: number;
  bytesOut: number;
  /** How many took how long: a number for each of `duration_bounds_ms`, and one for what took longer. All 0 where it is not known. */
  durations: readonly number[];
  /** The most in one minute. */
  peakMinute: number;
}

/** Requests that replay decides alike: the same in all that a log has of them. */
export interface RecordedRequest {
  host: string;
  method: string;
  /** As judged, without its query. */
  path: string;
  /** The caller's SPIFFE ID; "" for nobody. */
  caller: string;
  /**
   * The caller's address; "" where it is not known. Behind it stands `:0` where its port was 0, which Envoy gives to what
   * x-forwarded-for says, and `:1` where it was any other; `[2001:db8::1]:1`. Nothing where the log has no port.
   */
  source: string;
  issuer: string;
  scopes: string;
  decision: Usage["decision"];
  reason: string;
  rule: string;
  admitted: boolean;
  count: number;
  /** The policy that judged; "" where the log has no record of the filter. */
  policy: string;
  /** Milliseconds since 1970; 0 where the log has no time. */
  firstSeen: number;
  lastSeen: number;
}

/** Whether nobody knows who called: a line without a record that names no caller. Its format may have no place for one. */
export function isCallerUnknown({ decision, caller }: Pick<Usage, "decision" | "caller">): boolean {
  return decision === "" && caller === "";
}

/** What was read besides. */
export interface ReadSummary {
  files: number;
  /** Those of requests outside of the period that was asked for are not counted. */
  lines: number;
  /** Lines that no format knows; the first few of them, cut and escaped. A line's number is 0 where it is not known. */
  unknown: number;
  unknownExamples: { file: string; line: number; text: string }[];
  /** Files that were read in part, and why: cut off, or packed wrongly. */
  damaged?: { file: string; reason: string }[];
  /** Requests of groups beyond `usages_max`. */
  leftOut: number;
}
