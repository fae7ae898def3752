/** Strings: beginnings, ends, searching in linear time, and their size in code points. */
import { sameBytes } from "../bytes/span";
import { search_bytes_max } from "../limits";

/** For each place of the text searched for, how much of its beginning also ends there (Knuth, Morris, Pratt 1977). */
const overlaps: usize = memory.data(search_bytes_max * 2, 2);

/** Whether the text ends in another. */
export function endsWith(start: usize, size: u32, end: usize, endSize: u32): bool {
  return endSize <= size && sameBytes(start + (size - endSize), end, endSize);
}

/** Whether the text begins with another. */
export function startsWith(start: usize, size: u32, head: usize, headSize: u32): bool {
  return headSize <= size && sameBytes(start, head, headSize);
}

/** Whether the text holds another of at most `search_bytes_max`, in time that grows with the sum of their sizes. */
export function holds(start: usize, size: u32, part: usize, partSize: u32): bool {
  if (partSize == 0) return true;
  if (partSize > size) return false;
  findOverlaps(part, partSize);
  let matched: u32 = 0;
  for (let index: u32 = 0; index < size; index++) {
    matched = matchedAfter(part, matched, load<u8>(start + index));
    if (matched == partSize) return true;
  }
  return false;
}

/** How much of a text searched for, on which `findOverlaps` was called last, is matched once a byte follows what was. */
export function matchedAfter(part: usize, matched: u32, byte: u32): u32 {
  while (matched > 0 && load<u8>(part + matched) != byte) matched = overlap(matched - 1);
  return load<u8>(part + matched) == byte ? matched + 1 : matched;
}

function overlap(place: u32): u32 {
  return <u32>load<u16>(overlaps + ((<usize>place) << 1));
}

/** Prepares for a search for a text of 1 to `search_bytes_max` bytes. */
export function findOverlaps(part: usize, size: u32): void {
  store<u16>(overlaps, 0);
  let matched: u32 = 0;
  for (let place: u32 = 1; place < size; place++) {
    matched = matchedAfter(part, matched, load<u8>(part + place));
    store<u16>(overlaps + ((<usize>place) << 1), <u16>matched);
  }
}

/** Code points of valid UTF-8: the bytes that do not continue a character. */
export function codePoints(start: usize, size: u32): u32 {
  let count: u32 = 0;
  for (let index: u32 = 0; index < size; index++) {
    if ((load<u8>(start + index) & 0xc0) != 0x80) count++;
  }
  return count;
}
