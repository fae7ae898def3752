/**
 * The codes of diagnostics: one list for the compiler, its tests and docs/diagnostics.md, whose tables are made from it. A
 * code is part of the public contract and never changes. A new one has an entry here, or the reporter does not take it;
 * tests/policy/source/codes.test.ts runs its example, and fails where nothing in the compiler says it.
 */
import { errors } from "./errors.ts";
import { test_errors, test_warnings } from "./testcodes.ts";
import { warnings } from "./warnings.ts";

/**
 * The least that raises a code: keys for a part of the policy that examples begin with (tests/support/example.ts). A key
 * that the part has is replaced.
 */
export type Example = Readonly<
  Partial<
    Record<
      | "policy"
      | "trust"
      | "issuer"
      | "limit"
      | "rule"
      /** Members of a key in the issuer's key set, as JSON. */
      | "key"
      /** Keys of a test of the policy, and of its file. */
      | "test"
      | "tests",
      string
    >
  >
>;

/** What there is to say of a code. */
export interface CodeEntry {
  /** What is wrong, or suspicious: it follows the code in the documents. */
  meaning: string;
  /** None where the code depends on the clock, or on files that are no text. */
  example?: Example;
}

/** The tables of docs/diagnostics.md. */
export const code_tables = { warnings, errors, test_errors, test_warnings } as const;

/** What stops a policy, or a file of tests. */
export type ErrorCode = keyof typeof errors | keyof typeof test_errors;
/** What is sound, but suspicious. `example_key` is one where somebody said that it may ship. */
export type WarningCode = keyof typeof warnings | keyof typeof test_warnings | "example_key";
export type DiagnosticCode = ErrorCode | WarningCode;
