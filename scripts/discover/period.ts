/** `--since`: from which day on a log is new. */
import type { Usage } from "../traffic/usage.ts";

const day_ms = 86_400_000;

/** The last so many days of a log, or all from a day on. */
export type Since = { days: number } | { day: string };

/** Reads `7d` or `2026-11-20`; undefined for anything else. */
export function parseSince(text: string): Since | undefined {
  const [, days] = /^([1-9]\d{0,3})d$/u.exec(text) ?? [];
  if (days !== undefined) return { days: Number(days) };
  if (!/^\d{4}-\d{2}-\d{2}$/u.test(text)) return undefined;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text) ? { day: text } : undefined;
}

/**
 * The first day of the new period, UTC. Days are counted from the log's last one, and not from today: of an old log they mean the same.
 * @returns undefined where the log has no times
 */
export function firstDayOf(since: Since, usages: readonly Usage[]): string | undefined {
  const last = usages.reduce((most, { day }) => (day > most ? day : most), "");
  if (last === "") return undefined;
  if ("day" in since) return since.day;
  return new Date(Date.parse(`${last}T00:00:00Z`) - (since.days - 1) * day_ms).toISOString().slice(0, 10);
}
