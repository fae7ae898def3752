/**
 * What an Envoy has in force, out of the answer of its admin interface to `/config_dump`
 * (envoy/admin/v3/config_dump.proto, config_dump_shared.proto).
 */
import type { Message } from "./node.ts";
import { Node } from "./node.ts";

/** Since when something is in force, and as what version of its control plane. */
export interface Since {
  /** Such as `2026-11-29T22:54:35.555Z`. */
  updated: string | undefined;
  version: string | undefined;
}

/** A filter of a connection manager. */
export interface HttpFilter {
  name: string;
  /** Its entry in the connection manager's list. */
  entry: Node;
  /** Its configuration; of a filter in an `ExtensionWithMatcher` that of the wrapper. Absent where it has not come yet. */
  config: Message | undefined;
  since: Since;
  /** It came by itself (ECDS). Then it may be one that Envoy has refused: the dump has the last that came. */
  isExtension: boolean;
}

/** A connection manager, with its routes as far as the dump has them. */
export interface Manager {
  listener: Listener;
  /** The filter chain's name, or its place in the listener. */
  chain: string;
  node: Node;
  /** The filter chain that it stands in. */
  chainNode: Node;
  /** Upgrades that have HTTP filters of their own. */
  upgrades: { type: string; node: Node; filters: HttpFilter[] }[];
  /** The chain's `transport_socket`. */
  transport: Node;
  filters: HttpFilter[];
  /** The route configurations it may use. */
  routes: Node[];
  /** Secrets that came over SDS, by name. */
  secrets: ReadonlyMap<string, Node>;
}

/** A listener that takes connections. */
export interface Listener {
  name: string;
  /** Whether it is for requests that leave this workload. */
  isOutbound: boolean;
  /** What runs before a filter chain is chosen. */
  listenerFilters: Node;
  managers: Manager[];
  /** Filters of TCP proxies, which pass bytes on as they are. */
  tcpProxies: Node[];
}

/** A configuration that Envoy has refused; the older one, if there is one, goes on. */
export interface Refusal {
  what: string;
  details: string;
  since: string | undefined;
  path: string;
}

/** A secret that Envoy waits for (SDS). */
export interface AwaitedSecret {
  name: string;
  path: string;
}

export interface Dump {
  listeners: Listener[];
  refusals: Refusal[];
  awaitedSecrets: AwaitedSecret[];
  /** `node.id` of the bootstrap. */
  nodeId: string | undefined;
  /** Whether the bootstrap says which metrics are kept. */
  hasStatsMatcher: boolean;
}

/** Reads a dump. @throws Error where it is none */
export function readDump(value: unknown): Dump {
  const root = new Node(value);
  const sections = new Map(
    root
      .at("configs")
      .list()
      .map((node) => [node.message().type, node]),
  );
  if (!sections.has("ListenersConfigDump"))
    throw new Error("this is no answer to /config_dump: it has no `configs` with a ListenersConfigDump");
  const section = (name: string): Node => sections.get(name) ?? new Node(undefined);
  const listeners = section("ListenersConfigDump");
  const extensions = new Extensions(section("EcdsConfigDump"));
  const routes = routesOf(section("RoutesConfigDump"));
  const secrets = namedSecrets(section("SecretsConfigDump"), ["static_secrets", "dynamic_active_secrets"]);
  const awaited = namedSecrets(section("SecretsConfigDump"), ["dynamic_warming_secrets"]);
  const bootstrap = section("BootstrapConfigDump").at("bootstrap");
  return {
    listeners: activeListeners(listeners).map(({ node, since }) =>
      readListener(node, since, extensions, routes, secrets),
    ),
    refusals: [
      ...refusalsOf(listeners.at("dynamic_listeners"), "listener", (node) => node.at("name").text),
      ...refusalsOf(
        section("EcdsConfigDump").at("ecds_filters"),
        "filter",
        (node) => node.at("ecds_filter", "name").text,
      ),
      ...refusalsOf(
        section("RoutesConfigDump").at("dynamic_route_configs"),
        "routes",
        (node) => node.at("route_config", "name").text,
      ),
    ],
    awaitedSecrets: [...awaited].filter(([name]) => !secrets.has(name)).map(([name, { path }]) => ({ name, path })),
    nodeId: bootstrap.at("node", "id").text,
    hasStatsMatcher: bootstrap.at("stats_config", "stats_matcher").exists,
  };
}

