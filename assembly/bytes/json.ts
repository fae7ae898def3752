/**
 * A JSON scanner (RFC 8259) that works in place and within bounds, and leaves the values on a tape (bytes/tape.ts).
 * It refuses what parsers disagree on: duplicate members, bytes that are not UTF-8, lone surrogates, NUL, and counts past
 * `limits.ts`. A number that no double or 64-bit integer holds, and what nests deeper than a tape goes, is checked to be JSON and
 * then stands there as one value that nobody can read (`Kind.OPAQUE`); members of objects in it are not looked through for
 * duplicates. Strings are unescaped where they stand, so that `"\u0069ss"` and `"iss"` are one name.
 */
import { json_depth_max, json_members_max, json_unread_depth_max } from "../limits";
import { endOfPlain } from "./plain";
import { hexDigit } from "./span";
import { absent, addRecord, beginTape, dropAfter, finishRecord, Kind, nameMember, startOf } from "./tape";
import { characterBytes, writeCharacter } from "./utf8";

/** What a scan met that it refuses. */
export const enum Fault {
  NONE = 0,
  SYNTAX,
  DUPLICATE,
  DEPTH,
  COUNT,
  TEXT,
  NUMBER,
}

/** What a scan came to: `scanned`, or in the lower half the address of the first byte it could not take, and why in the upper one. */
export type Scan = u64;
export const scanned: Scan = 0;

/** Why a scan failed. */
export function faultOf(scan: Scan): Fault {
  return <Fault>(scan >> 32);
}

/** Where it stopped. */
export function stoppedAt(scan: Scan): usize {
  return <usize>(<u32>scan);
}

/** The scan under way: the fault that it met first, where it stands, and how deep. */
let fault: Fault = Fault.NONE;
let cursor: usize = 0;
let end: usize = 0;
let depth: u32 = 0;
/** Below `json_depth_max` levels: bit n says whether level n is an object. */
const unread_levels: usize = memory.data(json_unread_depth_max / 8);

/**
 * Scans one JSON value that fills `size` bytes, onto a tape at `tape` with room for `records` records; the first is the value's own.
 * Refuses it when anything in it is refused.
 */
export function scanJson(start: usize, size: u32, tape: usize, records: u32): Scan {
  beginTape(tape, records);
  cursor = start;
  end = start + size;
  depth = 0;
  fault = Fault.NONE;
  skipSpace();
  if (scanValue()) {
    skipSpace();
    if (cursor == end) return scanned;
  }
  refuse(Fault.SYNTAX);
  return ((<u64>fault) << 32) | <u64>cursor;
}

/** The first fault is the one that is told. */
function refuse(met: Fault): bool {
  if (fault == Fault.NONE) fault = met;
  return false;
}

// @inline
function addValue(kind: Kind, start: usize): usize {
  const record = addRecord(kind, start);
  if (record == absent) refuse(Fault.COUNT);
  return record;
}

/** Most texts have no white space at all. */
// @inline
function skipSpace(): void {
  if (cursor < end && load<u8>(cursor) <= 0x20) skipBlanks();
}

function skipBlanks(): void {
  while (cursor < end) {
    const byte = load<u8>(cursor);
    if (byte != 0x20 && byte != 0x0a && byte != 0x0d && byte != 0x09) return;
    cursor++;
  }
}

// @inline
function take(byte: u32): bool {
  if (cursor >= end || <u32>load<u8>(cursor) != byte) return false;
  cursor++;
  return true;
}

function scanValue(): bool {
  if (cursor >= end) return false;
  switch (<u32>load<u8>(cursor)) {
    case 0x7b:
      return depth < json_depth_max ? scanObject() : skipNested();
    case 0x5b:
      return depth < json_depth_max ? scanArray() : skipNested();
    case 0x22:
      return scanString() != absent;
    case 0x74:
      return scanWord(Kind.TRUE, 0x65757274, 4);
    case 0x66:
      return scanWord(Kind.FALSE, 0x65736c61, 5);
    case 0x6e:
      return scanWord(Kind.NULL, 0x6c6c756e, 4);
    default:
      return scanNumber();
  }
}

