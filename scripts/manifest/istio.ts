/**
 * What Istio is given for the sidecars of one workload. The enforcement check comes first: where a plugin is deleted, or refused and
 * installed again, Istio's listener stays without it until the next push, and only the check is left.
 */
import { enforcementCheck } from "../envoy/enforcement.ts";
import { allowHolding, type Holding, keepAnswers, keepBodies } from "../envoy/holding.ts";
import type { Policy } from "../policy/language/model.ts";
import { type Manifest, ManifestError, type ManifestFile, type YamlDocument, yamlFile } from "./files.ts";
import { istioServers } from "./istioservers.ts";
import { kustomization } from "./kustomization.ts";
import { accessLogFormat, managerFor, readInbound } from "./manager.ts";
import type { MeshPlace } from "./meshplace.ts";
import { type ModuleSource, resourceName } from "./options.ts";
import { logShadow, type ShadowFilter, shadow_about, shadow_words } from "./shadow.ts";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages; the few touched here are checked when used.
type Json = any;

/** What is known of the policy and its place. */
export interface IstioPlace extends MeshPlace {
  /** Labels of the pods. */
  labels: unknown;
}

const manager_name = "envoy.filters.network.http_connection_manager";
const tcp_name = "envoy.filters.network.tcp_proxy";
/** The VMs of filters, our metrics, and which of its configurations Envoy has taken, without which `status` cannot tell that one was refused. */
const kept_statistics = ["wasm.", "wasmcustom.sallyport_", "extension_config_discovery.http_filter."];
/** What the enforcement check refused: `http.PREFIX.rbac.denied`, and the prefix is that of Istio's connection manager. */
const kept_suffixes = ["rbac.denied"];
const provider_name = "sallyport-access-log";
/** What Istio has in its hands by itself, or by other resources. */
const of_istio = ["@type", "stat_prefix", "codec_type", "route_config", "http_filters", "access_log"];

/** The files for a policy. Throws ManifestError where Istio cannot do what is asked for. */
export async function istioManifest(policy: Policy, place: IstioPlace): Promise<Manifest> {
  refuseForHolding(place);
  const example = await readInbound();
  if (place.shadow !== undefined) logShadow(example, place.shadow);
  const manager = managerFor(example, policy, place.forms, place.hops);
  // Istio's listeners keep 1 MiB.
  if (place.holds !== undefined) keepAnswers(undefined, manager, place.holds);
  const name = resourceName(policy.name);
  const { namespace, labels } = place;
  const filters = (suffix: string, patches: Json[]): YamlDocument["content"] => ({
    apiVersion: "networking.istio.io/v1alpha3",
    kind: "EnvoyFilter",
    metadata: { name: `${name}-${suffix}`, namespace },
    spec: { workloadSelector: { labels }, configPatches: patches },
  });
  const applied = [
    yamlFile(
      "istio",
      "10-enforcement-check.yaml",
      "refuses every request that the filter did not admit",
      "Apply it before the plugin, and remove it after the plugin. From here on requests are refused until the plugin is there.",
      { content: filters("check", [checkPatch(policy.name)]) },
    ),
    yamlFile(
      "istio",
      "15-connection-check.yaml",
      "refuses connections that would reach the workload without HTTP filters",
      [
        "Where a port's protocol is not declared (`appProtocol: http`, or a name such as `http-api`), or no Service has the port, Istio takes",
        "a caller's connection for TCP where its ALPN is not HTTP: neither filter nor check would see what it sends. If the workload",
        "serves other protocols too, add `match.listener.portNumber` for the ports that the policy guards.",
      ].join("\n"),
      { content: filters("connection-check", [connectionPatch()]) },
    ),
    yamlFile(
      "istio",
      "20-peer-authentication.yaml",
      "no connection without a certificate of the mesh",
      "The filter's callers are who their certificates say.",
      {
        content: {
          apiVersion: "security.istio.io/v1",
          kind: "PeerAuthentication",
          metadata: { name, namespace },
          spec: { selector: { matchLabels: labels }, mtls: { mode: "STRICT" } },
        },
      },
    ),
    yamlFile(
      "istio",
      "30-connection-manager.yaml",
      "one reading of a request for the policy, the router and the workload",
      "The settings of envoy/inbound.yaml, as far as Istio does not have them.",
      {
        content: filters("connection", [managerPatch(manager), resumptionPatch(), ...bodyPatches(place.holds)]),
        reasons: managerReasons(policy),
      },
    ),
    ...istioServers(policy, place, filters),
    accessLog(name, place),
    bootstrapOverride(name, namespace, example.stats_config),
    ...(place.shadow === undefined ? [] : [shadowPlugin(name, place, place.shadow)]),
    place.holds === undefined ? plugin(name, place) : holdingFilter(name, place, filters),
  ];
  return {
    applied,
    others: [kustomization("istio", applied), meshConfig(accessLogFormat(example)), podAnnotations(name)],
  };
}

