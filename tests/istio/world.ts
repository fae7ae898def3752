/**
 * A user's mesh, and what Sallyport makes for it: an image that `sallyport oci` pushes into a registry, and the files that `sallyport manifest`
 * writes, which are applied as docs/istio.md says. Nothing that belongs to Sallyport is written by hand.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import { type LocalIssuer, makeIssuer } from "../../scripts/envoy/issuer.ts";
import type { AuditRecord } from "../../scripts/evaluate/record.ts";
import { sallyportBeside } from "../cli/program.ts";
import { must } from "../fleet/systems.ts";
import { until } from "../support/until.ts";
import { type Asked, MeshClient } from "./client.ts";
import { ControlPlane, mountAgentsFolder, type Resource } from "./controlplane.ts";
import { Daemon } from "./daemon.ts";
import { MeshProxy, meshIdentity } from "./proxies.ts";
import { addresses, meshConfig, selector, usersResources, workload, workload_port } from "./user.ts";

const registry = "127.0.0.1:5000";
const account = (name: string): string => `spiffe://example.org/ns/default/sa/${name}`;
export const client_id = account("client");
export const stranger_id = account("stranger");
export const gateway_id = account("gateway");

/** The policy of the tests. */
export const web_policy = `version: 1
name: web
trust: { domains: [example.org] }
issuers:
  corp: { issuer: "https://issuer.example.org", audiences: [order-api], algorithms: [ES256], keys: { file: corp.jwks.json } }
rules:
  - { name: reads, callers: [${client_id}, ${gateway_id}], allow: ["GET /orders/{id}"] }
  - { name: places, callers: [${client_id}], allow: [POST /orders], token: corp, scopes: [orders:write] }
  - { name: office, callers: [${client_id}], allow: [GET /office], when: 'cidr("203.0.113.0/24").containsIP(source.ip)' }
  - { name: here, callers: [${client_id}], allow: [GET /here], when: 'cidr("127.0.0.0/8").containsIP(source.ip)' }
`;

/** What reached the workload. */
interface Received {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
}

/** A line of the access log. */
export interface LoggedRequest {
  path: string;
  status: number;
  details: string;
  record: AuditRecord | undefined;
}

export class World {
  readonly folder: string;
  readonly corp: LocalIssuer;
  /** Oldest first. */
  readonly received: Received[] = [];
  plane!: ControlPlane;
  sidecar!: MeshProxy;
  client!: MeshClient;
  stranger!: MeshClient;
  readonly #closers: (() => unknown)[] = [];

  private constructor(folder: string, corp: LocalIssuer) {
    this.folder = folder;
    this.corp = corp;
  }

