/** Reason codes by number and name, from the engine's own list. */
import { Reason, reasonName } from "../../assembly/reason.ts";

/** Every code, `allowed` first. */
export const reasonNames: readonly string[] = Array.from({ length: Reason.COUNT }, (_, number) => reasonName(number));

/** The number of a code; that of `internal` for one that is not known. */
export function reasonNumber(name: string): number {
  const number = reasonNames.indexOf(name);
  return number < 0 ? Reason.INTERNAL : number;
}

const words: Readonly<Record<string, string>> = {
  allowed: "let through",
  no_rule: "no rule of the policy speaks of this caller and this request",
  rule_denied: "a deny rule matches",
  headers_too_large: "the headers, or what they hold, take more room than the filter has",
  request_malformed:
    "the request lacks something every request has, or has it in a form that two readers could take differently",
  path_ambiguous: "the path could be read in two ways",
  identity_missing: "the caller showed no certificate with a SPIFFE ID",
  identity_malformed: "the caller's ID is not a valid SPIFFE ID",
  identity_untrusted: "the caller's trust domain is not among those trusted",
  identity_expired: "the caller's certificate has ended while its connection was open",
  grant_inactive: "the rule does not hold yet, or not any more",
  token_missing: "there is no token",
  token_too_large: "the token is larger than any the filter reads",
  token_malformed: "the token is not a well-formed JWS, or its claims lack `exp` or have members of a wrong type",
  token_issuer: "`iss` is not the issuer's",
  token_algorithm: "`alg` is not one the issuer may use",
  token_key_unknown: "the issuer has no key with this `kid` for this `alg`",
  token_signature: "the signature does not fit the token",
  token_expired: "`exp` has passed",
  token_not_yet_valid: "`nbf` or `iat` lies in the future",
  token_lifetime: "the token was issued for longer than the issuer may",
  token_audience: "`aud` names none of the accepted audiences",
  token_binding: "the token is bound to another caller or certificate",
  scope_missing: "a scope the rule asks for is not in the token",
  condition_false: "its `when` does not hold",
  condition_error: "its `when` could not be evaluated",
  limit_exceeded: "a rate limit has no room",
  internal: "the filter itself failed",
};

/** A reason in words, for people. */
export function reasonWords(name: string): string {
  return words[name] ?? name;
}
