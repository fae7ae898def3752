/** Meaning: each case is a policy that a person could write wrongly, marked where the finding must point. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { allow, type Case, caller, host, named, policy, rule, run } from "../../support/findings.ts";
import { check, mark, withRule } from "../../support/policy.ts";

const errors: Case[] = [
  ["a name with a space", named(`${mark}"my rule"`), "invalid_name", /did you mean `my-rule`\?/],
  ["a name without end", named(`${mark}${"x".repeat(65)}`), "invalid_name", /at most 64/],
  ["a name in another alphabet", named(`${mark}règle`), "invalid_name", /letters/],
  ["a rule's name twice", named(`${mark}uses-everything`), "duplicate", /already in line 19/],
  ["a set named any", policy("storefront: [", `${mark}any: [`), "invalid_name", /meaning of its own/],
  ["an empty set", policy("storefront: [spiffe://example.org/web]", `${mark}storefront: []`), "value", /is empty/],
  ["a set of sets", policy("[spiffe://example.org/web]", `[${mark}other]`), "invalid_spiffe_id", /not other sets/],
  ["a misspelt set", caller(`${mark}storfront`), "unknown_callers", /did you mean `storefront`\?/],
  ["any, misspelt", caller(`${mark}Any`), "unknown_callers", /did you mean `any`\?/],
  ["no callers", withRule(`  - name: a\n    ${mark}callers: []\n    allow: [GET /a]\n`), "value", /nobody/],
  [
    "a pattern as service",
    policy("name: shop", `name: shop\nservice: ${mark}spiffe://example.org/*`),
    "invalid_spiffe_id",
    /one service/,
  ],
  [
    "a URL as service",
    policy("name: shop", `name: shop\nservice: ${mark}https://example.org/a`),
    "invalid_spiffe_id",
    /spiffe:/,
  ],
  ["an upper-case scheme", caller(`${mark}SPIFFE://example.org/a`), "invalid_spiffe_id", /lower case/],
  ["a star for callers", caller(`${mark}"*"`), "invalid_spiffe_id", /`any`/],
  ["a URL", caller(`${mark}https://example.org/a`), "invalid_spiffe_id", /begins with/],
  ["a port", caller(`${mark}spiffe://example.org:443/a`), "invalid_spiffe_id", /no port/],
  ["an upper-case trust domain", caller(`${mark}spiffe://Example.org/a`), "invalid_spiffe_id", /`example.org`/],
  [
    "a trust domain alone",
    caller(`${mark}spiffe://example.org`),
    "invalid_spiffe_id",
    /`spiffe:\/\/example.org\/\*\*`/,
  ],
  ["a slash at the end", caller(`${mark}spiffe://example.org/a/`), "invalid_spiffe_id", /no slash at its end/],
  ["two slashes", caller(`${mark}spiffe://example.org//a`), "invalid_spiffe_id", /empty segments/],
  ["a dot segment", caller(`${mark}spiffe://example.org/a/../b`), "invalid_spiffe_id", /`\.\.`/],
  ["percent-encoding", caller(`${mark}spiffe://example.org/%61`), "invalid_spiffe_id", /percent/],
  ["a star in the middle", caller(`${mark}"spiffe://example.org/b*/a"`), "invalid_spiffe_id", /whole segment/],
  ["a star for the trust domain", caller(`${mark}"spiffe://*/a"`), "invalid_spiffe_id", /each one/],
  ["a long ID", caller(`${mark}spiffe://example.org/${"a".repeat(2048)}`), "invalid_spiffe_id", /2048/],
  ["a deep pattern", caller(`${mark}"spiffe://example.org${"/a".repeat(31)}/*"`), "invalid_spiffe_id", /31 segments/],
  [
    "a trust domain with a scheme",
    policy("[example.org]", `[${mark}spiffe://example.org]`),
    "invalid_trust_domain",
    /`example.org`/,
  ],
  ["a trust domain twice", policy("[example.org]", `[example.org, ${mark}example.org]`), "duplicate", /twice/],

  ["a path without a method", allow(`${mark}/orders`), "invalid_endpoint", /`GET \/orders`/],
  ["a method without a path", allow(`${mark}GET`), "invalid_endpoint", /METHOD PATH/],
  ["a method in lower case", allow(`${mark}get /orders`), "invalid_endpoint", /did you mean `GET`\?/],
  ["methods joined by a comma", allow(`"${mark}GET,POST /orders"`), "invalid_endpoint", /`GET\|POST`/],
  ["any method", allow(`${mark}ANY /orders`), "invalid_endpoint", /every method is `\*`/],
  ["all methods", allow(`${mark}all /orders`), "invalid_endpoint", /every method is `\*`/],
  ["a URL for a path", allow(`GET ${mark}https://example.org/orders`), "invalid_endpoint", /`hosts`/],
  ["a colon for a parameter", allow(`GET /a/${mark}:id`), "invalid_endpoint", /`\{id\}`\?.*`%3Aid`/],
  ["angles for a parameter", allow(`GET /a/${mark}<order-id>/b`), "invalid_endpoint", /`\{order_id\}`\?/],
  ["a dollar for a parameter", allow(`GET /a/${mark}$id`), "invalid_endpoint", /`\{id\}`\?.*`%24id`/],
  ["a dollar and braces", allow(`"GET /a/${mark}\${id}"`), "invalid_endpoint", /did you mean `\{id\}`\?/],
  [
    "a method of other token characters",
    allow(`${mark}a.b /orders`),
    "invalid_endpoint",
    /letters, digits, `-` and `_`/,
  ],
  ["a bar too many", allow(`GET|${mark} /orders`), "invalid_endpoint", /method is missing/],
  ["a star among methods", allow(`GET|${mark}* /orders`), "invalid_endpoint", /stands alone/],
  ...(
    [
      [`GET /v${mark}[0-9]+/x`, /`\[0-9\]\+` looks like a regular expression.*`\{id\}`.*`%5B`/],
      [`GET /foo${mark}$`, /`\$` looks like.*leave `\$` out.*`%24`/],
      [`GET /${mark}(a|b)/c`, /`\(a\|b\)`.*`\/a\/c`, `\/b\/c`.*`%7C`/],
      [`GET /a${mark}|b`, /`\|`.*an endpoint for each/],
      [`GET /${mark}.*`, /`\.\*`.*`\*`.*`\/\*\*`/],
      [`GET /${mark}.+`, /`\.\+`.*`\/\*\*`/],
      [`GET /foo${mark}.*`, /`\.\*`.*`%2E`/],
      [`GET /foo${mark}.*bar`, /`\.\*`/],
      [`GET ${mark}^/v1/.*$`, /`\^` looks like.*beginning/],
      [`GET /${mark}^x`, /`%5E`/],
      [`GET /x/${mark}(v1)/y`, /`\(v1\)`.*`%28`, `%29`/],
      [`GET /${mark}(api/v1)/y`, /no groups/],
      [`GET /a(/v1${mark})?/b`, /`\)\?`.*optional/],
      [`GET /a/${mark}(?i)b`, /`\(\?`/],
      [`GET /x/{id${mark}}?`, /optional/],
      [`GET /x/${mark}?`, /two endpoints.*`%3F`/],
      [`GET /x/a${mark}{3}`, /repeats/],
      [`GET /items${mark}[0]`, /`%5B`, `%5D`/],
      [`GET /x/{id:${mark}[0-9]+}`, /`\{id\}`/],
    ] as const
  ).map(
    ([text, message]): Case => [
      `what looks like a regular expression: ${text}`,
      allow(`'${text}'`),
      "path_regex",
      message,
    ],
  ),
  ["a class of characters", allow(`'GET /users/${mark}\\d+'`.replace("\\\\", "\\")), "path_regex", /`path\.id`/],
  ["a host that is a regular expression", host(`${mark}'^api[.]example[.]org$'`), "invalid_host", /regular expression/],
  ...["ns/▸.*/sa/a", "ns/▸(a|b)", "▸^ns/a", "ns/▸[a-z]+", "ns/a▸$", "ns/\\\\w+"].map(
    (path): Case => [
      `an ID that is a regular expression: ${path}`,
      rule("    allow: [GET /a]\n").replace(
        "callers: [storefront]",
        `callers: [${mark}"spiffe://example.org/${path.replace("▸", "")}"]`,
      ),
      "invalid_spiffe_id",
      /regular expression/,
    ],
  ),
  ["alternatives in a host", host(`${mark}'(a|b).example.org'`), "invalid_host", /each name/],
  ["two spaces", allow(`GET ${mark} /orders`), "invalid_endpoint", /one space/],
  ["no slash", allow(`GET ${mark}orders`), "invalid_endpoint", /did you mean `\/orders`\?/],
  ["a query", allow(`GET /orders${mark}?id=1`), "invalid_endpoint", /query/],
  ["a space in a path", allow(`GET /my${mark} orders`), "invalid_endpoint", /%20/],
  [
    "two variables in a segment",
    allow(`"GET /orders/a${mark}{id}-{x}"`),
    "invalid_endpoint",
    /one variable or one star/,
  ],
  ["a variable and a star in a segment", allow(`"GET /orders/{id}${mark}.*"`), "path_regex", /%2E/],
  ["two stars in a segment", allow(`"GET /orders/a${mark}*b*"`), "invalid_endpoint", /one variable or one star/],
  ["stars that touch text", allow(`"GET /orders/a${mark}**"`), "invalid_endpoint", /whole segments/],
  ["a parameter with a type", allow(`"GET /orders/${mark}{id:int}"`), "invalid_endpoint", /`\{id\}`; what it may be/],
  ["a parameter with a default", allow(`"GET /orders/${mark}{id=*}"`), "invalid_endpoint", /`\{id\}`/],
  ["a parameter for the rest", allow(`"GET /orders/${mark}{path:path}"`), "invalid_endpoint", /`\/\*\*`/],
  ["another parameter for the rest", allow(`"GET /orders/${mark}{*path}"`), "invalid_endpoint", /`\/\*\*`/],
  ["Envoy's stars", allow(`"GET /orders/${mark}{**}"`), "invalid_endpoint", /`\/\*\*`/],
  ["Envoy's star", allow(`"GET /orders/${mark}{*}"`), "invalid_endpoint", /without braces/],
  ["a parameter without a name", allow(`"GET /orders/${mark}{}"`), "invalid_endpoint", /`\{name\}`/],
  ["half a brace", allow(`"GET /orders/a${mark}{id"`), "invalid_endpoint", /%7B/],
  ["long text before a parameter", allow(`"GET /orders/${mark}${"a".repeat(256)}{id}"`), "bound", /255/],
  ["long text after a star", allow(`"GET /orders/${mark}*${"é".repeat(128)}"`), "bound", /255/],
  ["half an encoding before a parameter", allow(`"GET /orders/a${mark}%C3{id}"`), "path_ambiguous", /UTF-8/],
  ["an encoded slash after a parameter", allow(`"GET /orders/{id}a${mark}%2F"`), "path_ambiguous", /%2F/],
  ["a parameter with a dash", allow(`"GET /orders/${mark}{order-id}"`), "invalid_endpoint", /`\{order_id\}`\?/],
  ["stars twice", allow(`"GET /a/**/b/${mark}**"`), "invalid_endpoint", /once in a path/],
  ["stars next to each other", allow(`"GET /a/**/${mark}**"`), "invalid_endpoint", /once in a path/],
  ["a parameter twice", allow(`"GET /a/{id}/b/${mark}{id}"`), "invalid_endpoint", /twice/],
  ["129 segments", allow(`GET ${mark}${"/a".repeat(129)}`), "bound", /128/],
  ["a method of 33 bytes", allow(`${mark}${"A".repeat(33)} /a`), "bound", /32/],
  ["a gRPC method without a service", allow(`${mark}grpc Place`), "invalid_endpoint", /package.Service\/Method/],
  ["an empty segment", allow(`GET /a/${mark}/b`), "path_ambiguous", /`\/\/`/],
  ["a slash at the end of a path", allow(`GET /a/${mark}`), "path_ambiguous", /remove it/],
  ["an empty segment before stars", allow(`"GET /a/${mark}/**"`), "path_ambiguous", /`\/\/`/],
  ["dots", allow(`GET /a/${mark}../b`), "path_ambiguous", /`\.\.`/],
  ["a backslash", allow(`${mark}"GET /a\\\\b"`), "path_ambiguous", /ambiguous/],
  ["a semicolon", allow(`GET /a${mark};v=1`), "path_ambiguous", /`;`/],
  ["an encoded slash", allow(`GET /a${mark}%2fb`), "path_ambiguous", /%2f/],
  ["a segment of encoded dots", allow(`GET /a/${mark}.%2E`), "path_ambiguous", /%2E/],
  ["an encoded NUL", allow(`GET /a${mark}%00`), "path_ambiguous", /%00/],
  ["encoded twice", allow(`GET /a${mark}%2541`), "path_ambiguous", /twice/],
  ["half an encoding", allow(`GET /a${mark}%4`), "path_ambiguous", /two hex digits/],
  ["bytes that are no text", allow(`GET /a${mark}%ff`), "path_ambiguous", /UTF-8/],

  ["a host with a port", host(`${mark}"a.example.org:443"`), "invalid_host", /port/],
  ["a host with a scheme", host(`${mark}https://a.example.org`), "invalid_host", /scheme/],
  ["a star in the middle of a host", host(`${mark}a.*.org`), "invalid_host", /first labels/],
  ["a star alone", host(`${mark}"*"`), "invalid_host", /leave `hosts` out/],
  ["a host in another alphabet", host(`${mark}bücher.example`), "invalid_host", /xn--/],
  ["a dot at the end", host(`${mark}example.org.`), "invalid_host", /dot/],

  [
    "neither allow nor deny",
    withRule(`  - name: ${mark}a\n    callers: [storefront]\n`),
    "action",
    /`allow` or `deny`/,
  ],
  [
    "a date alone",
    rule(`    allow: [GET /a]\n    starts: ${mark}2026-11-01\n`),
    "invalid_time",
    /write `2026-11-01T00:00:00Z`/,
  ],
  [
    "a date that is none",
    rule(`    allow: [GET /a]\n    expires: ${mark}2026-02-30\n`),
    "invalid_time",
    /no such time/,
  ],
  ...[
    "!has(claims.a)",
    '"bob" == claims.sub',
    "'bob' == claims.sub",
    'claims.a == "x: y"',
    "claims.a ? true : false",
    '!request.path.startsWith("/a")',
  ].map(
    (condition): Case => [
      `YAML in the condition ${condition}`,
      rule(`    allow: [GET /a]\n    token: corp\n    when: ${mark}${condition}\n`),
      "yaml",
      /'…'.*`when: \|`/,
    ],
  ),
  [
    "a condition that ends in a comment",
    rule(`    allow: [GET /a]\n    token: corp\n    when: claims.a == ${mark}"team #1"\n`),
    "condition_syntax",
    /no closing.*comment at ` #`.*'…'/,
  ],
  [
    "no such day",
    rule(`    allow: [GET /a]\n    starts: ${mark}2026-02-30T00:00:00Z\n`),
    "invalid_time",
    /no such time/,
  ],
  [
    "no such hour",
    rule(`    allow: [GET /a]\n    expires: ${mark}2026-02-03T24:00:00Z\n`),
    "invalid_time",
    /no such time/,
  ],
  [
    "a grant that ends before it begins",
    rule(`    allow: [GET /a]\n    starts: 2099-11-01T00:00:00Z\n    expires: ${mark}2099-11-01T01:00:00+02:00\n`),
    "grant_empty",
    /not after/,
  ],
  ["a cost of nothing", rule(`    allow: [GET /a]\n    limit: writes\n    cost: ${mark}0\n`), "value", /from 1/],
  ["a cost without a limit", rule(`    allow: [GET /a]\n    cost: ${mark}2\n`), "cost_without_limit", /add `limit`/],
  [
    "a cost above the burst",
    rule(`    allow: [GET /a]\n    limit: writes\n    cost: ${mark}201\n`),
    "cost_above_burst",
    /200/,
  ],
  [
    "a cost in CEL above the burst",
    rule(`    allow: [GET /a]\n    limit: writes\n    cost: { value: 'int(request.query["n"])', most: ${mark}201 }\n`),
    "cost_above_burst",
    /200/,
  ],
  [
    "a cost in CEL without a limit",
    rule(`    allow: [GET /a]\n    cost: ${mark}'int(request.query["n"])'\n`),
    "cost_without_limit",
    /add `limit`/,
  ],
  [
    "a cost of a deny rule",
    rule(`    deny: [GET /a]\n    cost: ${mark}'int(request.query["n"])'\n`),
    "deny_with",
    /no `cost`/,
  ],
  ...(
    [
      ["a text", `'${mark}request.query["n"]'`, "condition_type", /an int, not a string; write `int\(…\)`/],
      ["a bool", `'${mark}request.query["n"] == "all"'`, "condition_type", /an int, not a bool; .*\?/],
      ["a double", `'request.query["n"] == "all" ? ${mark}1.5 : 0.5'`, "condition_type", /an int, not a double/],
      ["a text or an int", `'has(request.query.n) ? request.query.n : ${mark}1'`, "condition_type", /of one type/],
      ["a number in quotes", `'${mark}5'`, "cost_constant", /the number without quotes/],
      ["a constant", `'${mark}int("5")'`, "cost_constant", /same for every request/],
      ["no CEL", `'int${mark}(request.query["n"]'`, "condition_syntax", /not closed/],
      ["claims without a token", `'int(${mark}claims.n)'`, "claims_without_token", /`token: ISSUER`/],
      ["arithmetic", `'int(request.query["n"]) ${mark}* 2'`, "condition_unsupported", /./],
      ["a variable of no endpoint", `'int(path.${mark}n)'`, "unknown_path_variable", /./],
    ] as const
  ).map(
    ([what, cost, code, message]): Case => [
      `a cost that is ${what}`,
      rule(`    allow: [GET /a]\n    limit: writes\n    cost: ${cost}\n`),
      code,
      message,
    ],
  ),
  ["allow and deny", rule(`    allow: [GET /a]\n    ${mark}deny: [GET /b]\n`), "action", /two rules/],
  ["no endpoints", rule(`    ${mark}allow: []\n`), "value", /no endpoint/],
  [
    "scopes without a token",
    rule(`    allow: [GET /a]\n    ${mark}scopes: [a]\n`),
    "scopes_without_token",
    /`token: ISSUER`/,
  ],
  [
    "a limit by claim without a token",
    rule(`    allow: [GET /a]\n    limit: ${mark}by-user\n`),
    "claims_without_token",
    /claims\.sub/,
  ],
  [
    "a deny rule for a caller of no trusted domain",
    withRule(`  - name: a\n    callers: [any, ${mark}spiffe://exmaple.org/a]\n    deny: [GET /a]\n`),
    "deny_never",
    /never denies.*did you mean `example.org`\?/,
  ],
  [
    "a deny rule for a set with such a caller",
    withRule(`  - name: a\n    callers: [${mark}others]\n    deny: [GET /a]\n`).replace(
      "callers:\n",
      'callers:\n  others: [spiffe://example.org/x, "spiffe://other.net/**"]\n',
    ),
    "deny_never",
    /never denies `others` \(spiffe:\/\/other.net\/\*\*\)/,
  ],
  [
    "an optional token of nobody",
    rule(`    allow: [GET /a]\n    ${mark}token: { optional: true }\n`),
    "missing_key",
    /issuer: corp/,
  ],
  ["deny with scopes", rule(`    deny: [GET /a]\n    ${mark}scopes: [a]\n`), "deny_with", /whoever/],
  ["deny with a limit", rule(`    deny: [GET /a]\n    ${mark}limit: writes\n`), "deny_with", /limit/],
  ["deny with a token", rule(`    deny: [GET /a]\n    ${mark}token: corp\n`), "deny_with", /`when`/],
  [
    "a misspelt issuer",
    rule(`    allow: [GET /a]\n    token: ${mark}crop\n`),
    "unknown_issuer",
    /did you mean `corp`\?/,
  ],
  [
    "a misspelt limit",
    rule(`    allow: [GET /a]\n    limit: [writes, ${mark}write]\n`),
    "unknown_limit",
    /did you mean `writes`\?/,
  ],
  [
    "scopes in one text",
    rule(`    allow: [GET /a]\n    token: corp\n    scopes: [${mark}a b]\n`),
    "invalid_scope",
    /`\[a, b\]`/,
  ],
  [
    "a quote in a scope",
    rule(`    allow: [GET /a]\n    token: corp\n    scopes: [${mark}'a"b']\n`),
    "invalid_scope",
    /RFC 6749/,
  ],
  ["no issuer", rule(`    allow: [GET /a]\n    ${mark}token: []\n`), "value", /empty/],

  [
    "a limit of nothing",
    policy("writes: { rate: 100/s, burst: 200, per: [caller] }", `${mark}writes: { per: [caller] }`),
    "missing_key",
    /needs `rate`, as in `rate: 100\/s`, or `concurrency: 20`/,
  ],
  [
    "a limit of two things",
    policy("writes: { rate: 100/s", `writes: { concurrency: ${mark}5, rate: 100/s`),
    "limit_kind",
    /make it two limits/,
  ],
  [
    "a burst of requests in flight",
    policy("writes: { rate: 100/s, burst: 200", `writes: { concurrency: 5, burst: ${mark}200`),
    "limit_kind",
    /`burst` goes with `rate`/,
  ],
  [
    "hops that are counted by caller",
    policy(
      "writes: { rate: 100/s, burst: 200, per: [caller] }",
      `writes: { hops: x-h, most: 8, ${mark}per: [caller] }`,
    ),
    "limit_kind",
    /`per` goes with `rate` and `concurrency`/,
  ],
  [
    "hops without an end",
    policy("writes: { rate: 100/s, burst: 200, per: [caller] }", `writes: { hops: ${mark}x-h }`),
    "missing_key",
    /`most: 8`/,
  ],
  [
    "hops in a header of Envoy's",
    policy("writes: { rate: 100/s, burst: 200, per: [caller] }", `writes: { hops: ${mark}x-envoy-hops, most: 8 }`),
    "invalid_header",
    /proxies tell each other/,
  ],
  ["a rate without a unit", policy("writes: { rate: 100/s", `writes: { rate: ${mark}"100"`), "invalid_rate", /100\/s/],
  ["a bare rate", policy("writes: { rate: 100/s", `writes: { rate: ${mark}10`), "type", /write `10\/s`/],
  ["a rate in quotes", policy("writes: { rate: 100/s", `writes: { rate: ${mark}"10"`), "invalid_rate", /write `10\/s`/],
  ["a bare leeway", policy("leeway: 30s", `leeway: ${mark}45`), "type", /write `45s`/],
  ["a rate a week", policy("writes: { rate: 100/s", `writes: { rate: ${mark}100/w`), "invalid_rate", /10000\/d/],
  [
    "a burst that takes a lifetime to come back",
    policy("writes: { rate: 100/s, burst: 200", `writes: { rate: 21/d, burst: ${mark}875000`),
    "bound",
    /at most 874999/,
  ],
  [
    "tiers that nothing chooses",
    policy("per: [caller] }", `per: [caller], tiers: { ${mark}gold: 1/s } }`),
    "missing_key",
    /`tiers` needs `tier`/,
  ],
  [
    "what chooses no tier",
    policy("per: [caller] }", `per: [caller], tier: ${mark}claims.plan }`),
    "missing_key",
    /one of `tiers`/,
  ],
  [
    "a tier by an address",
    policy("per: [caller] }", `per: [caller], tier: ${mark}source.ip, tiers: { gold: 1000/s } }`),
    "invalid_selector",
    /one text/,
  ],
  [
    "a tier's rate that is none",
    policy("per: [caller] }", `per: [caller], tier: rule, tiers: { gold: ${mark}9 } }`),
    "type",
    /9/,
  ],
  [
    "nine parts",
    policy(
      "per: [caller]",
      `${mark}per: [rule, host, request.method, source.ip, source.ip/1, source.ip/2, source.ip/3, source.ip/4, caller]`,
    ),
    "bound",
    /8 parts/,
  ],
  ["a rate of nothing", policy("writes: { rate: 100/s", `writes: { rate: ${mark}0/s`), "invalid_rate", /deny/],
  ["too fast", policy("writes: { rate: 100/s", `writes: { rate: ${mark}1000001/s`), "invalid_rate", /1000000/],
  [
    "a large rate without a burst",
    policy("writes: { rate: 100/s, burst: 200", `writes: { rate: ${mark}2000000/h`),
    "bound",
    /burst/,
  ],
  ["a bucket per what", policy("per: [caller]", `per: [${mark}request.path]`), "invalid_selector", /claims\.NAME/],
  ["no bits of an address", policy("per: [caller]", `per: [${mark}source.ip/0]`), "invalid_selector", /1 to 32/],
  [
    "a header that is none",
    policy("per: [caller]", `per: [${mark}request.headers.host]`),
    "invalid_selector",
    /request\.host/,
  ],
  [
    "a limit by a variable that an endpoint lacks",
    policy("per: [caller]", "per: [path.id]").replace("limit: [writes,", `limit: [${mark}writes,`),
    "unknown_path_variable",
    /not every endpoint/,
  ],
  [
    "a limit by a name that a caller lacks",
    policy("per: [caller]", "per: [caller.ns]").replace("limit: [writes,", `limit: [${mark}writes,`),
    "unknown_name",
    /not every caller/,
  ],
  [
    "a claim without a name",
    policy("per: [claims.sub]", `per: [${mark}claims.]`),
    "invalid_selector",
    /by single dots/,
  ],

  ["alg none", policy("[RS256, ES256]", `[RS256, ${mark}none]`), "algorithm", /anybody/],
  ["HS256", policy("[RS256, ES256]", `[${mark}HS256, ES256]`), "algorithm", /share/],
  ["Ed448 as algorithm", policy("[RS256, ES256]", `[${mark}Ed448, ES256]`), "algorithm", /no algorithm/],
  ["a misspelt algorithm", policy("[RS256, ES256]", `[${mark}RS265, ES256]`), "algorithm", /did you mean `RS256`\?/],
  ["no algorithms", policy("algorithms: [RS256, ES256]", `${mark}algorithms: []`), "value", /such as `RS256`/],
  ["no audiences", policy("audiences: [order-api]", `${mark}audiences: []`), "value", /another service/],
  ["a leeway of an hour", policy("issuer: https", `leeway: ${mark}1h\n    issuer: https`), "bound", /300s/],
  [
    "a leeway without a unit",
    policy("issuer: https", `leeway: ${mark}"30"\n    issuer: https`),
    "invalid_duration",
    /`30s`/,
  ],
  ["a lifetime of nothing", policy("issuer: https", `maxLifetime: ${mark}0s\n    issuer: https`), "bound", /from 1s/],
  ["no such key file", policy("file: keys/corp.jwks.json", `file: ${mark}keys/crop.jwks.json`), "file", /no such file/],
];

