/** Test results as JUnit XML, the form that build servers read (github.com/testmoapp/junitxml). */
import type { Expectation } from "./expectation.ts";
import type { TestResult } from "./run.ts";

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

/** Text for XML, attributes too; characters XML 1.0 cannot carry become U+FFFD. */
export function escapeXml(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML 1.0 §2.2 leaves out
  const allowed = text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/gu, "\ufffd");
  return allowed.replace(/[&<>"']/g, (character) => escapes[character]!);
}

const seconds = (milliseconds: number): string => (milliseconds / 1000).toFixed(3);

/** An expectation in words. */
export function expectationWords({ decision, reason, rule, status }: Expectation): string {
  const parts = [
    decision,
    reason && `reason ${reason}`,
    rule && `rule ${rule}`,
    status !== undefined && `status ${status}`,
  ];
  return parts.filter(Boolean).join(", ");
}

/** One suite a file, one case a test. */
export function junitXml(results: readonly TestResult[]): string {
  const files = new Map<string, TestResult[]>();
  for (const result of results) files.set(result.file, [...(files.get(result.file) ?? []), result]);
  const suites = [...files].map(([file, tests]) => suiteXml(file, tests));
  const failures = results.filter(({ ok }) => !ok).length;
  const head = `<testsuites name="sallyport" tests="${results.length}" failures="${failures}">`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${head}\n${suites.join("")}</testsuites>\n`;
}

function suiteXml(file: string, tests: readonly TestResult[]): string {
  const failures = tests.filter(({ ok }) => !ok).length;
  const time = seconds(tests.reduce((sum, test) => sum + test.durationMilliseconds, 0));
  const cases = tests.map((test) => caseXml(file, test)).join("");
  return `  <testsuite name="${escapeXml(file)}" tests="${tests.length}" failures="${failures}" time="${time}">\n${cases}  </testsuite>\n`;
}

function caseXml(file: string, { name, line, ok, verdict, expected, durationMilliseconds }: TestResult): string {
  const attributes = `name="${escapeXml(name)}" classname="${escapeXml(file)}" file="${escapeXml(file)}" line="${line}" time="${seconds(durationMilliseconds)}"`;
  if (ok) return `    <testcase ${attributes}/>\n`;
  const got = expectationWords({ ...verdict, rule: verdict.rule ?? "" });
  const message = escapeXml(`expected ${expectationWords(expected)}; got ${got}`);
  return `    <testcase ${attributes}>\n      <failure message="${message}"/>\n    </testcase>\n`;
}
