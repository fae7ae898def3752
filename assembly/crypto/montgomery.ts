/**
 * Arithmetic modulo an odd number (P. L. Montgomery, "Modular multiplication without trial division", 1985): x stands as
 * xR mod m, where R = 2^(32 limbs), and a product is divided by R as it grows, limb by limb, so that nothing is ever divided
 * by m. One modulus is in use at a time; numbers have as many limbs as it has (crypto/number.ts).
 */
import { sameBytes } from "../bytes/span";
import { addNumbers, copyNumber, isBelow, isZero, subtractNumbers } from "./number";

/** Bytes of the largest modulus, RSA's of 8192 bits. */
export const modulus_bytes: u32 = 1024;
/** Bytes of room for a number of an elliptic curve: the 17 limbs of P-521, and a multiple of 8. */
export const element_bytes: u32 = 72;

/** R mod m: what 1 stands as. */
export const one: usize = memory.data(modulus_bytes, 8);
/** R² mod m. */
const square: usize = memory.data(modulus_bytes, 8);
/** A product while it grows, and a sum before it is reduced. */
const product: usize = memory.data(modulus_bytes, 8);
/** The 16 powers that `power` picks from. */
const powers: usize = memory.data(16 * element_bytes, 8);
/** m - 2. */
const exponentOfInverse: usize = memory.data(element_bytes, 8);
/** 1, as the 17 limbs that an elliptic curve's numbers have at most. */
const unit: usize = memory.data<u32>([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

let modulus: usize = 0;
let numberBytes: usize = 0;
/** -1/m mod 2^32. */
let inverse: u32 = 0;

/**
 * Puts the odd number of `size` bytes at `start` to use as the modulus m. It stays where it is; its highest limb may be small,
 * but is not zero.
 */
export function useModulus(start: usize, size: usize): void {
  modulus = start;
  numberBytes = size;
  // Newton's iteration: m is its own inverse mod 2^3, and each step doubles the bits that are right.
  const lowest = load<u32>(start);
  let reciprocal = lowest;
  for (let step = 0; step < 4; step++) reciprocal *= 2 - lowest * reciprocal;
  inverse = 0 - reciprocal;
  // The highest power of two that m holds is below m, and R that many doublings away.
  const zeros = clz<u32>(load<u32>(start + size - 4));
  memory.fill(one, 0, size);
  store<u32>(one + size - 4, 0x80000000 >> zeros);
  for (let doubling: u32 = 0; doubling <= zeros; doubling++) add(one, one, one);
  // 2^k R is k doublings from R, and its Montgomery square is 2^2k R: the bits of 32 limbs lead to R R, a few by doubling
  // alone, since that is cheaper than squaring.
  const exponent = (<u32>size) << 3;
  let shift: u32 = 0;
  while (exponent >> shift >= 64) shift++;
  copyNumber(square, one, size);
  for (let doubling: u32 = 0; doubling < exponent >> shift; doubling++) add(square, square, square);
  while (shift > 0) {
    shift--;
    multiply(square, square, square);
    if (((exponent >> shift) & 1) != 0) add(square, square, square);
  }
}

/** `target` = x in Montgomery's form, for the plain number x < R at `source`. */
export function toMontgomery(target: usize, source: usize): void {
  multiply(target, source, square);
}

/** `target` = the plain number below m that stands in Montgomery's form at `source`, for the moduli of elliptic curves. */
export function fromMontgomery(target: usize, source: usize): void {
  multiply(target, source, unit);
}

/** `target` = `left` + `right` mod m, both below m. */
export function add(target: usize, left: usize, right: usize): void {
  reduceOnce(target, addNumbers(product, left, right, numberBytes));
}

/** `target` = `left` - `right` mod m, both below m. */
export function subtract(target: usize, left: usize, right: usize): void {
  if (subtractNumbers(target, left, right, numberBytes) != 0) addNumbers(target, target, modulus, numberBytes);
}

/**
 * `target` = `left` `right` / R mod m, for `left` < R and `right` < m. The factors may be the target. Row by row, a limb of
 * `right` times `left` is added, and m as often as makes the lowest limb zero, which is then dropped. Both products have a
 * carry of their own, so that neither overflows: (2^32 - 1)² + 2 (2^32 - 1) = 2^64 - 1.
 */
export function multiply(target: usize, left: usize, right: usize): void {
  if (numberBytes == 32) {
    multiplyEight(target, left, right);
    return;
  }
  const last = numberBytes - 4;
  for (let offset: usize = 0; offset <= last; offset += 4) store<u32>(product + offset, 0);
  let highest: u64 = 0;
  for (let row: usize = 0; row <= last; row += 4) {
    const factor = <u64>load<u32>(right + row);
    let sum = <u64>load<u32>(product) + factor * <u64>load<u32>(left);
    const quotient = <u64>(<u32>sum * inverse);
    let reduced = ((sum & 0xffffffff) + quotient * <u64>load<u32>(modulus)) >> 32;
    for (let offset: usize = 0; offset < last; offset += 4) {
      sum = (sum >> 32) + <u64>load<u32>(product + offset, 4) + factor * <u64>load<u32>(left + offset, 4);
      reduced += (sum & 0xffffffff) + quotient * <u64>load<u32>(modulus + offset, 4);
      store<u32>(product + offset, <u32>reduced);
      reduced >>= 32;
    }
    highest += (sum >> 32) + reduced;
    store<u32>(product + last, <u32>highest);
    highest >>= 32;
  }
  reduceOnce(target, <u32>highest);
}

/** `multiply` for the 8 limbs of P-256 and Ed25519, with the growing product in locals. */
function multiplyEight(target: usize, left: usize, right: usize): void {
  let p0: u64 = 0;
  let p1: u64 = 0;
  let p2: u64 = 0;
  let p3: u64 = 0;
  let p4: u64 = 0;
  let p5: u64 = 0;
  let p6: u64 = 0;
  let p7: u64 = 0;
  let highest: u64 = 0;
  for (let row: usize = 0; row < 32; row += 4) {
    const factor = <u64>load<u32>(right + row);
    let sum = p0 + factor * <u64>load<u32>(left);
    const quotient = <u64>(<u32>sum * inverse);
    let reduced = (sum & 0xffffffff) + quotient * <u64>load<u32>(modulus);
    sum = (sum >> 32) + p1 + factor * <u64>load<u32>(left, 4);
    reduced = (reduced >> 32) + (sum & 0xffffffff) + quotient * <u64>load<u32>(modulus, 4);
    p0 = reduced & 0xffffffff;
    sum = (sum >> 32) + p2 + factor * <u64>load<u32>(left, 8);
    reduced = (reduced >> 32) + (sum & 0xffffffff) + quotient * <u64>load<u32>(modulus, 8);
    p1 = reduced & 0xffffffff;
    sum = (sum >> 32) + p3 + factor * <u64>load<u32>(left, 12);
    reduced = (reduced >> 32) + (sum & 0xffffffff) + quotient * <u64>load<u32>(modulus, 12);
    p2 = reduced & 0xffffffff;
    sum = (sum >> 32) + p4 + factor * <u64>load<u32>(left, 16);
    reduced = (reduced >> 32) + (sum & 0xffffffff) + quotient * <u64>load<u32>(modulus, 16);
    p3 = reduced & 0xffffffff;
    sum = (sum >> 32) + p5 + factor * <u64>load<u32>(left, 20);
    reduced = (reduced >> 32) + (sum & 0xffffffff) + quotient * <u64>load<u32>(modulus, 20);
    p4 = reduced & 0xffffffff;
    sum = (sum >> 32) + p6 + factor * <u64>load<u32>(left, 24);
    reduced = (reduced >> 32) + (sum & 0xffffffff) + quotient * <u64>load<u32>(modulus, 24);
    p5 = reduced & 0xffffffff;
    sum = (sum >> 32) + p7 + factor * <u64>load<u32>(left, 28);
    reduced = (reduced >> 32) + (sum & 0xffffffff) + quotient * <u64>load<u32>(modulus, 28);
    p6 = reduced & 0xffffffff;
    highest += (sum >> 32) + (reduced >> 32);
    p7 = highest & 0xffffffff;
    highest >>= 32;
  }
  store<u32>(product, <u32>p0);
  store<u32>(product, <u32>p1, 4);
  store<u32>(product, <u32>p2, 8);
  store<u32>(product, <u32>p3, 12);
  store<u32>(product, <u32>p4, 16);
  store<u32>(product, <u32>p5, 20);
  store<u32>(product, <u32>p6, 24);
  store<u32>(product, <u32>p7, 28);
  reduceOnce(target, <u32>highest);
}

/** `target` = `product` mod m, for a product below 2m whose highest limb, above the others, is `highest`. */
function reduceOnce(target: usize, highest: u32): void {
  const borrow = subtractNumbers(target, product, modulus, numberBytes);
  if (borrow > highest) copyNumber(target, product, numberBytes);
}

/**
 * `target` = `base` to the power of the plain number at `exponent`, for the small moduli of elliptic curves. Four bits at
 * a time, which is half as many multiplications as one at a time.
 */
export function power(target: usize, base: usize, exponent: usize): void {
  copyNumber(powers, one, numberBytes);
  for (let index: usize = 1; index < 16; index++) {
    const entry = powers + index * element_bytes;
    multiply(entry, entry - element_bytes, base);
  }
  copyNumber(target, one, numberBytes);
  let bit = numberBytes << 3;
  while (bit > 0) {
    bit -= 4;
    for (let step = 0; step < 4; step++) multiply(target, target, target);
    const digit = (<usize>load<u8>(exponent + (bit >> 3)) >> (bit & 7)) & 15;
    if (digit != 0) multiply(target, target, powers + digit * element_bytes);
  }
}

/** `target` = 1/`base` mod m, for a prime m: by Fermat's theorem, the power m - 2. */
export function invert(target: usize, base: usize): void {
  copyNumber(exponentOfInverse, modulus, numberBytes);
  store<u32>(exponentOfInverse, load<u32>(modulus) - 2);
  power(target, base, exponentOfInverse);
}

/** Whether the number at `start` is zero, as it stands or in Montgomery's form. */
export function isZeroElement(start: usize): bool {
  return isZero(start, numberBytes);
}

/** Whether two numbers below m are the same. */
export function isSameElement(left: usize, right: usize): bool {
  return sameBytes(left, right, <u32>numberBytes);
}

/** Copies a number of as many limbs as m. */
export function copyElement(target: usize, source: usize): void {
  copyNumber(target, source, numberBytes);
}

/** Whether the number at `start` is below m. */
export function isReduced(start: usize): bool {
  return isBelow(start, modulus, numberBytes);
}
