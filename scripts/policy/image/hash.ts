/**
 * MurmurHash3_x86_32 (Austin Appleby, public domain): the hash of the policy image's tables and checksum. The engine
 * has the same function; both are tested with the published vectors. It is not for secrets: whoever writes the policy
 * chooses the keys, and a request's strings only ever look them up.
 */

/** The 32-bit hash, unsigned, of `bytes[start, end)`. */
export function hash32(seed: number, bytes: Uint8Array, start = 0, end = bytes.length): number {
  const size = end - start;
  const blocks = start + (size & ~3);
  let hash = seed | 0;
  let at = start;
  for (; at < blocks; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    word = Math.imul(word, 0xcc9e2d51);
    word = (word << 15) | (word >>> 17);
    hash ^= Math.imul(word, 0x1b873593);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  const rest = size & 3;
  if (rest > 0) {
    let word = bytes[at]!;
    if (rest > 1) word |= bytes[at + 1]! << 8;
    if (rest > 2) word |= bytes[at + 2]! << 16;
    word = Math.imul(word, 0xcc9e2d51);
    word = (word << 15) | (word >>> 17);
    hash ^= Math.imul(word, 0x1b873593);
  }
  hash ^= size;
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  return hash >>> 0;
}
