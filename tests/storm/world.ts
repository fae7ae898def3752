/**
 * An Envoy in which requests wait: a policy with key sets behind URLs, a server for each of them that does what a test wants,
 * and tokens that keep a worker busy, so that what happens meanwhile all falls into one round of its event loop.
 */

import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { AccessLogLine } from "../../scripts/envoy/accesslog.ts";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import type { Target } from "../../scripts/envoy/client.ts";
import { type LocalEnvoy, type LocalEnvoyOptions, startLocalEnvoy } from "../../scripts/envoy/local.ts";
import { freePort } from "../lifecycle/world.ts";
import { managerOf, moduleFor } from "../support/envoy.ts";
import {
  type JwksServer,
  makeKey,
  type ProviderKey,
  providerAudience,
  startJwksServer,
} from "../support/jwks-server.ts";
import { until } from "../support/until.ts";
import { Http2Client, type Sent } from "./client.ts";

/** Where Envoy has the filter's configuration from: its bootstrap, or a file that a test moves into place. */
export type Source = "bootstrap" | "lds" | "ecds";

/** What to start. */
export interface WorldOptions extends Pick<LocalEnvoyOptions, "concurrency" | "drainSeconds" | "upstream" | "example"> {
  /** Key sets, and servers of key sets. Default 1. */
  sets?: number;
  /** Default `bootstrap`. */
  source?: Source;
  /** Has the clusters of the key servers come from a file too. */
  clustersFromFile?: boolean;
  /** The engine; by default the one that was built. */
  change?: (module: Uint8Array) => Uint8Array;
  /** More rules of the policy: lines of a YAML list. */
  rules?: string;
  // biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
  adjust?: (manager: any, bootstrap: Bootstrap) => void;
}

/** What a reload changes. */
export interface Reload {
  /** The members of the filter's configuration. */
  members?: string;
  /** As another module would, it makes the workers' VMs anew. */
  isNewVm?: boolean;
}

/** The statistics that count reloads. */
const updates: Record<Source, string> = {
  bootstrap: "",
  lds: "listener_manager.lds.update_success",
  ecds: "extension_config_discovery.http_filter.envoy.filters.http.wasm.config_reload",
};

const wasm_filter = "envoy.filters.http.wasm";
const busy_issuer = "https://busy.example.org";
const setIssuer = (set: number): string => `https://idp-${set}.example.org`;
const clusterName = (set: number): string => `idp-${set}`;

/** The path that only tokens of a set open. */
export const pathOf = (set: number): string => `/orders/${set}`;

function policyFor(servers: readonly JwksServer[], rules: string): string {
  const issuers = servers.map(
    ({ url }, set) => `  idp-${set}:
    issuer: ${setIssuer(set)}
    audiences: [${providerAudience}]
    algorithms: [ES256, EdDSA]
    keys: { url: "${url}", cluster: ${clusterName(set)}, refresh: 5m }`,
  );
  const paths = servers.map(
    (_, set) =>
      `  - { name: orders-${set}, callers: [any], allow: [GET ${pathOf(set)}, POST ${pathOf(set)}], token: idp-${set} }`,
  );
  return `version: 1
name: storm
trust: { domains: [example.org] }
issuers:
  busy:
    issuer: ${busy_issuer}
    audiences: [${providerAudience}]
    algorithms: [EdDSA]
    keys: { file: keys/busy.jwks.json }
${issuers.join("\n")}
rules:
  - { name: busy, callers: [any], allow: [GET /busy], token: busy }
${paths.join("\n")}
${rules}`;
}

/** The running world. */
export class StormWorld {
  readonly local: LocalEnvoy;
  readonly servers: readonly JwksServer[];
  /** Whether Envoy has ended before it was told to. */
  hasDied = false;
  readonly #busyKey: ProviderKey;
  readonly #files: DiscoveryFiles;
  #busyTokens = 0;
  #firstRequests = 0;
  #isStopping = false;

  private constructor(local: LocalEnvoy, servers: readonly JwksServer[], busyKey: ProviderKey, files: DiscoveryFiles) {
    this.local = local;
    this.servers = servers;
    this.#busyKey = busyKey;
    this.#files = files;
    void local.envoy.ended.then(() => {
      this.hasDied = !this.#isStopping;
    });
  }