/** `tail` is the last four letters of the word, as a little-endian number; the first letter is known. */
function scanWord(kind: Kind, tail: u32, size: u32): bool {
  if (<u32>(end - cursor) < size || load<u32>(cursor + size - 4) != tail) return false;
  const record = addValue(kind, cursor);
  if (record == absent) return false;
  cursor += size;
  finishRecord(record, size);
  return true;
}

function scanObject(): bool {
  const record = addValue(Kind.OBJECT, cursor);
  if (record == absent) return false;
  depth++;
  cursor++;
  skipSpace();
  let members: u32 = 0;
  if (!take(0x7d)) {
    do {
      skipSpace();
      if (++members > json_members_max) return refuse(Fault.COUNT);
      if (cursor >= end || load<u8>(cursor) != 0x22) return false;
      const nameAt = cursor;
      const name = scanString();
      if (name == absent) return false;
      if (!nameMember(record, name)) {
        cursor = nameAt;
        return refuse(Fault.DUPLICATE);
      }
      skipSpace();
      if (!take(0x3a)) return false;
      skipSpace();
      if (!scanValue()) return false;
      skipSpace();
    } while (take(0x2c));
    if (!take(0x7d)) return false;
  }
  depth--;
  finishRecord(record, <u32>(cursor - startOf(record)));
  return true;
}

function scanArray(): bool {
  const record = addValue(Kind.ARRAY, cursor);
  if (record == absent) return false;
  depth++;
  cursor++;
  skipSpace();
  if (!take(0x5d)) {
    do {
      skipSpace();
      if (!scanValue()) return false;
      skipSpace();
    } while (take(0x2c));
    if (!take(0x5d)) return false;
  }
  depth--;
  finishRecord(record, <u32>(cursor - startOf(record)));
  return true;
}

/** Scans a list or an object too deep for a tape, without recursion, and leaves one record of all of it. */
function skipNested(): bool {
  const record = addValue(Kind.OPAQUE, cursor);
  if (record == absent) return false;
  let levels: u32 = 0;
  let isOpen = true;
  while (isOpen) {
    skipSpace();
    const byte = cursor < end ? <u32>load<u8>(cursor) : 0;
    if (byte == 0x7b || byte == 0x5b) {
      if (levels == json_unread_depth_max) return refuse(Fault.DEPTH);
      setLevel(levels++, byte == 0x7b);
      cursor++;
      skipSpace();
      // An empty one ends at once, and is a value like others.
      const isEmpty = cursor < end && <u32>load<u8>(cursor) == byte + 2;
      if (!isEmpty) {
        if (byte == 0x7b && !skipName(record)) return false;
        continue;
      }
    } else {
      // It goes no deeper, so it is neither of the two that lead here.
      if (!scanValue()) return false;
      dropAfter(record);
    }
    // After a value: the next one, or the end of what it stands in.
    while (true) {
      skipSpace();
      const isObject = isObjectAt(levels - 1);
      if (take(isObject ? 0x7d : 0x5d)) {
        if (--levels != 0) continue;
        isOpen = false;
      } else {
        if (!take(0x2c)) return false;
        skipSpace();
        if (isObject && !skipName(record)) return false;
      }
      break;
    }
  }
  finishRecord(record, <u32>(cursor - startOf(record)));
  return true;
}

/** The name of a member and its colon, without a record. */
function skipName(record: usize): bool {
  if (cursor >= end || load<u8>(cursor) != 0x22 || scanString() == absent) return false;
  dropAfter(record);
  skipSpace();
  return take(0x3a);
}

function setLevel(level: u32, isObject: bool): void {
  const byte = unread_levels + (level >> 3);
  const bit: u32 = 1 << (level & 7);
  store<u8>(byte, isObject ? <u32>load<u8>(byte) | bit : <u32>load<u8>(byte) & ~bit);
}

