/**
 * What Envoy Gateway is given for one Gateway. A route's own policies of the same kinds replace these, so who may write routes must not
 * be who may write those: the roles at the end.
 */
import type { Bootstrap } from "../envoy/bootstrap.ts";
import { markRange } from "../envoy/enforcement.ts";
import { bothHold, type Holding, holding_member, keptBytes } from "../envoy/holding.ts";
import type { Policy } from "../policy/language/model.ts";
import { type Manifest, ManifestError, type ManifestFile, type Reason, yamlFile } from "./files.ts";
import { kustomization } from "./kustomization.ts";
import { accessLogFormat, managerFor, readInbound } from "./manager.ts";
import type { MeshPlace } from "./meshplace.ts";
import { type ModuleSource, resourceName, shortened } from "./options.ts";
import { clusterOf } from "./servers.ts";
import { logShadow, type ShadowFilter } from "./shadow.ts";

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages; the few touched here are checked when used.
type Json = any;

/** What is known of the policy and its place. */
export interface GatewayPlace extends MeshPlace {
  /** The name of the Gateway, in that namespace. */
  gateway: unknown;
  /** The name of its listener, where the policy reads bodies. */
  listener: string;
}

const apiVersion = "gateway.envoyproxy.io/v1alpha1";
const group = "gateway.networking.k8s.io";
const object_name_characters_max = 253;

/**
 * The ConfigMap with the authorities of the policy's trust domain under `ca.crt`. Each domain has one of its own: Gateways of one namespace
 * must not come to share a bundle by its name.
 */
export function trustBundleOf(policy: Policy): string {
  const [owner] = ownersOf(policy) as [string];
  const whole = `sallyport-trust-bundle.${owner}`;
  if (!owner.includes("_") && whole.length <= object_name_characters_max) return whole;
  return shortened(whole.replaceAll("_", "-"), owner, object_name_characters_max);
}

/** The files for a policy. Throws ManifestError where what is asked for would not be safe. */
export async function gatewayManifest(policy: Policy, place: GatewayPlace): Promise<Manifest> {
  refuseSharedBundle(policy);
  const example = await readInbound();
  if (place.shadow !== undefined) logShadow(example, place.shadow);
  const name = resourceName(policy.name);
  const metadata = { name, namespace: place.namespace };
  const targetRefs = [{ group, kind: "Gateway", name: place.gateway }];
  const tags = example.stats_config.stats_tags as Json[];
  const patches = [
    ...tags.map((value) => ({ op: "add", path: "/stats_config/stats_tags/-", value })),
    ...place.servers.map((server) => ({ op: "add", path: "/static_resources/clusters/-", value: clusterOf(server) })),
  ];
  const sink = { type: "File", file: { path: "/dev/stdout" } };
  const applied = [
    yamlFile(
      "envoy-gateway",
      "10-enforcement-check.yaml",
      "refuses every request that the filter did not admit",
      "From here on requests are refused until the filter is there.",
      {
        content: {
          apiVersion,
          kind: "SecurityPolicy",
          metadata,
          spec: {
            targetRefs,
            authorization: {
              defaultAction: "Deny",
              rules: [{ name: "admitted", action: "Allow", cel: checkExpression(policy.name) }],
            },
          },
        },
        reasons: [
          [
            ["spec", "authorization", "rules", 0, "cel"],
            "The record begins with the policy's mark. It is bytes, of which CEL knows no prefix: it lies between the mark and the\nnext text that is none. A comparison with a text would never hold.",
          ],
        ],
      },
    ),
    yamlFile(
      "envoy-gateway",
      "20-client-traffic.yaml",
      "who may connect, and one reading of a request for the policy, the router and the upstream",
      `The ConfigMap ${trustBundleOf(policy)} has the authorities of the trust domain\nunder \`ca.crt\`; trust-manager or SPIRE's notifier k8sbundle can keep it.`,
      {
        content: {
          apiVersion,
          kind: "ClientTrafficPolicy",
          metadata,
          spec: { targetRefs, ...clientTraffic(policy, example, place) },
        },
        reasons: clientReasons(policy),
      },
    ),
    yamlFile(
      "envoy-gateway",
      "30-envoy-proxy.yaml",
      "labels for metrics, the access log with the filter's record, and clusters for the servers that the filter asks",
      "The Gateway names it in `spec.infrastructure.parametersRef` (gateway-parameters.yaml). If it names an EnvoyProxy already,\nput these parts into that one.",
      {
        content: {
          apiVersion,
          kind: "EnvoyProxy",
          metadata,
          spec: {
            mergeType: "StrategicMerge",
            bootstrap: { type: "JSONPatch", jsonPatches: patches },
            telemetry: {
              accessLog: { settings: [{ format: { type: "JSON", json: accessLogFormat(example) }, sinks: [sink] }] },
            },
          },
        },
        reasons: [
          [
            ["spec", "mergeType"],
            "What the GatewayClass and the installation say stays: without this, all of that would be replaced. Lists are replaced\nall the same.",
          ],
        ],
      },
    ),
    yamlFile(
      "envoy-gateway",
      "40-filter.yaml",
      "the filter",
      "Its API has no FAIL_RELOAD and no capability list: after a crash a worker refuses requests until Envoy starts again.",
      {
        content: {
          apiVersion,
          kind: "EnvoyExtensionPolicy",
          metadata,
          spec: {
            targetRefs,
            wasm: [
              ...(place.shadow === undefined ? [] : [shadowWasm(place.shadow)]),
              wasmOf("sallyport", place.module),
            ],
          },
        },
        reasons: [
          [
            ["spec", "wasm", place.shadow === undefined ? 0 : 1, "code"],
            place.module.kind === "image"
              ? "`sha256` is the digest of the image's manifest."
              : "`sha256` is that of the module that `sallyport build` writes.",
          ],
          [
            ["spec", "wasm", 0, "env"],
            "The name of a variable that nobody sets. Envoy fetches another module and goes on with the old one, as long as the policy\nhas the same name and the same variables: this one is another for each module.",
          ],
        ],
      },
    ),
    ...(bothHold(place.holds, place.shadow?.holds) === undefined ? [] : [holdingPatch(name, place)]),
    roles(name),
  ];
  return { applied, others: [parameters(name), kustomization("envoy-gateway", applied)] };
}

