/** Reading access logs for the verbs that ask who calls what. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DuckDbMissing } from "../traffic/duckdb.ts";
import { openTraffic } from "../traffic/open.ts";
import type { ReadSummary, Usage } from "../traffic/usage.ts";
import { UsageError } from "./output.ts";

/** Requests in groups, and what was read besides. */
export interface ReadTraffic {
  usages: Usage[];
  summary: ReadSummary;
}

/**
 * Reads logs, or what another system has made of them.
 * @param logs files, folders, patterns, or `-`
 * @throws UsageError where there is nothing to read, or where DuckDB is missing
 */
export async function readTraffic(logs: readonly string[], { from }: { from?: string }): Promise<ReadTraffic> {
  if (from !== undefined && logs.length > 0) throw new UsageError("--from takes the place of logs: give one of them");
  if (logs.length === 0 && from === undefined)
    throw new UsageError("say which access logs to read: files, folders, patterns with `*`, or `-` for standard input");
  try {
    const traffic = await openTraffic(logs.flatMap(filesIn));
    try {
      return { usages: await traffic.usages(), summary: traffic.summary };
    } finally {
      await traffic.close();
    }
  } catch (error) {
    throw error instanceof DuckDbMissing ? new UsageError(error.message) : error;
  }
}

/** The files of a folder; others are themselves. */
function filesIn(path: string): string[] {
  if (path === "-" || statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return [path];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => join(path, name))
    .sort();
}
