/**
 * What came of evaluating a rule: each rule fills one of its own, and the one that decides, or comes closest, becomes the request's
 * (decision/evaluate.ts). So nothing that a rule leaves behind is another's.
 */
import { Failure } from "../failure";
import { Finding } from "../finding";

@unmanaged
export class RuleResult {
  /** The rule, + 1; 0 for none. */
  rule: u32;
  /** The reason, with what is wrong with the rule's token. */
  finding: Finding;
  /** What INTERNAL stands for. */
  failure: Failure;
  /** The issuer that the rule's token is good for, + 1, and the place of that token; 0 where it asks for none, or has no good one. */
  verifiedIssuer: u32;
  verifiedPlace: u32;
  /** The limit without room, + 1, and when it will have some. */
  fullLimit: u32;
  retryAfterSeconds: u64;
  /** Where the words of the rule's variables begin, in the way in which it was evaluated (policy/layout.ts, ENTRIES). */
  binding: u32;
  /** Bit n: the rule's limit n is in shadow mode, and had no room. */
  shadowLimits: u32;
}

/** A result is copied, cleared and compared as a whole. */
export const result_bytes: u32 = 40;
if (!(offsetof<RuleResult>() == 40)) ERROR("result_bytes is the size of a result");
