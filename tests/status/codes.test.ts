/** `sallyport status`: each code is found in a dump of `envoy/inbound.yaml` that lacks one thing, and nothing in one that is sound. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { compilePolicyFile, loadEngine } from "../../scripts/policy/build.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { type Finding, type StatusCode, status_codes } from "../../scripts/status/codes.ts";
import { readFacts } from "../../scripts/status/facts.ts";
import { type Answers, judge, type Wanted } from "../../scripts/status/judge.ts";
import { signedConfiguration, signingKey } from "../support/signed.ts";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
type Json = any;

const folder = mkdtempSync(join(tmpdir(), "sallyport-status-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const engine = loadEngine();

/** The module of a policy named `shop`, and what it ought to be. */
function built(rule: string, head = ""): { module: Uint8Array; image: Uint8Array; wanted: Wanted } {
  const path = join(folder, "policy.yaml");
  writeFileSync(
    path,
    `version: 1\nname: shop\ntrust: { domains: [example.org] }\n${head}rules: [{ name: reads, allow: ["GET /**"], ${rule} }]\n`,
  );
  const { image } = compilePolicyFile(path);
  const module = embedImage(engine, image);
  const moduleSha256 = createHash("sha256").update(module).digest("hex");
  return { module, image, wanted: { facts: readFacts(image)!, moduleSha256 } };
}

const plain = built("callers: [spiffe://example.org/web]");
const other = built("callers: [spiffe://example.org/other]");
const byAddress = built('callers: [any], when: source.ip == "10.0.0.1"');
const anonymous = built("callers: [anonymous]");
const fetching = built(
  "callers: [any], token: idp",
  'issuers: { idp: { issuer: "https://idp.example.org", audiences: [a], algorithms: [ES256], keys: { url: "https://idp.example.org/jwks.json", cluster: idp, refresh: 300s } } }\n',
);

/** Envoy's own answer to /config_dump?include_eds, started on `envoy/inbound.yaml`; what has nothing to do with the filter is left out. */
const inbound = readFileSync(new URL("inbound.json", import.meta.url), "utf8");

/** The parts of a dump that faults are in. */
class Parts {
  readonly dump: Json = JSON.parse(inbound);
  readonly listeners = this.dump.configs[1];
  readonly listener = this.listeners.static_listeners[0].listener;
  readonly chain = this.listener.filter_chains[0];
  readonly manager = this.chain.filters[0].typed_config;
  readonly filters = this.manager.http_filters;
  readonly wasm = this.filters[0].typed_config.config;
  readonly check = this.filters[1];
  readonly tls = this.chain.transport_socket.typed_config;
  readonly host = this.manager.route_config.virtual_hosts[0];
  readonly stats: Record<string, number> = {
    "wasm.envoy.wasm.runtime.v8.active": 4,
    "wasmcustom.sallyport_requests.policy.shop;.decision.allow": 3,
  };
  readonly server: Json = {
    state: "LIVE",
    version: "9e55/1.40.0/Clean/RELEASE/BoringSSL",
    command_line_options: { concurrency: 2 },
  };

  answers(): Required<Answers> {
    const stats = { stats: Object.entries(this.stats).map(([name, value]) => ({ name, value })) };
    return { dump: this.dump, server: this.server, stats };
  }
}

const key = signingKey();
const trusting = embedImage(engine, plain.image, [key.publicBytes]);

/** The plain policy, signed, in the filter's configuration. */
function signed(expiresSeconds: number): (parts: Parts) => void {
  return ({ wasm }) => {
    wasm.configuration = { value: signedConfiguration(plain.image, key, 9, expiresSeconds) };
  };
}

interface Fault {
  break: (parts: Parts) => void;
  /** The module that Envoy has; none: it cannot be read. Default: that of the plain policy. */
  module?: Uint8Array | null;
  wanted?: Wanted;
  /** Other codes that it means, too. */
  also?: StatusCode[];
  /** What the message or the place has. */
  says: RegExp;
}

