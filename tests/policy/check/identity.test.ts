/** Who says who the caller is: JWT-SVIDs, and the bundles they are verified by. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Case, many, policy, rule, run } from "../../support/findings.ts";
import { check, mark } from "../../support/policy.ts";

const trust = (lines: string): string => policy("  domains: [example.org]", lines);
const bundles = "bundles: { example.org: { file: keys/bundle.json } }";
const svid = (more: string, identity = "either"): string =>
  trust(`  domains: [example.org]\n  identity: ${identity}\n  jwtSvid: { audiences: [order-api], ${more} }`);

const errors: Case[] = [
  [
    "another word",
    trust(`  domains: [example.org]\n  identity: ${mark}jwt`),
    "value",
    /`mtls` or `jwt-svid` or `either`/,
  ],
  ["jwt-svid without more", trust(`  domains: [example.org]\n  ${mark}identity: jwt-svid`), "missing_key", /bundles:/],
  ["either without more", trust(`  domains: [example.org]\n  ${mark}identity: either`), "missing_key", /`jwtSvid`/],
  [
    "bundles that nobody reads",
    trust(`  domains: [example.org]\n  ${mark}jwtSvid: { audiences: [a], ${bundles} }`),
    "identity",
    /no effect/,
  ],
  [
    "gateways that tell of certificates",
    svid(bundles, "jwt-svid").replace("  identity", `  ${mark}forwarders: [spiffe://example.org/edge]\n  identity`),
    "identity",
    /identity: either/,
  ],
  [
    "filter state that nobody reads",
    trust(`  domains: [example.org]\n  filterState: ${mark}app.peer`),
    "identity",
    /`identity: filter-state` alone/,
  ],
  [
    "filter state that Wasm filters write, ours among them",
    trust(`  domains: [example.org]\n  identity: filter-state\n  filterState: ${mark}wasm.sallyport`),
    "value",
    /io\.istio\.peer_principal/,
  ],
  [
    "a key with a blank",
    trust(`  domains: [example.org]\n  identity: filter-state\n  filterState: ${mark}"a b"`),
    "value",
    /io\.istio\.peer_principal/,
  ],
  [
    "a key that is too long",
    trust(`  domains: [example.org]\n  identity: filter-state\n  filterState: ${mark}${"k".repeat(244)}`),
    "value",
    /io\.istio\.peer_principal/,
  ],
  [
    "JWT-SVIDs beside filter state",
    trust(`  domains: [example.org]\n  identity: filter-state\n  ${mark}jwtSvid: { audiences: [a], ${bundles} }`),
    "identity",
    /known by filter state/,
  ],
  [
    "gateways behind another listener",
    trust(`  domains: [example.org]\n  identity: filter-state\n  ${mark}forwarders: [spiffe://example.org/edge]`),
    "identity",
    /takes away from connections without a certificate/,
  ],
  [
    "tokens bound to a certificate that ended elsewhere",
    trust("  domains: [example.org]\n  identity: filter-state").replace(
      "    leeway: 30s",
      `    leeway: 30s\n    ${mark}bind: certificate`,
    ),
    "identity",
    /write `bind: caller`/,
  ],
  ["no audiences", svid(bundles).replace("audiences: [order-api]", `${mark}audiences: []`), "value", /another service/],
  [
    "audiences left out",
    svid(bundles).replace("audiences: [order-api], ", "").replace("jwtSvid", `${mark}jwtSvid`),
    "missing_key",
    /`audiences`/,
  ],
  ["no bundles", svid("bundles: {}").replace("jwtSvid", `${mark}jwtSvid`), "value", /nobody/],
  [
    "a bundle of a foreign domain",
    svid(`bundles: { ${mark}exmaple.org: { file: keys/bundle.json } }`),
    "unknown_domain",
    /did you mean `example.org`\?/,
  ],
  ["no such bundle", svid(`bundles: { example.org: { file: ${mark}keys/none.json } }`), "file", /no such file/],
  [
    "a bundle without keys for JWT-SVIDs",
    svid(`bundles: { example.org: { file: ${mark}keys/corp.jwks.json } }`),
    "key_missing",
    /`use: jwt-svid`/,
  ],
  ["a bundle from nowhere", svid(`bundles: { ${mark}example.org: {} }`), "key_source", /behind a URL/],
  ["a leeway of an hour", svid(`${bundles}, leeway: ${mark}1h`), "bound", /300s/],
  [
    "an issuer whose place is stripped of JWT-SVIDs",
    svid(`${bundles}, ${mark}forwardToken: false`),
    "place_conflict",
    /`corp`, but not that of `jwtSvid`/,
  ],
  [
    "more than 256 issuers and bundles",
    trust(
      `  domains: [${many(256, (number) => `d${number}.example.org`)}]\n  identity: either\n  jwtSvid: { audiences: [a], bundles: { ${many(255, (number) => `d${number}.example.org: { file: keys/bundle.json }`)}, ${mark}d255.example.org: { file: keys/bundle.json } } }`,
    ),
    "bound",
    /256 issuers and bundles/,
  ],
];

run("errors", errors);

run("warnings", [
  [
    "a domain without a bundle",
    svid(bundles).replace("[example.org]", `[example.org, ${mark}partner.example.net]`),
    "bundle_missing",
    /`partner.example.net`/,
  ],
  [
    "a token that has no room beside the JWT-SVID",
    svid(bundles, "jwt-svid").replace("  corp:", `  ${mark}corp:`),
    "place_shared",
    /`corp`.*`from`/,
  ],
  [
    "a token of a caller, for callers that are none",
    rule(`    allow: [GET /a]\n    ${mark}token: corp\n    scopes: [a]\n`)
      .replace(/callers: \[storefront\]\n {4}allow: \[GET \/a\]/u, "callers: [anonymous]\n    allow: [GET /a]")
      .replace("    leeway: 30s", "    leeway: 30s\n    bind: caller"),
    "binding_never",
    /no such request can pass/,
  ],
] satisfies Case[]);

test("filter state has a usual key, and may have any other that a listener writes", () => {
  for (const [line, key] of [
    ["", "io.istio.peer_principal"],
    ["\n  filterState: app.peer", "app.peer"],
    [`\n  filterState: ${"k".repeat(243)}`, "k".repeat(243)],
  ] as const) {
    const { errors, policy: read } = check(trust(`  domains: [example.org]\n  identity: filter-state${line}`));
    assert.deepEqual([errors, read?.identity, read?.filterState], [[], "filter-state", key]);
  }
});

test("each bundle is an issuer of JWT-SVIDs", () => {
  const {
    errors,
    warnings,
    policy: read,
  } = check(
    svid(
      "bundles: { partner.example.net: { url: https://b.example.net/, cluster: b, file: keys/bundle.json }, example.org: { file: keys/bundle.json } }, from: [{ header: x-svid }], leeway: 10s, forwardToken: false",
      "jwt-svid",
    ).replace("[example.org]", "[example.org, partner.example.net]"),
  );
  assert.deepEqual([errors, warnings], [[], []]);
  assert.equal(read?.identity, "jwt-svid");
  assert.deepEqual(
    read?.svids.map(({ name, issuer, audiences, algorithms, leewaySeconds, places, forwardToken, keySet }) => [
      [name, issuer, audiences, algorithms.length, algorithms.includes("EdDSA"), leewaySeconds, places, forwardToken],
      [keySet.use, keySet.keys.map(({ kid }) => kid), keySet.source?.cluster],
    ]),
    [
      [
        [
          "partner.example.net",
          "partner.example.net",
          ["order-api"],
          9,
          false,
          10,
          [{ kind: "header", name: "x-svid", prefix: "" }],
          false,
        ],
        ["jwt-svid", ["svid-2026"], "b"],
      ],
      [
        [
          "example.org",
          "example.org",
          ["order-api"],
          9,
          false,
          10,
          [{ kind: "header", name: "x-svid", prefix: "" }],
          false,
        ],
        ["jwt-svid", ["svid-2026"], undefined],
      ],
    ],
  );
});

test("who shows a JWT-SVID of an alias is a caller of the domain that it is an alias of", () => {
  const text = (domain: string): string =>
    svid(`bundles: { ${domain}: { file: keys/bundle.json } }, from: [{ header: x-svid }]`, "jwt-svid")
      .replace("domains: [example.org]", "domains: [example.org]\n  aliases: { old.example.net: example.org }")
      .replace("rules:\n", "rules:\n  - { name: no, callers: [spiffe://example.org/x], deny: [GET /x] }\n");
  assert.deepEqual(check(text("old.example.net")).errors, []);
  assert.deepEqual(check(text("example.org")).errors, []);
});
