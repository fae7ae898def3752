/**
 * The tape: the values of a JSON text (bytes/json.ts) as fixed records in document order; a member is its name's record
 * followed by its value's.
 *
 *   0        4         8        12                16
 *   +--------+---------+--------+-----------------+--------------+
 *   | kind   | start   | size   | end: the record | hash of the  |
 *   |        | address | bytes  | after the value | name, or 0   |
 *   +--------+---------+--------+-----------------+--------------+
 *
 * One tape is open at a time. A request may have several, one a token, and opens the one whose claims it asks for.
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
}

/** No such record. */
export const absent: i32 = -1;

export const tape_record_bytes: u32 = 20;

/** A tape for what is read and forgotten: a configuration, a token's header. */
const scratch: usize = memory.data(json_nodes_max * 20, 4);

/** The first record of the tape that is open. */
let tape: usize = 0;
/** How many records it has, and has room for. */
let used: i32 = 0;
let room: i32 = 0;

/** Opens an empty tape for `records` records at `start`, 4-aligned. */
export function beginTape(start: usize, records: u32): void {
  tape = start;
  used = 0;
  room = records;
}

/** Opens the tape that every other text of its kind will overwrite. */
export function beginScratchTape(): void {
  beginTape(scratch, json_nodes_max);
}

/** Opens a tape that was written before. */
export function openTape(start: usize): void {
  tape = start;
}

/** How many records were written since `beginTape`. */
export function tapeRecords(): u32 {
  return used;
}

/**
 * Copies the records of the open tape to `target`, for texts that now stand `distance` bytes further on. The copy is not
 * opened.
 */
export function copyTape(start: usize, records: u32, target: usize, distance: usize): void {
  const bytes = <usize>records * tape_record_bytes;
  memory.copy(target, start, bytes);
  for (let record = target; record < target + bytes; record += tape_record_bytes) {
    store<u32>(record, load<u32>(record, 4) + <u32>distance, 4);
  }
}

/** What kind of value a record is. */
export function kindOf(record: i32): Kind {
  return <Kind>load<u32>(at(record));
}

/** The first byte of a value's text, of a string after its quote. */
export function startOf(record: i32): usize {
  return <usize>load<u32>(at(record), 4);
}

/** The bytes of a value's text, of a string without its quotes and escapes. */
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
    if (isNamed(record, hash, name, size)) return record + 1;
    record = after(record + 1);
  }
  return absent;
}

/** Whether a record is a string of exactly these bytes. */
export function isString(record: i32, start: usize, size: u32): bool {
  return kindOf(record) == Kind.STRING && sizeOf(record) == size && sameBytes(startOf(record), start, size);
}

/** Adds a record; `absent` when there is no room for one more. */
export function addRecord(kind: Kind, start: usize): i32 {
  if (used == room) return absent;
  const record = used++;
  const place = at(record);
  store<u32>(place, kind);
  store<u32>(place, <u32>start, 4);
  store<u32>(place, 0, 8);
  store<u32>(place, used, 12);
  store<u32>(place, 0, 16);
  return record;
}

/** The record's value ends here: `size` bytes of text, and all records so far. */
// @inline
export function finishRecord(record: i32, size: u32): void {
  store<u32>(at(record), size, 8);
  store<u32>(at(record), used, 12);
}

/** Marks a string as the name of a member of `object`, which is not finished. False where it has one of that name. */
export function nameMember(object: i32, name: i32): bool {
  const start = startOf(name);
  const size = sizeOf(name);
  const hash = hash32(0, start, size);
  store<u32>(at(name), hash, 16);
  let record = object + 1;
  while (record < name) {
    if (isNamed(record, hash, start, size)) return false;
    record = after(record + 1);
  }
  return true;
}

// @inline
function isNamed(record: i32, hash: u32, name: usize, size: u32): bool {
  return load<u32>(at(record), 16) == hash && sizeOf(record) == size && sameBytes(startOf(record), name, size);
}

// @inline
function at(record: i32): usize {
  return tape + <usize>record * tape_record_bytes;
}
