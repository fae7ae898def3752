/**
 * The codes of diagnostics: one list for the compiler, its tests and docs/diagnostics.md, whose tables are made from it. A
 * code is part of the public contract and never changes. A new one has an entry here, or the reporter does not take it;
 * tests/policy/source/codes.long.test.ts runs its example, and fails where nothing in the compiler says it.
 */
import { errors } from "./errors.ts";
import { test_errors, test_warnings } from "./testcodes.ts";
import { warnings } from "./warnings.ts";

/** The tables of docs/diagnostics.md. */
export const code_tables = { warnings, errors, test_errors, test_warnings } as const;

/** What stops a policy, or a file of tests. */
export type ErrorCode = keyof typeof errors | keyof typeof test_errors;
/** What is sound, but suspicious. `example_key` is one where somebody said that it may ship. */
export type WarningCode = keyof typeof warnings | keyof typeof test_warnings | "example_key";
export type DiagnosticCode = ErrorCode | WarningCode;
