/** Timestamps and durations (langdef.md, "Timestamps and durations"): whole seconds, rounded down, and nanoseconds past them. */
import { kindOf, longOf, setError, setTime, sizeOf, ValueKind } from "./value";

/** From 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z. */
const first_second: i64 = -62135596800;
const last_second: i64 = 253402300799;
/** About 10,000 years (google/protobuf/duration.proto). */
const longest_seconds: i64 = 315576000000;
const second_nanoseconds: u32 = 1000000000;

/** Of seconds since 1970, an int. */
export function toTimestamp(cell: usize): void {
  if (kindOf(cell) == ValueKind.INT) setWithin(cell, ValueKind.TIMESTAMP, longOf(cell), 0);
  else if (kindOf(cell) != ValueKind.TIMESTAMP) setError(cell);
}

/** Leaves the sum of two durations, or of a timestamp and a duration, in the left cell. */
export function addTimes(left: usize, right: usize): void {
  const kind = kindOfSum(kindOf(left), kindOf(right));
  if (kind == ValueKind.ERROR) {
    setError(left);
    return;
  }
  const nanoseconds = sizeOf(left) + sizeOf(right);
  const carried = nanoseconds >= second_nanoseconds;
  const seconds = longOf(left) + longOf(right) + (carried ? 1 : 0);
  setWithin(left, kind, seconds, carried ? nanoseconds - second_nanoseconds : nanoseconds);
}

/** Leaves the difference in the left cell: of two timestamps and of two durations a duration, else a timestamp. */
export function subtractTimes(left: usize, right: usize): void {
  const kind = kindOfDifference(kindOf(left), kindOf(right));
  if (kind == ValueKind.ERROR) {
    setError(left);
    return;
  }
  const borrowed = sizeOf(left) < sizeOf(right);
  const seconds = longOf(left) - longOf(right) - (borrowed ? 1 : 0);
  setWithin(left, kind, seconds, sizeOf(left) + (borrowed ? second_nanoseconds : 0) - sizeOf(right));
}

function kindOfSum(left: ValueKind, right: ValueKind): ValueKind {
  if (left == ValueKind.DURATION && right == ValueKind.DURATION) return ValueKind.DURATION;
  if (left == ValueKind.TIMESTAMP && right == ValueKind.DURATION) return ValueKind.TIMESTAMP;
  return left == ValueKind.DURATION && right == ValueKind.TIMESTAMP ? ValueKind.TIMESTAMP : ValueKind.ERROR;
}

function kindOfDifference(left: ValueKind, right: ValueKind): ValueKind {
  if (left == right && (left == ValueKind.DURATION || left == ValueKind.TIMESTAMP)) return ValueKind.DURATION;
  return left == ValueKind.TIMESTAMP && right == ValueKind.DURATION ? ValueKind.TIMESTAMP : ValueKind.ERROR;
}

function setWithin(cell: usize, kind: ValueKind, seconds: i64, nanoseconds: u32): void {
  const isTimestamp = kind == ValueKind.TIMESTAMP;
  const least = isTimestamp ? first_second : -longest_seconds;
  const most = isTimestamp ? last_second : longest_seconds;
  if (seconds < least || seconds > most) setError(cell);
  else setTime(cell, kind, seconds, nanoseconds);
}