run("errors", errors);

test("a sound policy has neither errors nor warnings", () => {
  const { errors, warnings, policy } = check(withRule(""));
  assert.deepEqual([errors, warnings], [[], []]);
  assert.deepEqual(policy?.issuers[0]?.audiences, ["order-api"]);
  assert.equal(policy?.issuers[0]?.leewaySeconds, 30);
  assert.deepEqual(policy?.limits.find(({ name }) => name === "writes")?.rate, { tokens: 100, periodSeconds: 1 });
});

test("endpoints are decoded as the engine decodes a request", () => {
  const { errors, policy } = check(
    allow('"GET|HEAD /a%20b/%C3%A9/{id}/*/100%25/**", "grpc shop.Orders/Place", "* /**", GET /'),
  );
  assert.deepEqual(errors, []);
  assert.deepEqual(policy?.rules[0]?.endpoints, [
    {
      methods: ["GET", "HEAD"],
      segments: ["a b", "é", null, null, "100%"],
      variables: new Map([["id", 2]]),
      tail: true,
    },
    { methods: ["POST"], segments: ["shop.Orders", "Place"], variables: new Map(), tail: false },
    { methods: "*", segments: [], variables: new Map(), tail: true },
    { methods: ["GET"], segments: [], variables: new Map(), tail: false },
  ]);
});

