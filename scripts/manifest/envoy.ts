/**
 * What an Envoy of one's own is given: a bootstrap, the listener (LDS) and the filter (ECDS), out of `envoy/inbound.yaml`. The listener and
 * the filter are files of their own, so that each may change while Envoy runs.
 */
import { isIP } from "node:net";
import type { Bootstrap } from "../envoy/bootstrap.ts";
import { trustDomainOf } from "../envoy/callers.ts";
import { enforcementCheck } from "../envoy/enforcement.ts";
import { allowHolding, bothHold, type Holding, holding_member, keepAnswers, keepBodies } from "../envoy/holding.ts";
import { addPlainGrpc, speakOnly } from "../envoy/plain.ts";
import { principalFilter } from "../envoy/principal.ts";
import type { Policy } from "../policy/language/model.ts";
import { parseCaller } from "../policy/language/spiffe.ts";
import { capabilitiesOf } from "./capabilities.ts";
import { type Manifest, ManifestError, type ManifestFile, type Reason, yamlFile } from "./files.ts";
import { managerFor, type OpenForms, readInbound } from "./manager.ts";
import { clusterOf, isLoopback, parseAddress, type Server } from "./servers.ts";
import { logShadow, type ShadowFilter, shadow_about, shadow_words } from "./shadow.ts";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages; the few touched here are checked when used.
type Json = any;

/** What is known of the policy and its place. */
export interface EnvoyPlace {
  servers: readonly Server[];
  forms: OpenForms;
  hops: number;
  /** A URL; `http` for loopback addresses only. */
  upstream: string;
  /** The SPIFFE ID of an upstream with `https`. */
  upstreamId: string | undefined;
  /** The module's file in the folder. */
  module: string;
  /** The filter's configuration: JSON; undefined: none, so that the module's policy counts. */
  configuration: string | undefined;
  shadow: ShadowFilter<string> | undefined;
  /** Where the policy reads bodies. */
  holds: Holding | undefined;
}

const folder = "/etc/sallyport";
const filter_name = "sallyport";
const cluster_name = "upstream";
const xds = { resource_api_version: "V3" };
const text_type = "type.googleapis.com/google.protobuf.StringValue";
const fromFile = (name: string): Json => ({
  path_config_source: { path: `${folder}/${name}`, watched_directory: { path: folder } },
  ...xds,
});
const bundleOf = (trustDomain: string): Json => ({
  name: trustDomain,
  trust_bundle: { filename: `${folder}/certificates/bundles/${trustDomain}.pem` },
});

