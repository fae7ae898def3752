/** Making the token a test describes, signed by a key of the runner's own. */

import { algorithmNumber } from "../policy/language/algorithms.ts";
import { composeIssuer, type TemplatePart } from "../policy/language/template.ts";
import { usual_terms } from "../policy/language/terms.ts";
import { standInKey } from "./keys.ts";
import type { ClaimsToken } from "./token.ts";

/** What a token's sound values come from. */
export interface MintingIssuer {
  /** `iss`; undefined: its tokens have none. */
  iss: string | undefined;
  /** What `iss` is made of, and what its claims are where the test does not say. */
  template?: readonly TemplatePart[];
  tenant?: string;
  audiences: readonly string[];
  /** The names that lead to the claim with the audience, and the values of `typ` that it accepts; usual ones by default. */
  audienceClaim?: readonly string[];
  types?: readonly string[];
  /** The numbers of the algorithms the issuer may use. */
  algorithms: readonly number[];
  /** The longest lifetime the issuer may give, in seconds; 0 for any. */
  lifetimeSeconds: number;
}

/** How long a token lives that does not say: long enough for any test, short enough to be usual. */
const defaultLifetimeSeconds = 300;

/** A token that cannot be made as described. */
export class MintError extends Error {
  override name = "MintError";
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Claims that have a value at a path. */
export function claimWith(path: readonly string[], value: string): Record<string, unknown> {
  return path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as Record<string, unknown>;
}

/** The `typ` of tokens of an issuer that accepts some: `JWT` where that is one. */
export function typOf(types = usual_terms.types): { typ?: string } {
  if (types.includes("jwt")) return { typ: "JWT" };
  return types[0] === undefined || types[0] === "" ? {} : { typ: types[0] };
}

/** The members of `given` over those of `sound`; null leaves out one of `sound`, and is itself elsewhere. */
function withDefaults(
  sound: Record<string, unknown>,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries({ ...sound, ...given }).filter(([name, value]) => value !== null || !(name in sound)),
  );
}

/** `iss`, with the claims that it is made of. */
function issuerClaims(
  { iss, template, tenant }: MintingIssuer,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  if (template === undefined) return iss === undefined ? {} : { iss };
  const names = template.map(({ claim }) => claim).filter((claim) => claim !== "");
  const claims = Object.fromEntries(names.map((name) => [name, given[name] ?? tenant]));
  return { iss: composeIssuer(template, claims), ...claims };
}

/**
 * Makes the compact serialization (RFC 7515 §7.1). `alg` in the header chooses the key, the issuer's first algorithm if it
 * is not there; `none` leaves the signature empty.
 * @param nowSeconds the test's clock, seconds since 1970
 * @param more further claims that are sound unless the token says otherwise
 */
export function mintToken(
  token: ClaimsToken,
  issuer: MintingIssuer,
  nowSeconds: number,
  more: Readonly<Record<string, unknown>> = {},
): string {
  const wanted = token.header.alg;
  const algorithm = typeof wanted === "string" ? algorithmNumber(wanted) : issuer.algorithms[0];
  if (algorithm === undefined && wanted !== "none") throw new MintError(`the runner cannot sign with alg ${wanted}`);
  const key = algorithm === undefined ? undefined : standInKey(algorithm);
  const lifetime = issuer.lifetimeSeconds === 0 ? defaultLifetimeSeconds : issuer.lifetimeSeconds;
  const iat = Math.floor(nowSeconds);
  const sound = {
    ...issuerClaims(issuer, token.claims),
    ...(issuer.audiences.length > 0 &&
      claimWith(issuer.audienceClaim ?? usual_terms.audienceClaim, issuer.audiences[0]!)),
    iat,
    exp: iat + Math.min(defaultLifetimeSeconds, lifetime),
    ...more,
  };
  const header = withDefaults(
    { alg: key?.name ?? "none", ...typOf(issuer.types), ...(key && { kid: key.kid }) },
    token.header,
  );
  const input = `${base64url(header)}.${base64url(withDefaults(sound, token.claims))}`;
  const signature = key === undefined ? "" : Buffer.from(key.sign(input)).toString("base64url");
  return `${input}.${signature}`;
}
