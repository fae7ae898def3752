/** What `manifest` writes: safe by itself, for the policy that it is of, and the same each time; what would not be safe is refused. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { principalFilter } from "../../scripts/envoy/principal.ts";
import { trustBundleOf } from "../../scripts/manifest/envoygateway.ts";
import { headingOf, ManifestError, systems } from "../../scripts/manifest/files.ts";
import { makeManifest } from "../../scripts/manifest/manifest.ts";
import { resourceName } from "../../scripts/manifest/options.ts";
import { loadEngineFor } from "../../scripts/policy/build.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { compile, digest, enough, manifestOf, type Parts, policies, type Resource, resourceOf } from "./policies.ts";

/** Trust in a listener in front. */
const behind = "domains: [example.org], identity: filter-state";
const check_mark = '{"admit":true,"policy":"shop",';
const managerOf = (filter: Resource): Resource => filter.spec.configPatches[0].patch.value.typed_config;

for (const system of systems) {
  describe(system, () => {
    test("is the same each time, in the order of its names, and each file says whose it is", async () => {
      const once = await manifestOf(system, policies["everything at once"]);
      assert.deepEqual(await manifestOf(system, policies["everything at once"]), once);
      for (const files of [once.applied, once.others]) {
        const names = files.map(({ name }) => name);
        assert.deepEqual(names, names.toSorted());
        for (const { text } of files) assert.ok(text.startsWith(headingOf(system)));
      }
    });
  });
}

test("no two policies have resources of one name, and no two trust domains one bundle", () => {
  const long = "a".repeat(60);
  const names = ["shop", "Shop", "a_b", "a-b", "a--b", "a-", "_a", `${long}1`, `${long}2`];
  const resources = names.map(resourceName);
  assert.equal(resources[0], "sallyport-shop");
  assert.equal(new Set(resources).size, names.length, resources.join(" "));
  for (const name of resources) assert.match(name, /^[a-z0-9](?:[a-z0-9-]{0,50}[a-z0-9])?$/u);
  const domains = ["a-b.example.org", "a_b.example.org", "a-_b.example.org"];
  const bundles = domains.map((domain) => trustBundleOf(compile({ trust: `domains: [${domain}]` }).policy));
  assert.equal(bundles[0], "sallyport-trust-bundle.a-b.example.org");
  assert.equal(new Set(bundles).size, domains.length, bundles.join(" "));
  for (const name of bundles) assert.match(name, /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/u);
});

describe("Envoy", () => {
  const filesOf = async (parts: Parts, given = {}): Promise<Record<string, Resource>> => {
    const { applied } = await manifestOf("envoy", parts, given);
    return Object.fromEntries(applied.map(({ name, text }) => [name.replace(".yaml", ""), parse(text)]));
  };
  const chainOf = ({ lds }: Record<string, Resource>): Resource => lds.resources[0].filter_chains[0];
  const settingsOf = (files: Record<string, Resource>): Resource => chainOf(files).filters[0].typed_config;
  const validationOf = (files: Record<string, Resource>): Resource =>
    chainOf(files).transport_socket.typed_config.common_tls_context.validation_context;

  test("fails closed, with the check right behind the filter", async () => {
    const files = await filesOf({});
    const { config } = files.ecds.resources[0].typed_config;
    assert.equal(config.failure_policy, "FAIL_RELOAD");
    const [filter, check] = settingsOf(files).http_filters;
    assert.equal(filter.name, files.ecds.resources[0].name);
    assert.deepEqual(Object.keys(check.typed_config.xds_matcher.matcher_tree.prefix_match_map.map), [check_mark]);
    assert.equal(chainOf(files).transport_socket.typed_config.require_client_certificate, true);
  });

  test("has a bundle for each trust domain", async () => {
    const files = await filesOf({ trust: "domains: [example.org, partner.example.net]" });
    const names = validationOf(files).custom_validator_config.typed_config.trust_domains.map(
      ({ name }: Resource) => name,
    );
    assert.deepEqual(names, ["example.org", "partner.example.net"]);
  });

  test("has a plain upstream on this machine by HTTP/1.1, and gRPC beside it", async () => {
    const { bootstrap, lds } = await filesOf({});
    const clusters = bootstrap.static_resources.clusters.map(({ name }: Resource) => name);
    assert.deepEqual(clusters, ["upstream", "upstream-grpc"]);
    const [{ routes }] = settingsOf({ lds }).route_config.virtual_hosts;
    assert.deepEqual(
      routes.map(({ match, route }: Resource) => [match.grpc !== undefined, route.cluster]),
      [
        [true, "upstream-grpc"],
        [false, "upstream"],
      ],
    );
  });

  test("reads paths, addresses and callers as the policy does", async () => {
    assert.equal(settingsOf(await filesOf({})).forward_client_cert_details, "SANITIZE_SET");
    assert.equal(settingsOf(await filesOf(policies["trusted proxies"]!)).forward_client_cert_details, "APPEND_FORWARD");
    const open = settingsOf(await filesOf(policies["open paths"]!));
    assert.deepEqual([open.path_with_escaped_slashes_action, open.merge_slashes], ["KEEP_UNCHANGED", false]);
    assert.equal(settingsOf(await filesOf(policies["forwarded addresses"]!)).xff_num_trusted_hops, 1);
    const far = await filesOf(policies["forwarded addresses"]!, { trustedHops: "3" });
    assert.equal(settingsOf(far).xff_num_trusted_hops, 3);
  });
});

