/**
 * Ed25519 (RFC 8032 §5.1.7), with the equation that has no cofactor, as BoringSSL and OpenSSL have it: R' = [S]B - [h]A is
 * computed anew, and its encoding has to be the bytes of R. That refuses every encoding of R that is not the canonical one.
 */
import {
  addExtendedDigit,
  completePoint,
  doubleExtended,
  extended_bytes,
  extended_table_bytes,
  fillExtendedTable,
  number_bytes,
  setNeutral,
} from "./edwards";
import {
  add,
  copyElement,
  fromMontgomery,
  invert,
  isReduced,
  isSameElement,
  isZeroElement,
  multiply,
  one,
  power,
  subtract,
  toMontgomery,
  useModulus,
} from "./montgomery";
import { digits_bytes, recode, scalar_bytes } from "./recode";
import { finishHash, startHash, updateHash } from "./sha2";

/** p = 2^255 - 19, as limbs, the lowest first. */
const prime: usize = memory.data<u32>([
  0xffffffed, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x7fffffff,
]);
/** L, the order of the base point. */
const order: usize = memory.data<u32>([
  0x5cf5d3ed, 0x5812631a, 0xa2f79cd6, 0x14def9de, 0x00000000, 0x00000000, 0x00000000, 0x10000000,
]);
/** d = -121665/121666 mod p. */
const curve_d: usize = memory.data<u32>([
  0x135978a3, 0x75eb4dca, 0x4141d8ab, 0x00700a4d, 0x7779e898, 0x8cc74079, 0x2b6ffe73, 0x52036cee,
]);
/** 2^((p - 1)/4) mod p, a square root of -1. */
const minus_one_root: usize = memory.data<u32>([
  0x4a0ea0b0, 0xc4ee1b27, 0xad2fe478, 0x2f431806, 0x3dfbd7a7, 0x2b4d0099, 0x4fc1df0b, 0x2b832480,
]);
/** B: x, then y. */
const base_point: usize = memory.data<u32>([
  0x8f25d51a, 0xc9562d60, 0x9525a7b2, 0x692cc760, 0xfdd6dc5c, 0xc0a4e231, 0xcd6e53fe, 0x216936d3, 0x66666658,
  0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666,
]);
/** (p - 5)/8. */
const root_exponent: usize = memory.data<u32>([
  0xfffffffd, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x0fffffff,
]);

const key_bytes: u32 = 32;
const signature_bytes: u32 = 64;

const d: usize = memory.data(number_bytes, 8);
const u: usize = memory.data(number_bytes, 8);
const v: usize = memory.data(number_bytes, 8);
const w: usize = memory.data(number_bytes, 8);
const encoding: usize = memory.data(number_bytes, 8);
const hash: usize = memory.data(64, 8);
const hashScalar: usize = memory.data(scalar_bytes, 8);
const signatureScalar: usize = memory.data(scalar_bytes, 8);
const hashDigits: usize = memory.data(digits_bytes, 8);
const signatureDigits: usize = memory.data(digits_bytes, 8);
const point: usize = memory.data(extended_bytes, 8);
const keyTable: usize = memory.data(extended_table_bytes, 8);
const baseTable: usize = memory.data(extended_table_bytes, 8);

/** Whether R‖S is a signature of the text; `key` is the encoding of the point A, of 32 bytes. */
export function verifyEd25519(
  key: usize,
  keySize: u32,
  signature: usize,
  signatureSize: u32,
  text: usize,
  textSize: u32,
): bool {
  if (keySize != key_bytes || signatureSize != signature_bytes) return false;
  // Step 1: S below L, so that nobody makes a second signature of one. Bytes and limbs are both little-endian.
  useModulus(order, number_bytes);
  copyElement(signatureScalar, signature + number_bytes);
  if (!isReduced(signatureScalar)) return false;
  // Step 2: h = SHA-512(R ‖ A ‖ M), as a number of 64 bytes, mod L.
  startHash(64);
  updateHash(signature, 32);
  updateHash(key, 32);
  updateHash(text, textSize);
  finishHash(hash);
  reduceHash();
  recode(signatureDigits, signatureScalar, number_bytes);
  recode(hashDigits, hashScalar, number_bytes);
  // Step 1 again: A.
  useModulus(prime, number_bytes);
  toMontgomery(d, curve_d);
  if (!decodePoint(key)) return false;
  add(d, d, d);
  fillExtendedTable(keyTable, point, d);
  toMontgomery(point, base_point);
  toMontgomery(point + number_bytes, base_point + number_bytes);
  completePoint(point);
  fillExtendedTable(baseTable, point, d);
  // Step 3: R' = [S]B - [h]A, both in one run of doublings.
  setNeutral(point);
  for (let index = <i32>(number_bytes << 3); index >= 0; index--) {
    const signatureDigit = <i32>load<i8>(signatureDigits + index);
    const hashDigit = <i32>load<i8>(hashDigits + index);
    doubleExtended(point, (signatureDigit | hashDigit) != 0);
    addExtendedDigit(point, baseTable, signatureDigit);
    addExtendedDigit(point, keyTable, -hashDigit);
  }
  encodePoint();
  return isSameElement(encoding, signature);
}

/** `hashScalar` = the hash mod L: its upper half times R = 2^256, and its lower half. */
function reduceHash(): void {
  toMontgomery(hashScalar, hash + number_bytes);
  toMontgomery(u, hash);
  fromMontgomery(u, u);
  add(hashScalar, hashScalar, u);
}

/** Decodes a point (§5.1.3) to `point`; `d` is the curve's. False for what is no point's canonical encoding. */
function decodePoint(start: usize): bool {
  const x = point;
  const y = point + number_bytes;
  // Step 1: y, below p, and the lowest bit of x as the highest one.
  copyElement(w, start);
  const sign = load<u32>(w, 28) >> 31;
  store<u32>(w, load<u32>(w, 28) & 0x7fffffff, 28);
  if (!isReduced(w)) return false;
  toMontgomery(y, w);
  // Step 2: x² = u/v, u = y² - 1, v = dy² + 1.
  multiply(u, y, y);
  multiply(v, u, d);
  subtract(u, u, one);
  add(v, v, one);
  // Step 3: x = u v³ (u v^7)^((p - 5)/8), if there is a root at all.
  multiply(w, v, v);
  multiply(w, w, v);
  multiply(x, u, w);
  multiply(w, w, w);
  multiply(w, w, v);
  multiply(w, w, u);
  power(w, w, root_exponent);
  multiply(x, x, w);
  // v x² is u: x is the root; it is -u: a root of -1 times x is.
  multiply(w, x, x);
  multiply(w, w, v);
  if (!isSameElement(w, u)) {
    add(w, w, u);
    if (!isZeroElement(w)) return false;
    toMontgomery(w, minus_one_root);
    multiply(x, x, w);
  }
  // Step 4: of the two roots the one whose lowest bit was asked for; -0 is not canonical.
  if (isZeroElement(x) && sign == 1) return false;
  fromMontgomery(w, x);
  if ((load<u32>(w) & 1) != sign) {
    subtract(w, x, x);
    subtract(x, w, x);
  }
  completePoint(point);
  return true;
}

/** Encodes `point` (§5.1.2): y, and the lowest bit of x as the highest one. */
function encodePoint(): void {
  invert(w, point + 2 * number_bytes);
  multiply(u, point, w);
  multiply(v, point + number_bytes, w);
  fromMontgomery(u, u);
  fromMontgomery(encoding, v);
  store<u32>(encoding, load<u32>(encoding, 28) | (load<u32>(u) << 31), 28);
}
