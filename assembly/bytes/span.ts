/** Comparing runs of bytes, each given by its start and its size. */
import { Literal } from "./literal";

/** Whether two runs of `size` bytes are the same. Never for secrets: it stops at the first difference. */
export function sameBytes(left: usize, right: usize, size: u32): bool {
  const wordsEnd = left + (size & ~7);
  while (left < wordsEnd) {
    if (load<u64>(left) != load<u64>(right)) return false;
    left += 8;
    right += 8;
  }
  const end = left + (size & 7);
  while (left < end) {
    if (load<u8>(left) != load<u8>(right)) return false;
    left++;
    right++;
  }
  return true;
}

/** Whether a run is exactly `text`. */
export function isLiteral(start: usize, size: u32, text: Literal): bool {
  return size == text.size && sameBytes(start, text.start, size);
}

/** Whether a run begins with `text`. */
export function startsWithLiteral(start: usize, size: u32, text: Literal): bool {
  return size >= text.size && sameBytes(start, text.start, text.size);
}

/** The index of the first `byte`, or `size` when there is none. */
export function indexOfByte(start: usize, size: u32, byte: u8): u32 {
  for (let index: u32 = 0; index < size; index++) {
    if (load<u8>(start + index) == byte) return index;
  }
  return size;
}

/** The value of a hexadecimal digit, or -1. */
export function hexDigit(byte: u32): i32 {
  if (byte - 0x30 < 10) return byte - 0x30;
  const letter = (byte | 0x20) - 0x61;
  return letter < 6 ? letter + 10 : -1;
}

/** Whether a byte is white space inside a header's value (RFC 9110 §5.6.3). */
export function isBlank(byte: u32): bool {
  return byte == 0x20 || byte == 0x09;
}

/** Whether a byte may stand in a host or trust domain name in lower case: a letter, a digit, `-`, `.`, `_`. */
export function isNameByte(byte: u32): bool {
  return byte - 0x61 < 26 || byte - 0x30 < 10 || byte == 0x2d || byte == 0x2e || byte == 0x5f;
}
