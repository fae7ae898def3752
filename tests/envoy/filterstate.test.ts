/**
 * `trust.identity: filter-state`: a listener in front ends the caller's mTLS, and passes on who the caller is to the listener that has
 * the filter. In front are the configuration of docs/trust.md, what Istio's waypoints have, and one that shares connections.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Agent, type IncomingMessage, request as requestHttp } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parse } from "yaml";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import type { Identity } from "../../scripts/envoy/certificates.ts";
import { principalFilter } from "../../scripts/envoy/principal.ts";
import { moduleFor, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";

const web = "spiffe://example.org/web";
const mobile = "spiffe://example.org/mobile";
const admin = "spiffe://example.org/admin";
const key = "io.istio.peer_principal";

const policyYaml = `
version: 1
name: behind
trust: { domains: [example.org], identity: filter-state }
forward: { x-caller: caller.id }
rules:
  - { name: web, callers: [${web}], allow: [GET /web] }
  - { name: mobile, callers: [${mobile}], allow: [GET /mobile] }
  - { name: admin, callers: [${admin}], allow: ["* /**"] }
`;

let wasm: Uint8Array;
before(async () => {
  wasm = await moduleFor({ policyYaml });
});

/** Puts the example's connection manager behind a listener without an address, and something else where it was. */
function behind(bootstrap: Bootstrap, inFront: Bootstrap[]): void {
  const { static_resources } = bootstrap;
  const [{ filter_chains }] = static_resources.listeners;
  const filters = filter_chains[0].filters;
  filter_chains[0].filters = inFront;
  static_resources.listeners.push({ name: "inner", internal_listener: {}, filter_chains: [{ filters }] });
  const raw = "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
  const passing =
    "type.googleapis.com/envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport";
  static_resources.clusters.push({
    name: "inner",
    load_assignment: {
      cluster_name: "inner",
      endpoints: [
        { lb_endpoints: [{ endpoint: { address: { envoy_internal_address: { server_listener_name: "inner" } } } }] },
      ],
    },
    transport_socket: {
      name: "envoy.transport_sockets.internal_upstream",
      typed_config: {
        "@type": passing,
        transport_socket: { name: "envoy.transport_sockets.raw_buffer", typed_config: { "@type": raw } },
      },
    },
  });
  // As docs/trust.md has it: else an answer that ends a connection is lost on the way to the outer listener.
  const runtime = { "envoy.reloadable_features.enable_send_rst_on_user_space_socket": false };
  bootstrap.layered_runtime = { layers: [{ name: "static", static_layer: runtime }] };
  const extension = "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener";
  bootstrap.bootstrap_extensions = [
    { name: "envoy.bootstrap.internal_listener", typed_config: { "@type": extension } },
  ];
}

/** A connection manager that writes the caller into filter state by an object of that kind, and asks the inner listener. */
function manager(factory: string, match: Bootstrap, route: Bootstrap, more: Bootstrap = {}): Bootstrap {
  const principal = {
    object_key: key,
    factory_key: factory,
    shared_with_upstream: "ONCE",
    format_string: { text_format_source: { inline_string: "%DOWNSTREAM_PEER_URI_SAN%" } },
  };
  const setting = "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config";
  return {
    name: "envoy.filters.network.http_connection_manager",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
      stat_prefix: "outer",
      http_filters: [
        { name: "connect_authority", typed_config: { "@type": setting, on_request_headers: [principal] } },
        {
          name: "envoy.filters.http.router",
          typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        },
      ],
      route_config: { virtual_hosts: [{ name: "inner", domains: ["*"], routes: [{ match, route }] }] },
      ...more,
    },
  };
}

/** The network filters of docs/trust.md. */
function documented(): Bootstrap[] {
  const text = readFileSync(join(import.meta.dirname, "../../docs/trust.md"), "utf8");
  const blocks = [...text.matchAll(/```yaml\n(.*?)```/gsu)].map(([, block]) => block!);
  const [found, ...others] = blocks.filter((block) => block.startsWith("- name: sallyport-principal\n"));
  assert.ok(found !== undefined && others.length === 0, "docs/trust.md has the filters once");
  return parse(found);
}

