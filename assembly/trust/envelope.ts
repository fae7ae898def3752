/**
 * Signed policy images (policy/layout-signed.ts): what the envelope says of the image in it, and whether a key that the module trusts
 * has signed all of that.
 */
import { literal } from "../bytes/literal";
import { startsWithLiteral } from "../bytes/span";
import { verifyEd25519 } from "../crypto/ed25519";
import {
  envelope_expires_at,
  envelope_image_at,
  envelope_key_at,
  envelope_signature_bytes,
  envelope_version_at,
  trust_key_bytes,
} from "../policy/layout-signed";

const head = literal("sallyport:image1");
const least_bytes: u32 = envelope_image_at + envelope_signature_bytes;

/** The envelope of the image in hand; one that is not signed has this one, all zero but for its version. */
const unsigned: usize = memory.data(32 + 64, 8);
let envelope: usize = unsigned;
let signature: usize = unsigned + envelope_image_at;

/** What is said of the image in hand: its version, 0 for none. */
export function version(): u32 {
  return load<u32>(envelope, envelope_version_at);
}

/** Its end, in seconds since 1970; 0 for never. */
export function expires(): u32 {
  return load<u32>(envelope, envelope_expires_at);
}

/** The first bytes of the key that has signed it, big-endian; 0 for none. */
export function keyId(half: u32): u32 {
  return bswap<u32>(load<u32>(envelope + half, envelope_key_at));
}

/** What it is told from others of its version by: the first bytes of the signature, which are of a point that depends on all that is signed. */
export function identity(): u64 {
  return load<u64>(signature);
}

/** Begins with an image that is not signed, and counts as some version. */
export function clearEnvelope(itsVersion: u32): void {
  envelope = unsigned;
  signature = unsigned + envelope_image_at;
  store<u32>(unsigned, itsVersion, envelope_version_at);
}

/** Begins with an envelope. False: the bytes are none. */
export function openEnvelope(start: usize, size: u32): bool {
  if (size < least_bytes || !startsWithLiteral(start, size, head)) return false;
  envelope = start;
  signature = start + size - envelope_signature_bytes;
  return true;
}

/** What holds of an envelope's signature. */
export const enum Signature {
  GOOD = 0,
  WRONG,
  /** None of the keys has its ID. */
  OF_NO_KEY,
}

/** Holds the envelope in hand against keys that lie one after the other. */
export function checkSignature(keys: usize, keysEnd: usize): Signature {
  let found = Signature.OF_NO_KEY;
  for (; keys < keysEnd; keys += trust_key_bytes) {
    if (load<u64>(keys) != load<u64>(envelope, envelope_key_at)) continue;
    found = Signature.WRONG;
    const size = <u32>(signature - envelope);
    if (verifyEd25519(keys, trust_key_bytes, signature, envelope_signature_bytes, envelope, size))
      return Signature.GOOD;
  }
  return found;
}
