/**
 * Running Envoy as a child process: start it on a configuration, learn the ports it took, read its statistics and log,
 * stop it. An Envoy started here never outlives this process.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request as sendRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** What to start. */
export interface StartOptions {
  /** The executable, as `findEnvoy` returns it. */
  envoyPath: string;
  /** A bootstrap; its admin address should have port 0. JSON is YAML, so it is written down as JSON. */
  config: object;
  /** Worker threads. Default 1. */
  concurrency?: number;
  /** Envoy's own log level: trace, debug, info, warning, error. Default warning. */
  logLevel?: string;
  /** Where to put the configuration; made if absent, and left behind. Default a temporary folder, removed on stop. */
  directory?: string;
  /** How long Envoy may take until it serves. Default 60,000: the first start on a busy machine compiles the module. */
  startTimeoutMs?: number;
  /** How long connections of a listener that was replaced or removed may go on. Default 1; Envoy's own is 600. */
  drainSeconds?: number;
}

/** A running Envoy. */
export interface RunningEnvoy {
  /** Its process ID. */
  pid: number;
  /** The admin interface's port on 127.0.0.1. */
  adminPort: number;
  /** The port a listener took. Throws for a name that the configuration does not have. */
  listenerPort(name: string): number;
  /** All counters and gauges by their full names, before tags are taken out. */
  stats(): Promise<Map<string, number>>;
  /** What the admin interface answers to a GET of this path, for example `/stats/prometheus`. */
  admin(path: string): Promise<string>;
  /** The same for a POST, which is what changes something: `/drain_listeners?graceful`. */
  command(path: string): Promise<string>;
  /** What Envoy has written to its log (standard error) so far, the last 4 MiB of it. */
  log(): string;
  /** Calls back for every line of its log, first for those it has written already. */
  followLog(onLine: (line: string) => void): void;
  /** What Envoy has written to standard output so far, the last 4 MiB of it. */
  output(): string;
  /** Resolves when the process has ended, for whatever reason. */
  ended: Promise<void>;
  /** Ends the process: politely, and after five seconds by force. Safe to call twice. */
  stop(): Promise<void>;
}

/** Envoy did not start; the message ends with the lines of its log that say why. */
export class EnvoyStartError extends Error {
  override name = "EnvoyStartError";
}

const keptLogBytes = 4 * 1024 * 1024;
const stopTimeoutMs = 5_000;
const pollIntervalMs = 25;

/**
 * Starts Envoy and waits until it is live and its listeners have ports.
 * @throws EnvoyStartError if it ends before that, or takes longer than `startTimeoutMs`.
 */
export async function startEnvoy(options: StartOptions): Promise<RunningEnvoy> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), "sallyport-envoy-")));
  await mkdir(directory, { recursive: true });
  const configPath = join(directory, "envoy.json");
  const adminAddressPath = join(directory, "admin-address.txt");
  await rm(adminAddressPath, { force: true });
  await writeFile(configPath, JSON.stringify(options.config, null, 2), { mode: 0o600 });

  const child = spawn(
    options.envoyPath,
    [
      ...["-c", configPath, "--use-dynamic-base-id", "--admin-address-path", adminAddressPath],
      ...["--concurrency", String(options.concurrency ?? 1), "--log-level", options.logLevel ?? "warning"],
      // Access logs reach their file soon enough for someone who waits for a line.
      ...["--file-flush-interval-msec", "20", "--drain-time-s", String(options.drainSeconds ?? 1)],
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const { text: log, follow: followLog } = collect(child.stderr!);
  const { text: output } = collect(child.stdout!);
  let spawnError: Error | undefined;
  child.on("error", (error) => {
    spawnError = error;
  });
  const ended = spawnedOrFailed(child);
  const release = guard(child);

  const stop = async (): Promise<void> => {
    holdOpen(child, true);
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      const force = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
      await ended;
      clearTimeout(force);
    }
    release();
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
  };

  const startTimeoutMs = options.startTimeoutMs ?? 60_000;
  const deadlineMs = performance.now() + startTimeoutMs;
  try {
    for (;;) {
      if (spawnError !== undefined) throw new EnvoyStartError(`${options.envoyPath}: ${spawnError.message}`);
      if (child.exitCode !== null || child.signalCode !== null) {
        await ended;
        const how = child.exitCode !== null ? `exit code ${child.exitCode}` : `signal ${child.signalCode}`;
        throw new EnvoyStartError(`Envoy did not start (${how}):\n${relevantLines(log())}`);
      }
      if (performance.now() > deadlineMs) {
        throw new EnvoyStartError(`Envoy was not ready after ${startTimeoutMs} ms:\n${relevantLines(log())}`);
      }
      const ready = await readiness(adminAddressPath);
      if (ready !== undefined) {
        // From here on an Envoy that nobody stops is no reason for this process to stay.
        holdOpen(child, false);
        return {
          pid: child.pid!,
          adminPort: ready.adminPort,
          listenerPort: (name) => {
            const port = ready.listenerPorts.get(name);
            if (port !== undefined) return port;
            throw new Error(`Envoy has no listener "${name}", only: ${[...ready.listenerPorts.keys()].join(", ")}`);
          },
          stats: () => readStats(ready.adminPort),
          admin: async (path) => (await adminGet(ready.adminPort, path)).body,
          command: async (path) => (await askAdmin(ready.adminPort, path, "POST")).body,
          log,
          followLog,
          output,
          ended,
          stop,
        };
      }
      await sleep(pollIntervalMs);
    }
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Whether the child and its output keep this process alive. */
function holdOpen(child: ChildProcess, hold: boolean): void {
  for (const handle of [child, child.stdout, child.stderr] as unknown as { ref(): void; unref(): void }[]) {
    if (hold) handle.ref();
    else handle.unref();
  }
}

/** What a stream says. */
interface Collected {
  /** The end of it. */
  text: () => string;
  /** Calls back for every whole line, first for those that are kept. */
  follow: (onLine: (line: string) => void) => void;
}

function collect(stream: NodeJS.ReadableStream): Collected {
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    text += chunk;
    if (text.length > 2 * keptLogBytes) text = text.slice(-keptLogBytes);
  });
  const follow: Collected["follow"] = (onLine) => {
    let rest = "";
    const take = (chunk: string): void => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine(line);
    };
    take(text);
    stream.on("data", take);
  };
  return { text: () => text, follow };
}

