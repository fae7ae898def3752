/** ECDSA on P-256, P-384 and P-521 (FIPS 186-5 §6.4.2, SEC 1 §4.1.4). */
import { ecdsaNumberBytes, hashBytes } from "./algorithms";
import { curveNumberBytes, curveOf } from "./curves";
import { addDigit, doublePoint, fillTable, fromAffine, point_bytes, setInfinity, table_bytes } from "./jacobian";
import {
  add,
  element_bytes,
  invert,
  isReduced,
  isSameElement,
  isZeroElement,
  multiply,
  subtract,
  toMontgomery,
  useModulus,
} from "./montgomery";
import { addNumbers, readBigEndian } from "./number";
import { digits_bytes, recode, scalar_bytes } from "./recode";
import { hashOf } from "./sha2";

const r: usize = memory.data(element_bytes, 8);
const s: usize = memory.data(element_bytes, 8);
const z: usize = memory.data(element_bytes, 8);
const left: usize = memory.data(element_bytes, 8);
const right: usize = memory.data(element_bytes, 8);
const hash: usize = memory.data(64, 8);
const u1: usize = memory.data(scalar_bytes, 8);
const u2: usize = memory.data(scalar_bytes, 8);
const digits1: usize = memory.data(digits_bytes, 8);
const digits2: usize = memory.data(digits_bytes, 8);
/** An affine point: x, y. */
const affine: usize = memory.data(2 * element_bytes, 8);
const point: usize = memory.data(point_bytes, 8);
const baseTable: usize = memory.data(table_bytes, 8);
const keyTable: usize = memory.data(table_bytes, 8);

/**
 * Whether r‖s, as JWS has it (RFC 7518 §3.4), is a signature of the text under an ES… algorithm; `key` is x‖y, of as many
 * bytes.
 */
export function verifyEcdsa(
  algorithm: u32,
  key: usize,
  keySize: u32,
  signature: usize,
  signatureSize: u32,
  text: usize,
  textSize: u32,
): bool {
  const size = <u32>ecdsaNumberBytes(algorithm);
  if (keySize != 2 * size || signatureSize != 2 * size) return false;
  const curve = curveOf(algorithm);
  const numberBytes = curveNumberBytes(algorithm);
  const order = curve + numberBytes;
  // SEC 1 §4.1.4 step 1: r and s in [1, n - 1].
  readBigEndian(r, numberBytes, signature, size);
  readBigEndian(s, numberBytes, signature + size, size);
  useModulus(order, numberBytes);
  if (isZeroElement(r) || isZeroElement(s) || !isReduced(r) || !isReduced(s)) return false;
  // Steps 2 and 3: the hash as a number. None of the three has more bits than its curve's order.
  const digestBytes = <u32>hashBytes(algorithm);
  hashOf(digestBytes, text, textSize, hash);
  readBigEndian(z, numberBytes, hash, digestBytes);
  // Step 4: u1 = z/s and u2 = r/s. 1/s is in Montgomery's form and they are not, so that the products are plain.
  toMontgomery(s, s);
  invert(s, s);
  multiply(u1, z, s);
  multiply(u2, r, s);
  recode(digits1, u1, numberBytes);
  recode(digits2, u2, numberBytes);
  // The key is a point of the curve (SEC 1 §3.2.2.1), whose group has prime order: there are no points of other orders.
  useModulus(curve, numberBytes);
  if (!readKey(curve + 2 * numberBytes, numberBytes, key, size)) return false;
  fromAffine(point, affine);
  fillTable(keyTable, point);
  toMontgomery(affine, curve + 3 * numberBytes);
  toMontgomery(affine + element_bytes, curve + 4 * numberBytes);
  fromAffine(point, affine);
  fillTable(baseTable, point);
  // Step 5: R = u1 G + u2 Q, both in one run of doublings.
  setInfinity(point);
  for (let index = <i32>(numberBytes << 3); index >= 0; index--) {
    doublePoint(point);
    addDigit(point, baseTable, load<i8>(digits1 + index));
    addDigit(point, keyTable, load<i8>(digits2 + index));
  }
  const pointZ = point + 2 * element_bytes;
  if (isZeroElement(pointZ)) return false;
  // Steps 6 to 8: x mod n = r. x is below p, and p < 2n, so x is r or r + n: X = r Z² does without a division.
  multiply(left, pointZ, pointZ);
  if (hasX(r)) return true;
  return addNumbers(r, r, order, numberBytes) == 0 && isReduced(r) && hasX(r);
}

/** Whether x of `point` is the plain number at `candidate`, below p; Z² is in `left`. */
function hasX(candidate: usize): bool {
  toMontgomery(right, candidate);
  multiply(right, right, left);
  return isSameElement(right, point);
}

/** Reads x‖y into `affine`. False unless both are below p, and y² = x³ - 3x + b. */
function readKey(b: usize, numberBytes: usize, key: usize, size: u32): bool {
  const x = affine;
  const y = affine + element_bytes;
  readBigEndian(x, numberBytes, key, size);
  readBigEndian(y, numberBytes, key + size, size);
  if (!isReduced(x) || !isReduced(y)) return false;
  toMontgomery(x, x);
  toMontgomery(y, y);
  multiply(right, x, x);
  multiply(right, right, x);
  subtract(right, right, x);
  subtract(right, right, x);
  subtract(right, right, x);
  toMontgomery(left, b);
  add(right, right, left);
  multiply(left, y, y);
  return isSameElement(left, right);
}
