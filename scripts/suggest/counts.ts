/** What the log says of a group of requests in numbers. */
import type { Usage } from "../traffic/usage.ts";
import { counted, escaped } from "./hostile.ts";

/** How many requests, on how many days, and when. */
export function seenWords(usages: readonly Usage[]): string {
  const days = new Set(usages.map(({ day }) => day).filter((day) => day !== ""));
  const times = usages.filter(isTimed);
  const first = -maximum(
    times.map(({ firstSeen }) => -firstSeen),
    -Infinity,
  );
  const last = maximum(
    times.map(({ lastSeen }) => lastSeen),
    -Infinity,
  );
  const when = times.length === 0 ? "" : `, ${span(dayOf(first), dayOf(last))}`;
  const on = days.size === 0 ? "" : ` on ${counted(days.size, "day")}`;
  return `${counted(sum(usages), "request")}${on}${when}`;
}

/** Lines of a comment: what was seen, and what has to be known of it. */
export function countLines(usages: readonly Usage[]): string[] {
  const peak = peakOf(usages);
  const most =
    !Number.isSafeInteger(peak) || peak <= 0 ? "" : `, at most ${peak.toLocaleString("en-US")} a minute by one caller`;
  const lines = [`${seenWords(usages)}${most}.`];
  const shadow = usages.filter(({ decision }) => decision === "deny");
  if (shadow.length > 0) {
    const reasons = [...new Set(shadow.map(({ reason }) => escaped(reason)))].sort().join(", ");
    lines.push(`CHECK: ${counted(sum(shadow), "request")} passed in shadow mode only (${reasons}).`);
  }
  return lines;
}

export function sum(usages: readonly Usage[]): number {
  return usages.reduce((all, { count }) => all + count, 0);
}

/** The most requests of one caller in one minute, by the log: at the most so many, since groups of requests may have had theirs at different times. */
export function peakOf(usages: readonly Usage[]): number {
  const byDay = new Map<string, number>();
  for (const { caller, day, peakMinute } of usages) {
    const key = `${caller} ${day}`;
    byDay.set(key, (byDay.get(key) ?? 0) + peakMinute);
  }
  return maximum(byDay.values());
}

/** `Math.max` takes no list of any length. */
function maximum(values: Iterable<number>, least = 0): number {
  let most = least;
  for (const value of values) if (value > most) most = value;
  return most;
}

/** Whether a time is known, and one that a date can be made of. */
function isTimed({ firstSeen, lastSeen }: Usage): boolean {
  return firstSeen > 0 && lastSeen >= firstSeen && lastSeen <= 8.64e15;
}

function dayOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10);
}

function span(first: string, last: string): string {
  return first === last ? first : `${first} to ${last}`;
}
