/** What the lifecycle measurements print: a line each, in columns. */
import { wasm_page_bytes } from "../soak/envoymemory.ts";
import { median } from "../soak/flat.ts";
import { mebibytes } from "../soak/report.ts";
import type { Latencies, Reloads } from "./reloads.ts";
import type { RulesMemory } from "./rules.ts";
import type { Start } from "./start.ts";

/** The figures of many measurements that one looks at first. */
export interface Spread {
  median: number;
  /** As large as 99 of 100; the largest where there are fewer than 100. */
  p99: number;
  most: number;
  count: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const { length } = sorted;
  const p99 = sorted[Math.min(length - 1, Math.floor(length * 0.99))]!;
  return { median: median(values), p99, most: sorted.at(-1)!, count: length };
}

const line = (name: string, ...cells: string[]): string =>
  `  ${name.padEnd(34)}${cells.map((cell) => cell.padStart(22)).join("")}`;

const spreadText = (values: readonly number[], digits: number): string => {
  const { median: middle, p99, most, count } = spreadOf(values);
  const tail = count < 100 ? "" : `p99 ${p99.toFixed(digits)}, `;
  return `${middle.toFixed(digits)} (${tail}most ${most.toFixed(digits)})`;
};

export const start_head = line("ms, medians", "to first decision", "first request", "later requests");

export function startLine(name: string, starts: readonly Start[]): string {
  const column = (take: (start: Start) => number, digits: number): string => spreadText(starts.map(take), digits);
  return line(
    name,
    column(({ toFirstDecisionMs }) => toFirstDecisionMs, 0),
    column(({ firstMs }) => firstMs, 2),
    column(({ laterMs }) => laterMs, 2),
  );
}

export const rules_head = line(
  "",
  "image",
  "Wasm memory, a VM",
  "RSS, 1 worker",
  "RSS, 4 workers",
  "a worker",
  "the filter of it",
);

/** @param without the row of an Envoy without the filter */
export function rulesLine(row: RulesMemory, without: RulesMemory): string {
  return line(
    row.name,
    mebibytes(row.imageBytes),
    `${mebibytes(row.moduleBytes)}, ${row.moduleBytes / wasm_page_bytes} pages`,
    mebibytes(row.fewest.rssBytes),
    mebibytes(row.most.rssBytes),
    mebibytes(row.workerBytes),
    mebibytes(row.workerBytes - without.workerBytes),
  );
}

export function reloadLines(series: Reloads): string[] {
  const latencies = (name: string, { first, later }: Latencies): string =>
    `  ${name}: a worker's first request after a reload ${spreadText(first, 2)} ms, later ones ${spreadText(later, 2)} ms`;
  return [
    `  ${series.requests.toLocaleString("en")} requests meanwhile, ${series.problems.length} of them answered wrongly`,
    `  in force on every worker ${spreadText(series.inForceMs, 1)} ms after the file was moved`,
    latencies("without a token", series.withoutToken),
    latencies("with a token", series.withToken),
  ];
}

/** The series with its thousands of latencies summed up, for the file of results. */
export function summary(series: Reloads): object {
  const latencies = ({ first, later }: Latencies) => ({ first: spreadOf(first), later: spreadOf(later) });
  return {
    ...series,
    inForceMs: spreadOf(series.inForceMs),
    withoutToken: latencies(series.withoutToken),
    withToken: latencies(series.withToken),
  };
}
