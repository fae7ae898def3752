/**
 * A signed policy image, byte by byte: what `sallyport image --sign` writes (scripts/policy/signed/envelope.ts) and the engine reads
 * (trust/envelope.ts). Both read this file, so it uses plain numbers only.
 *
 *   0             16        20        24       32                  size - 64   size
 *   +-------------+---------+---------+--------+-------------------+-----------+
 *   | head, ASCII | version | expires | key ID | the image         | signature |
 *   +-------------+---------+---------+--------+-------------------+-----------+
 *   |<--------------- what is signed ------------------------------>|
 *
 * Numbers are little-endian u32. `expires` is in seconds since 1970; 0 for never. The key ID is the first eight bytes of the public key,
 * which has 32 (RFC 8032 §5.1.5). The signature is R‖S of Ed25519. The head is the domain of the signature too: nothing else that such a
 * key may sign begins with it.
 */

/** "sallyport:image1". */
export const envelope_head_bytes: u32 = 16;
export const envelope_version_at: u32 = 16;
export const envelope_expires_at: u32 = 20;
export const envelope_key_at: u32 = 24;
export const envelope_image_at: u32 = 32;
/** The signature, which ends the envelope. */
export const envelope_signature_bytes: u32 = 64;

/** A public key, of which the trailer of a module counts so many in front of itself (policy/layout.ts). */
export const trust_key_bytes: u32 = 32;
