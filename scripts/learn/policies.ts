/** The policies of the demo that a person would write: the one that only looks, and what a team adds later. */
import { type Service, spiffeIdOf, trust_domain } from "./shop.ts";

/** The issuer whose tokens the shop takes. */
export const issuer_url = "https://login.shop.example";
export const audience = "shop";

/**
 * A policy for the time in which one learns: everything passes, and the record says who asked for what. A token is verified where there is
 * one, so that the record has its issuer, and its scopes go into a header that the access log has.
 */
export function learningPolicy(service: Service): string {
  return `version: 1
name: ${service}
mode: shadow
service: ${spiffeIdOf(service)}
trust: { domains: [${trust_domain}] }

issuers:
  login:
    issuer: ${issuer_url}
    audiences: [${audience}]
    algorithms: [RS256, ES256]
    keys: { file: login.jwks.json }
    leeway: 30s
    maxLifetime: 1h

forward: { x-scopes: claims.scope }

rules:
  - name: everything
    callers: [any]
    allow: ["* /**"]
    token: { issuer: login, optional: true }
`;
}

/** A policy with a grant that was made once, and that nobody uses: `--tighten` finds it. */
export function addUnusedRule(policy: string): string {
  return `${policy.trimEnd()}
  # The warehouse was to read orders by itself. It never did.
  - name: warehouse
    callers: [${spiffeIdOf("shipping")}]
    allow: ["GET /orders", "GET /orders/{id}"]
    token: login
    scopes: ["orders:read"]
`;
}

/** A policy of the orders in which a team has put the web's callers in order, and forgot the report of the night. */
export function withoutNightlyReport(policy: string): string {
  return changed(policy, spiffeIdOf("nightly-report"), spiffeIdOf("nightly-report").replace("nightly", "morning"));
}

/** The policy of the payments, in which a person has marked what must not fall into wrong hands. */
export function markSensitive(policy: string): string {
  return changed(policy, "    allow: [POST /payments]\n", "    allow: [POST /payments]\n    sensitive: true\n");
}

/** @throws Error where the policy does not have the text: the demo's next chapter would be about a change that nobody made */
function changed(policy: string, text: string, by: string): string {
  if (!policy.includes(text)) throw new Error(`the suggested policy has no ${JSON.stringify(text)}:\n${policy}`);
  return policy.replaceAll(text, by);
}
