/**
 * What was found of a token, in one word: the reason against it, what exactly is wrong, and the place of a good token, of which
 * the lower half is 0, or the declared claim that a token is refused for.
 *
 *   0        8        16               32
 *   +--------+--------+----------------+
 *   | reason | detail | place or claim |
 *   +--------+--------+----------------+
 */

import { Detail } from "./detail";
import { policy_claims_max, policy_places_max } from "./limits";
import { Reason } from "./reason";

export type Finding = u32;

if (
  !(Reason.COUNT <= 256 && Detail.COUNT_OF_DETAILS <= 256 && policy_places_max <= 65536 && policy_claims_max <= 65536)
)
  ERROR("a finding has room for each of its parts");

/** Nothing is wrong. */
export const good: Finding = 0;

/** Something of ours failed: what the token is, is not known. */
export const internal: Finding = Reason.INTERNAL;

/** A reason against a token, and the detail behind it. */
// @inline
export function finding(reason: Reason, detail: Detail): Finding {
  return <u32>reason | ((<u32>detail) << 8);
}

/** A good token at a place. */
// @inline
export function goodAt(place: u32): Finding {
  return place << 16;
}

/** A token that is refused for a declared claim, a number in CLAIMS (policy/layout.ts). */
// @inline
export function findingOfClaim(claim: u32): Finding {
  return <u32>Reason.TOKEN_CLAIMS | (claim << 16);
}

/** The same with another reason. */
// @inline
export function withReason(found: Finding, reason: Reason): Finding {
  return (found & ~0xff) | <u32>reason;
}

// @inline
export function isGood(found: Finding): bool {
  return (found & 0xff) == Reason.ALLOWED;
}

// @inline
export function reasonOf(found: Finding): Reason {
  return <Reason>(found & 0xff);
}

// @inline
export function detailOf(found: Finding): Detail {
  return <Detail>((found >> 8) & 0xff);
}

/** The place of a good token. */
// @inline
export function placeOf(found: Finding): u32 {
  return found >> 16;
}

/** The declared claim that a token is refused for. */
// @inline
export function claimOf(found: Finding): u32 {
  return found >> 16;
}
