/**
 * OpenTelemetry's logs as JSON, one message a line, as the collector's file exporter writes them. A record is an Envoy's access log where its
 * attributes name a request, as those of observability/opentelemetry.yaml do; or its body is a line of a log that the collector has read.
 */
import { type Entry, entryOf, listOf, objectOf, textOf, timeOf } from "./entry.ts";

/** Entries of one message; undefined where it is none. @param lineEntries what reads a line of a log that is the body */
export function telemetryEntries(
  message: Record<string, unknown>,
  lineEntries: (line: string) => Entry[] | undefined,
): Entry[] | undefined {
  if (!Array.isArray(message.resourceLogs)) return undefined;
  const entries: Entry[] = [];
  let isKnown = false;
  for (const resource of message.resourceLogs) {
    for (const scope of listOf(objectOf(resource).scopeLogs)) {
      for (const record of listOf(objectOf(scope).logRecords)) {
        const found = recordEntries(objectOf(record), lineEntries);
        if (found !== undefined) isKnown = true;
        // One by one: as arguments, a hundred thousand are too many.
        for (const entry of found ?? []) entries.push(entry);
      }
    }
  }
  return isKnown ? entries : undefined;
}

function recordEntries(
  record: Record<string, unknown>,
  lineEntries: (line: string) => Entry[] | undefined,
): Entry[] | undefined {
  const attributes = new Map<string, string>();
  for (const attribute of listOf(record.attributes)) {
    const { key, value } = objectOf(attribute);
    const text = scalarOf(value);
    if (typeof key === "string" && text !== undefined && !attributes.has(key)) attributes.set(key, text);
  }
  const first = (...names: string[]): string | undefined =>
    names.map((name) => attributes.get(name)).find((text) => text !== undefined);
  const body = scalarOf(record.body);
  const method = first("http.request.method", "http.method", "method");
  const path = first("url.path", "http.target", "path");
  if (method === undefined && path === undefined) {
    // Not one message in another: that could go on for ever.
    if (body === undefined || body.includes('"resourceLogs"')) return undefined;
    return lineEntries(body);
  }
  const query = first("url.query");
  return [
    entryOf({
      time: timeOf(Number(textOf(record.timeUnixNano) ?? textOf(record.observedTimeUnixNano) ?? 0) / 1e6),
      source: first("client.address", "net.peer.ip", "net.sock.peer.addr"),
      peer: first("envoy.peer", "peer"),
      method,
      host: first("server.address", "http.host", "net.host.name", "authority"),
      path: path !== undefined && query !== undefined && !path.includes("?") ? `${path}?${query}` : path,
      status: first("http.response.status_code", "http.status_code"),
      grpc_status: first("rpc.grpc.status_code", "rpc.response.status_code"),
      duration_ms: first("envoy.duration_ms", "duration_ms"),
      bytes_received: first("envoy.bytes_received", "http.request.body.size", "http.request_content_length"),
      bytes_sent: first("envoy.bytes_sent", "http.response.body.size", "http.response_content_length"),
      operation: operationOf(first),
      // The body is the filter's record only where an attribute, which Envoy's configuration makes, says of which policy.
      record: isRecordOf(body, attributes.get("sallyport.policy")) ? body : undefined,
    }),
  ];
}

function operationOf(first: (...names: string[]) => string | undefined): string | undefined {
  const mcp = first("mcp.method.name");
  if (mcp !== undefined) return ["mcp", mcp, first("gen_ai.tool.name", "mcp.tool.name") ?? ""].join(" ").trim();
  const kind = first("graphql.operation.type");
  return kind === undefined ? undefined : ["graphql", kind, first("graphql.operation.name") ?? ""].join(" ").trim();
}

function isRecordOf(body: string | undefined, policy: string | undefined): boolean {
  if (body === undefined || policy === undefined || !body.startsWith('{"admit":')) return false;
  try {
    return objectOf(JSON.parse(body)).policy === policy;
  } catch {
    return false;
  }
}

/** A value that is one text or number. */
function scalarOf(value: unknown): string | undefined {
  const { stringValue, intValue, doubleValue, boolValue } = objectOf(value);
  return textOf(stringValue ?? intValue ?? doubleValue ?? boolValue);
}
