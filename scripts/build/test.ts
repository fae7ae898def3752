/**
 * `npm test [suite…]`: runs the test suites, each with its own runner, and ends with one line over all of them:
 *
 *   N passed, N failed
 *
 * A skipped test counts as failed: what is not run is not known to work. Exit 0 when none failed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { buildEngine } from "./engine.ts";
import { buildProgram } from "./program.ts";

interface Tally {
  passed: number;
  failed: number;
}

/** Folders below tests/ by suite, fast ones first. `unit` is the inner loop: no Envoy, no long search. */
const suites: Record<string, string[]> = {
  unit: ["unit", "policy", "wasm"],
  build: ["build", "host"],
  cli: ["cli"],
  fuzz: ["fuzz"],
  envoy: ["envoy"],
};

function runAsPect(): Tally {
  const { stdout, status } = spawnSync(
    process.execPath,
    [
      "node_modules/@as-pect/cli/bin/asp.js",
      "--config",
      "as-pect.config.js",
      "--as-config",
      "as-pect.asconfig.json",
      "--no-logo",
      "--summary",
    ],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  );
  process.stdout.write(stdout);
  const plain = stripVTControlCharacters(stdout);
  const [, passed, all] = /\[Tests\]:\s+(\d+)\s+\/\s+(\d+)/.exec(plain) ?? [];
  const tally = { passed: Number(passed ?? 0), failed: Number(all ?? 0) - Number(passed ?? 0) };
  // A file that does not compile, or a crash, has no count of its own.
  if (status !== 0 && tally.failed === 0) tally.failed = 1;
  return tally;
}

function runNodeTests(folder: string): Tally {
  const files = testFilesIn(join("tests", folder));
  if (files.length === 0) return { passed: 0, failed: 0 };
  const scratch = mkdtempSync(join(tmpdir(), "sallyport-test-"));
  try {
    const tap = join(scratch, "result.tap");
    const { status } = spawnSync(
      process.execPath,
      [
        "--import",
        "tsx",
        "--test",
        "--test-concurrency=2",
        "--test-reporter=spec",
        "--test-reporter-destination=stdout",
        "--test-reporter=tap",
        `--test-reporter-destination=${tap}`,
        ...files,
      ],
      { stdio: ["ignore", "inherit", "inherit"] },
    );
    const summary = readFileSync(tap, "utf8");
    const count = (name: string) => Number(new RegExp(`^# ${name} (\\d+)$`, "m").exec(summary)?.[1] ?? 0);
    const tally = {
      passed: count("pass"),
      failed: count("fail") + count("cancelled") + count("skipped") + count("todo"),
    };
    if (status !== 0 && tally.failed === 0) tally.failed = 1;
    return tally;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function testFilesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => join(folder, name))
    .sort();
}

const asked = process.argv.slice(2);
const unknown = asked.filter((suite) => !(suite in suites));
if (unknown.length > 0) {
  console.error(`no suite named ${unknown.join(", ")}: there are ${Object.keys(suites).join(", ")}`);
  process.exit(2);
}
await buildEngine();
await buildProgram();
const total: Tally = { passed: 0, failed: 0 };
for (const [suite, folders] of Object.entries(suites)) {
  if (asked.length > 0 && !asked.includes(suite)) continue;
  for (const folder of folders) {
    const { passed, failed } = folder === "unit" ? runAsPect() : runNodeTests(folder);
    console.log(`tests/${folder}: ${passed} passed, ${failed} failed\n`);
    total.passed += passed;
    total.failed += failed;
  }
}
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
