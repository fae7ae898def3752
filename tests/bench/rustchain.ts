/** The chain with the Rust filter of `peers/rust`: the same policy as the other chains', as its configuration says it. */
import type { Json } from "./native.ts";
import { resourcePrefix } from "./requests.ts";
import { audience, caller, issuer, neighbour, tenant, type World } from "./world.ts";

/**
 * What the filter calls and exports for its work, and nothing else. The SDK exports every callback there is, and Envoy calls what is
 * exported, unless a list like this keeps it from that: on the way back, at the end, for the log.
 */
const capabilities = [
  ...["proxy_on_context_create", "proxy_on_vm_start", "proxy_on_configure", "proxy_on_request_headers"],
  ...["proxy_on_delete", "proxy_log", "proxy_get_buffer_bytes", "proxy_get_property", "proxy_set_property"],
  ...["proxy_get_header_map_value", "proxy_send_local_response", "proxy_get_current_time_nanoseconds"],
  ...["proxy_define_metric", "proxy_increment_metric", "proxy_get_shared_data", "proxy_set_shared_data"],
  ...["random_get", "environ_get", "environ_sizes_get", "fd_write", "proc_exit"],
];

const allowed = Object.fromEntries(capabilities.map((name) => [name, {}]));

/**
 * The filters, in front of the router.
 * @param filename the built filter
 * @param rules how many rules it has, one a resource
 * @param lean whether Envoy calls no callback that the filter has no use for
 */
export function rustFilters(world: World, filename: string, rules: number, lean: boolean): Json[] {
  // Its own name keeps its buckets apart from those of the other chain.
  const vm_id = lean ? "rust-lean" : "rust";
  const config = {
    name: "rust",
    root_id: "rust",
    failure_policy: "FAIL_RELOAD",
    vm_config: { vm_id, runtime: "envoy.wasm.runtime.v8", code: { local: { filename } } },
    configuration: {
      "@type": "type.googleapis.com/google.protobuf.StringValue",
      value: JSON.stringify(configuration(world, rules)),
    },
    ...(lean ? { capability_restriction_config: { allowed_capabilities: allowed } } : {}),
  };
  const type = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
  return [{ name: "envoy.filters.http.wasm", typed_config: { "@type": type, config } }];
}

/** What peers/rust/src/policy.rs reads. */
function configuration(world: World, rules: number): object {
  const rule = (name: string, prefix: string, callers: readonly string[], limit: number): object => ({
    ...{ name, callers, method: "GET", prefix, claim: tenant, limit },
  });
  const resources = Array.from({ length: rules }, (_, number) =>
    rule(`rule-${String(number).padStart(6, "0")}`, resourcePrefix(number), [caller], 0),
  );
  return {
    ...{ issuer, audience, jwks: world.jwks },
    limits: [
      { name: "ample", per_second: 1_000_000, burst: 1_000_000 },
      { name: "scarce", per_second: 1 / 86_400, burst: 1 },
    ],
    rules: [...resources, rule("scarce", "/limited/", [caller, neighbour], 1)],
  };
}
