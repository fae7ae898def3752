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
    example: { policy: "version: 2" },
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
  call_without_paths: {
    meaning:
      "an endpoint that is a call of a protocol, or a condition that reads one, in a policy that does not say where the protocol is spoken",
    example: { rule: 'allow: ["mcp tools/list"]' },
  },
  call_never: {
    meaning: "a condition that reads a call of a protocol, in a rule none of whose requests can be one",
    example: { policy: "mcp: { paths: [/mcp] }", rule: "when: mcp.tool == 'x'" },
  },
  call_forms: {
    meaning:
      "a rule that takes forms of paths, among them another form of a protocol's path, while a deny rule denies calls there",
    example: {
      policy:
        'mcp: { paths: [/mcp] }\nrules: [{ name: a, callers: [any], allow: [POST /mcp], paths: { trailingSlash: same } }, { name: b, callers: [any], deny: ["mcp tools/call x"] }]',
    },
  },
  persisted: {
    meaning:
      "a file of persisted documents that is no JSON, neither a map from IDs to documents nor a manifest, or has an ID or a document that is empty",
  },
  path_regex: {
    meaning:
      "a path with what looks like a regular expression, which paths are not; the message has the way to write it",
    example: { rule: 'allow: ["GET /v[0-9]+/orders"]' },
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
    meaning: "a rate that is not a whole number a second, minute, hour or day",
    example: { limit: "rate: 100/w" },
  },
  limit_kind: {
    meaning: "a limit with two of `rate`, `concurrency` and `hops`, or with a key that goes with another one of them",
    example: { limit: "concurrency: 20" },
  },
  invalid_selector: {
    meaning:
      "a limit is kept `per` something that is no part of the caller, claim, path variable, header, address of the caller, host, method or rule",
    example: { limit: "per: [request.path]" },
  },
  quarantine: {
    meaning:
      "a quarantine that is kept `per` what is not known before a rule is found, counts reasons that are none or that no caller can help, or lets out what it does not keep",
    example: { policy: "quarantine: [{ name: a, when: [internal], denials: 5, within: 1m, for: 5m }]" },
  },
  invalid_scope: {
    meaning: "a scope that no token can have, such as one with a space",
    example: { rule: 'scopes: ["orders:read orders:write"]' },
  },
  invalid_claim: {
    meaning: "the name of a claim that is not of its form, in `audienceFrom` or `scopesFrom`",
    example: { issuer: "scopesFrom: [claims.realm_access..roles]" },
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
  discovery: {
    meaning:
      "`discovery` of what is no `https` URL or stands for many, hosts of keys that are none, or a discovery document as the `url` of keys",
    example: { issuer: "keys: { url: https://idp.example.org/.well-known/openid-configuration, cluster: idp }" },
  },
  key_header: {
    meaning: "a header of a key server that cannot be sent, by its name or by what its file has",
    example: {
      issuer: "keys: { url: https://idp.example.org/k, cluster: idp, header: { name: host, file: keys.json } }",
    },
  },
  invalid_cluster: {
    meaning: "the name of a cluster that is not of its form",
    example: { issuer: 'keys: { url: https://idp.example.org/keys, cluster: "an idp" }' },
  },
  invalid_challenge: {
    meaning: "a realm or a URL of metadata that cannot stand in `WWW-Authenticate`",
    example: { issuer: "challenge: { resource_metadata: http://api.example.com/metadata }" },
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
      "`keys` without file and URL, what says how to fetch them without a URL, or one URL that two issuers want in different ways",
    example: { issuer: "keys: { file: keys.json, refresh: 5m }" },
  },
  identity: {
    meaning: "`jwtSvid`, `forwarders`, `filterState` or `bind: certificate` with an `identity` they do not go with",
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
    meaning: "a deny rule with `scopes`, `limit`, `cost` or a bound on sizes, or with `token` and no `when`",
    example: { policy: "rules: [{ name: a, callers: [any], deny: [GET /a], limit: writes }]" },
  },
  invalid_issuer: {
    meaning:
      "an issuer with `{name}` that is not of its form: not a URL, a claim that is no whole segment or label, or `tenants` that do not go with it",
    example: { issuer: 'issuer: "https://login.example.org/v{tid}"' },
  },
  deny_never: {
    meaning:
      "a deny rule that can never match, so that it denies nobody: its caller is in no trusted domain, or its condition compares what can never be",
    example: { policy: "rules: [{ name: a, callers: [spiffe://other.example/web], deny: [GET /a] }]" },
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
    meaning: "a cost, or what one may be at the most, of more than a limit ever holds",
    example: { rule: "cost: 1000" },
  },
  cost_constant: {
    meaning: "a cost in CEL that does not depend on the request",
    example: { rule: "cost: 'int(\"5\")'" },
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
    meaning: "a condition speaks of something that is not there, or a limit of a segment that callers do not name",
    example: { rule: 'when: user == "a"' },
  },
  capture_partial: {
    meaning: "a condition reads `caller.NAME`, and some caller of its rule has no `{NAME}`",
    example: {
      rule: 'callers: ["spiffe://example.org/ns/{ns}/web", "spiffe://example.org/batch"]\nwhen: caller.ns == "shop"',
    },
  },
  capture_ambiguous: {
    meaning:
      "a limit counts by `caller.NAME`, or a header tells of it, and an ID can have two callers of the rule, of which one has `{NAME}` at another segment, or not at all",
    example: {
      policy:
        'forward: { x-ns: caller.ns }\nrules: [{ name: a, callers: ["spiffe://example.org/{ns}/*", "spiffe://example.org/*/{ns}"], allow: [GET /a] }]',
    },
  },
  trust_alias: {
    meaning: "`trust.aliases` leads from a trust domain to itself, to another alias, or to none of `trust.domains`",
    example: { trust: "domains: [example.org]\naliases: { old.example.net: example.net }" },
  },
  unknown_list: {
    meaning: "a condition looks into a list that the policy does not have",
    example: { rule: "when: claims.jti in lists.revoked" },
  },
  unknown_path_variable: {
    meaning:
      "a condition reads a path variable that no endpoint of the rule has, or a limit counts, or chooses a tier, by one that endpoints do not have",
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
    meaning:
      "a key that is malformed, or something else where a key set is wanted: a PEM, a discovery document, a map of certificates or of trust domains, …",
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
