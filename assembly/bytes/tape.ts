/**
 * The tape: the values of a JSON text (bytes/json.ts) as fixed records in document order; a member is its name's record
 * followed by its value's.
 *
 *   0        4         8        12                   16             20
 *   +--------+---------+--------+--------------------+--------------+
 *   | kind   | start   | size   | extent: bytes to   | hash of the  |
 *   |        | address | bytes  | the record after   | name, or 0   |
 *   |        |         |        | the value          |              |
 *   +--------+---------+--------+--------------------+--------------+
 *
 * A record is its address, and what it says of others counts from itself: whoever has one can read it, whichever tape it is of,
 * and a tape that is copied is as good. Only the one that is being written has its place here.
 */
import { json_nodes_max } from "../limits";
import { hash32 } from "./hash";
import { sameBytes } from "./span";

export const enum Kind {
  NULL = 0,
  FALSE,
  TRUE,
  NUMBER,
  STRING,
  ARRAY,
  OBJECT,
  /** A value that is JSON, but beyond what readers agree on or a tape has: a number too long, what lies too deep. It has no parts. */
  OPAQUE,
}

/** No such record. */
export const absent: usize = 0;

export const tape_record_bytes: u32 = 20;

/** An object without members, `{}`. */
export const empty_object: usize = memory.data<u32>([Kind.OBJECT, 0, 0, 20, 0]);

/** A tape for what is read and forgotten, which the next text of its kind overwrites: a configuration, a token's header. */
export const scratch_tape: usize = memory.data(json_nodes_max * 20, 4);

/** Where the next record is written, and where the room for them ends. */
let next: usize = 0;
let roomEnd: usize = 0;

/** Begins an empty tape for `records` records at `start`, 4-aligned: for the scanner, which writes all of it in one go. */
export function beginTape(start: usize, records: u32): void {
  next = start;
  roomEnd = start + <usize>records * tape_record_bytes;
}

/** The bytes of a tape, by its first record. */
export function tapeBytes(tape: usize): u32 {
  return <u32>(after(tape) - tape);
}

/** Copies `bytes` of a tape to `target`, for texts that now stand `distance` bytes further on. */
export function copyTape(tape: usize, bytes: u32, target: usize, distance: usize): void {
  memory.copy(target, tape, bytes);
  for (let record = target; record < target + bytes; record += tape_record_bytes) {
    store<u32>(record, load<u32>(record, 4) + <u32>distance, 4);
  }
}

/** What kind of value a record is. */
// @inline
export function kindOf(record: usize): Kind {
  return <Kind>load<u32>(record);
}

/** The first byte of a value's text, of a string after its quote. */
// @inline
export function startOf(record: usize): usize {
  return <usize>load<u32>(record, 4);
}

/** The bytes of a value's text, of a string without its quotes and escapes. */
// @inline
export function sizeOf(record: usize): u32 {
  return load<u32>(record, 8);
}

/** The record after a value and all it holds. */
// @inline
export function after(record: usize): usize {
  return record + <usize>load<u32>(record, 12);
}

/** The first element of a list, the name of the first member of an object; `after` the list or the object where it is empty. */
// @inline
export function firstOf(container: usize): usize {
  return container + tape_record_bytes;
}

/** The value that a name stands for. */
// @inline
export function valueAfter(name: usize): usize {
  return name + tape_record_bytes;
}

/** The value of an object's member, or `absent`; also where `object` is `absent` or no object. */
export function member(object: usize, name: usize, size: u32): usize {
  if (object == absent || kindOf(object) != Kind.OBJECT) return absent;
  const hash = hash32(0, name, size);
  const end = after(object);
  let record = firstOf(object);
  while (record < end) {
    if (isNamed(record, hash, name, size)) return valueAfter(record);
    record = after(valueAfter(record));
  }
  return absent;
}

/** Whether a record is a string of exactly these bytes. */
export function isString(record: usize, start: usize, size: u32): bool {
  return kindOf(record) == Kind.STRING && sizeOf(record) == size && sameBytes(startOf(record), start, size);
}

/** Adds a record; `absent` when there is no room for one more. */
export function addRecord(kind: Kind, start: usize): usize {
  const record = next;
  if (record == roomEnd) return absent;
  next = record + tape_record_bytes;
  store<u32>(record, kind);
  store<u32>(record, <u32>start, 4);
  store<u64>(record, (<u64>tape_record_bytes) << 32, 8);
  store<u32>(record, 0, 16);
  return record;
}

/** Takes back all records after one. */
// @inline
export function dropAfter(record: usize): void {
  next = record + tape_record_bytes;
}

/** The record's value ends here: `size` bytes of text, and all records so far. */
// @inline
export function finishRecord(record: usize, size: u32): void {
  store<u32>(record, size, 8);
  store<u32>(record, <u32>(next - record), 12);
}

/** Marks a string as the name of a member of `object`, which is not finished. False where it has one of that name. */
export function nameMember(object: usize, name: usize): bool {
  const start = startOf(name);
  const size = sizeOf(name);
  const hash = hash32(0, start, size);
  store<u32>(name, hash, 16);
  let record = firstOf(object);
  while (record < name) {
    if (isNamed(record, hash, start, size)) return false;
    record = after(valueAfter(record));
  }
  return true;
}

// @inline
function isNamed(record: usize, hash: u32, name: usize, size: u32): bool {
  return load<u32>(record, 16) == hash && sizeOf(record) == size && sameBytes(startOf(record), name, size);
}
