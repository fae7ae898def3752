/** Lines of each format that is read → what they say of a request; and lines that are made to deceive. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { entriesOf } from "../../scripts/traffic/formats.ts";

const record =
  '{"admit":true,"policy":"shop","decision":"allow","reason":"allowed","method":"GET","host":"h","path":"/a"}';

test("Envoy's default text", () => {
  // As Envoy's documentation has it.
  const line =
    '[2016-04-15T20:17:00.310Z] "POST /api/v1/locations?a=1 HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://10.0.2.1:80"';
  assert.deepEqual(entriesOf(line), [
    {
      time: "2016-04-15T20:17:00.310Z",
      method: "POST",
      path: "/api/v1/locations?a=1",
      status: "204",
      bytes_received: "154",
      bytes_sent: "0",
      duration_ms: "226",
      host: "locations",
      source: "10.0.35.28",
    },
  ]);
});

test("Istio's default text", () => {
  // As Istio's documentation has it.
  const line =
    '[2020-11-25T21:26:18.409Z] "GET /status/418 HTTP/1.1" 418 - via_upstream - "-" 0 135 3 1 "-" "curl/7.73.0-DEV" "84961386-6d84-929d-98bd-c5aee93b5c88" "httpbin:8000" "127.0.0.1:80" inbound|8000|| 127.0.0.1:41854 10.44.1.27:80 10.44.1.23:37652 outbound_.8000_._.httpbin.foo.svc.cluster.local default';
  assert.deepEqual(entriesOf(line), [
    {
      time: "2020-11-25T21:26:18.409Z",
      method: "GET",
      path: "/status/418",
      status: "418",
      bytes_received: "0",
      bytes_sent: "135",
      duration_ms: "3",
      host: "httpbin:8000",
      source: "10.44.1.23:37652",
    },
  ]);
});

test("Istio's default JSON", () => {
  const line = JSON.stringify({
    authority: "httpbin:8000",
    bytes_received: 0,
    bytes_sent: 135,
    connection_termination_details: null,
    downstream_local_address: "10.44.1.27:80",
    downstream_remote_address: "10.44.1.23:37652",
    duration: 3,
    method: "GET",
    path: "/status/418?x=1",
    protocol: "HTTP/1.1",
    request_id: "84961386",
    requested_server_name: "outbound_.8000_._.httpbin.foo.svc.cluster.local",
    response_code: 418,
    response_code_details: "via_upstream",
    response_flags: "-",
    route_name: "default",
    start_time: "2020-11-25T21:26:18.409Z",
    upstream_cluster: "inbound|8000||",
    user_agent: "curl/7.73.0-DEV",
    x_forwarded_for: null,
  });
  assert.deepEqual(entriesOf(line), [
    {
      time: "2020-11-25T21:26:18.409Z",
      source: "10.44.1.23:37652",
      method: "GET",
      host: "httpbin:8000",
      path: "/status/418?x=1",
      status: "418",
      duration_ms: "3",
      bytes_received: "0",
      bytes_sent: "135",
    },
  ]);
});

/** A message as the collector's file exporter writes it, with one log record. */
function telemetry(body: string, attributes: Record<string, string>): string {
  const logRecord = {
    timeUnixNano: "1606339578409000000",
    body: { stringValue: body },
    attributes: Object.entries(attributes).map(([key, stringValue]) => ({ key, value: { stringValue } })),
  };
  const resource = { attributes: [{ key: "service.name", value: { stringValue: "orders" } }] };
  return JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ scope: {}, logRecords: [logRecord] }] }] });
}

const named = {
  "http.request.method": "GET",
  "server.address": "orders.example.org",
  "url.path": "/a",
  "http.response.status_code": "200",
  "client.address": "10.0.0.1",
  "envoy.duration_ms": "4",
};

test("OpenTelemetry's logs, with the attributes of observability/opentelemetry.yaml", () => {
  assert.deepEqual(entriesOf(telemetry(record, { ...named, "sallyport.policy": "shop" })), [
    {
      time: "2020-11-25T21:26:18.409Z",
      source: "10.0.0.1",
      method: "GET",
      host: "orders.example.org",
      path: "/a",
      status: "200",
      duration_ms: "4",
      record,
    },
  ]);
});

test("OpenTelemetry's logs whose body is a line that the collector has read", () => {
  const line = JSON.stringify({ method: "GET", path: "/a", status: 200, record });
  assert.deepEqual(entriesOf(telemetry(line, {})), [{ method: "GET", path: "/a", status: "200", record }]);
  assert.equal(entriesOf(telemetry(telemetry(line, {}), {})), undefined);
  assert.equal(entriesOf(telemetry("started", {})), undefined);
});

