/**
 * ECDSA signatures: from r‖s, as JWS has them (RFC 7518 §3.4), to the DER the host wants (RFC 3279 §2.2.3):
 *
 *   SEQUENCE { INTEGER r, INTEGER s }   =   30 len 02 len r… 02 len s…
 *
 * Numbers of zero, or not below the curve's order, are refused before any verifier sees them (SEC 1 §4.1.4 step 1;
 * CVE-2022-21449 is what happens otherwise).
 */
import { literal } from "../bytes/literal";
import { hexDigit } from "../bytes/span";
import { algorithm_es256, algorithm_es384, ecdsaNumberBytes } from "../crypto/algorithms";

/** The orders n of P-256, P-384 and P-521 (FIPS 186-4 D.1.2.3 to D.1.2.5), big-endian. */
const order_p256 = order("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
const order_p384 = order(
  "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
);
const order_p521 = order(
  "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
);

/** The most a signature takes as DER: two numbers of 66 bytes, their tags, and the sequence's three bytes. */
export const der_bytes: u32 = 3 + 2 * (2 + 66);

/** Writes `size` bytes of r‖s as DER to `target` and returns the size; 0 when the signature cannot be one. */
export function encodeSignature(algorithm: u32, start: usize, size: u32, target: usize): u32 {
  const numberBytes = <u32>ecdsaNumberBytes(algorithm);
  if (size != 2 * numberBytes) return 0;
  if (!isInRange(algorithm, start, numberBytes) || !isInRange(algorithm, start + numberBytes, numberBytes)) return 0;
  const content = target + 3;
  let cursor = content + writeInteger(content, start, numberBytes);
  cursor += writeInteger(cursor, start + numberBytes, numberBytes);
  const contentBytes = <u32>(cursor - content);
  store<u8>(target, 0x30);
  if (contentBytes >= 0x80) {
    store<u8>(target, 0x81, 1);
    store<u8>(target, contentBytes, 2);
    return contentBytes + 3;
  }
  store<u8>(target, contentBytes, 1);
  memory.copy(target + 2, content, contentBytes);
  return contentBytes + 2;
}

/** Whether both numbers of r‖s are in range. */
export function isSignatureInRange(algorithm: u32, start: usize, size: u32): bool {
  return isInRange(algorithm, start, size >> 1) && isInRange(algorithm, start + (size >> 1), size >> 1);
}

/** 0 < number < n. */
function isInRange(algorithm: u32, start: usize, numberBytes: u32): bool {
  const bound = algorithm == algorithm_es256 ? order_p256 : algorithm == algorithm_es384 ? order_p384 : order_p521;
  let bits: u32 = 0;
  for (let index: u32 = 0; index < numberBytes; index++) bits |= load<u8>(start + index);
  if (bits == 0) return false;
  for (let index: u32 = 0; index < numberBytes; index++) {
    const byte = <u32>load<u8>(start + index);
    const boundByte = <u32>load<u8>(bound + index);
    if (byte != boundByte) return byte < boundByte;
  }
  return false;
}

/** An INTEGER is as short as it can be, and not negative: a zero byte goes before a set first bit (X.690 §8.3). */
function writeInteger(target: usize, start: usize, numberBytes: u32): u32 {
  let skipped: u32 = 0;
  while (skipped < numberBytes - 1 && load<u8>(start + skipped) == 0) skipped++;
  const bytes = numberBytes - skipped;
  const sign: u32 = load<u8>(start + skipped) >> 7;
  store<u8>(target, 0x02);
  store<u8>(target, bytes + sign, 1);
  store<u8>(target, 0, 2);
  memory.copy(target + 2 + sign, start + skipped, bytes);
  return 2 + sign + bytes;
}

function order(hex: string): usize {
  const text = literal(hex);
  const start = text.start;
  for (let index: u32 = 0; index < text.size; index += 2) {
    store<u8>(start + (index >> 1), (hexDigit(load<u8>(start + index)) << 4) | hexDigit(load<u8>(start + index + 1)));
  }
  return start;
}
