/**
 * The key a token is verified with: chosen by issuer and `kid`, and only if it fits the algorithm, so that no token can
 * have an RSA key used for anything but RSA (RFC 8725 §3.1).
 */
import { sameBytes } from "../bytes/span";
import * as layout from "../policy/layout";
import { KeySet } from "./keyset";

export const enum Find {
  FOUND = 0,
  /** No key has the ID; without an ID, none fits the algorithm. */
  ABSENT,
  /** Keys have the ID, but none fits the algorithm. */
  UNFIT,
  /** Several have the ID and fit; without an ID, several fit. */
  SEVERAL,
}

/** The record of the key found last. */
export let keyRecord: usize = 0;

/**
 * Finds the key for a token's `kid` (size 0 where it has none) and algorithm. A token that names no key is verified only where
 * exactly one key of the set fits: trying several would multiply what a flood of tokens costs. The same holds for a `kid` that
 * several keys have, which RFC 7517 §4.5 allows for keys of different types.
 */
export function findKey(set: KeySet, kid: usize, kidSize: u32, algorithm: u32): Find {
  const end = set.keys + <usize>set.keyCount * layout.key_record_bytes;
  let named: u32 = 0;
  let fitting: u32 = 0;
  for (let key = set.keys; key < end; key += layout.key_record_bytes) {
    if (kidSize != 0 && !isNamed(set, key, kid, kidSize)) continue;
    named++;
    if (((load<u32>(key, layout.key_algorithms_at) >> algorithm) & 1) == 0) continue;
    fitting++;
    keyRecord = key;
  }
  if (fitting == 1) return Find.FOUND;
  if (fitting > 1) return Find.SEVERAL;
  return kidSize != 0 && named != 0 ? Find.UNFIT : Find.ABSENT;
}

function isNamed(set: KeySet, key: usize, kid: usize, kidSize: u32): bool {
  if (load<u32>(key + layout.key_kid_at, 4) != kidSize) return false;
  return sameBytes(set.base + <usize>load<u32>(key, layout.key_kid_at), kid, kidSize);
}
