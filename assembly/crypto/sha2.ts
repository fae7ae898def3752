/**
 * SHA-256, SHA-384 and SHA-512 (FIPS 180-4) over runs of bytes: start, update as often as there are runs, finish. One hash is
 * under way at a time. Hashes are told apart by their size in bytes: 32, 48 or 64.
 */
import { compress as compressBlock, first_roots, second_roots } from "./compress";

/** The intermediate hash: eight words of 4 bytes for SHA-256, of 8 for the others. */
const state: usize = memory.data(64, 8);
/** What was not yet enough for a block, of 64 bytes for SHA-256, of 128 for the others. */
const block: usize = memory.data(128, 8);
let blockBytes: u32 = 64;
let hashSize: u32 = 32;
let buffered: u32 = 0;
let messageBytes: u64 = 0;

/** Starts a hash of `size` bytes: 32, 48 or 64 (§5.3). */
export function startHash(size: u32): void {
  hashSize = size;
  blockBytes = size == 32 ? 64 : 128;
  buffered = 0;
  messageBytes = 0;
  const roots = size == 48 ? second_roots : first_roots;
  for (let index: usize = 0; index < 8; index++) {
    const root = load<u64>(roots + (index << 3));
    if (size == 32) store<u32>(state + (index << 2), <u32>(root >> 32));
    else store<u64>(state + (index << 3), root);
  }
}

/** Hashes `size` more bytes from `start` on. */
export function updateHash(start: usize, size: u32): void {
  messageBytes += size;
  let cursor = start;
  let rest = size;
  if (buffered > 0) {
    const taken = min<u32>(blockBytes - buffered, rest);
    memory.copy(block + buffered, cursor, taken);
    buffered += taken;
    if (buffered < blockBytes) return;
    compress(block);
    cursor += taken;
    rest -= taken;
  }
  while (rest >= blockBytes) {
    compress(cursor);
    cursor += blockBytes;
    rest -= blockBytes;
  }
  memory.copy(block, cursor, rest);
  buffered = rest;
}

/** Ends the hash, and writes as many bytes as it has to `target`. */
export function finishHash(target: usize): void {
  // §5.1: a set bit, zeros, and the size of the message in bits, in the last 8 or 16 bytes of a block.
  store<u8>(block + buffered, 0x80);
  memory.fill(block + buffered + 1, 0, blockBytes - buffered - 1);
  if (buffered >= blockBytes - (blockBytes >> 3)) {
    compress(block);
    memory.fill(block, 0, blockBytes);
  }
  store<u64>(block + blockBytes - 8, bswap<u64>(messageBytes << 3));
  compress(block);
  for (let offset: usize = 0; offset < hashSize; offset += 8) {
    // SHA-256 has two of its words in eight bytes, and each is turned on its own.
    const words = bswap<u64>(load<u64>(state + offset));
    store<u64>(target + offset, hashSize == 32 ? rotr<u64>(words, 32) : words);
  }
}

/** Writes the hash of `hashBytes` (32, 48 or 64) of the `size` bytes at `start` to `target`. */
export function hashOf(hashBytes: u32, start: usize, size: u32, target: usize): void {
  startHash(hashBytes);
  updateHash(start, size);
  finishHash(target);
}

function compress(start: usize): void {
  if (blockBytes == 64) compressBlock<u32>(state, start);
  else compressBlock<u64>(state, start);
}
