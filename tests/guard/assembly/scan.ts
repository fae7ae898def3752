/** The guard's scan alone (assembly/guard/scan.ts), for tests and for the bench: one stream, and findings one by one. */
import { isPatternTable } from "../../../assembly/guard/pattern";
import * as scan from "../../../assembly/guard/scan";
import { room_before_bytes, stream_bytes } from "../../../assembly/guard/state";
import * as window from "../../../assembly/guard/window";

const stream: usize = memory.data(stream_bytes, 16);
const table: usize = memory.data(131072, 16);
const chunk_bytes_max: u32 = 4194304;
const room: usize = memory.data(room_before_bytes + chunk_bytes_max + 32, 16);

/** Where a chunk is written, of at most 4 MiB, and where a table of patterns is. */
export function chunkAt(): usize {
  return room + room_before_bytes;
}
export function tableAt(): usize {
  return table;
}

/** Begins the stream. `low` and `high` are the halves of the set of detectors; a table of no bytes is none. */
export function start(low: u32, high: u32, tableBytes: u32): bool {
  if (tableBytes != 0 && !isPatternTable(table, tableBytes)) return false;
  scan.startStream(stream, <u64>low | ((<u64>high) << 32), tableBytes == 0 ? 0 : table);
  return true;
}
export function feed(size: u32, isLast: bool): void {
  scan.feedChunk(stream, chunkAt(), size, isLast);
}
export function next(): bool {
  return scan.nextFinding(stream);
}
export function end(): void {
  scan.endChunk(stream);
}
export function detector(): u32 {
  return window.foundDetector;
}
/** Where the finding is in memory, and in the stream. */
export function address(): usize {
  return window.foundStart;
}
export function offset(): f64 {
  return <f64>scan.foundOffset(stream);
}
export function size(): u32 {
  return window.foundSize;
}
export function pattern(): u32 {
  return window.foundPattern;
}
export function isContinued(): bool {
  return scan.isContinued;
}
export function decidedStart(): usize {
  return scan.decidedStart;
}
export function decidedSize(): u32 {
  return scan.decidedSize;
}
export function steps(): u32 {
  return window.steps;
}
