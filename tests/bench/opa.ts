/**
 * Open Policy Agent behind ext_authz, the way people put it beside Envoy today: a process of its own (peers/opa) with the same
 * policy as the other chains. It limits no rates, so local_ratelimit stands behind it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ampleRateFilter, type Json } from "./native.ts";
import { audience, caller, issuer, neighbour, type World } from "./world.ts";

/** A running OPA. */
export interface Opa {
  /** Its process ID. */
  pid: number;
  /** Host and port that it serves gRPC on. */
  address: string;
  /** Ends the process: politely, and after five seconds by force. Safe to call twice. */
  stop(): Promise<void>;
}

const policy_path = fileURLToPath(new URL("./peers/opa/policy.rego", import.meta.url));
const cluster = "bench_opa";
const start_timeout_ms = 30_000;
const stop_timeout_ms = 5_000;

/**
 * Starts OPA with a policy for so many resources, and waits until it serves.
 * @param executable the program, as `benchTools` returns it
 * @throws Error where it ends before that, or takes longer than 30 seconds; what it says goes to standard error
 */
export async function startOpa(executable: string, world: World, rules: number): Promise<Opa> {
  const dataPath = join(world.directory, "opa.json");
  await writeFile(dataPath, JSON.stringify(opaData(world, rules)));
  const child = spawn(executable, ["-policy", policy_path, "-data", dataPath], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const release = guard(child);
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const stop = async (): Promise<void> => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      const force = setTimeout(() => child.kill("SIGKILL"), stop_timeout_ms);
      await ended;
      clearTimeout(force);
    }
    release();
  };
  try {
    const lines = createInterface({ input: child.stdout! });
    const first = once(lines, "line", { signal: AbortSignal.timeout(start_timeout_ms) });
    const line = await Promise.race([first, ended]);
    if (line === undefined)
      throw new Error(`OPA (${executable}) has ended before it served (exit code ${child.exitCode})`);
    return { pid: child.pid!, address: (JSON.parse(String(line[0])) as { address: string }).address, stop };
  } catch (error) {
    await stop();
    const isLate = (error as Error).name === "AbortError";
    throw isLate ? new Error(`OPA (${executable}) did not serve after ${start_timeout_ms} ms`) : error;
  }
}

/** The filters, in front of the router. */
export function opaFilters(): Json[] {
  const authorization = {
    name: "envoy.filters.http.ext_authz",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
      transport_api_version: "V3",
      failure_mode_allow: false,
      grpc_service: { envoy_grpc: { cluster_name: cluster }, timeout: "2s" },
    },
  };
  return [authorization, ampleRateFilter()];
}

/** The cluster that the filters talk to. */
export function opaCluster({ address }: Opa): Json {
  const [host, port] = address.split(":");
  const endpoint = { address: { socket_address: { address: host, port_value: Number(port) } } };
  const options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
  return {
    name: cluster,
    type: "STATIC",
    connect_timeout: "2s",
    load_assignment: { cluster_name: cluster, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
    typed_extension_protocol_options: {
      [options]: { "@type": `type.googleapis.com/${options}`, explicit_http_config: { http2_protocol_options: {} } },
    },
  };
}

/** What peers/opa/policy.rego decides by. */
function opaData(world: World, rules: number): object {
  const rule = (path_prefix: string): object => ({ method: "GET", path_prefix });
  const resources = Array.from({ length: rules }, (_, number) => rule(`/resource-${number}/`));
  const scarce = rule("/limited/");
  return { issuer, audience, jwks: world.jwks, rules: { [caller]: [...resources, scarce], [neighbour]: [scarce] } };
}

/**
 * Sees to it that OPA ends when this process does, however that comes about: a small shell waits at the other end of a pipe.
 * A line means all is well; the pipe's bare end means that this process is gone, and it ends OPA by its number.
 */
function guard(child: ChildProcess): () => void {
  if (child.pid === undefined) return () => {};
  const script = 'trap "" INT TERM HUP; read -r line || kill -9 "$1"';
  const watcher = spawn("/bin/sh", ["-c", script, "sh", String(child.pid)], { stdio: ["pipe", "ignore", "ignore"] });
  watcher.on("error", () => {});
  watcher.stdin.on("error", () => {});
  const release = (): void => {
    watcher.stdin.end("done\n");
  };
  // Once OPA has ended, its number may come to belong to another process: call the watcher off at once.
  child.once("exit", release);
  return release;
}
