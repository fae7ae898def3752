/** The reason codes in the order of the checks: of two, the later one in this list came further. */
const order = [
  "allowed",
  "no_rule",
  "rule_denied",
  "headers_too_large",
  "request_malformed",
  "path_ambiguous",
  "identity_missing",
  "identity_malformed",
  "identity_untrusted",
  "identity_expired",
  "grant_inactive",
  "token_missing",
  "token_too_large",
  "token_malformed",
  "token_issuer",
  "token_algorithm",
  "token_key_unknown",
  "token_signature",
  // Malformed as well, and reported so, but by a token whose signature is known to be good.
  "token_claims",
  "token_expired",
  "token_not_yet_valid",
  "token_lifetime",
  "token_audience",
  "token_binding",
  "scope_missing",
  "condition_false",
  "condition_error",
  "limit_exceeded",
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
  return reason === "token_claims" ? "token_malformed" : reason;
}

/** The HTTP status by the table "Reasons and responses" of docs/policy-language.md. */
export function statusOf(reason: Reason): number {
  if (reason === "allowed") return 200;
  if (reason === "headers_too_large") return 431;
  if (reason === "request_malformed" || reason === "path_ambiguous") return 400;
  if (reason.startsWith("token_")) return 401;
  return reason === "limit_exceeded" ? 429 : 403;
}

/** All codes that a request can be answered with, for counting. */
export const reasonNames: readonly string[] = [...new Set(order.map(reasonName))];