  static async start(options: WorldOptions = {}): Promise<StormWorld> {
    const { sets = 1, source = "bootstrap", clustersFromFile = false, change, rules = "", adjust, ...rest } = options;
    const servers = await Promise.all(Array.from({ length: sets }, () => startJwksServer()));
    const busyKey = await makeKey("busy", "EdDSA");
    const files = new DiscoveryFiles(source, clustersFromFile);
    try {
      const module = await moduleFor({
        policyYaml: policyFor(servers, rules),
        issuers: { busy: { jwks: { keys: [busyKey.jwk] } } },
      });
      const clusters = servers.map(({ port, authorityPem }, set) => {
        const tls = { expect: { type: "IP_ADDRESS", value: "127.0.0.1" }, authorityPem } as const;
        return [clusterName(set), { host: "127.0.0.1", port, tls }] as const;
      });
      const local = await startLocalEnvoy({
        ...rest,
        wasm: change === undefined ? module : change(module),
        logLevel: "error",
        keyClusters: Object.fromEntries(clusters),
        ...(source === "lds" ? { listenerPort: await freePort() } : {}),
        adjust: (bootstrap) => {
          // How often the router tried to forward a request: 0 where it never came so far.
          for (const { typed_config } of managerOf(bootstrap).access_log) {
            typed_config.log_format.json_format.attempts = "%UPSTREAM_REQUEST_ATTEMPT_COUNT%";
          }
          if (rest.upstream !== undefined) speakHttp1(bootstrap);
          adjust?.(managerOf(bootstrap), bootstrap);
          files.take(bootstrap);
        },
      });
      const world = new StormWorld(local, servers, busyKey, files);
      // The first fetch is not one that requests wait for.
      await until("every key server has been asked", () => servers.every(({ requests }) => requests.length > 0));
      // A storm changes what the servers answer, and without any keys a request is 503.
      await until("every key set has come", async () => (await world.#refreshes()) >= sets);
      await world.#warm(options.concurrency ?? 1);
      return world;
    } catch (error) {
      await Promise.all(servers.map((server) => server.stop()));
      files.remove();
      throw error;
    }
  }

  /** A worker has requests wait once it was told of the end of one: each has one end. The kernel gives connections to workers. */
  async #warm(workers: number): Promise<void> {
    for (let count = 0; count < 4 * workers - 3; count++) {
      const client = await this.connect("first");
      await client.send({ path: "/" }).ended;
      client.destroy();
      this.#firstRequests++;
    }
  }

  /**
   * The lines of the access log that a test asked for and wants to see, once it has so many of them. Envoy writes a line when a request
   * has ended, and a moment later than the client knows.
   */
  async accessLog(minimumLines = 0, isWanted: (line: AccessLogLine) => boolean = () => true): Promise<AccessLogLine[]> {
    const deadlineMs = Date.now() + 10_000;
    for (;;) {
      const lines = (await this.local.accessLog(this.#firstRequests)).slice(this.#firstRequests).filter(isWanted);
      if (lines.length >= minimumLines) return lines;
      if (Date.now() > deadlineMs) throw new Error(`${lines.length} lines where ${minimumLines} are expected`);
      await sleep(50);
    }
  }

  /** How a caller of this name connects. */
  target(name: string): Promise<Target> {
    return this.local.target(`spiffe://example.org/${name}`);
  }

  async connect(name: string): Promise<Http2Client> {
    return Http2Client.open(await this.target(name));
  }

  /** A token of a set's issuer, signed with this key. */
  token(key: ProviderKey, set = 0): Promise<string> {
    return key.token({ iss: setIssuer(set) });
  }

  /** Tokens whose signatures the module itself has to verify, each of which takes a worker most of a millisecond. */
  busyTokens(count: number): Promise<string[]> {
    return Promise.all(
      Array.from({ length: count }, () => this.#busyKey.token({ iss: busy_issuer, jti: `${this.#busyTokens++}` })),
    );
  }

  /** Puts a configuration in force; it differs from the one before as a text, and in what is given. */
  reload(change: Reload = {}): void {
    this.#files.reload(change);
  }

  /** The same, and resolves when Envoy has taken it over. */
  async reloadAndWait(change: Reload = {}): Promise<void> {
    const name = updates[this.#files.source];
    const before = await this.stat(name);
    this.reload(change);
    await until(`${name} has counted the reload`, async () => (await this.stat(name)) > before);
  }

  /** Takes the listener away, or brings it back. */
  showListener(isThere: boolean): void {
    this.#files.showListener(isThere);
  }

  /** Takes the clusters of the key servers away, or brings them back. */
  showKeyClusters(areThere: boolean): void {
    this.#files.showClusters(areThere);
  }

  /** The value of a statistic, 0 where there is none. */
  async stat(name: string): Promise<number> {
    const text = await this.local.envoy.admin(`/stats?filter=^${name.replaceAll(".", "\\.")}$`);
    return Number(/: (\d+)/.exec(text)?.[1] ?? 0);
  }

  /** How often some key set was fetched, of all sets. */
  async #refreshes(): Promise<number> {
    const counted = [...(await this.local.envoy.stats())].filter(([name]) => name.includes("key_set_refreshes"));
    return counted.reduce((sum, [, count]) => sum + count, 0);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.local.stop();
    await Promise.all(this.servers.map((server) => server.stop()));
    this.#files.remove();
  }
}

/** A plain upstream is not asked which HTTP it speaks. */
function speakHttp1({ static_resources }: Bootstrap): void {
  for (const { typed_extension_protocol_options } of static_resources.clusters) {
    // biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
    for (const options of Object.values<any>(typed_extension_protocol_options ?? {})) {
      options.explicit_http_config = { http_protocol_options: {} };
    }
  }
}

/** Sends so many requests with tokens that keep the worker busy, all at once. */
export function keepBusy(client: Http2Client, tokens: readonly string[]): Sent[] {
  return tokens.map((token) => client.send({ path: "/busy", token }));
}

/** What a control plane would send, as files that Envoy watches: it looks at one when another is moved into its place. */
class DiscoveryFiles {
  readonly #directory = mkdtempSync(join(tmpdir(), "sallyport-xds-"));
  readonly source: Source;
  readonly #clustersFromFile: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
  #listener: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  #filter: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  #clusters: any[] = [];
  #reloads = 0;

  constructor(source: Source, clustersFromFile: boolean) {
    this.source = source;
    this.#clustersFromFile = clustersFromFile;
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Takes out of a bootstrap what is to come from files. */
  take(bootstrap: Bootstrap): void {
    const config = (kind: string) => ({ path_config_source: { path: this.#path(kind) }, resource_api_version: "V3" });
    const resources = bootstrap.static_resources;
    if (this.#clustersFromFile) {
      const isOurs = ({ name }: { name: string }): boolean => name.startsWith("idp-");
      this.#clusters = resources.clusters.filter(isOurs);
      resources.clusters = resources.clusters.filter((cluster: { name: string }) => !isOurs(cluster));
      bootstrap.dynamic_resources = { ...bootstrap.dynamic_resources, cds_config: config("cds") };
      this.showClusters(true);
    }
    const filters = managerOf(bootstrap).http_filters;
    const at = filters.findIndex(({ name }: { name: string }) => name === wasm_filter);
    this.#filter = structuredClone(filters[at]);
    if (this.source === "lds") {
      this.#listener = structuredClone(resources.listeners[0]);
      resources.listeners = [];
      bootstrap.dynamic_resources = { ...bootstrap.dynamic_resources, lds_config: config("lds") };
      this.reload({});
    }
    if (this.source === "ecds") {
      const type_urls = [this.#filter.typed_config["@type"]];
      filters[at] = { name: wasm_filter, config_discovery: { config_source: config("ecds"), type_urls } };
      this.reload({});
    }
  }

  reload({ members = '"mode":"enforce"', isNewVm = false }: Reload): void {
    const number = this.#reloads++;
    const { name, typed_config } = structuredClone(this.#filter);
    const spaces = number.toString(2).replaceAll("0", " ").replaceAll("1", "\t");
    typed_config.config.configuration = {
      "@type": "type.googleapis.com/google.protobuf.StringValue",
      value: `{${spaces}${members}}`,
    };
    if (isNewVm) {
      // Envoy keeps a VM for as long as nothing of this is different.
      const value = String(number);
      typed_config.config.vm_config.configuration = { "@type": typed_config.config.configuration["@type"], value };
    }
    if (this.source === "ecds") {
      this.#move("ecds", "core.v3.TypedExtensionConfig", [{ name, typed_config }]);
    } else {
      const filters = this.#listener.filter_chains[0].filters[0].typed_config.http_filters;
      filters.find((filter: { name: string }) => filter.name === wasm_filter).typed_config = typed_config;
      this.showListener(true);
    }
  }

  showListener(isThere: boolean): void {
    this.#move("lds", "listener.v3.Listener", isThere ? [this.#listener] : []);
  }

  showClusters(areThere: boolean): void {
    this.#move("cds", "cluster.v3.Cluster", areThere ? this.#clusters : []);
  }

  #path(kind: string): string {
    return join(this.#directory, `${kind}.json`);
  }

  #move(kind: string, message: string, resources: readonly object[]): void {
    const type = `type.googleapis.com/envoy.config.${message}`;
    const text = JSON.stringify({ resources: resources.map((resource) => ({ "@type": type, ...resource })) });
    writeFileSync(`${this.#path(kind)}.new`, text);
    renameSync(`${this.#path(kind)}.new`, this.#path(kind));
  }
}
