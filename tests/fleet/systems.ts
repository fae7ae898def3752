/**
 * The systems that limits of a fleet run on, as they are: Redis, from the distribution, and envoyproxy/ratelimit, built with Go and kept
 * in a cache folder by its version. What is missing is installed; what cannot be is an error, never a test left out.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { allThere, buildInto, cacheFolder, run } from "../bench/building.ts";
import { freePort } from "../lifecycle/world.ts";
import { Link } from "./network.ts";

export const ratelimit_module = "github.com/envoyproxy/ratelimit";
const ratelimit_program = "src/service_cmd";
export const ratelimit_version = "v1.4.1-0.20260122083618-3fb702589d36";
const start_timeout_ms = 30_000;
const poll_ms = 50;

/** Where Go is looked for beside PATH. */
const go_folder = "/usr/local/go/bin";
const path = `${process.env.PATH ?? ""}${delimiter}${go_folder}`;

/** Paths of the programs. */
export interface Systems {
  redis: string;
  ratelimit: string;
}

/** Runs a program; what it wrote. Throws where it fails. */
export async function must(
  program: string,
  args: readonly string[],
  folder: string,
  added: NodeJS.ProcessEnv = {},
): Promise<string> {
  const { code, stdout, output, missing } = await run(program, args, folder, { PATH: path, ...added });
  if (code !== 0 || missing) throw new Error(`\`${program} ${args.join(" ")}\` failed:\n${output.trim()}`);
  return stdout;
}

/** Has a program of the distribution. */
export async function findOnPath(program: string, packages: readonly string[]): Promise<void> {
  if (!(await run(program, ["--version"], tmpdir())).missing) return;
  console.log(`installing ${packages.join(" and ")} from the distribution`);
  await must("apt-get", ["update", "-qq"], tmpdir());
  await must("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], tmpdir());
}

/** Finds the programs, and installs those that are not there. Throws where that fails. */
export async function findSystems(): Promise<Systems> {
  await findOnPath("redis-server", ["redis-server"]);
  const folder = join(cacheFolder(), `ratelimit-${ratelimit_version}`);
  const ratelimit = join(folder, "service_cmd");
  if (!(await allThere([ratelimit], constants.X_OK))) {
    console.log(`building envoyproxy/ratelimit ${ratelimit_version} into ${folder}, once: about a minute`);
    await buildInto(folder, [ratelimit], async (into) => {
      await must("go", ["install", `${ratelimit_module}/${ratelimit_program}@${ratelimit_version}`], into, {
        GOBIN: into,
      });
    });
  }
  return { redis: "redis-server", ratelimit };
}

/** Whether something listens on a port of this machine. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => socket.destroy(resolve(true) as undefined));
    socket.once("error", () => resolve(false));
  });
}

/** A program that listens on a port, and can be ended, held up and started again. */
export class Daemon {
  readonly port: number;
  readonly #start: () => ChildProcess;
  #child: ChildProcess | undefined;

  constructor(port: number, start: () => ChildProcess) {
    this.port = port;
    this.#start = start;
  }

  async start(): Promise<void> {
    this.#child = this.#start();
    const ended = once(this.#child, "exit").then(([code]) => {
      throw new Error(`it ended with ${code} instead of listening on port ${this.port}`);
    });
    // Only while it starts.
    ended.catch(() => {});
    const deadline = performance.now() + start_timeout_ms;
    while (!(await Promise.race([answers(this.port), ended]))) {
      if (performance.now() > deadline) throw new Error(`nothing listens on port ${this.port}`);
      await sleep(poll_ms);
    }
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  /** Has it do nothing, with all its connections open, until `resume`. */
  suspend(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }
}

/** Redis and the service in front of it. */
export interface Service {
  redis: Daemon;
  ratelimit: Daemon;
  /** Between the two. */
  toRedis: Link;
  stop(): Promise<void>;
}

/** Starts both, with a configuration of the service, and more in their environments. */
export async function startService(
  { redis: redisPath, ratelimit: servicePath }: Systems,
  configuration: string,
  environments: Partial<Record<"redis" | "ratelimit", NodeJS.ProcessEnv>> = {},
): Promise<Service> {
  const root = await mkdtemp(join(tmpdir(), "sallyport-ratelimit-"));
  await mkdir(join(root, "ratelimit", "config"), { recursive: true });
  await writeFile(join(root, "ratelimit", "config", "limits.yaml"), configuration);
  const [redisPort, grpcPort, httpPort, debugPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const redis = new Daemon(redisPort, () =>
    // Nothing is kept: what starts again is empty.
    spawn(redisPath, ["--port", String(redisPort), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], {
      cwd: root,
      stdio: "ignore",
      env: { ...process.env, ...environments.redis },
    }),
  );
  const toRedis = await Link.start(redisPort);
  const ratelimit = new Daemon(grpcPort, () =>
    spawn(servicePath, [], {
      stdio: "ignore",
      env: {
        PATH: path,
        HOST: "127.0.0.1",
        GRPC_HOST: "127.0.0.1",
        DEBUG_HOST: "127.0.0.1",
        PORT: String(httpPort),
        GRPC_PORT: String(grpcPort),
        DEBUG_PORT: String(debugPort),
        USE_STATSD: "false",
        LOG_LEVEL: "error",
        REDIS_SOCKET_TYPE: "tcp",
        REDIS_URL: `127.0.0.1:${toRedis.port}`,
        RUNTIME_ROOT: root,
        RUNTIME_SUBDIRECTORY: "ratelimit",
        RUNTIME_WATCH_ROOT: "false",
        ...environments.ratelimit,
      },
    }),
  );
  const stop = async (): Promise<void> => {
    await ratelimit.kill();
    await redis.kill();
    toRedis.stop();
    await rm(root, { recursive: true, force: true });
  };
  try {
    await redis.start();
    await ratelimit.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return { redis, ratelimit, toRedis, stop };
}