test("what real paths have is no regular expression", () => {
  const paths = [
    ..."/a+b /c++ /google+ /report(1) /Products(7) /Products('7') /Sets(1)/Default.Fn() /wiki/Alien_(film) /Lines(ID=1,No=2)".split(
      " ",
    ),
    ..."/$metadata /users/$count /Patient/$everything /C$/x /files/v1..v2 /.well-known/x /~pat /@scope/pkg /a!b /a:b".split(
      " ",
    ),
    "/%5B0%5D/%5Ea%24/%7C/%28v1%29/%2E%2B",
  ];
  const { errors, policy } = check(allow(paths.map((path) => JSON.stringify(`GET ${path}`)).join(", ")));
  assert.deepEqual(errors, []);
  const texts = policy?.rules[0]?.endpoints.map(({ segments }) => `/${segments.join("/")}`);
  assert.deepEqual(texts, [...paths.slice(0, -1), "/[0]/^a$/|/(v1)/.+"]);
});

test("text stands around a variable or a star, and segments after any number of them", () => {
  const { errors, policy } = check(
    allow(
      '"GET /{id}:cancel/v{n}", "GET /h*/*%2Em4s/.{x}.{y}", "GET /{a}/**/b/{c}-d", "GET /**/a"'.replace(".{y}", ""),
    ),
  );
  assert.deepEqual(errors, []);
  const around = (prefix: string, suffix: string, least: 0 | 1) => ({ prefix, suffix, least });
  assert.deepEqual(
    policy?.rules[0]?.endpoints.map(({ methods: _, ...path }) => path),
    [
      {
        segments: [around("", ":cancel", 1), around("v", "", 1)],
        variables: new Map([
          ["id", 0],
          ["n", 1],
        ]),
        tail: false,
      },
      {
        segments: [around("h", "", 0), around("", ".m4s", 0), around(".", "", 1)],
        variables: new Map([["x", 2]]),
        tail: false,
      },
      {
        segments: [null],
        variables: new Map([
          ["a", 0],
          ["c", -1],
        ]),
        tail: true,
        after: ["b", around("", "-d", 1)],
      },
      { segments: [], variables: new Map(), tail: true, after: ["a"] },
    ],
  );
});

