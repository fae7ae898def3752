/**
 * `npm run test:sql`: the queries for other systems, each in the system itself where pip has it, against what `usages` gives for the same log: ClickHouse as
 * `chdb`, Spark as `pyspark` (Java 17 is to be there). BigQuery runs nowhere but at Google's: its query is parsed by `sqlglot`, and that is all that is known of it.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readAggregate } from "../../scripts/traffic/aggregate.ts";
import type { DialectName } from "../../scripts/traffic/dialects.ts";
import { openTraffic } from "../../scripts/traffic/open.ts";
import { sqlFor } from "../../scripts/traffic/sqlfor.ts";
import type { Usage } from "../../scripts/traffic/usage.ts";
import { inOrder, sampleLines } from "./sample.ts";

const packages = ["chdb==4.4.0", "pyspark==4.3.0", "sqlglot==30.30.0"];
const environment = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "sallyport", "sql");
const python = join(environment, "bin", "python");
const folder = mkdtempSync(join(tmpdir(), "sallyport-sql-"));
const log = join(folder, "access.log");
const milliseconds = 10 * 60_000;
let usages: Usage[];

before(async () => {
  if (!existsSync(python)) {
    mkdirSync(environment, { recursive: true });
    execFileSync("python3", ["-m", "venv", environment], { stdio: "inherit" });
  }
  execFileSync(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages], {
    stdio: "inherit",
  });
  writeFileSync(log, sampleLines.map((line) => `${line}\n`).join(""));
  const traffic = await openTraffic([log], { threads: 1 });
  usages = await traffic.usages();
  await traffic.close();
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a program of Python with the query, the lines as JSON, and a place for the result. */
function run(dialect: DialectName, program: string): string {
  const result = join(folder, `${dialect}.result`);
  const query = join(folder, `${dialect}.sql`);
  const lines = join(folder, "lines.json");
  writeFileSync(query, sqlFor(dialect));
  writeFileSync(lines, JSON.stringify(sampleLines));
  const file = join(folder, `${dialect}.py`);
  writeFileSync(file, program);
  execFileSync(python, [file, query, lines, result], {
    stdio: ["ignore", "inherit", "inherit"],
    timeout: milliseconds,
    cwd: folder,
  });
  return result;
}

const head = "import json, sys\nquery = open(sys.argv[1]).read()\nlines = json.load(open(sys.argv[2]))\n";

test("ClickHouse answers as DuckDB does", async () => {
  const result = run(
    "clickhouse",
    `${head}
from chdb import session
s = session.Session()
s.query("CREATE DATABASE logs")
s.query("USE logs")
s.query("CREATE TABLE access_log (line String) ENGINE = MergeTree ORDER BY tuple()")
def literal(text):
    return "'" + text.replace("\\\\", "\\\\\\\\").replace("'", "\\\\'") + "'"
s.query("INSERT INTO access_log VALUES " + ", ".join("(" + literal(line) + ")" for line in lines))
open(sys.argv[3], "wb").write(s.query(query, "CSVWithNames").bytes())
`,
  );
  assert.deepEqual(inOrder(await readAggregate(result)), inOrder(usages));
});

test("Spark answers as DuckDB does", async () => {
  const result = run(
    "spark",
    `${head}
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "America/New_York").config("spark.sql.shuffle.partitions", "1").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
spark.createDataFrame([(line,) for line in lines], "line string").createOrReplaceTempView("access_log")
frame = spark.sql(query)
import pyarrow.parquet
pyarrow.parquet.write_table(frame.toArrow(), sys.argv[3])
`,
  );
  assert.deepEqual(inOrder(await readAggregate(result)), inOrder(usages));
});

test("BigQuery's query is one that sqlglot parses; it was not run", () => {
  run(
    "bigquery",
    `${head}
import sqlglot
tree = sqlglot.parse_one(query, read="bigquery")
assert tree.find(sqlglot.exp.Command) is None
open(sys.argv[3], "w").write(tree.sql("bigquery"))
`,
  );
});
