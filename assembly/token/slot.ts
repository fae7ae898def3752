/**
 * The tokens of the request in hand, one slot for each place of the policy a token may stand in. A token is taken apart at
 * most once, and only if an issuer whose place that is was asked for.
 */
import { poison } from "../bytes/poison";
import { clearBytes } from "../bytes/span";
import { Finding } from "../finding";
import { policy_key_sets_max, policy_places_max } from "../limits";
import { request } from "../request/request";

@unmanaged
export class Token {
  /** Whether the place was looked at, and what was found: TOKEN_MISSING, another reason against it, or nothing. */
  isLooked: bool;
  found: Finding;
  /** The compact serialization as received. */
  start: usize;
  size: u32;
  hash: u32;
  /** Number of the algorithm (crypto/algorithms.ts), and whether `typ` is one a JWT-SVID may have. */
  algorithm: u32;
  isSvidType: bool;
  /** What `typ` is (policy/layout.ts), and its text where only a policy may know it. */
  type: u32;
  typeStart: usize;
  typeSize: u32;
  /** The claims: their decoded text and its tape (bytes/tape.ts), whose first record is all of them. */
  payloadStart: usize;
  payloadSize: u32;
  /** The entry of a cache that these stand in (token/ring.ts), 0 for the arena: it stays until the slot is emptied. */
  entry: usize;
  claims: usize;
  claimsBytes: u32;
  /** The dates, and how far from `claims` the records of `iss`, `sub`, `aud` and `cnf` are, 0 for none: what token/claims.ts found. */
  expiresSeconds: i64;
  notBeforeSeconds: i64;
  issuedAtSeconds: i64;
  issuerAt: u32;
  subjectAt: u32;
  audienceAt: u32;
  confirmationAt: u32;
  /** Whether what verifying needs is below; it is not where the claims came out of a cache. */
  isDecoded: bool;
  /** `header.payload` as received: what was signed (RFC 7515 §5.2). */
  inputSize: u32;
  signatureStart: usize;
  signatureSize: u32;
  kidStart: usize;
  kidSize: u32;
  /** Whether the keys of any set verified it. */
  isVerified: bool;
  /** The key set that was tried last, + 1, and how that went. */
  triedSet: u32;
  tried: Finding;
}

/**
 * A slot, with a bit for each key set:
 *
 *   0         192              224             256
 *   +---------+----------------+---------------+
 *   | Token   | verified it    | just now      |
 *   +---------+----------------+---------------+
 */
const verified_at: usize = 192;
const newly_at: usize = verified_at + policy_key_sets_max / 8;
const slot_bytes: u32 = 256;
if (!(offsetof<Token>() <= verified_at && newly_at + policy_key_sets_max / 8 <= 256)) ERROR("a slot holds a token");
const slots: usize = memory.data(policy_places_max * 256, 16);

/** The slot of a place. */
export function tokenSlot(place: u32): Token {
  return changetype<Token>(slots + <usize>place * slot_bytes);
}

/** The token that the decision tells of; of meaning only where `request.verifiedIssuer` says that there is one. */
export function verifiedToken(): Token {
  return tokenSlot(request.verifiedPlace);
}

/** Whether the keys of a set are known to have verified the token. */
export function isVerifiedBy(token: Token, set: u32): bool {
  return (
    token.isVerified && ((load<u8>(changetype<usize>(token) + verified_at + (set >> 3)) >> (<u8>set & 7)) & 1) != 0
  );
}

/** Notes that the keys of a set verified the token: just now, or as its cache knows. */
export function setVerifiedBy(token: Token, set: u32, isNew: bool): void {
  token.isVerified = true;
  const place = changetype<usize>(token) + verified_at + (set >> 3);
  const bit = (<u8>1) << (<u8>set & 7);
  store<u8>(place, load<u8>(place) | bit);
  if (isNew) store<u8>(place + (newly_at - verified_at), load<u8>(place, newly_at - verified_at) | bit);
}

/** So many key sets, from `first` on, that verified the token just now: bit n for set `first` + n. @param first a multiple of 64 */
export function newlyVerifiedBy(token: Token, first: u32): u64 {
  return load<u64>(changetype<usize>(token) + newly_at + (first >> 3));
}

/** How many slots the request under way has. */
let used: u32 = 0;

/** Whether a slot reads an entry of a cache. */
export function isPinned(entry: usize): bool {
  for (let place: u32 = 0; place < used; place++) {
    if (tokenSlot(place).entry == entry) return true;
  }
  return false;
}

/** Empties the slots of so many places. */
export function clearTokens(places: u32): void {
  used = places;
  poison(slots, policy_places_max * slot_bytes);
  clearBytes(slots, places * slot_bytes);
}
