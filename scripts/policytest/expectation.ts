/** What a policy test asks for. */
import type { ReasonName } from "../evaluate/reasons.ts";

/** What a test asks for; all that is given must hold. */
export interface Expectation {
  decision?: "allow" | "deny";
  /** A reason code. */
  reason?: ReasonName;
  /** The rule that decided. */
  rule?: string;
  /** The HTTP status of the verdict, before a gRPC answer turns it into 200 and a gRPC status. */
  status?: number;
}
