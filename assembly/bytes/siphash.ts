/**
 * SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012, §2.2 to §2.4): for what callers choose the
 * bytes of. Simpler hashes have pairs of inputs that collide whatever the seed, with which one client could make another
 * pay for its requests.
 */

/** The hash of `size` bytes at `start` under the key of two words. */
export function sipHash(k0: u64, k1: u64, start: usize, size: u32): u64 {
  let v0 = k0 ^ 0x736f6d6570736575;
  let v1 = k1 ^ 0x646f72616e646f6d;
  let v2 = k0 ^ 0x6c7967656e657261;
  let v3 = k1 ^ 0x7465646279746573;
  const wordsEnd = start + (size & ~7);
  let cursor = start;
  let isLast = false;
  // Two rounds a word, the last of which has the size and what is left over; then four, as for a word of nothing.
  let rounds = 2;
  while (true) {
    let word: u64 = 0;
    if (cursor < wordsEnd) {
      word = load<u64>(cursor);
      cursor += 8;
    } else if (!isLast) {
      isLast = true;
      word = (<u64>size) << 56;
      const rest = size & 7;
      for (let index: u32 = 0; index < rest; index++) word |= (<u64>load<u8>(cursor + index)) << (index << 3);
    } else {
      v2 ^= 0xff;
      rounds = 4;
    }
    v3 ^= word;
    for (let round = 0; round < rounds; round++) {
      v0 += v1;
      v1 = rotl<u64>(v1, 13) ^ v0;
      v0 = rotl<u64>(v0, 32);
      v2 += v3;
      v3 = rotl<u64>(v3, 16) ^ v2;
      v0 += v3;
      v3 = rotl<u64>(v3, 21) ^ v0;
      v2 += v1;
      v1 = rotl<u64>(v1, 17) ^ v2;
      v2 = rotl<u64>(v2, 32);
    }
    v0 ^= word;
    if (rounds == 4) break;
  }
  return v0 ^ v1 ^ v2 ^ v3;
}
