/**
 * Points of the curves y² = x³ - 3x + b in Jacobian coordinates: (X, Y, Z) is the point (X/Z², Y/Z³), and Z = 0 the point at
 * infinity. Coordinates are in Montgomery's form, modulo the curve's prime, which is in use. The formulas are those of
 * the Explicit-Formulas Database (hyperelliptic.org/EFD/g1p/auto-shortw-jacobian-3.html).
 */
import { add, element_bytes, isZeroElement, multiply, one, subtract } from "./montgomery";
import { copyNumber } from "./number";
import { table_entries } from "./recode";

/** X, Y and Z. */
export const point_bytes: u32 = 3 * element_bytes;
/** A point's odd multiples. */
export const table_bytes: u32 = table_entries * point_bytes;
const y: usize = element_bytes;
const z: usize = 2 * element_bytes;

const t0: usize = memory.data(element_bytes, 8);
const t1: usize = memory.data(element_bytes, 8);
const t2: usize = memory.data(element_bytes, 8);
const t3: usize = memory.data(element_bytes, 8);
const t4: usize = memory.data(element_bytes, 8);
const t5: usize = memory.data(element_bytes, 8);
const t6: usize = memory.data(element_bytes, 8);
const twice: usize = memory.data(point_bytes, 8);

/** The affine point at `source`, x then y, each in an element's room, as Jacobian coordinates. */
export function fromAffine(point: usize, source: usize): void {
  copyNumber(point, source, 2 * element_bytes);
  copyNumber(point + z, one, element_bytes);
}

/** Makes `point` the point at infinity. */
export function setInfinity(point: usize): void {
  memory.fill(point + z, 0, element_bytes);
}

/** `point` = 2 `point` ("dbl-2001-b", 3M + 5S); infinity remains what it is. */
export function doublePoint(point: usize): void {
  const delta = t0;
  const gamma = t1;
  const beta = t2;
  const alpha = t3;
  multiply(delta, point + z, point + z);
  multiply(gamma, point + y, point + y);
  multiply(beta, point, gamma);
  // alpha = 3 (X - delta) (X + delta)
  subtract(t4, point, delta);
  add(t5, point, delta);
  multiply(t4, t4, t5);
  add(alpha, t4, t4);
  add(alpha, alpha, t4);
  // Z = (Y + Z)² - gamma - delta
  add(t5, point + y, point + z);
  multiply(t5, t5, t5);
  subtract(t5, t5, gamma);
  subtract(point + z, t5, delta);
  // X = alpha² - 8 beta
  add(beta, beta, beta);
  add(beta, beta, beta);
  multiply(t5, alpha, alpha);
  subtract(t5, t5, beta);
  subtract(point, t5, beta);
  // Y = alpha (4 beta - X) - 8 gamma²
  subtract(t4, beta, point);
  multiply(t4, alpha, t4);
  add(gamma, gamma, gamma);
  multiply(gamma, gamma, gamma);
  add(gamma, gamma, gamma);
  subtract(point + y, t4, gamma);
}

/**
 * `point` += `other`, or its negative; `other` is not infinity ("add-1998-cmo-2", 12M + 4S). The formula does not hold for
 * infinity, for the same point and for the opposite one, and an attacker's key can bring about each of them.
 */
export function addPoint(point: usize, other: usize, negative: bool): void {
  const isInfinity = isZeroElement(point + z);
  copyNumber(t6, other + y, element_bytes);
  if (negative) {
    subtract(t0, t6, t6);
    subtract(t6, t0, t6);
  }
  if (isInfinity) {
    copyNumber(point, other, point_bytes);
    copyNumber(point + y, t6, element_bytes);
    return;
  }
  const u1 = t0;
  const s1 = t1;
  const h = t2;
  const r = t3;
  // U1 = X1 Z2², S1 = Y1 Z2³
  multiply(t4, other + z, other + z);
  multiply(u1, point, t4);
  multiply(t4, t4, other + z);
  multiply(s1, point + y, t4);
  // H = X2 Z1² - U1, r = Y2 Z1³ - S1
  multiply(t4, point + z, point + z);
  multiply(h, other, t4);
  subtract(h, h, u1);
  multiply(t4, t4, point + z);
  multiply(r, t6, t4);
  subtract(r, r, s1);
  if (isZeroElement(h)) {
    // The same x: the same point, or the opposite one.
    if (isZeroElement(r)) doublePoint(point);
    else setInfinity(point);
    return;
  }
  // Z3 = Z1 Z2 H
  multiply(t4, point + z, other + z);
  multiply(point + z, t4, h);
  // H³, V = U1 H²
  multiply(t4, h, h);
  multiply(h, h, t4);
  multiply(t4, u1, t4);
  // X3 = r² - H³ - 2V
  multiply(t5, r, r);
  subtract(t5, t5, h);
  subtract(t5, t5, t4);
  subtract(point, t5, t4);
  // Y3 = r (V - X3) - S1 H³
  subtract(t4, t4, point);
  multiply(t4, r, t4);
  multiply(t5, s1, h);
  subtract(point + y, t4, t5);
}

/** Fills `table` with the odd multiples 1, 3, … 15 of `point`, a point of a group of prime order far above 15. */
export function fillTable(table: usize, point: usize): void {
  copyNumber(table, point, point_bytes);
  copyNumber(twice, point, point_bytes);
  doublePoint(twice);
  for (let index: usize = 1; index < table_entries; index++) {
    const entry = table + index * point_bytes;
    copyNumber(entry, entry - point_bytes, point_bytes);
    addPoint(entry, twice, false);
  }
}

/** `point` += `digit` times the point that `table` is of; a digit of zero adds nothing. */
export function addDigit(point: usize, table: usize, digit: i32): void {
  if (digit == 0) return;
  addPoint(point, table + (<usize>abs<i32>(digit) >> 1) * point_bytes, digit < 0);
}
