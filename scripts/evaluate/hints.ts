/** What people want to know of a token besides its reason: what its issuer asks for, beside what the token says. */

import { printable } from "../common/screen.ts";
import type { Issuer, Policy } from "../policy/language/model.ts";
import type { TokenReport } from "./token.ts";

type Claims = TokenReport["claims"];

/** Above it a NumericDate (RFC 7519 §2) lies more than 3000 years ahead: milliseconds, most likely. */
const latest_likely_seconds = 1e11;

/** Whether a NumericDate is likely to have been given in milliseconds. */
export function isMilliseconds(value: unknown): value is number {
  return typeof value === "number" && value > latest_likely_seconds;
}

/**
 * What the issuer's terms are, where the token does not meet them.
 * @param issuer the one that it was judged by
 */
export function termsHint({ reason, claims }: TokenReport, issuer: Issuer): string | undefined {
  switch (reason) {
    case "token_issuer":
      return `the \`iss\` of \`${issuer.name}\` is ${issuer.issuer}, ${said("iss", claims)}`;
    case "token_audience":
      return `\`${issuer.name}\` accepts the audiences ${issuer.audiences.join(", ")}; ${said("aud", claims)}`;
    case "token_lifetime":
      return `the longest that \`${issuer.name}\` may issue for is ${issuer.maxLifetimeSeconds} s; ${lifetime(claims)}`;
    default:
      return undefined;
  }
}

/** The issuers there are, for a token whose `iss` is none of theirs. */
export function issuersHint({ issuers }: Policy, claims: Claims): string {
  const list = issuers.map(({ name, issuer }) => `\`${name}\` (${issuer})`).join(", ");
  return `no issuer of the policy has this \`iss\`: ${said("iss", claims)}, and there are ${list}`;
}

/** Whether a token that no issuer has issued looks like a JWT-SVID, which by itself has no `iss` to judge it by. */
export function isSvid({ issuers, svids }: Policy, claims: Claims): boolean {
  if (svids.length === 0 || issuers.some(({ issuer }) => issuer === claims?.iss)) return false;
  return typeof claims?.sub === "string" && claims.sub.startsWith("spiffe://");
}

export const svid_hint =
  "its `sub` is a SPIFFE ID, so this is a JWT-SVID, which says who a caller is: `sallyport explain --svid` judges it";

function said(name: string, claims: Claims): string {
  const value = claims?.[name];
  return value === undefined ? `the token has no \`${name}\`` : `the token's is ${printable(JSON.stringify(value))}`;
}

function lifetime(claims: Claims): string {
  const { iat, exp } = claims ?? {};
  if (typeof iat !== "number" || typeof exp !== "number") return "how long this one was issued for it does not say";
  return `this one was issued for ${exp - iat} s (from \`iat\` to \`exp\`)`;
}