/** Envoy Gateway's API has no word for what lets a filter hold requests (its issue 8382), so the listener that it makes is patched. */
function holdingPatch(name: string, { namespace, gateway, listener, shadow, holds }: GatewayPlace): ManifestFile {
  // The filters in their order, as in the EnvoyExtensionPolicy.
  const filters = [...(shadow === undefined ? [] : [shadow.holds]), holds].flatMap((held, index) =>
    held === undefined ? [] : [`envoy.filters.http.wasm/envoyextensionpolicy/${namespace}/${name}/wasm/${index}`],
  );
  return yamlFile(
    "envoy-gateway",
    "45-holding.yaml",
    "lets the filter hold requests until their bodies have come",
    [
      "The policy reads bodies. Without this patch every request whose body has to be read would wait until the filter answers it with 503.",
      "Envoy Gateway takes such patches where its configuration has `extensionApis.enableEnvoyPatchPolicy: true`. With its runtime flag",
      "XDSNameSchemeV2 the listener has another name, `tcp-PORT`.",
    ].join("\n"),
    {
      content: {
        apiVersion,
        kind: "EnvoyPatchPolicy",
        metadata: { name, namespace },
        spec: {
          targetRef: { group, kind: "Gateway", name: gateway },
          type: "JSONPatch",
          jsonPatches: filters.map((filter) => ({
            type: "type.googleapis.com/envoy.config.listener.v3.Listener",
            name: `${namespace}/${gateway}/${listener}`,
            operation: {
              op: "add",
              jsonPath: `$..http_filters[?(@.name=='${filter}')].typed_config.config`,
              path: holding_member,
              value: true,
            },
          })),
        },
      },
    },
  );
}

/** Envoy Gateway has one set of authorities, each of which may sign for all trust domains. */
function refuseSharedBundle(policy: Policy): void {
  const owners = ownersOf(policy);
  if (owners.length <= 1) return;
  throw new ManifestError(
    `Envoy Gateway checks callers of all trust domains by one set of authorities, so that each of them could sign for the others, and the policy has ${owners.join(", ")}: write a policy with one domain, or use --for envoy, which has a bundle for each`,
  );
}

/** The trust domains of a policy; those that are other names of one are one. */
function ownersOf({ trustDomains, aliases }: Policy): string[] {
  return [...new Set(trustDomains.map((name) => aliases.get(name) ?? name))];
}

/** CEL for the requests whose record begins with the policy's mark. */
export function checkExpression(policy: string): string {
  const record = "filter_state['wasm.sallyport']";
  const { from, below } = markRange(policy);
  return `${record} >= b'${from}' && ${record} < b'${below}'`;
}

/** As many bytes as bodies take, where that is more. */
const atLeast = (bytes: number, holds: Holding | undefined): number =>
  holds === undefined ? bytes : Math.max(bytes, keptBytes(holds));

