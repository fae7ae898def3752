/**
 * A whole local Envoy: certificates made on the spot, the order API or another upstream, and an Envoy in between with the
 * module in it. `sallyport run`, the demo and the integration tests all start this.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AccessLogLine, readAccessLog } from "./accesslog.ts";
import {
  type BootstrapOptions,
  bootstrapFrom,
  type ExampleName,
  readExampleFor,
  type UpstreamAddress,
} from "./bootstrap.ts";
import { trustDomainOf } from "./callers.ts";
import { type Authority, type Identity, makeAuthority } from "./certificates.ts";
import type { Target } from "./client.ts";
import { findEnvoy } from "./find.ts";
import { type RunningEnvoy, startEnvoy } from "./process.ts";
import { startUpstream, type Upstream } from "./upstream.ts";

/** What to start. */
export interface LocalEnvoyOptions
  extends Pick<
    BootstrapOptions,
    "pluginConfiguration" | "requireClientCertificate" | "keyClusters" | "listenerPort" | "holds" | "adjust"
  > {
  /** The module's bytes. */
  wasm: Uint8Array;
  /** Trust domains whose members may connect, each with an authority of its own; its SVID is of the first. Default `example.org`. */
  trustDomains?: string[];
  /** Which example bootstrap. Default `inbound`. */
  example?: ExampleName;
  /** Where admitted requests go. Default: an order API of our own. */
  upstream?: UpstreamAddress;
  /** Envoy's worker threads. Default 1. */
  concurrency?: number;
  /** Envoy's log level. Default warning. */
  logLevel?: string;
  /** The Envoy to run. Default: what `findEnvoy` finds. */
  envoyPath?: string;
  /** How long Envoy may take until it serves. Default 60,000. */
  startTimeoutMs?: number;
  /** How long connections of a listener that was replaced or removed may go on. Default 1. */
  drainSeconds?: number;
}

/** A certificate and key on disk, beside their content. */
export interface StoredIdentity extends Identity {
  certificatePath: string;
  keyPath: string;
}

/** A running Envoy, with all that belongs to it. */
export interface LocalEnvoy {
  /** Port of the mTLS listener on 127.0.0.1. */
  port: number;
  /** The temporary folder that holds the certificates, the module, the configuration and the access log. */
  directory: string;
  /** The authority of the first trust domain, which Envoy's own certificate comes from. */
  authority: Authority;
  authorityPath: string;
  /** The authorities by trust domain. */
  authorities: ReadonlyMap<string, Authority>;
  accessLogPath: string;
  envoy: RunningEnvoy;
  /** The order API; undefined where another upstream was given. */
  upstream: Upstream | undefined;
  /** A caller's certificate, made once for each SPIFFE ID by the authority of its trust domain and kept on disk. */
  identity(spiffeId: string): Promise<StoredIdentity>;
  /** How to connect as this caller; without one, no certificate is shown. */
  target(spiffeId?: string): Promise<Target>;
  /** The access log, once it has so many lines. */
  accessLog(minimumLines?: number): Promise<AccessLogLine[]>;
  /** Ends everything and removes the folder. */
  stop(): Promise<void>;
}

/** The SPIFFE ID the order API serves under, in this trust domain; the examples name it for `example.org`. */
function upstreamId(trustDomain: string): string {
  return `spiffe://${trustDomain}/orders`;
}

/**
 * Starts all of it and waits until it serves.
 * @throws EnvoyNotFoundError, or EnvoyStartError with Envoy's own words if it refuses the module or the configuration.
 */