function checkPatch(policy: string): Json {
  const subFilter = { name: "envoy.filters.http.router" };
  const listener = { filterChain: { filter: { name: manager_name, subFilter } } };
  return {
    applyTo: "HTTP_FILTER",
    match: { context: "SIDECAR_INBOUND", listener },
    patch: { operation: "INSERT_BEFORE", value: enforcementCheck({ policy }) },
  };
}

/** Has connections that would be passed on as TCP lead nowhere: Envoy closes them. */
function connectionPatch(): Json {
  const nowhere = {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    stat_prefix: "sallyport-connection-check",
    cluster: "BlackHoleCluster",
  };
  return {
    applyTo: "NETWORK_FILTER",
    match: { context: "SIDECAR_INBOUND", listener: { filterChain: { filter: { name: tcp_name } } } },
    patch: { operation: "REPLACE", value: { name: tcp_name, typed_config: nowhere } },
  };
}

function managerPatch(manager: Json): Json {
  const settings = structuredClone(manager);
  for (const key of of_istio) delete settings[key];
  // A control plane that does not know a field drops the whole patch, and these are new.
  delete settings.http2_protocol_options.stream_reset_burst;
  delete settings.http2_protocol_options.stream_reset_rate;
  return {
    applyTo: "NETWORK_FILTER",
    match: { context: "SIDECAR_INBOUND", listener: { filterChain: { filter: { name: manager_name } } } },
    patch: {
      operation: "MERGE",
      value: { name: manager_name, typed_config: { "@type": manager["@type"], ...settings } },
    },
  };
}

function managerReasons({ forwarders }: Policy): YamlDocument["reasons"] {
  const config = ["spec", "configPatches", 0, "patch", "value", "typed_config"];
  return [
    [
      [...config, "use_remote_address"],
      "`source.ip` is the connection's peer. Istio has false here: then it is what a caller writes into x-forwarded-for.",
    ],
    [
      [...config, "forward_client_cert_details"],
      forwarders.length > 0
        ? "The policy trusts gateways (`trust.forwarders`): what they say of their callers is kept, and this connection's added."
        : "What a caller says of itself in x-forwarded-client-cert is replaced by what its certificate says.",
    ],
    [
      ["spec", "configPatches", 1, "patch", "value", "transport_socket"],
      "A resumed session would admit a certificate that has expired meanwhile.",
    ],
  ];
}

function resumptionPatch(): Json {
  return {
    applyTo: "FILTER_CHAIN",
    match: { context: "SIDECAR_INBOUND", listener: { filterChain: { transportProtocol: "tls" } } },
    patch: {
      operation: "MERGE",
      value: {
        transport_socket: {
          name: "envoy.transport_sockets.tls",
          typed_config: {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            disable_stateless_session_resumption: true,
            disable_stateful_session_resumption: true,
          },
        },
      },
    },
  };
}

