/**
 * Tokens to try a policy with. They are signed by the private keys that `sallyport init` writes beside a policy, for as long
 * as the policy believes the public halves of them.
 */
import { createPublicKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { importJWK, type JWK, SignJWT } from "jose";
import { algorithm_names } from "../policy/algorithms.ts";
import type { Issuer, Policy } from "../policy/model.ts";
import { reasonOf } from "../policy/read.ts";

/** A token of one issuer, good for every rule that takes the issuer's tokens. */
export interface ExampleToken {
  /** The issuer's name in the policy. */
  issuer: string;
  token: string;
  scopes: string[];
  expires: Date;
}

/** The tokens there are, and why there is none of an issuer whose private key is there. */
export interface ExampleTokens {
  tokens: ExampleToken[];
  problems: string[];
}

/** How long a token lives where the issuer does not limit it: as long as anybody tries a policy in one go. */
const longestSeconds = 12 * 3600;

/** Where the private key of an issuer's examples lies, relative to the policy's folder. */
export function privateKeyPath(issuer: string): string {
  return join(".sallyport", `${issuer}.private.jwk.json`);
}

/** Makes a token for each issuer whose private key lies beside the policy, with all scopes that the rules ask of it. */
export async function makeExampleTokens(policy: Policy, policyPath: string): Promise<ExampleTokens> {
  const made: ExampleTokens = { tokens: [], problems: [] };
  for (const issuer of policy.issuers) {
    const path = join(dirname(policyPath), privateKeyPath(issuer.name));
    try {
      const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      });
      if (text !== undefined) made.tokens.push(await makeToken(policy, issuer, JSON.parse(text) as JWK));
    } catch (error) {
      made.problems.push(`no token of ${issuer.name} was made with ${path}: ${reasonOf(error)}`);
    }
  }
  return made;
}

/** Throws an Error where the key is none, or none of the issuer's. */
async function makeToken(policy: Policy, issuer: Issuer, key: JWK): Promise<ExampleToken> {
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

  const scopes = [
    ...new Set(policy.rules.filter(({ issuers }) => issuers.includes(issuer.name)).flatMap((rule) => rule.scopes)),
  ];
  const issuedSeconds = Math.floor(Date.now() / 1000);
  const lifetimeSeconds = Math.min(issuer.maxLifetimeSeconds || longestSeconds, longestSeconds);
  const token = await new SignJWT({
    iss: issuer.issuer,
    aud: issuer.audiences[0]!,
    sub: "example",
    ...(scopes.length > 0 && { scope: scopes.join(" ") }),
    iat: issuedSeconds,
    exp: issuedSeconds + lifetimeSeconds,
  })
    .setProtectedHeader({ alg: algorithm, typ: "JWT", ...(known.kid !== "" && { kid: known.kid }) })
    .sign(await importJWK(key, algorithm));
  return { issuer: issuer.name, token, scopes, expires: new Date((issuedSeconds + lifetimeSeconds) * 1000) };
}
