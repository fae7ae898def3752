/** What a policy test asks for. */

/** What a test asks for; all that is given must hold. */
export interface Expectation {
  decision?: "allow" | "deny";
  /** A reason code. */
  reason?: string;
  /** The rule that decided. */
  rule?: string;
  /** The HTTP status of the verdict, before a gRPC answer turns it into 200 and a gRPC status. */
  status?: number;
}
