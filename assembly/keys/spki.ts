/**
 * Public keys as the host wants them: SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), DER.
 *
 *   SEQUENCE { SEQUENCE { algorithm, parameters }, BIT STRING { key } }
 *
 * RSA (RFC 3279 §2.3.1): rsaEncryption, NULL, and SEQUENCE { INTEGER n, INTEGER e } as the key.
 * EC (RFC 5480 §2): id-ecPublicKey, the curve, and 04 ‖ x ‖ y. Ed25519 (RFC 8410 §4): id-Ed25519 and the 32 bytes.
 */
import { Writer, writeByte, writeBytes } from "../bytes/writer";

/** What stands before x‖y, for each curve: all sizes are known. */
const p256_head: usize = memory.data<u8>([
  0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
  0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
]);
const p384_head: usize = memory.data<u8>([
  0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00,
  0x22, 0x03, 0x62, 0x00, 0x04,
]);
const p521_head: usize = memory.data<u8>([
  0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
  0x00, 0x23, 0x03, 0x81, 0x86, 0x00, 0x04,
]);
const ed25519_head: usize = memory.data<u8>([0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00]);
const rsa_algorithm: usize = memory.data<u8>([
  0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
]);

/** Writes x‖y of an EC key whose coordinates have so many bytes, or with 0 an Ed25519 key. */
export function writeCurveKey(writer: Writer, start: usize, size: u32, coordinateBytes: u32): void {
  if (coordinateBytes == 32) writeBytes(writer, p256_head, 27);
  else if (coordinateBytes == 48) writeBytes(writer, p384_head, 24);
  else if (coordinateBytes == 66) writeBytes(writer, p521_head, 26);
  else writeBytes(writer, ed25519_head, 12);
  writeBytes(writer, start, size);
}

/** Writes an RSA key of a modulus without leading zeros. */
export function writeRsaKey(writer: Writer, modulus: usize, size: u32, exponent: u32): void {
  const modulusBytes = size + (load<u8>(modulus) >> 7);
  const exponentBytes = 4 - (clz<u32>(exponent) >> 3) + (isShort(exponent) ? 0 : 1);
  const integers = sized(modulusBytes) + sized(exponentBytes);
  const key = sized(integers) + 1;
  writeHead(writer, 0x30, 15 + sized(key));
  writeBytes(writer, rsa_algorithm, 15);
  writeHead(writer, 0x03, key);
  writeByte(writer, 0);
  writeHead(writer, 0x30, integers);
  writeHead(writer, 0x02, modulusBytes);
  if (modulusBytes != size) writeByte(writer, 0);
  writeBytes(writer, modulus, size);
  writeHead(writer, 0x02, exponentBytes);
  for (let shift = (<i32>exponentBytes - 1) * 8; shift >= 0; shift -= 8) {
    writeByte(writer, shift == 32 ? 0 : (exponent >> shift) & 0xff);
  }
}

/** Whether the first byte of a number, as short as it can be, leaves its sign bit clear (X.690 §8.3). */
function isShort(value: u32): bool {
  return (clz<u32>(value) & 7) != 0;
}

/** The bytes of an element with so many bytes of content: tag, size, content. */
function sized(content: u32): u32 {
  return content + (content < 0x80 ? 2 : content < 0x100 ? 3 : 4);
}

function writeHead(writer: Writer, tag: u32, content: u32): void {
  writeByte(writer, tag);
  if (content >= 0x100) {
    writeByte(writer, 0x82);
    writeByte(writer, content >> 8);
  } else if (content >= 0x80) {
    writeByte(writer, 0x81);
  }
  writeByte(writer, content & 0xff);
}
