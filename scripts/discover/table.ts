/** Tables and numbers as a person reads them. */
import { cell } from "./escape.ts";

/** A column: its head, and whether it has numbers, which stand to the right. */
export interface Column {
  head: string;
  isNumber?: boolean;
  /** A cell has at most so many characters; 60 by default. */
  most?: number;
}

/** A person reads so many rows; JSON has them all. */
export const shown_rows = 100;

/**
 * The lines of a table, two blanks before each.
 * @param shown at most so many rows; a line then says how many more there are
 */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  shown = shown_rows,
): string[] {
  const texts = rows.slice(0, shown).map((row) => row.map((text, at) => cell(text, columns[at]!.most ?? 60)));
  const lines = [columns.map(({ head }) => head), ...texts];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]!.length)));
  const table = lines.map((line) =>
    `  ${line.map((text, at) => (columns[at]!.isNumber ? text.padStart(widths[at]!) : text.padEnd(widths[at]!))).join("  ")}`.trimEnd(),
  );
  return rows.length > shown ? [...table, moreLine(rows.length - shown)] : table;
}

/** Lines of a list, of many the first. */
export function listLines(texts: readonly string[], shown = shown_rows): string[] {
  const lines = texts.slice(0, shown).map((text) => `  ${cell(text, 200)}`);
  return texts.length > shown ? [...lines, moreLine(texts.length - shown)] : lines;
}

function moreLine(rest: number): string {
  return `  … and ${number(rest)} more; --format json has them all`;
}

/** `12,345`. */
export function number(count: number): string {
  return count.toLocaleString("en-US", { maximumFractionDigits: count < 10 ? 1 : 0 });
}

/** `1 request`, `2 requests`. */
export function counted(count: number, one: string): string {
  return `${number(count)} ${one}${count === 1 ? "" : "s"}`;
}

/** A share in percent: "" for none, and never 0 % or 100 % for what is not. */
export function share(part: number, whole: number): string {
  if (part === 0 || whole === 0) return "";
  const percent = (part / whole) * 100;
  if (percent < 0.1) return "<0.1%";
  if (percent > 99.9 && part < whole) return ">99.9%";
  return `${percent.toFixed(percent < 10 ? 1 : 0)}%`;
}

/** A duration, from milliseconds. */
export function milliseconds(duration: number): string {
  if (duration >= 10_000) return "≥10 s";
  if (duration >= 1_000) return `${(duration / 1_000).toFixed(1)} s`;
  return `${duration < 10 ? duration.toFixed(1) : Math.round(duration)} ms`;
}

/** The day of a time in UTC; "" where there is none. */
export function dayOf(time: number): string {
  return isTime(time) ? new Date(time).toISOString().slice(0, 10) : "";
}

/** A time in UTC; null where there is none. */
export function timeOf(time: number): string | null {
  return isTime(time) ? new Date(time).toISOString() : null;
}

/** A log may say any number; `Date` knows those of some hundred thousand years. */
function isTime(time: number): boolean {
  return Number.isFinite(time) && time > 0 && time < 8.64e15;
}

/** A caller for people: who nobody knows is `(nobody)`. */
export function callerName(caller: string): string {
  return caller === "" ? "(nobody)" : caller;
}

/** Callers of one line: those of one trust domain without it, the first two of many. */
export function callersText(callers: readonly string[]): string {
  const names = callers.map((caller) => callerName(caller).replace(/^spiffe:\/\/[^/]*\//u, ""));
  const rest = names.length - 2;
  return rest > 0 ? `${names.slice(0, 2).join(", ")} +${rest}` : names.join(", ");
}
