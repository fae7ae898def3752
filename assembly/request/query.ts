/**
 * Parameters of the query, as HTML forms write them (WHATWG URL, "application/x-www-form-urlencoded"). There is no one way
 * to read a query, so what upstreams differ on is ambiguous: a parameter that stands twice, a raw `;` (a separator to
 * some), a `+` in the value (a space to some), percent-encoding that is invalid, NUL, or no UTF-8. So is a query longer than conditions read.
 */
import { hexDigit, indexOfByte, sameBytes } from "../bytes/span";
import { isUtf8 } from "../bytes/utf8";
import { takeBytes } from "../host/arena";
import { condition_text_bytes_max } from "../limits";
import { request } from "./request";

export const enum Parameter {
  ABSENT = 0,
  PRESENT,
  AMBIGUOUS,
}

/** The decoded value of the parameter last found. */
export let parameterStart: usize = 0;
export let parameterSize: u32 = 0;

/** Where the next decoded byte goes, and whether a `+` was met. */
let output: usize = 0;
let plus: bool = false;

/** Looks for a parameter by its decoded name. What is found lies in the arena. */
export function findParameter(name: usize, nameSize: u32): Parameter {
  const mark = indexOfByte(request.pathStart, request.pathSize, 0x3f);
  if (mark == request.pathSize) return Parameter.ABSENT;
  let cursor = request.pathStart + mark + 1;
  const end = request.pathStart + request.pathSize;
  if (end - cursor > condition_text_bytes_max || !isPlain(cursor, end)) return Parameter.AMBIGUOUS;
  output = takeBytes(end - cursor);
  if (output == 0) return Parameter.AMBIGUOUS;
  let found = Parameter.ABSENT;
  while (cursor < end) {
    const next = cursor + indexOfByte(cursor, <u32>(end - cursor), 0x26);
    const equals = cursor + indexOfByte(cursor, <u32>(next - cursor), 0x3d);
    const key = output;
    if (!decode(cursor, equals)) return Parameter.AMBIGUOUS;
    const isAsked = <u32>(output - key) == nameSize && sameBytes(key, name, nameSize);
    output = key;
    if (isAsked && next > cursor) {
      if (found == Parameter.PRESENT || plus) return Parameter.AMBIGUOUS;
      found = Parameter.PRESENT;
      parameterStart = output;
      if (!decode(min(equals + 1, next), next) || plus) return Parameter.AMBIGUOUS;
      parameterSize = <u32>(output - parameterStart);
    }
    cursor = next + 1;
  }
  return found;
}

/**
 * Whether a parameter has this name once it is decoded, as leniently as upstreams might: what is no percent-encoding stands
 * for itself.
 */
export function isParameterNamed(start: usize, size: u32, name: usize, nameSize: u32): bool {
  const end = start + size;
  let cursor = start;
  for (let index: u32 = 0; index < nameSize; index++) {
    if (cursor >= end) return false;
    let byte = <i32>load<u8>(cursor++);
    const high = byte == 0x25 && end - cursor >= 2 ? hexDigit(load<u8>(cursor)) : -1;
    const low = high >= 0 ? hexDigit(load<u8>(cursor, 1)) : -1;
    if (low >= 0) {
      cursor += 2;
      byte = (high << 4) | low;
    }
    if (byte != <i32>load<u8>(name + index)) return false;
  }
  return cursor == end;
}

/**
 * Visible ASCII, without the fragment's `#`, without `;`, and without `%00`, at which some readers stop. What RFC 3986 §3.4 has
 * in no query beside these, `"<>[\]^`{|}`, reads alike to everybody.
 */
function isPlain(start: usize, end: usize): bool {
  for (let cursor = start; cursor < end; cursor++) {
    const byte = <u32>load<u8>(cursor);
    if (byte <= 0x20 || byte >= 0x7f || byte == 0x3b || byte == 0x23) return false;
    if (byte == 0x25 && end - cursor >= 3 && load<u16>(cursor, 1) == 0x3030) return false;
  }
  return true;
}

/** Decodes to `output`. */
function decode(start: usize, end: usize): bool {
  const first = output;
  plus = false;
  let cursor = start;
  while (cursor < end) {
    let byte = <i32>load<u8>(cursor++);
    if (byte == 0x2b) {
      plus = true;
      byte = 0x20;
    } else if (byte == 0x25) {
      if (end - cursor < 2) return false;
      const high = hexDigit(load<u8>(cursor));
      const low = hexDigit(load<u8>(cursor, 1));
      byte = (high << 4) | low;
      if (high < 0 || low < 0 || byte == 0) return false;
      cursor += 2;
    }
    store<u8>(output++, byte);
  }
  return isUtf8(first, <u32>(output - first));
}
