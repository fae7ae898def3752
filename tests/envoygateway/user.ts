/** What a user has in Envoy Gateway before Sallyport comes: a Gateway with a certificate, a route to an order API, and a trust bundle. */
import type { Authority, Identity } from "../../scripts/envoy/certificates.ts";
import type { Resource } from "./system.ts";

export const namespace = "default";
export const gateway_name = "edge";
export const route_name = "orders";
export const gateway_port = 8443;

const gateway_api = "gateway.networking.k8s.io";
export const v1 = `${gateway_api}/v1`;
export const v1alpha1 = "gateway.envoyproxy.io/v1alpha1";

/** Where the user's parts are. */
interface Place {
  authority: Authority;
  /** The Gateway's own certificate. */
  server: Identity;
  upstreamPort: number;
  envoyVersion: string;
}

const metadata = (name: string): Resource => ({ name, namespace });
const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** The resources, with settings of this machine in an EnvoyProxy that the class of Gateways has. */
export function usersResources({ authority, server, upstreamPort, envoyVersion }: Place): Resource[] {
  return [
    {
      apiVersion: v1,
      kind: "GatewayClass",
      metadata: { name: "eg" },
      spec: {
        controllerName: "gateway.envoyproxy.io/gatewayclass-controller",
        parametersRef: { group: "gateway.envoyproxy.io", kind: "EnvoyProxy", name: "machine", namespace },
      },
    },
    {
      apiVersion: v1alpha1,
      kind: "EnvoyProxy",
      metadata: metadata("machine"),
      // Several Gateways are several Envoys on this machine.
      spec: {
        concurrency: 2,
        extraArgs: ["--use-dynamic-base-id"],
        provider: { type: "Host", host: { envoyVersion } },
      },
    },
    gateway(gateway_name, gateway_port),
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: metadata("server"),
      type: "kubernetes.io/tls",
      data: { "tls.crt": base64(server.certificatePem), "tls.key": base64(server.privateKeyPem) },
    },
    bundleOf(authority.certificatePem),
    route(route_name, "/"),
    {
      apiVersion: v1alpha1,
      kind: "Backend",
      metadata: metadata("orders"),
      spec: { endpoints: [{ ip: { address: "127.0.0.1", port: upstreamPort } }] },
    },
  ];
}

/** A Gateway with one listener, for HTTPS. */
export function gateway(name: string, port: number): Resource {
  const tls = { mode: "Terminate", certificateRefs: [{ name: "server" }] };
  return {
    apiVersion: v1,
    kind: "Gateway",
    metadata: metadata(name),
    spec: { gatewayClassName: "eg", listeners: [{ name: "https", protocol: "HTTPS", port, tls }] },
  };
}

/** The trust bundle of a domain, by the name that manifests have for it. */
export function bundleOf(certificatesPem: string, trustDomain = "example.org"): Resource {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: metadata(`sallyport-trust-bundle.${trustDomain}`),
    data: { "ca.crt": certificatesPem },
  };
}

/** A route of all requests below a path to the order API. */
export function route(name: string, path: string, parent = gateway_name): Resource {
  const backend = { group: "gateway.envoyproxy.io", kind: "Backend", name: "orders" };
  return {
    apiVersion: v1,
    kind: "HTTPRoute",
    metadata: metadata(name),
    spec: {
      parentRefs: [{ name: parent }],
      rules: [{ matches: [{ path: { type: "PathPrefix", value: path } }], backendRefs: [backend] }],
    },
  };
}

/** Policies of a route's own are for it by this. */
export const routeTarget = (name: string): Resource => ({
  targetRefs: [{ group: gateway_api, kind: "HTTPRoute", name }],
});
