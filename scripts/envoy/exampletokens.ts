/**
 * Tokens to try a policy with. They are signed by the private keys that `sallyport init` writes beside a policy, for as long
 * as the policy believes the public halves of them. JWT-SVIDs are made in the same way, where the key of a bundle is there.
 */
import { createPublicKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { importJWK, type JWK, type JWTPayload, SignJWT } from "jose";
import { privateKeyPath } from "../policy/check/example.ts";
import { algorithm_names } from "../policy/language/algorithms.ts";
import type { Issuer, Policy } from "../policy/language/model.ts";
import { reasonOf } from "../policy/source/read.ts";
import { claimWith, typOf } from "../policytest/mint.ts";

/** A token that was made. */
export interface MadeToken {
  token: string;
  expires: Date;
}

/** Makes tokens of one issuer, or JWT-SVIDs of one trust domain. The claims are those that are not the same for all. */
export type Signer = (claims: JWTPayload) => Promise<MadeToken>;

/** Who can sign, and why somebody whose private key is there cannot. */
export interface Signers {
  signers: ReadonlyMap<Issuer, Signer>;
  problems: string[];
}

/** How long a token lives where the issuer does not limit it: as long as anybody tries a policy in one go. */
const longestSeconds = 12 * 3600;

/** The signers of a policy's issuers and trust domains whose private keys lie beside the policy. */
export async function findSigners(policy: Policy, policyPath: string): Promise<Signers> {
  const signers = new Map<Issuer, Signer>();
  const problems: string[] = [];
  for (const issuer of [...policy.issuers, ...policy.svids]) {
    const path = join(dirname(policyPath), privateKeyPath(issuer.name));
    try {
      const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      });
      if (text !== undefined) {
        signers.set(issuer, await makeSigner(issuer, policy.svids.includes(issuer), JSON.parse(text) as JWK));
      }
    } catch (error) {
      problems.push(`no token of ${issuer.name} was made with ${path}: ${reasonOf(error)}`);
    }
  }
  return { signers, problems };
}

/** Throws an Error where the key is none, or none of the issuer's. */
async function makeSigner(issuer: Issuer, isSvid: boolean, key: JWK): Promise<Signer> {
  const spki = createPublicKey({ key: key as Record<string, unknown>, format: "jwk" }).export({
    format: "der",
    type: "spki",
  });
  const known = issuer.keySet.keys.find((one) => Buffer.compare(one.spki, spki) === 0);
  if (known === undefined) throw new Error("the policy's keys for this issuer do not include it");
  const algorithm = algorithm_names.find(
    (name, number) => (known.algorithms & (1 << number)) !== 0 && issuer.algorithms.includes(name),
  );
  if (algorithm === undefined) throw new Error("the issuer's `algorithms` do not include one for this key");

  const signingKey = await importJWK(key, algorithm);
  return async (claims) => {
    const issuedSeconds = Math.floor(Date.now() / 1000);
    const lifetimeSeconds = Math.min(issuer.maxLifetimeSeconds || longestSeconds, longestSeconds);
    const token = await new SignJWT({
      ...(isSvid ? {} : { iss: issuer.issuer }),
      ...(issuer.audiences[0] !== undefined && claimWith(issuer.audienceClaim, issuer.audiences[0])),
      ...claims,
      iat: issuedSeconds,
      exp: issuedSeconds + lifetimeSeconds,
    })
      .setProtectedHeader({
        alg: algorithm,
        ...(isSvid ? { typ: "JWT" } : typOf(issuer.types)),
        ...(known.kid !== "" && { kid: known.kid }),
      })
      .sign(signingKey);
    return { token, expires: new Date((issuedSeconds + lifetimeSeconds) * 1000) };
  };
}
