/**
 * What was found of a token, in one word: the reason against it, what exactly is wrong, and the place it stands in. Of a good
 * token the lower half is 0.
 *
 *   0        8      16      24     32
 *   +--------+------+-------+------+
 *   | reason | detail | place | 0    |
 *   +--------+------+-------+------+
 */

import { Detail } from "./detail";
import { policy_places_max } from "./limits";
import { Reason } from "./reason";

export type Finding = u32;

if (!(Reason.COUNT <= 256 && Detail.COUNT_OF_DETAILS <= 256 && policy_places_max <= 255))
  ERROR("a finding has a byte for each of its parts");

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
