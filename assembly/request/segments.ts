/** Lists of path segments: where each begins and how many bytes it has. A list owns no text. */
import { poison } from "../bytes/poison";
import { path_segments_max } from "../limits";

/** The list's head; its segments follow, eight bytes each. */
@unmanaged
export class Segments {
  count: u32;
}

/** The size in bytes of a list with room for every segment. */
export const segments_bytes: i32 = 8 + <i32>path_segments_max * 8;
const first_at: usize = 8;

/** Empties a list. */
export function clearSegments(list: Segments): void {
  list.count = 0;
  poison(changetype<usize>(list) + first_at, path_segments_max * 8);
}

// @inline
export function startOf(list: Segments, index: u32): usize {
  return <usize>load<u32>(changetype<usize>(list) + ((<usize>index) << 3), first_at);
}

// @inline
export function sizeOf(list: Segments, index: u32): u32 {
  return load<u32>(changetype<usize>(list) + ((<usize>index) << 3), first_at + 4);
}

/** Takes the last segment away, if there is one. */
export function dropLast(list: Segments): void {
  if (list.count != 0) list.count--;
}

/** Adds a segment; false when there is no room for one more. */
export function addTo(list: Segments, start: usize, size: u32): bool {
  const index = list.count;
  if (index == path_segments_max) return false;
  const place = changetype<usize>(list) + ((<usize>index) << 3);
  store<u32>(place, <u32>start, first_at);
  store<u32>(place, size, first_at + 4);
  list.count = index + 1;
  return true;
}
