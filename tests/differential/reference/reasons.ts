/** The reason codes in the order of the checks: of two, the later one in this list came further. */
const order = [
  "allowed",
  "no_rule",
  "rule_denied",
  "headers_too_large",
  "body_too_large",
  "request_malformed",
  "path_ambiguous",
  "identity_missing",
  "identity_malformed",
  "identity_untrusted",
  "identity_expired",
  "quarantined",
  "grant_inactive",
  "token_missing",
  // Headers that are too large as well, and reported so.
  "token_too_large",
  "token_malformed",
  "token_issuer",
  "token_algorithm",
  "token_key_unknown",
  "token_signature",
  // Malformed as well, and reported so, but by a token whose signature is known to be good.
  "token_claims_malformed",
  "token_expired",
  "token_not_yet_valid",
  "token_lifetime",
  "token_audience",
  "token_claims",
  "token_binding",
  "scope_missing",
  "condition_false",
  "condition_error",
  "limit_exceeded",
  // Whether it would have admitted is not known.
  "keys_unavailable",
  // A limit of the fleet whose service does not answer, and that denies then.
  "internal",
] as const;

export type Reason = (typeof order)[number];

/** The reason that came furthest; of equal ones the first. Undefined of none. */
export function furthest(reasons: readonly Reason[]): Reason | undefined {
  return reasons.reduce<Reason | undefined>(
    (best, one) => (best === undefined || order.indexOf(one) > order.indexOf(best) ? one : best),
    undefined,
  );
}

/** The code as it is reported. */
export function reasonName(reason: Reason): string {
  if (reason === "token_too_large") return "headers_too_large";
  return reason === "token_claims_malformed" ? "token_malformed" : reason;
}

/** The HTTP status by the table "Reasons and responses" of docs/policy-language.md. */
export function statusOf(reason: Reason): number {
  if (reason === "allowed") return 200;
  if (reason === "headers_too_large" || reason === "token_too_large") return 431;
  if (reason === "body_too_large") return 413;
  if (reason === "request_malformed" || reason === "path_ambiguous") return 400;
  if (reason.startsWith("token_")) return 401;
  if (reason === "keys_unavailable" || reason === "internal") return 503;
  return reason === "limit_exceeded" ? 429 : 403;
}

/** All codes that a request can be answered with, for counting. */
export const reasonNames: readonly string[] = [...new Set(order.map(reasonName))];
