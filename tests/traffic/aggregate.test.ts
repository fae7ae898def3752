/** The query for other systems, and reading its result: DuckDB's own dialect answers as `usages` does, and what is wrong in a file is named. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { readAggregate } from "../../scripts/traffic/aggregate.ts";
import { dialect_names } from "../../scripts/traffic/dialects.ts";
import { openTraffic } from "../../scripts/traffic/open.ts";
import { aggregate_columns, sqlFor } from "../../scripts/traffic/sqlfor.ts";
import type { Usage } from "../../scripts/traffic/usage.ts";
import { inOrder, sampleLines } from "./sample.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-aggregate-test-"));
const log = join(folder, "access.log");
let usages: Usage[];

before(async () => {
  writeFileSync(log, sampleLines.map((line) => `${line}\n`).join(""));
  const traffic = await openTraffic([log], { threads: 1 });
  usages = await traffic.usages();
  await traffic.close();
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the query over the sample in a DuckDB of its own, as somebody would who has the logs there. */
async function copyTo(file: string, format: string, since?: Date): Promise<void> {
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  await connection.run("CREATE TABLE access_log (line VARCHAR)");
  for (const line of sampleLines) await connection.run("INSERT INTO access_log VALUES ($line)", { line });
  const query = sqlFor("duckdb", since === undefined ? {} : { since });
  await connection.run(`COPY (${query}) TO '${file}' (FORMAT ${format})`);
  connection.closeSync();
}

describe("DuckDB's dialect", () => {
  for (const format of ["parquet", "csv"]) {
    test(`${format}: the result is what usages gives`, async () => {
      const file = join(folder, `aggregate.${format}`);
      await copyTo(file, format);
      assert.deepEqual(inOrder(await readAggregate(file)), inOrder(usages));
    });
  }

  test("since leaves out what was before, and what has no time", async () => {
    const since = new Date("2026-11-30T10:00:59.000Z");
    const file = join(folder, "since.parquet");
    await copyTo(file, "parquet", since);
    const traffic = await openTraffic([log], { threads: 1, since });
    try {
      const later = await traffic.usages();
      assert.equal(
        later.reduce((sum, { count }) => sum + count, 0),
        2,
      );
      assert.deepEqual(inOrder(await readAggregate(file)), inOrder(later));
    } finally {
      await traffic.close();
    }
  });
});

test("every dialect has a query, and names that are none are refused", () => {
  for (const dialect of dialect_names) {
    assert.match(
      sqlFor(dialect, { table: "`my-project.logs.access`", column: "text" }),
      /FROM `my-project.logs.access`/,
    );
    assert.throws(() => sqlFor(dialect, { table: "x; DROP TABLE y" }), /is no name of a table or a column/);
  }
});

const good: Record<string, string> = {
  day: "2026-11-30",
  host: "h",
  method: "GET",
  path: "/a",
  parameters: "a b",
  operation: "",
  caller: "spiffe://example.org/web",
  issuer: "",
  scopes: "",
  policy: "shop",
  rule: "r",
  decision: "allow",
  reason: "allowed",
  admitted: "true",
  status: "200",
  count: "3",
  first_seen: "1",
  last_seen: "2.0",
  bytes_in: "0",
  bytes_out: "0",
  durations: "3 0 0 0 0 0 0 0 0 0 0 0 0 0",
  peak_minute: "1",
};

function csv(...rows: Record<string, string>[]): string {
  const file = join(folder, `it's a "file".csv`);
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const lines = rows.map((row) => Object.values(row).map(quoted).join(","));
  writeFileSync(file, `${[Object.keys(rows[0]!).join(","), ...lines].join("\n")}\n`);
  return file;
}

describe("a file", () => {
  test("is read with its columns in any order, and others besides", async () => {
    const { day, ...others } = good;
    const [usage] = await readAggregate(csv({ more: "x", ...others, day: day! }));
    assert.deepEqual(usage!.parameters, ["a", "b"]);
    assert.equal(usage!.admitted, true);
    assert.equal(usage!.lastSeen, 2);
  });

  const wrong: Record<string, string> = {
    day: "today",
    host: "h".repeat(254),
    path: `/${"a".repeat(5_000)}`,
    caller: "web",
    decision: "perhaps",
    admitted: "maybe",
    status: "1000",
    count: "-1",
    first_seen: "9007199254740993",
    bytes_in: "1.5",
    durations: "1 2 3",
    peak_minute: "1e3",
  };
  for (const [column, value] of Object.entries(wrong)) {
    test(`${column} that cannot be is named, with its row`, async () => {
      await assert.rejects(readAggregate(csv(good, { ...good, [column]: value })), ({ message }: Error) => {
        assert.match(message, new RegExp(`"file"\\.csv: row 2, column ${column}: "`));
        return true;
      });
    });
  }

  test("without one of the columns says which", async () => {
    for (const column of aggregate_columns) {
      const { [column]: _, ...rest } = good;
      await assert.rejects(readAggregate(csv(rest)), new RegExp(`no column ${column}:`));
    }
  });

  test("that is neither CSV nor Parquet says so", async () => {
    const file = join(folder, "broken.parquet");
    writeFileSync(file, "PAR1 and nothing");
    await assert.rejects(readAggregate(file), /neither Parquet nor CSV that can be read/);
  });
});
