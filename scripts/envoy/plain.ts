/** Upstreams in plain text, and what finds its way through a configuration. */

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages; the few touched here are checked when used.
type Json = any;

/** Every object in the tree, each before what it contains. */
export function* everyObject(node: Json): Generator<Record<string, Json>> {
  if (typeof node !== "object" || node === null) return;
  if (!Array.isArray(node)) yield node;
  for (const child of Object.values(node)) yield* everyObject(child);
}

/** Without TLS, and so without ALPN, there is nothing to choose a protocol by. */
export function speakOnly(cluster: Json, protocol: "http_protocol_options" | "http2_protocol_options"): void {
  const [options] = Object.values<Json>(cluster.typed_extension_protocol_options);
  delete options.auto_config;
  options.explicit_http_config = { [protocol]: {} };
}

/**
 * A plain upstream gets HTTP/1.1, which any server speaks, whatever the client speaks to Envoy; and gRPC, which is HTTP/2 alone, through a
 * cluster of its own, to which a route of its own leads beside each of the other's.
 */
export function addPlainGrpc(bootstrap: Json, cluster: Json): void {
  const grpc = structuredClone(cluster);
  grpc.name = `${cluster.name}-grpc`;
  grpc.load_assignment.cluster_name = grpc.name;
  speakOnly(grpc, "http2_protocol_options");
  bootstrap.static_resources.clusters.push(grpc);
  for (const host of everyObject(bootstrap.static_resources.listeners)) {
    if (!Array.isArray(host.routes)) continue;
    host.routes = host.routes.flatMap((route: Json) => {
      if (route.route?.cluster !== cluster.name) return [route];
      const ofGrpc = { ...route, match: { ...route.match, grpc: {} }, route: { ...route.route, cluster: grpc.name } };
      return route.match.grpc === undefined ? [ofGrpc, route] : [ofGrpc];
    });
  }
}
