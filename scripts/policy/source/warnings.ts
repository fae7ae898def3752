/** Warnings about policies: each code with what it says and, where it can be shown, the least that raises it. */
import type { CodeEntry } from "./codeentry.ts";

export const warnings = {
  anonymous_rule: {
    meaning: "an allow rule admits callers without any identity",
    example: { rule: "callers: [anonymous]" },
  },
  any_rule: {
    meaning: "an allow rule admits every caller of every trusted domain",
    example: { rule: "callers: [any]" },
  },
  write_without_token: {
    meaning:
      "an allow rule admits a method other than GET, HEAD, OPTIONS and TRACE without a token, or a call that may change something",
    example: { policy: "rules: [{ name: a, callers: [spiffe://example.org/web], allow: [POST /orders] }]" },
  },
  token_without_scopes: {
    meaning: "an allow rule takes any valid token of the issuer, whatever it was issued for",
    example: {
      policy: "rules: [{ name: a, callers: [spiffe://example.org/web], allow: [POST /orders], token: corp }]",
    },
  },
  rule_covered: {
    meaning:
      "another allow rule admits all that this one does, on the same or weaker conditions; of two equal ones the later is named",
    example: {
      policy:
        'rules: [{ name: a, callers: [any], allow: [GET /a] }, { name: b, callers: [any], allow: ["GET /{id}"] }]',
    },
  },
  rule_unreachable: {
    meaning:
      "an allow rule that admits nothing: a deny rule without conditions denies all of it, or its callers are in no trusted domain",
    example: {
      policy: 'rules: [{ name: a, callers: [any], allow: [GET /a] }, { name: b, callers: [any], deny: ["GET /**"] }]',
    },
  },
  nothing_admitted: {
    meaning: "no rule admits anything: each is a deny rule, in shadow mode, expired or unreachable",
    example: { policy: "rules: [{ name: a, callers: [anonymous], deny: [GET /a] }]" },
  },
  endpoint_covered: {
    meaning: "an endpoint of a rule that another endpoint of the same rule holds, or that stands twice",
    example: { rule: 'allow: [GET /orders/1, "GET /orders/{id}"]' },
  },
  caller_covered: {
    meaning:
      "a caller of a rule that a pattern, a set, `any` or `anonymous` in the same rule holds, or that stands twice",
    example: { rule: 'callers: [spiffe://example.org/web, "spiffe://example.org/*"]' },
  },
  wildcard_wide: {
    meaning:
      "an allow rule for `* /**` (without `hosts`, or for everybody of a domain), or for writes of a whole trust domain (`spiffe://example.org/**`)",
    example: { rule: 'allow: ["* /**"]' },
  },
  trust_domains_shared_bundle: {
    meaning:
      "there are several trust domains, and certificates say who a caller is: Envoy must verify each against the bundle of its own domain, as the examples do, or the authority of one domain can sign for callers of another. The warning stays for as long as there are several domains: the compiler does not see the configuration of Envoy",
    example: { trust: "domains: [example.org, partner.example.net]" },
  },
  caller_untrusted: {
    meaning: "a caller, pattern or forwarder lies outside `trust.domains`, so it can never match",
    example: { rule: "callers: [spiffe://other.example/web]" },
  },
  forward_claim_unused: {
    meaning: "`forward` sets a header from a claim, and no rule asks for a token",
    example: {
      policy: "forward: { x-user: claims.sub }\nrules: [{ name: a, callers: [any], allow: [GET /a] }]",
    },
  },
  forward_list: {
    meaning:
      "`forward` sets a header from a claim that is a list or a map, or is a list at most providers, without `as`: it is left out then",
    example: { policy: "forward: { x-roles: claims.roles }" },
  },
  unused_issuer: {
    meaning: "no rule uses this issuer",
    example: { policy: "rules: [{ name: a, callers: [any], allow: [GET /a] }]" },
  },
  unused_limit: {
    meaning: "no rule uses this limit",
    example: { policy: "rules: [{ name: a, callers: [any], allow: [GET /a] }]" },
  },
  unused_fleet: {
    meaning: "a rate limit service of the fleet in a policy without limits or quarantines of the fleet",
    example: { policy: "fleet: { cluster: ratelimit }" },
  },
  fleet_without_replicas: {
    meaning: "a limit of the fleet of which each Envoy would admit the whole while the rate limit service is away",
    example: { limit: "scope: fleet" },
  },
  fleet_cost: {
    meaning:
      "a request may cost more of a limit of the fleet than an Envoy's part of its burst (burst ÷ `replicas`), which is raised to the cost, for every rule with this limit, while the rate limit service is away",
    example: {
      policy:
        "fleet: { replicas: 4 }\nlimits: { l: { rate: 10/s, scope: fleet } }\nrules: [{ name: a, callers: [spiffe://example.org/web], allow: [GET /a], limit: l, cost: 3 }]",
    },
  },
  fleet_lease: {
    meaning:
      "`fleet: leased` of a limit of less than 15 × `replicas` a period, of which each request is asked for all the same",
    example: { limit: "rate: 10/s\nscope: fleet\nfleet: leased" },
  },
  fleet_window: {
    meaning:
      "a quarantine of the fleet whose `within` is no second, minute or hour, by which the rate limit service counts for all Envoys",
    example: {
      policy: "quarantine: [{ name: a, when: [no_rule], denials: 20, within: 5m, for: 5m, scope: fleet }]",
    },
  },
  fleet_headers: {
    meaning: "`headers: always` of a limit with `fleet: leased`, of which only answers to denied requests tell",
    example: { limit: "rate: 1000/s\nscope: fleet\nfleet: leased\nheaders: always" },
  },
  unused_callers: {
    meaning: "no rule uses this caller set",
    example: { policy: "callers: { mobile: [spiffe://example.org/mobile] }" },
  },
  algorithm_without_key: {
    meaning: "an issuer names an algorithm that none of its keys fits",
    example: { issuer: "algorithms: [RS256, ES256]" },
  },
  key_left_out: {
    meaning: "a key of a key set is for another use, of a type that is not supported, or has only a certificate",
    example: { key: '"use": "enc"' },
  },
  keys_not_embedded: {
    meaning: "keys are fetched, and there are none in the policy that serve until the first answer",
    example: { issuer: "keys: { url: https://idp.example.org/jwks.json, cluster: idp }" },
  },
  insecure_url: {
    meaning: "keys are fetched from an `http` URL",
    example: { issuer: "keys: { url: http://idp.example.org/jwks.json, cluster: idp }" },
  },
  cluster_shared: {
    meaning: "one cluster is to lead to the hosts of two URLs",
    example: {
      issuer: "keys: { url: https://idp.example.org/jwks.json, cluster: idp }",
      trust:
        "domains: [example.org]\nidentity: either\njwtSvid: { audiences: [api], bundles: { example.org: { url: https://spire.example.org/bundle, cluster: idp } } }",
    },
  },
  token_in_query: {
    meaning: "tokens stand in a query parameter, and so in logs, histories and `Referer` headers",
    example: { issuer: "from: [{ query: access_token }]" },
  },
  place_shared: {
    meaning:
      "with `identity: jwt-svid`, tokens of an issuer stand only where JWT-SVIDs do, so that no request can carry both",
    example: {
      trust:
        "domains: [example.org]\nidentity: jwt-svid\njwtSvid: { audiences: [api], bundles: { example.org: { url: https://spire.example.org/bundle, cluster: spire } } }",
    },
  },
  bundle_missing: {
    meaning: "a trust domain has no bundle, so that none of its JWT-SVIDs is accepted",
    example: {
      trust:
        "domains: [example.org, example.net]\nidentity: either\njwtSvid: { audiences: [api], bundles: { example.org: { url: https://spire.example.org/bundle, cluster: spire } } }",
    },
  },
  binding_never: {
    meaning: "a rule for callers without an identity asks for a token that is bound to one",
    example: { issuer: "bind: caller", rule: "callers: [anonymous]" },
  },
  leeway_missing: {
    meaning: "an issuer does not say how far clocks may differ",
    example: {
      policy:
        "issuers: { corp: { issuer: https://a.example, audiences: [api], algorithms: [RS256], keys: { file: keys.json } } }",
    },
  },
  audiences_any: {
    meaning:
      "an issuer's tokens are taken whomever they are for (`audiences: any`), so that another service that gets one can use it",
    example: { issuer: "audiences: any" },
  },
  lifetime_missing: {
    meaning: "an issuer does not say for how long a token may be issued",
    example: {
      policy:
        "issuers: { corp: { issuer: https://a.example, audiences: [api], algorithms: [RS256], keys: { file: keys.json } } }",
    },
  },
  call_partial: {
    meaning: "a condition reads a part of a call that some call of the rule does not have, and does not ask first",
    example: {
      policy: "mcp: { paths: [/mcp] }",
      rule: 'allow: ["mcp tools/list", "mcp tools/call x"]\nwhen: mcp.args.limit <= 10',
    },
  },
  persisted_hash: {
    meaning: "a persisted document whose ID looks like a SHA-256 and is not that of the document",
  },
  method_unknown: {
    meaning: "a method that is probably misspelt",
    example: { rule: "allow: [GTE /orders]" },
  },
  shadow_mode: {
    meaning: "the policy lets every request through",
    example: { policy: "mode: shadow" },
  },
  shadow_limit: {
    meaning: "the limit denies nothing",
    example: { limit: "mode: shadow" },
  },
  shadow_quarantine: {
    meaning: "the quarantine shuts nobody out",
    example: {
      policy: "quarantine: [{ name: a, when: [no_rule], denials: 20, within: 1m, for: 5m, mode: shadow }]",
    },
  },
  limit_absent: {
    meaning: "requests may lack something that a limit counts by, and the limit does not say what becomes of them",
    example: { limit: "per: [claims.sub]" },
  },
  size_bound: {
    meaning:
      "a bound on the size of headers or the query that no request can pass, since the filter reads no more, or that each passes",
    example: { rule: "maxHeaderBytes: 20" },
  },
  shadow_rule: {
    meaning: "the rule takes no part in decisions",
    example: { rule: "mode: shadow" },
  },
  condition_constant: {
    meaning: "a condition that is always true, never true, or contradicts itself",
    example: { rule: 'when: claims.a == "x" && claims.a == "y"' },
  },
  condition_never: {
    meaning:
      "a condition compares `source.ip`, `request.host`, `request.path`, `request.method` or a part of `caller` with a text that it never has: a network, upper case, a port, a query.",
    example: { rule: 'when: source.ip == "10.0.0.0/8"' },
  },
  tenants_missing: {
    meaning: "an issuer with `{name}` takes tokens of every tenant of its provider: it has no `tenants`",
    example: { issuer: 'issuer: "https://login.example.org/{tid}/v2.0"' },
  },
  claim_untyped: {
    meaning:
      "a deny rule compares a claim that its issuer does not declare with `==`, `!=` or `in`, or an allow rule asks that such a comparison does not hold: a list in place of a text slips past it, and a text in place of a list",
    example: { rule: 'when: claims.role != "guest"' },
  },
  scopes_of_optional_token: {
    meaning:
      "an allow rule asks for scopes of a token that may be absent: without one there are none, so the rule needs one",
    example: { rule: "token: { issuer: corp, optional: true }\nscopes: [orders:read]" },
  },
  contains_word: {
    meaning:
      "`contains` looks in a claim or a header for what looks like a word of a list, and finds it inside longer words too; in a list it is an error",
    example: { rule: 'when: claims.groups.contains("admin")' },
  },
  condition_comment: {
    meaning: "after a condition stands a comment that looks like a part of it: YAML begins a comment at ` #`",
    example: { rule: 'when: claims.a == "x" # && claims.b == "y"' },
  },
  path_variable_partial: {
    meaning: "a condition reads a path variable that some endpoint of its rule does not have",
    example: { rule: 'allow: [GET /orders, "GET /orders/{id}"]\nwhen: path.id == "1"' },
  },
  unused_list: {
    meaning: "no condition looks into the list",
    example: { policy: "lists: { offices: [10.0.0.0/8] }" },
  },
  list_duplicate: { meaning: "a file of texts, such as the tenants of an issuer, has one of them twice" },
  grant_expired: {
    meaning: "the rule does not hold any more",
    example: { rule: "expires: 2020-01-01T00:00:00Z" },
  },
  grant_expires_soon: { meaning: "the rule holds for less than a week" },
} as const satisfies Record<string, CodeEntry>;
