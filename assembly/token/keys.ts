/**
 * The key a token is verified with: chosen by issuer and `kid`, and only if it fits the algorithm, so that no token can
 * have an RSA key used for anything but RSA (RFC 8725 §3.1).
 */
import { sameBytes } from "../bytes/span";
import * as layout from "../policy/layout";
import { issuerAt, Policy, recordAt, textSize, textStart } from "../policy/policy";
import { Reason } from "../reason";
import { jws } from "./jws";

/** The record of the key found last. */
export let keyRecord: usize = 0;

/**
 * Finds the key for the token in `jws`. A token that names no key is verified only where exactly one key of the issuer
 * fits: trying several would multiply what a flood of tokens costs. TOKEN_KEY_UNKNOWN, TOKEN_ALGORITHM, or ALLOWED.
 */
export function findKey(policy: Policy, issuer: u32): Reason {
  const record = issuerAt(policy, issuer);
  const first = load<u32>(record, layout.issuer_keys_run);
  const count = load<u32>(record, layout.issuer_keys_run + 4);
  const algorithm: u32 = (<u32>1) << jws.algorithm;
  keyRecord = 0;
  for (let index: u32 = 0; index < count; index++) {
    const key = recordAt(policy, layout.section_keys, first + index);
    const kid = key + layout.key_kid;
    const fits = (load<u32>(key, layout.key_algorithms) & algorithm) != 0;
    if (jws.kidSize == 0) {
      if (!fits) continue;
      if (keyRecord != 0) return Reason.TOKEN_KEY_UNKNOWN;
      keyRecord = key;
    } else if (textSize(kid) == jws.kidSize && sameBytes(textStart(policy, kid), jws.kidStart, jws.kidSize)) {
      keyRecord = key;
      return fits ? Reason.ALLOWED : Reason.TOKEN_ALGORITHM;
    }
  }
  return keyRecord == 0 ? Reason.TOKEN_KEY_UNKNOWN : Reason.ALLOWED;
}
