/**
 * The reasons in words, by the engine's own list (assembly/reason.ts): one that is added there has to be added here. The
 * tables of docs/policy-language.md are made from it.
 */
import { Reason, reasonName, reasonStatus } from "../../assembly/reason.ts";

/** A reason code. TOKEN_CLAIMS_MALFORMED is named as TOKEN_MALFORMED is, and TOKEN_TOO_LARGE as HEADERS_TOO_LARGE. */
export type ReasonName = Lowercase<
  Exclude<keyof typeof Reason, "TOKEN_CLAIMS_MALFORMED" | "TOKEN_TOO_LARGE" | "COUNT">
>;

/** Every code by its number. */
const numbered = Array.from({ length: Reason.COUNT }, (_, number) => reasonName(number)) as ReasonName[];

/** Every code once, `allowed` first, in the order of the checks. */
export const reasonNames: readonly ReasonName[] = [...new Set(numbered)];

/** The number of a code. */
export function reasonNumber(name: ReasonName): number {
  return numbered.indexOf(name);
}

/** The HTTP status that a denial is answered with. */
export function statusOf(name: ReasonName): number {
  return reasonStatus(reasonNumber(name));
}

/** How requests are answered: a kind of reasons has one gRPC status, and the same headers. */
export const responses = {
  allowed: { meaning: "allowed", grpc: undefined, headers: "" },
  too_large: {
    meaning: "headers, or what they hold, larger than the filter has room for, or than the rule allows",
    grpc: 8,
    headers: "",
  },
  body: { meaning: "a body that is larger than the rule allows", grpc: 8, headers: "" },
  malformed: { meaning: "malformed request", grpc: 3, headers: "" },
  type: { meaning: "a body of another type than the rule reads", grpc: 3, headers: "" },
  slow: { meaning: "a body that did not come in time", grpc: 4, headers: "" },
  hold: { meaning: "a body that the host does not hand over", grpc: 14, headers: "" },
  identity: { meaning: "no acceptable identity", grpc: 7, headers: "" },
  token: { meaning: "no acceptable token", grpc: 16, headers: "`WWW-Authenticate` (RFC 6750 §3)" },
  quarantine: { meaning: "denied too often", grpc: 7, headers: "`Retry-After`" },
  grant: { meaning: "the rule does not hold yet, or not any more", grpc: 7, headers: "" },
  scope: { meaning: "scope missing", grpc: 7, headers: "`WWW-Authenticate` with `insufficient_scope`" },
  condition: { meaning: "condition does not hold, or cannot be evaluated", grpc: 7, headers: "" },
  policy: { meaning: "denied by policy", grpc: 7, headers: "" },
  limit: { meaning: "rate limit", grpc: 8, headers: "`Retry-After`, `RateLimit`, `RateLimit-Policy`" },
  keys: { meaning: "keys that have not come yet", grpc: 14, headers: "`Retry-After`" },
  failure: { meaning: "our own failure", grpc: 14, headers: "" },
} as const;

/** The parts of a rule that a reason may be about. */
export type FailedPart = "size" | "time" | "token" | "scopes" | "body" | "when" | "limit";

/** What there is to say of a reason. */
interface ReasonEntry {
  /** For people: it follows the code in what the command line says. */
  words: string;
  response: keyof typeof responses;
  /** The part of a rule that does not hold. */
  part?: FailedPart;
  /** The keys of that part, where it has none of its own name or several. */
  keys?: readonly string[];
}

export const reasons: Readonly<Record<ReasonName, ReasonEntry>> = {
  allowed: { words: "let through", response: "allowed" },
  no_rule: { words: "no rule of the policy speaks of this caller and this request", response: "policy" },
  rule_denied: { words: "a deny rule matches", response: "policy" },
  headers_too_large: {
    words: "the headers, or what they hold, take more room than the filter has, or than the rule allows",
    response: "too_large",
    part: "size",
    keys: ["maxHeaderBytes", "maxQueryBytes"],
  },
  body_too_large: {
    words: "the body is larger than the rule allows",
    response: "body",
    part: "size",
    keys: ["maxBodyBytes"],
  },
  request_malformed: {
    words: "the request lacks something every request has, or has it in a form that two readers could take differently",
    response: "malformed",
  },
  path_ambiguous: { words: "the path could be read in two ways", response: "malformed" },
  identity_missing: { words: "the caller showed no certificate with a SPIFFE ID", response: "identity" },
  identity_malformed: { words: "the caller's ID is not a valid SPIFFE ID", response: "identity" },
  identity_untrusted: { words: "the caller's trust domain is not among those trusted", response: "identity" },
  identity_expired: {
    words: "the caller's certificate has ended while its connection was open",
    response: "identity",
  },
  quarantined: {
    words: "who calls was denied too often, and is shut out for a while",
    response: "quarantine",
  },
  grant_inactive: {
    words: "the rule does not hold yet, or not any more",
    response: "grant",
    part: "time",
    keys: ["starts", "expires"],
  },
  token_missing: { words: "there is no token", response: "token", part: "token" },
  token_malformed: {
    words: "the token is not a well-formed JWS, or its claims lack `exp` or have members of a wrong type",
    response: "token",
    part: "token",
  },
  token_issuer: { words: "`iss` is not the issuer's", response: "token", part: "token" },
  token_algorithm: { words: "`alg` is not one the issuer may use", response: "token", part: "token" },
  token_key_unknown: {
    words: "the issuer has no key with this `kid` for this `alg`",
    response: "token",
    part: "token",
  },
  token_signature: { words: "the signature does not fit the token", response: "token", part: "token" },
  token_expired: { words: "`exp` has passed", response: "token", part: "token" },
  token_not_yet_valid: { words: "`nbf` or `iat` lies in the future", response: "token", part: "token" },
  token_lifetime: { words: "the token was issued for longer than the issuer may", response: "token", part: "token" },
  token_audience: { words: "`aud` names none of the accepted audiences", response: "token", part: "token" },
  token_claims: {
    words: "a claim is not of the type that the issuer's `claims` say, or is missing where it must be there",
    response: "token",
    part: "token",
  },
  token_binding: { words: "the token is bound to another caller or certificate", response: "token", part: "token" },
  scope_missing: { words: "a scope the rule asks for is not in the token", response: "scope", part: "scopes" },
  body_unavailable: {
    words: "the host does not hand over the body while the headers are held, or the client waits to be asked for it",
    response: "hold",
    part: "body",
    keys: [],
  },
  body_timeout: { words: "the body did not come in time", response: "slow", part: "body", keys: [] },
  body_unsupported: { words: "the body is not JSON, by its headers", response: "type", part: "body", keys: [] },
  body_malformed: {
    words: "the body is no JSON, or none that all readers take alike, or has no calls of its protocol",
    response: "malformed",
    part: "body",
    keys: [],
  },
  call_refused: {
    words: "the request has more calls, or larger ones, than the policy admits, or a call that it admits to nobody",
    response: "policy",
  },
  condition_false: { words: "its `when` does not hold", response: "condition", part: "when" },
  condition_error: {
    words: "its `when` or its `cost` could not be evaluated",
    response: "condition",
    part: "when",
    keys: ["when", "cost"],
  },
  limit_exceeded: { words: "a rate limit has no room", response: "limit", part: "limit" },
  keys_unavailable: {
    words: "the keys of the token's issuer have not been fetched yet, and none are embedded",
    response: "keys",
    part: "token",
  },
  internal: { words: "the filter itself failed", response: "failure" },
};

/** A reason in words, for people. */
export function reasonWords(name: ReasonName): string {
  return reasons[name].words;
}
