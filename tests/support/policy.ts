/** Policies written in tests, and what the compiler says about them. */
import { join } from "node:path";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import { checkPolicy } from "../../scripts/policy/check/policy.ts";
import type { Policy, PolicyKey } from "../../scripts/policy/language/model.ts";
import { parsePolicy } from "../../scripts/policy/language/parse.ts";
import { policyKey } from "../../scripts/policy/language/publickey.ts";
import type { Diagnostic } from "../../scripts/policy/source/diagnostic.ts";
import { reporterFor } from "../../scripts/policy/source/read.ts";

/** Stands in a policy's text right before the place that a finding must have; taken out before it is read. */
export const mark = "▸";

const here = join(import.meta.dirname, "../policy/inline.yaml");

/** What the compiler says about a policy's text. */
export interface Findings {
  errors: Diagnostic[];
  warnings: Diagnostic[];
  policy: Policy | undefined;
}

/** Reads and checks a policy's text; key files are found from tests/policy/. */
export function check(text: string): Findings {
  const reporter = reporterFor(here, text);
  const draft = parsePolicy(reporter);
  const policy = draft === undefined ? undefined : checkPolicy(reporter, draft);
  reporter.findings.sort();
  return { errors: reporter.findings.errors, warnings: reporter.findings.warnings, policy };
}

/** A text without its mark, and the line and column of the place it stood at. */
export function unmark(marked: string): { text: string; line: number; column: number } {
  const before = marked.slice(0, marked.indexOf(mark));
  const lines = before.split("\n");
  return { text: marked.replace(mark, ""), line: lines.length, column: lines.at(-1)!.length + 1 };
}

/** A policy that has one rule with these lines (each indented by the test), and everything rules can name. */
export function withRule(lines: string): string {
  return `version: 1
name: shop
trust:
  domains: [example.org]
issuers:
  corp:
    issuer: https://issuer.example.org
    audiences: [order-api]
    algorithms: [RS256, ES256]
    keys: { file: keys/corp.jwks.json }
    leeway: 30s
    maxLifetime: 1h
callers:
  storefront: [spiffe://example.org/web]
limits:
  writes: { rate: 100/s, burst: 200, per: [caller] }
  by-user: { rate: 100/s, burst: 200, per: [claims.sub], absent: share }
rules:
  - name: uses-everything
    callers: [storefront]
    allow: [GET /everything]
    token: corp
    scopes: [all]
    limit: [writes, by-user]
${lines}`;
}

/** An EC key as the image has it. */
export function ecKey(kid: string): PolicyKey {
  const { publicKey } = makeKeyPair("ec", { namedCurve: "P-256" });
  return policyKey(publicKey, kid, 1 << 3);
}
