/** `sallyport discover --suggest` and `--tighten`: policies from traffic. */
import { InvalidArgumentError } from "commander";
import { cell } from "../discover/escape.ts";
import { TightenError } from "../suggest/period.ts";
import { SuggestError, type Suggestion, suggestPolicy, usual_headroom } from "../suggest/suggest.ts";
import { type Tightened, tightenPolicy } from "../suggest/tighten.ts";
import type { ReadSummary, Usage } from "../traffic/usage.ts";
import { counted, type OutputFormat, printJson, showFindings, UsageError, writeOutput } from "./output.ts";
import { readFaults } from "./traffic.ts";

/** Options of `discover` that ask for a policy. */
export interface PolicyOptions {
  suggest?: string;
  headroom?: number;
  name?: string;
  tighten?: string;
  days?: number;
  output?: string;
  policy?: string;
  format: OutputFormat;
}

/** What is left out is told of so many times. */
const shown_left_out = 10;
const usual_days = 30;

/** Reads a factor or a number of days; what it may be is for those who use it. */
export function readNumber(text: string): number {
  if (!/^\d+(?:\.\d+)?$/u.test(text)) throw new InvalidArgumentError("It is a number, such as 2.");
  return Number(text);
}

/** Throws UsageError for options that do not go together. @param others whether there are options that ask for something else */
export function checkPolicyOptions(options: PolicyOptions, others: readonly string[]): void {
  const { suggest, tighten, headroom, name, days, output, policy } = options;
  if (suggest !== undefined && tighten !== undefined)
    throw new UsageError("--suggest writes a new policy, --tighten changes one: give one of them");
  const asked = suggest === undefined ? "--tighten" : "--suggest";
  if ((suggest !== undefined || tighten !== undefined) && others.length > 0)
    throw new UsageError(`${asked} is asked for by itself: leave out ${others.join(", ")}`);
  if (tighten !== undefined && policy !== undefined)
    throw new UsageError("--tighten names the policy itself: leave out --policy");
  if (suggest === undefined && (headroom !== undefined || name !== undefined))
    throw new UsageError("--headroom and --name go with --suggest");
  if (tighten === undefined && (days !== undefined || output !== undefined))
    throw new UsageError("--days and -o go with --tighten");
}

/** Writes the policy that traffic suggests, and says what is in it. */
export function writeSuggestion(usages: readonly Usage[], summary: ReadSummary, options: PolicyOptions): void {
  const output = options.suggest!;
  const { policy, headroom = usual_headroom, name, format } = options;
  const suggestion = told(SuggestError, () =>
    suggestPolicy(usages, {
      output,
      headroom,
      ...(policy !== undefined && { policy }),
      ...(name !== undefined && { name }),
    }),
  );
  writeOutput(
    output,
    Buffer.from(suggestion.text),
    "suggested policy",
    "# Suggested by `sallyport discover --suggest`",
  );
  if (format === "json") {
    const { text: _, ...rest } = suggestion;
    printJson({ file: output, ...rest, unread: summary.leftOut });
    return;
  }
  process.stdout.write(`${[...suggestionLines(output, suggestion), ...readFaults(summary)].join("\n")}\n`);
  showFindings(suggestion.open, "error");
}

function suggestionLines(output: string, suggestion: Suggestion): string[] {
  const { rules, requests, denied, leftOut, open } = suggestion;
  const lines = [`${output}: ${counted(rules, "rule")} for ${counted(requests, "request")}`];
  if (denied > 0) lines.push(`${counted(denied, "denied request")}, of which none became a rule`);
  if (leftOut.length > 0) {
    lines.push("admitted requests that no rule is for:");
    for (const { what, why, requests } of leftOut.slice(0, shown_left_out))
      lines.push(`  ${cell(what, 120)}: ${why} (${counted(requests, "request")})`);
    if (leftOut.length > shown_left_out)
      lines.push(`  … and ${leftOut.length - shown_left_out} more kinds; --format json has them all`);
  }
  if (open.length > 0) lines.push("it does not build until you have filled in what `check` names:");
  return lines;
}

/** Prints what a policy is without that which nobody used, as a patch, or writes it. */
export function writeTightened(usages: readonly Usage[], summary: ReadSummary, options: PolicyOptions): void {
  const path = options.tighten!;
  const { days = usual_days, output, format } = options;
  const result = told(TightenError, () =>
    tightenPolicy(path, usages, { days, leftOut: summary.leftOut, damaged: summary.damaged ?? [] }),
  );
  if (output !== undefined) writeResult(path, output, result);
  if (format === "json") {
    const { files, ...rest } = result;
    printJson({ ...rest, files: files.map(({ file }) => file) });
    return;
  }
  if (output === undefined) process.stdout.write(result.patch);
  // The patch goes on to `git apply`; what is for people goes beside it.
  process.stderr.write(`${[...tightenedLines(path, output, result), ...readFaults(summary)].join("\n")}\n`);
}

function writeResult(path: string, output: string, { files, patch }: Tightened): void {
  if (files.length === 0) return;
  if (/\.(?:patch|diff)$/u.test(output)) {
    writeOutput(output, Buffer.from(patch), "patch");
    return;
  }
  const [only] = files;
  if (files.length > 1 || only!.file !== path)
    throw new UsageError(
      `${files.map(({ file }) => file).join(", ")} would change: name a patch with -o, as in \`-o tighter.patch\`, and apply it`,
    );
  writeOutput(output, Buffer.from(only!.text), "policy that begins as this one");
}

function tightenedLines(path: string, output: string | undefined, result: Tightened): string[] {
  const { removed, notes, from, to, files } = result;
  const span = `from ${from} to ${to}`;
  if (removed.length === 0) return [`${path}: all of it was used ${span}`, ...notes.map((note) => `  ${note}`)];
  const lines = [`${path}: not used ${span}:`];
  for (const { rule, what } of removed)
    lines.push(rule === "" ? `  ${what}` : what === "rule" ? `  rule ${rule}` : `  rule ${rule}: ${what}`);
  if (notes.length > 0) lines.push("to look at:", ...notes.map((note) => `  ${note}`));
  if (output !== undefined)
    lines.push(`${output}: written${files.length > 1 ? `, for ${counted(files.length, "file")}` : ""}`);
  return lines;
}

/** What a person can do something about is told without a stack. */
function told<T>(kind: new (...args: never[]) => Error, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw error instanceof kind ? new UsageError(error.message) : error;
  }
}
