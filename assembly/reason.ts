/**
 * The reason codes: one list for the engine, the command line and the documents. A code's name is part of the public
 * contract and never changes; its number is private and may. The order is that of the checks, so that of two
 * reasons the greater came further (decision/evaluate.ts). Both compilers read this file.
 */
export const enum Reason {
  ALLOWED = 0,
  NO_RULE,
  RULE_DENIED,
  HEADERS_TOO_LARGE,
  BODY_TOO_LARGE,
  REQUEST_MALFORMED,
  PATH_AMBIGUOUS,
  IDENTITY_MISSING,
  IDENTITY_MALFORMED,
  IDENTITY_UNTRUSTED,
  IDENTITY_EXPIRED,
  /** Told by a table, before any rule is looked at. */
  QUARANTINED,
  GRANT_INACTIVE,
  TOKEN_MISSING,
  /** Larger than the policy allows: named as HEADERS_TOO_LARGE is. */
  TOKEN_TOO_LARGE,
  TOKEN_MALFORMED,
  TOKEN_ISSUER,
  TOKEN_ALGORITHM,
  TOKEN_KEY_UNKNOWN,
  TOKEN_SIGNATURE,
  /** Malformed like TOKEN_MALFORMED, and named so, but seen only once the signature was known to be good. */
  TOKEN_CLAIMS_MALFORMED,
  TOKEN_EXPIRED,
  TOKEN_NOT_YET_VALID,
  TOKEN_LIFETIME,
  TOKEN_AUDIENCE,
  TOKEN_CLAIMS,
  TOKEN_BINDING,
  SCOPE_MISSING,
  CONDITION_FALSE,
  CONDITION_ERROR,
  LIMIT_EXCEEDED,
  /** The keys of the token's issuer have never come, so whether a rule would have admitted is not known: it outweighs what is. */
  KEYS_UNAVAILABLE,
  INTERNAL,
  COUNT,
}

/** The stable name of a reason, as it stands in records, metrics and policy tests. */
export function reasonName(reason: Reason): string {
  switch (reason) {
    case Reason.ALLOWED:
      return "allowed";
    case Reason.NO_RULE:
      return "no_rule";
    case Reason.RULE_DENIED:
      return "rule_denied";
    case Reason.HEADERS_TOO_LARGE:
    case Reason.TOKEN_TOO_LARGE:
      return "headers_too_large";
    case Reason.BODY_TOO_LARGE:
      return "body_too_large";
    case Reason.REQUEST_MALFORMED:
      return "request_malformed";
    case Reason.PATH_AMBIGUOUS:
      return "path_ambiguous";
    case Reason.IDENTITY_MISSING:
      return "identity_missing";
    case Reason.IDENTITY_MALFORMED:
      return "identity_malformed";
    case Reason.IDENTITY_UNTRUSTED:
      return "identity_untrusted";
    case Reason.IDENTITY_EXPIRED:
      return "identity_expired";
    case Reason.QUARANTINED:
      return "quarantined";
    case Reason.GRANT_INACTIVE:
      return "grant_inactive";
    case Reason.TOKEN_MISSING:
      return "token_missing";
    case Reason.TOKEN_MALFORMED:
    case Reason.TOKEN_CLAIMS_MALFORMED:
      return "token_malformed";
    case Reason.TOKEN_ISSUER:
      return "token_issuer";
    case Reason.TOKEN_ALGORITHM:
      return "token_algorithm";
    case Reason.TOKEN_KEY_UNKNOWN:
      return "token_key_unknown";
    case Reason.TOKEN_SIGNATURE:
      return "token_signature";
    case Reason.TOKEN_EXPIRED:
      return "token_expired";
    case Reason.TOKEN_NOT_YET_VALID:
      return "token_not_yet_valid";
    case Reason.TOKEN_LIFETIME:
      return "token_lifetime";
    case Reason.TOKEN_AUDIENCE:
      return "token_audience";
    case Reason.TOKEN_CLAIMS:
      return "token_claims";
    case Reason.TOKEN_BINDING:
      return "token_binding";
    case Reason.SCOPE_MISSING:
      return "scope_missing";
    case Reason.CONDITION_FALSE:
      return "condition_false";
    case Reason.CONDITION_ERROR:
      return "condition_error";
    case Reason.LIMIT_EXCEEDED:
      return "limit_exceeded";
    case Reason.KEYS_UNAVAILABLE:
      return "keys_unavailable";
    default:
      return "internal";
  }
}

/** The HTTP status a denial is answered with; 200 stands for "passed on". */
export function reasonStatus(reason: Reason): u32 {
  if (reason == Reason.ALLOWED) return 200;
  if (reason == Reason.HEADERS_TOO_LARGE || reason == Reason.TOKEN_TOO_LARGE) return 431;
  if (reason == Reason.BODY_TOO_LARGE) return 413;
  if (reason == Reason.REQUEST_MALFORMED || reason == Reason.PATH_AMBIGUOUS) return 400;
  if (reason >= Reason.TOKEN_MISSING && reason <= Reason.TOKEN_BINDING) return 401;
  if (reason == Reason.LIMIT_EXCEEDED) return 429;
  if (reason >= Reason.KEYS_UNAVAILABLE) return 503;
  return 403;
}

/** Whether a quarantine may count denials for a reason: not those that a caller cannot help, nor its own. */
export function isCountable(reason: Reason): boolean {
  return (
    reason > Reason.ALLOWED &&
    reason < Reason.COUNT &&
    reason != Reason.QUARANTINED &&
    reason != Reason.KEYS_UNAVAILABLE &&
    reason != Reason.INTERNAL
  );
}
