/**
 * How long an Envoy takes from the start of its process to the first decision, and the first requests against those after
 * them: V8 compiles a function when it is called for the first time.
 *
 * A cold start has Envoy, the module and the configuration read from the disk, as after a reboot; a warm one finds them in the
 * page cache. The Envoy that is started cold is a copy, since the pages of a program that runs elsewhere cannot be dropped.
 */
import { execFile } from "node:child_process";
import { copyFile, open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { Target } from "../../scripts/envoy/client.ts";
import { startEnvoy } from "../../scripts/envoy/process.ts";
import { median } from "../soak/flat.ts";
import { Connection } from "./connection.ts";
import { freePort, type World } from "./world.ts";

/** What to start, and what to ask it. */
export interface StartCase {
  name: string;
  /** The path of the module; undefined for an Envoy without the filter. */
  wasmPath: string | undefined;
  /** The SPIFFE ID of who asks. */
  caller: string;
  /** A path that is admitted, where `needsToken` with the world's token. */
  path: string;
  needsToken: boolean;
}

/** What one start took, in milliseconds. */
export interface Start {
  /** From before the process was started until its first decision had come. */
  toFirstDecisionMs: number;
  /** The first request, on a connection that stands. */
  firstMs: number;
  /** The median of 50 requests after the first 50. */
  laterMs: number;
}

const poll_ms = 2;
const start_timeout_ms = 120_000;

/** Starts an Envoy of one worker so many times, one after the other. */
export async function measureStarts(world: World, item: StartCase, times: number, isCold: boolean): Promise<Start[]> {
  const envoyPath = isCold ? await copyOfEnvoy(world) : world.envoyPath;
  const starts: Start[] = [];
  for (let time = 0; time < times; time++) {
    if (isCold) {
      for (const path of [envoyPath, item.wasmPath]) if (path !== undefined) await dropFromPageCache(path);
    }
    starts.push(await measureStart(world, item, envoyPath));
  }
  return starts;
}

async function measureStart(world: World, item: StartCase, envoyPath: string): Promise<Start> {
  const port = await freePort();
  const target = await world.target(port, item.caller);
  const config = await world.bootstrap({ wasmPath: item.wasmPath, port });
  const token = item.needsToken ? world.token : undefined;
  const startedMs = performance.now();
  const starting = startEnvoy({ envoyPath, config, startTimeoutMs: start_timeout_ms });
  const failed = starting.then(
    () => undefined,
    (error: unknown) => error,
  );
  let connection: Connection | undefined;
  try {
    connection = await connectWhenUp(target, failed);
    const ask = async (): Promise<number> => {
      const { status, milliseconds } = await connection!.ask(item.path, token);
      if (status !== 200) throw new Error(`${item.name}: GET ${item.path} was answered ${status} in place of 200`);
      return milliseconds;
    };
    const firstMs = await ask();
    const toFirstDecisionMs = performance.now() - startedMs;
    for (let count = 0; count < 50; count++) await ask();
    const later: number[] = [];
    for (let count = 0; count < 50; count++) later.push(await ask());
    return { toFirstDecisionMs, firstMs, laterMs: median(later) };
  } finally {
    connection?.close();
    await starting.then(
      (envoy) => envoy.stop(),
      () => {},
    );
  }
}

/** Connects as soon as somebody listens. Throws what kept Envoy from starting. */
async function connectWhenUp(target: Target, failed: Promise<unknown>): Promise<Connection> {
  let failure: unknown;
  failed.then((error) => {
    failure = error;
  });
  const deadlineMs = performance.now() + start_timeout_ms;
  for (;;) {
    try {
      return await Connection.open(target);
    } catch (error) {
      if (failure !== undefined) throw failure;
      if (performance.now() > deadlineMs) throw error;
      await sleep(poll_ms);
    }
  }
}

async function copyOfEnvoy(world: World): Promise<string> {
  const path = join(world.directory, "envoy-copy");
  await copyFile(world.envoyPath, path);
  return path;
}

/** Has the kernel forget what it holds of a file (posix_fadvise with POSIX_FADV_DONTNEED, by way of dd). */
export async function dropFromPageCache(path: string): Promise<void> {
  // Pages that are not yet on the disk cannot be dropped.
  const file = await open(path, "r");
  await file.sync();
  await file.close();
  await promisify(execFile)("dd", [`if=${path}`, "iflag=nocache", "count=0", "status=none"]);
}
