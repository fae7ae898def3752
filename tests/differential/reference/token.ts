/** What a token is worth to an issuer: the order of the checks is that of the reasons. */
import { type Json, parseJson } from "./json.ts";
import { type Place, tokenAt } from "./places.ts";
import type { Issuer, Policy } from "./policy.ts";
import { furthest, type Reason } from "./reasons.ts";
import { type Arrived, identityFault } from "./request.ts";

export type Claims = Map<string, Json>;

/** Taken apart; not verified. */
interface Parsed {
  place: Place;
  algorithm: string;
  kid: string | undefined;
  typ: Json | undefined;
  claims: Claims;
  signed: string;
  signature: Uint8Array;
}

/** One request's worth of what tokens are held against. */
export interface Bearer {
  arrived: Arrived;
  /** The caller, and the certificate it has shown. */
  caller: string | null;
  digest: string | null;
  nowSeconds: number;
}

/** A good token, and what there is to say of it, for counting. */
export interface Good {
  claims: Claims;
  traits: string[];
}

/** The claims of a token that is good for one of the issuers, or why it is for none. */
export function checkToken(bearer: Bearer, issuers: readonly Issuer[]): Good | Reason {
  const results = issuers.map((issuer) => checkIssuer(bearer, issuer));
  const good = results.find((result) => typeof result !== "string");
  return good ?? furthest(results.filter((result) => typeof result === "string"))!;
}

/** The SPIFFE ID that a JWT-SVID says, or why there is none. */
export function checkSvid(bearer: Bearer, { svids, svidPlaces }: Policy): { id: string } | Reason {
  const found = readTokens(bearer.arrived, svidPlaces);
  if (typeof found === "string") return found;
  if (found.length > 1) return "token_malformed";
  const token = found[0]!;
  if (![undefined, "JWT", "JOSE"].includes(token.typ as string | undefined)) return "token_malformed";
  const id = token.claims.get("sub");
  if (typeof id !== "string") return "identity_malformed";
  if (identityFault(id, []) === "identity_malformed") return "identity_malformed";
  const issuer = svids.get(id.split("/")[2]!);
  if (issuer === undefined) return "identity_untrusted";
  const reason = checkSignature(token, issuer);
  if (reason !== "allowed") return reason;
  const claims = checkClaims(token.claims, issuer, bearer.nowSeconds);
  return claims === "allowed" ? { id } : claims;
}

/** The tokens at some places. One that cannot be read names nobody, so that nothing is known then. */
function readTokens(arrived: Arrived, places: readonly Place[]): Parsed[] | Reason {
  const found = places
    .map((place) => ({ place, token: tokenAt(place, arrived) }))
    .filter(({ token }) => token !== undefined);
  if (found.length === 0) return "token_missing";
  const parsed = found.map(({ place, token }) => (token == null ? "token_malformed" : takeApart(token, place)));
  const bad = parsed.findLast((one) => typeof one === "string");
  return bad ?? parsed.filter((one) => typeof one !== "string");
}

function checkIssuer(bearer: Bearer, issuer: Issuer): Good | Reason {
  const found = readTokens(bearer.arrived, issuer.places);
  if (typeof found === "string") return found;
  const named = found.filter(({ claims }) => claims.get("iss") === issuer.issuer);
  if (named.length === 0) return "token_issuer";
  if (named.length > 1) return "token_malformed";
  const [token] = named as [Parsed];
  const reason = checkSignature(token, issuer);
  if (reason !== "allowed") return reason;
  const claims = checkClaims(token.claims, issuer, bearer.nowSeconds);
  if (claims !== "allowed") return claims;
  if (!isBound(token.claims, issuer, bearer)) return "token_binding";
  const traits = [`token ${token.algorithm}`, `token in ${token.place.kind}`, `token bound to ${issuer.bind}`];
  if (found.length > 1) traits.push("token beside another");
  return { claims: token.claims, traits };
}

/** RFC 8705 §3.1, or the caller by its ID; never to a key for which no proof is asked (RFC 9449). */
function isBound(claims: Claims, { bind }: Issuer, { caller, digest }: Bearer): boolean {
  const cnf = claims.get("cnf");
  if (cnf instanceof Map && cnf.has("jkt")) return false;
  if (bind === "none") return true;
  if (bind === "caller") return caller !== null && claims.get("sub") === caller;
  const thumbprint = cnf instanceof Map ? cnf.get("x5t#S256") : undefined;
  if (typeof thumbprint !== "string" || digest === null || !/^[0-9a-f]{64}$/iu.test(digest)) return false;
  return thumbprint === Buffer.from(digest, "hex").toString("base64url");
}