const type = (name: string): { "@type": string } => ({ "@type": `type.googleapis.com/envoy.extensions.${name}` });
const disabled = { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", disabled: true };
const nothing = (): void => {};

/** Puts the filter's configuration where ECDS brings it. */
function byEcds({ dump, filters, wasm }: Parts, arrives: boolean): void {
  filters[0] = {
    name: "sallyport",
    config_discovery: { config_source: { ads: {} }, type_urls: [type("filters.http.wasm.v3.Wasm")["@type"]] },
  };
  const typed_config = { ...type("filters.http.wasm.v3.Wasm"), config: wasm };
  const entry = {
    version_info: "7",
    last_updated: "2026-11-29T23:00:00.000Z",
    ecds_filter: { name: "sallyport", typed_config },
  };
  dump.configs.push({
    "@type": "type.googleapis.com/envoy.admin.v3.EcdsConfigDump",
    ecds_filters: arrives ? [entry] : [],
  });
}

const faults: Record<StatusCode, Fault> = {
  not_live: {
    break: ({ server }) => {
      server.state = "DRAINING";
    },
    says: /DRAINING/,
  },
  not_loaded: {
    break: ({ filters }) => void filters.splice(0, 2),
    says: /No connection manager has the filter.*"inbound"/,
  },
  chain_without_filter: {
    break: ({ listener, chain }) => {
      const copy = structuredClone(chain);
      copy.filters[0].typed_config.http_filters.splice(0, 2);
      listener.filter_chains.push(copy);
    },
    says: /goes without it/,
  },
  way_around: {
    break: ({ listeners, listener }) => {
      const copy = structuredClone(listener);
      copy.name = "debug";
      copy.filter_chains[0].filters[0].typed_config.http_filters.splice(0, 2);
      listeners.static_listeners.push({ listener: copy });
    },
    says: /"orders"/,
  },
  filter_missing: { break: (parts) => byEcds(parts, false), also: ["not_loaded"], says: /ECDS/ },
  filter_disabled: {
    break: ({ filters }) => {
      filters[0].disabled = true;
    },
    says: /disabled/,
  },
  update_refused: {
    break: ({ listeners }) => {
      const [{ listener }] = listeners.static_listeners;
      listeners.static_listeners = [];
      listeners.dynamic_listeners = [
        {
          name: "inbound",
          active_state: { version_info: "1", listener, last_updated: "2026-11-29T22:54:35.555Z" },
          error_state: { details: "Unable to create Wasm plugin", last_update_attempt: "2026-11-29T23:10:00.000Z" },
        },
      ];
    },
    says: /Unable to create Wasm plugin/,
  },
  not_in_force: {
    break: ({ stats }) => void delete stats["wasmcustom.sallyport_requests.policy.shop;.decision.allow"],
    says: /none of its counters/,
  },
  metrics_dropped: {
    break: ({ dump, stats }) => {
      delete stats["wasmcustom.sallyport_requests.policy.shop;.decision.allow"];
      dump.configs[0].bootstrap.stats_config = { stats_matcher: { inclusion_list: {} } };
    },
    says: /proxyStatsMatcher/,
  },
  worker_without_filter: {
    break: ({ stats }) => {
      stats["wasm.envoy.wasm.runtime.v8.active"] = 3;
    },
    says: /2 workers/,
  },
  policy_old: {
    break: nothing,
    wanted: other.wanted,
    says: new RegExp(`${plain.wanted.facts.checksum}.*${other.wanted.facts.checksum}`),
  },
  engine_differs: {
    break: nothing,
    wanted: { ...plain.wanted, moduleSha256: "00" },
    says: /another engine/,
  },
  policy_unread: { break: nothing, module: null, says: /\/etc\/sallyport\/sallyport\.wasm/ },
  module_changed: {
    break: ({ wasm, listeners }) => {
      const filename = join(folder, "sallyport.wasm");
      writeFileSync(filename, plain.module);
      wasm.vm_config.code.local = { filename };
      listeners.static_listeners[0].last_updated = "2020-01-01T00:00:00.000Z";
    },
    module: null,
    says: /was written after/,
  },
  signature_unchecked: { break: signed(4102444800), says: /signed \(version 9, key [0-9a-f]{16}\)/ },
  image_superseded: {
    break: (parts) => {
      signed(4102444800)(parts);
      parts.stats["wasmcustom.sallyport_policy_info.policy.shop;.image.1a2b3c4d.mode.enforce.engine.0.1.0"] = 1;
    },
    module: trusting,
    says: /signed version 9 \(image [0-9a-f]{8}\), and the filter goes on with image 1a2b3c4d/,
  },
  image_expired: { break: signed(1), module: trusting, says: /version 9\) has ended at 1970-01-01T00:00:01Z/ },
  shadow_mode: {
    break: ({ wasm }) => {
      wasm.configuration = {
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        value: '{"mode":"shadow"}',
      };
    },
    says: /by the filter's configuration/,
  },
  fail_open: {
    break: ({ wasm }) => {
      wasm.failure_policy = "FAIL_OPEN";
    },
    says: /FAIL_OPEN/,
  },
  reload_unavailable: {
    break: ({ wasm, filters }) => {
      delete wasm.failure_policy;
      wasm.vm_config.vm_id = "/default/shop/wasm/0";
      filters[0].name = "envoy.filters.http.wasm//default/shop/wasm/0";
    },
    says: /Envoy Gateway/,
  },
  route_without_filter: {
    break: ({ filters, host }) => {
      filters[0].disabled = true;
      const on = { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", config: {} };
      host.routes.push(structuredClone(host.routes[0]));
      host.routes[0].typed_per_filter_config = { [filters[0].name]: on };
    },
    says: /are refused by the enforcement check/,
  },
  no_reload: { break: ({ wasm }) => void delete wasm.failure_policy, says: /FAIL_RELOAD/ },
  capability_missing: {
    break: ({ wasm }) => void delete wasm.capability_restriction_config.allowed_capabilities.proxy_on_request_headers,
    says: /proxy_on_request_headers/,
  },
  check_missing: { break: ({ filters }) => void filters.splice(1, 1), says: /No enforcement check/ },
  check_not_next: {
    break: ({ filters }) => {
      filters.splice(1, 0, { name: "between", typed_config: type("filters.http.ext_authz.v3.ExtAuthz") });
    },
    says: /"between"/,
  },
  check_later: {
    break: ({ filters }) =>
      void filters.splice(1, 0, { name: "stats", typed_config: type("filters.http.grpc_stats.v3.FilterConfig") }),
    says: /behind "stats"/,
  },
  check_other_policy: {
    break: ({ check }) => {
      const { map } = check.typed_config.xds_matcher.matcher_tree.prefix_match_map;
      const [[key, action]] = Object.entries<Json>(map) as [[string, Json]];
      delete map[key];
      map[key.replace("shop", "store")] = action;
    },
    says: /"store".*"shop"/,
  },
  check_disabled: {
    break: ({ check }) => {
      check.disabled = true;
    },
    says: /refuses nobody/,
  },
  filter_answers_first: {
    break: ({ filters }) =>
      void filters.unshift({ name: "first", typed_config: { ...type("filters.http.rbac.v3.RBAC"), rules: {} } }),
    says: /RBAC/,
  },
  token_taken: {
    break: ({ filters }) =>
      void filters.unshift({
        name: "jwt",
        typed_config: {
          ...type("filters.http.jwt_authn.v3.JwtAuthentication"),
          providers: { kept: { forward: true }, corp: {} },
        },
      }),
    says: /"corp"/,
  },
  route_disables_filter: {
    break: ({ host, filters }) => {
      host.routes[0].typed_per_filter_config = { [filters[0].name]: disabled };
    },
    says: /A route of "inbound" \(\{"prefix":"\/"\}\)/,
  },
  route_changes_check: {
    break: ({ host, check }) => {
      host.typed_per_filter_config = { [check.name]: type("filters.http.rbac.v3.RBACPerRoute") };
    },
    says: /virtual host "orders"/,
  },
  upgrade_without_filter: {
    break: ({ manager, filters }) => {
      manager.upgrade_configs = [{ upgrade_type: "websocket", filters: [filters[2]] }];
    },
    says: /"websocket"/,
  },
  plain_text: { break: ({ chain }) => void delete chain.transport_socket, says: /no TLS/ },
  client_certificate_optional: {
    break: ({ tls }) => void delete tls.require_client_certificate,
    says: /require_client_certificate/,
  },
  client_certificate_unchecked: {
    break: ({ tls }) => {
      tls.common_tls_context.validation_context.trust_chain_verification = "ACCEPT_UNTRUSTED";
    },
    says: /ACCEPT_UNTRUSTED/,
  },
  client_certificate_demanded: {
    break: ({ tls }) => {
      tls.require_client_certificate = false;
    },
    module: anonymous.module,
    says: /refuses every connection without one.*disable_spiffe_cert_validation: true/,
  },
  secret_awaited: {
    break: ({ dump }) => {
      dump.configs.push({
        "@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump",
        dynamic_warming_secrets: [{ name: "default", version_info: "uninitialized" }],
      });
    },
    says: /"default" has not come over SDS/,
  },
  session_resumption: {
    break: ({ tls }) => void delete tls.disable_stateless_session_resumption,
    says: /disable_stateless_session_resumption: true/,
  },
  connection_unbounded: {
    break: ({ manager }) => void delete manager.common_http_protocol_options.max_connection_duration,
    says: /max_connection_duration/,
  },
  xfcc_passed_on: {
    break: ({ manager }) => {
      manager.forward_client_cert_details = "APPEND_FORWARD";
    },
    says: /trust\.forwarders/,
  },
  remote_address_unset: {
    break: ({ manager }) => void delete manager.use_remote_address,
    module: byAddress.module,
    says: /source_forwarded/,
  },
  path_not_normalized: { break: ({ manager }) => void delete manager.normalize_path, says: /normalize_path/ },
  slashes_not_merged: { break: ({ manager }) => void delete manager.merge_slashes, says: /merge_slashes/ },
  escaped_slashes_kept: {
    break: ({ manager }) => void delete manager.path_with_escaped_slashes_action,
    says: /KEEP_UNCHANGED/,
  },
  record_not_logged: {
    break: ({ manager }) => void delete manager.access_log,
    says: /FILTER_STATE\(wasm\.sallyport:PLAIN\)/,
  },
  keys_stale: {
    break: ({ stats }) => {
      stats["wasmcustom.sallyport_key_set_age_seconds.policy.shop;.set.idp"] = 5000;
      stats["wasmcustom.sallyport_key_set_refreshes.policy.shop;.set.idp"] = 2;
    },
    module: fetching.module,
    says: /"idp".*5000 s ago.*300 s/,
  },
  keys_missing: {
    break: ({ stats }) => {
      stats["wasmcustom.sallyport_key_set_failures.policy.shop;.set.idp"] = 4;
    },
    module: fetching.module,
    says: /never been fetched.*503/,
  },
  failures_counted: {
    break: ({ stats }) => {
      stats["wasmcustom.sallyport_failures.policy.shop;.cause.get_property"] = 2;
    },
    says: /2 failures "get_property"/,
  },
};

/** What is found with a module, by default that of the plain policy. */
function found({ break: change, module = plain.module, wanted }: Omit<Fault, "says">): Finding[] {
  const parts = new Parts();
  change(parts);
  const source = { readsFiles: module === null, ...(module !== null && { bytes: module }) };
  return judge(parts.answers(), source, wanted).findings;
}

const codesOf = (findings: readonly Finding[]): string[] => findings.map(({ code }) => code).sort();

describe("each fault is found, and no other", () => {
  for (const [code, fault] of Object.entries(faults) as [StatusCode, Fault][]) {
    test(code, () => {
      const findings = found(fault);
      assert.deepEqual(codesOf(findings), [code, ...(fault.also ?? [])].sort(), JSON.stringify(findings, null, 1));
      const { message, path, severity } = findings.find((one) => one.code === code)!;
      assert.match(message, fault.says);
      assert.equal(severity, "isNote" in status_codes[code] ? "note" : "wrong");
      // What it points at is there, or is what is missing from something that is there.
      if (path !== undefined) assert.match(path, /^configs\[\d+\]/);
    });
  }
});

describe("nothing is found", () => {
  const sound: Record<string, Omit<Fault, "says">> = {
    "in Envoy's own dump of the example": { break: nothing, wanted: plain.wanted },
    "where the filter comes by ECDS": { break: (parts) => byEcds(parts, true), wanted: plain.wanted },
    "where the image stands in the filter's configuration": {
      break: ({ wasm }) => {
        const policy = Buffer.from(plain.image).toString("base64");
        wasm.configuration = { "@type": "type.googleapis.com/google.protobuf.Struct", value: { policy } };
      },
      module: embedImage(engine, other.image),
      wanted: plain.wanted,
    },
    "without use_remote_address where no rule reads an address": {
      break: ({ manager }) => void delete manager.use_remote_address,
    },
    "where callers need no certificate and a rule is for them": {
      break: ({ tls }) => {
        delete tls.require_client_certificate;
        tls.common_tls_context.validation_context = { trusted_ca: { filename: "/etc/sallyport/bundle.pem" } };
      },
      module: anonymous.module,
    },
    "on a listener for probes beside it, of one path": {
      break: ({ listeners, listener }) => {
        const copy = structuredClone(listener);
        copy.name = "probes";
        const { typed_config } = copy.filter_chains[0].filters[0];
        typed_config.http_filters.splice(0, 2);
        typed_config.route_config.virtual_hosts[0].routes[0].match = { path: "/healthz" };
        listeners.static_listeners.push({ listener: copy });
      },
    },
    "where RBAC that admits marked requests alone is the check": {
      break: ({ check }) => {
        const string_match = { prefix: '{"admit":true,"policy":"shop",' };
        const principals = [{ filter_state: { key: "wasm.sallyport", string_match } }];
        check.typed_config = {
          ...type("filters.http.rbac.v3.RBAC"),
          rules: { policies: { admitted: { permissions: [{ any: true }], principals } } },
        };
      },
    },
    "in front of a filter that decides, where it tries another policy in shadow mode": {
      break: ({ manager, filters }) => {
        const trial = structuredClone(filters[0]);
        trial.name = "sallyport-next";
        const policy = Buffer.from(other.image).toString("base64");
        trial.typed_config.config.configuration = {
          value: JSON.stringify({ policy, mode: "shadow", record: "next" }),
        };
        manager.http_filters.unshift(trial);
      },
      wanted: plain.wanted,
    },
    "in shadow mode where that is the policy's": {
      break: ({ wasm }) => {
        wasm.configuration = { value: '{"mode":"shadow"}' };
      },
      wanted: { ...plain.wanted, facts: { ...plain.wanted.facts, isShadow: true } },
    },
  };
  for (const [name, fault] of Object.entries(sound)) test(name, () => assert.deepEqual(found(fault), []));
});

describe("says what is in force", () => {
  test("policy, image, mode, since when and where from", () => {
    const parts = new Parts();
    byEcds(parts, true);
    const { policies, envoyVersion, workers, node } = judge(parts.answers(), {
      readsFiles: false,
      bytes: plain.module,
    });
    assert.deepEqual([envoyVersion, workers, node], ["1.40.0", 2, "sallyport-inbound"]);
    assert.deepEqual(policies, [
      {
        listener: "inbound",
        chain: "0",
        filter: "sallyport",
        policy: "shop",
        checksum: plain.wanted.facts.checksum,
        mode: "enforce",
        from: "module",
        signed: null,
        trustKeys: [],
        module: { origin: "/etc/sallyport/sallyport.wasm", sha256: plain.wanted.moduleSha256 },
        since: "2026-11-29T23:00:00.000Z",
        version: "7",
        isRefused: false,
      },
    ]);
  });

  test("a signed policy's version, key and end, and whom the module trusts", () => {
    const parts = new Parts();
    signed(4102444800)(parts);
    const { policies, findings } = judge(parts.answers(), { readsFiles: false, bytes: trusting }, plain.wanted);
    assert.deepEqual(findings, []);
    const [{ from, checksum, signed: says, trustKeys } = assert.fail("no policy")] = policies;
    assert.deepEqual([from, checksum], ["configuration", plain.wanted.facts.checksum]);
    assert.deepEqual(says, { version: 9, keyId: key.id, expires: "2100-01-01T00:00:00Z" });
    assert.deepEqual(trustKeys, [key.id]);
  });

  test("the routes of a control plane are looked at, too", () => {
    const parts = new Parts();
    const { dump, manager, host, filters } = parts;
    host.routes[0].typed_per_filter_config = { [filters[0].name]: disabled };
    const route_config = manager.route_config;
    delete manager.route_config;
    manager.rds = { route_config_name: "inbound" };
    dump.configs[2].dynamic_route_configs = [{ route_config }];
    const { findings } = judge(parts.answers(), { readsFiles: false, bytes: plain.module });
    assert.deepEqual(codesOf(findings), ["route_disables_filter"]);
  });

  test("a module by its checksum, where Envoy fetches it", () => {
    const remote =
      (sha256: string) =>
      ({ wasm }: Parts): void => {
        wasm.vm_config.code = { remote: { http_uri: { uri: "https://modules.example.org/sallyport.wasm" }, sha256 } };
      };
    const { wanted } = plain;
    assert.deepEqual(found({ break: remote(wanted.moduleSha256), module: null, wanted }), []);
    assert.deepEqual(codesOf(found({ break: remote("ab"), module: null, wanted })), ["policy_old"]);
  });
});
