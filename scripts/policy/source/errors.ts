/** Errors in policies: each code with what it says and, where it can be shown, the least that raises it. */
import type { CodeEntry } from "./codeentry.ts";

export const errors = {
  yaml: {
    meaning: "the file is no YAML, or has what policies do not: anchors, aliases, tags, several documents",
    example: { policy: "name: &name shop" },
  },
  file: {
    meaning: "a file cannot be read, is too large or is not UTF-8",
    example: { issuer: "keys: { file: absent.json }" },
  },
  include: {
    meaning: "a pattern of `include` that matches no file or the policy itself, or is malformed",
    example: { policy: "include: [absent/*.yaml]" },
  },
  unknown_key: {
    meaning: "a key that does not exist, or that belongs in the main policy",
    example: { rule: "callrs: [any]" },
  },
  missing_key: {
    meaning: "a key that is needed is not there",
    example: { policy: "limits: { writes: { burst: 5 } }" },
  },
  duplicate: {
    meaning: "a key or an entry that stands twice, or a name that is taken, in this file or another",
    example: { trust: "domains: [example.org, example.org]" },
  },
  type: {
    meaning: "a value of another type than needed",
    example: { rule: "callers: any" },
  },
  value: {
    meaning: "a value that makes no sense here, such as an empty list",
    example: { rule: "callers: []" },
  },
  unsupported: {
    meaning: "part of the language, but not of this version; never ignored",
    example: { limit: "scope: fleet" },
  },
  bound: {
    meaning: "more than the engine has room for",
    example: { issuer: "leeway: 6m" },
  },
  invalid_name: {
    meaning: "a name with characters that names do not have, or that is too long; the message says which",
    example: { rule: "name: a b" },
  },
  invalid_spiffe_id: {
    meaning: "a SPIFFE ID or a pattern that is not of its form; the message says which part",
    example: { rule: "callers: [spiffe://example.org/]" },
  },
  invalid_trust_domain: {
    meaning: "a trust domain that is not of its form",
    example: { trust: "domains: [Example.org]" },
  },
  invalid_endpoint: {
    meaning: "an endpoint that is not `METHOD PATH`; the message says which part",
    example: { rule: "allow: [/orders]" },
  },
  invalid_host: {
    meaning: "a host that is not a name, an address or `*.name`",
    example: { rule: "hosts: [example.org:8443]" },
  },
  invalid_duration: {
    meaning: "a duration without a number or a unit",
    example: { issuer: "leeway: 30 s" },
  },
  invalid_rate: {
    meaning: "a rate that is not a whole number a second, minute or hour",
    example: { limit: "rate: 100/day" },
  },
  invalid_selector: {
    meaning: "a limit is kept `per` something else than `caller` or a claim",
    example: { limit: "per: [source.ip]" },
  },
  invalid_scope: {
    meaning: "a scope that no token can have, such as one with a space",
    example: { rule: 'scopes: ["orders:read orders:write"]' },
  },
  invalid_forward: {
    meaning: "a header of `forward` that is set from something else than the caller or a claim",
    example: { policy: "forward: { x-user: user }" },
  },
  invalid_header: {
    meaning:
      "the name of a header that `forward` cannot set: malformed, with `_`, or one that says how a request is sent, carries credentials, or is what proxies tell each other",
    example: { policy: "forward: { host: caller.id }" },
  },
  invalid_url: {
    meaning: "a URL that keys are fetched from, and that is not of its form",
    example: { issuer: "keys: { url: ftp://idp.example.org/keys, cluster: idp }" },
  },
  invalid_cluster: {
    meaning: "the name of a cluster that is not of its form",
    example: { issuer: 'keys: { url: https://idp.example.org/keys, cluster: "an idp" }' },
  },
  invalid_place: {
    meaning: "a location of tokens that is none: several at once, a malformed name, or a header that carries no tokens",
    example: { issuer: "from: [{ header: host }]" },
  },
  place_conflict: {
    meaning:
      "two locations in one header of which one prefix begins as the other, a location that one issuer strips and another does not, or a header that `forward` sets",
    example: { issuer: 'from: [{ header: x-token, prefix: "A " }, { header: x-token, prefix: "A B " }]' },
  },
  key_source: {
    meaning:
      "`keys` without file and URL, `cluster` or `refresh` without a URL, or one URL that two issuers want in different ways",
    example: { issuer: "keys: { file: keys.json, refresh: 5m }" },
  },
  identity: {
    meaning: "`jwtSvid` or `forwarders` with an `identity` they do not go with",
    example: {
      trust:
        "domains: [example.org]\njwtSvid: { audiences: [api], bundles: { example.org: { url: https://spire.example.org/bundle, cluster: spire } } }",
    },
  },
  path_ambiguous: {
    meaning: "a path that the engine refuses in every request ([Ambiguous paths](policy-language.md#ambiguous-paths))",
    example: { rule: "allow: [GET /orders/]" },
  },
  unknown_callers: {
    meaning: "a rule names a caller set that is not there",
    example: { rule: "callers: [mobile]" },
  },
  unknown_issuer: {
    meaning: "a rule names an issuer that is not there",
    example: { rule: "token: partner" },
  },
  unknown_limit: {
    meaning: "a rule names a limit that is not there",
    example: { rule: "limit: reads" },
  },
  unknown_domain: {
    meaning: "a bundle for a trust domain that is not in `trust.domains`",
    example: {
      trust:
        "domains: [example.org]\nidentity: either\njwtSvid: { audiences: [api], bundles: { example.net: { url: https://spire.example.net/bundle, cluster: spire } } }",
    },
  },
  action: {
    meaning: "a rule with neither `allow` nor `deny`, or with both",
    example: { rule: "deny: [DELETE /orders]" },
  },
  deny_with: {
    meaning: "a deny rule with `scopes`, `limit` or `cost`, or with `token` and no `when`",
    example: { policy: "rules: [{ name: a, callers: [any], deny: [GET /a], limit: writes }]" },
  },
  invalid_time: {
    meaning: "a time that is none",
    example: { rule: "starts: 2026-11-01" },
  },
  grant_empty: {
    meaning: "a grant that ends before it begins",
    example: { rule: "starts: 2026-12-01T00:00:00Z\nexpires: 2026-11-01T00:00:00Z" },
  },
  cost_without_limit: {
    meaning: "a cost with nothing to take it from",
    example: { policy: "rules: [{ name: a, callers: [any], allow: [GET /a], cost: 2 }]" },
  },
  cost_above_burst: {
    meaning: "a cost of more than a limit ever holds",
    example: { rule: "cost: 1000" },
  },
  scopes_without_token: {
    meaning: "scopes in a rule that asks for no token",
    example: { policy: "rules: [{ name: a, callers: [any], allow: [GET /a], scopes: [b] }]" },
  },
  claims_without_token: {
    meaning: "a condition on claims, or a limit that counts by a claim, in a rule that asks for no token",
    example: { policy: 'rules: [{ name: a, callers: [any], allow: [GET /a], when: claims.sub == "b" }]' },
  },
  condition_syntax: {
    meaning: "a condition that is no CEL",
    example: { rule: "when: claims.a ==" },
  },
  condition_value: {
    meaning: "a condition has a network, time or number that is none",
    example: { rule: 'when: cidr("10.0.0.0/40").containsIP(source.ip)' },
  },
  condition_type: {
    meaning:
      "a condition that compares or joins what does not fit together, such as a time and a claim without `timestamp(…)`, or is no bool",
    example: { rule: "when: caller.id == 1" },
  },
  condition_unsupported: {
    meaning: "CEL that conditions do not have, since its cost has no bound or it calculates",
    example: { rule: 'when: claims.sub.matches("a+")' },
  },
  condition_cost: {
    meaning: "a condition that could cost more than one may; the message says which part",
    example: { rule: 'when: claims.groups.exists(g, g == request.headers["x-team"])' },
  },
  unknown_name: {
    meaning: "a condition speaks of something that is not there",
    example: { rule: 'when: user == "a"' },
  },
  unknown_path_variable: {
    meaning: "a condition reads a path variable that no endpoint of the rule has",
    example: { rule: 'when: path.id == "1"' },
  },
  algorithm: {
    meaning: "an algorithm that is none, or that must not be used (`none`, `HS256` …)",
    example: { issuer: "algorithms: [HS256]" },
  },
  key_missing: {
    meaning: "no key of an issuer fits any of its algorithms, or a bundle has no key for JWT-SVIDs",
    example: { issuer: "algorithms: [ES256]" },
  },
  key_invalid: {
    meaning: "a key that is malformed",
    example: { key: '"n": "not base64url"' },
  },
  key_weak: {
    meaning: "a key that is too small to be safe",
    example: { key: '"e": "AQ"' },
  },
  example_key: {
    meaning:
      "a key that `sallyport init` made, or whose private half is in `.sallyport` beside the policy: `check`, `build` and `image` refuse it, or warn of it with `--allow-example-keys`; `run`, `test` and the others take it",
    example: { key: '"sallyport_example": true' },
  },
  key_secret: {
    meaning: "a private or shared key: a policy holds no secrets",
    example: { key: '"d": "AQAB"' },
  },
} as const satisfies Record<string, CodeEntry>;
