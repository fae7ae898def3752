/** Turning the example bootstraps into local configurations; no Envoy runs here. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parse } from "yaml";
import {
  type Bootstrap,
  type BootstrapOptions,
  bootstrapFrom,
  exampleFor,
  readExample,
} from "../../scripts/envoy/bootstrap.ts";
import { enforcementCheck, type Mark, markOf } from "../../scripts/envoy/enforcement.ts";
import { loadEngine } from "../../scripts/policy/build.ts";
import { writeImage } from "../../scripts/policy/image/image.ts";
import type { Policy } from "../../scripts/policy/language/model.ts";
import { strict_paths } from "../../scripts/policy/language/pathoptions.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { managerOf } from "../support/envoy.ts";

const options: BootstrapOptions = {
  wasm: "/tmp/module.wasm",
  certificates: {
    certificate: "/tmp/own.pem",
    privateKey: "/tmp/own-key.pem",
    bundles: { x: "pem of x", y: "pem of y" },
  },
  upstream: { host: "127.0.0.1", port: 4321, tls: { expect: { type: "URI", value: "spiffe://x/orders" } } },
};

function downstreamTlsOf(bootstrap: Bootstrap): Bootstrap {
  return bootstrap.static_resources.listeners[0].filter_chains[0].transport_socket.typed_config;
}

for (const example of ["inbound", "gateway"] as const) {
  describe(`envoy/${example}.yaml`, () => {
    test("keeps nothing of the operator's machine", async () => {
      const text = JSON.stringify(bootstrapFrom(await readExample(example), options));
      assert.doesNotMatch(text, /\/etc\/sallyport|0\.0\.0\.0|\.internal/);
      assert.match(text, /\/tmp\/module\.wasm/);
      assert.equal(
        text.match(/"port_value":0/g)?.length,
        example === "inbound" ? 3 : 2,
        "admin, callers, and probes of a sidecar",
      );
    });

    test("has the recommended path settings, mTLS, and the check after the filter", async () => {
      const bootstrap = bootstrapFrom(await readExample(example), options);
      const manager = managerOf(bootstrap);
      assert.equal(manager.normalize_path, true);
      assert.equal(manager.merge_slashes, true);
      assert.equal(manager.path_with_escaped_slashes_action, "REJECT_REQUEST");
      assert.equal(manager.forward_client_cert_details, "SANITIZE_SET");
      assert.equal(downstreamTlsOf(bootstrap).require_client_certificate, true);
      const names = manager.http_filters.map((filter: { name: string }) => filter.name);
      assert.deepEqual(names, ["envoy.filters.http.wasm", "enforcement-check", "envoy.filters.http.router"]);
      assert.equal(manager.http_filters[0].typed_config.config.failure_policy, "FAIL_RELOAD");
    });
  });
}

test("the module's bytes go into the configuration, and so does the filter's own", async () => {
  const configured = bootstrapFrom(await readExample("inbound"), {
    ...options,
    wasm: new Uint8Array([0, 97, 115, 109]),
    pluginConfiguration: { mode: "shadow" },
  });
  const { vm_config, configuration } = managerOf(configured).http_filters[0].typed_config.config;
  assert.deepEqual(vm_config.code, { local: { inline_bytes: "AGFzbQ==" } });
  assert.deepEqual(configuration, { "@type": "type.googleapis.com/google.protobuf.Struct", value: { mode: "shadow" } });
  const text = bootstrapFrom(await readExample("inbound"), { ...options, pluginConfiguration: "{}" });
  assert.deepEqual(managerOf(text).http_filters[0].typed_config.config.configuration, {
    "@type": "type.googleapis.com/google.protobuf.StringValue",
    value: "{}",
  });
});

test("callers without a certificate, a log file, and one upstream for each cluster are there to ask for", async () => {
  const plain = { host: "127.0.0.1", port: 1, tls: false } as const;
  const bootstrap = bootstrapFrom(await readExample("gateway"), {
    ...options,
    upstream: { orders: { ...plain, port: 11 }, users: { ...plain, port: 12 } },
    requireClientCertificate: false,
    accessLogPath: "/tmp/access.log",
  });
  assert.equal(downstreamTlsOf(bootstrap).require_client_certificate, false);
  assert.equal(managerOf(bootstrap).access_log[0].typed_config.path, "/tmp/access.log");
  assert.equal(bootstrap.static_resources.listeners[0].access_log[0].typed_config.path, "/tmp/access.log");
  const clusters = bootstrap.static_resources.clusters;
  assert.deepEqual(
    clusters.map((cluster: Bootstrap) => cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address),
    // gRPC goes to the same servers, through clusters of its own.
    [11, 12, 11, 12].map((port) => ({ socket_address: { address: "127.0.0.1", port_value: port } })),
  );
  assert.ok(clusters.every((cluster: Bootstrap) => cluster.transport_socket === undefined));
});

test("clusters for keys stand beside the example's, with the server's name checked and no certificate shown", async () => {
  const { clusters } = bootstrapFrom(await readExample("inbound"), {
    ...options,
    keyClusters: {
      idp: {
        host: "idp.example.org",
        port: 443,
        tls: {
          serverName: "idp.example.org",
          expect: { type: "DNS", value: "idp.example.org" },
          authorityPem: "pem",
        },
      },
      plain: { host: "127.0.0.1", port: 8080, tls: false },
    },
  }).static_resources;
  const [, idp, plain] = clusters;
  assert.deepEqual(
    clusters.map(({ name }: Bootstrap) => name),
    ["orders", "idp", "plain"],
  );
  assert.equal(idp.connect_timeout, "2s");
  const { sni, common_tls_context } = idp.transport_socket.typed_config;
  assert.equal(sni, "idp.example.org");
  assert.deepEqual(common_tls_context.validation_context, {
    trusted_ca: { inline_string: "pem" },
    match_typed_subject_alt_names: [{ san_type: "DNS", matcher: { exact: "idp.example.org" } }],
  });
  assert.equal(common_tls_context.tls_certificates, undefined);
  assert.equal(plain.transport_socket, undefined);
});

test("callers' certificates are held against the bundles, each for its domain; an upstream's, against that of its own", async () => {
  const bundleOf = (name: string) => ({ name, trust_bundle: { inline_string: `pem of ${name}` } });
  const made = bootstrapFrom(await readExample("inbound"), options);
  const { validation_context: ofCallers } = downstreamTlsOf(made).common_tls_context;
  const { validation_context: ofUpstream } =
    made.static_resources.clusters[0].transport_socket.typed_config.common_tls_context;
  const domainsOf = (context: Bootstrap) => context.custom_validator_config.typed_config.trust_domains;
  assert.deepEqual(domainsOf(ofCallers), [bundleOf("x"), bundleOf("y")]);
  assert.deepEqual(domainsOf(ofUpstream), [bundleOf("x")]);
  assert.equal(ofCallers.trusted_ca, undefined);

  // Envoy's validator of SPIFFE IDs turns away whoever shows no certificate.
  const open = bootstrapFrom(await readExample("inbound"), { ...options, requireClientCertificate: false });
  assert.deepEqual(downstreamTlsOf(open).common_tls_context.validation_context, {
    trusted_ca: { inline_string: "pem of xpem of y" },
  });
});

test("what cannot be made local is an error that names it", async () => {
  const example = await readExample("gateway");
  assert.throws(() => bootstrapFrom(example.replaceAll("svid.pem", "other.pem"), options), /names .*other\.pem/);
  const onlyOrders = { orders: { host: "127.0.0.1", port: 1, tls: false } } as const;
  assert.throws(() => bootstrapFrom(example, { ...options, upstream: onlyOrders }), /cluster "users"/);
  const stranger = { ...options.upstream, tls: { expect: { type: "URI", value: "spiffe://z/orders" } } } as const;
  assert.throws(
    () => bootstrapFrom(example, { ...options, upstream: stranger as BootstrapOptions["upstream"] }),
    /bundle.*spiffe:\/\/z\/orders/,
  );
  const keyClusters = { users: { host: "127.0.0.1", port: 1, tls: false } } as const;
  assert.throws(() => bootstrapFrom(example, { ...options, keyClusters }), /"users" leads to an upstream/);
});

test("the enforcement check is told which policy is in front of it, by the module or by the filter's configuration", async () => {
  const rest: Omit<Policy, "name"> = {
    ...{
      mode: "enforce",
      tokenBytes: 16384,
      aliases: new Map(),
      trustDomains: ["example.org"],
      identity: "mtls",
      sourceAddress: "connection",
      svids: [],
      forwarders: [],
      forwards: [],
      paths: strict_paths,
    },
    ...{ issuers: [], callerSets: [], limits: [], quarantines: [], lists: [], rules: [] },
  };
  const policy = (name: string): Uint8Array => writeImage({ name, ...rest });
  const module = embedImage(loadEngine(), policy("embedded"));
  const inConfiguration = { policy: Buffer.from(policy("given")).toString("base64") };
  const cases: [Partial<BootstrapOptions>, Mark][] = [
    [{}, { policy: "shop" }],
    [{ wasm: module }, { policy: "embedded" }],
    [{ wasm: module, pluginConfiguration: { mode: "shadow" } }, { policy: "embedded" }],
    [{ wasm: module, pluginConfiguration: inConfiguration }, { policy: "given" }],
    [
      { wasm: loadEngine(), pluginConfiguration: JSON.stringify({ ...inConfiguration, record: "edge" }) },
      { policy: "given", record: "edge" },
    ],
  ];
  for (const [more, mark] of cases) {
    for (const name of ["inbound", "gateway"] as const) {
      const [, check] = managerOf(bootstrapFrom(await readExample(name), { ...options, ...more })).http_filters;
      assert.deepEqual(check, enforcementCheck(mark));
    }
  }
});

test("the enforcement check cannot be taken away, moved or opened", async () => {
  const example = await readExample("inbound");
  const adjusted = (adjust: (filters: Bootstrap[]) => void) => () =>
    bootstrapFrom(example, { ...options, adjust: (bootstrap) => adjust(managerOf(bootstrap).http_filters) });
  assert.throws(
    adjusted((filters) => filters.splice(1, 1)),
    /enforcement check/,
  );
  assert.throws(
    adjusted((filters) => filters.unshift(...filters.splice(1, 1))),
    /enforcement check/,
  );
  for (const key of ["disabled", "is_optional"]) {
    const off = adjusted((filters) => {
      filters[1]![key] = true;
    });
    assert.throws(off, /enforcement check/, key);
  }
  const opened: ((check: Bootstrap) => void)[] = [
    (check) => {
      check.extension_config.typed_config.rules.policies["not-admitted"].principals = [{ not_id: { any: true } }];
    },
    (check) => {
      check.extension_config.typed_config.rules.action = "LOG";
    },
    (check) => {
      delete check.extension_config.typed_config.rules;
    },
    (check) => {
      check.extension_config = { name: "envoy.filters.http.cors", typed_config: {} };
    },
    (check) => {
      delete check.xds_matcher;
    },
    (check) => {
      check.matcher = { on_no_match: { action: {} } };
    },
    (check) => {
      check.xds_matcher.on_no_match = Object.values(check.xds_matcher.matcher_tree.prefix_match_map.map)[0];
    },
    (check) => {
      const { map } = check.xds_matcher.matcher_tree.prefix_match_map;
      map['{"admit":'] = map[markOf("shop")];
    },
    (check) => {
      const { prefix_match_map } = check.xds_matcher.matcher_tree;
      prefix_match_map.map = { '{"admit":true,"policy":"shop"': prefix_match_map.map[markOf("shop")] };
    },
    (check) => {
      const { prefix_match_map } = check.xds_matcher.matcher_tree;
      prefix_match_map.map = { '{"admit":false,"policy":"shop",': prefix_match_map.map[markOf("shop")] };
    },
    (check) => {
      check.xds_matcher.matcher_tree.input.typed_config.key = "wasm.other";
    },
  ];
  for (const open of opened)
    assert.throws(
      adjusted((filters) => open(filters[1]!.typed_config)),
      /enforcement check/,
    );
  assert.doesNotThrow(adjusted(() => {}));
});

for (const name of ["inbound", "gateway"] as const) {
  test(`envoy/${name}.yaml for an Envoy before 1.39 lacks the bounds on resets, and nothing else`, async () => {
    const text = await readExample(name);
    assert.equal(exampleFor(text, "1.40.0"), text);
    assert.equal(exampleFor(text, "1.39.0"), text);
    assert.match(text, /stream_reset_burst: 10000\n +stream_reset_rate: 1000\n/);
    const { stream_reset_burst, stream_reset_rate, ...rest } = managerOf(parse(text)).http2_protocol_options;
    assert.deepEqual([stream_reset_burst, stream_reset_rate], [10_000, 1_000]);
    const expected = parse(text);
    managerOf(expected).http2_protocol_options = rest;
    assert.deepEqual(parse(exampleFor(text, "1.38.3")), expected);
  });
}
