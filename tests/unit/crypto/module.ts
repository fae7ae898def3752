/** A module of nothing but assembly/crypto/, for tests/vectors/: memory to write to, and the entries under test. */
import { finishHash, startHash, updateHash } from "../../../assembly/crypto/sha2";
import { verifyInModule } from "../../../assembly/crypto/verify";

const room_bytes: u32 = 262144;
const room: usize = memory.data(room_bytes, 8);

/** Where inputs go: 256 KiB. */
export function start(): usize {
  return room;
}

export function verify(
  algorithm: u32,
  key: usize,
  keySize: u32,
  exponent: u32,
  signature: usize,
  signatureSize: u32,
  text: usize,
  textSize: u32,
): bool {
  return verifyInModule(algorithm, key, keySize, exponent, signature, signatureSize, text, textSize);
}

/** The hash of `textSize` bytes, handed over `part` bytes at a time, written to `target`. */
export function hash(hashBytes: u32, text: usize, textSize: u32, part: u32, target: usize): void {
  startHash(hashBytes);
  let rest = textSize;
  while (rest > part) {
    updateHash(text + textSize - rest, part);
    rest -= part;
  }
  updateHash(text + textSize - rest, rest);
  finishHash(target);
}