function isObjectAt(level: u32): bool {
  return ((<u32>load<u8>(unread_levels + (level >> 3)) >> (level & 7)) & 1) != 0;
}

function scanString(): usize {
  cursor++;
  const record = addValue(Kind.STRING, cursor);
  if (record == absent) return absent;
  // Mostly this is all of it.
  cursor = endOfPlain(cursor, end);
  let output = cursor;
  while (cursor < end) {
    const byte = <u32>load<u8>(cursor);
    if (byte == 0x22) {
      cursor++;
      finishRecord(record, <u32>(output - startOf(record)));
      return record;
    }
    if (byte < 0x20) return badText();
    if (byte == 0x5c) {
      const codePoint = scanEscape();
      if (codePoint <= 0) return badText();
      output += writeCharacter(output, codePoint);
      continue;
    }
    const bytes = characterBytes(cursor, end);
    if (bytes == 0) return badText();
    // Until the first escape a character already stands where it belongs.
    if (output != cursor) memory.copy(output, cursor, bytes);
    output += bytes;
    cursor += bytes;
  }
  return absent;
}

function badText(): usize {
  refuse(Fault.TEXT);
  return absent;
}

/** The code point an escape stands for; 0 or less where it is refused: NUL, a lone surrogate, an unknown letter. */
function scanEscape(): i32 {
  if (end - cursor < 2) return -1;
  const letter = <u32>load<u8>(cursor, 1);
  cursor += 2;
  switch (letter) {
    case 0x22:
    case 0x5c:
    case 0x2f:
      return letter;
    case 0x62:
      return 0x08;
    case 0x66:
      return 0x0c;
    case 0x6e:
      return 0x0a;
    case 0x72:
      return 0x0d;
    case 0x74:
      return 0x09;
    case 0x75:
      break;
    default:
      return -1;
  }
  const unit = scanHexUnit();
  if (unit < 0xd800 || unit > 0xdfff) return unit;
  if (unit > 0xdbff || !take(0x5c) || !take(0x75)) return -1;
  const low = scanHexUnit();
  if (low < 0xdc00 || low > 0xdfff) return -1;
  return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

function scanHexUnit(): i32 {
  if (end - cursor < 4) return -1;
  let unit = 0;
  for (let index = 0; index < 4; index++) {
    const digit = hexDigit(load<u8>(cursor));
    if (digit < 0) return -1;
    unit = (unit << 4) | digit;
    cursor++;
  }
  return unit;
}

/** RFC 8259 §6; one with more than 19 digits before the point or after it, or an exponent from 300 on, is not read. */
function scanNumber(): bool {
  const start = cursor;
  take(0x2d);
  const leadingZero = cursor < end && load<u8>(cursor) == 0x30;
  const whole = scanDigits();
  if (whole == 0) return false;
  if (leadingZero && whole > 1) return refuse(Fault.NUMBER);
  let isBeyond = whole > 19;
  if (take(0x2e)) {
    const fraction = scanDigits();
    if (fraction == 0) return refuse(Fault.NUMBER);
    if (fraction > 19) isBeyond = true;
  }
  if (take(0x65) || take(0x45)) {
    if (!take(0x2b)) take(0x2d);
    const exponentAt = cursor;
    const exponent = scanDigits();
    if (exponent == 0) return refuse(Fault.NUMBER);
    if (exponent > 3 || (exponent == 3 && load<u8>(exponentAt) > 0x32)) isBeyond = true;
  }
  const record = addValue(isBeyond ? Kind.OPAQUE : Kind.NUMBER, start);
  if (record == absent) return false;
  finishRecord(record, <u32>(cursor - start));
  return true;
}

function scanDigits(): u32 {
  const start = cursor;
  while (cursor < end && <u32>load<u8>(cursor) - 0x30 < 10) cursor++;
  return <u32>(cursor - start);
}
