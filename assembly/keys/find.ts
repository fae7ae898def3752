/**
 * The key a token is verified with: chosen by issuer and `kid`, and only if it fits the algorithm, so that no token can
 * have an RSA key used for anything but RSA (RFC 8725 §3.1).
 */
import { sameBytes } from "../bytes/span";
import * as layout from "../policy/layout";
import { KeySet } from "./keyset";

/** Why there is no key; no record has an address so low. */
export const enum Find {
  /** No key has the ID; without an ID, none fits the algorithm. */
  ABSENT = 1,
  /** Keys have the ID, but none fits the algorithm. */
  UNFIT,
  /** Several have the ID and fit; without an ID, several fit. */
  SEVERAL,
}

/** Whether what `findKey` answers is a key's record. */
export function isKey(found: usize): bool {
  return found > <usize>Find.SEVERAL;
}

/**
 * Finds the key for a token's `kid` (size 0 where it has none) and algorithm. A token that names no key is verified only where
 * exactly one key of the set fits: trying several would multiply what a flood of tokens costs. The same holds for a `kid` that
 * several keys have, which RFC 7517 §4.5 allows for keys of different types.
 * @returns the key's record, or a `Find`
 */
export function findKey(set: KeySet, kid: usize, kidSize: u32, algorithm: u32): usize {
  const end = set.keys + <usize>set.keyCount * layout.key_record_bytes;
  let named: u32 = 0;
  let fitting: u32 = 0;
  let fit: usize = 0;
  for (let key = set.keys; key < end; key += layout.key_record_bytes) {
    if (kidSize != 0 && !isNamed(set, key, kid, kidSize)) continue;
    named++;
    if (((load<u32>(key, layout.key_algorithms_at) >> algorithm) & 1) == 0) continue;
    fitting++;
    fit = key;
  }
  if (fitting == 1) return fit;
  if (fitting > 1) return Find.SEVERAL;
  return kidSize != 0 && named != 0 ? Find.UNFIT : Find.ABSENT;
}

function isNamed(set: KeySet, key: usize, kid: usize, kidSize: u32): bool {
  if (load<u32>(key + layout.key_kid_at, 4) != kidSize) return false;
  return sameBytes(set.base + <usize>load<u32>(key, layout.key_kid_at), kid, kidSize);
}