function activeListeners(section: Node): { node: Node; since: Since }[] {
  const entries = [
    ...section.at("static_listeners").list(),
    ...section
      .at("dynamic_listeners")
      .list()
      .map((node) => node.at("active_state")),
  ];
  return entries
    .filter((entry) => entry.at("listener").exists)
    .map((entry) => ({ node: entry.at("listener"), since: sinceOf(entry) }));
}

function sinceOf(entry: Node): Since {
  return { updated: entry.at("last_updated").text, version: entry.at("version_info").text };
}

function refusalsOf(entries: Node, kind: string, nameOf: (entry: Node) => string | undefined): Refusal[] {
  return entries
    .list()
    .filter((entry) => entry.at("error_state", "details").exists)
    .map((entry) => ({
      what: `${kind} ${nameOf(entry) ?? "without a name"}`,
      details: entry.at("error_state", "details").text ?? "",
      since: entry.at("error_state", "last_update_attempt").text,
      path: entry.at("error_state").path,
    }));
}

/** The secrets of these lists, by name. */
function namedSecrets(section: Node, lists: readonly string[]): Map<string, Node> {
  const entries = lists.flatMap((list) => section.at(list).list());
  return new Map(entries.map((entry) => [entry.at("name").text ?? "", entry.at("secret")]));
}

/** Route configurations by name: those that control planes sent, and those that stand in a connection manager. */
function routesOf(section: Node): Map<string, Node> {
  const entries = section.at("dynamic_route_configs").list();
  return new Map(entries.map((entry) => [entry.at("route_config", "name").text ?? "", entry.at("route_config")]));
}

/** Configurations of filters that came by themselves (ECDS). */
class Extensions {
  readonly #filters: Map<string, { config: Message; since: Since }>;

  constructor(section: Node) {
    const entries = section
      .at("ecds_filters")
      .list()
      .filter((entry) => entry.at("ecds_filter", "typed_config").exists);
    this.#filters = new Map(
      entries.map((entry) => [
        entry.at("ecds_filter", "name").text ?? "",
        { config: entry.at("ecds_filter", "typed_config").message(), since: sinceOf(entry) },
      ]),
    );
  }

  read(entry: Node, listener: Since): HttpFilter {
    const name = entry.at("name").text ?? "";
    const own = entry.at("typed_config");
    if (own.exists) return { name, entry, config: own.message(), since: listener, isExtension: false };
    const found = this.#filters.get(name);
    if (found !== undefined) return { name, entry, ...found, isExtension: true };
    const fallback = entry.at("config_discovery", "default_config");
    return {
      name,
      entry,
      config: fallback.exists ? fallback.message() : undefined,
      since: listener,
      isExtension: false,
    };
  }
}

function readListener(
  node: Node,
  since: Since,
  extensions: Extensions,
  routes: Map<string, Node>,
  secrets: ReadonlyMap<string, Node>,
): Listener {
  const listener: Listener = {
    name: node.at("name").text ?? "without a name",
    isOutbound: node.at("traffic_direction").text === "OUTBOUND",
    listenerFilters: node.at("listener_filters"),
    managers: [],
    tcpProxies: [],
  };
  const chains = [...node.at("filter_chains").list(), node.at("default_filter_chain")].filter(({ exists }) => exists);
  for (const [place, chain] of chains.entries()) {
    for (const filter of chain.at("filters").list()) {
      const { config: { type, node: config } = { type: "", node: filter } } = extensions.read(filter, since);
      if (type === "TcpProxy") listener.tcpProxies.push(config);
      if (type !== "HttpConnectionManager") continue;
      const filtersOf = (node: Node): HttpFilter[] => node.list().map((entry) => extensions.read(entry, since));
      listener.managers.push({
        listener,
        chain: chain.at("name").text ?? String(place),
        node: config,
        chainNode: chain,
        upgrades: config
          .at("upgrade_configs")
          .list()
          .map((upgrade) => ({
            type: upgrade.at("upgrade_type").text ?? "",
            node: upgrade.at("filters"),
            filters: filtersOf(upgrade.at("filters")),
          }))
          .filter(({ filters }) => filters.length > 0),
        transport: chain.at("transport_socket"),
        filters: filtersOf(config.at("http_filters")),
        routes: routesOfManager(config, routes),
        secrets,
      });
    }
  }
  return listener;
}

function routesOfManager(manager: Node, routes: Map<string, Node>): Node[] {
  const own = manager.at("route_config");
  if (own.exists) return [own];
  // Which of them a request gets is decided by its scope.
  if (manager.at("scoped_routes").exists) return [...routes.values()];
  const found = routes.get(manager.at("rds", "route_config_name").text ?? "");
  return found === undefined ? [] : [found];
}
