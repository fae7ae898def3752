/** Reading access logs for the verbs that ask who calls what. */
import { cell } from "../discover/escape.ts";
import { readAggregate } from "../traffic/aggregate.ts";
import { DuckDbMissing } from "../traffic/duckdb.ts";
import { openTraffic, type Progress } from "../traffic/open.ts";
import { isCallerUnknown, type ReadSummary, type Usage, usages_max } from "../traffic/usage.ts";
import { counted, UsageError } from "./output.ts";

/** How long reading takes before somebody is told of it. */
const patience_ms = 1_000;

/** Requests in groups, and what was read besides. */
export interface ReadTraffic {
  usages: Usage[];
  summary: ReadSummary;
}

/** How far reading is, on a terminal: a line on stderr, and its removal. */
function readingLine(): { update: (progress: Progress) => void; end: () => void } {
  const { stderr } = process;
  const started = performance.now();
  let isShown = false;
  return {
    update({ files, bytes, lines }) {
      if (stderr.isTTY !== true || performance.now() - started < patience_ms) return;
      isShown = true;
      const megabytes = Math.round(bytes / 1_000_000).toLocaleString("en-US");
      stderr.write(`\r\u001b[K${counted(lines, "line")}, ${megabytes} MB of ${counted(files, "file")}`);
    },
    end() {
      if (isShown) stderr.write("\r\u001b[K");
    },
  };
}

/**
 * Reads logs, or what another system has made of them.
 * @param logs files, folders, patterns, or `-`
 * @param from the result of the query of `discover --sql`, in their place
 * @throws UsageError where there is nothing to read, or where DuckDB is missing
 */
export async function readTraffic(logs: readonly string[], { from }: { from?: string } = {}): Promise<ReadTraffic> {
  if (from !== undefined && logs.length > 0) throw new UsageError("--from takes the place of logs: give one of them");
  if (logs.length === 0 && from === undefined)
    throw new UsageError("say which access logs to read: files, folders, patterns with `*`, or `-` for standard input");
  try {
    const read = from === undefined ? await readLogs(logs) : await readResult(from);
    for (const line of unknownCallerLines(read.usages)) process.stderr.write(`${line}\n`);
    return read;
  } catch (error) {
    throw error instanceof DuckDbMissing ? new UsageError(error.message) : error;
  }
}

/** Files that were read in part, and why, a line each. */
export function damagedLines({ damaged = [] }: ReadSummary): string[] {
  return damaged.map(({ file, reason }) => `${cell(file)}: read in part: ${cell(reason, 120)}`);
}

/** What of the logs could not be read, one line each; empty where all of it was. */
export function readFaults(summary: ReadSummary): string[] {
  const { unknown, unknownExamples, leftOut } = summary;
  const lines = damagedLines(summary);
  if (unknown > 0) lines.push(`${counted(unknown, "line")} of no format that is known`);
  for (const { file, line, text } of unknownExamples) lines.push(`  ${cell(file)}:${line}: ${cell(text, 120)}`);
  if (leftOut > 0) lines.push(`${counted(leftOut, "request")} of groups beyond what is told apart, which are left out`);
  return lines;
}

/** Says where a log leaves open who called: "nobody" would be taken for callers without an identity. */
function unknownCallerLines(usages: readonly Usage[]): string[] {
  const sum = (of: readonly Usage[]): number => of.reduce((all, { count }) => all + count, 0);
  const admitted = usages.filter((usage) => usage.admitted);
  const unknown = sum(admitted.filter(isCallerUnknown));
  if (unknown === 0) return [];
  const all = counted(sum(admitted), "request");
  return [
    `${unknown.toLocaleString("en-US")} of ${all} that were let in name no caller and have no record: who called is not known`,
  ];
}

async function readLogs(logs: readonly string[]): Promise<ReadTraffic> {
  const bar = readingLine();
  const traffic = await openTraffic(logs, { progress: bar.update });
  try {
    return { usages: await traffic.usages(), summary: traffic.summary };
  } finally {
    bar.end();
    await traffic.close();
  }
}

async function readResult(from: string): Promise<ReadTraffic> {
  const usages = await readAggregate(from);
  return { usages, summary: resultSummary(from, usages) };
}

/**
 * What is known of how a system answered the query of `discover --sql`. What it could not read is not in its answer; and an answer that has
 * as many rows as there may be is one from which more may have been left out.
 */
export function resultSummary(file: string, usages: readonly Usage[]): ReadSummary {
  const lines = usages.reduce((sum, { count }) => sum + count, 0);
  const isFull = usages.length >= usages_max;
  const reason = `it has ${usages_max} rows, which is where the query stops`;
  return {
    ...{ files: 1, lines, unknown: 0, unknownExamples: [], leftOut: 0 },
    ...(isFull && { damaged: [{ file, reason }] }),
  };
}

/** Says on stderr what of the logs could not be read. */
export function tellFaults(summary: ReadSummary): void {
  for (const line of readFaults(summary)) process.stderr.write(`${line}\n`);
}

/**
 * Reads what traffic is compared with: logs, or results of the query by the end of their names.
 * What of it could not be read is said on stderr: it would be taken for new.
 * @throws as `readTraffic`
 */
export async function readCompared(paths: readonly string[]): Promise<Usage[]> {
  const results = paths.filter((path) => /\.(?:csv|parquet)$/u.test(path));
  const logs = paths.filter((path) => !results.includes(path));
  const read = logs.length === 0 ? [] : [await readTraffic(logs)];
  for (const from of results) read.push(await readTraffic([], { from }));
  for (const { summary } of read) tellFaults(summary);
  return read.flatMap(({ usages }) => usages);
}
