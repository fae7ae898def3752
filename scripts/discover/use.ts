/** Sums over usages: how often, by whom, with what, how fast. */
import { duration_bounds_ms, type Usage } from "../traffic/usage.ts";
import { compareTexts } from "./order.ts";

/** Usages, summed. */
export interface Use {
  requests: number;
  admitted: number;
  /** Not let in: by the record, or without one by an answer that says so (`Usage.admitted`). */
  denied: number;
  /** Let in, and answered with 400 to 499. */
  clientErrors: number;
  /** Let in, and answered with 500 and more. */
  serverErrors: number;
  /** Requests that were let in by their status, 0 where it is not known; in order. */
  statuses: Record<string, number>;
  /** Reasons of denials; "" where the log has none. */
  reasons: Record<string, number>;
  callers: CallerUse[];
  /** Of the tokens of requests that were let in, in order. */
  issuers: string[];
  /** Scopes that some request that was let in had, in order. */
  scopes: string[];
  /** Of them, those that all had. */
  scopesOfAll: string[];
  /** Requests that were let in without a token. */
  withoutToken: number;
  /** Names of parameters of queries that were let in, in order. */
  parameters: string[];
  /** UTC, `YYYY-MM-DD`, in order; none where the log has no times. */
  days: string[];
  /** Milliseconds since 1970; 0 where the log has no times. */
  firstSeen: number;
  lastSeen: number;
  bytesIn: number;
  bytesOut: number;
  /** Undefined where the log has no durations. */
  latency: Latency | undefined;
  /** The most in one minute; of several usages the most of one, so it is never too much. */
  peakMinute: number;
}

/** One caller's part. */
export interface CallerUse {
  /** A SPIFFE ID; "" for nobody. */
  caller: string;
  requests: number;
  admitted: number;
  denied: number;
  firstSeen: number;
  lastSeen: number;
}

/** Percentiles in milliseconds, interpolated within the buckets of a histogram: what took longer than its last bound is that bound. */
export interface Latency {
  p50: number;
  p90: number;
  p99: number;
}

/** Sums usages up. */
export function useOf(usages: Iterable<Usage>): Use {
  const use: Use = {
    ...{
      requests: 0,
      admitted: 0,
      denied: 0,
      clientErrors: 0,
      serverErrors: 0,
      statuses: {},
      reasons: {},
      callers: [],
    },
    ...{
      issuers: [],
      scopes: [],
      scopesOfAll: [],
      withoutToken: 0,
      parameters: [],
      days: [],
      firstSeen: 0,
      lastSeen: 0,
    },
    ...{ bytesIn: 0, bytesOut: 0, latency: undefined, peakMinute: 0 },
  };
  const callers = new Map<string, CallerUse>();
  const statuses = new Map<number, number>();
  const reasons = new Map<string, number>();
  const [issuers, scopes, parameters, days] = [
    new Set<string>(),
    new Set<string>(),
    new Set<string>(),
    new Set<string>(),
  ];
  const durations = Array<number>(duration_bounds_ms.length + 1).fill(0);
  let ofAll: Set<string> | undefined;
  for (const usage of usages) {
    const { caller, count, admitted, status, day, firstSeen, lastSeen } = usage;
    use.requests += count;
    use.bytesIn += usage.bytesIn;
    use.bytesOut += usage.bytesOut;
    use.peakMinute = Math.max(use.peakMinute, usage.peakMinute);
    seen(use, firstSeen, lastSeen);
    if (day !== "") days.add(day);
    let mine = callers.get(caller);
    if (mine === undefined) {
      mine = { caller, requests: 0, admitted: 0, denied: 0, firstSeen: 0, lastSeen: 0 };
      callers.set(caller, mine);
    }
    mine.requests += count;
    seen(mine, firstSeen, lastSeen);
    if (!admitted) {
      use.denied += count;
      mine.denied += count;
      reasons.set(usage.reason, (reasons.get(usage.reason) ?? 0) + count);
      continue;
    }
    use.admitted += count;
    mine.admitted += count;
    statuses.set(status, (statuses.get(status) ?? 0) + count);
    if (status >= 500) use.serverErrors += count;
    else if (status >= 400) use.clientErrors += count;
    if (usage.issuer === "") use.withoutToken += count;
    else issuers.add(usage.issuer);
    const held = new Set(usage.scopes.split(" ").filter((scope) => scope !== ""));
    for (const scope of held) scopes.add(scope);
    ofAll = ofAll === undefined ? held : new Set([...ofAll].filter((scope) => held.has(scope)));
    for (const name of usage.parameters) parameters.add(name);
    for (const [bucket, number] of usage.durations.entries()) durations[bucket]! += number;
  }
  use.statuses = Object.fromEntries([...statuses].sort(([one], [other]) => one - other));
  use.reasons = recordOf([...reasons].sort(([one], [other]) => compareTexts(one, other)));
  use.callers = [...callers.values()].sort((one, other) => compareTexts(one.caller, other.caller));
  use.issuers = sorted(issuers);
  use.scopes = sorted(scopes);
  use.scopesOfAll = sorted(ofAll ?? []);
  use.parameters = sorted(parameters);
  use.days = sorted(days);
  use.latency = latencyOf(durations);
  return use;
}

/** An object with names from outside: `__proto__` is a name like others. */
export function recordOf<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  const record = Object.create(null) as Record<string, T>;
  for (const [name, value] of entries) record[name] = value;
  return record;
}

function seen(into: { firstSeen: number; lastSeen: number }, first: number, last: number): void {
  if (first > 0) into.firstSeen = into.firstSeen === 0 ? first : Math.min(into.firstSeen, first);
  into.lastSeen = Math.max(into.lastSeen, last);
}

function sorted(texts: Iterable<string>): string[] {
  return [...texts].sort(compareTexts);
}

/** Percentiles of a histogram with the buckets of `duration_bounds_ms`; undefined where it is empty. */
export function latencyOf(durations: readonly number[]): Latency | undefined {
  const all = durations.reduce((sum, count) => sum + count, 0);
  if (all === 0) return undefined;
  return {
    p50: percentile(durations, all * 0.5),
    p90: percentile(durations, all * 0.9),
    p99: percentile(durations, all * 0.99),
  };
}

function percentile(durations: readonly number[], rank: number): number {
  let below = 0;
  for (const [bucket, upper] of duration_bounds_ms.entries()) {
    const count = durations[bucket] ?? 0;
    if (count > 0 && below + count >= rank) {
      const lower = bucket === 0 ? 0 : duration_bounds_ms[bucket - 1]!;
      return Math.round((lower + ((upper - lower) * (rank - below)) / count) * 10) / 10;
    }
    below += count;
  }
  return duration_bounds_ms.at(-1)!;
}
