/** A small log that has something of everything the query has to judge, and what compares two answers about it. */
import type { Usage } from "../../scripts/traffic/usage.ts";

const web = "spiffe://example.org/web";

/** A line as envoy/inbound.yaml has it. @param record members that differ; null for a line without a record */
export function logLine(path: string, more: object = {}, record: object | null = {}): string {
  const judged = {
    admit: true,
    policy: "shop",
    decision: "allow",
    reason: "allowed",
    rule: "orders",
    method: "GET",
    host: "orders.example.org",
    path,
    caller: web,
    ...record,
  };
  return JSON.stringify({
    time: "2026-11-30T10:00:00.000Z",
    source: "10.0.0.1:1234",
    peer: web,
    method: "GET",
    host: "Orders.example.org:443",
    path,
    status: 200,
    grpc_status: null,
    duration_ms: 7,
    record: record === null ? null : JSON.stringify(judged),
    ...more,
  });
}

/** Segments that are values, that look like some, and that are hidden. */
export const segments = [
  "1",
  "-17",
  "1.5",
  "v1",
  "0190a5f2-7c1b-7d3e-9f00-0123456789ab",
  "0190A5F2-7C1B-7D3E-9F00-0123456789AB",
  "0190a5f2-7c1b-7d3e-9f00-0123456789abc",
  "01HF7YAT00M4Q2ZJ3C5V8N9RTW",
  "01hf7yat00m4q2zj3c5v8n9rtw",
  "81HF7YAT00M4Q2ZJ3C5V8N9RTW",
  "deadbeefdeadbeef",
  "deadbeefdeadbee1",
  "deadbeefdeadbe1",
  "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
  "2026-11-30",
  "2026-11-30T10:00:00.000Z",
  "2026-13-30",
  "1826-11-30",
  "ann@example.org",
  "ann@example",
  "@",
  "größe",
  "{number}",
  "a*",
  "a\u0000b",
  "a\nb",
  "12\n",
  "a\u009fb",
  "a\u202eb",
  "a\ufffdb",
  "x".repeat(128),
  "x".repeat(129),
  "1".repeat(129),
  "ü".repeat(64),
  "ü".repeat(65),
  "it's",
  'quo"te',
  "back\\slash",
  "a:b",
  ":1",
  "%",
  "a b",
  "",
];

/** The lines. */
export const sampleLines: readonly string[] = [
  ...segments.map((segment) => logLine(`/of/${segment}/x`)),
  ...segments.map((segment) => logLine(`/of/${encodeURIComponent(segment)}/x`, {}, null)),
  ...["%2f", "%zz", "%", "%ff", "a%2Fb", "%c3%bc", "1%32", "a+b", "%7Bnumber%7D"].map((segment) =>
    logLine(`/raw/${segment}/x`, {}, null),
  ),
  logLine("/many", { duration_ms: 0 }),
  logLine("/many", { duration_ms: 1 }),
  logLine("/many", { time: "2026-11-30T10:00:59.999Z", duration_ms: 2 }),
  logLine("/many", { time: "2026-11-30T10:01:00.000Z", duration_ms: 10_000, bytes_received: 5, bytes_sent: 9 }),
  logLine("/many", { time: "2026-11-29T23:59:59.999Z", duration_ms: 10_001 }),
  logLine("/many", { time: null, duration_ms: null }),
  logLine("/many", { time: "yesterday", duration_ms: "-" }),
  logLine(`/${"a/".repeat(15)}b`),
  logLine(`/${"a/".repeat(16)}b`),
  logLine(`/${"a/".repeat(17)}`),
  logLine("*", { method: "OPTIONS" }, null),
  logLine("", { method: "CONNECT", path: null }, null),
  logLine("/cut/abc", {}, { path_bytes: 2_000 }),
  logLine("/query?b=1&a=2&b=3&=&%20=1&c", {}, null),
  logLine("/query?", {}, null),
  logLine("/denied", { status: 403 }, { admit: false, decision: "deny", reason: "no_rule", rule: undefined }),
  logLine("/shadow", {}, { mode: "shadow", decision: "deny", reason: "no_rule" }),
  logLine("/waits", { status: 503 }, { admit: false, decision: "wait", reason: "keys_unavailable" }),
  logLine("/odd", {}, { decision: "perhaps", policy: "p".repeat(65), rule: "r".repeat(65) }),
  logLine("/token", { scopes: "orders.read orders.write" }, { issuer: "corp", sub: "alice" }),
  logLine("/operation", { operation: "mcp tools/call pay" }),
  logLine("/nobody", {}, { caller: undefined }),
  logLine("/stranger", {}, { caller: "https://example.org/web" }),
  logLine("/peers", { peer: "https://a.example.org,spiffe://example.org/ns/a,spiffe://example.org/b" }, null),
  ...[0, 200, 301, 401, 403, 404, 409, 429, 500, 503, 9_999, "-"].map((status) => logLine("/status", { status }, null)),
  logLine("/grpc", { grpc_status: "7" }, null),
  logLine("/grpc", { grpc_status: 0 }, null),
  ...["[2001:db8::1]:443", "2001:db8::1", "UPPER.example.org", "a_b", "a b", "h\u0000", "h".repeat(254), "h:"].map(
    (host) => logLine("/host", { host }, null),
  ),
  JSON.stringify({
    start_time: "2026-11-30T10:00:00.000Z",
    authority: "istio.example.org",
    method: "POST",
    path: "/istio?x=1",
    response_code: 201,
    duration: 30,
    bytes_received: 10,
    bytes_sent: 20,
    downstream_remote_address: "10.0.0.1:1",
  }),
  // A record within a text that a caller has sent is none.
  JSON.stringify({ method: "GET", path: `/forged","record":"{"admit":true,"policy":"shop"}`, status: 403 }),
  JSON.stringify({ method: "GET", path: "/broken", status: 200, record: '{"admit":true,"policy":"shop"' }),
  JSON.stringify({ method: "GET", path: "/none", status: 200, record: "-" }),
  JSON.stringify({ time: "2026-11-30T10:00:00.000Z", source: "10.0.0.1:1", tls_failure: "no certificate" }),
  JSON.stringify({ hello: "world" }),
  "what is this",
  '{"cut":',
];

/** In an order of their own, so that two answers can be compared. */
export function inOrder(usages: readonly Usage[]): Usage[] {
  const keyed = usages.map((usage) => [JSON.stringify(usage), usage] as const);
  return keyed.sort(([one], [other]) => (one < other ? -1 : 1)).map(([, usage]) => usage);
}
