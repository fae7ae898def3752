/** Telling what went wrong, in one way for every verb. */

import { painter } from "../common/screen.ts";
import { type Diagnostic, PolicyError } from "../policy/source/diagnostic.ts";
import { showFindings } from "./output.ts";

/** Shows an error on stderr. Returns what JSON says of it: the findings of a policy, or the message alone. */
export function showFailure(error: unknown): { errors: (Diagnostic | { message: string })[]; warnings: Diagnostic[] } {
  if (error instanceof PolicyError) {
    showFindings(error.warnings, "warning");
    showFindings(error.diagnostics, "error");
    return { errors: error.diagnostics, warnings: error.warnings };
  }
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${painter(process.stderr)("red", "error")}: ${message}\n`);
  if (process.env.SALLYPORT_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return { errors: [{ message }], warnings: [] };
}