function accessLog(name: string, { namespace, labels }: IstioPlace): ManifestFile {
  return yamlFile(
    "istio",
    "50-access-log.yaml",
    "the access log, which has the filter's record",
    "The provider is in mesh-config.yaml: give it to istiod first.",
    {
      content: {
        apiVersion: "telemetry.istio.io/v1",
        kind: "Telemetry",
        metadata: { name, namespace },
        spec: {
          selector: { matchLabels: labels },
          accessLogging: [{ match: { mode: "SERVER" }, providers: [{ name: provider_name }] }],
        },
      },
    },
  );
}

function meshConfig(labels: Record<string, string>): ManifestFile {
  const envoyFileAccessLog = { path: "/dev/stdout", logFormat: { labels } };
  return yamlFile(
    "istio",
    "mesh-config.yaml",
    "the access log's format, for istiod",
    "Values of the Helm chart `istio/istiod`, and the same under `spec.meshConfig` of an IstioOperator. If you have other\n`extensionProviders`, add this one to them.",
    { content: { meshConfig: { extensionProviders: [{ name: provider_name, envoyFileAccessLog }] } } },
  );
}

function bootstrapOverride(name: string, namespace: string, stats: Json): ManifestFile {
  return yamlFile(
    "istio",
    "60-bootstrap.yaml",
    "labels for the filter's metrics, cut out of their names",
    "Pods take it where they are annotated (pod-annotations.yaml), when they start.",
    {
      content: {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: `${name}-bootstrap`, namespace },
        data: { "custom_bootstrap.json": `${JSON.stringify({ stats_config: stats }, null, 2)}\n` },
      },
    },
  );
}

function podAnnotations(name: string): ManifestFile {
  const statsMatcher = {
    proxyStatsMatcher: { inclusionPrefixes: kept_statistics, inclusionSuffixes: kept_suffixes },
  };
  return yamlFile(
    "istio",
    "pod-annotations.yaml",
    "what the workload's pods have to say of themselves",
    "kubectl patch deployment NAME --patch-file pod-annotations.yaml   (the pods start again)",
    {
      content: {
        spec: {
          template: {
            metadata: {
              annotations: {
                "proxy.istio.io/config": JSON.stringify(statsMatcher),
                "sidecar.istio.io/bootstrapOverride": `${name}-bootstrap`,
              },
            },
          },
        },
      },
      reasons: [
        [
          ["spec", "template", "metadata", "annotations", "proxy.istio.io/config"],
          "Istio drops statistics that it does not know.",
        ],
      ],
    },
  );
}

/** The filter that tries another policy: in front of the one that enforces, which has no priority and so comes after it. */
function shadowPlugin(name: string, place: IstioPlace, shadow: ShadowFilter<ModuleSource>): ManifestFile {
  const { configuration, record, module } = shadow;
  return yamlFile("istio", `65-wasm-plugin-${record}.yaml`, shadow_about, shadow_words, {
    content: {
      apiVersion: "extensions.istio.io/v1alpha1",
      kind: "WasmPlugin",
      metadata: { name: `${name}-${record}`, namespace: place.namespace },
      spec: { ...pluginSpec({ ...place, module }), priority: 1, pluginConfig: JSON.parse(configuration) },
    },
    reasons: [[["spec", "priority"], "Before the filter that enforces: it sees denied requests too."]],
  });
}

/** A WasmPlugin cannot hold requests; what stands in its place knows no Secrets, and comes before every plugin. */
function refuseForHolding({ holds, module, shadow }: IstioPlace): void {
  if (shadow !== undefined && (holds ?? shadow.holds) !== undefined)
    throw new ManifestError(
      "a policy that reads bodies cannot be tried beside another in Istio, nor another beside it: begin with `mode: shadow`",
    );
  if (holds === undefined) return;
  if (module.pullSecret !== undefined) {
    throw new ManifestError(
      "a policy that reads bodies comes to Istio as an EnvoyFilter, which has no Secrets for images: leave out --pull-secret, and use --url or a registry that asks for no credential",
    );
  }
}

