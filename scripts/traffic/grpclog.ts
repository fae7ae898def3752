/**
 * Envoy's gRPC access log as JSON: `HTTPAccessLogEntry`, or the message `StreamAccessLogsMessage` that has several, as protobuf writes them
 * (names in camel case), or with the names of the .proto files.
 */
import { type Entry, entryOf, listOf, objectOf, textOf } from "./entry.ts";

/** Entries of one line; undefined where it is none of both. */
export function grpcEntries(line: Record<string, unknown>): Entry[] | undefined {
  const logs = objectOf(member(line, "httpLogs"));
  const several = member(logs, "logEntry");
  if (Array.isArray(several)) return several.map((entry) => httpEntry(objectOf(entry)));
  // A message about connections is known, and has no requests.
  if (member(line, "tcpLogs") !== undefined) return [];
  const isEntry = typeof line.request === "object" && member(line, "commonProperties") !== undefined;
  return isEntry ? [httpEntry(line)] : undefined;
}

function httpEntry(entry: Record<string, unknown>): Entry {
  const common = objectOf(member(entry, "commonProperties"));
  const request = objectOf(entry.request);
  const response = objectOf(entry.response);
  const status = member(response, "responseCode");
  return entryOf({
    time: textOf(member(common, "startTime")),
    source: addressOf(member(common, "downstreamRemoteAddress") ?? member(common, "downstreamDirectRemoteAddress")),
    peer: peerOf(common),
    method: methodOf(member(request, "requestMethod")),
    host: textOf(request.authority),
    path: textOf(member(request, "originalPath")) || textOf(request.path),
    status: textOf(status) ?? textOf(objectOf(status).value),
    grpc_status: textOf(objectOf(member(response, "responseTrailers"))["grpc-status"]),
    duration_ms: millisecondsOf(member(common, "timeToLastDownstreamTxByte") ?? common.duration),
    bytes_received: textOf(member(request, "requestBodyBytes")),
    bytes_sent: textOf(member(response, "responseBodyBytes")),
    record: recordOf(objectOf(member(common, "filterStateObjects"))["wasm.sallyport"]),
  });
}

/** By its name in camel case, or in snake case. */
function member(object: Record<string, unknown>, name: string): unknown {
  return object[name] ?? object[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)];
}

function addressOf(address: unknown): string | undefined {
  const socket = objectOf(member(objectOf(address), "socketAddress"));
  const host = textOf(socket.address);
  const port = textOf(member(socket, "portValue"));
  if (host === undefined || port === undefined) return host;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function peerOf(common: Record<string, unknown>): string | undefined {
  const certificate = objectOf(member(objectOf(member(common, "tlsProperties")), "peerCertificateProperties"));
  const names = listOf(member(certificate, "subjectAltName"));
  return names.map((name) => textOf(objectOf(name).uri)).find((uri) => uri?.startsWith("spiffe://"));
}

/** The enum's name is the method; 0 is none. */
function methodOf(value: unknown): string | undefined {
  const method = textOf(value);
  return method === undefined || method === "METHOD_UNSPECIFIED" || /^\d+$/.test(method) ? undefined : method;
}

/** `0.012s` → `12`. */
function millisecondsOf(duration: unknown): string | undefined {
  const [, seconds] = /^(\d{1,9}(?:\.\d{1,9})?)s$/.exec(textOf(duration) ?? "") ?? [];
  return seconds === undefined ? undefined : String(Math.round(Number(seconds) * 1_000));
}

/** The filter state in an `Any`: bytes, as Envoy packs it, or a string. */
function recordOf(state: unknown): string | undefined {
  const { value } = objectOf(state);
  if (typeof value !== "string" || value.length > 100_000) return undefined;
  const text = value.startsWith("{") ? value : Buffer.from(value, "base64").toString("utf8");
  return text.startsWith("{") ? text : undefined;
}
