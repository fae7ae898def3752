/** What every verb does alike: saying what is wrong with a policy, and writing files that are whole or not there. */
import { closeSync, lstatSync, openSync, readSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Option } from "commander";
import { hasColour } from "../common/screen.ts";
import { type Diagnostic, fileLines, formatDiagnostic } from "../policy/source/diagnostic.ts";
import { reasonOf } from "../policy/source/read.ts";

export type OutputFormat = "text" | "json";

/** Wrong usage: the message says what to do instead. The program ends with 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** Where a mark is looked for. */
const head_bytes = 4_096;

/** A person reads so many findings, not thousands; JSON has them all. */
const shown_findings = 20;

/** The `--format` of every verb. */
export function formatOption(): Option {
  return new Option("--format <format>", "how to say what happened").choices(["text", "json"]).default("text");
}

/** Shows findings on stderr, the first of many. */
export function showFindings(findings: readonly Diagnostic[], severity: "error" | "warning"): void {
  const options = { lineText: fileLines(), colour: hasColour(process.stderr) };
  for (const finding of findings.slice(0, shown_findings)) {
    process.stderr.write(`${formatDiagnostic(finding, severity, options)}\n`);
  }
  const rest = findings.length - shown_findings;
  if (rest > 0) process.stderr.write(`… and ${rest} more ${severity}s; --format json has them all\n`);
}

/** Prints a value as JSON on stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** The same on a single line, for programs that go on after it and are read line by line. */
export function printJsonLine(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** "1 rule", "2 rules". */
export function counted(count: number, one: string): string {
  return `${count.toLocaleString("en-US")} ${one}${count === 1 ? "" : "s"}`;
}

/**
 * Writes a file so that it is there as a whole or, after an error, as it was. An existing file is only written over
 * when it begins as the new one does: a slip in `-o` must not cost a policy.
 * @param kind what the file is, for messages
 * @param mark what stands near the beginning of such a file and of no other; by default its first four bytes are compared, which formats
 *   of bytes have of their own
 * @throws UsageError
 */
export function writeOutput(path: string, bytes: Uint8Array, kind: string, mark?: string): void {
  if (path === "-")
    throw new UsageError(
      "`-` stands for standard output elsewhere, but a file is written whole or not at all: name one with -o",
    );
  const target = checkTarget(path, bytes, kind, mark);
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
  try {
    writeFileSync(temporary, bytes, { flag: "wx" });
    renameSync(temporary, target);
  } catch (error) {
    // A file of that name that was there before is not ours to remove.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") rmSync(temporary, { force: true });
    throw new UsageError(`cannot write ${path}: ${reasonOf(error)}`);
  }
}

/** The file to write, links followed. */
function checkTarget(path: string, bytes: Uint8Array, kind: string, mark: string | undefined): string {
  let target: string;
  try {
    target = realpathSync(path);
  } catch {
    return path;
  }
  if (!lstatSync(target).isFile()) throw new UsageError(`cannot write ${path}: it is not a file`);
  const head = Buffer.alloc(head_bytes);
  const file = openSync(target, "r");
  const size = readSync(file, head, 0, head_bytes, 0);
  closeSync(file);
  const isOurs =
    mark === undefined
      ? Buffer.compare(head.subarray(0, Math.min(size, 4)), bytes.subarray(0, 4)) === 0
      : head.subarray(0, size).includes(mark);
  if (size > 0 && !isOurs) {
    throw new UsageError(`${path} exists and is no ${kind}; it was left as it is, give another name`);
  }
  return target;
}
