/**
 * What `manifest` writes for Envoy, in a real one: bootstrap, listener and filter as files, with the capability list that the policy needs.
 * And the enforcement check of Envoy Gateway, which is CEL.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { copyFile, readFile, rename, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { parse as parseCel } from "@bufbuild/cel";
import { ParsedExprSchema } from "@bufbuild/cel-spec/cel/expr/syntax_pb.js";
import { toJson } from "@bufbuild/protobuf";
import { parse, stringify } from "yaml";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import { type Authority, makeAuthority } from "../../scripts/envoy/certificates.ts";
import { type RestResponse, sendRequest } from "../../scripts/envoy/client.ts";
import { findEnvoy } from "../../scripts/envoy/find.ts";
import { type RunningEnvoy, startEnvoy } from "../../scripts/envoy/process.ts";
import { startUpstream, type Upstream } from "../../scripts/envoy/upstream.ts";
import { checkExpression } from "../../scripts/manifest/envoygateway.ts";
import { makeManifest } from "../../scripts/manifest/manifest.ts";
import type { GivenOptions } from "../../scripts/manifest/options.ts";
import { loadEngineFor } from "../../scripts/policy/build.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { compile, manifestOf, type Parts, policies, policyText, resourceOf, web } from "../manifest/policies.ts";
import { managerOf, startTestEnvoy } from "../support/envoy.ts";
import { install } from "../support/installed.ts";
import { makeKey, startJwksServer } from "../support/jwks-server.ts";
import { until } from "../support/until.ts";

const upstream_id = "spiffe://example.org/orders";

let authority: Authority;
before(async () => {
  authority = await makeAuthority({ trustDomain: "example.org" });
});

/** A manifest in a folder of its own, with the certificates and the module that it names. */
async function installed(parts: Parts, given: GivenOptions, keysCa?: string): Promise<string> {
  const compiled = compile(parts);
  const { applied } = await makeManifest("envoy", compiled, given);
  const modules = { "sallyport.wasm": embedImage(loadEngineFor(compiled.image), compiled.image) };
  return install({ files: applied, modules, spiffeId: upstream_id, authority, keysCa });
}

