/** Two periods of traffic, compared: what is new, what is gone, what has become far more or far less. */
import type { Usage } from "../traffic/usage.ts";
import { type Endpoint, groupUsages, isAnswered, isDenied } from "./endpoints.ts";
import { compareTexts } from "./order.ts";
import type { Pin } from "./pins.ts";

/** A volume has jumped where it is so many times as large, or as small, a day … */
export const jump_factor = 3;
/** … and by so many requests a day at least. */
export const jump_requests = 100;
/** Denials have jumped where they are so many times as many a day, and by so many at least. */
export const jump_denials = 20;

/** What has changed between two periods. */
export interface Drift {
  before: Period;
  after: Period;
  newEndpoints: EndpointChange[];
  newCallers: CallerChange[];
  /** All callers of endpoints that they did not call before, those with a new caller or a new endpoint too. */
  newPairs: PairChange[];
  vanishedEndpoints: EndpointChange[];
  vanishedCallers: CallerChange[];
  /** Of callers and endpoints that are both still there. */
  vanishedPairs: PairChange[];
  volume: EndpointChange[];
  /** By endpoint, attempts too, and by caller. */
  denials: (EndpointChange | CallerChange)[];
}

/** A stretch of time, as far as the log has it. */
export interface Period {
  requests: number;
  /** How many days have requests: 1 where the log has no times. Rates are by these. */
  days: number;
  /** UTC, `YYYY-MM-DD`; "" where the log has no times. */
  from: string;
  to: string;
}

/** Requests a day: those that were let in, or for denials those that were not. */
interface Rates {
  before: number;
  after: number;
}

export interface EndpointChange extends Rates, Pick<Endpoint, "host" | "method" | "template" | "operation"> {
  /** Who calls it now; where it has vanished, who did. "" for nobody. */
  callers: string[];
}

export interface CallerChange extends Rates {
  caller: string;
}

export interface PairChange extends Omit<EndpointChange, "callers">, CallerChange {
  isCallerNew: boolean;
  isEndpointNew: boolean;
}

/**
 * Compares two periods. Templates are inferred from both together, so that they are the same in both.
 * @param pinned templates that are known
 */
export function driftOf(before: readonly Usage[], after: readonly Usage[], pinned: readonly Pin[] = []): Drift {
  const earlier = new Set(before);
  const { endpoints, attempts } = groupUsages([...before, ...after], pinned);
  const periods = { before: periodOf(before), after: periodOf(after) };
  const rate = (counts: Counts): Rates => ({
    before: perDay(counts.before, periods.before),
    after: perDay(counts.after, periods.after),
  });
  const callers = new Map<string, { admitted: Counts; denied: Counts }>();
  const drift: Drift = {
    ...periods,
    ...{
      newEndpoints: [],
      newCallers: [],
      newPairs: [],
      vanishedEndpoints: [],
      vanishedCallers: [],
      vanishedPairs: [],
    },
    ...{ volume: [], denials: [] },
  };
  const isIn = ({ before: old, after: now }: Counts): [boolean, boolean] => [old > 0, now > 0];
  const pairs: { endpoint: Endpoint; caller: string; counts: Counts; endpointIn: [boolean, boolean] }[] = [];
  for (const usage of [...before, ...after]) {
    const { caller, count, admitted } = usage;
    const when = earlier.has(usage) ? "before" : "after";
    const mine = callers.get(caller) ?? { admitted: none(), denied: none() };
    callers.set(caller, mine);
    if (admitted) mine.admitted[when] += count;
    if (isDenied(usage)) mine.denied[when] += count;
  }
  for (const endpoint of [...endpoints, ...attempts]) {
    const { host, method, template, operation, usages } = endpoint;
    const [all, answered, denied] = [none(), none(), none()];
    const byCaller = new Map<string, Counts>();
    for (const usage of usages) {
      const when = earlier.has(usage) ? "before" : "after";
      if (isDenied(usage)) denied[when] += usage.count;
      if (!usage.admitted) continue;
      all[when] += usage.count;
      if (isAnswered(usage) || endpoint.isPinned) answered[when] += usage.count;
      const counts = byCaller.get(usage.caller) ?? none();
      byCaller.set(usage.caller, counts);
      counts[when] += usage.count;
    }
    const endpointIn = isIn(answered);
    const [was, is] = endpointIn;
    const those = [...byCaller]
      .filter(([, counts]) => (is ? counts.after : counts.before) > 0)
      .map(([caller]) => caller);
    const change = { host, method, template, operation, callers: those.sort(compareTexts) };
    if (is && !was) drift.newEndpoints.push({ ...change, ...rate(all) });
    if (was && !is) drift.vanishedEndpoints.push({ ...change, ...rate(all) });
    if (was && is && hasJumped(rate(all), jump_requests, true)) drift.volume.push({ ...change, ...rate(all) });
    if (hasJumped(rate(denied), jump_denials, false)) drift.denials.push({ ...change, ...rate(denied) });
    for (const [caller, counts] of byCaller) pairs.push({ endpoint, caller, counts, endpointIn });
  }
  for (const [caller, { admitted, denied }] of [...callers].sort(([a], [b]) => compareTexts(a, b))) {
    const [was, is] = isIn(admitted);
    if (is && !was) drift.newCallers.push({ caller, ...rate(admitted) });
    if (was && !is) drift.vanishedCallers.push({ caller, ...rate(admitted) });
    if (hasJumped(rate(denied), jump_denials, false)) drift.denials.push({ caller, ...rate(denied) });
  }
  for (const { endpoint, caller, counts, endpointIn } of pairs) {
    const [was, is] = isIn(counts);
    const [callerWas, callerIs] = isIn(callers.get(caller)!.admitted);
    const { host, method, template, operation } = endpoint;
    const isNews = { isCallerNew: !callerWas, isEndpointNew: !endpointIn[0] };
    const change = { host, method, template, operation, caller, ...rate(counts), ...isNews };
    if (is && !was && endpointIn[1]) drift.newPairs.push(change);
    if (was && !is && callerIs && endpointIn[1]) drift.vanishedPairs.push(change);
  }
  return drift;
}

/**
 * The usages before a day, and from it on. Those without a day belong to neither.
 * @param day UTC, `YYYY-MM-DD`
 */
export function splitAt(usages: readonly Usage[], day: string): [before: Usage[], after: Usage[]] {
  const dated = usages.filter((usage) => usage.day !== "");
  return [dated.filter((usage) => usage.day < day), dated.filter((usage) => usage.day >= day)];
}

interface Counts {
  before: number;
  after: number;
}

function none(): Counts {
  return { before: 0, after: 0 };
}

function periodOf(usages: readonly Usage[]): Period {
  const days = [...new Set(usages.map(({ day }) => day))].filter((day) => day !== "").sort();
  const requests = usages.reduce((sum, { count }) => sum + count, 0);
  return { requests, days: Math.max(days.length, 1), from: days[0] ?? "", to: days.at(-1) ?? "" };
}

function perDay(count: number, { days }: Period): number {
  return Math.round((count / days) * 100) / 100;
}

function hasJumped({ before, after }: Rates, least: number, isEitherWay: boolean): boolean {
  const more = after >= before * jump_factor && after - before >= least;
  return more || (isEitherWay && before >= after * jump_factor && before - after >= least);
}
