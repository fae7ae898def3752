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
  /** The host does not hand over bodies while it holds the headers; or a body has not come in time. */
  BODY_UNAVAILABLE,
  BODY_TIMEOUT,
  /** A body that is not what a rule reads: by its type, or by what is in it. */
  BODY_UNSUPPORTED,
  BODY_MALFORMED,
  /** A call that no policy may admit by the bounds that it sets: too deep, too many, the schema. */
  CALL_REFUSED,
  CONDITION_FALSE,
  CONDITION_ERROR,
  LIMIT_EXCEEDED,
  /** The keys of the token's issuer have never come, so whether a rule would have admitted is not known: it outweighs what is. */
  KEYS_UNAVAILABLE,
  INTERNAL,
  COUNT,
}

/** The stable names of reasons by their numbers, as they stand in records, metrics and policy tests: one text, which takes less room than each by itself. */
export const reason_names =
  "allowed,no_rule,rule_denied,headers_too_large,body_too_large,request_malformed,path_ambiguous,identity_missing,identity_malformed,identity_untrusted,identity_expired,quarantined,grant_inactive,token_missing,headers_too_large,token_malformed,token_issuer,token_algorithm,token_key_unknown,token_signature,token_malformed,token_expired,token_not_yet_valid,token_lifetime,token_audience,token_claims,token_binding,scope_missing,body_unavailable,body_timeout,body_unsupported,body_malformed,call_refused,condition_false,condition_error,limit_exceeded,keys_unavailable,internal";

/** The stable name of a reason, for tools. */
export function reasonName(reason: Reason): string {
  return reason_names.split(",")[reason]!;
}

/** The HTTP status a denial is answered with; 200 stands for "passed on". */
export function reasonStatus(reason: Reason): u32 {
  if (reason == Reason.ALLOWED) return 200;
  if (reason == Reason.HEADERS_TOO_LARGE || reason == Reason.TOKEN_TOO_LARGE) return 431;
  if (reason == Reason.BODY_TOO_LARGE) return 413;
  if (reason == Reason.REQUEST_MALFORMED || reason == Reason.PATH_AMBIGUOUS || reason == Reason.BODY_MALFORMED)
    return 400;
  if (reason == Reason.BODY_TIMEOUT) return 408;
  if (reason == Reason.BODY_UNSUPPORTED) return 415;
  if (reason >= Reason.TOKEN_MISSING && reason <= Reason.TOKEN_BINDING) return 401;
  if (reason == Reason.LIMIT_EXCEEDED) return 429;
  if (reason >= Reason.KEYS_UNAVAILABLE || reason == Reason.BODY_UNAVAILABLE) return 503;
  return 403;
}

/** Whether a quarantine may count denials for a reason: not those that a caller cannot help, nor its own. */
export function isCountable(reason: Reason): boolean {
  return (
    reason > Reason.ALLOWED &&
    reason < Reason.COUNT &&
    reason != Reason.QUARANTINED &&
    reason != Reason.KEYS_UNAVAILABLE &&
    reason != Reason.BODY_UNAVAILABLE &&
    reason != Reason.INTERNAL
  );
}