test("a wrong endpoint is the only error where its variable is read", () => {
  const { errors } = check(rule('    allow: ["GET /a/:id"]\n    when: path.id == "x"\n'));
  assert.deepEqual(
    errors.map(({ code }) => code),
    ["invalid_endpoint"],
  );
});

test("one character that YAML reads in a condition is one error", () => {
  const { errors } = check(rule('    allow: [GET /a]\n    when: !request.path.startsWith("/a")\n'));
  assert.deepEqual(
    errors.map(({ code }) => code),
    ["yaml"],
  );
});

test("comments after a condition are not warned of, unless they look like a part of it", () => {
  for (const when of [
    "source.port == 1 # the port",
    "'source.port == 1' # a == b",
    "|\n      source.port == 1\n    # a == b",
  ])
    assert.deepEqual(check(rule(`    allow: [GET /a]\n    when: ${when}\n`)).warnings, [], when);
});

test("where a trust domain is wrong, callers are not called foreign", () => {
  const { errors, warnings } = check(policy("[example.org]", "[Example.Org]"));
  assert.deepEqual(
    errors.map(({ code }) => code),
    ["invalid_trust_domain"],
  );
  assert.deepEqual(warnings, []);
});

test("hosts are compared without case", () => {
  const { errors, policy } = check(host('API.Example.org, "*.Svc.example.org", "[2001:DB8::1]"'));
  assert.deepEqual(errors, []);
  assert.deepEqual(policy?.rules[0]?.hosts, [
    { kind: "exact", text: "api.example.org" },
    { kind: "suffix", text: "svc.example.org" },
    { kind: "exact", text: "[2001:db8::1]" },
  ]);
});

test("more methods than the engine has bits for are refused", () => {
  const methods = Array.from({ length: 32 }, (_, number) => `CUSTOM${number}`).join("|");
  assert.deepEqual(
    check(allow(`${methods} /a`)).errors.map(({ code }) => code),
    ["bound"],
  );
});
