/** A control plane of Istio without nodes: etcd, Kubernetes' API server with Istio's kinds of resources, and istiod. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { stringify } from "yaml";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import { must } from "../fleet/systems.ts";
import { until } from "../support/until.ts";
import { Daemon } from "./daemon.ts";
import type { Programs } from "./programs.ts";

/** Where istiod hands out certificates and configuration. */
export const discovery_address = "127.0.0.1:25012";
export const mesh_domain = "example.org";
const etcd_url = "http://127.0.0.1:2379";
const api_port = 16443;
const ready_url = "http://127.0.0.1:25080/ready";

// biome-ignore lint/suspicious/noExplicitAny: resources are as their systems have them.
export type Resource = any;

/** The programs that main.ts has found. */
export function programs(): Programs {
  const { ISTIO_PROGRAMS } = process.env;
  assert.ok(ISTIO_PROGRAMS, "ISTIO_PROGRAMS is not set: run this by `npm run test:istio`");
  return JSON.parse(ISTIO_PROGRAMS);
}

export class ControlPlane {
  readonly folder: string;
  readonly #daemons: Daemon[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  /**
   * @param mesh istiod's configuration
   * @param accounts service accounts of the namespace `default`
   */
  static async start(folder: string, mesh: Resource, accounts: readonly string[]): Promise<ControlPlane> {
    const plane = new ControlPlane(folder);
    try {
      await plane.#startKubernetes();
      await plane.kubectl(["apply", "--server-side", "-f", programs()["crds.yaml"]]);
      await plane.kubectl(["create", "namespace", "istio-system"]);
      for (const name of accounts) await plane.kubectl(["create", "serviceaccount", name]);
      await plane.kubectl(["wait", "--for", "condition=established", "crd", "--all", "--timeout=60s"]);
      await plane.#startIstiod(mesh);
      return plane;
    } catch (error) {
      await plane.stop();
      throw error;
    }
  }

  #path(name: string): string {
    return join(this.folder, name);
  }

  #run(name: string, program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Daemon {
    const daemon = new Daemon(name, this.folder, program, args, { env });
    this.#daemons.push(daemon);
    daemon.start();
    return daemon;
  }

  async #startKubernetes(): Promise<void> {
    const { etcd, "kube-apiserver": apiserver } = programs();
    await mkdir(this.#path("certificates"));
    const peer_url = "http://127.0.0.1:2380";
    this.#run("etcd", etcd, [
      ...["--data-dir", this.#path("etcd"), "--unsafe-no-fsync", "--listen-peer-urls", peer_url],
      ...["--listen-client-urls", etcd_url, "--advertise-client-urls", etcd_url],
      ...["--initial-advertise-peer-urls", peer_url, "--initial-cluster", `default=${peer_url}`],
    ]);
    const { privateKey } = makeKeyPair("rsa", { modulusLength: 2048 });
    const keyPath = this.#path("accounts.key");
    await writeFile(keyPath, privateKey.export({ type: "pkcs1", format: "pem" }), { mode: 0o600 });
    await writeFile(this.#path("tokens.csv"), 'admin,admin,admin,"system:masters"\n');
    await writeFile(
      this.#path("kubeconfig"),
      stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [
          { name: "here", cluster: { server: `https://127.0.0.1:${api_port}`, "insecure-skip-tls-verify": true } },
        ],
        users: [{ name: "admin", user: { token: "admin" } }],
        contexts: [{ name: "here", context: { cluster: "here", user: "admin" } }],
        "current-context": "here",
      }),
    );
    const server = this.#run("apiserver", apiserver, [
      ...[`--etcd-servers=${etcd_url}`, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"],
      ...[`--secure-port=${api_port}`, `--cert-dir=${this.#path("certificates")}`],
      ...[`--service-account-key-file=${keyPath}`, `--service-account-signing-key-file=${keyPath}`],
      ...["--service-account-issuer=https://kubernetes.default.svc", `--token-auth-file=${this.#path("tokens.csv")}`],
      ...["--authorization-mode=RBAC", "--service-cluster-ip-range=10.99.0.0/16", "--endpoint-reconciler-type=none"],
      // Pods would need accounts, and there are none.
      "--disable-admission-plugins=ServiceAccount",
    ]);
    await until("the API server is ready", async () => {
      await server.checkAlive();
      return (await this.#try(["get", "--raw", "/readyz"])).code === 0;
    });
  }

  async #startIstiod(mesh: Resource): Promise<void> {
    await writeFile(this.#path("mesh.yaml"), stringify(mesh));
    const istiod = this.#run(
      "istiod",
      programs()["pilot-discovery"],
      [
        ...["discovery", "--kubeconfig", this.#path("kubeconfig"), "--meshConfig", this.#path("mesh.yaml")],
        ...["--grpcAddr", "127.0.0.1:25010", "--httpAddr", "127.0.0.1:25080", "--httpsAddr", ""],
        ...["--secureGRPCAddr", discovery_address, "--monitoringAddr", "127.0.0.1:25014", "--ctrlz_port", "0"],
      ],
      {
        ENABLE_CA_SERVER: "true",
        // Filters of Istio's own Envoy, which others refuse.
        PILOT_ENABLE_METADATA_EXCHANGE: "false",
        PILOT_ENABLE_ALPN_FILTER: "false",
      },
    );
    await until("istiod is ready, and its authority is known", async () => {
      await istiod.checkAlive();
      const { status } = (await fetch(ready_url).catch(() => undefined)) ?? {};
      return status === 200 && (await this.#try(["get", "configmap", "istio-ca-root-cert"])).code === 0;
    });
  }

  /** Runs kubectl; what it printed. Throws where it fails. */
  async kubectl(args: readonly string[], input = ""): Promise<string> {
    const { code, stdout, stderr } = await this.#try(args, input);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  async #try(args: readonly string[], input = ""): Promise<{ code: number; stdout: string; stderr: string }> {
    const child = spawn(programs().kubectl, ["--kubeconfig", this.#path("kubeconfig"), ...args], {
      // It keeps what it has learnt of the API server at home.
      env: { ...process.env, HOME: this.folder },
    });
    child.stdin.end(input);
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    return { code, stdout, stderr };
  }

  /** Applies resources that are given as data. */
  async apply(...resources: Resource[]): Promise<void> {
    await this.kubectl(["apply", "-f", "-"], resources.map((one) => stringify(one)).join("---\n"));
  }

  /** What istiod wrote. */
  async log(): Promise<string> {
    return (await this.#daemons.find(({ name }) => name === "istiod")?.log()) ?? "";
  }

  async stop(): Promise<void> {
    for (const daemon of this.#daemons.toReversed()) await daemon.stop();
  }
}

/** Gives the folder that agents keep modules in a place that is ours; they know no other way. */
export async function mountAgentsFolder(folder: string): Promise<void> {
  const own = join(folder, "lib");
  await mkdir(join(own, "istio/data"), { recursive: true });
  await must("mount", ["--bind", own, "/var/lib"], folder);
}
