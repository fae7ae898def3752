/**
 * A rate limit service for Envoy's ratelimit filter that counts nothing (envoy.service.ratelimit.v3): it says OVER_LIMIT to what has
 * the word "scarce", and OK to everything else. Enough for what the call costs Envoy; what a real service costs comes on top.
 */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { Json } from "../native.ts";

export const service_cluster = "bench_ratelimit";

/** RateLimitResponse with `overall_code` alone. */
const [ok, overLimit] = [Buffer.from([8, 1]), Buffer.from([8, 2])];
const asItIs = (bytes: Buffer): Buffer => bytes;

export interface RateLimitService {
  port: number;
  stop(): void;
}

export async function startRateLimitService(): Promise<RateLimitService> {
  const server = new Server();
  const path = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
  const [requestSerialize, requestDeserialize, responseSerialize, responseDeserialize] = Array(4).fill(asItIs);
  const method = { path, requestStream: false, responseStream: false };
  server.addService(
    {
      shouldRateLimit: { ...method, requestSerialize, requestDeserialize, responseSerialize, responseDeserialize },
    },
    {
      shouldRateLimit: (call: { request: Buffer }, done: (error: null, answer: Buffer) => void) =>
        done(null, call.request.includes("scarce") ? overLimit : ok),
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, stop: () => server.forceShutdown() };
}

export function serviceCluster({ port }: RateLimitService): Json {
  return {
    name: service_cluster,
    type: "STATIC",
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: service_cluster,
      endpoints: [
        { lb_endpoints: [{ endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: port } } } }] },
      ],
    },
  };
}

/** The filter that asks the service about each request. */
export function serviceFilter(domain: string): Json {
  return {
    name: "envoy.filters.http.ratelimit",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit",
      domain,
      timeout: "5s",
      failure_mode_deny: true,
      rate_limit_service: {
        transport_api_version: "V3",
        grpc_service: { envoy_grpc: { cluster_name: service_cluster } },
      },
    },
  };
}
