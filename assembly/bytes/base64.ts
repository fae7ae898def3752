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

/**
 * What tells sixteen characters apart at a time, by the two halves of each byte (W. Muła, D. Lemire, "Faster Base64 Encoding and
 * Decoding Using AVX2 Instructions", 2018, §3):
 *
 *   0           16                 32                48          64
 *   +-----------+------------------+-----------------+-----------+
 *   | by low    | by high half:    | the character   | what that |
 *   | half:     | from character   | that is out of  | one has   |
 *   | no letter | to value         | line            | besides   |
 *   +-----------+------------------+-----------------+-----------+
 *
 * The first has a bit for each class of high halves of which the low half makes no character; `classes` says which class a high
 * half is of.
 */
const table_bytes: u32 = 64;
const urlAlphabet = memory.data(table_bytes, 16);
const standardAlphabet = memory.data(table_bytes, 16);
const classes = memory.data<u8>([32, 32, 1, 2, 4, 8, 4, 16, 32, 32, 32, 32, 32, 32, 32, 32], 16);

fillAlphabet(urlAlphabet, 0x2d, 0x5f, 0x5f);
fillAlphabet(standardAlphabet, 0x2b, 0x2f, 0x2f);

/** @param odd of the signs for 62 and 63 that which shares its high half with characters of another distance */
function fillAlphabet(table: usize, sign62: u32, sign63: u32, odd: u32): void {
  for (let low: u32 = 0; low < 16; low++) {
    let missing: u32 = 0;
    for (let high: u32 = 0; high < 16; high++) {
      if (!isOfAlphabet((high << 4) | low, sign62, sign63)) missing |= load<u8>(classes + high);
    }
    store<u8>(table + low, missing);
  }
  store<i8>(table + 16, <i8>(62 - sign62), 2);
  store<i8>(table + 16, 52 - 0x30, 3);
  store<i8>(table + 16, -0x41, 4);
  store<i8>(table + 16, -0x41, 5);
  store<i8>(table + 16, 26 - 0x61, 6);
  store<i8>(table + 16, 26 - 0x61, 7);
  v128.store(table + 32, i8x16.splat(<i8>odd));
  v128.store(table + 48, i8x16.splat(<i8>(63 - odd - load<i8>(table + 16 + (odd >> 4)))));
}

function isOfAlphabet(byte: u32, sign62: u32, sign63: u32): bool {
  const isLetter = (byte | 0x20) - 0x61 < 26 && byte < 0x80;
  return isLetter || byte - 0x30 < 10 || byte == sign62 || byte == sign63;
}

/** Decodes base64url without padding to `target`; the decoded size in bytes, or `malformed`. */
export function decodeBase64url(start: usize, size: u32, target: usize): i32 {
  return decode(start, size, target, urlAlphabet);
}

/** Decodes base64 with padding to `target`; the decoded size in bytes, or `malformed`. */
export function decodeBase64(start: usize, size: u32, target: usize): i32 {
  if ((size & 3) != 0) return malformed;
  if (size != 0 && load<u8>(start + size - 1) == 0x3d) {
    size--;
    if (load<u8>(start + size - 1) == 0x3d) size--;
  }
  return decode(start, size, target, standardAlphabet);
}

/** The characters from which on the last text that was refused is wrong: at most sixteen before its first mistake. */
let stoppedAt: usize = 0;

/**
 * Where a text that `decodeBase64` has just refused is wrong: at its first byte that is not of the alphabet; where its length, its padding or
 * the bits left over are at fault, at its end or where its padding begins.
 */
export function malformedAt(start: usize, size: u32): usize {
  const end = start + size;
  if ((size & 3) != 0) return end;
  for (let at = stoppedAt; at < end; at++) if (!isOfAlphabet(load<u8>(at), 0x2b, 0x2f)) return at;
  return end;
}

function stop(at: usize): i32 {
  stoppedAt = at;
  return malformed;
}

const lastBlock: usize = memory.data(16, 16);
const lastBytes: usize = memory.data(12, 16);

function decode(start: usize, size: u32, target: usize, alphabet: usize): i32 {
  if ((size & 3) == 1) return malformed;
  // Out of memory, so that they stay in registers: constants would be made anew for each block.
  const classOf = v128.load(classes);
  const missing = v128.load(alphabet);
  const distance = v128.load(alphabet, 16);
  const odd = v128.load(alphabet, 32);
  const oddDistance = v128.load(alphabet, 48);
  const end = start + size;
  let output = target;
  while (start + 16 <= end) {
    if (!decodeBlock(start, output, classOf, missing, distance, odd, oddDistance)) return stop(start);
    start += 16;
    output += 12;
  }
  const left = <u32>(end - start);
  if (left == 0) return <i32>(output - target);
  // What is left, as a block of its own, filled up with letters that stand for zero.
  v128.store(lastBlock, i8x16.splat(0x41));
  copyBytes(lastBlock, start, left);
  if (!decodeBlock(lastBlock, lastBytes, classOf, missing, distance, odd, oddDistance)) return stop(start);
  const bytes = (left * 3) >> 2;
  // Bits left over are the first of the byte that is not there.
  if (load<u8>(lastBytes + bytes) != 0) return stop(end);
  copyBytes(output, lastBytes, bytes);
  return <i32>(output - target) + bytes;
}

/** Sixteen characters at `start` are twelve bytes at `target`. False where one is not of the alphabet. */
// @inline
function decodeBlock(
  start: usize,
  target: usize,
  classOf: v128,
  missing: v128,
  distance: v128,
  odd: v128,
  oddDistance: v128,
): bool {
  const text = v128.load(start);
  const high = i8x16.shr_u(text, 4);
  const wrong = v128.and(i8x16.swizzle(classOf, high), i8x16.swizzle(missing, v128.and(text, i8x16.splat(15))));
  if (v128.any_true(wrong)) return false;
  const distances = i8x16.add(i8x16.swizzle(distance, high), v128.and(i8x16.eq(text, odd), oddDistance));
  const sextets = i8x16.add(text, distances);
  // The first character is the highest of 24 bits, and the lowest byte of its lane: two by two they change places.
  const pairs = v128.or(i16x8.shl(v128.and(sextets, i16x8.splat(0xff)), 6), i16x8.shr_u(sextets, 8));
  const quads = i32x4.dot_i16x8_s(pairs, i32x4.splat(0x0001_1000));
  const bytes = i8x16.shuffle(quads, quads, 2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 0, 0, 0, 0);
  v128.store64_lane(target, bytes, 0);
  v128.store32_lane(target, bytes, 2, 8);
  return true;
}
