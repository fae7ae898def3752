/** DuckDB is found beside the program or in the user's folder, and asked for by name where it is in neither; it reads nothing but what it is given. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { duckdb_version, openDatabase } from "../../scripts/traffic/duckdb.ts";
import { logLine } from "./sample.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-duckdb-test-"));
const program = join(folder, "program.mjs");
after(() => rmSync(folder, { recursive: true, force: true }));

before(async () => {
  writeFileSync(join(folder, "access.log"), `${logLine("/a")}\n`);
  const contents = `import { openTraffic } from ${JSON.stringify(resolve("scripts/traffic/open.ts"))};
openTraffic(["../access.log"], { threads: 1 }).then(async (traffic) => {
  console.log((await traffic.usages()).length);
  await traffic.close();
}).catch((error) => console.log(error.name + ": " + error.message));`;
  const stdin = { contents, resolveDir: process.cwd(), loader: "ts" as const };
  await build({ stdin, outfile: program, bundle: true, platform: "node", format: "esm", logLevel: "silent" });
});

/** Runs the program, which stands alone, in a folder. */
function runIn(name: string): string {
  const { NODE_PATH: _, ...env } = process.env;
  return execFileSync(process.execPath, [program], { cwd: join(folder, name), encoding: "utf8", env }).trim();
}

test("a program that stands alone finds it in the folder that it runs in", () => {
  mkdirSync(join(folder, "with", "node_modules"), { recursive: true });
  symlinkSync(resolve("node_modules/@duckdb"), join(folder, "with", "node_modules", "@duckdb"));
  assert.equal(runIn("with"), "1");
});

test("where it is not installed, the line that installs it is said", () => {
  mkdirSync(join(folder, "without"));
  assert.match(runIn("without"), /^DuckDbMissing: .*: npm install @duckdb\/node-api@\S+$/);
});

test("the version that is asked for is the one of the package", () => {
  const manifest = JSON.parse(readFileSync("package.json", "utf8"));
  assert.equal(manifest.peerDependencies["@duckdb/node-api"], duckdb_version);
  assert.equal(manifest.devDependencies["@duckdb/node-api"], duckdb_version);
});

test("it reads no other file, loads no extension, and nobody changes that later", async () => {
  const own = mkdtempSync(join(folder, "own-"));
  const { connection, close } = await openDatabase(own, []);
  try {
    for (const sql of [
      "SELECT * FROM read_csv('/etc/passwd')",
      "SELECT * FROM read_text('https://example.org/')",
      "INSTALL httpfs",
      "LOAD httpfs",
      "COPY (SELECT 1) TO '/tmp/sallyport-elsewhere'",
      "SET enable_external_access = true",
    ]) {
      await assert.rejects(connection.run(sql), `${sql} went through`);
    }
  } finally {
    close();
  }
});
