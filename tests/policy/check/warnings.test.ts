/** What the compiler warns of: sound, but suspicious. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { allow, type Case, caller, forward, forwarders, policy, rule, run } from "../../support/findings.ts";
import { check, mark, withRule } from "../../support/policy.ts";

const warnings: Case[] = [
  [
    "anonymous",
    withRule(`  - name: ${mark}a\n    callers: [anonymous]\n    allow: [GET /a]\n`),
    "anonymous_rule",
    /without any identity/,
  ],
  ["any", withRule(`  - name: ${mark}a\n    callers: [any]\n    allow: [GET /a]\n`), "any_rule", /every caller/],
  [
    "writes without a token",
    withRule(`  - name: ${mark}a\n    callers: [storefront]\n    allow: [POST /a]\n`),
    "write_without_token",
    /token/,
  ],
  [
    "every method without a token",
    withRule(`  - name: ${mark}a\n    callers: [storefront]\n    allow: ["* /a"]\n`),
    "write_without_token",
    /token/,
  ],
  [
    "a token for anything",
    withRule(`  - name: ${mark}a\n    callers: [storefront]\n    allow: [POST /a]\n    token: corp\n`),
    "token_without_scopes",
    /scopes/,
  ],
  ["a foreign caller", caller(`${mark}spiffe://exmaple.org/a`), "caller_untrusted", /did you mean `example.org`\?/],
  [
    "a foreign pattern in a set",
    policy("[spiffe://example.org/web]", `[spiffe://example.org/web, ${mark}spiffe://other.net/**]`),
    "caller_untrusted",
    /no caller can match/,
  ],
  [
    "an unused set",
    policy("  storefront:", `  ${mark}unused: [spiffe://example.org/a]\n  storefront:`),
    "unused_callers",
    /`unused`/,
  ],
  ["an unused limit", policy("  writes:", `  ${mark}unused: { rate: 1/s }\n  writes:`), "unused_limit", /`unused`/],
  [
    "an unused issuer",
    policy("    token: corp\n    scopes: [all]\n    limit: [writes, by-user]\n", "").replace(
      "  corp:",
      `  ${mark}corp:`,
    ),
    "unused_issuer",
    /`corp`/,
  ],
  [
    "clocks of which nothing is said",
    policy("    leeway: 30s\n", "").replace("  corp:", `  ${mark}corp:`),
    "leeway_missing",
    /60s after `exp`/,
  ],
  [
    "tokens for ever",
    policy("    maxLifetime: 1h\n", "").replace("  corp:", `  ${mark}corp:`),
    "lifetime_missing",
    /for years/,
  ],
  [
    "a rule that another one covers",
    withRule(
      `  - ${mark}name: a\n    callers: [storefront]\n    allow: [GET /everything]\n    token: corp\n    scopes: [all, more]\n    limit: [writes, by-user]\n`,
    ),
    "rule_covered",
    /`uses-everything`/,
  ],
  [
    "a condition that always holds",
    withRule(`  - name: a\n    callers: [storefront]\n    allow: [GET /a]\n    when: ${mark}1 < 2\n`),
    "condition_constant",
    /always/,
  ],
  [
    "a condition that never holds",
    withRule(
      `  - name: a\n    callers: [storefront]\n    deny: [GET /a]\n    when: source.ip == ${mark}"10.0.0.0/8"\n`,
    ),
    "condition_never",
    /cidr/,
  ],
  [
    "a condition half of which is a comment",
    withRule(
      `  - name: a\n    callers: [storefront]\n    allow: [GET /a]\n    when: source.port == 1${mark} # && source.ip == "::1"\n`,
    ),
    "condition_comment",
    /no part of the condition/,
  ],
  ["an algorithm without a key", policy("[RS256, ES256]", `[ES256, ${mark}ES384]`), "algorithm_without_key", /ES384/],
  [
    "a method that is a slip",
    allow(`"${mark}GTE /a"`).replace(`"${mark}`, `${mark}"`),
    "method_unknown",
    /did you mean `GET`\?/,
  ],
  [
    "a rule in shadow mode",
    withRule(`  - name: ${mark}a\n    callers: [storefront]\n    allow: [GET /a]\n    mode: shadow\n`),
    "shadow_rule",
    /only recorded/,
  ],
  [
    "an expired grant",
    rule(`    allow: [GET /a]\n    expires: ${mark}2020-01-01T00:00:00Z\n`),
    "grant_expired",
    /remove it/,
  ],
  [
    "a gateway of a foreign domain",
    forwarders(`[${mark}spiffe://exmaple.org/edge]`),
    "caller_untrusted",
    /did you mean `example.org`\?/,
  ],
  [
    "a claim for the upstream, and no token",
    forward(`{ x-user: ${mark}claims.sub }`).replace(
      "    token: corp\n    scopes: [all]\n    limit: [writes, by-user]\n",
      "",
    ),
    "forward_claim_unused",
    /only removed/,
  ],
  [
    "several trust domains, which one bundle could mix up",
    policy("[example.org]", `[example.org, ${mark}partner.example.net, third.example]`),
    "trust_domains_shared_bundle",
    /`partner.example.net` for callers of `example.org`.*envoy\.tls\.cert_validator\.spiffe/,
  ],
  ["shadow mode", policy("name: shop", `name: shop\n${mark}mode: shadow`), "shadow_mode", /every request/],
];

run("warnings", warnings);

test("one trust domain, or several that only JWT-SVIDs speak for, share no bundle of certificates", () => {
  const svids = (identity: string): string =>
    withRule("").replace(
      /trust:\n.*/u,
      `trust: { domains: [example.org, partner.example.net], identity: ${identity}, jwtSvid: { audiences: [api], bundles: { example.org: { url: "https://spire.example.org/bundle", cluster: spire }, partner.example.net: { url: "https://spire.partner.example.net/bundle", cluster: partner } } } }`,
    );
  const codes = (text: string): string[] => {
    const { errors, warnings } = check(text);
    assert.deepEqual(
      errors.filter(({ code }) => code !== "place_conflict"),
      [],
    );
    return warnings.map(({ code }) => code);
  };
  assert.ok(!codes(withRule("")).includes("trust_domains_shared_bundle"));
  assert.ok(!codes(svids("jwt-svid")).includes("trust_domains_shared_bundle"));
  assert.ok(codes(svids("either")).includes("trust_domains_shared_bundle"));
});

test("a grant that ends within a week is warned of, with the days that it has left", () => {
  const inHours = (hours: number): string =>
    new Date(Date.now() + hours * 3_600_000).toISOString().replace(/\.\d+Z$/u, "Z");
  const warned = (expires: string): string | undefined =>
    check(rule(`    allow: [GET /a]\n    expires: ${expires}\n`)).warnings.find(
      ({ code }) => code === "grant_expires_soon",
    )?.message;
  assert.equal(warned(inHours(30)), "the rule expires within 2 days");
  assert.equal(warned(inHours(12)), "the rule expires within 1 day");
  assert.equal(warned(inHours(8 * 24)), undefined);
});
