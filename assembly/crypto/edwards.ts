/**
 * Points of -x² + y² = 1 + dx²y², the curve of Ed25519 (RFC 8032 §5.1), in extended coordinates: (X, Y, Z, T) is the point
 * (X/Z, Y/Z), and T = XY/Z. Coordinates are in Montgomery's form, modulo p = 2^255 - 19, which is in use. The addition holds for
 * any two points, the same ones included, since -1 is a square and d is none (Hisil, Wong, Carter and Dawson, "Twisted
 * Edwards Curves Revisited", 2008, §3.1).
 */
import { add, copyElement, multiply, one, subtract } from "./montgomery";
import { copyNumber } from "./number";
import { table_entries } from "./recode";

/** Bytes of a coordinate. */
export const number_bytes: u32 = 32;
/** X, Y, Z and T. */
export const extended_bytes: u32 = 4 * number_bytes;
/** Odd multiples of a point as `addDigit` takes them: Y + X, Y - X, 2Z, 2dT each. */
export const extended_table_bytes: u32 = table_entries * extended_bytes;
const y: usize = number_bytes;
const z: usize = 2 * number_bytes;
const t: usize = 3 * number_bytes;

const a: usize = memory.data(number_bytes, 8);
const b: usize = memory.data(number_bytes, 8);
const c: usize = memory.data(number_bytes, 8);
const e: usize = memory.data(number_bytes, 8);
const f: usize = memory.data(number_bytes, 8);
const g: usize = memory.data(number_bytes, 8);
const h: usize = memory.data(number_bytes, 8);
const multiple: usize = memory.data(extended_bytes, 8);
const twice: usize = memory.data(extended_bytes, 8);

/** The neutral element, (0, 1). */
export function setNeutral(point: usize): void {
  memory.fill(point, 0, extended_bytes);
  copyElement(point + y, one);
  copyElement(point + z, one);
}

/** Completes a point whose affine x and y are at its beginning. */
export function completePoint(point: usize): void {
  copyElement(point + z, one);
  multiply(point + t, point, point + y);
}

/** `point` = 2 `point` ("dbl-2008-hwcd", 3M + 4S, all signs turned). T only when the next step is an addition: 1M more. */
export function doubleExtended(point: usize, withT: bool): void {
  multiply(a, point, point);
  multiply(b, point + y, point + y);
  multiply(c, point + z, point + z);
  add(c, c, c);
  add(h, a, b);
  add(e, point, point + y);
  multiply(e, e, e);
  subtract(e, h, e);
  subtract(g, a, b);
  add(f, c, g);
  multiply(point, e, f);
  multiply(point + y, g, h);
  multiply(point + z, f, g);
  if (withT) multiply(point + t, e, h);
}

/** `point` += the point of the table's entry `other`, or its negative ("add-2008-hwcd-3", 8M). */
function addEntry(point: usize, other: usize, negative: bool): void {
  // The negative of (x, y) is (-x, y): Y + X and Y - X change places, and T its sign.
  const sum = negative ? other + number_bytes : other;
  const difference = negative ? other : other + number_bytes;
  subtract(a, point + y, point);
  multiply(a, a, difference);
  add(b, point + y, point);
  multiply(b, b, sum);
  multiply(c, point + t, other + t);
  multiply(h, point + z, other + z);
  subtract(e, b, a);
  subtract(f, h, c);
  add(g, h, c);
  add(h, b, a);
  const first = negative ? g : f;
  const second = negative ? f : g;
  multiply(point, e, first);
  multiply(point + y, second, h);
  multiply(point + z, f, g);
  multiply(point + t, e, h);
}

/** Fills `table` with the odd multiples 1, 3, … 15 of `point`; `twiceD` is 2d. */
export function fillExtendedTable(table: usize, point: usize, twiceD: usize): void {
  copyNumber(multiple, point, extended_bytes);
  writeEntry(table, multiple, twiceD);
  copyNumber(twice, point, extended_bytes);
  doubleExtended(twice, true);
  // The last entry's room holds 2P until it is due itself.
  const last = table + (table_entries - 1) * extended_bytes;
  writeEntry(last, twice, twiceD);
  for (let index: usize = 1; index < table_entries; index++) {
    addEntry(multiple, last, false);
    writeEntry(table + index * extended_bytes, multiple, twiceD);
  }
}

function writeEntry(entry: usize, point: usize, twiceD: usize): void {
  add(entry, point + y, point);
  subtract(entry + y, point + y, point);
  add(entry + z, point + z, point + z);
  multiply(entry + t, point + t, twiceD);
}

/** `point` += `digit` times the point that `table` is of; a digit of zero adds nothing. */
export function addExtendedDigit(point: usize, table: usize, digit: i32): void {
  if (digit == 0) return;
  addEntry(point, table + (<usize>abs<i32>(digit) >> 1) * extended_bytes, digit < 0);
}
