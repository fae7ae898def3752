/**
 * A claim as the value of a header: a text, number or bool as it is; a list joined by commas; any claim as JSON, or that in base64url. What no
 * header can hold, or what could be read as something else than it is, makes no value at all: half a list would be another list.
 */
import { absent, Span, spanOf } from "../bytes/span";
import { after, firstOf, Kind, kindOf, sizeOf, startOf, valueAfter } from "../bytes/tape";
import { openWriter, Writer, writeByte, writeBytes, writeJsonString } from "../bytes/writer";
import { forward_value_bytes_max, json_depth_max } from "../limits";
import * as layout from "../policy/layout";

const text: usize = memory.data(forward_value_bytes_max);
const encoded: usize = memory.data(forward_value_bytes_max);
const writer = changetype<Writer>(memory.data(32, 8));

/** The value of a claim, a record of the tape, in one of the forms of layout.ts; without bytes where there is none. */
export function claimValue(claim: usize, form: u32): Span {
  const isList = kindOf(claim) == Kind.ARRAY;
  if (form == layout.as_plain || (form == layout.as_comma && !isList)) {
    return isElement(claim, form == layout.as_comma) ? spanOf(startOf(claim), sizeOf(claim)) : absent;
  }
  openWriter(writer, text, forward_value_bytes_max);
  if (form == layout.as_comma ? !writeList(claim) : writeJson(claim, json_depth_max) == 0) return absent;
  if (writer.full) return absent;
  return form == layout.as_base64url ? encode(writer.size) : spanOf(text, writer.size);
}

/** Whether a value may stand in a header as it is: a number, a bool, or a string without control characters and without space at its ends (RFC 9110 §5.5). */
function isElement(value: usize, ofList: bool): bool {
  const kind = kindOf(value);
  if (kind != Kind.STRING) return kind == Kind.NUMBER || kind == Kind.TRUE || kind == Kind.FALSE;
  const start = startOf(value);
  const size = sizeOf(value);
  if (size == 0 || load<u8>(start) == 0x20 || load<u8>(start + size - 1) == 0x20) return false;
  for (let index: u32 = 0; index < size; index++) {
    const byte = load<u8>(start + index);
    if (byte < 0x20 || byte == 0x7f || (ofList && byte == 0x2c)) return false;
  }
  return true;
}

/** Writes the elements of a list with commas between them. False where one of them is none, or holds a comma. */
function writeList(list: usize): bool {
  const end = after(list);
  for (let element = firstOf(list); element < end; element = after(element)) {
    if (!isElement(element, true)) return false;
    if (writer.size != 0) writeByte(writer, 0x2c);
    writeBytes(writer, startOf(element), sizeOf(element));
  }
  return true;
}

/** Writes a value as JSON without white space. The record after it; 0 where something in it cannot be read. */
function writeJson(value: usize, depth: u32): usize {
  const kind = kindOf(value);
  const end = after(value);
  if (kind == Kind.OPAQUE || depth == 0) return 0;
  if (kind == Kind.STRING) {
    writeJsonString(writer, startOf(value), sizeOf(value), forward_value_bytes_max);
    return sizeOf(value) > forward_value_bytes_max ? 0 : end;
  }
  if (kind != Kind.ARRAY && kind != Kind.OBJECT) {
    writeBytes(writer, startOf(value), sizeOf(value));
    return end;
  }
  writeByte(writer, kind == Kind.ARRAY ? 0x5b : 0x7b);
  let next = firstOf(value);
  while (next < end) {
    if (next != firstOf(value)) writeByte(writer, 0x2c);
    if (kind == Kind.OBJECT) {
      writeJsonString(writer, startOf(next), sizeOf(next), forward_value_bytes_max);
      writeByte(writer, 0x3a);
      next = valueAfter(next);
    }
    next = writeJson(next, depth - 1);
    if (next == 0) return 0;
  }
  writeByte(writer, kind == Kind.ARRAY ? 0x5d : 0x7d);
  return end;
}

/** The first bytes of `text` in base64url without padding. */
function encode(size: u32): Span {
  if (size > (forward_value_bytes_max / 4) * 3) return absent;
  let target = encoded;
  for (let at: u32 = 0; at < size; at += 3) {
    const left = size - at;
    const bits =
      ((<u32>load<u8>(text + at)) << 16) |
      (left > 1 ? (<u32>load<u8>(text + at, 1)) << 8 : 0) |
      (left > 2 ? <u32>load<u8>(text + at, 2) : 0);
    for (let sign: u32 = 0; sign < 4 && sign <= left; sign++)
      store<u8>(target++, letter((bits >> (18 - sign * 6)) & 63));
  }
  return spanOf(encoded, <u32>(target - encoded));
}

/** RFC 4648 §5. */
function letter(value: u32): u32 {
  if (value < 26) return value + 0x41;
  if (value < 52) return value + 0x47;
  if (value < 62) return value - 4;
  return value == 62 ? 0x2d : 0x5f;
}