function clientTraffic(policy: Policy, example: Bootstrap, { forms, hops, holds: own, shadow }: GatewayPlace): Json {
  const holds = bothHold(own, shadow?.holds);
  const [listener] = example.static_resources.listeners;
  const manager = managerFor(example, policy, forms, hops);
  const [connections] = example.overload_manager.resource_monitors.map(
    ({ typed_config }: Json) => typed_config.max_active_downstream_connections,
  );
  const common = manager.common_http_protocol_options;
  const http2 = manager.http2_protocol_options;
  const keepsSlashes = manager.path_with_escaped_slashes_action === "KEEP_UNCHANGED";
  return {
    tls: {
      minVersion: "1.3",
      clientValidation: {
        mode: policy.identity === "mtls" ? "RequireAndVerify" : "VerifyIfGiven",
        caCertificateRefs: [{ group: "", kind: "ConfigMap", name: trustBundleOf(policy) }],
      },
    },
    path: {
      disableMergeSlashes: !manager.merge_slashes,
      escapedSlashesAction: keepsSlashes ? "KeepUnchanged" : "RejectRequest",
    },
    headers: {
      withUnderscoresAction: "RejectRequest",
      xForwardedClientCert: {
        mode: policy.forwarders.length > 0 ? "AppendForward" : "SanitizeSet",
        certDetailsToAdd: ["URI"],
      },
    },
    ...(hops > 0 && { clientIPDetection: { xForwardedFor: { numTrustedHops: hops } } }),
    connection: {
      bufferLimit: atLeast(listener.per_connection_buffer_limit_bytes, holds),
      connectionLimit: { value: connections, maxConnectionDuration: common.max_connection_duration },
    },
    http2: {
      maxConcurrentStreams: http2.max_concurrent_streams,
      initialStreamWindowSize: atLeast(http2.initial_stream_window_size, holds),
      initialConnectionWindowSize: atLeast(http2.initial_connection_window_size, holds),
    },
    timeout: {
      http: {
        idleTimeout: common.idle_timeout,
        requestHeadersReceivedTimeout: manager.request_headers_timeout,
        requestReceivedTimeout: manager.request_timeout,
        streamIdleTimeout: manager.stream_idle_timeout,
      },
    },
  };
}

function clientReasons({ identity, forwarders }: Policy): readonly Reason[] {
  return [
    [
      ["spec", "tls", "clientValidation", "mode"],
      identity === "mtls"
        ? "Never RequireAny or Request: both take a certificate that its owner signed itself, with any SPIFFE ID."
        : "Callers may come without a certificate (`trust.identity`). Never RequireAny or Request: both take a certificate that its\nowner signed itself, with any SPIFFE ID.",
    ],
    [
      ["spec", "headers", "xForwardedClientCert"],
      forwarders.length > 0
        ? "The policy trusts gateways (`trust.forwarders`): what they say of their callers is kept, and this connection's added."
        : "What a caller says of itself in this header is replaced by what its certificate says.",
    ],
    [
      ["spec", "connection", "connectionLimit"],
      "An open connection outlives its certificate by no more than this. Envoy Gateway resumes no TLS sessions.",
    ],
  ];
}

function wasmOf(name: string, module: ModuleSource): Json {
  const env = { hostKeys: [module.sha256] };
  return { name, rootID: "sallyport", failOpen: false, code: codeOf(module), env };
}

/** The filter that tries another policy. */
function shadowWasm({ record, configuration, module }: ShadowFilter<ModuleSource>): Json {
  return { ...wasmOf(`sallyport-${record}`, module), config: JSON.parse(configuration) };
}

function codeOf({ kind, location: url, sha256, pullSecret }: ModuleSource): Json {
  if (kind === "url") return { type: "HTTP", http: { url, sha256 } };
  const pullSecretRef = pullSecret === undefined ? {} : { pullSecretRef: { kind: "Secret", name: pullSecret } };
  return { type: "Image", image: { url, sha256, ...pullSecretRef } };
}

/** The roles of who writes routes and of who guards the gateway. */
function roles(name: string): ManifestFile {
  const verbs = ["get", "list", "watch", "create", "update", "patch", "delete"];
  const role = (suffix: string, rules: Json[]): Json => ({
    content: {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: `${name}-${suffix}` },
      rules,
    },
  });
  return yamlFile(
    "envoy-gateway",
    "50-roles.yaml",
    "who may write routes may not write what replaces the filter and its check",
    "A route's own SecurityPolicy replaces the check, its own EnvoyExtensionPolicy the filter; an EnvoyPatchPolicy can do anything.\nRoles only add up: bind route owners to the first, and to no other role with these resources.",
    role("route-owner", [{ apiGroups: [group], resources: ["grpcroutes", "httproutes"], verbs }]),
    role("gateway-owner", [
      { apiGroups: [group], resources: ["gateways"], verbs },
      {
        apiGroups: ["gateway.envoyproxy.io"],
        resources: [
          "backendtrafficpolicies",
          "clienttrafficpolicies",
          "envoyextensionpolicies",
          "envoypatchpolicies",
          "envoyproxies",
          "httproutefilters",
          "securitypolicies",
        ],
        verbs,
      },
    ]),
  );
}

function parameters(name: string): ManifestFile {
  return yamlFile(
    "envoy-gateway",
    "gateway-parameters.yaml",
    "has the Gateway use the EnvoyProxy",
    "kubectl patch gateway NAME --type merge --patch-file gateway-parameters.yaml",
    {
      content: {
        spec: { infrastructure: { parametersRef: { group: "gateway.envoyproxy.io", kind: "EnvoyProxy", name } } },
      },
    },
  );
}
