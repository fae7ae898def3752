/**
 * A line of a log → its entries, by what is in the line:
 *
 *   JSON with `method`, `path` …       our examples, Istio
 *   JSON with `resourceLogs`           an OpenTelemetry collector's file exporter (telemetry.ts)
 *   JSON with `httpLogs` or `request`  Envoy's gRPC access log as JSON (grpclog.ts)
 *   JSON with `log.entries`            HAR on one line (har.ts)
 *   `[2026-…] "GET /…`                 Envoy's and Istio's text (textlog.ts)
 */
import { type Entry, entryOf, objectOf, textOf } from "./entry.ts";
import { grpcEntries } from "./grpclog.ts";
import { harEntries } from "./har.ts";
import { telemetryEntries } from "./telemetry.ts";
import { textEntry } from "./textlog.ts";

/** The entries of a line; an empty list where it is known and has none; undefined where no format knows it. */
export function entriesOf(line: string): Entry[] | undefined {
  const start = line.charCodeAt(0) === 0xfeff ? 1 : 0;
  const text = line.slice(start).trim();
  if (text.startsWith("[")) {
    const entry = textEntry(text);
    return entry === undefined ? undefined : [entry];
  }
  if (!text.startsWith("{")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return objectEntries(objectOf(value));
}

function objectEntries(line: Record<string, unknown>): Entry[] | undefined {
  const flat = flatEntry(line);
  if (flat !== undefined) return flat;
  return telemetryEntries(line, entriesOf) ?? grpcEntries(line) ?? harEntries(line);
}

/** Our examples' names, and Istio's. */
function flatEntry(line: Record<string, unknown>): Entry[] | undefined {
  const first = (...names: string[]): string | undefined => {
    for (const name of names) {
      const text = textOf(line[name]);
      if (text !== undefined) return text;
    }
    return undefined;
  };
  const method = first("method");
  const path = first("path");
  const status = first("status", "response_code");
  const tlsFailure = first("tls_failure");
  if (method === undefined && path === undefined) return (tlsFailure ?? status) ? [] : undefined;
  const entry = entryOf({
    time: first("time", "start_time"),
    source: first("source", "downstream_remote_address"),
    peer: first("peer"),
    method,
    host: first("host", "authority"),
    path,
    status,
    grpc_status: first("grpc_status"),
    duration_ms: first("duration_ms", "duration"),
    bytes_received: first("bytes_received"),
    bytes_sent: first("bytes_sent"),
    operation: first("operation"),
    scopes: first("scopes"),
    record: recordText(line.record),
  });
  return [entry];
}

/** The record of a line: a string with JSON in it, or what a collector made of that. */
export function recordText(value: unknown): string | undefined {
  if (typeof value === "string") return value.startsWith("{") ? value : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  try {
    return JSON.stringify(value);
  } catch {
    // Too deep to be written: no record is.
    return undefined;
  }
}
