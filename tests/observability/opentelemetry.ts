/**
 * Access log and traces of the example configuration with the parts of observability/opentelemetry.yaml, in an OpenTelemetry collector as it is, which hands
 * on what it got.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parse } from "yaml";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import type { AuditRecord } from "../../scripts/evaluate/record.ts";
import { record_members } from "../../scripts/evaluate/record.ts";
import { makeCorpIssuer, managerOf, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { until } from "../support/until.ts";
import { Collector, type Telemetry } from "./collector.ts";

const web = "spiffe://example.org/web";
const policyYaml = `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  corp: { issuer: "https://issuer.example.org", audiences: [order-api], algorithms: [ES256, RS256], keys: { file: keys/corp.jwks.json } }
limits:
  few: { rate: 1/h, per: [caller] }
  tried: { rate: 1/h, per: [caller], mode: shadow }
rules:
  - { name: orders, callers: [${web}], allow: ["GET /orders/**"], token: corp }
  - { name: few, callers: [${web}], allow: [GET /few], limit: few }
  - { name: tried, callers: [${web}], allow: [GET /tried], limit: tried }
  - { name: stricter, callers: [any], deny: ["GET /**"], mode: shadow }
`;

const folder = mkdtempSync(join(tmpdir(), "sallyport-telemetry-"));
let collector: Collector;
let envoy: TestEnvoy;
let token: string;

/** Puts the parts into an example, each where it says, with the collector's port. */
function addTelemetry(bootstrap: Bootstrap): void {
  const { tracing, access_log, clusters } = parse(readFileSync("observability/opentelemetry.yaml", "utf8"));
  const manager = managerOf(bootstrap);
  manager.tracing = tracing;
  // Every request, and its spans at once.
  tracing.random_sampling.value = 100;
  const static_layer = { "tracing.opentelemetry.flush_interval_ms": 200 };
  bootstrap.layered_runtime = { layers: [{ name: "static", static_layer }] };
  manager.access_log.push(...access_log);
  clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value = collector.port;
  bootstrap.static_resources.clusters.push(...clusters);
}

before(async () => {
  collector = await Collector.start(folder);
  const corp = await makeCorpIssuer();
  token = await corp.token({ claims: { sub: 'al"ice' } });
  envoy = await startTestEnvoy({ policyYaml, issuers: { corp }, adjust: addTelemetry });
});
after(async () => {
  await envoy?.stop();
  await collector?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Sends a request whose caller asks for a trace; what the collector got of it: its log record, and its spans. */
async function ask(
  path: string,
  more: { token?: string } = {},
): Promise<{ status: number; log: Telemetry; spans: Telemetry[] }> {
  const traceId = randomBytes(16).toString("hex");
  const headers = { traceparent: `00-${traceId}-${randomBytes(8).toString("hex")}-01` };
  const { status } = await envoy.request({ caller: web, method: "GET", path, headers, ...more });
  const logOf = () => collector.logs.filter((log) => log.traceId === traceId);
  const spansOf = () => collector.spans.filter((span) => span.traceId === traceId);
  await until(`log and span of ${path} came`, () => logOf().length > 0 && spansOf().length > 0);
  assert.equal(logOf().length, 1, "one log record for a request");
  return { status, log: logOf()[0]!, spans: spansOf() };
}

/** The members of a record that attributes have: but its lists and numbers, and what Envoy tells of a request anyway. */
const members = (Object.keys(record_members) as (keyof AuditRecord)[]).filter(
  (name) => !["admit", "shadow", "path_bytes", "method", "host", "path"].includes(name),
);

/** Holds the attributes of a log record against the record that is its body. */
function checkMembers({ text, attributes }: Telemetry): AuditRecord {
  const record = JSON.parse(text) as AuditRecord;
  for (const name of members) {
    // What has a quote in it ends there, as JSON has it.
    const wanted = record[name] === undefined ? "-" : JSON.stringify(record[name]).slice(1, -1).split('"')[0];
    assert.equal(attributes[`sallyport.${name}`], wanted, `${name} of ${text}`);
  }
  return record;
}

test("an admission: the record in the log and on the span, and nothing of the token", async () => {
  const { status, log, spans } = await ask("/orders/1?secret=1", { token });
  assert.equal(status, 200);
  const record = checkMembers(log);
  assert.deepEqual([record.decision, record.rule, record.issuer, record.sub], ["allow", "orders", "corp", 'al"ice']);
  assert.equal(log.attributes["http.request.method"], "GET");
  assert.equal(log.attributes["http.response.status_code"], "200");
  assert.equal(log.attributes["url.path"], "/orders/1");
  assert.equal(log.attributes["service.name"], "orders");
  const ours = spans.find(({ attributes }) => attributes["sallyport.record"] !== undefined)!;
  assert.deepEqual(JSON.parse(ours.attributes["sallyport.record"]!), record);
  assert.equal(ours.attributes["service.name"], "orders");
  const everything = JSON.stringify([log, spans]);
  for (const part of token.split(".")) assert.ok(!everything.includes(part), "a part of the token was sent on");
});

test("a denial: its reason, and the details that Envoy has", async () => {
  const { status, log, spans } = await ask("/orders/1");
  assert.equal(status, 401);
  assert.equal(checkMembers(log).reason, "token_missing");
  assert.equal(log.attributes["envoy.response_code_details"], "sallyport_denied{token_missing}{orders}");
  assert.equal(spans[0]!.attributes["sallyport.details"], "sallyport_denied{token_missing}{orders}");
});

test("rules and limits in shadow mode are not taken for those that decided", async () => {
  await ask("/tried");
  const { log } = await ask("/tried");
  assert.ok(log.text.includes('"limit":"tried"'), log.text);
  checkMembers(log);
  assert.deepEqual([log.attributes["sallyport.rule"], log.attributes["sallyport.limit"]], ["tried", "-"]);
  const nobody = await ask("/nothing");
  assert.ok(nobody.log.text.includes('"rule":"stricter"'), nobody.log.text);
  checkMembers(nobody.log);
  assert.deepEqual([nobody.status, nobody.log.attributes["sallyport.rule"]], [403, "-"]);
});

test("a limit without room is named", async () => {
  await ask("/few");
  const { status, log } = await ask("/few");
  assert.deepEqual([status, checkMembers(log).limit], [429, "few"]);
});

test("what a caller writes is never taken for a member", async () => {
  const { log } = await ask(`/${encodeURIComponent('","reason":"allowed","rule":"orders","sub":"root')}`);
  checkMembers(log);
  assert.deepEqual(
    [log.attributes["sallyport.reason"], log.attributes["sallyport.rule"], log.attributes["sallyport.sub"]],
    ["no_rule", "-", "-"],
  );
});

test("without a collector requests are decided as ever", async () => {
  await collector.stop();
  for (let times = 0; times < 20; times++) {
    assert.equal((await envoy.request({ caller: web, method: "GET", path: "/orders/1", token })).status, 200);
  }
});
