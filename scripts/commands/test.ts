/** `sallyport test`: runs policy tests through the engine that ships. */
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { catchInterrupt } from "../envoy/interrupt.ts";
import type { Verdict } from "../evaluate/engine.ts";
import type { RuleExplanation } from "../evaluate/explain.ts";
import { loadEngineFor } from "../policy/build.ts";
import { reasonOf } from "../policy/source/read.ts";
import type { RuleCoverage } from "../policytest/coverage.ts";
import { expectationWords, junitXml } from "../policytest/junit.ts";
import { runPolicyTests, type TestReport, type TestResult } from "../policytest/run.ts";
import { watchInputs } from "../policytest/watch.ts";
import { shadowLimitLines, termLines } from "./explain.ts";
import { showFailure } from "./failure.ts";
import {
  counted,
  formatOption,
  type OutputFormat,
  printJson,
  printJsonLine,
  showFindings,
  UsageError,
} from "./output.ts";
import { type Painter, painter, printable, progressBar } from "./terminal.ts";

interface TestOptions {
  coverage: boolean;
  junit?: string;
  watch: boolean;
  format: OutputFormat;
}

/** Adds the verb to the program. */
export function registerTest(program: Command): void {
  program
    .command("test")
    .argument("<tests...>", "files of policy tests")
    .description("run policy tests in the engine that ships")
    .option(
      "--coverage",
      "also say which rules decided no test, and which conditions were never true or never false",
      false,
    )
    .option("--junit <file>", "also write the results as JUnit XML")
    .option("--watch", "run again whenever the tests or what they read change, until Ctrl-C", false)
    .addOption(formatOption())
    .action(async (files: string[], options: TestOptions) => {
      if (options.watch) await watchTests(files, options);
      else process.exitCode = test(files, options);
    });
}

/** Runs the tests again and again, until somebody ends it. Whatever is wrong is shown and may be put right. */
async function watchTests(files: readonly string[], options: TestOptions): Promise<void> {
  const interrupt = catchInterrupt();
  const paint = painter(process.stdout);
  const run = (): void => {
    if (options.format === "text") process.stdout.write(process.stdout.isTTY ? clear_screen : "\n");
    try {
      test(files, options);
    } catch (error) {
      const report = showFailure(error);
      if (options.format === "json") printJsonLine(report);
    }
    if (options.format === "text") {
      const time = new Date().toLocaleTimeString("en-GB");
      process.stdout.write(paint("dim", `${time}: watching ${counted(files.length, "test file")}; Ctrl-C ends it\n`));
    }
  };
  const watch = watchInputs(files, run);
  try {
    run();
    await interrupt.until(new Promise(() => {}));
  } finally {
    watch.close();
    interrupt.release();
  }
}

/** ECMA-48: the cursor to the first place, and the screen and what was scrolled off it erased. */
const clear_screen = "\u001b[H\u001b[2J\u001b[3J";

/** Runs the tests and tells how they went; 0 when all are as expected, else 1. Throws PolicyError for unusable files. */
function test(files: readonly string[], options: TestOptions): number {
  const bar = progressBar("tests");
  let report: TestReport;
  try {
    report = runPolicyTests(files, {
      engine: loadEngineFor,
      onProgress: bar.update,
      withConditions: options.coverage,
    });
  } finally {
    bar.end();
  }
  showFindings(report.warnings, "warning");
  if (options.junit !== undefined) {
    try {
      writeFileSync(options.junit, junitXml(report.results));
    } catch (error) {
      throw new UsageError(`cannot write ${options.junit}: ${reasonOf(error)}`);
    }
  }
  if (options.format === "json") (options.watch ? printJsonLine : printJson)(toJson(report, options.coverage));
  else process.stdout.write(toText(report, options.coverage));
  return report.results.every(({ ok }) => ok) ? 0 : 1;
}

function toJson({ results, coverage, warnings }: TestReport, withCoverage: boolean): object {
  const passed = results.filter(({ ok }) => ok).length;
  const tests = results.map(({ name, ok, verdict, expected, file, line, detail, explained }) => ({
    name,
    ok,
    verdict,
    ...(!ok && { expected }),
    file,
    line,
    ...(detail !== undefined && { detail }),
    ...(explained && { explained }),
  }));
  return { passed, failed: results.length - passed, tests, ...(withCoverage && { coverage }), warnings };
}

function toText({ results, coverage }: TestReport, withCoverage: boolean): string {
  const paint = painter(process.stdout);
  const lines = results.flatMap((result) => {
    const name = printable(result.name);
    if (result.ok) return [`${paint("green", "ok  ")} ${name}`];
    return [`${paint("red", "FAIL")} ${name}`, ...failureLines(result, paint)];
  });
  const passed = results.filter(({ ok }) => ok).length;
  const failed = results.length - passed;
  const sum = `${passed} passed, ${failed} failed`;
  lines.push("", failed === 0 ? paint("green", sum) : paint("red", sum));
  if (withCoverage) lines.push("", ...coverage.flatMap(coverageLines));
  return `${lines.join("\n")}\n`;
}

function failureLines({ file, line, expected, verdict, detail, explained }: TestResult, paint: Painter): string[] {
  const more = detail === undefined ? "" : printable(`: ${detail}`);
  return [
    `     ${file}:${line}`,
    `     expected  ${expectationWords(expected)}`,
    `     got       ${verdictWords(verdict)}${more}`,
    ...shadowLimitLines(verdict).map((one) => `               ${one}`),
    ...(explained === undefined
      ? []
      : [`     the ${tracedWords(explained)} of ${printable(explained.rule)}`, ...termLines(explained, paint)]),
  ];
}

/** The keys whose terms are shown. */
function tracedWords({ parts }: RuleExplanation): string {
  const traced = parts.filter(({ terms = [] }) => terms.length > 0).map(({ part }) => part);
  return traced.map((part) => (part === "limit" ? "`cost`" : `\`${part}\``)).join(" and ");
}

function verdictWords({ decision, reason, rule, status }: Verdict): string {
  return expectationWords({ decision, reason, status, ...(rule !== null && { rule }) });
}

function coverageLines({ policy, rules }: RuleCoverage): string[] {
  const idle = rules.filter(({ tests }) => tests === 0);
  const lines = [`${policy}: ${rules.length - idle.length} of ${rules.length} rules decided a test`];
  lines.push(...idle.map(({ rule }) => `  no test is decided by ${rule}`));
  const conditions = rules.flatMap(({ rule, condition }) => (condition === undefined ? [] : [{ rule, ...condition }]));
  if (conditions.length === 0) return lines;
  const half = conditions.filter((one) => one.true === 0 || one.false + one.error === 0);
  lines.push(`${policy}: ${conditions.length - half.length} of ${conditions.length} conditions both held and did not`);
  for (const one of half) {
    const isReached = one.true + one.false + one.error > 0;
    const outcome = one.true > 0 ? "holds in every test that reaches it" : "holds in no test";
    lines.push(`  the condition of ${one.rule} ${isReached ? outcome : "is reached by no test"}`);
  }
  return lines;
}
