/**
 * One Envoy with a listener a chain. All have the connection manager of the example bootstrap that operators start from,
 * without its access log, and answer admitted requests themselves, so that nothing but the chains differs.
 */
import { parse } from "yaml";
import { readExampleFor } from "../../scripts/envoy/bootstrap.ts";
import { type Json, scarceRoute } from "./native.ts";
import { exampleManager } from "./ours.ts";
import type { World } from "./world.ts";

/** The filters of a listener, in front of the router. */
export interface Listener {
  name: string;
  filters: Json[];
  /** What the route of the scarce resource says to the filters, where that is not for the filters' names to tell. */
  scarce?: Json;
  /** Clusters that the filters talk to. */
  clusters?: Json[];
}

/** A bootstrap with these listeners on ports of 127.0.0.1 that the system chooses. */
export async function benchBootstrap(world: World, listeners: readonly Listener[], envoyPath: string): Promise<object> {
  const example = await readExampleFor("inbound", envoyPath);
  return {
    node: { id: "bench", cluster: "bench" },
    admin: { address: loopback() },
    static_resources: {
      listeners: listeners.map((listener) => listenerOf(world, parse(example), listener)),
      clusters: listeners.flatMap(({ clusters }) => clusters ?? []),
    },
  };
}

function loopback(): Json {
  return { socket_address: { address: "127.0.0.1", port_value: 0 } };
}

function listenerOf(world: World, example: Json, { name, filters, scarce }: Listener): Json {
  const listener = example.static_resources.listeners[0];
  const chain = listener.filter_chains[0];
  const tls = chain.transport_socket.typed_config.common_tls_context;
  tls.tls_certificates = [
    { certificate_chain: { filename: world.server.certificate }, private_key: { filename: world.server.key } },
  ];
  const [domain] = tls.validation_context.custom_validator_config.typed_config.trust_domains;
  domain.trust_bundle.filename = world.authorityPath;

  const manager = exampleManager(example);
  delete manager.access_log;
  manager.stat_prefix = name;
  const router = manager.http_filters.at(-1);
  manager.http_filters = [...filters, router];
  const direct_response = { status: 200, body: { inline_string: "ok\n" } };
  const hasRates = filters.some((filter) => filter.name in scarceRoute());
  const typed_per_filter_config = scarce ?? (hasRates ? scarceRoute() : {});
  manager.route_config.virtual_hosts[0].routes = [
    { match: { prefix: "/limited/" }, direct_response, typed_per_filter_config },
    { match: { prefix: "/" }, direct_response },
  ];
  // A connection is good for a whole run.
  manager.common_http_protocol_options.idle_timeout = "0s";
  delete manager.common_http_protocol_options.max_connection_duration;
  return { name, address: loopback(), filter_chains: [chain], per_connection_buffer_limit_bytes: 32768 };
}