  /** A mesh with the user's workload and its sidecar, where istiod and the pod know of Sallyport, and nothing of it is applied yet. */
  static async start(policy = web_policy): Promise<World> {
    const folder = await mkdtemp(join(tmpdir(), "sallyport-istio-"));
    const world = new World(folder, await makeIssuer({ issuer: "https://issuer.example.org", audience: "order-api" }));
    try {
      await world.#start(policy);
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  async #start(policy: string): Promise<void> {
    for (const address of Object.values(addresses))
      await must("ip", ["address", "replace", `${address}/32`, "dev", "lo"], this.folder);
    await mountAgentsFolder(this.folder);
    this.#closers.push(() => must("umount", ["/var/lib"], "/"));
    await this.#serve();
    await this.#startRegistry();
    await this.write("corp.jwks.json", JSON.stringify(this.corp.jwks));
    await this.write("policy.yaml", policy);
    await this.manifest("policy.yaml", await this.push("policy.yaml"));
    const { meshConfig: own } = await this.read("mesh-config.yaml");
    const accounts = ["client", "stranger", "gateway", workload];
    this.plane = await ControlPlane.start(this.folder, { ...meshConfig, ...own }, accounts);
    this.#closers.push(() => this.plane.stop());
    await this.plane.apply(...usersResources);
    this.sidecar = await this.#startSidecar();
    this.#closers.push(() => this.sidecar.stop());
    this.client = await this.#clientOf("client", 25400);
    this.stranger = await this.#clientOf("stranger", 25500);
  }

  /** The workload: it answers everything. */
  async #serve(): Promise<void> {
    const server = createServer(({ method = "", url = "", headers }, response) => {
      this.received.push({ method, path: url, headers });
      response.end("an order");
    });
    server.listen(workload_port, "127.0.0.1");
    await once(server, "listening");
    this.#closers.push(() => {
      server.closeAllConnections();
      server.close();
    });
  }

  async #startRegistry(): Promise<void> {
    const storage = { filesystem: { rootdirectory: join(this.folder, "registry") } };
    // JSON is YAML.
    await this.write("registry.yml", JSON.stringify({ version: "0.1", storage, http: { addr: registry } }));
    const daemon = new Daemon("docker-registry", this.folder, "docker-registry", ["serve", "registry.yml"]);
    daemon.start();
    this.#closers.push(() => daemon.stop());
    await until("the registry answers", async () => {
      await daemon.checkAlive();
      return (await fetch(`http://${registry}/v2/`).catch(() => undefined))?.status === 200;
    });
  }

  /** The sidecar as Istio's injector starts it for a pod with the annotations that `manifest` writes. */
  async #startSidecar(): Promise<MeshProxy> {
    const { annotations } = (await this.read("pod-annotations.yaml")).spec.template.metadata;
    const bootstrap = await this.read("60-bootstrap.yaml");
    assert.equal(annotations["sidecar.istio.io/bootstrapOverride"], bootstrap.metadata.name);
    await this.write("custom_bootstrap.json", bootstrap.data["custom_bootstrap.json"]);
    const place = {
      name: workload,
      kind: "sidecar",
      address: addresses.workload,
      account: workload,
      firstPort: 25100,
      proxyConfig: JSON.parse(annotations["proxy.istio.io/config"]),
      bootstrapOverride: join(this.folder, "custom_bootstrap.json"),
    } as const;
    return MeshProxy.start(this.plane, place, registry);
  }

  /** A gateway of the mesh, which calls the workload for whoever calls it. */
  async startGateway(): Promise<void> {
    const place = { name: "gateway", kind: "router", address: addresses.gateway, account: "gateway" } as const;
    const gateway = await MeshProxy.start(this.plane, { ...place, firstPort: 25000 }, registry);
    this.#closers.push(() => gateway.stop());
  }

  async #clientOf(name: string, firstPort: number): Promise<MeshClient> {
    const { identity, authorityPem } = await meshIdentity(this.plane, name, firstPort);
    const client = new MeshClient(identity, authorityPem);
    this.#closers.push(() => client.close());
    return client;
  }

  async write(name: string, content: string): Promise<void> {
    await writeFile(join(this.folder, name), content);
  }

  /** A file that `manifest` wrote. */
  async read(name: string, folder = "manifest"): Promise<Resource> {
    return parse(await readFile(join(this.folder, folder, name), "utf8"));
  }

  /** Runs the command line in the folder; what it printed. */
  async sallyport(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await sallyportBeside(args, this.folder);
    assert.equal(code, 0, `sallyport ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** Pushes the image of a policy; the options that tell `manifest` of it. */
  async push(policy: string, tag = "1"): Promise<string[]> {
    const image = `${registry}/sallyport/web:${tag}`;
    const args = ["--push", image, "--no-revision", "--format", "json"];
    const { digest } = JSON.parse(await this.sallyport("oci", policy, ...args));
    return ["--image", `${image}@${digest}`];
  }

  /** Has `manifest` write its files for a policy. */
  async manifest(policy: string, module: readonly string[], folder = "manifest"): Promise<void> {
    const labels = Object.entries(selector).map((pair) => pair.join("="));
    const place = ["--selector", labels.join(), "-o", folder];
    await this.sallyport("manifest", "--for", "istio", policy, ...module, ...place);
  }

  /** Applies some of the files that `manifest` wrote, by their names or what these begin with. */
  async apply(names: readonly string[], folder = "manifest"): Promise<void> {
    const { resources } = (await this.read("kustomization.yaml", folder)) as { resources: string[] };
    const chosen = resources.filter((file) => names.some((name) => file.startsWith(name)));
    assert.ok(chosen.length >= names.length, `${names.join()} of ${resources.join()}`);
    await this.plane.kubectl(["apply", ...chosen.flatMap((file) => ["-f", join(this.folder, folder, file)])]);
  }

  async delete(name: string, folder = "manifest"): Promise<void> {
    await this.plane.kubectl(["delete", "-f", join(this.folder, folder, name)]);
  }

  /** Applies all that `manifest` wrote, and waits until the filter admits. */
  async install(): Promise<void> {
    await this.plane.kubectl(["apply", "-k", join(this.folder, "manifest")]);
    // Before, everybody passes.
    await this.untilStatus(403, {}, this.stranger);
    await this.untilStatus(200);
  }

  /** Gives the plugin a policy by its configuration, as docs/istio.md has it. */
  async configure(policy: string): Promise<void> {
    await this.sallyport("image", policy, "-o", "policy.bin");
    const image = (await readFile(join(this.folder, "policy.bin"))).toString("base64");
    await this.patchPlugin({ pluginConfig: { policy: image } });
  }

  async patchPlugin(spec: Resource): Promise<void> {
    const patch = ["--type", "merge", "--patch", JSON.stringify({ spec })];
    await this.plane.kubectl(["patch", "wasmplugin", "sallyport-web", ...patch]);
  }

  /** Waits until a request is answered so. */
  async untilStatus(status: number, asked: Asked = {}, client = this.client): Promise<void> {
    let last = -1;
    try {
      await until(`a request is answered with ${status}`, async () => {
        last = await client.status(asked);
        return last === status;
      });
    } catch (error) {
      const lines = (await this.sidecar.log())
        .split("\n")
        .filter((line) => /error|critical|wasm/iu.test(line) && !/NOT ready|Envoy command|proxy config/u.test(line));
      throw new Error(`${(error as Error).message}, but ${last}:\n${lines.slice(-20).join("\n")}`);
    }
  }

  /**
   * Sends requests that nothing may admit, one after the other, while something is done.
   * @returns how often each status came
   */
  async whileKnocking(asked: Asked, action: () => Promise<void>): Promise<Map<number, number>> {
    const statuses = new Map<number, number>();
    let isOver = false;
    const knocking = (async () => {
      while (!isOver) {
        const status = await this.stranger.status(asked);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        await sleep(10);
      }
    })();
    try {
      await action();
    } finally {
      isOver = true;
      await knocking;
    }
    return statuses;
  }

  /** The sidecar's access log, once it has a line for a path. */
  async logged(path: string): Promise<LoggedRequest> {
    let found: LoggedRequest | undefined;
    // Envoy writes its log every ten seconds.
    await until(`the access log has ${path}`, async () => {
      found = (await this.accessLog()).findLast((line) => line.path === path);
      return found !== undefined;
    });
    return found!;
  }

  async accessLog(): Promise<LoggedRequest[]> {
    const lines = (await this.sidecar.log()).split("\n").filter((line) => line.startsWith("{"));
    return lines.flatMap((line) => {
      try {
        const { record, ...rest } = JSON.parse(line);
        return [{ ...rest, record: typeof record === "string" ? JSON.parse(record) : record }];
      } catch {
        // One that is being written.
        return [];
      }
    });
  }

  async stop(): Promise<void> {
    for (const close of this.#closers.toReversed()) await close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