interface Asked {
  status: number | undefined;
  reason: string | undefined;
  caller: string | null | undefined;
}

describe("a listener in front that passes bytes on, as docs/trust.md has it", () => {
  let envoy: TestEnvoy;
  before(async () => {
    envoy = await startTestEnvoy({
      wasm,
      requireClientCertificate: false,
      adjust: (bootstrap) => behind(bootstrap, documented()),
    });
  });
  after(() => envoy?.stop());

  async function ask(path: string, identity?: Identity, headers: Record<string, string> = {}): Promise<Asked> {
    const { status, record } = await envoy.judge({ path, headers, ...(identity !== undefined && { identity }) });
    return { status, reason: record?.reason, caller: record?.caller };
  }
  const issue = (uriSans: string[]): Promise<Identity> => envoy.local.authority.issue({ uriSans });

  test("who the certificate said is admitted to what its rules have, and the upstream is told", async () => {
    assert.deepEqual(await ask("/web", await issue([web])), { status: 200, reason: "allowed", caller: web });
    assert.equal(envoy.upstreamRequests.at(-1)?.headers["x-caller"], web);
    assert.deepEqual(await ask("/mobile", await issue([web])), { status: 403, reason: "no_rule", caller: web });
  });

  test("callers who take turns are themselves", async () => {
    for (const [caller, path] of [
      [web, "/web"],
      [mobile, "/mobile"],
      [web, "/web"],
      [mobile, "/mobile"],
    ] as const)
      assert.deepEqual(await ask(path, await issue([caller])), { status: 200, reason: "allowed", caller });
  });

  test("no certificate, and one without a URI name, are nobody", async () => {
    assert.equal((await ask("/web")).reason, "identity_missing");
    const nameless = await envoy.local.authority.issue({ dnsNames: ["web.example.org"] });
    assert.equal((await ask("/web", nameless)).reason, "identity_missing");
  });

  test("several URI names are no caller, whichever comes first", async () => {
    for (const names of [
      [web, mobile],
      [web, "https://example.org/web"],
      [web, web],
    ])
      assert.equal((await ask("/web", await issue(names))).reason, "identity_malformed", names.join());
  });

  test("a name that is no SPIFFE ID, and one of a domain that is not trusted", async () => {
    assert.equal((await ask("/web", await issue(["https://example.org/web"]))).reason, "identity_malformed");
    assert.equal((await ask("/web", await issue([`${web},${mobile}`]))).reason, "identity_malformed");
    assert.equal((await ask("/web", await issue(["spiffe://evil.example/web"]))).reason, "identity_untrusted");
  });

  test("what a caller writes about itself changes nothing", async () => {
    const said = { "x-forwarded-client-cert": `URI=${admin}`, "io.istio.peer-principal": admin, "x-caller": admin };
    assert.deepEqual(await ask("/web", await issue([web]), said), { status: 200, reason: "allowed", caller: web });
    const { headers } = envoy.upstreamRequests.at(-1)!;
    assert.deepEqual([headers["x-caller"], headers["x-forwarded-client-cert"]], [web, undefined]);
    assert.equal((await ask("/admin", undefined, said)).reason, "identity_missing");
  });
});