/** Has Envoy keep as much of a body as the policy reads. */
function bodyPatches(holds: Holding | undefined): Json[] {
  if (holds === undefined) return [];
  const value = {};
  keepBodies(value, holds);
  return [{ applyTo: "VIRTUAL_HOST", match: { context: "SIDECAR_INBOUND" }, patch: { operation: "MERGE", value } }];
}

/** The filter as Istio would make it of a WasmPlugin, with what a WasmPlugin has no word for. */
function holdingFilter(
  name: string,
  { module }: IstioPlace,
  filters: (suffix: string, patches: Json[]) => YamlDocument["content"],
): ManifestFile {
  const type = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
  const uri = module.kind === "image" ? `oci://${module.location}` : module.location;
  // The agent fetches the module, so that no cluster is needed.
  const remote = { http_uri: { uri, timeout: "30s", cluster: "_" }, sha256: module.sha256 };
  const config = {
    name,
    root_id: "sallyport",
    failure_policy: "FAIL_RELOAD",
    vm_config: { runtime: "envoy.wasm.runtime.v8", code: { remote } },
  };
  allowHolding(config);
  const listener = { filterChain: { filter: { name: manager_name } } };
  const discovery = { config_source: { ads: {}, initial_fetch_timeout: "0s" }, type_urls: [type] };
  return yamlFile(
    "istio",
    "70-filter.yaml",
    "the filter",
    [
      "Apply it last. The policy reads bodies, so that the filter holds requests until theirs have come. Istio's WasmPlugin has no word for",
      "that (`allow_on_headers_stop_iteration`), and its configuration cannot be patched: it would have every such request wait until the",
      "filter answers it with 503. So this is what Istio makes of a WasmPlugin, with that word. Istio 1.28 or newer.",
    ].join("\n"),
    {
      content: filters("filter", [
        {
          applyTo: "EXTENSION_CONFIG",
          match: { context: "SIDECAR_INBOUND" },
          patch: { operation: "ADD", value: { name, typed_config: { "@type": type, config } } },
        },
        {
          applyTo: "HTTP_FILTER",
          match: { context: "SIDECAR_INBOUND", listener },
          patch: { operation: "INSERT_FIRST", value: { name, config_discovery: discovery } },
        },
      ]),
    },
  );
}

function pluginSpec({ labels, module }: IstioPlace): Json {
  return {
    selector: { matchLabels: labels },
    url: module.kind === "image" ? `oci://${module.location}` : module.location,
    sha256: module.sha256,
    ...(module.pullSecret !== undefined && { imagePullSecret: module.pullSecret }),
    pluginName: "sallyport",
    phase: "AUTHN",
    failStrategy: "FAIL_RELOAD",
    match: [{ mode: "SERVER" }],
  };
}

function plugin(name: string, place: IstioPlace): ManifestFile {
  return yamlFile("istio", "70-wasm-plugin.yaml", "the filter", "Apply it last.", {
    content: {
      apiVersion: "extensions.istio.io/v1alpha1",
      kind: "WasmPlugin",
      metadata: { name, namespace: place.namespace },
      spec: pluginSpec(place),
    },
    reasons: [
      [
        ["spec", "sha256"],
        place.module.kind === "image"
          ? "The digest of the image's manifest."
          : "That of the module that `sallyport build` writes.",
      ],
      [
        ["spec", "phase"],
        "Before Istio's own token and authorization filters: they see admitted requests only, and the filter sees tokens\nbefore Istio takes them away.",
      ],
      [
        ["spec", "failStrategy"],
        "After a crash the module is loaded again; until then requests are refused. Istio 1.27 or newer; FAIL_CLOSE before.",
      ],
      [["spec", "match"], "Requests to the workload, not those it makes."],
    ],
  });
}