/** The files for a policy. Throws ManifestError where what is asked for would not be safe. */
export async function envoyManifest(policy: Policy, place: EnvoyPlace): Promise<Manifest> {
  const example = await readInbound();
  const [listener, probes] = example.static_resources.listeners;
  const [chain] = listener.filter_chains;
  const manager = managerFor(example, policy, place.forms, place.hops);
  trustCallers(chain.transport_socket.typed_config, policy);
  const { shadow } = place;
  if (shadow !== undefined) logShadow(example, shadow);
  const [filter, , router] = manager.http_filters;
  const tried = shadow && shadowOf(filter, shadow);
  restrict(filter, policy, place.module, place.holds);
  const kept = bothHold(place.holds, shadow?.holds);
  if (kept !== undefined) {
    for (const host of manager.route_config.virtual_hosts) keepBodies(host, kept);
    keepAnswers(listener, manager, kept);
  }
  if (place.configuration !== undefined) configure(filter, place.configuration);
  manager.http_filters = [
    ...(shadow === undefined ? [] : [discovered(filter, shadow.record)]),
    discovered(filter),
    enforcementCheck({ policy: policy.name }),
    router,
  ];
  setUpstream(example, policy, place);
  // This listener ends the caller's mTLS itself, and writes what one in front would.
  if (policy.filterState !== undefined) chain.filters.unshift(principalFilter(policy.filterState));
  const { clusters } = example.static_resources;
  clusters.push(...place.servers.map(clusterOf));
  const bootstrap = {
    node: { id: `sallyport-${policy.name}`, cluster: policy.name },
    admin: example.admin,
    stats_config: example.stats_config,
    overload_manager: example.overload_manager,
    dynamic_resources: { lds_config: fromFile("lds.yaml") },
    static_resources: { clusters },
  };
  const at = shadow === undefined ? 0 : 1;
  const certificates = policy.trustDomains.map((name) => `#   ${folder}/certificates/bundles/${name}.pem`);
  return {
    applied: [
      yamlFile(
        "envoy",
        "bootstrap.yaml",
        "what Envoy starts with",
        [
          `Put these files into ${folder} and start \`envoy -c ${folder}/bootstrap.yaml\`. For a bootstrap of yours, take over`,
          "`stats_config`, `dynamic_resources` and the clusters. Beside them have to be:",
          `  ${folder}/${place.module}, made by \`sallyport build\``,
          `  ${folder}/certificates/svid.pem and svid-key.pem, this workload's X.509-SVID`,
          ...certificates.map((line) => line.replace("# ", "")),
        ].join("\n"),
        {
          content: bootstrap,
          reasons: [
            [["admin"], "The admin interface can stop Envoy and read its secrets' names: loopback only."],
            [["stats_config"], "Labels for the filter's metrics, cut out of their names."],
            [["overload_manager"], "A flood of connections must not take the file descriptors of the whole Envoy."],
          ],
        },
      ),
      yamlFile(
        "envoy",
        "ecds.yaml",
        "the filter, as extension configuration",
        "Envoy takes a new one when a file is moved onto this one, and keeps the old one where the new one is refused.",
        {
          content: { resources: [{ "@type": typeOf("config.core.v3.TypedExtensionConfig"), ...named(filter) }] },
          reasons: [
            [
              [...config_path, "failure_policy"],
              "After a crash Envoy builds the VM again on a later request; until then requests are refused (503).",
            ],
            ...holdingReasons(place.holds),
            [
              [...config_path, "capability_restriction_config"],
              "What this policy needs and nothing else. Another policy may need more: the filter then refuses it and names what\nis missing. Make this file again.",
            ],
          ],
        },
      ),
      ...(shadow === undefined ? [] : [shadowFile(tried, shadow)]),
      yamlFile(
        "envoy",
        "lds.yaml",
        "the listener, and one for the kubelet's probes",
        "Envoy takes a new one when a file is moved onto this one.",
        {
          content: {
            resources: [listener, probes].map((one) => ({ "@type": typeOf("config.listener.v3.Listener"), ...one })),
          },
          reasons: [
            [
              [...filtersPath(chain), at, "config_discovery"],
              "No default: where the filter does not come, requests are refused.",
            ],
            [
              [...filtersPath(chain), at + 1],
              "Refuses every request that the filter did not admit. Keep it right behind the filter.",
            ],
          ],
        },
      ),
    ],
    others: [],
  };
}

function holdingReasons(holds: Holding | undefined): Reason[] {
  if (holds === undefined) return [];
  const text =
    "The policy reads bodies: requests are held until theirs has come. Without this (Envoy 1.35) they would wait until the filter\nanswers them with 503.";
  return [[[...config_path, holding_member], text]];
}

const config_path = ["resources", 0, "typed_config", "config"] as const;
/** The connection manager's filters: it is the last of its chain. */
const filtersPath = ({ filters }: Json): (string | number)[] => [
  "resources",
  0,
  "filter_chains",
  0,
  "filters",
  filters.length - 1,
  "typed_config",
  "http_filters",
];
const typeOf = (message: string): string => `type.googleapis.com/envoy.${message}`;
const nameOf = (record?: string): string => (record === undefined ? filter_name : `${filter_name}-${record}`);
const fileOf = (record?: string): string => (record === undefined ? "ecds.yaml" : `ecds-${record}.yaml`);
const named = ({ typed_config }: Json, record?: string): Json => ({ name: nameOf(record), typed_config });

/** The place of a filter whose configuration comes by itself; with a record's name, of the one that tries a policy. */
function discovered({ typed_config }: Json, record?: string): Json {
  return {
    name: nameOf(record),
    config_discovery: { config_source: fromFile(fileOf(record)), type_urls: [typed_config["@type"]] },
  };
}

/** Has a filter run this module, with what the policy needs of the host and nothing else. */
function restrict(
  { typed_config: { config } }: Json,
  policy: Policy,
  module: string,
  holds: Holding | undefined,
): void {
  config.vm_config.code.local.filename = `${folder}/${module}`;
  config.capability_restriction_config = {
    allowed_capabilities: Object.fromEntries(capabilitiesOf(policy).map((name) => [name, {}])),
  };
  if (holds !== undefined) allowHolding(config);
}

function configure({ typed_config: { config } }: Json, configuration: string): void {
  config.configuration = { "@type": text_type, value: configuration };
}