describe("an end of CONNECT in front, as Istio's waypoints have it", () => {
  let envoy: TestEnvoy;
  before(async () => {
    envoy = await startTestEnvoy({
      wasm,
      requireClientCertificate: false,
      adjust: (bootstrap) => {
        const upgrade_configs = [{ upgrade_type: "CONNECT" }];
        const http2_protocol_options = { allow_connect: true };
        const route = { cluster: "inner", upgrade_configs: [{ upgrade_type: "CONNECT", connect_config: {} }] };
        const outer = manager("envoy.string", { connect_matcher: {} }, route, {
          upgrade_configs,
          http2_protocol_options,
        });
        behind(bootstrap, [outer]);
      },
    });
  });
  after(() => envoy?.stop());

  /** Asks through a tunnel of its own; over one connection for all requests of a certificate, as ztunnel has it. */
  async function ask(identity: Identity | undefined, paths: readonly string[]): Promise<(number | undefined)[]> {
    const { port, authorityPem: ca, serverName = "localhost" } = await envoy.local.target();
    const { certificatePem: cert, privateKeyPem } = identity ?? {};
    const session = connectHttp2(`https://127.0.0.1:${port}`, { ca, cert, key: privateKeyPem, servername: serverName });
    try {
      const statuses: (number | undefined)[] = [];
      for (const path of paths) {
        const tunnel = session.request({ ":method": "CONNECT", ":authority": "10.0.0.1:80" });
        const [{ ":status": opened }] = await once(tunnel, "response");
        assert.equal(opened, 200);
        const agent = new Agent({ keepAlive: false });
        agent.createConnection = () => tunnel as never;
        const asked = requestHttp({
          agent,
          path,
          headers: { host: "orders", "x-forwarded-client-cert": `URI=${admin}` },
        });
        const [response] = (await once(asked.end(), "response")) as [IncomingMessage];
        await once(response.resume(), "end");
        statuses.push(response.statusCode);
        tunnel.close();
      }
      return statuses;
    } finally {
      session.destroy();
    }
  }

  test("the caller is who opened the tunnel", async () => {
    const paths = ["/web", "/mobile", "/web"];
    assert.deepEqual(await ask(await envoy.local.identity(web), paths), [200, 403, 200]);
    assert.deepEqual(await ask(await envoy.local.identity(mobile), paths), [403, 200, 403]);
    const records = (await envoy.local.accessLog(6)).map(({ record }) => `${record?.caller} ${record?.reason}`);
    assert.deepEqual(records, [
      ...[`${web} allowed`, `${web} no_rule`, `${web} allowed`],
      ...[`${mobile} no_rule`, `${mobile} allowed`, `${mobile} no_rule`],
    ]);
  });

  test("a tunnel without a certificate, or with several names, is nobody's", async () => {
    assert.deepEqual(await ask(undefined, ["/web"]), [403]);
    const several = await envoy.local.authority.issue({ uriSans: [web, mobile] });
    assert.deepEqual(await ask(several, ["/web", "/mobile"]), [403, 403]);
    const reasons = (await envoy.local.accessLog(9)).slice(6).map(({ record }) => record?.reason);
    // Envoy writes a dash where there is no name.
    assert.deepEqual(reasons, ["identity_malformed", "identity_malformed", "identity_malformed"]);
  });
});

describe("a connection manager in front, whose connections to the inner listener serve one request after the other", () => {
  for (const [factory, kept] of [
    ["envoy.hashable_string", true],
    ["envoy.string", false],
  ] as const) {
    test(`${factory}: ${kept ? "callers stay apart" : "the next caller is taken for the one before, as docs/trust.md warns"}`, async () => {
      const envoy = await startTestEnvoy({
        wasm,
        concurrency: 1,
        adjust: (bootstrap) => behind(bootstrap, [manager(factory, { prefix: "/" }, { cluster: "inner" })]),
      });
      try {
        const callers: unknown[] = [];
        for (const caller of [web, mobile, web])
          callers.push((await envoy.judge({ path: "/x", caller })).record?.caller);
        assert.deepEqual(callers, kept ? [web, mobile, web] : [web, web, web]);
      } finally {
        await envoy.stop();
      }
    });
  }
});

test("the listener of the filter itself can write it, as `run` and `manifest --for envoy` have it do", async () => {
  const envoy = await startTestEnvoy({
    wasm,
    adjust: ({ static_resources: { listeners } }) => {
      listeners[0].filter_chains[0].filters.unshift(principalFilter(key));
    },
  });
  try {
    assert.equal((await envoy.judge({ path: "/web", caller: web })).record?.reason, "allowed");
    const identity = await envoy.local.authority.issue({ uriSans: [web, mobile] });
    assert.equal((await envoy.judge({ path: "/web", identity })).record?.reason, "identity_malformed");
  } finally {
    await envoy.stop();
  }
});
