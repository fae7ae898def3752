/**
 * The tokens of the request in hand, one slot for each place of the policy a token may stand in. A token is taken apart at
 * most once, and only if an issuer whose place that is was asked for.
 */
import { clearBytes } from "../bytes/span";
import { openTape } from "../bytes/tape";
import { Finding } from "../finding";
import { policy_key_sets_max, policy_places_max } from "../limits";

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
  /** The claims: their decoded text and its tape (bytes/tape.ts). */
  payloadStart: usize;
  payloadSize: u32;
  tape: usize;
  records: u32;
  /** The records of `iss`, `sub`, `aud` and `cnf` on the tape, and the dates, as token/claims.ts found them. */
  issuerRecord: i32;
  subjectRecord: i32;
  audienceRecord: i32;
  confirmationRecord: i32;
  expiresSeconds: i64;
  notBeforeSeconds: i64;
  issuedAtSeconds: i64;
  /** Whether what verifying needs is below; it is not where the claims came out of a cache. */
  isDecoded: bool;
  /** `header.payload` as received: what was signed (RFC 7515 §5.2). */
  inputSize: u32;
  signatureStart: usize;
  signatureSize: u32;
  kidStart: usize;
  kidSize: u32;
  /** Bit n: the keys of set n verified it; and those that did so just now. */
  verifiedBy: u64;
  newlyBy: u64;
  /** The key set that was tried last, + 1, and how that went. */
  triedSet: u32;
  tried: Finding;
}

if (!(policy_key_sets_max <= 64)) ERROR("a word has a bit for each key set");
const slot_bytes: u32 = 192;
if (!(offsetof<Token>() <= 192)) ERROR("a slot holds a token");
const slots: usize = memory.data(policy_places_max * 192, 16);

/** The slot of a place. */
export function tokenSlot(place: u32): Token {
  return changetype<Token>(slots + <usize>place * slot_bytes);
}

/** Empties the slots of so many places. */
export function clearTokens(places: u32): void {
  clearBytes(slots, places * slot_bytes);
}

/** The token whose claims are open. */
export let openToken: Token = tokenSlot(0);

/** Opens a token's claims, which are then what `json.member(0, …)` reads. */
export function openClaims(token: Token): void {
  openToken = token;
  openTape(token.tape);
}
