/**
 * A JSON scanner (RFC 8259) that works in place and within bounds. It refuses what parsers disagree on: duplicate
 * members, bytes that are not UTF-8, lone surrogates, NUL, numbers no double or 64-bit integer holds, and nesting or
 * counts past `limits.ts`. Strings are unescaped where they stand, so that `"\u0069ss"` and `"iss"` are one name.
 *
 * The values become a tape of fixed records in document order; a member is its name's record followed by its value's.
 *
 *   0        4         8        12                16
 *   +--------+---------+--------+-----------------+--------------+
 *   | kind   | start   | size   | end: the record | hash of the  |
 *   |        | address | bytes  | after the value | name, or 0   |
 *   +--------+---------+--------+-----------------+--------------+
 *
 * There is one tape: a scan replaces the one before it.
 */
import { json_depth, json_members, json_nodes } from "../limits";
import { hash32 } from "./hash";
import { hexDigit, sameBytes } from "./span";
import { characterBytes, writeCharacter } from "./utf8";

export const enum Kind {
  NULL = 0,
  FALSE,
  TRUE,
  NUMBER,
  STRING,
  ARRAY,
  OBJECT,
}

/** No such record. */
export const absent: i32 = -1;

const record_bytes: usize = 20;
const tape: usize = memory.data(json_nodes * 20, 4);
let used: i32 = 0;
let cursor: usize = 0;
let end: usize = 0;
let depth: u32 = 0;

/** Scans one JSON value that fills `size` bytes. Record 0 is the value. False when anything in it is refused. */
export function scanJson(start: usize, size: u32): bool {
  used = 0;
  cursor = start;
  end = start + size;
  depth = 0;
  skipSpace();
  if (!scanValue()) return false;
  skipSpace();
  return cursor == end;
}

/** Where the last scan stopped: the address of the first byte it could not take. */
export function stoppedAt(): usize {
  return cursor;
}

export function kindOf(record: i32): Kind {
  return <Kind>load<u32>(at(record));
}

export function startOf(record: i32): usize {
  return <usize>load<u32>(at(record), 4);
}

export function sizeOf(record: i32): u32 {
  return load<u32>(at(record), 8);
}

/** The record after a value and all it holds. */
export function after(record: i32): i32 {
  return <i32>load<u32>(at(record), 12);
}

/** The value of an object's member, or `absent`; also where `object` is `absent` or no object. */
export function member(object: i32, name: usize, size: u32): i32 {
  if (object == absent || kindOf(object) != Kind.OBJECT) return absent;
  const hash = hash32(0, name, size);
  const last = after(object);
  let record = object + 1;
  while (record < last) {
    if (load<u32>(at(record), 16) == hash && sizeOf(record) == size && sameBytes(startOf(record), name, size)) {
      return record + 1;
    }
    record = after(record + 1);
  }
  return absent;
}

/** Whether a record is a string of exactly these bytes. */
export function isString(record: i32, start: usize, size: u32): bool {
  return kindOf(record) == Kind.STRING && sizeOf(record) == size && sameBytes(startOf(record), start, size);
}

function at(record: i32): usize {
  return tape + <usize>record * record_bytes;
}

function add(kind: Kind, start: usize): i32 {
  if (used == json_nodes) return absent;
  const record = used++;
  store<u32>(at(record), kind);
  store<u32>(at(record), <u32>start, 4);
  store<u32>(at(record), 0, 8);
  store<u32>(at(record), used, 12);
  store<u32>(at(record), 0, 16);
  return record;
}

function finish(record: i32, size: u32): void {
  store<u32>(at(record), size, 8);
  store<u32>(at(record), used, 12);
}

function skipSpace(): void {
  while (cursor < end) {
    const byte = load<u8>(cursor);
    if (byte != 0x20 && byte != 0x0a && byte != 0x0d && byte != 0x09) return;
    cursor++;
  }
}

