/**
 * The key a token is verified with: chosen by issuer and `kid`, and only if it fits the algorithm, so that no token can
 * have an RSA key used for anything but RSA (RFC 8725 §3.1).
 */
import { sameBytes } from "../bytes/span";
import * as layout from "../policy/layout";
import { Reason } from "../reason";
import { Flaw } from "../token/flaw";
import { note, Token } from "../token/slot";
import { KeySet } from "./keyset";

/** The record of the key found last. */
export let keyRecord: usize = 0;

/**
 * Finds the key for a token. One that names no key is verified only where exactly one key of the set fits: trying several
 * would multiply what a flood of tokens costs. The same holds for a `kid` that several keys have, which RFC 7517 §4.5 allows
 * for keys of different types. TOKEN_KEY_UNKNOWN, TOKEN_ALGORITHM, or ALLOWED.
 */
export function findKey(set: KeySet, token: Token): Reason {
  const algorithm: u32 = (<u32>1) << token.algorithm;
  const end = set.keys + <usize>set.keyCount * layout.key_record_bytes;
  let named: u32 = 0;
  let fitting: u32 = 0;
  for (let key = set.keys; key < end; key += layout.key_record_bytes) {
    if (token.kidSize != 0 && !isNamed(set, key, token)) continue;
    named++;
    if ((load<u32>(key, layout.key_algorithms) & algorithm) == 0) continue;
    fitting++;
    keyRecord = key;
  }
  if (fitting == 1) return Reason.ALLOWED;
  if (fitting > 1) return note(token.kidSize == 0 ? Flaw.KID_MISSING : Flaw.KID_SHARED, Reason.TOKEN_KEY_UNKNOWN);
  if (token.kidSize != 0 && named != 0) return note(Flaw.KEY_TYPE, Reason.TOKEN_ALGORITHM);
  return note(Flaw.KEY_ABSENT, Reason.TOKEN_KEY_UNKNOWN);
}

function isNamed(set: KeySet, key: usize, token: Token): bool {
  if (load<u32>(key + layout.key_kid, 4) != token.kidSize) return false;
  return sameBytes(set.base + <usize>load<u32>(key, layout.key_kid), token.kidStart, token.kidSize);
}
