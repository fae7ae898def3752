/**
 * Base64 (RFC 4648), strictly: base64url without padding for tokens (RFC 7515 §2), the standard alphabet with padding for
 * the plugin configuration. Refused are bytes outside the alphabet, white space, a length that no encoder makes, and
 * bits left over that are not zero (RFC 4648 §3.5), so that every value has exactly one spelling.
 *
 * Decoding may happen in place: output never overtakes input.
 */

import { copyBytes } from "./span";

/** What a decoder returns for input that is not well-formed; never a size. */
export const malformed: i32 = -1;

/** Decodes base64url without padding to `target`; the decoded size in bytes, or `malformed`. */
export function decodeBase64url(start: usize, size: u32, target: usize): i32 {
  return decode(start, size, target, 0x2d, 0x5f);
}

/** Decodes base64 with padding to `target`; the decoded size in bytes, or `malformed`. */
export function decodeBase64(start: usize, size: u32, target: usize): i32 {
  if ((size & 3) != 0) return malformed;
  if (size != 0 && load<u8>(start + size - 1) == 0x3d) {
    size--;
    if (load<u8>(start + size - 1) == 0x3d) size--;
  }
  return decode(start, size, target, 0x2b, 0x2f);
}

function decode(start: usize, size: u32, target: usize, sign62: u32, sign63: u32): i32 {
  if ((size & 3) == 1) return malformed;
  const end = start + size;
  let output = target;
  while (start + 16 <= end) {
    if (!decodeBlock(start, output, sign62, sign63)) return malformed;
    start += 16;
    output += 12;
  }
  const left = <u32>(end - start);
  if (left == 0) return <i32>(output - target);
  // What is left, as a block of its own, filled up with letters that stand for zero.
  v128.store(lastBlock, i8x16.splat(0x41));
  copyBytes(lastBlock, start, left);
  if (!decodeBlock(lastBlock, lastBytes, sign62, sign63)) return malformed;
  const bytes = (left * 3) >> 2;
  // Bits left over are the first of the byte that is not there.
  if (load<u8>(lastBytes + bytes) != 0) return malformed;
  copyBytes(output, lastBytes, bytes);
  return <i32>(output - target) + bytes;
}

const lastBlock: usize = memory.data(16, 16);
const lastBytes: usize = memory.data(12, 16);

/** Sixteen characters at `start` are twelve bytes at `target`. False where one is not of the alphabet. */
function decodeBlock(start: usize, target: usize, sign62: u32, sign63: u32): bool {
  const text = v128.load(start);
  const upper = i8x16.lt_u(i8x16.sub(text, i8x16.splat(0x41)), i8x16.splat(26));
  const lower = i8x16.lt_u(i8x16.sub(text, i8x16.splat(0x61)), i8x16.splat(26));
  const digit = i8x16.lt_u(i8x16.sub(text, i8x16.splat(0x30)), i8x16.splat(10));
  const is62 = i8x16.eq(text, i8x16.splat(<i8>sign62));
  const is63 = i8x16.eq(text, i8x16.splat(<i8>sign63));
  if (!i8x16.all_true(v128.or(v128.or(v128.or(upper, lower), digit), v128.or(is62, is63)))) return false;
  let shift = v128.and(upper, i8x16.splat(-0x41));
  shift = v128.or(shift, v128.and(lower, i8x16.splat(26 - 0x61)));
  shift = v128.or(shift, v128.and(digit, i8x16.splat(52 - 0x30)));
  shift = v128.or(shift, v128.and(is62, i8x16.splat(<i8>(62 - sign62))));
  shift = v128.or(shift, v128.and(is63, i8x16.splat(<i8>(63 - sign63))));
  const sextets = i8x16.add(text, shift);
  // The first character is the highest of 24 bits, and the lowest byte of its lane: two by two they change places.
  const pairs = v128.or(i16x8.shl(v128.and(sextets, i16x8.splat(0xff)), 6), i16x8.shr_u(sextets, 8));
  const quads = i32x4.dot_i16x8_s(pairs, i32x4.splat(0x0001_1000));
  const bytes = i8x16.shuffle(quads, quads, 2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 0, 0, 0, 0);
  v128.store64_lane(target, bytes, 0);
  v128.store32_lane(target, bytes, 2, 8);
  return true;
}
