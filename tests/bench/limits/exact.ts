/** What a limit is measured against: one bucket, exact and without workers, asked at the times at which Envoy had the requests. */

/** A limit, and what a request takes from it. */
export interface Rate {
  perSecond: number;
  burst: number;
  cost: number;
}

/** How many of the requests a bucket that was full before admits. */
export function admittedByOneBucket(microseconds: readonly number[], { perSecond, burst, cost }: Rate): number {
  let tokens = burst;
  let last = Number.NEGATIVE_INFINITY;
  let admitted = 0;
  for (const now of [...microseconds].sort((one, other) => one - other)) {
    tokens = Math.min(burst, tokens + ((now - last) / 1e6) * perSecond);
    last = now;
    if (tokens < cost) continue;
    tokens -= cost;
    admitted++;
  }
  return admitted;
}

/** A request, in microseconds by Envoy's clock. */
export interface Arrival {
  began: number;
  ended: number;
}

/**
 * How many one bucket admits at the least. A request is decided some time between its beginning and its end, and where its worker had to
 * wait for a processor in between, that makes a difference to a bucket of one token.
 */
export function leastByOneBucket(arrivals: readonly Arrival[], rate: Rate): number {
  const [began, ended] = [arrivals.map((one) => one.began), arrivals.map((one) => one.ended)];
  return Math.min(admittedByOneBucket(began, rate), admittedByOneBucket(ended, rate));
}

/** What workers may have reserved of a bucket, all together (docs/limits.md). */
export function reservedTokens(workers: number, burst: number): number {
  return workers * Math.min(64, Math.floor(burst / 1000));
}

/** What was seen of one limit. */
export interface Seen {
  workers: number;
  /** From the first request sent to the last answer. */
  seconds: number;
  /** Requests that were admitted, and that one bucket would have admitted. */
  admitted: number;
  byOneBucket: number;
}

/** In tokens, and whether the limit held. */
export interface Verdict {
  admittedTokens: number;
  /** rate × time + burst. */
  allowedTokens: number;
  /** The same and what workers may have reserved. */
  mostTokens: number;
  /** Against one bucket, which loses tokens, too, while no request comes. */
  ratio: number;
  /** "" where it held. */
  problem: string;
}

/** A hundredth, one request, and what workers may have reserved. */
const tolerance = 0.01;

export function judge(rate: Rate, seen: Seen): Verdict {
  const { perSecond, burst, cost } = rate;
  const admittedTokens = seen.admitted * cost;
  const allowedTokens = perSecond * seen.seconds + burst;
  const reserved = reservedTokens(seen.workers, burst);
  const mostTokens = allowedTokens + reserved;
  const exactTokens = seen.byOneBucket * cost;
  const least = (1 - tolerance) * exactTokens - cost - reserved;
  const problem = admittedTokens > mostTokens ? "BEYOND THE BOUND" : admittedTokens < least ? "TOO FEW" : "";
  return { admittedTokens, allowedTokens, mostTokens, ratio: admittedTokens / exactTokens, problem };
}
