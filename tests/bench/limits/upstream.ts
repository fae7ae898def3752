/**
 * An upstream of the cheapest kind: another Envoy on 127.0.0.1 that answers each request itself, over plain HTTP/1.1 and connections that
 * are kept. Its answer has a body of JSON about as large as that of a denial of ours.
 */
import { type RunningEnvoy, startEnvoy } from "../../../scripts/envoy/process.ts";
import type { Json } from "../native.ts";

export const upstream_cluster = "bench_upstream";

const loopback = (port: number): Json => ({ socket_address: { address: "127.0.0.1", port_value: port } });

export async function startUpstream(envoyPath: string): Promise<RunningEnvoy> {
  const body = { inline_string: '{"id":7,"state":"paid","total":"129.90","currency":"EUR"}\n' };
  const response_headers_to_add = [
    { header: { key: "content-type", value: "application/json" }, append_action: "OVERWRITE_IF_EXISTS_OR_ADD" },
  ];
  const routes = [{ match: { prefix: "/" }, direct_response: { status: 200, body }, response_headers_to_add }];
  const manager = {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "upstream",
    // Connections are good for a whole run.
    common_http_protocol_options: { idle_timeout: "0s" },
    route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes }] },
    http_filters: [
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
      },
    ],
  };
  const filters = [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }];
  const config = {
    node: { id: "bench-upstream", cluster: "bench-upstream" },
    admin: { address: loopback(0) },
    static_resources: { listeners: [{ name: "upstream", address: loopback(0), filter_chains: [{ filters }] }] },
  };
  return startEnvoy({ envoyPath, config, concurrency: 1 });
}

export function upstreamCluster(upstream: RunningEnvoy): Json {
  const address = loopback(upstream.listenerPort("upstream"));
  return {
    name: upstream_cluster,
    type: "STATIC",
    load_assignment: {
      cluster_name: upstream_cluster,
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
  };
}
