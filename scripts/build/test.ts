/**
 * `npm test [suite…]`: runs the test suites, each with its own runner, and ends with one line over all of them:
 *
 *   N passed, N failed
 *
 * A skipped test counts as failed: what is not run is not known to work. Exit 0 when none failed.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { buildEngine, buildPoisonedEngine, isEngineFresh, poisoned_engine } from "./engine.ts";
import { buildProgram } from "./program.ts";
import { bundleTests, compiledTest } from "./testbundle.ts";

interface Tally {
  passed: number;
  failed: number;
}

/**
 * Folders below tests/ by suite, fast ones first. `unit` is the inner loop: no Envoy, no long search; files of its folders that take
 * seconds, `*.long.test.ts`, are the suite `long`.
 */
const suites: Record<string, string[]> = {
  unit: ["unit", "policy", "policytest", "wasm"],
  long: ["policy", "wasm"],
  build: ["build", "host"],
  tokens: ["keys", "tokens", "vectors"],
  cli: ["cli", "field", "manifest", "oci", "report", "status", "traffic"],
  language: ["meaning", "conformance", "differential", "graphql", "simulate"],
  fuzz: ["fuzz", "soak"],
  envoy: ["envoy"],
};

/** No file of tests takes half as long. One that hangs is ended, and has failed. */
const file_milliseconds = 15 * 60_000;

/** For a runner that does not watch over its files itself. */
const deadline = { timeout: file_milliseconds, killSignal: "SIGKILL" } as const;

/** Runs a program and hands over what it wrote, once it has ended. */
async function output(args: string[]): Promise<{ text: string; status: number | null }> {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"], ...deadline });
  const ended = once(child, "exit");
  let text = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) text += chunk;
  const [status] = (await ended) as [number | null];
  return { text, status };
}

async function show(args: string[]): Promise<number | null> {
  const { text, status } = await output(args);
  process.stdout.write(text);
  return status;
}

async function run(args: string[]): Promise<number | null> {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
  const [status] = await once(child, "exit");
  return status as number | null;
}

async function runAsPect(): Promise<Tally> {
  const config = ["--config", "as-pect.config.js", "--as-config", "as-pect.asconfig.json"];
  const { text, status } = await output(["node_modules/@as-pect/cli/bin/asp.js", ...config, "--no-logo", "--summary"]);
  process.stdout.write(text);
  const plain = stripVTControlCharacters(text);
  const [, passed, all] = /\[Tests\]:\s+(\d+)\s+\/\s+(\d+)/.exec(plain) ?? [];
  const tally = { passed: Number(passed ?? 0), failed: Number(all ?? 0) - Number(passed ?? 0) };
  // A file that does not compile, or a crash, has no count of its own.
  if (status !== 0 && tally.failed === 0) tally.failed = 1;
  return tally;
}

/** @param together in one process, and the report only once it has ended */
async function runNodeTests(suite: string, folder: string, together = false): Promise<Tally> {
  const files = testFilesIn(suite, folder).map(compiledTest);
  if (files.length === 0) return { passed: 0, failed: 0 };
  const scratch = mkdtempSync(join(tmpdir(), "sallyport-test-"));
  try {
    const tap = join(scratch, "result.tap");
    const reporters = ["spec", "stdout", "tap", tap].map((value, index) =>
      index % 2 === 0 ? `--test-reporter=${value}` : `--test-reporter-destination=${value}`,
    );
    const apart = ["--test", "--test-concurrency=2", `--test-timeout=${file_milliseconds}`];
    const args = [
      "--enable-source-maps",
      ...reporters,
      ...(together ? ["scripts/build/together.mjs"] : apart),
      ...files,
    ];
    const status = together ? await show(args) : await run(args);
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

/** Files of a folder below tests/ that run in Node, and in this suite. */
function testFilesIn(suite: string, folder: string): string[] {
  return readdirSync(join("tests", folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts") && (suites.unit!.includes(folder) ? isOf(suite, name) : true))
    .map((name) => join("tests", folder, name))
    .sort();
}

/** Whether a file of the inner loop's folders belongs to that suite. */
function isOf(suite: string, name: string): boolean {
  return name.endsWith(".long.test.ts") === (suite === "long");
}

const asked = process.argv.slice(2);
const unknown = asked.filter((suite) => !(suite in suites));
if (unknown.length > 0) {
  console.error(`no suite named ${unknown.join(", ")}: there are ${Object.keys(suites).join(", ")}`);
  process.exit(2);
}
const chosen = Object.entries(suites).filter(([suite]) => asked.length === 0 || asked.includes(suite));
if (!isEngineFresh()) await buildEngine();
const needsPoisoned = chosen.some(([suite]) => suite === "fuzz" || suite === "build");
if (needsPoisoned && !isEngineFresh(poisoned_engine)) await buildPoisonedEngine();
if (chosen.some(([suite]) => suite !== "unit")) await buildProgram();
await bundleTests(chosen.flatMap(([suite, folders]) => folders.flatMap((folder) => testFilesIn(suite, folder))));
const total: Tally = { passed: 0, failed: 0 };
const count = (folder: string, { passed, failed }: Tally): void => {
  console.log(`tests/${folder}: ${passed} passed, ${failed} failed\n`);
  total.passed += passed;
  total.failed += failed;
};
for (const [suite, folders] of chosen) {
  if (suite === "unit") {
    // Fast tests in Node share a process, and as-pect compiles on another core meanwhile.
    const runs = folders.map(async (folder) =>
      count(folder, folder === "unit" ? await runAsPect() : await runNodeTests(suite, folder, true)),
    );
    await Promise.all(runs);
  } else {
    for (const folder of folders) count(folder, await runNodeTests(suite, folder));
  }
}
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
