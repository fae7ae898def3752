/**
 * The keys a token may be verified with: chosen by issuer and `kid`, and only such as fit the algorithm, so that no token can
 * have an RSA key used for anything but RSA (RFC 8725 §3.1).
 *
 *   the token      candidates, of the keys that fit its algorithm
 *   names a key    those of that `kid`; where no key of the set has it, those without a `kid`
 *   names none     all of them
 *
 * A key that has another `kid` is never tried for a token that names one. Several candidates are tried in turn, `key_candidates_max` of
 * them at the most: a flood of tokens costs so many verifications each, however large the set. The very same key is one, however often the
 * set has it.
 */
import { sameBytes } from "../bytes/span";
import { key_candidates_max } from "../limits";
import * as layout from "../policy/layout";
import { KeySet } from "./keyset";

/** Why there is no key to try; other answers of `findKeys` are how many there are. */
export const enum Find {
  /** No key has the ID, and none without one fits; without an ID, none fits the algorithm. */
  ABSENT = 0,
  /** More than are tried: with the ID, or where the token has none, or no key has it, of all that then count. */
  SEVERAL = 5,
  /** Keys have the ID, but none fits the algorithm. */
  UNFIT,
}

if (!(Find.SEVERAL == key_candidates_max + 1)) ERROR("one more than are tried is too many");

/** The records of the keys that were found. */
const candidates: usize = memory.data(key_candidates_max * 4, 4);

/** The record of a key that `findKeys` found. */
export function candidateKey(index: u32): usize {
  return <usize>load<u32>(candidates + ((<usize>index) << 2));
}

/**
 * Finds the keys to try for a token's `kid` (size 0 where it has none) and algorithm.
 * @returns how many there are, or a `Find`
 */
export function findKeys(set: KeySet, kid: usize, kidSize: u32, algorithm: u32): u32 {
  const found = gather(set, kid, kidSize, algorithm, kidSize == 0);
  if (found != 0 || kidSize == 0) return found;
  return hasKeyNamed(set, kid, kidSize) ? Find.UNFIT : gather(set, kid, 0, algorithm, false);
}

/** Whether any key of a set has the ID, whatever it is for. A size of 0 is none, which no key has. */
export function hasKeyNamed(set: KeySet, kid: usize, kidSize: u32): bool {
  if (kidSize == 0) return false;
  const end = set.keys + <usize>set.keyCount * layout.key_record_bytes;
  for (let key = set.keys; key < end; key += layout.key_record_bytes) {
    if (isNamed(set, key, kid, kidSize)) return true;
  }
  return false;
}

/** @param isAny whether the ID is of no account; else a key has just that, and with a size of 0 it has none */
function gather(set: KeySet, kid: usize, kidSize: u32, algorithm: u32, isAny: bool): u32 {
  const end = set.keys + <usize>set.keyCount * layout.key_record_bytes;
  let count: u32 = 0;
  for (let key = set.keys; key < end; key += layout.key_record_bytes) {
    if (((load<u32>(key, layout.key_algorithms_at) >> algorithm) & 1) == 0) continue;
    if ((!isAny && !isNamed(set, key, kid, kidSize)) || isGathered(set, key, count)) continue;
    if (count == key_candidates_max) return Find.SEVERAL;
    store<u32>(candidates + ((<usize>count) << 2), <u32>key);
    count++;
  }
  return count;
}

function isNamed(set: KeySet, key: usize, kid: usize, kidSize: u32): bool {
  if (load<u32>(key + layout.key_kid_at, 4) != kidSize) return false;
  return sameBytes(set.base + <usize>load<u32>(key, layout.key_kid_at), kid, kidSize);
}

/** Whether the very same key is among the first so many that were found. */
function isGathered(set: KeySet, key: usize, count: u32): bool {
  for (let index: u32 = 0; index < count; index++) {
    if (isSame(set, candidateKey(index), key)) return true;
  }
  return false;
}

function isSame(set: KeySet, one: usize, other: usize): bool {
  const size = load<u32>(one, layout.key_public_at + 4);
  if (size != load<u32>(other, layout.key_public_at + 4)) return false;
  if (load<u32>(one, layout.key_exponent_at) != load<u32>(other, layout.key_exponent_at)) return false;
  const text = set.base + <usize>load<u32>(other, layout.key_public_at);
  return sameBytes(set.base + <usize>load<u32>(one, layout.key_public_at), text, size);
}
