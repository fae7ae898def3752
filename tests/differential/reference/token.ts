/** What a token is worth to an issuer: the order of the checks is that of the reasons. */
import { type Json, parseJson } from "./json.ts";
import { nameOf } from "./keys.ts";
import { type Place, tokenAt } from "./places.ts";
import { type DeclaredClaim, type Issuer, mediaType, type Policy } from "./policy.ts";
import { furthest, type Reason } from "./reasons.ts";
import { type Arrived, identityFault, withoutAlias } from "./request.ts";

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
  /** Trust domains whose IDs are IDs of another one. */
  aliases: ReadonlyMap<string, string>;
  digest: string | null;
  nowSeconds: number;
}

/** A good token, and what there is to say of it, for counting. */
export interface Good {
  claims: Claims;
  issuer: Issuer;
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
  const named = found.filter(({ claims }) => isIssuedBy(claims, issuer));
  if (named.length === 0) return "token_issuer";
  if (named.length > 1) return "token_malformed";
  const [token] = named as [Parsed];
  const reason = checkSignature(token, issuer);
  if (reason !== "allowed") return reason;
  if (!isAccepted(token.typ, issuer)) return "token_claims_malformed";
  const claims = checkClaims(token.claims, issuer, bearer.nowSeconds);
  if (claims !== "allowed") return claims;
  if (!areTyped(token.claims, issuer.claims)) return "token_claims";
  if (!isBound(token.claims, issuer, bearer)) return "token_binding";
  const traits = [`token ${token.algorithm}`, `token in ${token.place.kind}`, `token bound to ${issuer.bind}`];
  if (found.length > 1) traits.push("token beside another");
  return { claims: token.claims, issuer, traits };
}

function isAccepted(typ: Json | undefined, { types }: Issuer): boolean {
  if (typ !== undefined && typeof typ !== "string") return false;
  return types.includes(typ === undefined ? undefined : mediaType(typ));
}

/** What stands at the end of some names. */
function claimAt(claims: Claims, names: readonly string[]): Json | undefined {
  let value: Json | undefined = claims;
  for (const name of names) value = value instanceof Map ? value.get(name) : undefined;
  return value;
}

/** Whether `iss` is the issuer's, with each `{name}` filled by a claim that is a whole segment of the path, or label of the host. */
function isIssuedBy(claims: Claims, { issuer, tenants }: Issuer): boolean {
  let isWhole = true;
  const whole = issuer.replace(/\{([^}]+)\}/gu, (_, name: string, at: number) => {
    const claim = claims.get(name);
    const isHost = !issuer.slice("https://".length, at).includes("/");
    const form = isHost ? /^(?!-)[a-z0-9-]{1,63}(?<!-)$/iu : /^(?!\.{1,2}$)[\w.~-]+$/u;
    isWhole &&= typeof claim === "string" && form.test(claim) && (tenants === undefined || tenants.includes(claim));
    return String(claim);
  });
  return isWhole && claims.get("iss") === whole;
}

/** RFC 8705 §3.1, or the caller by its ID; never to a key for which no proof is asked (RFC 9449). */
function isBound(claims: Claims, { bind }: Issuer, { caller, aliases, digest }: Bearer): boolean {
  const cnf = claims.get("cnf");
  if (cnf instanceof Map && cnf.has("jkt")) return false;
  if (bind === "none") return true;
  if (bind === "caller") {
    const sub = claims.get("sub");
    return caller !== null && typeof sub === "string" && withoutAlias(sub, aliases) === caller;
  }
  const thumbprint = cnf instanceof Map ? cnf.get("x5t#S256") : undefined;
  if (typeof thumbprint !== "string" || digest === null || !/^[0-9a-f]{64}$/iu.test(digest)) return false;
  return thumbprint === Buffer.from(digest, "hex").toString("base64url");
}

const algorithms = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA".split(" ");

