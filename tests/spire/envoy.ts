/** An Envoy on envoy/sds-spire.yaml as it stands, with addresses, ports and the agent's socket exchanged, which runs as the user of its entry. */
import { chown, cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import type { AccessLogLine } from "../../scripts/envoy/accesslog.ts";
import { readAccessLog } from "../../scripts/envoy/accesslog.ts";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import type { Target } from "../../scripts/envoy/client.ts";
import { everyObject } from "../../scripts/envoy/plain.ts";
import { type RunningEnvoy, startEnvoy } from "../../scripts/envoy/process.ts";
import { managerOf } from "../support/envoy.ts";
import type { Svid, TrustDomain } from "./domain.ts";
import { block, replaced } from "./steps.ts";
import { asUser, type Programs } from "./systems.ts";

export interface SpireEnvoyOptions {
  /** A folder of its own, below one that every user may read. */
  folder: string;
  programs: Programs;
  domain: TrustDomain;
  /** The user that Envoy runs as. */
  uid: number;
  /** Port of the service behind it. */
  servicePort: number;
  /** The text of the policy; default that of docs/spire.md. */
  policyYaml?: string;
  /** Files beside the policy, by name. */
  files?: Readonly<Record<string, string>>;
  /** What the listener's validation context is called. Default as in the example. */
  validation?: "ROOTCA" | "ALL";
  /** Whether callers without a certificate may connect, as docs/spire.md has it. */
  takesCallersWithout?: boolean;
  /** Takes the cluster of the bundle endpoint out of its comment. */
  fetchesBundle?: boolean;
  /** How long connections may be open, in seconds. Default as in the example. */
  connectionSeconds?: number;
  concurrency?: number;
  /** The last word on the configuration. */
  adjust?: (bootstrap: Bootstrap) => void;
}

/** What the access log has here beside what the example has. */
export interface SpireLogLine extends AccessLogLine {
  time?: string;
  path?: string;
  /** The serial number of the caller's certificate, and when it ends, in seconds since 1970. */
  serial?: string;
  certificate_end?: string;
}

const server_name = "orders.example.org";

export class SpireEnvoy {
  readonly envoy: RunningEnvoy;
  readonly port: number;
  readonly folder: string;
  readonly #log: string;

  private constructor(envoy: RunningEnvoy, folder: string, log: string) {
    this.envoy = envoy;
    this.folder = folder;
    this.#log = log;
    this.port = envoy.listenerPort("inbound");
  }

  /** Builds the module as the page says, and starts Envoy on it. */
  static async start(options: SpireEnvoyOptions): Promise<SpireEnvoy> {
    const { folder, programs, domain, uid } = options;
    await mkdir(join(folder, "envoy"), { recursive: true });
    await cp("envoy/sds-spire.yaml", join(folder, "envoy", "sds-spire.yaml"));
    await writeFile(join(folder, "policy.yaml"), options.policyYaml ?? block("policy.yaml"));
    for (const [name, text] of Object.entries(options.files ?? {})) await writeFile(join(folder, name), text);
    await domain.run(["sh", "-euc", replaced(block("the module"), { "/etc/sallyport": folder })], 0, folder);

    const log = join(folder, "access.log");
    const bootstrap = bootstrapOf(await readFile(join(folder, "envoy.yaml"), "utf8"), options, log);
    options.adjust?.(bootstrap);
    const program = join(folder, "envoy-as-user");
    // The configuration is written by this process, and is for its owner alone.
    const own = `chown -R ${uid}:${uid} "$(dirname "$2")" ${folder}`;
    await writeFile(program, `#!/bin/sh\n${own}\nexec ${asUser(uid).join(" ")} ${programs.envoy} "$@"\n`, {
      mode: 0o755,
    });
    await chown(folder, uid, uid);
    const envoy = await startEnvoy({
      envoyPath: program,
      config: bootstrap,
      directory: join(folder, "run"),
      concurrency: options.concurrency ?? 1,
    });
    return new SpireEnvoy(envoy, folder, log);
  }

  get admin(): string {
    return `http://127.0.0.1:${this.envoy.adminPort}`;
  }

  /** How to connect; with an SVID as its workload. @param trusted whose bundle Envoy's own certificate is checked with */
  target(trusted: Svid, svid?: Svid): Target {
    return {
      port: this.port,
      authorityPem: trusted.bundlePem,
      serverName: server_name,
      ...(svid !== undefined && { identity: svid }),
    };
  }

  /** The access log, once it has so many lines. */
  async accessLog(minimumLines = 1): Promise<SpireLogLine[]> {
    return (await readAccessLog(this.#log, minimumLines)) as SpireLogLine[];
  }

  stop(): Promise<void> {
    return this.envoy.stop();
  }
}

// biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
type Json = any;

/** The example with what is this machine's own in place of what is an operator's. */
function bootstrapOf(example: string, options: SpireEnvoyOptions, log: string): Bootstrap {
  const { domain, folder } = options;
  const text = replaced(options.fetchesBundle === true ? withBundleCluster(example) : example, {
    "/tmp/spire-agent/public/api.sock": domain.socket,
    "/etc/sallyport": folder,
  });
  const bootstrap = parse(text) as Bootstrap;
  bootstrap.admin.address = loopback(0);
  const { listeners } = bootstrap.static_resources;
  for (const each of listeners) each.address = loopback(0);
  const [listener] = listeners;
  const tls = listener.filter_chains[0].transport_socket.typed_config;
  if (options.validation !== undefined)
    tls.common_tls_context.validation_context_sds_secret_config.name = options.validation;
  if (options.takesCallersWithout === true) {
    bootstrap.node.metadata = { disable_spiffe_cert_validation: true };
    tls.require_client_certificate = false;
  }
  const manager = managerOf(bootstrap);
  if (options.connectionSeconds !== undefined)
    manager.common_http_protocol_options.max_connection_duration = `${options.connectionSeconds}s`;
  setAddress(bootstrap, "orders", options.servicePort);
  if (options.fetchesBundle === true) setAddress(bootstrap, "spire-bundle", domain.bundlePort);
  for (const logger of everyObject(bootstrap)) {
    if (logger.name !== "envoy.access_loggers.stdout") continue;
    logger.name = "envoy.access_loggers.file";
    logger.typed_config["@type"] = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";
    logger.typed_config.path = log;
  }
  Object.assign(manager.access_log[0].typed_config.log_format.json_format, {
    serial: "%DOWNSTREAM_PEER_SERIAL%",
    certificate_end: "%DOWNSTREAM_PEER_CERT_V_END(%s)%",
  });
  return bootstrap;
}

const loopback = (port: number): Json => ({ socket_address: { address: "127.0.0.1", port_value: port } });

function setAddress(bootstrap: Bootstrap, name: string, port: number): void {
  const cluster = bootstrap.static_resources.clusters.find((one: Json) => one.name === name);
  cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address = loopback(port);
}

/** The example with the cluster that it has in comments. */
export function withBundleCluster(example: string): string {
  const start = example.indexOf("    # - name: spire-bundle\n");
  if (start < 0) throw new Error("envoy/sds-spire.yaml has no such cluster");
  return example.slice(0, start) + example.slice(start).replaceAll(/^ {4}# /gmu, "    ");
}