describe("Istio", () => {
  test("the pods keep the statistics of the filter and its check, and those by which `status` sees a refused configuration", async () => {
    const { others, applied } = await manifestOf("istio");
    const { annotations } = parse(others.find(({ name }) => name === "pod-annotations.yaml")!.text).spec.template
      .metadata;
    const { proxyStatsMatcher } = JSON.parse(annotations["proxy.istio.io/config"]);
    const { inclusionPrefixes, inclusionSuffixes } = proxyStatsMatcher as Record<string, string[]>;
    const isKept = (statistic: string): boolean =>
      inclusionPrefixes!.some((one) => statistic.startsWith(one)) ||
      inclusionSuffixes!.some((one) => statistic.endsWith(one));
    const plugin = "extensions.istio.io/trafficextension/default.sallyport-shop~istio-translated-wasmplugin";
    assert.ok(isKept("wasmcustom.sallyport_requests.policy.shop;.decision.allow"), "our metrics");
    assert.ok(isKept("wasm.envoy.wasm.runtime.v8.active"), "the VMs");
    assert.ok(isKept(`extension_config_discovery.http_filter.${plugin}.version_text`), "what Envoy has taken");
    assert.ok(isKept("http.inbound_0.0.0.0_8080;.rbac.denied"), "what the check refused");
    const configMap = parse(applied.find(({ name }) => name === "60-bootstrap.yaml")!.text);
    assert.equal(annotations["sidecar.istio.io/bootstrapOverride"], configMap.metadata.name);
  });

  test("has the check first and the plugin last, with its checksum", async () => {
    const manifest = await manifestOf("istio");
    const { resources, sortOptions } = parse(manifest.others.find(({ name }) => name === "kustomization.yaml")!.text);
    assert.deepEqual(
      resources,
      manifest.applied.map(({ name }) => name),
    );
    assert.deepEqual(sortOptions, { order: "fifo" });
    assert.match(String(resources[0]), /enforcement-check/u);
    assert.match(String(resources.at(-1)), /wasm-plugin/u);
    const { spec } = resourceOf(manifest, "WasmPlugin");
    assert.deepEqual(
      [spec.failStrategy, spec.phase, spec.sha256, spec.url],
      ["FAIL_RELOAD", "AUTHN", digest, "oci://registry.example.org/sallyport/shop:1"],
    );
    assert.equal(resourceOf(manifest, "PeerAuthentication").spec.mtls.mode, "STRICT");
  });

  test("has the settings of the example on the connection manager, and resumes no sessions", async () => {
    const connection = resourceOf(await manifestOf("istio"), "EnvoyFilter", "sallyport-shop-connection");
    const { use_remote_address, forward_client_cert_details, merge_slashes, http_filters, access_log } =
      managerOf(connection);
    assert.deepEqual(
      [use_remote_address, forward_client_cert_details, merge_slashes, http_filters, access_log],
      [true, "SANITIZE_SET", true, undefined, undefined],
    );
    const [, { match, patch }] = connection.spec.configPatches;
    // A chain without TLS must not be given a TLS socket.
    assert.equal(match.listener.filterChain.transportProtocol, "tls");
    const tls = patch.value.transport_socket.typed_config;
    assert.deepEqual([tls.disable_stateless_session_resumption, tls.disable_stateful_session_resumption], [true, true]);
  });

  test("every resource is for the chosen pods alone", async () => {
    const manifest = await manifestOf("istio", policies["everything at once"], { selector: "app=a,tier=b" });
    const labels = { app: "a", tier: "b" };
    for (const { text } of manifest.applied) {
      const { kind, spec } = parse(text);
      if (kind === "ConfigMap") continue;
      assert.deepEqual(spec.selector?.matchLabels ?? spec.workloadSelector?.labels, labels, kind);
    }
  });

  test("a server that is named as Istio names services is one, with its certificate checked", async () => {
    const manifest = await manifestOf("istio", policies["fetched keys by a service of Istio"]);
    assert.deepEqual(resourceOf(manifest, "ServiceEntry").spec.hosts, ["idp.example.org"]);
    const { tls } = resourceOf(manifest, "DestinationRule").spec.trafficPolicy;
    assert.deepEqual(tls, {
      mode: "SIMPLE",
      sni: "idp.example.org",
      subjectAltNames: ["idp.example.org"],
      caCertificates: "/etc/ssl/certs/ca-certificates.crt",
    });
  });

  test("a rate limit service of the mesh is there by itself", async () => {
    const head =
      'fleet: { replicas: 2, cluster: "outbound|8081||ratelimit.limits.svc.cluster.local" }\nlimits: { all: { rate: 1/s, scope: fleet } }';
    const { applied } = await makeManifest("istio", compile({ head, rule: "limit: all" }), enough.istio);
    assert.ok(applied.every(({ name }) => !name.includes("servers")));
  });
});