test("Envoy's gRPC access log as JSON", () => {
  const entry = {
    commonProperties: {
      downstreamRemoteAddress: { socketAddress: { address: "10.0.0.1", portValue: 1234 } },
      startTime: "2026-11-30T10:00:00.123456Z",
      timeToLastDownstreamTxByte: "0.012400s",
      tlsProperties: { peerCertificateProperties: { subjectAltName: [{ uri: "spiffe://example.org/web" }] } },
      filterStateObjects: {
        "wasm.sallyport": {
          "@type": "type.googleapis.com/google.protobuf.BytesValue",
          value: Buffer.from(record).toString("base64"),
        },
      },
    },
    protocolVersion: "HTTP2",
    request: { requestMethod: "GET", authority: "h:8443", path: "/a?b=1", requestBodyBytes: "17" },
    response: { responseCode: 200, responseBodyBytes: "120", responseTrailers: { "grpc-status": "7" } },
  };
  const wanted = {
    time: "2026-11-30T10:00:00.123456Z",
    source: "10.0.0.1:1234",
    peer: "spiffe://example.org/web",
    method: "GET",
    host: "h:8443",
    path: "/a?b=1",
    status: "200",
    grpc_status: "7",
    duration_ms: "12",
    bytes_received: "17",
    bytes_sent: "120",
    record,
  };
  assert.deepEqual(entriesOf(JSON.stringify(entry)), [wanted]);
  const message = { identifier: { logName: "sallyport" }, httpLogs: { logEntry: [entry, entry] } };
  assert.deepEqual(entriesOf(JSON.stringify(message)), [wanted, wanted]);
  const snake = JSON.stringify(message).replace(/"([a-z]+[A-Z]\w*)":/g, (_, name: string) => {
    return `"${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}":`;
  });
  assert.deepEqual(entriesOf(snake), [wanted, wanted]);
});

test("HAR", () => {
  const har = {
    log: {
      version: "1.2",
      entries: [
        {
          startedDateTime: "2026-11-30T10:00:00.000Z",
          time: 12.4,
          request: {
            method: "POST",
            url: "https://api.example.org/graphql?x=1",
            bodySize: 20,
            postData: { text: '{"query":"mutation Pay { pay }","operationName":"Pay"}' },
          },
          response: { status: 200, bodySize: -1, content: { size: 7 } },
        },
        { request: { url: "no url" }, response: null },
      ],
    },
  };
  assert.deepEqual(entriesOf(JSON.stringify(har)), [
    {
      time: "2026-11-30T10:00:00.000Z",
      method: "POST",
      host: "api.example.org",
      path: "/graphql?x=1",
      status: "200",
      duration_ms: "12",
      bytes_received: "20",
      operation: "graphql mutation Pay",
    },
    {},
  ]);
});

test("a connection that was refused is known, and no request", () => {
  assert.deepEqual(entriesOf('{"time":"2026-11-30T10:00:00.000Z","source":"10.0.0.1:1","tls_failure":"no"}'), []);
});

test("a quote in a header adds no field to a text line: the host is then not known", () => {
  const forged =
    '[2016-04-15T20:17:00.310Z] "GET /a HTTP/2" 204 - 154 0 226 100 "-" "x" "id" "victim.example.org" "1:1" "cc21" "real" "tcp://10.0.2.1:80"';
  const [entry] = entriesOf(forged)!;
  assert.equal(entry!.host, undefined);
  assert.equal(entry!.path, "/a");
  const short = entriesOf('[2016-04-15T20:17:00.310Z] "GET /a HTTP/2" 204 - 154 0 226 100 "-" "x"y" "id" "h" "u"');
  assert.equal(short![0]!.host, undefined);
});

test("a record that a caller writes is none: in a text line, in an attribute, in the body of another Envoy's log", () => {
  const agent = record.replaceAll('"', "");
  const line = `[2016-04-15T20:17:00.310Z] "GET /${agent} HTTP/2" 204 - 154 0 226 100 "-" "${record}" "id" "h" "u"`;
  assert.equal(entriesOf(line)![0]!.record, undefined);
  assert.equal(entriesOf(telemetry(record, named))![0]!.record, undefined);
  assert.equal(entriesOf(telemetry(record, { ...named, "sallyport.policy": "other" }))![0]!.record, undefined);
  assert.equal(entriesOf(JSON.stringify({ method: "GET", path: `/","record":${record}` }))![0]!.record, undefined);
});

test("what is no format of these is unknown, and nothing of it throws", () => {
  const deep = 100_000;
  for (const line of [
    "",
    "what",
    "[",
    "{",
    "{}",
    "[]",
    "null",
    '"GET / HTTP/1.1" 200',
    '{"method":{"a":1},"path":[]}',
    '{"resourceLogs":[null,{"scopeLogs":7},{"scopeLogs":[{"logRecords":[null]}]}]}',
    '{"log":{"entries":null}}',
    `{"a":${"[".repeat(deep)}${"]".repeat(deep)}}`,
    `{"a":${'{"a":'.repeat(deep)}1${"}".repeat(deep)}}`,
    "\u0000\u0000",
    '[2026-11-30T10:00:00.000Z][1][info][main] [source/server/server.cc:1] "starting"',
  ]) {
    assert.equal(entriesOf(line), undefined, line.slice(0, 60));
  }
  const nested = `{"method":"GET","path":"/","record":${'{"a":'.repeat(deep)}1${"}".repeat(deep)}}`;
  assert.equal(entriesOf(nested)![0]!.path, "/");
  assert.deepEqual(entriesOf('{"httpLogs":{"logEntry":[null,3]}}'), [{}, {}]);
});

test("a long line of text is judged at once", () => {
  const start = performance.now();
  for (const part of ['"', " ", '" ', '" "', "- ", "1 "]) {
    entriesOf(`[2016-04-15T20:17:00.310Z] "GET /a HTTP/2" 204 - 154 0 226 100 ${part.repeat(200_000)}`);
    entriesOf(`[2016-04-15T20:17:00.310Z] "GET ${part.repeat(200_000)}`);
  }
  assert.ok(performance.now() - start < 5_000, `took ${performance.now() - start} ms`);
});
