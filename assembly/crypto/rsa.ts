/**
 * RSA signatures (RFC 8017): the exponentiation, and the two ways of telling whether what it yields signs a hash. Sizes of
 * hashes are in bytes: 32, 48 or 64.
 */
import { sameBytes } from "../bytes/span";
import { isReduced, modulus_bytes, multiply, toMontgomery, useModulus } from "./montgomery";
import { readBigEndian, writeBigEndian } from "./number";
import { finishHash, hashOf, startHash, updateHash } from "./sha2";

/** 2048 bits; `modulus_bytes` is the other bound. */
const modulus_bytes_min: u32 = 256;

const modulus: usize = memory.data(modulus_bytes, 8);
const base: usize = memory.data(modulus_bytes, 8);
const product: usize = memory.data(modulus_bytes, 8);
const result: usize = memory.data(modulus_bytes, 8);
/** EM, the encoded message, as the signature yields it, big-endian. */
const encoded: usize = memory.data(modulus_bytes, 8);
/** EM as it has to be, for PKCS #1 v1.5; DB, for PSS. */
const expected: usize = memory.data(modulus_bytes, 8);
const hash: usize = memory.data(64, 8);
const maskPart: usize = memory.data(64, 8);
const counterBytes: usize = memory.data(4, 8);
/** The eight zero bytes that M' begins with (§9.1.1 figure 2). */
const zeros: usize = memory.data(8, 8);

/** DER of DigestInfo before the hash, for SHA-256 (§9.2 note 1): the others differ in the three bytes named here. */
const digest_info: usize = memory.data<u8>([
  0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
]);
const digest_info_bytes: u32 = 19;
/** The size of what follows the first two bytes, the last number of the hash's identifier, and the size of the hash. */
const digest_info_size: usize = 1;
const digest_info_kind: usize = 14;
const digest_info_hash: usize = 18;

/**
 * RSASSA-PKCS1-v1_5 (§8.2.2): whether the signature is the one of the text. `key` is the modulus, big-endian without leading
 * zeros, of 2048 to 8192 bits, with its exponent.
 */
export function verifyPkcs1(
  hashBytes: u32,
  key: usize,
  keySize: u32,
  exponent: u32,
  signature: usize,
  signatureSize: u32,
  text: usize,
  textSize: u32,
): bool {
  // Steps 1 and 2.
  if (!recover(key, keySize, exponent, signature, signatureSize)) return false;
  // Step 3, EMSA-PKCS1-v1_5 (§9.2): 00 01 ff… 00, DigestInfo, hash.
  const hashStart = keySize - hashBytes;
  const infoStart = hashStart - digest_info_bytes;
  memory.fill(expected, 0xff, infoStart);
  store<u8>(expected, 0);
  store<u8>(expected, 1, 1);
  store<u8>(expected + infoStart - 1, 0);
  const info = expected + infoStart;
  memory.copy(info, digest_info, digest_info_bytes);
  store<u8>(info + digest_info_size, digest_info_bytes - 2 + hashBytes);
  store<u8>(info + digest_info_kind, (hashBytes >> 4) - 1);
  store<u8>(info + digest_info_hash, hashBytes);
  hashOf(hashBytes, text, textSize, expected + hashStart);
  // Step 4: the whole encodings, so that nothing is ever parsed (CVE-2006-4339 is what parsing leads to).
  return sameBytes(encoded, expected, keySize);
}

