/** Running policy tests through the engine's own .wasm in the Node host. */
import { Engine, type Verdict } from "../evaluate/engine.ts";
import { type ConcreteFile, type ConcreteTest, concreteTests } from "./cases.ts";
import { type Expectation, readTestFile } from "./file.ts";
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
}

/** How often each rule decided a test, of one policy. */
export interface RuleCoverage {
  /** The policy's path. */
  policy: string;
  rules: { rule: string; tests: number }[];
}

export interface TestReport {
  results: TestResult[];
  coverage: RuleCoverage[];
}

export interface RunOptions {
  /** The engine's module. */
  engine: Uint8Array;
  /** Called after each test. */
  onProgress?: (done: number, total: number) => void;
}

/** Reads, compiles and prepares test files, each policy once. Throws PolicyError for the first file that cannot be used. */
function prepareTests(files: readonly string[]): ConcreteFile[] {
  const policies = new Map<string, TestPolicy>();
  return files.map((path) => {
    const file = readTestFile(path);
    const policy = policies.get(file.policy) ?? loadTestPolicy(file.policy);
    policies.set(file.policy, policy);
    return concreteTests(file, policy);
  });
}

/** Runs test files. Throws PolicyError for a file that cannot be used, before any test has run. */
export function runPolicyTests(files: readonly string[], options: RunOptions): TestReport {
  const prepared = prepareTests(files);
  const engine = new Engine(options.engine);
  const total = prepared.reduce((sum, { tests }) => sum + tests.length, 0);
  const results: TestResult[] = [];
  for (const test of prepared.flatMap(({ tests }) => tests)) {
    results.push(runTest(engine, test));
    options.onProgress?.(results.length, total);
  }
  return { results, coverage: coverageOf(prepared, results) };
}

/** Runs one test with empty shared data, so that every bucket is full. */
export function runTest(engine: Engine, test: ConcreteTest): TestResult {
  const started = performance.now();
  const evaluator = engine.startAgain(test.image, test.now);
  let verdict = evaluator.ask(test.request);
  for (let time = 1; time < test.repeat; time++) verdict = evaluator.ask(test.request);
  const { file, line, name, expect } = test;
  const durationMilliseconds = performance.now() - started;
  return { file, line, name, ok: meets(verdict, expect), verdict, expected: expect, durationMilliseconds };
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

function isDecided({ decision, reason }: { decision: string; reason: string }): boolean {
  return decision === "allow" || reason === "rule_denied";
}

/** Counts, for each policy, the tests each of its rules decided. */
function coverageOf(prepared: readonly ConcreteFile[], results: readonly TestResult[]): RuleCoverage[] {
  const policies = new Map(prepared.map(({ policy }) => [policy.path, policy]));
  return [...policies.values()].map((policy) => {
    const files = new Set(prepared.filter((one) => one.policy.path === policy.path).map(({ file }) => file));
    const counts = new Map(policy.rules.map((rule) => [rule, 0]));
    for (const { file, verdict } of results) {
      if (!files.has(file)) continue;
      const decided = isDecided(verdict) ? [verdict.rule] : [];
      // A rule in shadow mode decides nothing; it is exercised where it says what it would have done.
      const shadowed = verdict.shadow?.filter(isDecided).map(({ rule }) => rule) ?? [];
      for (const rule of [...decided, ...shadowed]) {
        if (rule !== null) counts.set(rule, (counts.get(rule) ?? 0) + 1);
      }
    }
    return { policy: policy.path, rules: [...counts].map(([rule, tests]) => ({ rule, tests })) };
  });
}
