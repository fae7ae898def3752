/**
 * The algorithms a token may be signed with (RFC 7518 §3.1, RFC 8037 §3.1), one bit each in the masks of issuers and keys.
 * Shared-secret algorithms and `none` have no row, so no policy, key or token can name them into being. Both compilers read
 * this file.
 *
 *   bit   alg     key                 hash     verified by
 *   0-2   RS…     RSA, PKCS #1 v1.5   SHA-2    the host, or the module
 *   3     ES256   EC, P-256           SHA-256  the host, or the module
 *   4     ES384   EC, P-384           SHA-384  the host, or the module
 *   5     ES512   EC, P-521           SHA-512  the host, or the module
 *   6-8   PS…     RSA, PSS            SHA-2    the module
 *   9     EdDSA   OKP, Ed25519        SHA-512  the module
 *
 * `Ed25519` (RFC 9864 §2.2) is another name of the last: EdDSA is used with that curve alone.
 */
export const algorithm_rs256: u32 = 0;
export const algorithm_rs384: u32 = 1;
export const algorithm_rs512: u32 = 2;
export const algorithm_es256: u32 = 3;
export const algorithm_es384: u32 = 4;
export const algorithm_es512: u32 = 5;
export const algorithm_ps256: u32 = 6;
export const algorithm_ps384: u32 = 7;
export const algorithm_ps512: u32 = 8;
export const algorithm_eddsa: u32 = 9;
export const algorithm_count: u32 = 10;

/** The name of EdDSA that says its curve. */
export const eddsa_other_name = "Ed25519";

/** Those that Envoy's `verify_signature` knows. */
export const host_algorithms: u32 = 0x3f;
/** Those a JWT-SVID may be signed with (SPIFFE JWT-SVID §2.1). */
export const svid_algorithms: u32 = 0x1ff;

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
    case algorithm_es512:
      return "ES512";
    case algorithm_ps256:
      return "PS256";
    case algorithm_ps384:
      return "PS384";
    case algorithm_ps512:
      return "PS512";
    default:
      return "EdDSA";
  }
}

/** Bytes of the hash of an algorithm; Ed25519 hashes with SHA-512 (RFC 8032 §5.1). */
export function hashBytes(algorithm: u32): u32 {
  switch (algorithm) {
    case algorithm_rs256:
    case algorithm_es256:
    case algorithm_ps256:
      return 32;
    case algorithm_rs384:
    case algorithm_es384:
    case algorithm_ps384:
      return 48;
    default:
      return 64;
  }
}

/** The name the host's `verify_signature` knows the algorithm's hash by. */
export function algorithmHash(algorithm: u32): string {
  switch (<u32>hashBytes(algorithm)) {
    case 32:
      return "sha256";
    case 48:
      return "sha384";
    default:
      return "sha512";
  }
}

/** Bytes of one of the two numbers of an ECDSA signature (RFC 7518 §3.4), or 0 for others. */
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