/** The filter that tries a policy, like the one that enforces. */
function shadowOf(filter: Json, { policy, configuration, module, holds }: ShadowFilter<string>): Json {
  const tried = structuredClone(filter);
  restrict(tried, policy, module, holds);
  configure(tried, configuration);
  return tried;
}

function shadowFile(tried: Json, { record }: ShadowFilter<string>): ManifestFile {
  return yamlFile("envoy", fileOf(record), shadow_about, shadow_words, {
    content: { resources: [{ "@type": typeOf("config.core.v3.TypedExtensionConfig"), ...named(tried, record) }] },
  });
}

/** Whose certificates count: those of the policy's trust domains, each by its own bundle. */
function trustCallers(tls: Json, { identity, trustDomains }: Policy): void {
  const validation = tls.common_tls_context.validation_context;
  if (identity === "mtls" || identity === "filter-state") {
    validation.custom_validator_config.typed_config.trust_domains = trustDomains.map(bundleOf);
    return;
  }
  // Envoy's SPIFFE validator refuses whoever has no certificate; without it, any authority may sign for all domains.
  if (identity === "either" && trustDomains.length > 1) {
    throw new ManifestError(
      `callers without a certificate can be let in where one trust domain's authorities count, since with several each could sign for the others, and the policy has ${trustDomains.join(", ")}: write a policy with one domain, or \`trust.identity: mtls\``,
    );
  }
  tls.require_client_certificate = false;
  delete validation.custom_validator_config;
  validation.trusted_ca = bundleOf(trustDomains[0]!).trust_bundle;
}

/** Has requests go where the operator says. */
function setUpstream(example: Bootstrap, policy: Policy, { upstream, upstreamId }: EnvoyPlace): void {
  const [cluster] = example.static_resources.clusters;
  const [host, probed] = example.static_resources.listeners.map(
    (listener: Json) => listener.filter_chains[0].filters.at(-1).typed_config.route_config.virtual_hosts[0],
  );
  cluster.name = cluster_name;
  cluster.load_assignment.cluster_name = cluster_name;
  host.name = policy.name;
  for (const { routes } of [host, probed]) routes[0].route.cluster = cluster_name;
  const { scheme, address } = parseUpstream(upstream);
  cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address = {
    socket_address: { address: address.host, port_value: address.port },
  };
  if (scheme === "http") {
    if (!isLoopback(address.host)) {
      throw new ManifestError(
        `nothing would vouch for the upstream ${upstream}: a plain one is on this machine, as http://127.0.0.1:8080; write https:// and --upstream-id`,
      );
    }
    if (upstreamId !== undefined)
      throw new ManifestError("--upstream-id is for an upstream with https://: leave it out");
    delete cluster.transport_socket;
    speakOnly(cluster, "http_protocol_options");
    addPlainGrpc(example, cluster);
    return;
  }
  const isExact = upstreamId !== undefined && !/[*{]/u.test(upstreamId) && typeof parseCaller(upstreamId) !== "string";
  const trustDomain = isExact ? trustDomainOf(upstreamId) : undefined;
  if (trustDomain === undefined || !policy.trustDomains.includes(trustDomain)) {
    throw new ManifestError(
      `say who the upstream is, by --upstream-id: a SPIFFE ID of ${policy.trustDomains.join(" or ")}, as spiffe://${policy.trustDomains[0]}/orders`,
    );
  }
  const tls = cluster.transport_socket.typed_config;
  // TLS has no server name for an address.
  if (isIP(address.host) === 0) tls.sni = address.host;
  else delete tls.sni;
  const validation = tls.common_tls_context.validation_context;
  validation.custom_validator_config.typed_config.trust_domains = [bundleOf(trustDomain)];
  validation.match_typed_subject_alt_names = [{ san_type: "URI", matcher: { exact: upstreamId } }];
}

function parseUpstream(text: string): { scheme: string; address: { host: string; port: number } } {
  const [, scheme, authority] = /^(https?):\/\/([^/?#@]+)\/?$/u.exec(text) ?? [];
  const usual = scheme === "http" ? 80 : 443;
  const address = authority && (parseAddress(authority) ?? parseAddress(`${authority}:${usual}`));
  if (scheme === undefined || !address)
    throw new ManifestError(`--upstream is a URL of a server, such as http://127.0.0.1:8080, not \`${text}\``);
  return { scheme, address };
}