const algorithms = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA".split(" ");

function takeApart(token: string, place: Place): Parsed | Reason {
  if (token.length > 8192) return "token_too_large";
  const parts = token.split(".");
  if (parts.length !== 3 || parts[0] === "" || parts[1] === "") return "token_malformed";
  const bytes = parts.map((part) => Buffer.from(part, "base64url"));
  if (bytes.some((part, index) => part.toString("base64url") !== parts[index])) return "token_malformed";
  const header = parseJson(bytes[0]!);
  if (!(header instanceof Map) || header.has("crit") || header.has("b64")) return "token_malformed";
  const kid = header.get("kid");
  if (kid !== undefined && (typeof kid !== "string" || kid === "")) return "token_malformed";
  const algorithm = header.get("alg");
  if (typeof algorithm !== "string") return "token_malformed";
  // An algorithm that no issuer can have ends the matter before the claims are looked at.
  if (!algorithms.includes(algorithm)) return "token_algorithm";
  const claims = parseJson(bytes[1]!);
  if (!(claims instanceof Map)) return "token_malformed";
  const typ = header.get("typ");
  return { place, algorithm, kid, typ, claims, signed: `${parts[0]}.${parts[1]}`, signature: bytes[2]! };
}

/** Whether a token is signed by one key of the issuer that fits, and no other does. */
function checkSignature({ algorithm, kid, signed, signature }: Parsed, issuer: Issuer): Reason {
  if (!issuer.algorithms.includes(algorithm)) return "token_algorithm";
  const named = kid === undefined ? issuer.keys : issuer.keys.filter((key) => key.kid === kid);
  const candidates = named.filter((key) => key.algorithms.includes(algorithm));
  if (candidates.length > 1) return "token_key_unknown";
  if (candidates.length === 0) return kid !== undefined && named.length > 0 ? "token_algorithm" : "token_key_unknown";
  return candidates[0]!.verifies(algorithm, signed, signature) ? "allowed" : "token_signature";
}

/** A NumericDate in whole seconds; null where a claim is there and is none. */
function date(value: Json | undefined): number | null | undefined {
  if (value === undefined) return undefined;
  const seconds = typeof value === "bigint" || typeof value === "number" ? Math.floor(Number(value)) : -1;
  return seconds < 0 || seconds > Number.MAX_SAFE_INTEGER ? null : seconds;
}

function checkClaims(claims: Claims, issuer: Issuer, now: number): Reason {
  const { leewaySeconds: leeway, maxLifetimeSeconds } = issuer;
  const [expires, notBefore, issuedAt] = ["exp", "nbf", "iat"].map((name) => date(claims.get(name)));
  if (claims.has("sub") && typeof claims.get("sub") !== "string") return "token_claims";
  if (expires === undefined || expires === null || notBefore === null || issuedAt === null) return "token_claims";
  if (now >= expires + leeway) return "token_expired";
  if ((notBefore ?? 0) > now + leeway || (issuedAt ?? 0) > now + leeway) return "token_not_yet_valid";
  if (maxLifetimeSeconds !== Infinity && (issuedAt === undefined || expires - issuedAt > maxLifetimeSeconds)) {
    return "token_lifetime";
  }
  const audience = claims.get("aud");
  if (audience === undefined) return "token_audience";
  const audiences = Array.isArray(audience) ? audience : [audience];
  if (audiences.some((one) => typeof one !== "string")) return "token_claims";
  return audiences.some((one) => issuer.audiences.includes(one as string)) ? "allowed" : "token_audience";
}

/** Whether a token carries all of a rule's scopes. */
export function hasScopes(claims: Claims, wanted: readonly string[]): boolean {
  const scope = claims.get("scope") ?? (claims.has("scope") ? null : claims.get("scp"));
  const isList = !claims.has("scope") && Array.isArray(scope);
  const held = isList ? scope : typeof scope === "string" ? scope.split(" ") : [];
  return wanted.every((one) => held.includes(one));
}