describe("Envoy Gateway", () => {
  test("asks for certificates that are good, and denies what has no record", async () => {
    const manifest = await manifestOf("envoy-gateway");
    const { clientValidation } = resourceOf(manifest, "ClientTrafficPolicy").spec.tls;
    assert.equal(clientValidation.mode, "RequireAndVerify");
    assert.equal(clientValidation.caCertificateRefs.length, 1);
    const { authorization } = resourceOf(manifest, "SecurityPolicy").spec;
    assert.deepEqual([authorization.defaultAction, authorization.rules.length], ["Deny", 1]);
    assert.equal(resourceOf(manifest, "EnvoyExtensionPolicy").spec.wasm[0].failOpen, false);
  });

  test("keeps what the class of Gateways says of Envoy", async () => {
    const { mergeType, provider } = resourceOf(await manifestOf("envoy-gateway"), "EnvoyProxy").spec;
    assert.deepEqual([mergeType, provider], ["StrategicMerge", undefined]);
  });

  test("another module comes with another name of a variable, without which Envoy would go on with the old one", async () => {
    const keysOf = async (sha256: string): Promise<string[]> =>
      resourceOf(await manifestOf("envoy-gateway", {}, { sha256 }), "EnvoyExtensionPolicy").spec.wasm[0].env.hostKeys;
    const other = "f".repeat(64);
    assert.deepEqual([await keysOf(digest), await keysOf(other)], [[digest], [other]]);
  });

  test("each trust domain has a bundle of its own name", async () => {
    const nameOf = async (trust: string): Promise<string> => {
      const { tls } = resourceOf(await manifestOf("envoy-gateway", { trust }), "ClientTrafficPolicy").spec;
      return tls.clientValidation.caCertificateRefs[0].name;
    };
    assert.equal(await nameOf("domains: [example.org]"), "sallyport-trust-bundle.example.org");
    assert.match(
      await nameOf("domains: [a_b.example.org]"),
      /^sallyport-trust-bundle\.a-b\.example\.org-[0-9a-f]{8}$/u,
    );
    const alias = "domains: [old.example.net, example.org], aliases: { old.example.net: example.org }";
    assert.equal(await nameOf(alias), "sallyport-trust-bundle.example.org");
  });

  test("who may write routes may write nothing else", async () => {
    const { rules } = resourceOf(await manifestOf("envoy-gateway"), "ClusterRole", "sallyport-shop-route-owner");
    assert.deepEqual(
      rules.map(({ apiGroups, resources }: Resource) => [apiGroups, resources]),
      [[["gateway.networking.k8s.io"], ["grpcroutes", "httproutes"]]],
    );
  });
});

