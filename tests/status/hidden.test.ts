/** `sallyport status` on configurations in which something is wrong and looks as if it were not. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StatusCode } from "../../scripts/status/codes.ts";
import { byEcds, codesOf, type Fault, found, type Json, nothing, other, type Parts, plain, type } from "./world.ts";

const bytesValue = (text: string): Json => ({
  "@type": "type.googleapis.com/google.protobuf.BytesValue",
  value: Buffer.from(text).toString("base64"),
});

/** A listener beside the first one, without the filter, whose one route leads where `action` says. */
function beside({ listeners, listener }: Parts, action: Json): void {
  const copy = structuredClone(listener);
  copy.name = "debug";
  const { typed_config } = copy.filter_chains[0].filters[0];
  typed_config.http_filters.splice(0, 2);
  typed_config.route_config.virtual_hosts[0].routes[0].route = action;
  listeners.static_listeners.push({ listener: copy });
}

/** A listener that passes bytes on. */
function passingOn({ listeners, listener }: Parts, target: Json): void {
  const copy = structuredClone(listener);
  copy.name = "debug";
  const typed_config = { ...type("filters.network.tcp_proxy.v3.TcpProxy"), ...target };
  copy.filter_chains[0].filters = [{ name: "tcp", typed_config }];
  listeners.static_listeners.push({ listener: copy });
}

const string_match = { prefix: '{"admit":true,"policy":"shop",' };
const ruled = {
  ...type("filters.http.rbac.v3.RBAC"),
  rules: {
    policies: {
      admitted: {
        permissions: [{ any: true }],
        principals: [{ filter_state: { key: "wasm.sallyport", string_match } }],
      },
    },
  },
};

const hidden: Record<string, Omit<Fault, "says" | "also"> & { codes: StatusCode[] }> = {
  "shadow mode, by a configuration in bytes": {
    break: ({ wasm }) => {
      wasm.configuration = bytesValue('{"mode":"shadow"}');
    },
    codes: ["shadow_mode"],
  },
  "another policy, by a configuration in bytes": {
    break: ({ wasm }) => {
      wasm.configuration = bytesValue(JSON.stringify({ policy: Buffer.from(other.image).toString("base64") }));
    },
    wanted: plain.wanted,
    codes: ["policy_old"],
  },
  "a configuration that is no JSON, in front of a module with the policy": {
    break: ({ wasm }) => {
      wasm.configuration = { "@type": "type.googleapis.com/google.protobuf.StringValue", value: '{"mode":"enforce"' };
    },
    wanted: plain.wanted,
    codes: ["configuration_unread"],
  },
  "an image that nobody can read, in front of a module with the policy": {
    break: ({ wasm }) => {
      wasm.configuration = { "@type": "type.googleapis.com/google.protobuf.Struct", value: { policy: "AAAA" } };
    },
    wanted: plain.wanted,
    codes: ["policy_unverified"],
  },
  "another policy than the one given, by the gauges alone": {
    break: ({ stats }) => {
      stats["wasmcustom.sallyport_policy_info.policy.shop;.image.1a2b3c4d.mode.enforce.engine.0.1.0"] = 1;
    },
    module: null,
    wanted: plain.wanted,
    codes: ["policy_old"],
  },
  "a check whose rules stand beside a matcher, which Envoy takes in their place": {
    break: ({ check }) => {
      check.typed_config = { ...ruled, matcher: { on_no_match: { action: { name: "admit" } } } };
    },
    codes: ["check_missing"],
  },
  "a filter in front of the connection manager that writes the record": {
    break: ({ chain }) =>
      void chain.filters.unshift({
        name: "state",
        typed_config: {
          ...type("filters.network.set_filter_state.v3.Config"),
          on_new_connection: [{ object_key: "wasm.sallyport.next", factory_key: "envoy.string" }],
        },
      }),
    codes: ["record_written"],
  },
  "a filter of the listener, in front of its chains, that writes the record": {
    break: ({ listener }) => {
      const typed_config = {
        ...type("filters.listener.set_filter_state.v3.Config"),
        on_accept: [{ object_key: "wasm.sallyport", factory_key: "envoy.string" }],
      };
      listener.listener_filters = [...(listener.listener_filters ?? []), { name: "state", typed_config }];
    },
    codes: ["record_written"],
  },
  "a TCP proxy with weights": {
    break: (parts) => passingOn(parts, { weighted_clusters: { clusters: [{ name: "orders", weight: 1 }] } }),
    codes: ["way_around"],
  },
  "a route whose cluster a header names": {
    break: (parts) => beside(parts, { cluster_header: "x-cluster" }),
    codes: ["way_around"],
  },
  "an upgrade's own filters without the check": {
    break: ({ manager, filters }) => {
      manager.upgrade_configs = [{ upgrade_type: "websocket", filters: [filters[0], filters[2]] }];
    },
    codes: ["upgrade_without_filter"],
  },
  "an upgrade's own filters, ours switched off and the check of a name that says more than it does": {
    break: ({ manager, filters }) => {
      const lax = { name: "sallyport-check", typed_config: type("filters.http.rbac.v3.RBAC") };
      manager.upgrade_configs = [{ upgrade_type: "websocket", filters: [{ ...filters[0], disabled: true }, lax] }];
    },
    codes: ["upgrade_without_filter"],
  },
  "a chain whose connection manager comes by itself": {
    break: (parts) => {
      const { dump, listener, chain } = parts;
      byEcds(parts, true);
      const copy = structuredClone(chain);
      copy.filters[0].typed_config.http_filters.splice(0, 2);
      const { typed_config } = copy.filters[0];
      copy.filters = [{ name: "late", config_discovery: {} }];
      listener.filter_chains.push(copy);
      dump.configs.at(-1).ecds_filters.push({ version_info: "1", ecds_filter: { name: "late", typed_config } });
    },
    codes: ["chain_without_filter"],
  },
};

describe("what is wrong is found", () => {
  for (const [name, { codes, ...fault }] of Object.entries(hidden)) {
    test(name, () => {
      const findings = found(fault);
      assert.deepEqual(codesOf(findings), codes, JSON.stringify(findings, null, 1));
    });
  }
});

describe("what is sound stays so", () => {
  const sound: Record<string, Omit<Fault, "says">> = {
    "an upgrade whose own filters have the filter and the check": {
      break: ({ manager, filters }) => {
        manager.upgrade_configs = [{ upgrade_type: "websocket", filters: structuredClone(filters) }];
      },
    },
    "the policy given, where only the gauges tell": {
      break: ({ stats }) => {
        const { checksum } = plain.wanted.facts;
        stats[`wasmcustom.sallyport_policy_info.policy.shop;.image.${checksum}.mode.enforce.engine.0.1.0`] = 1;
      },
      module: null,
      wanted: plain.wanted,
    },
    "a filter that writes another key": {
      break: ({ chain }) =>
        void chain.filters.unshift({
          name: "state",
          typed_config: {
            ...type("filters.network.set_filter_state.v3.Config"),
            on_new_connection: [{ object_key: "io.istio.peer_principal", factory_key: "envoy.string" }],
          },
        }),
    },
    "nothing at all": { break: nothing },
  };
  for (const [name, fault] of Object.entries(sound)) test(name, () => assert.deepEqual(found(fault), []));
});
