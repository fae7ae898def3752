/**
 * The path, split into decoded segments. What an upstream might read in two ways does not pass ("Ambiguous paths" in
 * docs/policy-language.md); what is left has one decoding (RFC 3986 §2.1), and rules are matched against that, so
 * that `/%61dmin` is `/admin` to a deny rule as it is to the upstream.
 */
import { hexDigit, indexOfByte } from "../bytes/span";
import { isUtf8 } from "../bytes/utf8";
import { Failure } from "../failure";
import { takeBytes } from "../host/arena";
import { fail } from "../host/host";
import { path_bytes_max } from "../limits";
import { Reason } from "../reason";
import { request, sentSegments } from "./request";
import { addTo } from "./segments";

/** Splits the request's path. PATH_AMBIGUOUS, REQUEST_MALFORMED, INTERNAL, or ALLOWED. */
export function readPath(): Reason {
  const start = request.pathStart;
  const size = indexOfByte(start, request.pathSize, 0x3f);
  if (size > path_bytes_max || size == 0 || load<u8>(start) != 0x2f) return Reason.REQUEST_MALFORMED;
  if (size == 1) return Reason.ALLOWED;
  request.decodedPathStart = start;
  request.decodedPathSize = size;
  if (indexOfByte(start, size, 0x25) != size) {
    const reason = decodePath(start, size);
    if (reason != Reason.ALLOWED) return reason;
  } else if (hasAmbiguousByte(start, size)) {
    return Reason.PATH_AMBIGUOUS;
  }
  return splitPath(request.decodedPathStart, request.decodedPathStart + request.decodedPathSize);
}

/** The segments of a path that has nothing encoded any more. No `/` was, so it splits as it would have before. */
function splitPath(start: usize, end: usize): Reason {
  while (start < end) {
    const segment = start + 1;
    const bytes = indexOfByte(segment, <u32>(end - segment), 0x2f);
    if (bytes == 0 || isDots(segment, bytes)) return Reason.PATH_AMBIGUOUS;
    if (!addTo(sentSegments, segment, bytes)) return Reason.REQUEST_MALFORMED;
    start = segment + bytes;
  }
  return Reason.ALLOWED;
}

/** Decodes a path into bytes of its own. */
function decodePath(start: usize, size: u32): Reason {
  const target = takeBytes(size);
  if (target == 0) {
    fail(Failure.ARENA_FULL);
    return Reason.INTERNAL;
  }
  const end = start + size;
  let output = target;
  let cursor = start;
  while (cursor < end) {
    const byte = <u32>load<u8>(cursor);
    if (byte != 0x25) {
      if (isAmbiguousByte(byte)) return Reason.PATH_AMBIGUOUS;
      store<u8>(output++, byte);
      cursor++;
      continue;
    }
    const decoded = decodeTriplet(cursor, end);
    if (isAmbiguousEncoded(decoded)) return Reason.PATH_AMBIGUOUS;
    store<u8>(output++, decoded);
    cursor += 3;
  }
  const decodedSize = <u32>(output - target);
  // A character's bytes, and a `%` with two digits, lie within one segment: neither has a `/` in it.
  if (isEncodedStill(target, output) || !isUtf8(target, decodedSize)) return Reason.PATH_AMBIGUOUS;
  request.decodedPathStart = target;
  request.decodedPathSize = decodedSize;
  return Reason.ALLOWED;
}

/** Whether a path has a byte that `isAmbiguousByte` refuses: sixteen at a time, then the rest. */
function hasAmbiguousByte(start: usize, size: u32): bool {
  const end = start + size;
  while (start + 16 <= end) {
    const bytes = v128.load(start);
    // As signed numbers, bytes above ASCII are below 0x21 too.
    const low = i8x16.lt_s(bytes, i8x16.splat(0x21));
    const erase = i8x16.eq(bytes, i8x16.splat(0x7f));
    const backslash = i8x16.eq(bytes, i8x16.splat(0x5c));
    const semicolon = i8x16.eq(bytes, i8x16.splat(0x3b));
    const fragment = i8x16.eq(bytes, i8x16.splat(0x23));
    if (v128.any_true(v128.or(v128.or(v128.or(low, erase), v128.or(backslash, semicolon)), fragment))) return true;
    start += 16;
  }
  while (start < end) {
    if (isAmbiguousByte(load<u8>(start++))) return true;
  }
  return false;
}

/**
 * Backslash, semicolon, fragment, controls, space, and bytes above ASCII. What RFC 3986 §3.3 has in no path beside these,
 * `"<>[]^`{|}`, reads alike to everybody and stays.
 */
export function isAmbiguousByte(byte: u32): bool {
  return byte <= 0x20 || byte >= 0x7f || byte == 0x5c || byte == 0x3b || byte == 0x23;
}

/** The byte `%XX` stands for, or -1 where it stands for none. */
export function decodeTriplet(cursor: usize, end: usize): i32 {
  if (end - cursor < 3) return -1;
  const high = hexDigit(load<u8>(cursor, 1));
  const low = hexDigit(load<u8>(cursor, 2));
  return high < 0 || low < 0 ? -1 : (high << 4) | low;
}

/** Whether a path would read in another way once `%XX` is decoded to this byte; or there is none. */
function isAmbiguousEncoded(decoded: i32): bool {
  return decoded <= 0 || decoded == 0x2f || decoded == 0x3b || decoded == 0x5c;
}

export function isDots(start: usize, size: u32): bool {
  if (size > 2 || load<u8>(start) != 0x2e) return false;
  return size == 1 || load<u8>(start, 1) == 0x2e;
}

/** Whether a decoded segment would change if it were decoded again, however its `%` was written (`%252f`, `%25%32f`). */
export function isEncodedStill(start: usize, end: usize): bool {
  for (let cursor = start; cursor + 2 < end; cursor++) {
    if (load<u8>(cursor) != 0x25) continue;
    if (hexDigit(load<u8>(cursor, 1)) >= 0 && hexDigit(load<u8>(cursor, 2)) >= 0) return true;
  }
  return false;
}
