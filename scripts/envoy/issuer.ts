/** A token issuer made on the spot: its keys, its JWKS, and tokens signed by it, good ones and others. */
import { exportJWK, type JWK, type JWTPayload, SignJWT } from "jose";
import { makeKeyPair } from "../common/keypair.ts";

/** The algorithms a made issuer has a key for. */
export type IssuerAlgorithm = "RS256" | "ES256";

/** What a token shall say. Times are in seconds from now. */
export interface TokenRequest {
  /** Claims of its own; they win over the ones below. A claim set to undefined is left out. */
  claims?: JWTPayload;
  /** Default RS256. */
  algorithm?: IssuerAlgorithm;
  /** Seconds from now to `exp`; negative for an expired token. Default 300. */
  expiresInSeconds?: number;
  /** Seconds from now to `iat`. Default 0. */
  issuedInSeconds?: number;
  /** Header parameters to add or change, for example `kid`. */
  header?: Record<string, unknown>;
}

/** An issuer that exists only here. */
export interface LocalIssuer {
  /** The value of `iss`. */
  issuer: string;
  /** Its public keys, one for each algorithm, as a JSON Web Key Set. */
  jwks: { keys: JWK[] };
  /** A signed token. */
  token(request?: TokenRequest): Promise<string>;
}

/**
 * Makes an issuer with fresh keys.
 * @param options.issuer the value of `iss`.
 * @param options.audience the value of `aud`.
 * @param options.keyIdPrefix what its key IDs begin with. Two issuers made with the same values differ only in their
 *   keys: the second one is a forger of the first one's tokens.
 */
export async function makeIssuer(options: {
  issuer: string;
  audience: string | string[];
  keyIdPrefix?: string;
}): Promise<LocalIssuer> {
  const prefix = options.keyIdPrefix ?? "local";
  const keys = {
    RS256: makeKeyPair("rsa", { modulusLength: 2048 }),
    ES256: makeKeyPair("ec", { namedCurve: "P-256" }),
  };
  const publicKey = async (algorithm: IssuerAlgorithm): Promise<JWK> => ({
    ...(await exportJWK(keys[algorithm].publicKey)),
    kid: keyId(prefix, algorithm),
    alg: algorithm,
    use: "sig",
  });
  return {
    issuer: options.issuer,
    jwks: { keys: [await publicKey("RS256"), await publicKey("ES256")] },
    token: (request = {}) => {
      const algorithm = request.algorithm ?? "RS256";
      const nowSeconds = Math.floor(Date.now() / 1000);
      const claims: JWTPayload = {
        iss: options.issuer,
        aud: options.audience,
        iat: nowSeconds + (request.issuedInSeconds ?? 0),
        exp: nowSeconds + (request.expiresInSeconds ?? 300),
        ...request.claims,
      };
      return new SignJWT(JSON.parse(JSON.stringify(claims)) as JWTPayload)
        .setProtectedHeader({ alg: algorithm, kid: keyId(prefix, algorithm), typ: "JWT", ...request.header })
        .sign(keys[algorithm].privateKey);
    },
  };
}

function keyId(prefix: string, algorithm: IssuerAlgorithm): string {
  return `${prefix}-${algorithm.toLowerCase()}`;
}

/** The same claims under a header that says `alg: none`, with no signature: what a naive verifier would take. */
export function stripSignature(token: string): string {
  const [header = "", payload = ""] = token.split(".");
  const changed = { ...(JSON.parse(Buffer.from(header, "base64url").toString("utf8")) as object), alg: "none" };
  return `${Buffer.from(JSON.stringify(changed)).toString("base64url")}.${payload}.`;
}
