/**
 * JSON numbers as CEL has them: an int where no point or exponent stands and 64 bits hold it, else a double. A number
 * whose double would have to be rounded in more than one step is an error: to compare it would be to guess.
 */
import { doubleOf, kindOf, setDouble, setError, setInt, sizeOf, startOf, ValueKind } from "./value";

/** 2^53: up to here every integer is a double. */
const exact_integer: u64 = 9007199254740992;
/** Powers of ten up to this one are doubles. */
const exact_power: i32 = 22;

/** Reads a number that the JSON scanner took (bytes/json.ts: at most 19 digits on each side of the point). */
export function readNumber(cell: usize, start: usize, size: u32): void {
  const end = start + size;
  let cursor = start;
  const negative = load<u8>(cursor) == 0x2d;
  if (negative) cursor++;
  let digits: u64 = 0;
  let significant: u32 = 0;
  let exponent: i32 = 0;
  let isInteger = true;
  while (cursor < end) {
    const byte = <u32>load<u8>(cursor);
    if (byte == 0x2e) {
      isInteger = false;
    } else if (byte - 0x30 < 10) {
      if (significant > 0 || byte != 0x30) significant++;
      // The 20th digit would not fit; zeros at the end are counted in the exponent below, so none is lost that matters.
      if (significant > 19) {
        setError(cell);
        return;
      }
      digits = digits * 10 + <u64>(byte - 0x30);
      if (!isInteger) exponent--;
    } else {
      break;
    }
    cursor++;
  }
  if (cursor < end) {
    isInteger = false;
    exponent += readExponent(cursor + 1, end);
  }
  if (isInteger && digits <= <u64>i64.MAX_VALUE + (negative ? 1 : 0)) {
    setInt(cell, negative ? <i64>(0 - digits) : <i64>digits);
    return;
  }
  setScaled(cell, negative, digits, exponent);
}

/**
 * Makes an int of a text of decimal digits with nothing around them but a `-`, or of a double without what follows its point. An error
 * where 64 bits do not hold it, and for anything else. The least int is of no double, since others are rounded to it.
 */
export function toInt(cell: usize): void {
  const kind = kindOf(cell);
  if (kind == ValueKind.STRING) readDigits(cell, startOf(cell), sizeOf(cell));
  else if (kind == ValueKind.DOUBLE && Math.abs(doubleOf(cell)) < 9223372036854775808.0)
    setInt(cell, <i64>doubleOf(cell));
  else if (kind != ValueKind.INT) setError(cell);
}

function readDigits(cell: usize, start: usize, size: u32): void {
  const end = start + size;
  const negative = size > 1 && load<u8>(start) == 0x2d;
  const most = <u64>i64.MAX_VALUE + (negative ? 1 : 0);
  let cursor = negative ? start + 1 : start;
  let value: u64 = 0;
  setError(cell);
  if (cursor == end) return;
  while (cursor < end) {
    const digit = <u64>load<u8>(cursor++) - 0x30;
    if (digit > 9 || value > (most - digit) / 10) return;
    value = value * 10 + digit;
  }
  setInt(cell, negative ? <i64>(0 - value) : <i64>value);
}

function readExponent(start: usize, end: usize): i32 {
  let cursor = start;
  const negative = load<u8>(cursor) == 0x2d;
  if (negative || load<u8>(cursor) == 0x2b) cursor++;
  let exponent: i32 = 0;
  // The scanner has seen to it that there are at most three digits.
  while (cursor < end) {
    exponent = exponent * 10 + <i32>(load<u8>(cursor) - 0x30);
    cursor++;
  }
  return negative ? -exponent : exponent;
}

/** One rounding at the most: both factors are doubles (Clinger 1990, "How to read floating point numbers accurately", §3). */
function setScaled(cell: usize, negative: bool, significand: u64, power: i32): void {
  let digits = significand;
  let exponent = power;
  while (exponent < 0 && digits != 0 && digits % 10 == 0) {
    digits /= 10;
    exponent++;
  }
  if (digits == 0) exponent = 0;
  if (exponent != 0 && (digits > exact_integer || exponent > exact_power || exponent < -exact_power)) {
    setError(cell);
    return;
  }
  let scale: f64 = 1;
  for (let step = exponent < 0 ? -exponent : exponent; step > 0; step--) scale *= 10;
  const value = exponent < 0 ? <f64>digits / scale : <f64>digits * scale;
  setDouble(cell, negative ? -value : value);
}
