/**
 * What limits admit: one Envoy for each number of workers, 64 connections that send on one key as fast as they can, and one limit after
 * the other. Envoy's access log has when each request began and ended by Envoy's own clock, which a bucket that is exact is asked by (exact.ts).
 */
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startEnvoy } from "../../../scripts/envoy/process.ts";
import { benchBootstrap } from "../listeners.ts";
import type { Json } from "../native.ts";
import { exampleManager, filtersOf } from "../ours.ts";
import { requestWith } from "../requests.ts";
import { Load as Generator, type RunResult } from "../tools.ts";
import { caller, type World } from "../world.ts";
import { type Arrival, judge, leastByOneBucket, type Rate, type Seen, type Verdict } from "./exact.ts";

export interface Extent {
  rates: readonly number[];
  bursts: readonly number[];
  workers: readonly number[];
  /** About how long each limit is asked. */
  seconds: number;
}

/** One limit under one number of workers. */
export interface Cell extends Rate, Seen, Verdict {
  requests: number;
}

const connections = 64;
const listener = "limits";
/** A client sends some thousands of requests a second; where a limit has more, each takes several tokens, as far as the burst goes. */
const steps = 1000;

export function rateOf(perSecond: number, burst: number): Rate {
  const cost = Math.max(1, Math.min(burst, Math.floor(Math.max(perSecond, burst) / steps)));
  return { perSecond, burst, cost };
}

const nameOf = ({ perSecond, burst }: Rate): string => `r${perSecond}-b${burst}`;

/** All limits, a rule each, and what is asked to learn how fast the machine is. */
function policyText(rates: readonly Rate[]): string {
  const rule = (name: string, cost: number): string =>
    `  - { name: ${name}, callers: ["${caller}"], allow: [GET /${name}], limit: ${name}, cost: ${cost} }`;
  return [
    ...["version: 1", "name: admitted", "trust: { domains: [example.org] }", "limits:"],
    "  pace: { rate: 1/h, burst: 1, per: [caller] }",
    ...rates.map((rate) => `  ${nameOf(rate)}: { rate: ${rate.perSecond}/s, burst: ${rate.burst}, per: [caller] }`),
    ...["rules:", rule("pace", 1), ...rates.map((rate) => rule(nameOf(rate), rate.cost)), ""],
  ].join("\n");
}

/** Measures each limit under each number of workers, and tells of each when it is done. */
export async function measureAdmitted(
  world: World,
  envoyPath: string,
  generatorPath: string,
  { rates, bursts, workers, seconds }: Extent,
  onCell: (cell: Cell) => void,
): Promise<Cell[]> {
  const limits = rates.flatMap((perSecond) => bursts.map((burst) => rateOf(perSecond, burst)));
  const cells: Cell[] = [];
  for (const concurrency of workers) {
    const logPath = join(world.directory, `access-${concurrency}.log`);
    const filters = await filtersOf(world, `limits-${concurrency}`, policyText(limits));
    const config = await benchBootstrap(world, [{ name: listener, filters }], envoyPath);
    exampleManager(config).access_log = [accessLog(logPath)];
    const envoy = await startEnvoy({ envoyPath, config, concurrency });
    const generator = new Generator(generatorPath);
    const log = new AccessLog(logPath);
    /** Asks for the path of that name on 64 connections. */
    const ask = async (name: string, requests: number): Promise<RunResult> => {
      const file = join(world.directory, `${name}.jsonl`);
      await writeFile(file, `${JSON.stringify(requestWith(undefined, `/${name}`))}\n`);
      await generator.open({
        ...{ id: name, address: `127.0.0.1:${envoy.listenerPort(listener)}`, protocol: "http1", connections },
        ...{ requests_file: file, ...world.caller, authority: world.authorityPath, server_name: "localhost" },
      });
      const result = await generator.run(name, requests);
      await generator.close(name);
      return result;
    };
    try {
      // Twice, since V8 compiles what runs often.
      let pace = 0;
      for (const requests of [3000, 6000]) pace = requests / (await ask("pace", requests)).seconds;
      await log.read(9000);
      for (const rate of limits) {
        const requests = Math.ceil(pace * seconds);
        const result = await ask(nameOf(rate), requests);
        checkStatuses(rate, result);
        const seen = {
          workers: concurrency,
          seconds: result.seconds,
          admitted: result.statuses["200"] ?? 0,
          byOneBucket: leastByOneBucket(await log.read(requests), rate),
        };
        const cell = { ...rate, ...seen, ...judge(rate, seen), requests };
        cells.push(cell);
        onCell(cell);
      }
    } finally {
      await generator.stop();
      await envoy.stop();
      await log.close();
    }
  }
  return cells;
}

function checkStatuses(rate: Rate, { statuses, failures, first_failure }: RunResult): void {
  const others = Object.keys(statuses).filter((status) => status !== "200" && status !== "429");
  if (failures === 0 && others.length === 0) return;
  throw new Error(`${nameOf(rate)}: ${failures} failed (${first_failure}), answers ${JSON.stringify(statuses)}`);
}

function accessLog(path: string): Json {
  return {
    name: "envoy.access_loggers.file",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
      path,
      log_format: {
        text_format_source: { inline_string: "%START_TIME(%s.%6f)% %COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%\n" },
      },
    },
  };
}

/** Each line is one request: when it began, in seconds, and the microseconds that it took. */
class AccessLog {
  readonly #path: string;
  #file: Awaited<ReturnType<typeof open>> | undefined;
  #rest = "";

  constructor(path: string) {
    this.#path = path;
  }

  /** So many requests, which have been answered. */
  async read(count: number): Promise<Arrival[]> {
    this.#file ??= await open(this.#path, "r");
    const times: Arrival[] = [];
    const buffer = Buffer.alloc(1 << 20);
    for (let tries = 0; times.length < count; tries++) {
      if (tries > 500) throw new Error(`the access log has ${times.length} of ${count} lines`);
      for (;;) {
        const { bytesRead } = await this.#file.read(buffer, 0, buffer.length);
        if (bytesRead === 0) break;
        const lines = (this.#rest + buffer.toString("latin1", 0, bytesRead)).split("\n");
        this.#rest = lines.pop()!;
        for (const line of lines) {
          const [seconds, micros] = line.split(" ").map(Number);
          const began = Math.round(seconds! * 1e6);
          times.push({ began, ended: began + micros! });
        }
      }
      if (times.length < count) await sleep(20);
    }
    return times;
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}
