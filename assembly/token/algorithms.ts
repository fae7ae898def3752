/**
 * The algorithms a token may be signed with (RFC 7518 §3.1), one bit each in the masks of issuers and keys. Shared-secret
 * algorithms and `none` have no row, so no policy, key or token can name them into being. Both compilers read this file.
 *
 *   bit   alg     key                 hash     verified by
 *   0-2   RS…     RSA, PKCS #1 v1.5   SHA-2    the host
 *   3     ES256   EC, P-256           SHA-256  the host
 *   4     ES384   EC, P-384           SHA-384  the host
 *   5     ES512   EC, P-521           SHA-512  the host
 */
export const algorithm_rs256: u32 = 0;
export const algorithm_rs384: u32 = 1;
export const algorithm_rs512: u32 = 2;
export const algorithm_es256: u32 = 3;
export const algorithm_es384: u32 = 4;
export const algorithm_es512: u32 = 5;
export const algorithm_count: u32 = 6;

/** The `alg` value of an algorithm's number. */
export function algorithmName(algorithm: u32): string {
  switch (algorithm) {
    case algorithm_rs256:
      return "RS256";
    case algorithm_rs384:
      return "RS384";
    case algorithm_rs512:
      return "RS512";
    case algorithm_es256:
      return "ES256";
    case algorithm_es384:
      return "ES384";
    default:
      return "ES512";
  }
}

/** The name the host's `verify_signature` knows the algorithm's hash by. */
export function algorithmHash(algorithm: u32): string {
  switch (algorithm) {
    case algorithm_rs256:
    case algorithm_es256:
      return "sha256";
    case algorithm_rs384:
    case algorithm_es384:
      return "sha384";
    default:
      return "sha512";
  }
}

/** Bytes of one of the two numbers of an ECDSA signature (RFC 7518 §3.4), or 0 for RSA. */
export function ecdsaNumberBytes(algorithm: u32): u32 {
  switch (algorithm) {
    case algorithm_es256:
      return 32;
    case algorithm_es384:
      return 48;
    case algorithm_es512:
      return 66;
    default:
      return 0;
  }
}
