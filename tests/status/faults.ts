/** The faults that `sallyport status` has codes for, each as a change to a sound configuration. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StatusCode } from "../../scripts/status/codes.ts";
import {
  anonymous,
  byAddress,
  byEcds,
  disabled,
  type Fault,
  fetching,
  folder,
  type Json,
  nothing,
  other,
  plain,
  reading,
  signed,
  trusting,
  type,
} from "./world.ts";

/** For each code a fault that it alone tells of. */
export const faults: Record<StatusCode, Fault> = {
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
  nothing_routed: {
    break: ({ filters, manager }) => {
      filters[0].disabled = true;
      manager.route_config.virtual_hosts = [
        { name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, direct_response: { status: 500 } }] },
      ];
    },
    says: /answers every request with 500\. Envoy Gateway does so.*ConfigMap/,
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
  configuration_unread: {
    break: ({ wasm }) => {
      wasm.configuration = { "@type": "type.googleapis.com/google.protobuf.ListValue", value: [] };
    },
    says: /neither JSON in a string nor a structure/,
  },
  policy_unverified: { break: nothing, module: null, wanted: plain.wanted, says: /Give the module with --module/ },
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
  holding_unset: {
    break: nothing,
    module: reading.module,
    says: /lacks `allow_on_headers_stop_iteration: true`/,
  },
  bodies_unavailable: {
    break: ({ stats, wasm }) => {
      wasm.allow_on_headers_stop_iteration = true;
      stats["wasmcustom.sallyport_denials.policy.shop;.reason.body_unavailable"] = 7;
    },
    module: reading.module,
    says: /denied 7 requests.*the host hands over no bodies/,
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
  record_written: {
    break: ({ filters }) =>
      void filters.unshift({
        name: "marks",
        typed_config: {
          ...type("filters.http.set_filter_state.v3.Config"),
          on_request_headers: [{ object_key: "wasm.sallyport", factory_key: "envoy.string" }],
        },
      }),
    says: /writes `wasm\.sallyport`/,
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
  certificate_end_ignored: {
    break: ({ tls }) => {
      tls.common_tls_context.validation_context.allow_expired_certificate = true;
    },
    says: /allow_expired_certificate/,
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
