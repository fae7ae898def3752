/** Public keys of a JWKS, and what they verify (RFC 7515 §5.2, RFC 7518 §3, RFC 8037 §3.1). */
import { constants, createPublicKey, type JsonWebKey, type KeyObject, verify } from "node:crypto";

export type Jwk = JsonWebKey & { kid?: string; alg?: string; use?: string };

export interface VerifyingKey {
  kid: string | undefined;
  /** What makes it the key that it is. */
  material: string;
  /** The algorithms it fits. */
  algorithms: string[];
  /** Whether a signature over a text is this key's. */
  verifies(algorithm: string, text: string, signature: Uint8Array): boolean;
}

const fitting: Record<string, string[]> = {
  RSA: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  "P-256": ["ES256"],
  "P-384": ["ES384"],
  "P-521": ["ES512"],
  Ed25519: ["EdDSA"],
};

/** Key sets are asked for once a policy, and there are few of them. */
const known = new Map<string, VerifyingKey>();

/** The keys that may verify tokens of issuers. */
export function keysOf(jwks: readonly Jwk[]): VerifyingKey[] {
  return jwks.filter(({ use }) => use === undefined || use === "sig").map(keyOf);
}

/** The keys of a SPIFFE bundle that may verify JWT-SVIDs, which EdDSA never does (SPIFFE JWT-SVID §2.1). */
export function svidKeysOf(jwks: readonly Jwk[]): VerifyingKey[] {
  return jwks.filter(({ use, crv }) => use === "jwt-svid" && crv !== "Ed25519").map(keyOf);
}

/** EdDSA may be called by its curve (RFC 9864). */
export function nameOf(alg: string): string {
  return alg === "Ed25519" ? "EdDSA" : alg;
}

function keyOf(jwk: Jwk): VerifyingKey {
  const text = JSON.stringify(jwk);
  let key = known.get(text);
  if (key === undefined) {
    const all = fitting[jwk.kty === "RSA" ? "RSA" : jwk.crv!] ?? [];
    const algorithms = jwk.alg === undefined ? all : all.filter((name) => name === nameOf(jwk.alg!));
    const { kid, crv, x, y, e } = jwk;
    const material = JSON.stringify([
      crv,
      x,
      y,
      e,
      jwk.n && BigInt(`0x${Buffer.from(jwk.n, "base64url").toString("hex")}`).toString(),
    ]);
    key = { kid, material, algorithms, verifies: verifierOf(createPublicKey({ key: jwk, format: "jwk" })) };
    known.set(text, key);
  }
  return key;
}

/** Tokens come again and again, and verifying is what costs. */
function verifierOf(key: KeyObject): VerifyingKey["verifies"] {
  const seen = new Map<string, boolean>();
  return (algorithm, text, signature) => {
    const id = `${algorithm} ${text} ${Buffer.from(signature).toString("base64")}`;
    let valid = seen.get(id);
    if (valid === undefined) {
      valid = verify(hashOf(algorithm), Buffer.from(text), { key, ...signedAs(algorithm) }, signature);
      if (seen.size > 10_000) seen.clear();
      seen.set(id, valid);
    }
    return valid;
  };
}

/** Ed25519 brings its own. */
function hashOf(algorithm: string): string | null {
  return algorithm === "EdDSA" ? null : `sha${algorithm.slice(2)}`;
}

/** How a signature is made. A salt is as long as the hash (RFC 7518 §3.5). */
function signedAs(algorithm: string): { dsaEncoding: "ieee-p1363" } | { padding: number; saltLength: number } {
  if (!algorithm.startsWith("PS")) return { dsaEncoding: "ieee-p1363" };
  return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(algorithm.slice(2)) / 8 };
}
