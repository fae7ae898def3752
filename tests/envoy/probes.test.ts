/** The listener for probes of `envoy/inbound.yaml`: a kubelet without a certificate learns how the workload is, and nobody learns more. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { until } from "../support/until.ts";

let envoy: TestEnvoy;
before(async () => {
  envoy = await startTestEnvoy({
    policyYaml: `version: 1
name: shop
trust: { domains: [example.org] }
rules: [{ name: reads, callers: [spiffe://example.org/web], allow: ["GET /**"] }]
`,
  });
});
after(() => envoy.stop());

interface Probe {
  path: string;
  method?: string;
  headers?: Record<string, string>;
}

/** Asks in plain text. */
async function probe({
  path,
  method = "GET",
  headers = {},
}: Probe): Promise<{ status: number; headers: IncomingHttpHeaders }> {
  const port = envoy.local.envoy.listenerPort("probes");
  const sent = request({ host: "127.0.0.1", port, path, method, headers, agent: false });
  sent.end();
  const [response] = await once(sent, "response");
  await text(response);
  return { status: response.statusCode, headers: response.headers };
}

test("the path of the probes reaches the workload, whose answer comes back", async () => {
  const { status } = await probe({
    path: "/healthz",
    headers: { "x-forwarded-client-cert": "URI=spiffe://example.org/web" },
  });
  const [arrived] = envoy.upstreamRequests;
  assert.equal(arrived?.path, "/healthz");
  assert.equal(status, 200);
  assert.equal(arrived.headers["x-forwarded-client-cert"], undefined, "whom a caller says it is must not go on");
});

test("what could stand for another path, method or caller is taken away", async () => {
  const names = [
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-envoy-max-retries",
    "authorization",
    "cookie",
  ];
  const before = envoy.upstreamRequests.length;
  await probe({ path: "/healthz", headers: Object.fromEntries(names.map((name) => [name, "/orders/7"])) });
  const arrived = envoy.upstreamRequests[before];
  assert.equal(arrived?.path, "/healthz");
  for (const name of names) assert.equal(arrived.headers[name], undefined, name);
});

test("so few come at a time that the workload's other callers do not notice", async () => {
  const port = envoy.local.envoy.listenerPort("probes");
  const sockets = Array.from({ length: 40 }, () => connect(port, "127.0.0.1"));
  try {
    for (const socket of sockets) socket.on("error", () => {});
    const stats = async (name: string): Promise<number> =>
      (await envoy.stats()).get(`connection_limit.probes.${name}`) ?? 0;
    await until("Envoy has refused those past 16", async () => (await stats("limited_connections")) === 24);
    assert.equal(await stats("active_connections"), 16);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

const others: Probe[] = [
  { path: "/orders/7" },
  { path: "/healthz/../orders/7" },
  { path: "/healthz/" },
  { path: "//healthz/..//orders/7" },
  { path: "/healthz%2f..%2forders/7" },
  { path: "/healthz;/orders/7" },
  { path: "/HEALTHZ" },
  { path: "/healthz", method: "POST" },
  { path: "/healthz", method: "DELETE" },
  { path: "/healthz", headers: { x_user: "admin" } },
  {
    path: "/healthz",
    headers: { "x-envoy-original-path": "/orders/7", "x-http-method-override": "DELETE" },
    method: "PUT",
  },
];
for (const asked of others) {
  test(`nothing else does: ${asked.method ?? "GET"} ${asked.path}`, async () => {
    const before = envoy.upstreamRequests.length;
    const { status } = await probe(asked);
    assert.ok([400, 404].includes(status), `answered ${status}`);
    assert.equal(envoy.upstreamRequests.length, before);
  });
}

test("callers' listener goes on to want a certificate", async () => {
  assert.equal((await envoy.request({ caller: "spiffe://example.org/other", path: "/healthz" })).status, 403);
  assert.notEqual(await envoy.tlsRefusal(), undefined);
});
