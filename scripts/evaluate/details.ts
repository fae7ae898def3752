/** What is wrong with a token, by the names of the engine's own list (assembly/detail.ts), in words for people. */

import { Detail, detailName } from "../../assembly/detail.ts";
import {
  json_depth_max,
  json_members_max,
  json_nodes_max,
  kid_bytes_max,
  signature_bytes_max,
} from "../../assembly/limits.ts";

/** The names of the engine's list: one that is added there needs its words here. */
export type DetailName = Lowercase<Exclude<keyof typeof Detail, "NONE" | "COUNT_OF_DETAILS">>;

/** Every name. */
export const detailNames = Array.from({ length: Detail.COUNT_OF_DETAILS - 1 }, (_, number) =>
  detailName(number + 1),
) as readonly DetailName[];

const words: Readonly<Record<DetailName, string>> = {
  several_headers: "the header that carries the token stands several times in the request",
  several_tokens: "the request has several tokens that could be the one, and the filter does not choose",
  scheme:
    "the header is there, but what stands before the token is not the prefix, which is compared exactly: `bearer` is not `Bearer`",
  query: "the query could be read in two ways, so no token is taken from it",
  parts:
    "it is not of three parts with dots between them (header, claims, signature), or one of the first two is empty",
  encrypted: "it has five parts, so it is encrypted (JWE, RFC 7516); the filter takes signed tokens",
  base64:
    "a part is not in base64url without padding (RFC 7515 §2): it has white space, `=`, `+`, `/` or a comma in it, or its end is cut off or made up",
  header_json: "the header is no JSON object",
  claims_json: "the claims are no JSON object",
  duplicate_member:
    "a name stands twice in one JSON object of the header or the claims, and parsers differ on which one counts",
  nesting: `its JSON has lists or objects more than ${json_depth_max} deep`,
  count: `its JSON has more than ${json_nodes_max} names and values, or more than ${json_members_max} members in one object`,
  text: "a string in its JSON has a control character or NUL, an escape JSON does not know, half a surrogate pair, or bytes that are no UTF-8",
  number:
    "a number in its JSON is one that readers take differently: `01`, `5.`, more than 19 digits, or an exponent beyond what they hold",
  crit: "the header has `crit` (RFC 7515 §4.1.11): extensions that must be understood, of which the filter knows none",
  b64: "the header has `b64` (RFC 7797): the payload is not encoded as tokens are",
  kid: `\`kid\` is not a string of 1 to ${kid_bytes_max} bytes`,
  alg: "the header has no `alg`, or one that is no string",
  alg_none: "`alg` is `none`: it has no signature, so anybody could have written it",
  alg_secret: "`alg` is of a shared secret (HS…): who can check such a token could make one, so none is taken",
  alg_unknown: "`alg` is no algorithm the filter knows; names are compared exactly",
  alg_refused: "`alg` is not among the `algorithms` of the issuer",
  key_type: "the key with this `kid` is of another type or curve, or for another `alg`",
  key_absent: "the issuer has no key with this `kid`, or none that fits this `alg`",
  kid_missing: "the token names no key, and several keys of the issuer fit its `alg`",
  kid_shared: "several keys of the issuer have this `kid` and fit this `alg`",
  signature_size: `the signature has not the size it has with this \`alg\`, or more than ${signature_bytes_max} bytes; of ECDSA it is r and s side by side (RFC 7518 §3.4), not DER`,
  signature_range: "r or s of the signature is zero, or not below the order of the curve",
  signature_wrong: "the key does not verify the signature: the token was changed, or signed with another key",
  exp_missing: "there is no `exp`: the token would be good for ever",
  exp: "`exp` is not the seconds since 1970, a number in digits without sign, quotes or exponent",
  nbf: "`nbf` lies in the future, or is not the seconds since 1970, a number in digits without sign, quotes or exponent",
  iat: "`iat` lies in the future, or is not the seconds since 1970, a number in digits without sign, quotes or exponent",
  sub: "`sub` is no string, or where it says who the caller is, no SPIFFE ID",
  aud: "`aud` is neither a string nor a list of strings",
  aud_missing: "there is no `aud`: nothing says whom the token is for",
  lifetime_unknown:
    "there is no `iat`, so nobody can tell for how long the token was issued, which the issuer's `maxLifetime` bounds",
  cnf_missing: "there is no `cnf.x5t#S256` (RFC 8705 §3.1), so the token is bound to no certificate",
  cnf_key:
    "`cnf.jkt` binds the token to a key of the caller's (DPoP, RFC 9449), for which the filter asks no proof: it is not taken as a bearer token",
  cnf_other: "`cnf.x5t#S256` is the digest of another certificate than the caller's: the token is somebody else's",
  certificate_missing: "the caller showed no certificate, and the token is bound to one",
  sub_other: "`sub` is not the caller's SPIFFE ID: the token is somebody else's",
  typ: "`typ` is neither `JWT` nor `JOSE`, which a JWT-SVID's is where it has one",
};

/** A detail in words. */
export function detailWords(name: DetailName): string {
  return words[name];
}
