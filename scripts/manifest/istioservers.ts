/** The servers that the filter asks, in Istio. */
import type { Policy } from "../policy/language/model.ts";
import { ManifestError, type ManifestFile, type YamlDocument, yamlFile } from "./files.ts";
import { resourceName } from "./options.ts";
import { clusterOf, public_authorities, type Server, serviceAddress, tlsOf } from "./servers.ts";

/** Makes an EnvoyFilter of patches. */
type Filters = (suffix: string, patches: Record<string, unknown>[]) => YamlDocument["content"];

const mesh_host = /\.svc(?:\.|$)/u;

/** A file with all servers; none where the policy has none. */
export function istioServers(
  policy: Policy,
  { servers, namespace }: { servers: readonly Server[]; namespace: string },
  filters: Filters,
): ManifestFile[] {
  const ours = servers.filter(({ name }) => serviceAddress(name) === undefined);
  const documents: YamlDocument[] = servers.flatMap((server) => serviceDocuments(policy, server, namespace));
  if (ours.length > 0) documents.unshift({ content: filters("servers", ours.map(clusterPatch)) });
  if (documents.length === 0) return [];
  const text =
    "Whoever answers here decides whose tokens are good, or what is admitted: certificate and name are checked.";
  return [yamlFile("istio", "40-servers.yaml", "the servers that the filter asks", text, ...documents)];
}

/** A cluster of the policy's own name, which no `Sidecar` takes away. */
function clusterPatch(server: Server): Record<string, unknown> {
  return {
    applyTo: "CLUSTER",
    match: { context: "SIDECAR_OUTBOUND" },
    patch: { operation: "ADD", value: clusterOf(server) },
  };
}

/** A server whose cluster has a name as Istio makes it: a service outside the mesh. One in the mesh is there by itself. */
function serviceDocuments(policy: Policy, server: Server, namespace: string): YamlDocument[] {
  const service = serviceAddress(server.name);
  if (service === undefined || mesh_host.test(service.host)) return [];
  const { host, port } = service;
  if (host !== server.host || port !== server.port || server.isPlain) {
    throw new ManifestError(
      `the cluster \`${server.name}\` leads to ${host}:${port}, and the policy asks ${server.isPlain ? "http" : "https"}://${server.host}:${server.port} there: name \`outbound|${server.port}||${server.host}\`, or any name without \`|\``,
    );
  }
  const metadata = { name: resourceName(`${policy.name}-${host}`), namespace };
  const { serverName, expect } = tlsOf(server);
  return [
    {
      content: {
        apiVersion: "networking.istio.io/v1",
        kind: "ServiceEntry",
        metadata,
        spec: {
          hosts: [host],
          exportTo: ["."],
          location: "MESH_EXTERNAL",
          resolution: "DNS",
          ports: [{ number: server.port, name: "https", protocol: "HTTPS" }],
        },
      },
      reasons: [
        [["spec"], "A `Sidecar` of the workload must name this host in `egress`, or its cluster is not there."],
      ],
    },
    {
      content: {
        apiVersion: "networking.istio.io/v1",
        kind: "DestinationRule",
        metadata,
        spec: {
          host,
          exportTo: ["."],
          trafficPolicy: {
            tls: {
              mode: "SIMPLE",
              ...(serverName !== undefined && { sni: serverName }),
              subjectAltNames: [expect.value],
              caCertificates: public_authorities,
            },
          },
        },
      },
    },
  ];
}
