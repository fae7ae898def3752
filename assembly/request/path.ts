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
import { path_bytes } from "../limits";
import { Reason } from "../reason";
import { addSegment, request } from "./request";

/** Splits the request's path. PATH_AMBIGUOUS, REQUEST_MALFORMED, INTERNAL, or ALLOWED. */
export function readPath(): Reason {
  let cursor = request.pathStart;
  const end = cursor + indexOfByte(cursor, request.pathSize, 0x3f);
  const size = <u32>(end - cursor);
  if (size > path_bytes || size == 0 || load<u8>(cursor) != 0x2f) return Reason.REQUEST_MALFORMED;
  if (size == 1) return Reason.ALLOWED;
  let output = takeBytes(size);
  if (output == 0) {
    fail(Failure.ARENA_FULL);
    return Reason.INTERNAL;
  }
  request.decodedPathStart = output;
  while (cursor < end) {
    cursor++;
    store<u8>(output++, 0x2f);
    const segment = output;
    while (cursor < end) {
      const byte = <u32>load<u8>(cursor);
      if (byte == 0x2f) break;
      if (byte != 0x25) {
        if (isAmbiguousByte(byte)) return Reason.PATH_AMBIGUOUS;
        store<u8>(output++, byte);
        cursor++;
        continue;
      }
      const decoded = decodeTriplet(cursor, end);
      if (decoded < 0) return Reason.PATH_AMBIGUOUS;
      store<u8>(output++, decoded);
      cursor += 3;
    }
    const segmentBytes = <u32>(output - segment);
    if (segmentBytes == 0 || isDots(segment, segmentBytes)) return Reason.PATH_AMBIGUOUS;
    if (isEncodedStill(segment, output) || !isUtf8(segment, segmentBytes)) return Reason.PATH_AMBIGUOUS;
    if (!addSegment(segment, segmentBytes)) return Reason.REQUEST_MALFORMED;
  }
  request.decodedPathSize = <u32>(output - request.decodedPathStart);
  return Reason.ALLOWED;
}

/** Backslash, semicolon, fragment, and what RFC 3986 allows in no path: controls, space, bytes above ASCII. */
function isAmbiguousByte(byte: u32): bool {
  return byte <= 0x20 || byte >= 0x7f || byte == 0x5c || byte == 0x3b || byte == 0x23;
}

/** The byte `%XX` stands for, or -1 where it is invalid or would change how the path reads once decoded. */
function decodeTriplet(cursor: usize, end: usize): i32 {
  if (end - cursor < 3) return -1;
  const high = hexDigit(load<u8>(cursor, 1));
  const low = hexDigit(load<u8>(cursor, 2));
  if (high < 0 || low < 0) return -1;
  const byte = (high << 4) | low;
  switch (byte) {
    case 0x00:
    case 0x2e:
    case 0x2f:
    case 0x3b:
    case 0x5c:
      return -1;
    default:
      return byte;
  }
}

function isDots(start: usize, size: u32): bool {
  if (size > 2 || load<u8>(start) != 0x2e) return false;
  return size == 1 || load<u8>(start, 1) == 0x2e;
}

/** Whether a decoded segment would change if it were decoded again, however its `%` was written (`%252f`, `%25%32f`). */
function isEncodedStill(start: usize, end: usize): bool {
  for (let cursor = start; cursor + 2 < end; cursor++) {
    if (load<u8>(cursor) != 0x25) continue;
    if (hexDigit(load<u8>(cursor, 1)) >= 0 && hexDigit(load<u8>(cursor, 2)) >= 0) return true;
  }
  return false;
}
