/**
 * What a user of Envoy Gateway has, and what Sallyport writes for it: a Gateway with a route to an order API, certificates, a registry and
 * a file server for modules, and the command line. Nothing that belongs to Sallyport is written by hand.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { type Authority, type Identity, makeAuthority } from "../../scripts/envoy/certificates.ts";
import { type RestRequest, type RestResponse, sendRequest, type Target } from "../../scripts/envoy/client.ts";
import { type LocalIssuer, makeIssuer } from "../../scripts/envoy/issuer.ts";
import { sallyport } from "../cli/program.ts";
import { until } from "../support/until.ts";
import { EnvoyGateway, type Resource } from "./system.ts";
import { gateway_name, namespace, usersResources } from "./user.ts";

export const web = "spiffe://example.org/web";
export const stranger = "spiffe://example.org/stranger";

/** The policy of the tests: callers by certificate, one rule with a token. */
export const shop_policy = `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  corp: { issuer: "https://issuer.example.org", audiences: [order-api], algorithms: [ES256], keys: { file: corp.jwks.json } }
rules:
  - { name: reads, callers: [${web}], allow: ["GET /orders/{id}"] }
  - { name: places, callers: [${web}], allow: [POST /orders], token: corp, scopes: [orders:write] }
`;

/** What reached the order API. */
interface Received {
  path: string;
  headers: IncomingHttpHeaders;
}

/** Who asks: a SPIFFE ID, a certificate of the test's own making, or nobody. */
export type Caller = string | Identity | undefined;

export class World {
  readonly folder: string;
  readonly system: EnvoyGateway;
  readonly authority: Authority;
  readonly corp: LocalIssuer;
  /** Oldest first. */
  readonly received: Received[] = [];
  /** Port of the order API. */
  upstreamPort = 0;
  /** Where the folder's files are served. */
  filesUrl = "";
  readonly #resources = new Map<string, Resource>();
  readonly #identities = new Map<string, Identity>();
  readonly #closers: (() => Promise<unknown>)[] = [];

  private constructor(folder: string, system: EnvoyGateway, authority: Authority, corp: LocalIssuer) {
    this.folder = folder;
    this.system = system;
    this.authority = authority;
    this.corp = corp;
  }

