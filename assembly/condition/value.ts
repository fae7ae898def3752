/**
 * The values conditions are made of, each a cell of 16 bytes:
 *
 *   0      4      8                16
 *   +------+------+----------------+
 *   | kind | size | payload        |
 *   +------+------+----------------+
 *
 *   kind                  payload                              size
 *   BOOL                  0 or 1
 *   INT                   an i64
 *   DOUBLE                an f64
 *   STRING                address of its UTF-8                 bytes
 *   TIMESTAMP, DURATION   seconds, rounded down, an i64        nanoseconds past them
 *   LIST                  address of its first cell            elements
 *   TAPE_LIST, TAPE_MAP   a record of a JSON tape (bytes/tape.ts)
 */
export const enum ValueKind {
  ERROR = 0,
  NULL,
  BOOL,
  INT,
  DOUBLE,
  STRING,
  TIMESTAMP,
  DURATION,
  LIST,
  TAPE_LIST,
  TAPE_MAP,
}

export const cell_bytes: u32 = 16;

export function kindOf(cell: usize): ValueKind {
  return <ValueKind>load<u32>(cell);
}

/** Bytes of a string, elements of a list, nanoseconds of a time. */
export function sizeOf(cell: usize): u32 {
  return load<u32>(cell, 4);
}

/** An int, or the seconds of a time. */
export function longOf(cell: usize): i64 {
  return load<i64>(cell, 8);
}

export function doubleOf(cell: usize): f64 {
  return load<f64>(cell, 8);
}

/** The address of a string's first byte, or of a list's first cell. */
export function startOf(cell: usize): usize {
  return load<usize>(cell, 8);
}

export function recordOf(cell: usize): usize {
  return load<usize>(cell, 8);
}

export function isTrue(cell: usize): bool {
  return kindOf(cell) == ValueKind.BOOL && load<u8>(cell, 8) != 0;
}

export function isFalse(cell: usize): bool {
  return kindOf(cell) == ValueKind.BOOL && load<u8>(cell, 8) == 0;
}

export function isNumber(cell: usize): bool {
  return kindOf(cell) == ValueKind.INT || kindOf(cell) == ValueKind.DOUBLE;
}

export function isList(cell: usize): bool {
  return kindOf(cell) == ValueKind.LIST || kindOf(cell) == ValueKind.TAPE_LIST;
}

export function setError(cell: usize): void {
  store<u32>(cell, ValueKind.ERROR);
}

export function setNull(cell: usize): void {
  store<u32>(cell, ValueKind.NULL);
}

export function setBool(cell: usize, value: bool): void {
  store<u32>(cell, ValueKind.BOOL);
  store<u64>(cell, value ? 1 : 0, 8);
}

export function setInt(cell: usize, value: i64): void {
  store<u32>(cell, ValueKind.INT);
  store<i64>(cell, value, 8);
}

export function setDouble(cell: usize, value: f64): void {
  store<u32>(cell, ValueKind.DOUBLE);
  store<f64>(cell, value, 8);
}

export function setString(cell: usize, start: usize, size: u32): void {
  store<u32>(cell, ValueKind.STRING);
  store<u32>(cell, size, 4);
  store<usize>(cell, start, 8);
}

export function setTime(cell: usize, kind: ValueKind, seconds: i64, nanoseconds: u32): void {
  store<u32>(cell, kind);
  store<u32>(cell, nanoseconds, 4);
  store<i64>(cell, seconds, 8);
}

export function setList(cell: usize, first: usize, count: u32): void {
  store<u32>(cell, ValueKind.LIST);
  store<u32>(cell, count, 4);
  store<usize>(cell, first, 8);
}

/** A list or a map of the tape. */
export function setTape(cell: usize, kind: ValueKind, record: usize): void {
  store<u32>(cell, kind);
  store<usize>(cell, record, 8);
}

export function copyCell(to: usize, from: usize): void {
  store<u64>(to, load<u64>(from));
  store<u64>(to, load<u64>(from, 8), 8);
}