test("with a URL, the checksum is that of the module that `build` writes", async () => {
  const { image: _, sha256: __, ...rest } = enough.istio;
  const compiled = compile({});
  const manifest = await makeManifest("istio", compiled, { ...rest, url: "https://example.org/sallyport.wasm" });
  const module = embedImage(loadEngineFor(compiled.image), compiled.image);
  assert.equal(resourceOf(manifest, "WasmPlugin").spec.sha256, createHash("sha256").update(module).digest("hex"));
});

test("the cluster of a rate limit service is that of docs/limits.md", async () => {
  const { applied } = await manifestOf("envoy", policies["a fleet"]);
  const { clusters } = parse(applied.find(({ name }) => name === "bootstrap.yaml")!.text).static_resources;
  const [, block] = /```yaml\n(name: ratelimit\n.*?)```/su.exec(readFileSync("docs/limits.md", "utf8"))!;
  assert.deepEqual(clusters.at(-1), parse(block!));
});

describe("is refused, with a way out:", () => {
  const refused: [what: string, system: (typeof systems)[number], parts: Parts, given: object, message: RegExp][] = [
    [
      "keys in plain text",
      "envoy",
      {
        head: policies["fetched keys"]!.head!.replace("https://idp.example.org/jwks", "http://idp.example.org/jwks"),
        rule: "token: idp",
      },
      {},
      /plain text.*write `https`/u,
    ],
    [
      "an upstream in plain text",
      "envoy",
      {},
      { upstream: "http://orders.internal:8080" },
      /nothing would vouch.*--upstream-id/u,
    ],
    ["an upstream that nobody knows", "envoy", {}, { upstream: "https://orders.internal" }, /say who the upstream is/u],
    [
      "an upstream of another trust domain",
      "envoy",
      {},
      { upstream: "https://a.b", upstreamId: "spiffe://other.example/a" },
      /a SPIFFE ID of example\.org/u,
    ],
    [
      "several upstreams",
      "envoy",
      {},
      { upstream: "https://a.b", upstreamId: "spiffe://example.org/**" },
      /say who the upstream is/u,
    ],
    [
      "a fleet without its service",
      "envoy",
      policies["a fleet"]!,
      { ratelimit: undefined },
      /add --ratelimit HOST:PORT/u,
    ],
    ["a service without a fleet", "istio", {}, { ratelimit: "a.b:1" }, /leave it out/u],
    ["a Secret of no name", "istio", {}, { pullSecret: "Pull_Secret" }, /--pull-secret is the name of a Secret/u],
    ["a Secret for Envoy itself", "envoy", {}, { pullSecret: "pull" }, /--pull-secret is not for envoy/u],
    [
      "a Secret for a file",
      "envoy-gateway",
      {},
      { image: undefined as never, url: "https://example.org/a.wasm", sha256: digest, pullSecret: "pull" },
      /--pull-secret is for an image/u,
    ],
    ["a tag without a digest", "istio", {}, { sha256: undefined }, /a tag can be moved/u],
    ["two digests", "istio", {}, { image: `r.example/a:1@sha256:${"0".repeat(64)}` }, /different digests/u],
    ["a digest that is none", "istio", {}, { sha256: "abc" }, /64 digits/u],
    ["no module", "istio", {}, { image: undefined }, /say where the module is/u],
    ["two modules", "envoy-gateway", {}, { url: "https://a.b/c" }, /say where the module is/u],
    ["a whole namespace", "istio", {}, { selector: undefined }, /say whom the policy guards/u],
    ["labels that are none", "istio", {}, { selector: "app" }, /--selector has labels such as/u],
    ["no Gateway", "envoy-gateway", {}, { gateway: undefined }, /say which Gateway/u],
    ["an option of another system", "istio", {}, { upstreamId: "a" }, /--upstream-id is not for istio/u],
    [
      "several trust domains in Envoy Gateway",
      "envoy-gateway",
      { trust: "domains: [example.org, b.example]" },
      {},
      /one set of authorities/u,
    ],
    ["callers that nobody tells of", "istio", { trust: behind }, {}, /Istio's sidecars end the caller's mTLS/u],
    ["callers that nobody tells of", "envoy-gateway", { trust: behind }, {}, /Envoy Gateway's listeners end/u],
    ["hops that nobody believes", "envoy", {}, { trustedHops: "1" }, /--trusted-hops is for policies with/u],
    ["no hop", "envoy", policies["forwarded addresses"]!, { trustedHops: "0" }, /from 1 to 99/u],
    [
      "a service of Istio that leads elsewhere",
      "istio",
      {
        head: policies["fetched keys"]!.head!.replace('cluster: "idp"', 'cluster: "outbound|443||a.example"'),
        rule: "token: idp",
      },
      {},
      /name `outbound\|443\|\|idp\.example\.org`/u,
    ],
  ];
  for (const [what, system, parts, given, message] of refused) {
    test(what, async () => {
      await assert.rejects(manifestOf(system, parts, given), (error: unknown) => {
        assert.ok(error instanceof ManifestError, String(error));
        assert.match(error.message, message);
        return true;
      });
    });
  }
});

test("the listener writes the filter state that says who the caller is", async () => {
  const { applied } = await manifestOf("envoy", { trust: `${behind}, filterState: app.peer` });
  const lds = parse(applied.find(({ name }) => name === "lds.yaml")!.text);
  const [{ filters, transport_socket }] = lds.resources[0].filter_chains;
  assert.equal(transport_socket.typed_config.require_client_certificate, true);
  assert.deepEqual(filters[0], principalFilter("app.peer"));
  assert.equal(filters[1].typed_config.http_filters[0].name, "sallyport");
});

test("a trust domain of old and its alias are one owner's", async () => {
  const trust = "domains: [example.org, old.example.net], aliases: { old.example.net: example.org }";
  assert.ok((await manifestOf("envoy-gateway", { trust })).applied.length > 0);
});

test("callers without a certificate are let in where the policy has other means, and certificates that are shown are checked", async () => {
  const svid = (identity: string, domains = "example.org"): Parts => ({
    trust: `domains: [${domains}], identity: ${identity}, jwtSvid: { audiences: [a], bundles: { example.org: { url: "https://spire.example.org/bundle", cluster: spire } } }`,
  });
  const gateway = resourceOf(await manifestOf("envoy-gateway", svid("either")), "ClientTrafficPolicy");
  assert.equal(gateway.spec.tls.clientValidation.mode, "VerifyIfGiven");
  const { applied } = await manifestOf("envoy", svid("either"));
  const lds = parse(applied.find(({ name }) => name === "lds.yaml")!.text);
  const { require_client_certificate, common_tls_context } =
    lds.resources[0].filter_chains[0].transport_socket.typed_config;
  assert.equal(require_client_certificate, false);
  assert.deepEqual(common_tls_context.validation_context, {
    trusted_ca: { filename: "/etc/sallyport/certificates/bundles/example.org.pem" },
  });
  await assert.rejects(
    manifestOf("envoy", svid("either", "example.org, b.example")),
    /each could sign for the others/u,
  );
});

test("a chart has the place as its values, and no placeholder is left", async () => {
  for (const system of ["istio", "envoy-gateway"] as const) {
    const { applied, others } = await manifestOf(system, {}, { helm: true, namespace: "shop" });
    const text = applied.map((file) => file.text).join("");
    assert.ok(applied.every(({ name }) => name.startsWith("templates/")));
    assert.doesNotMatch(text, /__[A-Z0-9]+__|registry\.example\.org|app: orders|name: edge/u);
    assert.match(text, /namespace: \{\{ \.Release\.Namespace \| quote \}\}/u);
    const values = parse(others.find(({ name }) => name === "values.yaml")!.text);
    const place = system === "istio" ? { selector: { app: "orders" } } : { gateway: "edge" };
    assert.deepEqual(values, { ...place, module: "registry.example.org/sallyport/shop:1", sha256: digest });
  }
});
