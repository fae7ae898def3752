/** What there is to say of a code of diagnostics. */

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
