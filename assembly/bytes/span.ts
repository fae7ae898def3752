/** Comparing runs of bytes, each given by its start and its size, or by both as one value. */
import { Literal } from "./literal";

/**
 * What a function returns that looks for a run of bytes: the run's size in the upper half, its start in the lower one, as the host
 * writes them too. In place of a run there may be one of three values, at whose starts none begins. They have no bytes, so that who
 * forgets to ask reads nothing.
 */
export type Span = u64;

/** Nothing is there. */
export const absent: Span = 1;
/** Whether something is there could not be found out. */
export const failed: Span = 2;
/** What is there can be read in several ways. */
export const ambiguous: Span = 3;

// @inline
export function spanOf(start: usize, size: u32): Span {
  return ((<u64>size) << 32) | <u64>start;
}

// @inline
export function spanStart(span: Span): usize {
  return <usize>(<u32>span);
}

// @inline
export function spanSize(span: Span): u32 {
  return <u32>(span >> 32);
}

/** Whether there is a run; it may be empty. */
// @inline
export function isRun(span: Span): bool {
  return span - absent > ambiguous - absent;
}

/**
 * Whether two runs of `size` bytes are the same. Never for secrets: it stops at the first difference. The last block, or word,
 * is taken so that it ends with the run, and may overlap the one before it: no byte is looked at by itself.
 */
export function sameBytes(left: usize, right: usize, size: u32): bool {
  if (size >= 16) {
    const last = left + size - 16;
    while (left < last) {
      if (v128.any_true(v128.xor(v128.load(left), v128.load(right)))) return false;
      left += 16;
      right += 16;
    }
    // Past the end by as much as `left` now is past `last`.
    return !v128.any_true(v128.xor(v128.load(last), v128.load(right - (left - last))));
  }
  if (size >= 8) {
    const tail = size - 8;
    return ((load<u64>(left) ^ load<u64>(right)) | (load<u64>(left + tail) ^ load<u64>(right + tail))) == 0;
  }
  if (size >= 4) {
    const tail = size - 4;
    return ((load<u32>(left) ^ load<u32>(right)) | (load<u32>(left + tail) ^ load<u32>(right + tail))) == 0;
  }
  for (let index: u32 = 0; index < size; index++) {
    if (load<u8>(left + index) != load<u8>(right + index)) return false;
  }
  return true;
}

/** Copies a run to where it does not overlap. Short runs are copied here: `memory.copy` is a call into the host's C library. */
export function copyBytes(target: usize, source: usize, size: u32): void {
  if (size > copied_here_bytes) {
    memory.copy(target, source, size);
    return;
  }
  if (size >= 16) {
    const last = size - 16;
    for (let done: u32 = 0; done < last; done += 16) v128.store(target + done, v128.load(source + done));
    v128.store(target + last, v128.load(source + last));
    return;
  }
  if (size >= 8) {
    const tail = size - 8;
    const end = load<u64>(source + tail);
    store<u64>(target, load<u64>(source));
    store<u64>(target + tail, end);
    return;
  }
  if (size >= 4) {
    const tail = size - 4;
    const end = load<u32>(source + tail);
    store<u32>(target, load<u32>(source));
    store<u32>(target + tail, end);
    return;
  }
  for (let index: u32 = 0; index < size; index++) store<u8>(target + index, load<u8>(source + index));
}

/** Fills `size` bytes, a multiple of 16, with zero: blocks of a few hundred bytes, for which `memory.fill` is dear like `memory.copy`. */
export function clearBytes(start: usize, size: u32): void {
  const end = start + size;
  for (; start < end; start += 16) v128.store(start, i64x2.splat(0));
}

/** Longer runs are the C library's. */
const copied_here_bytes: u32 = 256;

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
  let index: u32 = 0;
  const wanted = i8x16.splat(byte);
  while (index + 16 <= size) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(start + index), wanted));
    if (found != 0) return index + ctz(found);
    index += 16;
  }
  const rest = size - index;
  if (rest == 0) return size;
  // The block that ends with the run; what stands before the rest of it is shifted out. No run begins that early in memory.
  const found = i8x16.bitmask(i8x16.eq(v128.load(start + size - 16), wanted)) >> (16 - rest);
  return found == 0 ? size : index + ctz(found);
}

/** The value of a hexadecimal digit, or -1. */
export function hexDigit(byte: u32): i32 {
  if (byte - 0x30 < 10) return byte - 0x30;
  const letter = (byte | 0x20) - 0x61;
  return letter < 6 ? letter + 10 : -1;
}

/** A letter of ASCII in lower case; any other byte as it is. */
export function lower(byte: u32): u32 {
  return byte - 0x41 < 26 ? byte | 0x20 : byte;
}

/** Whether a byte is white space inside a header's value (RFC 9110 §5.6.3). */
export function isBlank(byte: u32): bool {
  return byte == 0x20 || byte == 0x09;
}

/** Whether `size` bytes are those of a text in lower case, whatever their own case is. */
export function isAlike(start: usize, text: usize, size: u32): bool {
  for (let index: u32 = 0; index < size; index++) {
    if (lower(load<u8>(start + index)) != load<u8>(text + index)) return false;
  }
  return true;
}

/** Whether a byte may stand in a host or trust domain name in lower case: a letter, a digit, `-`, `.`, `_`. */
export function isNameByte(byte: u32): bool {
  return byte - 0x61 < 26 || byte - 0x30 < 10 || byte == 0x2d || byte == 0x2e || byte == 0x5f;
}

/** Whether a run is a name such as policies have: letters, digits, `-` and `_`, at least one of them. */
export function isNameText(start: usize, size: u32): bool {
  for (let index: u32 = 0; index < size; index++) {
    const byte = <u32>load<u8>(start + index);
    if ((byte | 0x20) - 0x61 >= 26 && byte - 0x30 >= 10 && byte != 0x2d && byte != 0x5f) return false;
  }
  return size != 0;
}
