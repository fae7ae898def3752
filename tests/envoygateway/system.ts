/** A running Envoy Gateway, which reads resources from a file and starts an Envoy for each Gateway. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import { envoyVersion } from "../../scripts/envoy/find.ts";
import { must } from "../fleet/systems.ts";
import { until } from "../support/until.ts";

/** Where Envoy looks for the authority of the server that hands out modules. */
export const ca_folder = "/certs";
/** The name by which Envoy fetches modules from Envoy Gateway. */
const own_name = "envoy-gateway.envoy-gateway-system.svc.cluster.local";
const stop_timeout_ms = 10_000;

// biome-ignore lint/suspicious/noExplicitAny: resources are as their systems have them.
export type Resource = any;

/** What a program must be called by, and where it is. */
function fromEnvironment(name: string): string {
  const path = process.env[name];
  assert.ok(path, `${name} is not set: run this by \`npm run test:envoy-gateway\``);
  return path;
}

export class EnvoyGateway {
  readonly folder: string;
  /** Of the Envoys it starts. */
  readonly envoyVersion: string;
  #child: ChildProcess | undefined;

  private constructor(folder: string, version: string) {
    this.folder = folder;
    this.envoyVersion = version;
  }

  /** Prepares a folder, with the keys that Envoy Gateway makes for itself. */
  static async prepare(folder: string): Promise<EnvoyGateway> {
    const program = fromEnvironment("ENVOY_GATEWAY");
    const envoy = fromEnvironment("ENVOY");
    const version = (await envoyVersion(envoy)) ?? "";
    const gateway = new EnvoyGateway(folder, version);
    const own = gateway.#path(join("data", "envoy-versions", version, "bin"));
    for (const name of ["config", "state", "runtime", "resources", "home"]) {
      await mkdir(gateway.#path(name), { recursive: true });
    }
    await mkdir(own, { recursive: true });
    // An Envoy that lies where it would be downloaded to is taken as it is.
    await copyFile(envoy, join(own, "envoy"));
    const home = { HOME: gateway.#path("home") };
    await must(program, ["certgen", "--local", "--config-home", gateway.#path("config")], folder, home);
    const hosts = `${await readFile("/etc/hosts", "utf8")}\n127.0.0.1 ${own_name}\n`;
    await writeFile(gateway.#path("hosts"), hosts);
    await must("mount", ["--bind", gateway.#path("hosts"), "/etc/hosts"], folder);
    await must("mount", ["--bind", gateway.#path("config/certs/envoy"), ca_folder], folder);
    await writeFile(gateway.#path("envoy-gateway.yaml"), stringify(gateway.#configuration()));
    return gateway;
  }

  #path(name: string): string {
    return join(this.folder, name);
  }

  #configuration(): Resource {
    return {
      apiVersion: "gateway.envoyproxy.io/v1alpha1",
      kind: "EnvoyGateway",
      gateway: { controllerName: "gateway.envoyproxy.io/gatewayclass-controller" },
      provider: {
        type: "Custom",
        custom: {
          resource: { type: "File", file: { paths: [this.#path("resources")] } },
          infrastructure: {
            type: "Host",
            host: {
              configHome: this.#path("config"),
              dataHome: this.#path("data"),
              stateHome: this.#path("state"),
              runtimeDir: this.#path("runtime"),
            },
          },
        },
      },
      logging: { level: { default: "info" } },
      // Backends stand for services, which need Kubernetes. Patches and Lua are what others may bring with them.
      extensionApis: { enableBackend: true, enableEnvoyPatchPolicy: true, enableLua: true },
    };
  }

  /** The key pair that Envoys show to Envoy Gateway; in Kubernetes the installation makes a Secret of it. */
  async ownSecret(): Promise<Resource> {
    const base64 = async (name: string): Promise<string> =>
      (await readFile(this.#path(`config/certs/envoy/${name}`))).toString("base64");
    const names = ["tls.crt", "tls.key", "ca.crt"];
    return {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "envoy", namespace: "envoy-gateway-system" },
      type: "kubernetes.io/tls",
      data: Object.fromEntries(await Promise.all(names.map(async (name) => [name, await base64(name)]))),
    };
  }

  /** Starts it, with the resources that are there. */
  start(): void {
    // Envoy opens /dev/stdout for its access log, which it cannot where that is a socket.
    const output = openSync(this.#path("output"), "a");
    const log = openSync(this.#path("log"), "a");
    this.#child = spawn(
      fromEnvironment("ENVOY_GATEWAY"),
      ["server", "--config-path", this.#path("envoy-gateway.yaml")],
      { cwd: this.folder, stdio: ["ignore", output, log], env: { ...process.env, HOME: this.#path("home") } },
    );
    closeSync(output);
    closeSync(log);
  }

  /** Has it read these resources in place of what it had. */
  async apply(resources: readonly Resource[]): Promise<void> {
    // It takes one EnvoyProxy out of a file, whatever others are in it.
    const isProxy = ({ kind }: Resource): boolean => kind === "EnvoyProxy";
    for (const proxy of resources.filter(isProxy)) await this.#publish(`proxy-${proxy.metadata.name}`, [proxy]);
    await this.#publish(
      "resources",
      resources.filter((resource) => !isProxy(resource)),
    );
  }

  async #publish(name: string, resources: readonly Resource[]): Promise<void> {
    const text = resources.map((resource) => stringify(resource, { aliasDuplicateObjects: false })).join("---\n");
    const path = this.#path(`resources/${name}.yaml`);
    if ((await readFile(path, "utf8").catch(() => "")) === text) return;
    await writeFile(this.#path("next.yaml"), text);
    await rename(this.#path("next.yaml"), path);
  }

  /** All that Envoy Gateway and its Envoys wrote. */
  async log(): Promise<string> {
    const read = (name: string): Promise<string> => readFile(this.#path(name), "utf8").catch(() => "");
    return `${await read("output")}\n${await read("log")}`;
  }

  /** Base URLs of the admin interfaces of its Envoys, the one that started last first. */
  async admins(): Promise<string[]> {
    const names = await readdir(this.#path("runtime"), { recursive: true });
    const found = names
      .filter((name) => name.endsWith("admin-address.txt"))
      .map((name) => this.#path(`runtime/${name}`));
    const files = await Promise.all(
      found.map(async (path) => ({
        startedMs: (await stat(path)).mtimeMs,
        address: (await readFile(path, "utf8")).trim(),
      })),
    );
    return files
      .filter(({ address }) => address !== "")
      .sort((a, b) => b.startedMs - a.startedMs)
      .map(({ address }) => `http://${address}`);
  }

  /** The admin interface of the Envoy that started last, once there is one. */
  async admin(): Promise<string> {
    let found: string | undefined;
    await until("an Envoy has started", async () => {
      this.#checkAlive(await this.log());
      [found] = await this.admins();
      return found !== undefined;
    });
    return found!;
  }

  #checkAlive(log: string): void {
    const child = this.#child;
    if (child === undefined || child.exitCode === null) return;
    throw new Error(`Envoy Gateway has ended with ${child.exitCode}:\n${log.split("\n").slice(-20).join("\n")}`);
  }

  /** Ends it, and its Envoys with it; the folder may be removed then. */
  async stop(): Promise<void> {
    await this.#end();
    for (const place of ["/etc/hosts", ca_folder]) await must("umount", [place], "/");
  }

  async #end(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    const inTime = await Promise.race([ended.then(() => true), sleep(stop_timeout_ms, false, { ref: false })]);
    if (!inTime) child.kill("SIGKILL");
    await ended;
  }
}