  /** Everything a user has, and Envoy Gateway, which is not started yet. */
  static async make(): Promise<World> {
    const folder = await mkdtemp(join(tmpdir(), "sallyport-gateway-"));
    const system = await EnvoyGateway.prepare(folder);
    const authority = await makeAuthority({ trustDomain: "example.org" });
    const corp = await makeIssuer({ issuer: "https://issuer.example.org", audience: "order-api" });
    const world = new World(folder, system, authority, corp);
    await world.write("corp.jwks.json", JSON.stringify(corp.jwks));
    await world.write("policy.yaml", shop_policy);
    world.upstreamPort = await world.#serve((path, headers) => {
      world.received.push({ path, headers });
      return JSON.stringify({ path });
    });
    const files = await world.#serve((path) => readFile(join(folder, path.slice(1))));
    world.filesUrl = `http://127.0.0.1:${files}`;
    const server = await authority.issue({ dnsNames: ["localhost"], spiffeId: "spiffe://example.org/edge" });
    world.put(...usersResources({ ...world, server, envoyVersion: system.envoyVersion }), await system.ownSecret());
    return world;
  }

  /** Answers requests for plain HTTP by their path; the port. */
  async #serve(answer: (path: string, headers: IncomingHttpHeaders) => unknown): Promise<number> {
    const server = createServer((request, response) => {
      Promise.resolve(answer(request.url!, request.headers)).then(
        (body) => response.end(body),
        () => response.writeHead(404).end(),
      );
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    this.#closers.push(async () => {
      server.closeAllConnections();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  }

  /** Has it stopped before the folder is removed. */
  onStop(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  async write(name: string, content: string): Promise<void> {
    await writeFile(join(this.folder, name), content);
  }

  /** Runs the command line in the folder; what it printed. Fails where it does not end well. */
  sallyport(...args: string[]): string {
    const { code, stdout, stderr } = sallyport(args, { cwd: this.folder });
    assert.equal(code, 0, `sallyport ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** Builds the module of a policy file where the file server has it; the options that tell `manifest` of it. */
  build(policy = "policy.yaml", module = "sallyport.wasm"): string[] {
    this.sallyport("build", policy, "-o", module);
    return ["--url", `${this.filesUrl}/${module}`];
  }

  /** Puts what `sallyport manifest` writes among the resources, and has the Gateway use its EnvoyProxy. */
  async install(options: readonly string[], policy = "policy.yaml", gateway = gateway_name): Promise<void> {
    const folder = join(this.folder, "manifest");
    await rm(folder, { recursive: true, force: true });
    this.sallyport("manifest", "--for", "envoy-gateway", policy, "--gateway", gateway, ...options, "-o", folder);
    await this.take(folder, gateway);
  }

  /** Puts the files of a folder that `manifest` or `rollout` wrote among the resources, and has the Gateway use its EnvoyProxy. */
  async take(folder: string, gateway = gateway_name): Promise<void> {
    const patches = ["gateway-parameters.yaml", "kustomization.yaml"];
    const names = readdirSync(folder).sort();
    const read = async (name: string): Promise<Resource[]> =>
      parseAllDocuments(await readFile(join(folder, name), "utf8")).map((document) => document.toJSON());
    const applied = names.filter((name) => !patches.includes(name));
    if (names.includes("kustomization.yaml")) {
      const [{ resources }] = (await read("kustomization.yaml")) as [{ resources: string[] }];
      assert.deepEqual(resources, applied);
    }
    const written = (await Promise.all(applied.map(read))).flat();
    // Roles are Kubernetes' own, and nobody is there to keep them.
    const kept = written.filter(({ kind }) => kind !== "ClusterRole");
    // Without Kubernetes, Envoy Gateway takes this setting from the most specific EnvoyProxy alone, whatever is merged.
    for (const proxy of kept.filter(({ kind }) => kind === "EnvoyProxy")) {
      proxy.spec.provider = this.get("EnvoyProxy", "machine").spec.provider;
    }
    this.put(...kept);
    if (!names.includes("gateway-parameters.yaml")) return;
    const patch = parse(await readFile(join(folder, "gateway-parameters.yaml"), "utf8"));
    Object.assign(this.get("Gateway", gateway).spec, patch.spec);
  }

  /** Adds resources, or puts them in place of those of the same kind and name. */
  put(...resources: Resource[]): void {
    for (const resource of resources) this.#resources.set(keyOf(resource.kind, resource.metadata.name), resource);
  }

  /** A resource, to look at or to change. Throws where there is none. */
  get(kind: string, name: string): Resource {
    const found = this.#resources.get(keyOf(kind, name));
    assert.ok(found, `there is no ${kind} ${name}`);
    return found;
  }

  remove(kind: string, name: string): void {
    assert.ok(this.#resources.delete(keyOf(kind, name)), `there was no ${kind} ${name}`);
  }

  /** Has Envoy Gateway read the resources as they are now. */
  async apply(): Promise<void> {
    await this.system.apply([...this.#resources.values()]);
  }

  /** How a caller connects. */
  async target(caller: Caller, port = 8443): Promise<Target> {
    const identity = typeof caller === "string" ? await this.#identityOf(caller) : caller;
    return { port, authorityPem: this.authority.certificatePem, ...(identity !== undefined && { identity }) };
  }

  async #identityOf(spiffeId: string): Promise<Identity> {
    const identity = this.#identities.get(spiffeId) ?? (await this.authority.issue({ spiffeId }));
    this.#identities.set(spiffeId, identity);
    return identity;
  }

  /** Sends one request, over a connection of its own. Throws where the connection is refused. */
  async ask(caller: Caller, request: RestRequest & { token?: string } = {}, port = 8443): Promise<RestResponse> {
    const { token, headers, ...rest } = { path: "/orders/1", ...request };
    const bearer: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return sendRequest(await this.target(caller, port), { ...rest, headers: { ...bearer, ...headers } });
  }

  /** The status of an answer; 0 where there was no connection. */
  async status(caller: Caller, request: RestRequest & { token?: string } = {}, port = 8443): Promise<number> {
    return this.ask(caller, request, port).then(
      ({ status }) => status,
      () => 0,
    );
  }

  /** Waits until a request is answered so; with the log where it never is. */
  async untilStatus(status: number, caller: Caller = web, request: RestRequest = {}, port = 8443): Promise<void> {
    let last = -1;
    try {
      await until(`a request is answered with ${status}`, async () => {
        last = await this.status(caller, request, port);
        return last === status;
      });
    } catch (error) {
      const lines = (await this.system.log()).split("\n").filter((line) => /error|warn|critical|wasm/iu.test(line));
      throw new Error(`${(error as Error).message}, but ${last}:\n${lines.slice(-20).join("\n")}`);
    }
  }

  /** What Envoy's admin interface answers. */
  async admin(path: string): Promise<string> {
    return (await fetch(`${await this.system.admin()}${path}`)).text();
  }

  /** Lines of the access log, as objects. Envoy writes them with a delay of up to ten seconds. */
  async accessLog(): Promise<Resource[]> {
    const lines = (await this.system.log())
      .split("\n")
      .filter((line) => line.startsWith('{"') && line.includes('"path"'));
    return lines.flatMap((line) => {
      try {
        const { record, ...rest } = JSON.parse(line);
        return [{ ...rest, record: typeof record === "string" ? JSON.parse(record) : undefined }];
      } catch {
        // A line that is still being written, or another's.
        return [];
      }
    });
  }

  async stop(): Promise<void> {
    await this.system.stop();
    for (const close of this.#closers) await close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

const keyOf = (kind: string, name: string): string => `${kind} ${name}`;

/** A reference to one resource of a kind and name, in the namespace of all. */
export const inNamespace = (name: string): Resource => ({ name, namespace });
