/** Running policy tests through the engine's own .wasm in the Node host. */
import { Engine, type EngineSource, type Verdict } from "../evaluate/engine.ts";
import { explain, type RuleExplanation } from "../evaluate/explain.ts";
import { readImage } from "../evaluate/image.ts";
import { type Left, toldWords } from "../evaluate/told.ts";
import type { Diagnostic } from "../policy/source/diagnostic.ts";
import { type ConcreteFile, type ConcreteTest, concreteTests } from "./cases.ts";
import { CoverageCounter, type RuleCoverage } from "./coverage.ts";
import type { Expectation } from "./expectation.ts";
import { readTestFile } from "./file.ts";
import { loadTestPolicy, type TestPolicy } from "./policy.ts";

/** How one test went. */
export interface TestResult {
  file: string;
  line: number;
  name: string;
  ok: boolean;
  verdict: Verdict;
  /** What was asked for. */
  expected: Expectation;
  /** Milliseconds it took. */
  durationMilliseconds: number;
  /** For a failed test: what there is to say of the verdict beside its reason, such as which limit had no room. */
  detail?: string;
  /** For a failed test that a condition decided: the rule it is of, and what became of it. */
  explained?: RuleExplanation;
}

export interface TestReport {
  results: TestResult[];
  coverage: RuleCoverage[];
  /** What in the test files is likely a slip. */
  warnings: Diagnostic[];
}

export interface RunOptions {
  /** The engine's modules. */
  engine: EngineSource;
  /** Called after each test. */
  onProgress?: (done: number, total: number) => void;
  /** Count what became of conditions too, for which the engine has to say more. */
  withConditions?: boolean;
}

/** Reads, compiles and prepares test files, each policy once. Throws PolicyError for the first file that cannot be used. */
function prepareTests(files: readonly string[], warnings: Diagnostic[]): ConcreteFile[] {
  const policies = new Map<string, TestPolicy>();
  return files.map((path) => {
    const file = readTestFile(path);
    warnings.push(...file.warnings);
    const policy = policies.get(file.policy) ?? loadTestPolicy(file.policy);
    policies.set(file.policy, policy);
    return concreteTests(file, policy);
  });
}

/** Runs test files. Throws PolicyError for a file that cannot be used, before any test has run. */
export function runPolicyTests(files: readonly string[], options: RunOptions): TestReport {
  const warnings: Diagnostic[] = [];
  const prepared = prepareTests(files, warnings);
  const engine = new Engine(options.engine);
  const total = prepared.reduce((sum, { tests }) => sum + tests.length, 0);
  const results: TestResult[] = [];
  const counters = new Map(prepared.map(({ policy }) => [policy.path, new CoverageCounter(policy)]));
  for (const { policy, tests } of prepared) {
    const counter = counters.get(policy.path)!;
    const isInspected = options.withConditions === true && counter.hasConditions;
    for (const test of tests) {
      const lines: string[] = [];
      const { result, left } = runOnce(engine, test, isInspected ? lines : undefined);
      counter.count(result.verdict, lines);
      const explained = result.ok ? undefined : explainFailure(engine, test, policy, result.verdict);
      const detail = result.ok ? null : toldWords(left, policy.limits, policy.model);
      results.push({ ...result, ...(detail !== null && { detail }), ...(explained && { explained }) });
      options.onProgress?.(results.length, total);
    }
  }
  return { results, coverage: [...counters.values()].map((counter) => counter.coverage()), warnings };
}

/** What became of the condition that decided; asked for again, as the verdict does not say it. */
function explainFailure(
  engine: Engine,
  test: ConcreteTest,
  policy: TestPolicy,
  { rule, reason }: Verdict,
): RuleExplanation | undefined {
  if (!reason.startsWith("condition_") && reason !== "rule_denied") return undefined;
  const decided = policy.model.find(({ name }) => name === rule);
  if (decided?.condition === undefined && decided?.costFrom === undefined) return undefined;
  const evaluator = engine.startAgain(test.image, test.now);
  return explain(evaluator, readImage(test.image), policy.model, test.request, policy.modelIssuers).rules.find(
    (one) => one.rule === rule,
  );
}

/**
 * Runs one test with empty shared data, so that every bucket is full.
 * @param lines gets what the engine says about the last request; undefined: it is not asked to
 */
export function runTest(engine: Engine, test: ConcreteTest, lines?: string[]): TestResult {
  return runOnce(engine, test, lines).result;
}

function runOnce(engine: Engine, test: ConcreteTest, lines?: string[]): { result: TestResult; left: Left } {
  const started = performance.now();
  const evaluator = engine.startAgain(test.image, test.now);
  for (let time = 1; time < test.repeat; time++) evaluator.ask(test.request);
  const {
    verdict,
    lines: said,
    ...left
  } = lines === undefined ? { ...evaluator.judge(test.request), lines: [] } : evaluator.inspect(test.request);
  lines?.push(...said);
  const { file, line, name, expect } = test;
  const durationMilliseconds = performance.now() - started;
  const ok = meets(verdict, expect);
  return { result: { file, line, name, ok, verdict, expected: expect, durationMilliseconds }, left };
}

/** Whether a verdict is what was asked for; what an expectation leaves out does not matter. */
export function meets(verdict: Verdict, expect: Expectation): boolean {
  return (
    (expect.decision === undefined || expect.decision === verdict.decision) &&
    (expect.reason === undefined || expect.reason === verdict.reason) &&
    (expect.rule === undefined || expect.rule === verdict.rule) &&
    (expect.status === undefined || expect.status === verdict.status)
  );
}
