/**
 * MurmurHash3_x86_32 (Austin Appleby, public domain), the hash of the image's tables and of its checksum. Not for
 * what an adversary may make collide: tables compare in full, buckets use SipHash (bytes/siphash.ts).
 */

/** The hash of `size` bytes at `start`. */
export function hash32(seed: u32, start: usize, size: u32): u32 {
  let hash = seed;
  const wordsEnd = start + (size & ~3);
  let cursor = start;
  while (cursor < wordsEnd) {
    hash = rotl<u32>(hash ^ scramble(load<u32>(cursor)), 13) * 5 + 0xe6546b64;
    cursor += 4;
  }
  let tail: u32 = 0;
  const rest = size & 3;
  if (rest == 3) tail = (<u32>load<u8>(cursor, 2)) << 16;
  if (rest >= 2) tail |= (<u32>load<u8>(cursor, 1)) << 8;
  if (rest >= 1) hash ^= scramble(tail | <u32>load<u8>(cursor));
  hash ^= size;
  hash = (hash ^ (hash >> 16)) * 0x85ebca6b;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35;
  return hash ^ (hash >> 16);
}

// @inline
function scramble(word: u32): u32 {
  return rotl<u32>(word * 0xcc9e2d51, 15) * 0x1b873593;
}