/** Runs with an Envoy that has a manifest of this policy. */
async function withManifest(
  parts: Parts,
  given: GivenOptions,
  run: (ask: (path: string, token?: string) => Promise<RestResponse>, envoy: RunningEnvoy) => Promise<void>,
  change: (folder: string) => Promise<void> = async () => {},
  keysCa?: string,
): Promise<void> {
  const folder = await installed(parts, given, keysCa);
  let envoy: RunningEnvoy | undefined;
  try {
    await change(folder);
    const config = parse(await readFile(join(folder, "bootstrap.yaml"), "utf8")) as Bootstrap;
    envoy = await startEnvoy({ envoyPath: await findEnvoy(), config });
    const port = envoy.listenerPort("inbound");
    const identity = await authority.issue({ spiffeId: web });
    const target = { port, authorityPem: authority.certificatePem, serverName: "localhost", identity };
    const ask = (path: string, token?: string): Promise<RestResponse> =>
      sendRequest(target, { path, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
    await run(ask, envoy);
  } finally {
    await envoy?.stop();
    await rm(folder, { recursive: true });
  }
}

/** The filter's file with a configuration of the filter, as text. */
function configured(text: string, value: string): string {
  const resources = parse(text);
  const type = "type.googleapis.com/google.protobuf.StringValue";
  resources.resources[0].typed_config.config.configuration = { "@type": type, value };
  return stringify(resources);
}

/** Envoy's statistics of the filter's file. */
const discovery = "extension_config_discovery.http_filter.sallyport";

describe("the manifest for Envoy", () => {
  let upstream: Upstream;
  let toUpstream: GivenOptions;
  before(async () => {
    const identity = await authority.issue({
      spiffeId: upstream_id,
      dnsNames: ["localhost"],
      ipAddresses: ["127.0.0.1"],
    });
    upstream = await startUpstream({ identity, authorityPem: authority.certificatePem });
    toUpstream = { upstream: `https://127.0.0.1:${upstream.port}`, upstreamId: upstream_id };
  });
  after(() => upstream?.stop());

  for (const [needed, parts] of Object.entries(policies)) {
    test(`is valid, and starts with what a policy needs that needs ${needed}`, async () => {
      const fleet = compile(parts).policy.fleet === undefined ? {} : { ratelimit: "127.0.0.1:1" };
      const folder = await installed(parts, { ...toUpstream, ...fleet });
      try {
        const config = join(folder, "bootstrap.yaml");
        const { stdout } = await promisify(execFile)(await findEnvoy(), ["--mode", "validate", "-c", config]);
        assert.match(stdout, /OK/u);
      } finally {
        await rm(folder, { recursive: true });
      }
      await withManifest(parts, { ...toUpstream, ...fleet }, async (ask, envoy) => {
        const asksForToken = parts.rule?.includes("token:") === true;
        // A rule that reads the body does not hold for a request without one.
        const asksForBody = parts.rule?.includes("body.") === true;
        assert.equal((await ask("/orders/1")).status, asksForToken ? 401 : asksForBody ? 400 : 200);
        assert.doesNotMatch(envoy.log(), /does not allow|is it in the capability list|refused/u);
      });
    });
  }

  test("serves a request with a token whose keys come through its cluster, and denies others", async () => {
    const server = await startJwksServer();
    try {
      const key = await makeKey("k");
      server.publish(key);
      const head = `issuers: { idp: { issuer: "https://idp.example.org", audiences: [order-api], algorithms: [ES256], keys: { url: "https://127.0.0.1:${server.port}/jwks.json", cluster: idp } } }`;
      await withManifest(
        { head, rule: "token: idp" },
        toUpstream,
        async (ask) => {
          assert.equal((await ask("/orders/1", await key.token())).status, 200);
          assert.equal(upstream.requests.at(-1)?.peer, upstream_id);
          assert.equal((await ask("/orders/1", await (await makeKey("k")).token())).status, 401);
          assert.equal((await ask("/orders/1")).status, 401);
        },
        undefined,
        server.authorityPem,
      );
    } finally {
      await server.stop();
    }
  });

  test("keys of a server that another authority vouches for do not come", async () => {
    const server = await startJwksServer();
    try {
      const key = await makeKey("k");
      server.publish(key);
      const head = `issuers: { idp: { issuer: "https://idp.example.org", audiences: [order-api], algorithms: [ES256], keys: { url: "https://127.0.0.1:${server.port}/jwks.json", cluster: idp } } }`;
      await withManifest({ head, rule: "token: idp" }, toUpstream, async (ask) => {
        assert.equal((await ask("/orders/1", await key.token())).status, 503);
      });
      assert.equal(server.requests.length, 0);
    } finally {
      await server.stop();
    }
  });

  test("an upstream with another SPIFFE ID gets nothing", () =>
    withManifest({}, { ...toUpstream, upstreamId: "spiffe://example.org/others" }, async (ask) => {
      const arrived = upstream.requests.length;
      assert.equal((await ask("/orders/1")).status, 503);
      assert.equal(upstream.requests.length, arrived);
    }));

  test("a filter that is moved into place counts at once; of one that is refused nothing counts", async () => {
    let folder = "";
    const move = async (value: string): Promise<void> => {
      await writeFile(join(folder, "next"), configured(await readFile(join(folder, "original"), "utf8"), value));
      await rename(join(folder, "next"), join(folder, "ecds.yaml"));
    };
    await withManifest(
      { rule: 'when: request.path != "/denied"' },
      toUpstream,
      async (ask, envoy) => {
        assert.equal((await ask("/denied")).status, 403);
        await move("nonsense");
        await until("the filter is refused", async () => (await envoy.stats()).get(`${discovery}.config_fail`) === 1);
        assert.equal((await ask("/denied")).status, 403);
        assert.equal((await ask("/orders/1")).status, 200);
        await move('{"mode": "shadow"}');
        await until("the new one counts", async () => (await ask("/denied")).status === 200);
      },
      async (installedTo) => {
        folder = installedTo;
        await copyFile(join(folder, "ecds.yaml"), join(folder, "original"));
      },
    );
  });

  test("where the filter does not come, requests are refused", () =>
    withManifest(
      {},
      toUpstream,
      async (ask) => {
        const arrived = upstream.requests.length;
        assert.equal((await ask("/orders/1")).status, 500);
        assert.equal(upstream.requests.length, arrived);
      },
      async (folder) => {
        const path = join(folder, "ecds.yaml");
        await writeFile(path, configured(await readFile(path, "utf8"), "nonsense"));
      },
    ));
});

test("the connection check of Istio closes a connection that would be passed on as TCP", async () => {
  const arrived: Socket[] = [];
  const server = createServer((socket) => arrived.push(socket.on("error", () => {}))).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const { spec } = resourceOf(await manifestOf("istio"), "EnvoyFilter", "sallyport-shop-connection-check");
  const [{ match, patch }] = spec.configPatches;
  assert.equal(patch.operation, "REPLACE");
  const { name: filter } = match.listener.filterChain.filter;
  const type = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
  const original = { name: filter, typed_config: { "@type": type, stat_prefix: "t", cluster: "t" } };
  const address = (number: number) => ({ socket_address: { address: "127.0.0.1", port_value: number } });
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }];
  const config = {
    admin: { address: address(0) },
    static_resources: {
      listeners: ["checked", "open"].map((name) => ({
        name,
        address: address(0),
        filter_chains: [{ filters: [name === "checked" ? patch.value : original] }],
      })),
      clusters: [{ name: "t", load_assignment: { cluster_name: "t", endpoints } }],
    },
  };
  const envoy = await startEnvoy({ envoyPath: await findEnvoy(), config });
  try {
    const opened = connect(envoy.listenerPort("open"), "127.0.0.1").on("error", () => {});
    opened.write("GET / HTTP/1.1\r\n\r\n");
    await once(server, "connection");
    opened.destroy();
    const before = arrived.length;
    const closed = connect(envoy.listenerPort("checked"), "127.0.0.1").on("error", () => {});
    closed.write("GET / HTTP/1.1\r\n\r\n");
    // By a reset, too.
    await new Promise((resolve) => closed.once("close", resolve));
    assert.equal(arrived.length, before);
  } finally {
    await envoy.stop();
    for (const socket of arrived) socket.destroy();
    server.close();
  }
});

