/**
 * Paths that upstreams read in several ways, where some rule says how its upstream does (`paths` in docs/policy-language.md).
 * The request's segments are the path as sent: an encoded slash, or a semicolon and what follows it, stays in its segment, and an
 * empty segment is one. Deny rules are matched on every other reading too. Each is made anew from the path as received, since
 * few requests need one.
 */
import { indexOfByte } from "../bytes/span";
import { isUtf8 } from "../bytes/utf8";
import { Failure } from "../failure";
import { takeBytes } from "../host/arena";
import { fail } from "../host/host";
import { path_bytes_max } from "../limits";
import { form_dots, form_empty, form_encoded_slash, form_semicolon, form_slash } from "../policy/layout";
import { Reason } from "../reason";
import { decodeTriplet, isAmbiguousByte, isDots, isEncodedStill } from "./path";
import { request, sentSegments } from "./request";
import { addTo, clearSegments, dropLast, Segments, segments_bytes, sizeOf, startOf } from "./segments";

/** The path as sent. Every other reading is the set of forms that are taken out of it. */
export const as_sent: u32 = 0;
/** What has a slash at its end is read without one, and what has none with one. */
export const other_slash: u32 = form_slash;
/** `form_semicolon`: what follows any `;` is cut, once slashes are decoded. This: what follows one that was sent as such, before that. */
const cuts_first: u32 = 16;
/** No reading's number is as large. */
export const readings_end: u32 = 32;

/** Beside forms: what no rule can open, and more segments than there is room for. */
const unreadable: u32 = 0x80000000;
const too_long: u32 = 0x40000000;

const otherSegments = changetype<Segments>(memory.data(segments_bytes, 8));
/** With room for a slash at the end. */
const otherText: usize = memory.data(path_bytes_max + 16);

/** Reads a path that can be read in several ways. @param open the forms that some rule takes */
export function readForms(open: u32): Reason {
  if (open == 0) return Reason.PATH_AMBIGUOUS;
  const size = indexOfByte(request.pathStart, request.pathSize, 0x3f);
  const text = takeBytes(size + 1);
  if (text == 0) {
    fail(Failure.ARENA_FULL);
    return Reason.INTERNAL;
  }
  const forms = split(sentSegments, text, size, as_sent);
  if ((forms & too_long) != 0) return Reason.REQUEST_MALFORMED;
  if ((forms & ~(open | form_dots)) != 0) return Reason.PATH_AMBIGUOUS;
  const before = request.decodedPathStart;
  const bytes = request.decodedPathSize;
  adopt(sentSegments, forms);
  const start = request.decodedPathStart;
  if (!isEncodedStill(start, start + request.decodedPathSize) && isUtf8(start, request.decodedPathSize)) {
    request.forms = forms;
    return Reason.ALLOWED;
  }
  request.decodedPathStart = before;
  request.decodedPathSize = bytes;
  return Reason.PATH_AMBIGUOUS;
}

/** Whether a reading of the request's path leads to other segments than those before it. Another slash at the end does not. */
export function isReading(reading: u32): bool {
  const forms = request.forms;
  // Decoding a slash, or cutting at a semicolon, can leave an empty segment behind.
  const cuts = forms & (form_encoded_slash | form_semicolon);
  const dimensions =
    cuts | (cuts != 0 ? form_empty : forms & form_empty) | ((forms & form_semicolon) != 0 ? cuts_first : 0);
  return (reading & ~dimensions) == 0;
}

/** Makes the request's segments those of a reading. False where they are more than there is room for. */
export function readAs(reading: u32): bool {
  if ((reading & ~other_slash) == 0) {
    adopt(sentSegments, request.forms ^ reading);
    return true;
  }
  const size = indexOfByte(request.pathStart, request.pathSize, 0x3f);
  const forms = split(otherSegments, otherText, size, reading);
  adopt(otherSegments, forms ^ (reading & other_slash));
  return (forms & too_long) == 0;
}

/** The segments, and the path that they make. */
function adopt(list: Segments, forms: u32): void {
  request.segments = list;
  const count = list.count;
  request.decodedPathSize = 0;
  if (count == 0) return;
  const start = startOf(list, 0) - 1;
  const end = startOf(list, count - 1) + sizeOf(list, count - 1);
  request.decodedPathStart = start;
  request.decodedPathSize = <u32>(end - start);
  if ((forms & form_slash) == 0) return;
  store<u8>(end, 0x2f);
  request.decodedPathSize++;
}

/** Splits and decodes the path as received into text and segments. Answers which forms it has, as sent. */
function split(list: Segments, text: usize, size: u32, reading: u32): u32 {
  clearSegments(list);
  let forms: u32 = 0;
  let cursor = request.pathStart;
  const end = cursor + size;
  let output = text;
  while (cursor < end) {
    // At a slash, encoded or not.
    cursor += load<u8>(cursor) == 0x25 ? 3 : 1;
    store<u8>(output, 0x2f);
    const segment = output + 1;
    let last = segment;
    let isCut = false;
    let isCutFirst = false;
    while (cursor < end) {
      let byte = <u32>load<u8>(cursor);
      if (byte == 0x2f) break;
      let bytes: usize = 1;
      if (byte == 0x25) {
        const decoded = decodeTriplet(cursor, end);
        if (decoded <= 0 || decoded == 0x5c) return unreadable;
        byte = <u32>decoded;
        bytes = 3;
        if (byte == 0x2f) {
          forms |= form_encoded_slash;
          if ((reading & form_encoded_slash) != 0 && !isCutFirst) break;
        }
      } else if (byte != 0x3b && isAmbiguousByte(byte)) return unreadable;
      if (byte == 0x3b) {
        forms |= form_semicolon;
        isCutFirst = isCutFirst || (bytes == 1 && (reading & cuts_first) != 0);
        isCut = isCut || isCutFirst || (reading & form_semicolon) != 0;
      }
      cursor += bytes;
      if (!isCut) store<u8>(last++, byte);
    }
    const bytes = <u32>(last - segment);
    const found = close(list, segment, bytes, cursor == end, reading);
    forms |= found;
    if ((found & (unreadable | too_long)) != 0) return forms;
    // A segment that is left out leaves no text behind, and `..` takes what is before it along.
    const count = list.count;
    output = count == 0 ? text : startOf(list, count - 1) + sizeOf(list, count - 1);
  }
  return forms;
}

/** Adds a segment as a reading has it. Answers its forms. */
function close(list: Segments, start: usize, size: u32, isLast: bool, reading: u32): u32 {
  if (size == 0 && isLast) return form_slash;
  if (size == 0 && (reading & form_empty) != 0) return 0;
  if (size != 0 && isDots(start, size)) {
    if (reading == as_sent) return unreadable;
    if (size == 2) dropLast(list);
    return 0;
  }
  let forms: u32 = size == 0 ? form_empty : 0;
  if (reading == as_sent && hidesDots(start, size)) forms |= form_dots;
  return addTo(list, start, size) ? forms : too_long;
}

/** Whether a segment has a part that is `.` or `..` once its slashes count, or what follows a semicolon does not. */
function hidesDots(start: usize, size: u32): bool {
  const end = start + size;
  while (start < end) {
    const part = indexOfByte(start, <u32>(end - start), 0x2f);
    const name = indexOfByte(start, part, 0x3b);
    if (name != 0 && isDots(start, name)) return true;
    start += part + 1;
  }
  return false;
}