function takeApart(token: string, place: Place): Parsed | Reason {
  if (token.length > place.tokenBytes) return "token_too_large";
  const parts = token.split(".");
  if (parts.length !== 3 || parts[0] === "" || parts[1] === "") return "token_malformed";
  const bytes = parts.map((part) => Buffer.from(part, "base64url"));
  if (bytes.some((part, index) => part.toString("base64url") !== parts[index])) return "token_malformed";
  if (bytes[2]!.length > 1024) return "token_malformed";
  const header = parseJson(bytes[0]!);
  if (!(header instanceof Map) || header.has("crit") || header.has("b64")) return "token_malformed";
  const kid = header.get("kid");
  if (kid !== undefined && (typeof kid !== "string" || kid === "")) return "token_malformed";
  const alg = header.get("alg");
  if (typeof alg !== "string") return "token_malformed";
  const algorithm = nameOf(alg);
  // An algorithm that no issuer can have ends the matter before the claims are looked at.
  if (!algorithms.includes(algorithm)) return "token_algorithm";
  const claims = parseJson(bytes[1]!);
  if (!(claims instanceof Map)) return "token_malformed";
  const typ = header.get("typ");
  return { place, algorithm, kid, typ, claims, signed: `${parts[0]}.${parts[1]}`, signature: bytes[2]! };
}

/** Of so many keys each is tried. */
const most_candidates = 4;

/**
 * Whether a token is signed by a key of the issuer that fits: one of those with its ID; where none has it, one without; for a token
 * without an ID any. The same key again is no further one.
 */
function checkSignature({ algorithm, kid, signed, signature }: Parsed, issuer: Issuer): Reason {
  if (!issuer.algorithms.includes(algorithm)) return "token_algorithm";
  if (issuer.keys === undefined) return "keys_unavailable";
  const isKnown = kid !== undefined && issuer.keys.some((key) => key.kid === kid);
  const named = kid === undefined ? issuer.keys : issuer.keys.filter((key) => key.kid === (isKnown ? kid : undefined));
  const fitting = named.filter((key) => key.algorithms.includes(algorithm));
  const candidates = [...new Map(fitting.map((key) => [key.material, key])).values()];
  if (candidates.length > most_candidates) return "token_key_unknown";
  if (candidates.length === 0) return isKnown ? "token_algorithm" : "token_key_unknown";
  return candidates.some((key) => key.verifies(algorithm, signed, signature)) ? "allowed" : "token_signature";
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
  if (claims.has("sub") && typeof claims.get("sub") !== "string") return "token_claims_malformed";
  if (expires === undefined || expires === null || notBefore === null || issuedAt === null)
    return "token_claims_malformed";
  if (now >= expires + leeway) return "token_expired";
  if ((notBefore ?? 0) > now + leeway || (issuedAt ?? 0) > now + leeway) return "token_not_yet_valid";
  if (maxLifetimeSeconds !== Infinity && (issuedAt === undefined || expires - issuedAt > maxLifetimeSeconds)) {
    return "token_lifetime";
  }
  const { audiences: accepted } = issuer;
  if (accepted === undefined) return "allowed";
  const audience = claimAt(claims, issuer.audienceFrom);
  if (audience === undefined) return "token_audience";
  const audiences = Array.isArray(audience) ? audience : [audience];
  if (audiences.some((one) => typeof one !== "string")) return "token_claims_malformed";
  return audiences.some((one) => accepted.includes(one as string)) ? "allowed" : "token_audience";
}

/** Whether claims are what they are declared to be. A member of a map that is not there is not there either. */
function areTyped(claims: Json | undefined, declared: readonly DeclaredClaim[]): boolean {
  return declared.every(({ name, type, isRequired }) => {
    const value = claims instanceof Map ? claims.get(name) : undefined;
    if (Array.isArray(type)) {
      if (value === undefined ? isRequired : !(value instanceof Map)) return false;
      return areTyped(value, type);
    }
    return value === undefined ? !isRequired : isTyped(value, type);
  });
}

function isTyped(value: Json, type: string): boolean {
  if (type === "any") return true;
  if (type === "list") return Array.isArray(value);
  if (type === "int") return typeof value === "bigint";
  if (type === "double") return typeof value === "bigint" || typeof value === "number";
  return typeof value === (type === "bool" ? "boolean" : type);
}

/** Whether a good token carries all of some scopes, or one of them; one that is left out has no issuer, and none of them. */
export function hasScopes(
  { claims, issuer }: { claims: Claims; issuer?: Issuer },
  wanted: readonly string[],
  held: "every" | "some",
): boolean {
  const scope = (issuer?.scopesFrom ?? []).map((names) => claimAt(claims, names)).find((value) => value !== undefined);
  const has = Array.isArray(scope) ? scope : typeof scope === "string" ? scope.split(" ") : [];
  return wanted[held]((one) => has.includes(one));
}