/** The filter that Envoy Gateway makes of a SecurityPolicy with one rule that admits by CEL (internal/xds/translator/authorization.go). */
function filterOf(expression: string): Bootstrap {
  const type = (name: string): string => `type.googleapis.com/${name}`;
  const action = (name: string, act: string): Bootstrap => ({
    name,
    typed_config: { "@type": type("envoy.config.rbac.v3.Action"), name, action: act },
  });
  const matcher = {
    "@type": type("xds.type.matcher.v3.CelMatcher"),
    expr_match: { cel_expr_parsed: toJson(ParsedExprSchema, parseCel(expression)) },
  };
  const input = { "@type": type("xds.type.matcher.v3.HttpAttributesCelMatchInput") };
  const predicate = {
    single_predicate: {
      input: { name: "cel", typed_config: input },
      custom_match: { name: "cel_matcher", typed_config: matcher },
    },
  };
  return {
    name: "envoy.filters.http.rbac",
    typed_config: {
      "@type": type("envoy.extensions.filters.http.rbac.v3.RBAC"),
      matcher: {
        matcher_list: { matchers: [{ predicate, on_match: { action: action("admitted", "ALLOW") } }] },
        on_no_match: { action: action("default", "DENY") },
      },
    },
  };
}

describe("the enforcement check of Envoy Gateway", () => {
  const off = { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", disabled: true };
  const asked = async (policy: string, paths: string[]): Promise<[number, string][]> => {
    const envoy = await startTestEnvoy({
      policyYaml: policyText({ rule: 'when: request.path != "/denied"' }),
      adjust: (bootstrap) => {
        const { http_filters, route_config } = managerOf(bootstrap);
        http_filters.splice(2, 0, filterOf(checkExpression(policy)));
        const [{ routes }] = route_config.virtual_hosts;
        const both = { "envoy.filters.http.wasm": off, "enforcement-check": off };
        routes.unshift({ ...routes[0], match: { prefix: "/off" }, typed_per_filter_config: both });
      },
    });
    try {
      const answers: [number, string][] = [];
      for (const path of paths) {
        const { status, details } = await envoy.judge({ caller: web, path });
        answers.push([status, details]);
      }
      return answers;
    } finally {
      await envoy.stop();
    }
  };
  const refused = [403, "rbac_access_denied_matched_policy[default]"];

  test("lets by what the policy's filter admitted, and nothing where the filter is switched off", async () => {
    const [admitted, denied, unfiltered] = await asked("shop", ["/orders/1", "/denied", "/off"]);
    assert.equal(admitted![0], 200);
    assert.match(denied![1], /^sallyport_denied/u);
    assert.deepEqual(unfiltered, refused);
  });

  for (const policy of ["sho", "shop2", "shoq", "Shop"]) {
    test(`for a policy named ${policy}, lets by none of shop`, async () => {
      assert.deepEqual(await asked(policy, ["/orders/1"]), [refused]);
    });
  }
});
