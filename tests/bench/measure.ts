/**
 * CPU per request: every case sends so many requests in each round, the cases take turns within a round, and the time the
 * processes ran meanwhile is divided by the requests. What disturbs the machine disturbs a round of all cases alike, so
 * what a case adds is taken against the bare router of the same round. Rounds are short and many, so that a disturbance
 * spoils few of them.
 */
import { randomInt } from "node:crypto";
import { cpuNanoseconds } from "./cpu.ts";
import type { Load as Requests } from "./requests.ts";
import type { Load as Generator, RunResult } from "./tools.ts";

/** One thing that is measured: requests of one kind through one listener, by one protocol. */
export interface Case {
  /** The listener's name, which is the chain's. */
  listener: string;
  kind: Kind;
  title: string;
  protocol: Protocol;
  requests: Requests;
  /** Processes besides Envoy that do a part of the work. */
  helpers: number[];
  /** Whether any status will do: the chain is the user's own. */
  anyStatus: boolean;
}

export type Protocol = "http1" | "http2";

/** Requests with tokens that come again, with a new token each, or denied with a status. */
export type Kind = "known" | "new-RS256" | "new-ES256" | "403" | "401" | "429";

/** What was measured of a case, in microseconds of CPU a request, one figure a round. */
export interface Measured {
  case: Case;
  /** How many requests a round has. */
  requests: number;
  /** How many answers had each status, over all rounds. */
  statuses: Record<string, number>;
  micros: number[];
}

export interface MeasureOptions {
  envoyPid: number;
  rounds: number;
  /** About how much CPU a case takes in a round. */
  roundSeconds: number;
  /** How many requests a case sends at most before anything is measured. */
  warmupRequests: number;
  /** Called between the warm-up and the first round. */
  onWarm?: () => void;
}

/** V8 optimizes what runs often, in its own time; what takes long a request does not depend on that. CPU time. */
const warmup_seconds = 0.7;
const warmup_step_seconds = 0.1;
/**
 * Sent and not counted when a case's turn comes: the cases before it took the processor's caches, and their tokens may have
 * pushed the known ones out of ours. Enough for each of the known tokens to come twice.
 */
const priming_requests = 64;
const requests_min = 100;
const requests_max = 60_000;

/** @throws Error where a request gets another status than its case says, or none */
export async function measure(
  generator: Generator,
  cases: readonly Case[],
  options: MeasureOptions,
): Promise<Measured[]> {
  const { envoyPid, rounds, roundSeconds, warmupRequests } = options;
  const measured: Measured[] = [];
  for (const item of cases) {
    const micros = await warmUp(generator, item, warmupRequests, envoyPid);
    const affordable = Math.ceil((roundSeconds * 1e6) / micros);
    const requests = Math.min(Math.max(affordable, requests_min), requests_max);
    measured.push({ case: item, requests, statuses: {}, micros: [] });
  }
  options.onWarm?.();
  for (let round = 0; round < rounds; round++) {
    for (const entry of shuffled(measured)) {
      await runOnce(generator, entry.case, priming_requests, envoyPid);
      const { micros, statuses } = await runOnce(generator, entry.case, entry.requests, envoyPid);
      entry.micros.push(micros);
      for (const [status, count] of Object.entries(statuses)) {
        entry.statuses[status] = (entry.statuses[status] ?? 0) + count;
      }
    }
  }
  return measured;
}

/** @returns microseconds of CPU a request by the end of it */
async function warmUp(generator: Generator, item: Case, mostRequests: number, envoyPid: number): Promise<number> {
  // Few to begin with: a case may take milliseconds a request, and the first requests of all take the longest.
  let { micros } = await runOnce(generator, item, 200, envoyPid);
  let spent = 0;
  for (let sent = 200; sent < mostRequests && spent < warmup_seconds * 1e6; ) {
    const requests = Math.min(Math.max(Math.floor((warmup_step_seconds * 1e6) / micros), 50), mostRequests);
    ({ micros } = await runOnce(generator, item, requests, envoyPid));
    sent += requests;
    spent += requests * micros;
  }
  return micros;
}

/** In another order each time, so that no case always follows the same one. */
function shuffled<T>(values: readonly T[]): T[] {
  const order = [...values];
  for (let last = order.length - 1; last > 0; last--) {
    const other = randomInt(last + 1);
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}

/** Microseconds of CPU a request, and the answers. */
async function runOnce(
  generator: Generator,
  item: Case,
  requests: number,
  envoyPid: number,
): Promise<{ micros: number; statuses: RunResult["statuses"] }> {
  const processes = [envoyPid, ...item.helpers];
  const before = cpuNanoseconds(processes);
  const { statuses, failures, first_failure } = await generator.run(caseId(item), requests);
  const after = cpuNanoseconds(processes);
  const wrong = item.anyStatus ? 0 : requests - (statuses[String(item.requests.status)] ?? 0);
  if (failures > 0 || wrong > 0) {
    const got = Object.entries(statuses).map(([status, count]) => `${count} × ${status}`);
    const wanted = item.anyStatus ? "be answered" : `get ${item.requests.status}`;
    throw new Error(
      `${item.title} (${item.protocol}, ${item.requests.name}): all ${requests} requests should ${wanted}, but got ` +
        `${got.join(", ") || "nothing"}, and ${failures} failed${first_failure === undefined ? "" : `: ${first_failure}`}`,
    );
  }
  return { micros: (after - before) / 1000 / requests, statuses };
}

/** The name by which the load generator knows a case. */
export function caseId({ listener, protocol, requests }: Pick<Case, "listener" | "protocol" | "requests">): string {
  return `${listener}/${requests.name}/${protocol}`;
}
