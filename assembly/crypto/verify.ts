/**
 * Verifying signatures in the module itself: for the algorithms no host offers, and for all of them where the host offers none.
 * Everything here is public, keys, texts and signatures, so that nothing in this folder need take the same time for
 * different inputs, and nothing does. Nothing allocates: the numbers lie in static blocks, one verification at a time.
 */
import {
  algorithm_eddsa,
  algorithm_es256,
  algorithm_es384,
  algorithm_es512,
  algorithm_ps256,
  algorithm_ps384,
  algorithm_ps512,
  algorithm_rs256,
  algorithm_rs384,
  algorithm_rs512,
  hashBytes,
} from "./algorithms";
import { verifyEcdsa } from "./ecdsa";
import { verifyEd25519 } from "./ed25519";
import { verifyPkcs1, verifyPss } from "./rsa";

/**
 * Whether the signature is the text's, under an algorithm of crypto/algorithms.ts. Sizes are in bytes. The key is the RSA modulus,
 * big-endian without leading zeros, with its exponent; the EC point x‖y; or the 32 bytes of Ed25519's (the `key_public_at` of
 * policy/layout.ts). The signature is as in JWS: for ECDSA r‖s. False for whatever is malformed.
 */
export function verifyInModule(
  algorithm: u32,
  key: usize,
  keySize: u32,
  exponent: u32,
  signature: usize,
  signatureSize: u32,
  text: usize,
  textSize: u32,
): bool {
  const digestBytes = <u32>hashBytes(algorithm);
  switch (algorithm) {
    case algorithm_rs256:
    case algorithm_rs384:
    case algorithm_rs512:
      return verifyPkcs1(digestBytes, key, keySize, exponent, signature, signatureSize, text, textSize);
    case algorithm_ps256:
    case algorithm_ps384:
    case algorithm_ps512:
      return verifyPss(digestBytes, key, keySize, exponent, signature, signatureSize, text, textSize);
    case algorithm_es256:
    case algorithm_es384:
    case algorithm_es512:
      return verifyEcdsa(algorithm, key, keySize, signature, signatureSize, text, textSize);
    case algorithm_eddsa:
      return verifyEd25519(key, keySize, signature, signatureSize, text, textSize);
    default:
      return false;
  }
}
