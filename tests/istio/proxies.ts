/** Istio's agents: each starts an Envoy that istiod programs, as in a pod, or writes certificates of the mesh for a client. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Identity } from "../../scripts/envoy/certificates.ts";
import { until } from "../support/until.ts";
import { type ControlPlane, discovery_address, mesh_domain, programs, type Resource } from "./controlplane.ts";
import { Daemon } from "./daemon.ts";

/** The workers of each Envoy. */
export const workers = 2;

/** A proxy's place in the mesh. */
export interface ProxyPlace {
  name: string;
  kind: "sidecar" | "router";
  address: string;
  /** Its service account. */
  account: string;
  /** The agent's and Envoy's ports are this one and some above. */
  firstPort: number;
  /** Of pod annotations: what is merged into the proxy's configuration, and a bootstrap to merge into Envoy's. */
  proxyConfig?: Resource;
  bootstrapOverride?: string;
}

/** What an agent needs, whatever it starts. */
async function prepare(plane: ControlPlane, name: string, account: string): Promise<string> {
  const folder = join(plane.folder, name);
  for (const part of ["tokens", "istio", "workload-spiffe-uds"])
    await mkdir(join(folder, "var/run/secrets", part), { recursive: true });
  for (const part of ["proxy", "pod"]) await mkdir(join(folder, "etc/istio", part), { recursive: true });
  const token = await plane.kubectl(["create", "token", account, "--audience", "istio-ca"]);
  const root = ["get", "configmap", "istio-ca-root-cert", "-o", "jsonpath={.data.root-cert\\.pem}"];
  await writeFile(join(folder, "var/run/secrets/tokens/istio-token"), token);
  await writeFile(join(folder, "var/run/secrets/istio/root-cert.pem"), await plane.kubectl(root));
  return folder;
}

/** What a pod has in its environment. */
function environment(name: string, address: string, account: string, firstPort: number): NodeJS.ProcessEnv {
  return {
    CA_ADDR: discovery_address,
    POD_NAME: `${name}-0`,
    POD_NAMESPACE: "default",
    INSTANCE_IP: address,
    SERVICE_ACCOUNT: account,
    TRUST_DOMAIN: mesh_domain,
    ISTIO_META_CLUSTER_ID: "Kubernetes",
    ISTIOD_SAN: "istiod.istio-system.svc",
    ISTIO_METAJSON_LABELS: JSON.stringify({ app: name }),
    ENVOY_PROMETHEUS_PORT: String(firstPort + 2),
    ENVOY_STATUS_PORT: String(firstPort + 3),
  };
}

export class MeshProxy {
  readonly place: ProxyPlace;
  readonly #daemon: Daemon;

  private constructor(place: ProxyPlace, daemon: Daemon) {
    this.place = place;
    this.#daemon = daemon;
  }

  /** @param registry host and port of a registry that speaks plain HTTP */
  static async start(plane: ControlPlane, place: ProxyPlace, registry: string): Promise<MeshProxy> {
    const { name, kind, address, account, firstPort, proxyConfig = {}, bootstrapOverride } = place;
    const folder = await prepare(plane, name, account);
    const { envoy, "pilot-agent": agent, "envoy_bootstrap.json": template } = programs();
    const config = {
      discoveryAddress: discovery_address,
      statusPort: firstPort + 1,
      proxyAdminPort: firstPort,
      binaryPath: envoy,
      configPath: "./etc/istio/proxy",
      concurrency: workers,
      ...proxyConfig,
    };
    const args = ["proxy", kind, "--templateFile", template, "--domain", "default.svc.cluster.local"];
    const daemon = new Daemon(name, plane.folder, agent, args, {
      cwd: folder,
      env: {
        ...environment(name, address, account, firstPort),
        PROXY_CONFIG: JSON.stringify(config),
        WASM_INSECURE_REGISTRIES: registry,
        // No iptables here: a Sidecar resource says where it listens.
        ...(kind === "sidecar" && { ISTIO_META_INTERCEPTION_MODE: "NONE" }),
        ...(bootstrapOverride !== undefined && { ISTIO_BOOTSTRAP_OVERRIDE: bootstrapOverride }),
      },
    });
    daemon.start();
    const proxy = new MeshProxy(place, daemon);
    await until(`the agent of ${name} says that its Envoy is ready`, async () => {
      await daemon.checkAlive();
      const answer = await fetch(`http://127.0.0.1:${firstPort + 1}/healthz/ready`).catch(() => undefined);
      return answer?.status === 200;
    });
    return proxy;
  }

  /** Base URL of Envoy's admin interface. */
  get admin(): string {
    return `http://127.0.0.1:${this.place.firstPort}`;
  }

  /** What the agent tells Prometheus of itself and its Envoy. */
  async prometheus(): Promise<string[]> {
    const answer = await fetch(`http://127.0.0.1:${this.place.firstPort + 1}/stats/prometheus`);
    return (await answer.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  }

  /** What agent and Envoy wrote: Envoy's log, and its access log. */
  log(): Promise<string> {
    return this.#daemon.log();
  }

  async stop(): Promise<void> {
    // The agent ends its Envoy, which would go on listening.
    await this.#daemon.stop("SIGTERM");
  }
}

/** A certificate of the mesh for a service account, by an agent that starts no Envoy; and the mesh's authority. */
export async function meshIdentity(
  plane: ControlPlane,
  account: string,
  firstPort: number,
): Promise<{ identity: Identity; authorityPem: string }> {
  const name = `client-${account}`;
  const folder = await prepare(plane, name, account);
  const out = join(folder, "certificates");
  await mkdir(out);
  const config = { discoveryAddress: discovery_address, statusPort: firstPort + 1, proxyAdminPort: firstPort };
  const daemon = new Daemon(
    name,
    plane.folder,
    programs()["pilot-agent"],
    ["proxy", "sidecar", "--domain", "default.svc.cluster.local"],
    {
      cwd: folder,
      env: {
        ...environment(name, "127.0.0.1", account, firstPort),
        PROXY_CONFIG: JSON.stringify(config),
        OUTPUT_CERTS: out,
        DISABLE_ENVOY: "true",
      },
    },
  );
  daemon.start();
  const read = (file: string): Promise<string> => readFile(join(out, file), "utf8").catch(() => "");
  try {
    await until(`a certificate for ${account} has come`, async () => {
      await daemon.checkAlive();
      const files = await Promise.all(["cert-chain.pem", "key.pem", "root-cert.pem"].map(read));
      return files.every((text) => text.trimEnd().endsWith("-----"));
    });
    return {
      identity: { certificatePem: await read("cert-chain.pem"), privateKeyPem: await read("key.pem") },
      authorityPem: await read("root-cert.pem"),
    };
  } finally {
    await daemon.stop();
  }
}