function take(byte: u32): bool {
  if (cursor >= end || <u32>load<u8>(cursor) != byte) return false;
  cursor++;
  return true;
}

function scanValue(): bool {
  if (cursor >= end) return false;
  switch (<u32>load<u8>(cursor)) {
    case 0x7b:
      return scanObject();
    case 0x5b:
      return scanArray();
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
  const record = add(kind, cursor);
  if (record == absent) return false;
  cursor += size;
  finish(record, size);
  return true;
}

function scanObject(): bool {
  const record = add(Kind.OBJECT, cursor);
  if (record == absent || ++depth > json_depth) return false;
  cursor++;
  skipSpace();
  let members: u32 = 0;
  if (!take(0x7d)) {
    do {
      skipSpace();
      if (++members > json_members || cursor >= end || load<u8>(cursor) != 0x22) return false;
      const nameAt = cursor;
      const name = scanString();
      if (name == absent) return false;
      store<u32>(at(name), hash32(0, startOf(name), sizeOf(name)), 16);
      if (isDuplicate(record, name)) {
        cursor = nameAt;
        return false;
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
  finish(record, <u32>(cursor - startOf(record)));
  return true;
}

/** Whether an earlier member of the object has the same name. The object's own end is not known yet; `name` is. */
function isDuplicate(object: i32, name: i32): bool {
  const hash = load<u32>(at(name), 16);
  const size = sizeOf(name);
  let record = object + 1;
  while (record < name) {
    if (
      load<u32>(at(record), 16) == hash &&
      sizeOf(record) == size &&
      sameBytes(startOf(record), startOf(name), size)
    ) {
      return true;
    }
    record = after(record + 1);
  }
  return false;
}

function scanArray(): bool {
  const record = add(Kind.ARRAY, cursor);
  if (record == absent || ++depth > json_depth) return false;
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
  finish(record, <u32>(cursor - startOf(record)));
  return true;
}

function scanString(): i32 {
  cursor++;
  const record = add(Kind.STRING, cursor);
  if (record == absent) return absent;
  let output = cursor;
  while (cursor < end) {
    const byte = <u32>load<u8>(cursor);
    if (byte == 0x22) {
      cursor++;
      finish(record, <u32>(output - startOf(record)));
      return record;
    }
    if (byte < 0x20) return absent;
    if (byte == 0x5c) {
      const codePoint = scanEscape();
      if (codePoint <= 0) return absent;
      output += writeCharacter(output, codePoint);
      continue;
    }
    const bytes = characterBytes(cursor, end);
    if (bytes == 0) return absent;
    // Until the first escape a character already stands where it belongs.
    if (output != cursor) memory.copy(output, cursor, bytes);
    output += bytes;
    cursor += bytes;
  }
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

/** RFC 8259 §6, with at most 19 digits before the point, 19 after it, and an exponent below 300. */
function scanNumber(): bool {
  const start = cursor;
  take(0x2d);
  const leadingZero = cursor < end && load<u8>(cursor) == 0x30;
  const whole = scanDigits();
  if (whole == 0 || whole > 19 || (leadingZero && whole > 1)) return false;
  if (take(0x2e)) {
    const fraction = scanDigits();
    if (fraction == 0 || fraction > 19) return false;
  }
  if (take(0x65) || take(0x45)) {
    if (!take(0x2b)) take(0x2d);
    const exponentAt = cursor;
    const exponent = scanDigits();
    if (exponent == 0 || exponent > 3) return false;
    if (exponent == 3 && load<u8>(exponentAt) > 0x32) return false;
  }
  const record = add(Kind.NUMBER, start);
  if (record == absent) return false;
  finish(record, <u32>(cursor - start));
  return true;
}

function scanDigits(): u32 {
  const start = cursor;
  while (cursor < end && <u32>load<u8>(cursor) - 0x30 < 10) cursor++;
  return <u32>(cursor - start);
}
