/** The result of `sqlFor`, as a file that the system has written: Parquet or CSV → usages. */
import { stat } from "node:fs/promises";
import { printable } from "../common/screen.ts";
import { duckdb } from "./dialects.ts";
import { openDatabase, type Resources } from "./duckdb.ts";
import { parameters_max, text_bytes_max } from "./query.ts";
import { usageOf } from "./rows.ts";
import { linkSources } from "./scan.ts";
import { path_segments_max, segment_bytes_max } from "./segments.ts";
import { headOf } from "./sources.ts";
import { aggregate_columns } from "./sqlfor.ts";
import { makeTemporaryFolder, removeTemporaryFolder } from "./temporary.ts";
import { duration_bounds_ms, type Usage, usages_max } from "./usage.ts";

type Column = (typeof aggregate_columns)[number];

const number = /^\d{1,16}(\.0+)?$/;
const isNumber = (text: string): boolean => number.test(text) && Number(text) <= Number.MAX_SAFE_INTEGER;
const upTo = (bytes: number) => ({
  isGood: (text: string): boolean => Buffer.byteLength(text) <= bytes,
  wanted: `at most ${bytes} bytes`,
});
const count = { isGood: isNumber, wanted: "a whole number, 0 or more" };
const path_bytes_max = (path_segments_max + 1) * (segment_bytes_max + 1);
const durations_pattern = new RegExp(`^\\d{1,16}( \\d{1,16}){${duration_bounds_ms.length}}$`);

/** What each column may hold. */
const checks: Record<Column, { isGood: (text: string) => boolean; wanted: string }> = {
  day: {
    isGood: (text) => text === "" || /^\d{4}-[01]\d-[0-3]\d$/.test(text),
    wanted: "a day as 2026-11-30, or nothing",
  },
  host: upTo(text_bytes_max.host),
  method: upTo(text_bytes_max.method),
  path: upTo(path_bytes_max),
  parameters: upTo(parameters_max * 65),
  operation: upTo(text_bytes_max.operation),
  caller: {
    isGood: (text) => text === "" || (text.startsWith("spiffe://") && Buffer.byteLength(text) <= text_bytes_max.caller),
    wanted: `a SPIFFE ID of at most ${text_bytes_max.caller} bytes, or nothing`,
  },
  issuer: upTo(text_bytes_max.issuer),
  scopes: upTo(text_bytes_max.scopes),
  policy: upTo(text_bytes_max.policy),
  rule: upTo(text_bytes_max.rule),
  decision: { isGood: (text) => ["", "allow", "deny", "wait"].includes(text), wanted: "allow, deny, wait, or nothing" },
  reason: upTo(text_bytes_max.reason),
  admitted: { isGood: (text) => /^(true|false|0|1)$/i.test(text), wanted: "true or false" },
  status: { isGood: (text) => isNumber(text) && Number(text) <= 999, wanted: "a status from 0 to 999" },
  count: { isGood: (text) => isNumber(text) && Number(text) > 0, wanted: "a whole number, 1 or more" },
  first_seen: count,
  last_seen: count,
  bytes_in: count,
  bytes_out: count,
  durations: {
    isGood: (text) => durations_pattern.test(text),
    wanted: `${duration_bounds_ms.length + 1} whole numbers with blanks between them`,
  },
  peak_minute: count,
};

/**
 * Reads what a system answered to `sqlFor`.
 * @param file Parquet, or CSV with a line of names; columns in any order, and others besides
 * @throws DuckDbMissing where DuckDB is not installed; Error that names the file, and column and row where one is wrong
 */
export async function readAggregate(file: string, resources: Resources = {}): Promise<Usage[]> {
  if (!(await stat(file)).isFile()) throw new Error(`${file}: not a file`);
  const folder = makeTemporaryFolder();
  try {
    const source = { name: file, path: file, bytes: 0, compression: "none" as const };
    const [link] = await linkSources(folder, [source]);
    const isParquet = (await headOf(file, 4)).toString("latin1") === "PAR1";
    const database = await openDatabase(folder, [link!], { ...resources, keepsOrder: true });
    try {
      return await rowsOf(database.connection, file, isParquet ? parquetOf(link!) : csvOf(link!));
    } finally {
      database.close();
    }
  } finally {
    await removeTemporaryFolder(folder);
  }
}

const parquetOf = (link: string): string => `read_parquet(${duckdb.text(link)})`;
const csvOf = (link: string): string =>
  `read_csv(${duckdb.text(link)}, all_varchar = true, header = true, nullstr = '')`;

async function rowsOf(
  connection: Awaited<ReturnType<typeof openDatabase>>["connection"],
  file: string,
  table: string,
): Promise<Usage[]> {
  const fail = (error: unknown): never => {
    throw new Error(
      `${file}: neither Parquet nor CSV that can be read: ${printable(String((error as Error).message))}`,
    );
  };
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${table}`).catch(fail);
  const there = new Set(described.getRowsJS().map(([name]) => String(name)));
  const missing = aggregate_columns.filter((column) => !there.has(column));
  if (missing.length > 0) {
    const rest = missing.length === 1 ? "" : ` (and ${missing.length - 1} more)`;
    throw new Error(`${file}: no column ${missing[0]}${rest}: it is to be the result of \`sallyport discover --sql\``);
  }
  const columns = aggregate_columns.map((column) => `CAST("${column}" AS VARCHAR) AS "${column}"`).join(", ");
  const result = await connection.stream(`SELECT ${columns} FROM ${table}`).catch(fail);
  const usages: Usage[] = [];
  try {
    for await (const rows of result.yieldRowObjectJs()) {
      for (const row of rows) usages.push(checkedRow(row, file, usages.length + 1));
    }
  } catch (error) {
    if (error instanceof RowError) throw error;
    fail(error);
  }
  return usages;
}

class RowError extends Error {}

function checkedRow(row: Record<string, unknown>, file: string, place: number): Usage {
  if (place > usages_max)
    throw new RowError(`${file}: more than ${usages_max} rows: the query of \`discover --sql\` ends with a LIMIT`);
  const texts: Record<string, unknown> = {};
  for (const column of aggregate_columns) {
    const text = String(row[column] ?? "");
    const { isGood, wanted } = checks[column];
    if (!isGood(text)) {
      const shown = printable(JSON.stringify(text.slice(0, 80)));
      throw new RowError(`${file}: row ${place}, column ${column}: ${shown} is not ${wanted}`);
    }
    texts[column] = text;
  }
  return usageOf({ ...texts, admitted: /^(true|1)$/i.test(String(texts.admitted)) });
}
