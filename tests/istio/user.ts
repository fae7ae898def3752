/** What a user of Istio has before Sallyport comes: a workload with a sidecar, a gateway that leads to it, and a mesh configuration. */
import { discovery_address, mesh_domain, type Resource } from "./controlplane.ts";

/** Where the workload's sidecar takes requests, and where the workload listens. */
export const sidecar_port = 9080;
export const workload_port = 18080;
export const gateway_port = 8080;
export const workload = "web";
export const selector = { app: workload };
const host = "web.example.test";
const address = "10.10.0.2";

/** Addresses of the proxies on this machine. */
export const addresses = { gateway: "10.10.0.1", workload: address };

export const meshConfig: Resource = {
  trustDomain: mesh_domain,
  enableTracing: false,
  defaultConfig: { discoveryAddress: discovery_address },
};

const metadata = (name: string): Resource => ({ name, namespace: "default" });
const networking = "networking.istio.io/v1";

export const usersResources: readonly Resource[] = [
  {
    apiVersion: networking,
    kind: "Sidecar",
    metadata: metadata(workload),
    spec: {
      workloadSelector: { labels: selector },
      ingress: [
        {
          port: { number: sidecar_port, protocol: "HTTP", name: "http" },
          bind: "0.0.0.0",
          captureMode: "NONE",
          defaultEndpoint: `127.0.0.1:${workload_port}`,
        },
      ],
      egress: [{ hosts: ["~/*"] }],
    },
  },
  {
    apiVersion: networking,
    kind: "ServiceEntry",
    metadata: metadata(workload),
    spec: {
      hosts: [host],
      location: "MESH_INTERNAL",
      ports: [{ number: 80, name: "http", protocol: "HTTP" }],
      resolution: "STATIC",
      endpoints: [
        {
          address,
          ports: { http: sidecar_port },
          labels: { ...selector, "security.istio.io/tlsMode": "istio" },
          serviceAccount: workload,
        },
      ],
    },
  },
  {
    apiVersion: networking,
    kind: "Gateway",
    metadata: metadata("gateway"),
    spec: {
      selector: { app: "gateway" },
      servers: [{ port: { number: gateway_port, name: "http", protocol: "HTTP" }, hosts: ["*"] }],
    },
  },
  {
    apiVersion: networking,
    kind: "VirtualService",
    metadata: metadata(workload),
    spec: {
      hosts: ["*"],
      gateways: ["gateway"],
      http: [{ route: [{ destination: { host, port: { number: 80 } } }] }],
    },
  },
];
