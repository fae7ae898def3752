/** What is wrong with a token, or with a request for a limit or a bound on sizes, by the names of the engine's own list (assembly/detail.ts), in words for people. */

import { Detail, detailName } from "../../assembly/detail.ts";
import {
  json_depth_max,
  json_members_max,
  json_nodes_max,
  json_unread_depth_max,
  key_candidates_max,
  kid_bytes_max,
  signature_bytes_max,
  usual_token_bytes_max,
} from "../../assembly/limits.ts";

/** The names of the engine's list: one that is added there needs its words here. */
export type DetailName = Lowercase<Exclude<keyof typeof Detail, "NONE" | "COUNT_OF_DETAILS">>;

/** Every name. */
export const detailNames = Array.from({ length: Detail.COUNT_OF_DETAILS - 1 }, (_, number) =>
  detailName(number + 1),
) as readonly DetailName[];

const words: Readonly<Record<DetailName, string>> = {
  several_headers:
    "the header that carries the token stands several times in the request, or has the token behind a tab or another scheme",
  several_tokens: "the request has several tokens that could be the one, and the filter does not choose",
  scheme:
    "the header is there, but what stands before the token is not the prefix: `Bearer` and a blank, in any case, or another one exactly as the policy writes it",
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
  nesting: `its JSON has lists or objects more than ${json_depth_max + json_unread_depth_max} deep`,
  count: `its JSON has more than ${json_nodes_max} names and values (for each ${usual_token_bytes_max} bytes of \`tokenBytes\`), or more than ${json_members_max} members in one object`,
  text: "a string in its JSON has a control character or NUL, an escape JSON does not know, half a surrogate pair, or bytes that are no UTF-8",
  number: "what begins like a number in its JSON is none: `01`, `5.`, `1e`",
  crit: "the header has `crit` (RFC 7515 §4.1.11): extensions that must be understood, of which the filter knows none",
  b64: "the header has `b64` (RFC 7797): the payload is not encoded as tokens are",
  kid: `\`kid\` is not a string of 1 to ${kid_bytes_max} bytes`,
  alg: "the header has no `alg`, or one that is no string",
  alg_none: "`alg` is `none`: it has no signature, so anybody could have written it",
  alg_secret: "`alg` is of a shared secret (HS…): who can check such a token could make one, so none is taken",
  alg_unknown: "`alg` is no algorithm the filter knows; names are compared exactly",
  alg_refused: "`alg` is not among the `algorithms` of the issuer",
  key_type: "the key with this `kid` is of another type or curve, or for another `alg`",
  key_absent: "the issuer has no key with this `kid` and none without one, or none that fits this `alg`",
  kid_missing: `the token has no \`kid\`, or none that a key of the issuer has, and more than ${key_candidates_max} keys fit its \`alg\`: so many are tried`,
  kid_shared: `more than ${key_candidates_max} keys of the issuer have this \`kid\` and fit this \`alg\`: so many are tried`,
  signature_size: `the signature has not the size it has with this \`alg\`, or more than ${signature_bytes_max} bytes; of ECDSA it is r and s side by side (RFC 7518 §3.4), not DER`,
  signature_range: "r or s of the signature is zero, or not below the order of the curve",
  signature_wrong: "no key that may be its verifies the signature: the token was changed, or signed with another key",
  exp_missing: "there is no `exp`: the token would be good for ever",
  exp: "`exp` is not the seconds since 1970, a number in digits without sign, quotes or exponent",
  nbf: "`nbf` lies in the future, or is not the seconds since 1970, a number in digits without sign, quotes or exponent",
  iat: "`iat` lies in the future, or is not the seconds since 1970, a number in digits without sign, quotes or exponent",
  sub: "`sub` is no string, or where it says who the caller is, no SPIFFE ID",
  aud: "`aud`, or the claim that the issuer's `audienceFrom` names, is neither a string nor a list of strings",
  aud_missing:
    "there is no `aud`, or not the claim that the issuer's `audienceFrom` names: nothing says whom the token is for",
  lifetime_unknown:
    "there is no `iat`, so nobody can tell for how long the token was issued, which the issuer's `maxLifetime` bounds",
  cnf_missing: "there is no `cnf.x5t#S256` (RFC 8705 §3.1), so the token is bound to no certificate",
  cnf_key:
    "`cnf.jkt` binds the token to a key of the caller's (DPoP, RFC 9449), for which the filter asks no proof: it is not taken as a bearer token",
  cnf_other: "`cnf.x5t#S256` is the digest of another certificate than the caller's: the token is somebody else's",
  certificate_missing: "the caller showed no certificate, and the token is bound to one",
  sub_other: "`sub` is not the caller's SPIFFE ID: the token is somebody else's",
  opaque:
    "it has no dots, so it is no JWT but an opaque token, which only its issuer could look up (RFC 7662), and the filter asks nobody; have the issuer give out JWTs as access tokens",
  token_too_large: `the token has more bytes than the policy allows: its \`tokenBytes\`, or ${usual_token_bytes_max}`,
  typ: "`typ` is that of another kind of token: an issuer's tokens have `JWT`, `at+jwt` or none, or one of the issuer's `types`; a JWT-SVID has `JWT`, `JOSE` or none",
  source_forwarded:
    "`source.ip` is what `x-forwarded-for` says, which no rule takes: set `use_remote_address: true` in Envoy's connection manager, or `trust.sourceAddress: forwarded` if a proxy of yours writes it",
  limit_key_absent:
    "the request lacks something that the limit counts by, a claim or a header, or has the header twice, and the limit says `absent: deny`",
  header_bytes: "names and values of all headers, pseudo-headers among them, are more than the rule's `maxHeaderBytes`",
  hops: "the request has made more hops than `most` of the limit, or its header that counts them cannot be read",
  query_bytes: "what stands behind the `?` is more than the rule's `maxQueryBytes`",
  content_type:
    "there is no one `content-type` of JSON: `application/json`, or `application/…+json`, with no charset but UTF-8",
  content_encoding: "the body is compressed, or encoded otherwise: a rule that reads it takes it as it is alone",
  expect:
    "the client waits to be asked for the body (`expect: 100-continue`), and Envoy has the upstream ask (`proxy_100_continue`), which sees nothing before the decision",
  body_empty: "there is no body, and a rule reads it",
  json: "the body is no JSON (RFC 8259)",
  member_case:
    "a member's name differs in case alone from one that the filter reads, for which some readers take it: `Method` for `method`",
  jsonrpc: 'a message is not of JSON-RPC 2.0: an object with `"jsonrpc": "2.0"` and a `method`, or the answer to one',
  batch: "the request has more calls than the policy's `batch`, or than the filter reads",
  call_name: "the call does not say what it is for: `params.name` of a tool or a prompt, `params.uri` of a resource",
  graphql_syntax: "the document is not of GraphQL's grammar (October 2021), or defines types",
  graphql_operation:
    "which operation is meant cannot be told: there are several without `operationName`, or none of that name, or the request is of another form",
  graphql_fragment: "a fragment is missing, is defined twice, or spreads itself",
  graphql_depth: "the operation selects deeper than the policy's `depth`",
  graphql_aliases: "the operation has more aliases than the policy's `aliases`",
  graphql_introspection:
    "the operation asks for the schema (`__schema`, `__type`), and the policy has `introspection: deny`",
  graphql_persisted: "the document that is named is none of the policy's `persisted`, or not the one that comes along",
  graphql_method: "a mutation or a subscription came by GET, or a document stands in the query beside the body",
  fleet_limits:
    "the calls of the request are under several rules with limits of the fleet, which is asked once a request",
  tenant: "the tenant that `iss` names is not among the `tenants` of the issuer",
};

/** A detail in words. */
export function detailWords(name: DetailName): string {
  return words[name];
}

/** The detail of `token_claims` in words: a claim by its names, joined by dots. */
export function claimWords(claim: string): string {
  return `the claim \`${claim}\` is not of the type that the issuer's \`claims\` say, or is missing where it must be there`;
}