/** Resolves when the child has ended and its output is read to the end, or when it could not be started at all. */
async function spawnedOrFailed(child: ChildProcess): Promise<void> {
  await Promise.race([once(child, "close"), new Promise((resolve) => child.once("error", resolve))]);
}

/**
 * Sees to it that the child ends when this process does, however that comes about. A process killed outright runs no
 * handler of its own, so a small shell waits at the other end of a pipe: a line means all is well, the pipe's bare end
 * means that this process is gone, and it ends the child by its number.
 */
function guard(child: ChildProcess): () => void {
  if (child.pid === undefined) return () => {};
  const watcher = spawn(
    "/bin/sh",
    ["-c", 'trap "" INT TERM HUP; read -r line || kill -9 "$1"', "sh", String(child.pid)],
    {
      stdio: ["pipe", "ignore", "ignore"],
    },
  );
  watcher.on("error", () => {});
  watcher.stdin!.on("error", () => {});
  watcher.unref();
  (watcher.stdin as unknown as { unref?: () => void }).unref?.();
  const killNow = (): void => {
    child.kill("SIGKILL");
  };
  process.once("exit", killNow);
  const release = (): void => {
    process.removeListener("exit", killNow);
    watcher.stdin!.end("done\n");
  };
  // Once the child has ended, its number may come to belong to another process: call the watcher off at once.
  child.once("exit", release);
  return release;
}

interface Readiness {
  adminPort: number;
  listenerPorts: Map<string, number>;
}

interface AdminAnswer {
  status: number;
  body: string;
}

interface ListenersAnswer {
  listener_statuses?: {
    name: string;
    local_address?: { socket_address?: { port_value?: number }; envoy_internal_address?: unknown };
  }[];
}

/** The ports, once Envoy is live and all its listeners are bound; undefined until then. */
async function readiness(adminAddressPath: string): Promise<Readiness | undefined> {
  const address = await readFile(adminAddressPath, "utf8").catch(() => "");
  const adminPort = Number(/:(\d+)\s*$/.exec(address)?.[1] ?? "0");
  if (adminPort === 0) return undefined;
  try {
    const ready = await adminGet(adminPort, "/ready");
    if (ready.status !== 200 || ready.body.trim() !== "LIVE") return undefined;
    const answer = JSON.parse((await adminGet(adminPort, "/listeners?format=json")).body) as ListenersAnswer;
    const listenerPorts = new Map<string, number>();
    for (const { name, local_address } of answer.listener_statuses ?? []) {
      // One without an address, which only this Envoy itself reaches.
      if (local_address?.envoy_internal_address !== undefined) continue;
      const port = local_address?.socket_address?.port_value ?? 0;
      if (port === 0) return undefined;
      listenerPorts.set(name, port);
    }
    return { adminPort, listenerPorts };
  } catch {
    // Not listening yet; the caller tries again until its deadline.
    return undefined;
  }
}

function adminGet(port: number, path: string): Promise<AdminAnswer> {
  return askAdmin(port, path, "GET");
}

async function askAdmin(port: number, path: string, method: "GET" | "POST"): Promise<AdminAnswer> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path, method, agent: false, timeout: 10_000 } as const;
    const request = sendRequest(options, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", reject);
    });
    request.on("timeout", () => request.destroy(new Error(`the admin interface did not answer ${path} in 10 s`)));
    request.on("error", reject);
    request.end();
  });
}

async function readStats(port: number): Promise<Map<string, number>> {
  const { body } = await adminGet(port, "/stats?format=text");
  const stats = new Map<string, number>();
  for (const line of body.split("\n")) {
    const match = /^(\S+): (\d+)$/.exec(line);
    if (match !== null) stats.set(match[1]!, Number(match[2]));
  }
  return stats;
}

/** The lines that say what went wrong: warnings and worse where there are any, the last 20 of them. */
function relevantLines(log: string): string {
  const lines = log.split("\n").filter((line) => line.trim() !== "");
  const telling = lines.filter(
    (line) => /\[(error|critical|warning)\]|^\S*error/i.test(line) && !/Deprecated/.test(line),
  );
  return (telling.length > 0 ? telling : lines).slice(-20).join("\n") || "(it wrote nothing to its log)";
}
