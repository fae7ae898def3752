/** Meaning: each case is a policy that a person could write wrongly, marked where the finding must point. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  allow,
  type Case,
  caller,
  forward,
  forwarders,
  host,
  many,
  named,
  policy,
  rule,
  run,
} from "../../support/findings.ts";
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
  ["a star in the middle", caller(`${mark}"spiffe://example.org/*/a"`), "invalid_spiffe_id", /last segment/],
  ["a star for the trust domain", caller(`${mark}"spiffe://*/a"`), "invalid_spiffe_id", /each one/],
  ["a long ID", caller(`${mark}spiffe://example.org/${"a".repeat(2048)}`), "invalid_spiffe_id", /2048/],
  ["a deep pattern", caller(`${mark}"spiffe://example.org${"/a".repeat(31)}/*"`), "invalid_spiffe_id", /30 segments/],
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
  ["two spaces", allow(`GET ${mark} /orders`), "invalid_endpoint", /one space/],
  ["no slash", allow(`GET ${mark}orders`), "invalid_endpoint", /did you mean `\/orders`\?/],
  ["a query", allow(`GET /orders${mark}?id=1`), "invalid_endpoint", /query/],
  ["a space in a path", allow(`GET /my${mark} orders`), "invalid_endpoint", /%20/],
  ["half a parameter", allow(`"GET /orders/a${mark}{id}"`), "invalid_endpoint", /whole segment/],
  ["a parameter with a dash", allow(`"GET /orders/${mark}{order-id}"`), "invalid_endpoint", /whole segment/],
  ["half a star", allow(`"GET /orders/a${mark}*"`), "invalid_endpoint", /%2A/],
  ["stars in the middle", allow(`"GET /a/${mark}**/b"`), "invalid_endpoint", /only at the end/],
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
  ["an encoded dot", allow(`GET /a${mark}%2E`), "path_ambiguous", /%2E/],
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

  ["a rate without a unit", policy("writes: { rate: 100/s", `writes: { rate: ${mark}"100"`), "invalid_rate", /100\/s/],
  ["a bare rate", policy("writes: { rate: 100/s", `writes: { rate: ${mark}10`), "type", /write `10\/s`/],
  ["a rate in quotes", policy("writes: { rate: 100/s", `writes: { rate: ${mark}"10"`), "invalid_rate", /write `10\/s`/],
  ["a bare leeway", policy("leeway: 30s", `leeway: ${mark}45`), "type", /write `45s`/],
  ["a rate a day", policy("writes: { rate: 100/s", `writes: { rate: ${mark}100/d`), "invalid_rate", /1000\/h/],
  ["a rate of nothing", policy("writes: { rate: 100/s", `writes: { rate: ${mark}0/s`), "invalid_rate", /deny/],
  ["too fast", policy("writes: { rate: 100/s", `writes: { rate: ${mark}1000001/s`), "invalid_rate", /1000000/],
  [
    "a large rate without a burst",
    policy("writes: { rate: 100/s, burst: 200", `writes: { rate: ${mark}2000000/h`),
    "bound",
    /burst/,
  ],
  ["a bucket per what", policy("per: [caller]", `per: [${mark}source.ip]`), "invalid_selector", /claims\.NAME/],
  [
    "a claim without a name",
    policy("per: [claims.sub]", `per: [${mark}claims.]`),
    "invalid_selector",
    /joined by single dots/,
  ],

  ["alg none", policy("[RS256, ES256]", `[RS256, ${mark}none]`), "algorithm", /anybody/],
  ["HS256", policy("[RS256, ES256]", `[${mark}HS256, ES256]`), "algorithm", /share/],
  ["Ed25519 as algorithm", policy("[RS256, ES256]", `[${mark}Ed25519, ES256]`), "algorithm", /`EdDSA`/],
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

  [
    "a pattern of gateways",
    forwarders(`[${mark}"spiffe://example.org/edge/*"]`),
    "invalid_spiffe_id",
    /by its own SPIFFE ID/,
  ],
  ["a set of gateways", forwarders(`[${mark}storefront]`), "invalid_spiffe_id", /name the gateway/],
  ["a gateway twice", forwarders(`[spiffe://example.org/e, ${mark}spiffe://example.org/e]`), "duplicate", /twice/],
  ["no gateways", forwarders("[]").replace("forwarders", `${mark}forwarders`), "value", /leave it out/],
  [
    "too many gateways",
    forwarders(`[${many(16, (number) => `spiffe://example.org/${number}`)}, ${mark}spiffe://example.org/edge]`),
    "bound",
    /16 forwarders/,
  ],
  ["a header with a space", forward(`{ ${mark}"x user": caller.id }`), "invalid_header", /letters, digits and `-`/],
  ["a header without a name", forward(`{ ${mark}"": caller.id }`), "invalid_header", /letters, digits and `-`/],
  ["a header with an underscore", forward(`{ ${mark}x_user: caller.id }`), "invalid_header", /`x-user`/],
  ["a long header", forward(`{ ${mark}${"x".repeat(65)}: caller.id }`), "invalid_header", /64 bytes/],
  ["a pseudo-header", forward(`{ ${mark}":path": caller.id }`), "invalid_header", /sent/],
  ...[
    "Host",
    "content-length",
    "Content-Type",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
  ].map(
    (name): Case => [
      `the header ${name}`,
      forward(`{ ${mark}${name}: caller.id }`),
      "invalid_header",
      /how a request is sent/,
    ],
  ),
  ...["authorization", "Cookie"].map(
    (name): Case => [`the header ${name}`, forward(`{ ${mark}${name}: caller.id }`), "invalid_header", /credentials/],
  ),
  ...["x-forwarded-client-cert", "X-Forwarded-For", "x-envoy-original-path"].map(
    (name): Case => [`the header ${name}`, forward(`{ ${mark}${name}: caller.id }`), "invalid_header", /proxies/],
  ),
  ["a header twice", forward(`{ x-a: caller.id, ${mark}X-A: caller.path }`), "duplicate", /case/],
  ["an unknown value", forward(`{ x-a: ${mark}caller.name }`), "invalid_forward", /caller\.id/],
  ["half a claim", forward(`{ x-a: ${mark}claims.a. }`), "invalid_forward", /single dots/],
  [
    "too many headers",
    forward(`{ ${many(16, (number) => `x-${number}: caller.id`)}, ${mark}x-a: caller.id }`),
    "bound",
    /16 headers/,
  ],
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

test("headers are set by their names in lower case, gateways are those of the list", () => {
  const { errors, policy } = check(
    forward("{ X-User: claims.org.id, x-caller: caller.id }").replace(
      "[example.org]",
      "[example.org]\n  forwarders: [spiffe://example.org/edge]",
    ),
  );
  assert.deepEqual(errors, []);
  assert.deepEqual(policy?.forwards, [
    { header: "x-caller", value: { kind: "caller.id" } },
    { header: "x-user", value: { kind: "claim", path: ["org", "id"] } },
  ]);
  assert.deepEqual(policy?.forwarders, ["spiffe://example.org/edge"]);
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
