/**
 * Clusters for servers that the filter asks by itself: those of keys, and the rate limit service of a fleet. Who answers there decides
 * whose tokens are good, or what is admitted, so the server's certificate must be for its name. Of the filter's own certificate
 * it learns nothing.
 */

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages; the few touched here are checked when used.
type Json = any;

/** Where a server is. */
export interface ServerAddress {
  /** An IP address or a DNS name. */
  host: string;
  port: number;
}

/** How a server is checked. */
export interface ServerTls {
  /** Server name indication; none if absent, as TLS has it for IP addresses. */
  serverName?: string;
  /** The SAN that the certificate must carry. */
  expect: { type: "URI" | "DNS" | "IP_ADDRESS"; value: string };
  /** The authorities to trust: an Envoy data source, such as `{ filename: … }`. */
  authorities: Readonly<Record<string, string>>;
}

const lowest_and_highest = { tls_minimum_protocol_version: "TLSv1_2", tls_maximum_protocol_version: "TLSv1_3" };

function endpointsOf(name: string, { host, port }: ServerAddress): Json {
  const address = { socket_address: { address: host, port_value: port } };
  return { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
}

function tlsSocket({ serverName, expect, authorities }: ServerTls, protocols?: string[]): Json {
  return {
    name: "envoy.transport_sockets.tls",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
      ...(serverName === undefined ? {} : { sni: serverName }),
      common_tls_context: {
        ...(protocols && { alpn_protocols: protocols }),
        tls_params: { ...lowest_and_highest },
        validation_context: {
          trusted_ca: { ...authorities },
          match_typed_subject_alt_names: [{ san_type: expect.type, matcher: { exact: expect.value } }],
        },
      },
    },
  };
}

/** A cluster to fetch keys through: both kinds of addresses that a name has are tried. `tls` false: plain text. */
export function keyCluster(name: string, address: ServerAddress, tls: ServerTls | false): Json {
  return {
    name,
    type: "LOGICAL_DNS",
    dns_lookup_family: "ALL",
    connect_timeout: "2s",
    load_assignment: endpointsOf(name, address),
    ...(tls !== false && { transport_socket: tlsSocket(tls) }),
  };
}

/** The cluster of a rate limit service: gRPC, and connections that lead nowhere any more are found out by pings. */
export function rateLimitCluster(name: string, address: ServerAddress, tls: ServerTls): Json {
  return {
    name,
    type: "STRICT_DNS",
    connect_timeout: "1s",
    load_assignment: endpointsOf(name, address),
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config: {
          http2_protocol_options: { connection_keepalive: { interval: "2s", timeout: "1s" } },
        },
      },
    },
    transport_socket: tlsSocket(tls, ["h2"]),
  };
}
