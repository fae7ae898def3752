/** A row of the grouping query → a `Usage`. */
import type { Usage } from "./usage.ts";

const words = (text: unknown): string[] =>
  String(text ?? "")
    .split(" ")
    .filter((word) => word !== "");

/** @param row as the query's columns are named */
export function usageOf(row: Record<string, unknown>): Usage {
  const text = (name: string): string => String(row[name] ?? "");
  const number = (name: string): number => Number(row[name] ?? 0);
  return {
    day: text("day"),
    host: text("host"),
    method: text("method"),
    path: text("path"),
    parameters: words(row.parameters),
    operation: text("operation"),
    caller: text("caller"),
    issuer: text("issuer"),
    scopes: text("scopes"),
    policy: text("policy"),
    rule: text("rule"),
    decision: text("decision") as Usage["decision"],
    reason: text("reason"),
    admitted: row.admitted === true,
    status: number("status"),
    count: number("count"),
    firstSeen: number("first_seen"),
    lastSeen: number("last_seen"),
    bytesIn: number("bytes_in"),
    bytesOut: number("bytes_out"),
    durations: words(row.durations).map(Number),
    peakMinute: number("peak_minute"),
  };
}
