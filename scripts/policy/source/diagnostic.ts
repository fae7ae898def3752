/**
 * What the compiler says about a policy: errors that stop it and warnings that do not, each at a place in a file and
 * with the way out in its message. Errors are collected, so that one run shows all of them.
 */
import { readFileSync } from "node:fs";
import { painter, printable } from "../../common/screen.ts";
import type { DiagnosticCode, ErrorCode, WarningCode } from "./codes.ts";
import { positionOf, type Source } from "./source.ts";

/** One finding. Lines and columns count from 1; columns count UTF-16 code units. */
export interface Diagnostic {
  file: string;
  line: number;
  column: number;
  code: DiagnosticCode;
  message: string;
}

/** A policy that cannot be used: every error found in it, and the warnings found on the way. */
export class PolicyError extends Error {
  readonly diagnostics: Diagnostic[];
  readonly warnings: Diagnostic[];

  /** @param diagnostics at least one error */
  constructor(diagnostics: Diagnostic[], warnings: Diagnostic[] = []) {
    super(diagnostics.map((one) => formatDiagnostic(one, "error")).join("\n"));
    this.name = "PolicyError";
    this.diagnostics = diagnostics;
    this.warnings = warnings;
  }
}

/** Findings of one compilation, over all of its files. */
export class Findings {
  readonly errors: Diagnostic[] = [];
  readonly warnings: Diagnostic[] = [];
  /** The files it read, each once, in the order of reading. */
  readonly files = new Set<string>();

  /** Throws a PolicyError if there is any error, findings in the order of their places. */
  throwIfErrors(): void {
    this.sort();
    if (this.errors.length > 0) throw new PolicyError(this.errors, this.warnings);
  }

  /** Puts findings in the order of their places; those of one place stay in the order they were made. */
  sort(): void {
    const byPlace = (a: Diagnostic, b: Diagnostic): number =>
      a.file === b.file ? a.line - b.line || a.column - b.column : a.file < b.file ? -1 : 1;
    this.errors.sort(byPlace);
    this.warnings.sort(byPlace);
  }
}

/** Adds findings about one file, by offset into its text. */
export class Reporter {
  readonly source: Source;
  readonly findings: Findings;

  constructor(source: Source, findings: Findings) {
    this.source = source;
    this.findings = findings;
    findings.files.add(source.file);
  }

  /** @param at offset into the source's text, in UTF-16 code units */
  error(code: ErrorCode, at: number, message: string): void {
    this.findings.errors.push({ file: this.source.file, ...positionOf(this.source, at), code, message });
  }

  /** @param at offset into the source's text, in UTF-16 code units */
  warn(code: WarningCode, at: number, message: string): void {
    this.findings.warnings.push({ file: this.source.file, ...positionOf(this.source, at), code, message });
  }
}

/** How findings are shown to people. */
export interface FormatOptions {
  /** The text of a line (counted from 1), for the excerpt; none, no excerpt. */
  lineText?: (file: string, line: number) => string | undefined;
  colour?: boolean;
}

const excerpt_columns = 110;

/** One finding for people: `file:line:column: error: message [code]`, the line it is about and a caret under the place. */
export function formatDiagnostic(
  diagnostic: Diagnostic,
  severity: "error" | "warning",
  options: FormatOptions = {},
): string {
  const { file, line, column, code, message } = diagnostic;
  const paint = painter(options.colour === true);
  const word = paint(severity === "error" ? "red" : "yellow", severity);
  const head = `${paint("bold", `${blanked(file)}:${line}:${column}`)}: ${word}: ${blanked(message)} [${code}]`;
  // What is secret in a file stays there: findings end up in logs.
  const text = code === "key_secret" ? undefined : options.lineText?.(file, line);
  if (text === undefined) return head;
  // A long line is cut to a window around the place, so that the caret stays on the screen.
  const start = column > excerpt_columns - 10 ? column - 40 : 0;
  const shown = blanked(text.slice(start, start + excerpt_columns));
  const indent = blanked(text.slice(start, column - 1)).replace(/./gsu, " ");
  const number = String(line);
  return `${head}\n  ${number} | ${shown}\n  ${" ".repeat(number.length)} | ${indent}${paint("green", "^")}`;
}

/** Control characters would move the cursor or worse. Each is shown as one blank, so that the caret stays in its column. */
function blanked(text: string): string {
  return printable(text, () => " ");
}

/** Reads lines of files for excerpts, each file once; a file that cannot be read has no excerpt. */
export function fileLines(): (file: string, line: number) => string | undefined {
  const files = new Map<string, string[]>();
  return (file, line) => {
    let lines = files.get(file);
    if (lines === undefined) {
      try {
        lines = readFileSync(file, "utf8").split(/\r\n|\n|\r/u);
      } catch {
        lines = [];
      }
      files.set(file, lines);
    }
    return lines[line - 1];
  };
}
