/**
 * Parameters of the query, as HTML forms write them (WHATWG URL, "application/x-www-form-urlencoded"). There is no one way
 * to read a query, so what upstreams differ on is ambiguous: a parameter that stands twice, a raw `;` (a separator to
 * some), a `+` in the value (a space to some), percent-encoding that is invalid, NUL, or no UTF-8. So is a query longer than conditions read.
 */
import { absent, ambiguous, failed, hexDigit, indexOfByte, Span, sameBytes, spanOf } from "../bytes/span";
import { isUtf8 } from "../bytes/utf8";
import { Failure } from "../failure";
import { takeBytes } from "../host/arena";
import { fail } from "../host/host";
import { condition_text_bytes_max } from "../limits";
import { request } from "./request";

/** The decoded value of a parameter, by its decoded name: in the arena, or `absent`, `ambiguous`, or `failed` where that is full. */
export function findParameter(name: usize, nameSize: u32): Span {
  const mark = indexOfByte(request.pathStart, request.pathSize, 0x3f);
  if (mark == request.pathSize) return absent;
  let cursor = request.pathStart + mark + 1;
  const end = request.pathStart + request.pathSize;
  if (end - cursor > condition_text_bytes_max || !isPlain(cursor, end)) return ambiguous;
  let output = takeBytes(end - cursor);
  if (output == 0) {
    fail(Failure.ARENA_FULL);
    return failed;
  }
  let found = absent;
  while (cursor < end) {
    const next = cursor + indexOfByte(cursor, <u32>(end - cursor), 0x26);
    const equals = cursor + indexOfByte(cursor, <u32>(next - cursor), 0x3d);
    const keySize = decode(cursor, equals, output);
    if (keySize < 0) return ambiguous;
    if (<u32>keySize == nameSize && sameBytes(output, name, nameSize) && next > cursor) {
      const bytes = <u32>(next - cursor);
      if (found != absent || indexOfByte(cursor, bytes, 0x2b) != bytes) return ambiguous;
      const valueSize = decode(min(equals + 1, next), next, output);
      if (valueSize < 0) return ambiguous;
      found = spanOf(output, valueSize);
      output += valueSize;
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

/** Decodes to `target`. The bytes that come out, or -1 where there is no one way to. */
function decode(start: usize, end: usize, target: usize): i32 {
  let output = target;
  let cursor = start;
  while (cursor < end) {
    let byte = <i32>load<u8>(cursor++);
    if (byte == 0x2b) {
      byte = 0x20;
    } else if (byte == 0x25) {
      if (end - cursor < 2) return -1;
      const high = hexDigit(load<u8>(cursor));
      const low = hexDigit(load<u8>(cursor, 1));
      byte = (high << 4) | low;
      if (high < 0 || low < 0 || byte == 0) return -1;
      cursor += 2;
    }
    store<u8>(output++, byte);
  }
  const size = <u32>(output - target);
  return isUtf8(target, size) ? <i32>size : -1;
}
