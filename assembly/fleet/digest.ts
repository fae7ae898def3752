/**
 * What a limit counts by, hashed: under the secret of this Envoy, for its own buckets, and where the limit is one of the fleet also by
 * SHA-256, which is the same on every Envoy. Callers choose what is hashed, so the fleet's needs bits enough that nobody finds two that
 * meet, whether or not there is a secret.
 */
import { finishHash, startHash, updateHash } from "../crypto/sha2";
import { keyedHash } from "../host/secret";

let isDigesting: bool = false;
const head: usize = memory.data(16, 8);

/** From here on what is hashed counts for the fleet too. */
export function startDigest(): void {
  startHash(32);
  isDigesting = true;
}

/** Ends that, and writes the 32 bytes of the digest to `target`. */
export function finishDigest(target: usize): void {
  finishHash(target);
  isDigesting = false;
}

/** The hash of `size` bytes at `start` under the secret, after what was hashed before, as a value of some kind. */
export function hashPart(before: u64, kind: u64, start: usize, size: u32): u64 {
  if (isDigesting) {
    store<u64>(head, kind);
    store<u64>(head, size, 8);
    updateHash(head, 16);
    updateHash(start, size);
  }
  return keyedHash(before, kind, start, size);
}
