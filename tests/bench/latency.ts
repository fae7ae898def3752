/**
 * How long a caller waits at a rate that no chain is strained by, with Fortio: what CPU per request does not show. One known
 * token over HTTP/1.1, since Fortio sends the same headers with every request.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { few_rules } from "./chains.ts";
import type { BenchRequest } from "./requests.ts";
import type { Bench } from "./setup.ts";

/** What was seen of a chain, as bench.json has it. */
export interface Latency {
  chain: string;
  title: string;
  /** The rate that was asked for and the one that came of it: a chain that cannot keep up has a queue, and waits in it. */
  requestsPerSecond: number;
  reachedRequestsPerSecond: number;
  requests: number;
  /** How many answers had each status. */
  statuses: Record<string, number>;
  p50Microseconds: number;
  p99Microseconds: number;
}

export interface LatencyOptions {
  requestsPerSecond: number;
  seconds: number;
  /** Which chains, by name; those of the user's own always are. */
  chains: readonly string[];
}

interface FortioReport {
  ActualQPS: number;
  RetCodes: Record<string, number>;
  DurationHistogram: { Count: number; Percentiles: { Percentile: number; Value: number }[] };
}

const connections = 4;
/** The least step Fortio tells apart. */
const resolution_seconds = 0.000_005;

/**
 * One chain after the other.
 * @throws Error where Fortio fails, or a chain that is not the user's own answers anything but 200
 */
export async function measureLatency(bench: Bench, options: LatencyOptions): Promise<Latency[]> {
  const measured: Latency[] = [];
  for (const { name, title, rules, isYours } of bench.chains) {
    if (!isYours && !options.chains.includes(name)) continue;
    const { path } = await bench.loads.known(rules || few_rules);
    const [first] = (await readFile(path, "utf8")).split("\n");
    const report = await runFortio(bench, name, JSON.parse(first!) as BenchRequest, options);
    const { RetCodes: statuses, DurationHistogram: durations } = report;
    if (!isYours && Object.keys(statuses).some((status) => status !== "200")) {
      throw new Error(`${title}: Fortio got ${JSON.stringify(statuses)} where 200 is expected throughout`);
    }
    const microsecondsAt = (percent: number): number =>
      durations.Percentiles.find(({ Percentile }) => Percentile === percent)!.Value * 1e6;
    measured.push({
      ...{ chain: name, title, requestsPerSecond: options.requestsPerSecond },
      ...{ reachedRequestsPerSecond: report.ActualQPS, requests: durations.Count, statuses },
      ...{ p50Microseconds: microsecondsAt(50), p99Microseconds: microsecondsAt(99) },
    });
  }
  return measured;
}

async function runFortio(
  { tools, world, envoy }: Bench,
  listener: string,
  request: BenchRequest,
  { requestsPerSecond, seconds }: LatencyOptions,
): Promise<FortioReport> {
  const args = [
    ...["load", "-quiet", "-json", "-", "-p", "50,99", "-r", String(resolution_seconds), "-log-errors=false"],
    // What a chain answers is looked at in the report.
    "-allow-initial-errors",
    ...["-qps", String(requestsPerSecond), "-t", `${seconds}s`, "-c", String(connections), "-uniform"],
    ...["-cert", world.caller.certificate, "-key", world.caller.key, "-cacert", world.authorityPath],
    // The server's certificate is for localhost; the address goes without asking a name server.
    ...["-resolve", "127.0.0.1"],
    ...request.headers.flatMap(([name, value]) => ["-H", `${name}:${value}`]),
    `https://localhost:${envoy.listenerPort(listener)}${request.path}`,
  ];
  const timeout = (seconds + 30) * 1000;
  return new Promise((resolve, reject) => {
    execFile(tools.fortio, args, { timeout, maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout) as FortioReport);
      else reject(new Error(`Fortio failed on the chain "${listener}": ${stderr.trim() || error.message}`));
    });
  });
}
