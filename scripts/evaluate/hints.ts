/** What people want to know of a token besides its reason: what its issuer asks for, beside what the token says. */

import { printable } from "../common/screen.ts";
import { printClaimPath } from "../policy/language/claimpath.ts";
import type { Issuer, Policy } from "../policy/language/model.ts";
import { templateClaims } from "../policy/language/template.ts";
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
export function termsHint(report: Pick<TokenReport, "reason" | "claims">, issuer: Issuer): string | undefined {
  const hints = [reasonHint(report, issuer), millisecondsHint(report.claims)].filter((hint) => hint !== undefined);
  return hints.length === 0 ? undefined : hints.join("; ");
}

/** Dates that are likely to have been given in milliseconds. */
function millisecondsHint(claims: Claims): string | undefined {
  const late = ["exp", "nbf", "iat"].filter((name) => isMilliseconds(claims?.[name]));
  if (late.length === 0) return undefined;
  const names = late.map((name) => `\`${name}\``).join(", ");
  return `${names} ${late.length === 1 ? "lies" : "lie"} more than a thousand years ahead: in milliseconds, most likely, but dates in tokens are seconds (RFC 7519 §2)`;
}

function reasonHint({ reason, claims }: Pick<TokenReport, "reason" | "claims">, issuer: Issuer): string | undefined {
  switch (reason) {
    case "token_issuer":
      if (issuer.template.length > 0) return templateHint(issuer, claims);
      return `the \`iss\` of \`${issuer.name}\` is ${issuer.issuer}, ${said(["iss"], claims)}${slashHint([issuer.issuer], [claims?.iss])}`;
    case "token_audience":
      return audienceHint(issuer, claims);
    case "token_lifetime":
      return `the longest that \`${issuer.name}\` may issue for is ${issuer.maxLifetimeSeconds} s; ${lifetime(claims)}`;
    default:
      return undefined;
  }
}

/** What makes the `iss` of an issuer with many tenants another one than the token's. */
function templateHint({ name, issuer, template, tenants }: Issuer, claims: Claims): string {
  const iss = claims?.iss;
  const wanted = typeof iss === "string" ? templateClaims(template, iss) : undefined;
  if (wanted === undefined)
    return `the \`iss\` of \`${name}\` is ${issuer}, where \`{…}\` stands for one whole part; ${said(["iss"], claims)}`;
  const [claim, value] = Object.entries(wanted).find(([one, text]) => claims?.[one] !== text) ?? [];
  if (claim !== undefined)
    return `the \`iss\` of \`${name}\` is ${issuer}, so the claim \`${claim}\` has to be ${JSON.stringify(value)}; ${said([claim], claims)}`;
  if (tenants === undefined)
    return `the \`iss\` of \`${name}\` is ${issuer}, and ${Object.values(wanted).join()} cannot stand there: what a claim stands for is no \`.\` and no \`..\``;
  return `\`${name}\` has ${tenants.length} \`tenants\`, and ${Object.values(wanted).join()} is none of them`;
}

/** The issuers there are, for a token whose `iss` is none of theirs. */
export function issuersHint({ issuers }: Policy, claims: Claims): string {
  const list = issuers.map(({ name, issuer }) => `\`${name}\` (${issuer})`).join(", ");
  return `no issuer of the policy has this \`iss\`: ${said(["iss"], claims)}, and there are ${list}${slashHint(
    issuers.map(({ issuer }) => issuer),
    [claims?.iss],
  )}`;
}

/** Whether a token that no issuer has issued looks like a JWT-SVID, which by itself has no `iss` to judge it by. */
export function isSvid({ issuers, svids }: Policy, claims: Claims): boolean {
  if (svids.length === 0 || issuers.some(({ issuer }) => issuer === claims?.iss)) return false;
  return typeof claims?.sub === "string" && claims.sub.startsWith("spiffe://");
}

/** What says whom a token is for, and who may have it, with the way out where the token has nothing there. */
function audienceHint({ name, audiences, audienceClaim }: Issuer, claims: Claims): string {
  const value = valueAt(claims, audienceClaim);
  const terms = `\`${name}\` accepts the audiences ${audiences.join(", ")}`;
  if (value !== undefined && !(Array.isArray(value) && value.length === 0))
    return `${terms}; ${said(audienceClaim, claims)}${slashHint(audiences, [value].flat())}`;
  const others = ["client_id", "azp", "appid"].filter((other) => typeof claims?.[other] === "string");
  const shown = others.map((other) => `\`audienceFrom: ${other}\` (${printable(String(claims![other]))})`).join(" or ");
  const way =
    others.length === 0 || audienceClaim[0] !== "aud"
      ? ""
      : `; where another claim says whom a token is for, name it: ${shown}`;
  return `${terms}; ${said(audienceClaim, claims)}${way}`;
}

/** Two texts that a slash at the end alone tells apart. */
function slashHint(wanted: readonly string[], found: readonly unknown[]): string {
  const bare = (text: string): string => text.replace(/\/$/u, "");
  const isNear = found.some((one) => typeof one === "string" && wanted.some((other) => bare(one) === bare(other)));
  return isNear ? "; only the `/` at the end differs, and texts are compared exactly" : "";
}

function valueAt(claims: Claims, path: readonly string[]): unknown {
  let value: unknown = claims ?? undefined;
  for (const name of path)
    value =
      typeof value === "object" && value !== null && Object.hasOwn(value, name)
        ? (value as Record<string, unknown>)[name]
        : undefined;
  return value;
}

function said(path: readonly string[], claims: Claims): string {
  const value = valueAt(claims, path);
  return value === undefined
    ? `the token has no \`${printClaimPath(path).replace(/^claims\./u, "")}\``
    : `the token's is ${printable(JSON.stringify(value))}`;
}

function lifetime(claims: Claims): string {
  const { iat, exp } = claims ?? {};
  if (typeof iat !== "number" || typeof exp !== "number") return "how long this one was issued for it does not say";
  return `this one was issued for ${exp - iat} s (from \`iat\` to \`exp\`)`;
}
