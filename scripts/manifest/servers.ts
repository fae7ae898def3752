/** The servers that a policy's filter asks, and an Envoy cluster for each. */
import { isIP } from "node:net";
import { keyCluster, rateLimitCluster, type ServerAddress, type ServerTls } from "../envoy/cluster.ts";
import { keyFetches } from "../envoy/keyfetches.ts";
import { byName } from "../policy/language/byteorder.ts";
import type { Policy } from "../policy/language/model.ts";
import { ManifestError } from "./files.ts";

/** A server, and the cluster by which the policy calls it. */
export interface Server extends ServerAddress {
  name: string;
  kind: "keys" | "fleet";
  isPlain: boolean;
}

/** Where Debian, Alpine and the images of Envoy, Istio and Envoy Gateway have the public authorities. */
export const public_authorities = "/etc/ssl/certs/ca-certificates.crt";

const port_max = 65535;

/** `host:port`; the host of an IPv6 address stands in brackets. Undefined where the text is none. */
export function parseAddress(text: string): ServerAddress | undefined {
  const [, bracketed, name, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/u.exec(text) ?? [];
  const host = bracketed ?? name;
  const port = Number(digits);
  return host === undefined || port < 1 || port > port_max ? undefined : { host: host.toLowerCase(), port };
}

/** The service that a cluster leads to which has a name as Istio makes it: direction, port, subset, host. Undefined for other names. */
export function serviceAddress(cluster: string): ServerAddress | undefined {
  const [, port, host] = /^outbound\|(\d{1,5})\|\|([A-Za-z0-9.-]+)$/u.exec(cluster) ?? [];
  return host === undefined ? undefined : parseAddress(`${host}:${port}`);
}

/** Whether nobody but this machine can be there. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/**
 * The servers of policies, by the names of their clusters.
 * @param rateLimit where the rate limit service of the fleet is; undefined where nobody said
 * @throws ManifestError where what is asked for would not be safe, or is not known
 */
export function serversOf(policies: readonly Policy[], rateLimit: ServerAddress | undefined): Server[] {
  const servers = new Map<string, Server>();
  for (const policy of policies) {
    const { fetches, problems } = keyFetches(policy);
    if (problems.length > 0) throw new ManifestError(problems.join("\n"));
    for (const { url, cluster } of fetches) addServer(servers, keyServer(url, cluster));
  }
  const fleets = policies.flatMap(({ fleet }) => fleet ?? []);
  if (fleets.length === 0 && rateLimit !== undefined)
    throw new ManifestError("--ratelimit is for policies with `scope: fleet`: leave it out");
  for (const { cluster } of fleets) addServer(servers, fleetServer(cluster, rateLimit));
  return byName([...servers.values()]);
}

function fleetServer(cluster: string, rateLimit: ServerAddress | undefined): Server {
  const address = rateLimit ?? serviceAddress(cluster);
  if (address === undefined) {
    throw new ManifestError(
      `the policy has limits or quarantines of a fleet, and does not say where its rate limit service is, cluster \`${cluster}\`: add --ratelimit HOST:PORT`,
    );
  }
  return { ...address, name: cluster, kind: "fleet", isPlain: false };
}

/** Throws ManifestError where the cluster is to lead to two servers. */
function addServer(servers: Map<string, Server>, server: Server): void {
  const other = servers.get(server.name);
  if (other !== undefined && other.kind !== server.kind) {
    throw new ManifestError(
      `the cluster \`${server.name}\` leads to keys and to the rate limit service: give one of them another name`,
    );
  }
  if (
    other !== undefined &&
    (other.host !== server.host || other.port !== server.port || other.isPlain !== server.isPlain)
  ) {
    throw new ManifestError(
      `the cluster \`${server.name}\` leads to ${other.host}:${other.port} in one policy and to ${server.host}:${server.port} in the other: give one of them another name`,
    );
  }
  servers.set(server.name, server);
}

function keyServer(text: string, name: string): Server {
  const url = new URL(text);
  const host = url.hostname.replace(/^\[|\]$/gu, "");
  const isPlain = url.protocol === "http:";
  if (isPlain && !isLoopback(host)) {
    throw new ManifestError(
      `the keys behind ${text} would come in plain text, so that whoever is on the way could send keys of its own: write \`https\``,
    );
  }
  return { name, kind: "keys", host, port: Number(url.port || (isPlain ? "80" : "443")), isPlain };
}

/** How the server's certificate is checked: by the public authorities, for its name. */
export function tlsOf({ host }: ServerAddress): ServerTls {
  const isAddress = isIP(host) !== 0;
  return {
    ...(!isAddress && { serverName: host }),
    expect: { type: isAddress ? "IP_ADDRESS" : "DNS", value: host },
    authorities: { filename: public_authorities },
  };
}

/** The cluster that leads to a server. */
export function clusterOf(server: Server): Record<string, unknown> {
  const { name, kind, isPlain, host, port } = server;
  if (kind === "fleet") return rateLimitCluster(name, { host, port }, tlsOf(server));
  return keyCluster(name, { host, port }, isPlain ? false : tlsOf(server));
}