/** RSASSA-PSS (§8.1.2) with MGF1 over the same hash and a salt as long as the hash (RFC 7518 §3.5); as `verifyPkcs1`. */
export function verifyPss(
  hashBytes: u32,
  key: usize,
  keySize: u32,
  exponent: u32,
  signature: usize,
  signatureSize: u32,
  text: usize,
  textSize: u32,
): bool {
  // Steps 1 and 2.
  if (!recover(key, keySize, exponent, signature, signatureSize)) return false;
  // EM has a bit less than the modulus: with 8n + 1 bits of modulus, a byte less, and the first is zero (step 2c).
  const unusedBits = (clz<u32>(load<u8>(key)) - 24 + 1) & 7;
  let start = encoded;
  let size = keySize;
  if (unusedBits == 0) {
    if (load<u8>(encoded) != 0) return false;
    start++;
    size--;
  }
  // EMSA-PSS-VERIFY (§9.1.2) steps 1 and 2; step 3 holds, since 2048 bits have room for every hash and salt.
  hashOf(hashBytes, text, textSize, hash);
  // Step 4.
  if (load<u8>(start + size - 1) != 0xbc) return false;
  // Step 5.
  const blockBytes = size - hashBytes - 1;
  const signedHash = start + blockBytes;
  // Step 6.
  const mask = <u32>0xff >> unusedBits;
  if ((load<u8>(start) & ~mask) != 0) return false;
  // Steps 7 and 8: DB = maskedDB xor MGF1(H) (B.2.1).
  let generated: u32 = 0;
  for (let counter: u32 = 0; generated < blockBytes; counter++) {
    generateMask(hashBytes, signedHash, counter);
    const end = min<u32>(generated + hashBytes, blockBytes);
    for (let index: usize = 0; generated < end; index++) {
      store<u8>(expected + generated, load<u8>(start + generated) ^ load<u8>(maskPart + index));
      generated++;
    }
  }
  // Step 9.
  store<u8>(expected, load<u8>(expected) & mask);
  // Step 10: zeros, then 01, then the salt, of no other size than the hash's.
  const saltStart = blockBytes - hashBytes;
  for (let index: u32 = 0; index < saltStart - 1; index++) {
    if (load<u8>(expected + index) != 0) return false;
  }
  if (load<u8>(expected + saltStart - 1) != 1) return false;
  // Steps 11 to 13: H' of eight zero bytes, the text's hash and the salt.
  startHash(hashBytes);
  updateHash(zeros, 8);
  updateHash(hash, hashBytes);
  updateHash(expected + saltStart, hashBytes);
  finishHash(hash);
  // Step 14.
  return sameBytes(hash, signedHash, hashBytes);
}

/** One part of MGF1's mask (B.2.1 step 3): the hash of the seed and a counter of four bytes, of which one suffices. */
function generateMask(hashBytes: u32, seed: usize, counter: u32): void {
  store<u8>(counterBytes, counter, 3);
  startHash(hashBytes);
  updateHash(seed, hashBytes);
  updateHash(counterBytes, 4);
  finishHash(maskPart);
}

/**
 * RSAVP1 (§5.2.2), from a signature as bytes to `encoded`, of as many bytes as the key: §8.1.2 and §8.2.2, steps 1 and 2. False
 * for a key or signature that cannot be one.
 */
function recover(key: usize, keySize: u32, exponent: u32, signature: usize, signatureSize: u32): bool {
  if (keySize < modulus_bytes_min || keySize > modulus_bytes || signatureSize != keySize) return false;
  // Keys of fewer than 2048 bits in 256 bytes, with leading zeros, or with an even modulus are none.
  const first = load<u8>(key);
  if (first == 0 || (keySize == modulus_bytes_min && first < 0x80)) return false;
  if ((load<u8>(key + keySize - 1) & 1) == 0 || exponent < 3 || (exponent & 1) == 0) return false;
  const numberBytes = (keySize + 3) & ~3;
  readBigEndian(modulus, numberBytes, key, keySize);
  useModulus(modulus, numberBytes);
  readBigEndian(result, numberBytes, signature, keySize);
  if (!isReduced(result)) return false;
  toMontgomery(base, result);
  // The exponent's highest bit is the base itself, each further one a squaring, and a multiplication where it is set. The
  // last factor, an odd exponent's, is the plain signature, which brings the product out of Montgomery's form.
  memory.copy(product, base, numberBytes);
  let bit = 31 - clz<u32>(exponent);
  while (bit > 0) {
    bit--;
    multiply(product, product, product);
    if (bit > 0 && ((exponent >> bit) & 1) != 0) multiply(product, product, base);
  }
  multiply(result, product, result);
  writeBigEndian(encoded, keySize, result);
  return true;
}
