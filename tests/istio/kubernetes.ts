/** Kubernetes without nodes: etcd and the API server, which keep resources and start nothing. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { stringify } from "yaml";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import { until } from "../support/until.ts";
import { Daemon } from "./daemon.ts";
import type { KubernetesPrograms } from "./programs.ts";

const etcd_url = "http://127.0.0.1:2379";
const api_port = 16443;

// biome-ignore lint/suspicious/noExplicitAny: resources are as their systems have them.
export type Resource = any;

export class Kubernetes {
  readonly folder: string;
  readonly #programs: KubernetesPrograms;
  readonly #daemons: Daemon[] = [];

  /** @param folder for its data, certificates and logs */
  constructor(folder: string, programs: KubernetesPrograms) {
    this.folder = folder;
    this.#programs = programs;
  }

  /** A file in its folder. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** Starts a program that ends with it. */
  run(name: string, program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Daemon {
    const daemon = new Daemon(name, this.folder, program, args, { env });
    this.#daemons.push(daemon);
    daemon.start();
    return daemon;
  }

  /** Starts both, and waits until resources can be applied. */
  async startApi(): Promise<void> {
    const { etcd, "kube-apiserver": apiserver } = this.#programs;
    await mkdir(this.path("certificates"));
    const peer_url = "http://127.0.0.1:2380";
    this.run("etcd", etcd, [
      ...["--data-dir", this.path("etcd"), "--unsafe-no-fsync", "--listen-peer-urls", peer_url],
      ...["--listen-client-urls", etcd_url, "--advertise-client-urls", etcd_url],
      ...["--initial-advertise-peer-urls", peer_url, "--initial-cluster", `default=${peer_url}`],
    ]);
    const { privateKey } = makeKeyPair("rsa", { modulusLength: 2048 });
    const keyPath = this.path("accounts.key");
    await writeFile(keyPath, privateKey.export({ type: "pkcs1", format: "pem" }), { mode: 0o600 });
    await writeFile(this.path("tokens.csv"), 'admin,admin,admin,"system:masters"\n');
    await writeFile(
      this.path("kubeconfig"),
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
    const server = this.run("apiserver", apiserver, [
      ...[`--etcd-servers=${etcd_url}`, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"],
      ...[`--secure-port=${api_port}`, `--cert-dir=${this.path("certificates")}`],
      ...[`--service-account-key-file=${keyPath}`, `--service-account-signing-key-file=${keyPath}`],
      ...["--service-account-issuer=https://kubernetes.default.svc", `--token-auth-file=${this.path("tokens.csv")}`],
      ...["--authorization-mode=RBAC", "--service-cluster-ip-range=10.99.0.0/16", "--endpoint-reconciler-type=none"],
      // Pods would need accounts, and there are none.
      "--disable-admission-plugins=ServiceAccount",
    ]);
    await until("the API server is ready", async () => {
      await server.checkAlive();
      return (await this.try(["get", "--raw", "/readyz"])).code === 0;
    });
  }

  /** Runs kubectl; what it printed. Throws where it fails. */
  async kubectl(args: readonly string[], input = ""): Promise<string> {
    const { code, stdout, stderr } = await this.try(args, input);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** The same, with its exit code. */
  async try(args: readonly string[], input = ""): Promise<{ code: number; stdout: string; stderr: string }> {
    const child = spawn(this.#programs.kubectl, ["--kubeconfig", this.path("kubeconfig"), ...args], {
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

  /** What a program wrote that was started here. */
  async logOf(name: string): Promise<string> {
    return (await this.#daemons.find((one) => one.name === name)?.log()) ?? "";
  }

  async stop(): Promise<void> {
    for (const daemon of this.#daemons.toReversed()) await daemon.stop();
  }
}
