/** What the compiler warns of: sound, but suspicious. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { allow, type Case, caller, forward, forwarders, policy, rule, run } from "../../support/findings.ts";
import { check, mark, withRule } from "../../support/policy.ts";

/** A policy of four Envoys whose rule takes from this limit. */
const fleet = (limit: string, rule = ""): string =>
  `version: 1\nname: a\ntrust: { domains: [example.org] }\nfleet: { replicas: 4 }\nlimits:\n  ${limit}\nrules: [{ name: a, callers: [spiffe://example.org/web], allow: [GET /a], limit: l${rule} }]\n`;

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
  ...[
    "deny: [GET /a]",
    "allow: [GET /a], mode: shadow",
    "allow: [GET /a], expires: 2020-01-01T00:00:00Z",
    "allow: [GET /a] }, { name: b, callers: [anonymous], deny: [GET /a]",
  ].map(
    (rules): Case => [
      `nothing is admitted by ${rules}`,
      `version: 1\nname: a\ntrust: { domains: [example.org] }\n${mark}rules: [{ name: a, callers: [any], ${rules} }]\n`,
      "nothing_admitted",
      /admits nothing/,
    ],
  ),
  ...["claims.roles", "claims.realm_access.roles", "claims.groups", "'claims[\"cognito:groups\"]'"].map(
    (claim): Case => [`a list, ${claim}`, forward(`{ x-a: ${mark}${claim} }`), "forward_list", /as: comma/],
  ),
  [
    "a map",
    forward(`{ x-a: ${mark}claims.org }`).replace(
      "    leeway: 30s\n",
      "    leeway: 30s\n    claims: { org: { id: string } }\n",
    ),
    "forward_list",
    /is a map, and a map is left out.*`\{ value: claims\.org, as: json \}`/,
  ],
  ...(
    [
      [
        "",
        ", cost: 3",
        /admits 3 of `l` at once, and not 2.* rule `a` may take 3; give a lower `cost`, a `burst` of 12/,
      ],
      ["", ", cost: { value: 'size(request.path)', most: 9 }", /give a lower `most` of its `cost`, a `burst` of 36/],
      [", burst: 3", "", /admits 1 of `l` at once, and not 0.* give a `burst` of 4 or more, or `onError: deny`/],
    ] as const
  ).map(
    ([limit, rule, message]): Case => [
      `a share of the fleet's limit${limit} is less than a request costs${rule}`,
      fleet(`${mark}l: { rate: 10/s, scope: fleet${limit} }`, rule),
      "fleet_cost",
      message,
    ],
  ),
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
      `  - name: a\n    callers: [storefront]\n    allow: [GET /a]\n    when: source.ip == ${mark}"10.0.0.0/8"\n`,
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

test("a share of the fleet's limit that has room for each request, or that nobody is admitted by, is not warned of", () => {
  const codes = (limit: string, rule: string): string[] =>
    check(fleet(`l: { rate: 10/s, ${limit} }`, rule)).warnings.map(({ code }) => code);
  assert.ok(codes("scope: fleet", ", cost: 3").includes("fleet_cost"));
  assert.ok(!codes("scope: fleet", ", cost: 2").includes("fleet_cost"));
  assert.ok(!codes("scope: fleet, burst: 12", ", cost: 3").includes("fleet_cost"));
  assert.ok(!codes("scope: fleet, onError: deny", ", cost: 3").includes("fleet_cost"));
  assert.ok(!codes("scope: fleet, onError: allow", ", cost: 3").includes("fleet_cost"));
  assert.ok(!codes("burst: 10", ", cost: 3").includes("fleet_cost"));
});

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
