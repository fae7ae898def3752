/** `sallyport test`: runs policy tests through the engine that ships. */
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import type { Verdict } from "../evaluate/engine.ts";
import { loadEngine } from "../policy/build.ts";
import { reasonOf } from "../policy/read.ts";
import { expectationWords, junitXml } from "../policytest/junit.ts";
import { type RuleCoverage, runPolicyTests, type TestReport, type TestResult } from "../policytest/run.ts";
import { formatOption, type OutputFormat, printJson, UsageError } from "./output.ts";
import { painter, printable, progressBar } from "./terminal.ts";

interface TestOptions {
  coverage: boolean;
  junit?: string;
  format: OutputFormat;
}

/** Adds the verb to the program. */
export function registerTest(program: Command): void {
  program
    .command("test")
    .argument("<tests...>", "files of policy tests")
    .description("run policy tests")
    .option("--coverage", "also say which rules decided no test", false)
    .option("--junit <file>", "also write the results as JUnit XML")
    .addOption(formatOption())
    .action((files: string[], options: TestOptions) => {
      process.exitCode = test(files, options);
    });
}

/** Runs the tests and tells how they went; 0 when all are as expected, else 1. Throws PolicyError for unusable files. */
function test(files: readonly string[], options: TestOptions): number {
  const bar = progressBar("tests");
  let report: TestReport;
  try {
    report = runPolicyTests(files, { engine: loadEngine(), onProgress: bar.update });
  } finally {
    bar.end();
  }
  if (options.junit !== undefined) {
    try {
      writeFileSync(options.junit, junitXml(report.results));
    } catch (error) {
      throw new UsageError(`cannot write ${options.junit}: ${reasonOf(error)}`);
    }
  }
  if (options.format === "json") printJson(toJson(report, options.coverage));
  else process.stdout.write(toText(report, options.coverage));
  return report.results.every(({ ok }) => ok) ? 0 : 1;
}

function toJson({ results, coverage }: TestReport, withCoverage: boolean): object {
  const passed = results.filter(({ ok }) => ok).length;
  const tests = results.map(({ name, ok, verdict, expected, file, line }) => ({
    name,
    ok,
    verdict,
    ...(!ok && { expected }),
    file,
    line,
  }));
  return { passed, failed: results.length - passed, tests, ...(withCoverage && { coverage }) };
}

function toText({ results, coverage }: TestReport, withCoverage: boolean): string {
  const paint = painter(process.stdout);
  const lines = results.flatMap((result) => {
    const name = printable(result.name);
    if (result.ok) return [`${paint("green", "ok  ")} ${name}`];
    return [`${paint("red", "FAIL")} ${name}`, ...failureLines(result)];
  });
  const passed = results.filter(({ ok }) => ok).length;
  const failed = results.length - passed;
  const sum = `${passed} passed, ${failed} failed`;
  lines.push("", failed === 0 ? paint("green", sum) : paint("red", sum));
  if (withCoverage) lines.push("", ...coverage.flatMap(coverageLines));
  return `${lines.join("\n")}\n`;
}

function failureLines({ file, line, expected, verdict }: TestResult): string[] {
  return [
    `     ${file}:${line}`,
    `     expected  ${expectationWords(expected)}`,
    `     got       ${verdictWords(verdict)}`,
  ];
}

function verdictWords({ decision, reason, rule, status }: Verdict): string {
  return expectationWords({ decision, reason, status, ...(rule !== null && { rule }) });
}

function coverageLines({ policy, rules }: RuleCoverage): string[] {
  const idle = rules.filter(({ tests }) => tests === 0);
  const head = `${policy}: ${rules.length - idle.length} of ${rules.length} rules decided a test`;
  return [head, ...idle.map(({ rule }) => `  no test is decided by ${rule}`)];
}