export async function startLocalEnvoy(options: LocalEnvoyOptions): Promise<LocalEnvoy> {
  const envoyPath = options.envoyPath ?? (await findEnvoy());
  const trustDomains = options.trustDomains ?? ["example.org"];
  const [trustDomain] = trustDomains as [string];
  const directory = await mkdtemp(join(tmpdir(), "sallyport-"));
  const certificates = join(directory, "certificates");
  let upstream: Upstream | undefined;
  let envoy: RunningEnvoy | undefined;
  const stop = async (): Promise<void> => {
    await envoy?.stop();
    await upstream?.stop();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await mkdir(certificates);
    const authorities = new Map<string, Authority>();
    for (const name of trustDomains) authorities.set(name, await makeAuthority({ trustDomain: name }));
    const authority = authorities.get(trustDomain)!;
    const authorityPath = join(certificates, "bundle.pem");
    await writeFile(authorityPath, authority.certificatePem);

    const store = async (name: string, identity: Identity): Promise<StoredIdentity> => {
      const certificatePath = join(certificates, `${name}.pem`);
      const keyPath = join(certificates, `${name}-key.pem`);
      await writeFile(certificatePath, identity.certificatePem);
      await writeFile(keyPath, identity.privateKeyPem, { mode: 0o600 });
      return { ...identity, certificatePath, keyPath };
    };
    const names = ["localhost", "orders.example.org", "users.example.org"];
    const server = await authority.issue({
      spiffeId: upstreamId(trustDomain),
      dnsNames: names,
      ipAddresses: ["127.0.0.1"],
      // It may run for as long as someone plays with it; the authority lives a day.
      notAfter: new Date(Date.now() + 23 * 3_600_000),
    });
    const own = await store("envoy", server);
    if (options.upstream === undefined) {
      upstream = await startUpstream({ identity: server, authorityPem: authority.certificatePem });
    }

    const wasmPath = join(directory, "sallyport.wasm");
    const accessLogPath = join(directory, "access.log");
    await writeFile(wasmPath, options.wasm);
    const example = options.example ?? "inbound";
    const config = bootstrapFrom(await readExampleFor(example, envoyPath), {
      wasm: wasmPath,
      certificates: {
        certificate: own.certificatePath,
        privateKey: own.keyPath,
        bundles: Object.fromEntries([...authorities].map(([name, { certificatePem }]) => [name, certificatePem])),
      },
      upstream: options.upstream ?? {
        host: "127.0.0.1",
        port: upstream!.port,
        tls: { serverName: "orders.example.org", expect: { type: "URI", value: upstreamId(trustDomain) } },
      },
      accessLogPath,
      ...pick(options, [
        "pluginConfiguration",
        "requireClientCertificate",
        "keyClusters",
        "listenerPort",
        "holds",
        "adjust",
      ]),
    });
    envoy = await startEnvoy({
      envoyPath,
      config,
      directory: join(directory, "envoy"),
      ...pick(options, ["concurrency", "logLevel", "startTimeoutMs", "drainSeconds"]),
    });

    const port = envoy.listenerPort(example);
    const identities = new Map<string, Promise<StoredIdentity>>();
    const identity = (spiffeId: string): Promise<StoredIdentity> => {
      const known = identities.get(spiffeId);
      if (known !== undefined) return known;
      // Who belongs to no trust domain can still be tried; it will be turned away.
      const made = (authorities.get(trustDomainOf(spiffeId)) ?? authority)
        .issue({ spiffeId, notAfter: new Date(Date.now() + 23 * 3_600_000) })
        .then((issued) => store(fileName(spiffeId), issued));
      identities.set(spiffeId, made);
      return made;
    };
    return {
      port,
      directory,
      authority,
      authorityPath,
      authorities,
      accessLogPath,
      envoy,
      upstream,
      identity,
      target: async (spiffeId) => ({
        port,
        authorityPem: authority.certificatePem,
        serverName: example === "gateway" ? "orders.example.org" : "localhost",
        ...(spiffeId === undefined ? {} : { identity: await identity(spiffeId) }),
      }),
      accessLog: (minimumLines) => readAccessLog(accessLogPath, minimumLines),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A file name that tells a person whose certificate it is: `example.org-checkout-service`. */
function fileName(spiffeId: string): string {
  return spiffeId.replace(/^spiffe:\/\//, "").replace(/[^A-Za-z0-9._-]+/g, "-");
}

/** These members of an object, as far as it has them. */
function pick<T, K extends keyof T>(from: T, names: K[]): Pick<T, K> {
  return Object.fromEntries(names.filter((name) => from[name] !== undefined).map((name) => [name, from[name]])) as Pick<
    T,
    K
  >;
}
