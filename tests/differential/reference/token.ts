/** What a token is worth to an issuer: the order of the checks is that of the reasons. */
import { type Json, parseJson } from "./json.ts";
import type { Issuer } from "./policy.ts";
import { furthest, type Reason } from "./reasons.ts";

export type Claims = Map<string, Json>;

/** Taken apart; not verified. */
interface Parsed {
  algorithm: string;
  kid: string | undefined;
  claims: Claims;
  signed: string;
  signature: Uint8Array;
}

/** The claims of a token that is good for one of the issuers, or why it is for none. */
export function checkToken(
  authorization: readonly string[],
  issuers: readonly Issuer[],
  nowSeconds: number,
): { claims: Claims } | Reason {
  if (authorization.length === 0) return "token_missing";
  if (authorization.length > 1) return "token_malformed";
  if (!authorization[0]!.startsWith("Bearer ")) return "token_missing";
  const token = authorization[0]!.slice("Bearer ".length);
  if (token.length > 8192) return "token_too_large";
  const parsed = takeApart(token);
  if (typeof parsed === "string") return parsed;
  const reasons: Reason[] = issuers.map((issuer) => checkIssuer(parsed, issuer, nowSeconds));
  return reasons.includes("allowed") ? { claims: parsed.claims } : furthest(reasons)!;
}

const algorithms = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"];

function takeApart(token: string): Parsed | Reason {
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
  return { algorithm, kid, claims, signed: `${parts[0]}.${parts[1]}`, signature: bytes[2]! };
}

function checkIssuer(token: Parsed, issuer: Issuer, nowSeconds: number): Reason {
  const { algorithm, kid, claims } = token;
  if (claims.get("iss") !== issuer.issuer) return "token_issuer";
  if (!issuer.algorithms.includes(algorithm)) return "token_algorithm";
  const fits = issuer.keys.filter((key) => key.algorithms.includes(algorithm));
  const candidates = kid === undefined ? fits : issuer.keys.filter((key) => key.kid === kid);
  if (candidates.length !== 1) return "token_key_unknown";
  const key = candidates[0]!;
  if (!key.algorithms.includes(algorithm)) return "token_algorithm";
  if (!key.verifies(algorithm, token.signed, token.signature)) return "token_signature";
  return checkClaims(claims, issuer, nowSeconds);
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
