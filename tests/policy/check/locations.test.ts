/** Where tokens stand: every place is one that a token can be read from, in one way only. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Case, many, policy, run } from "../../support/findings.ts";
import { check, mark } from "../../support/policy.ts";

const issuer = (lines: string): string => policy("    leeway: 30s", `    ${lines}\n    leeway: 30s`);
const from = (list: string): string => issuer(`from: ${list}`);

/** A policy with a second issuer that has these lines. */
const two = (first: string, second: string): string =>
  issuer(first).replace(
    "callers:\n",
    `  ${second.startsWith(mark) ? mark : ""}partner:\n    issuer: https://partner.example.net\n    audiences: [order-api]\n    algorithms: [RS256, ES256]\n    leeway: 30s\n    maxLifetime: 1h\n    keys: { file: keys/corp.jwks.json }\n    ${second.replace(new RegExp(`^${mark}`, "u"), "")}\ncallers:\n`,
  );
const forwarding = (text: string): string => text.replace("rules:", "forward: { x-token: caller.id }\nrules:");

const errors: Case[] = [
  ["no place", issuer(`${mark}from: []`), "value", /leave it out for `authorization`/],
  ["an empty place", from(`[${mark}{}]`), "invalid_place", /one of/],
  ["a header and a cookie at once", from(`[${mark}{ header: x-a, cookie: a }]`), "invalid_place", /one of/],
  ["a prefix alone", from(`[${mark}{ prefix: "Bearer " }]`), "invalid_place", /one of/],
  ["a cookie with a prefix", from(`[{ cookie: a, prefix: ${mark}"Bearer " }]`), "invalid_place", /only a header/],
  ["a header with a blank", from(`[{ header: ${mark}"x a" }]`), "invalid_place", /RFC 9110/],
  ["a long header", from(`[{ header: ${mark}${"x".repeat(65)} }]`), "invalid_place", /1 to 64/],
  ["a cookie with a semicolon", from(`[{ cookie: ${mark}"a;b" }]`), "invalid_place", /RFC 6265/],
  ["a parameter that needs encoding", from(`[{ query: ${mark}"a b" }]`), "invalid_place", /letters, digits/],
  ["the cookie header", from(`[{ header: ${mark}Cookie }]`), "invalid_place", /`{ cookie: session }`/],
  ...[":path", "Host", "connection", "content-length", "transfer-encoding"].map(
    (name): Case => [`the header ${name}`, from(`[{ header: ${mark}"${name}" }]`), "invalid_place", /is sent/],
  ),
  [
    "the header of proxies",
    from(`[{ header: ${mark}x-forwarded-client-cert }]`),
    "invalid_place",
    /proxies tell each other/,
  ],
  [
    "a prefix that YAML has cut",
    from(`[{ header: authorization, prefix: ${mark}Bearer }]`),
    "invalid_place",
    /`prefix: "Bearer "`/,
  ],
  [
    "a prefix that begins with a blank",
    from(`[{ header: x-a, prefix: ${mark}" Token " }]`),
    "invalid_place",
    /begins with a blank/,
  ],
  [
    "the protocol of Kubernetes",
    from(`[{ header: sec-websocket-protocol, prefix: ${mark}base64url.bearer.authorization.k8s.io. }]`),
    "invalid_place",
    /encoded once more/,
  ],
  [
    "the same scheme twice",
    from(`[{ header: x-a, prefix: "Bearer " }, ${mark}{ header: x-a, prefix: "bearer  " }]`),
    "duplicate",
    /twice/,
  ],
  ["a prefix of other letters", from(`[{ header: x-a, prefix: ${mark}"é" }]`), "invalid_place", /ASCII/],
  ["a place twice", from(`[{ header: x-a }, ${mark}{ header: X-A, prefix: "" }]`), "duplicate", /`x-a` stands twice/],
  [
    "too many places of an issuer",
    from(`[${many(8, (number) => `{ header: x-${number} }`)}, ${mark}{ header: x-a }]`),
    "bound",
    /at most 8 places/,
  ],
  [
    "too many places of a policy",
    two(
      `from: [${many(8, (number) => `{ header: x-${number} }`)}]`,
      `from: [${many(8, (number) => `{ cookie: x-${number} }`)}]`,
    ).replace(
      "trust:\n",
      "trust:\n  identity: either\n  jwtSvid: { audiences: [a], bundles: { example.org: { file: keys/bundle.json } }, from: [▸{ header: x-svid }] }\n",
    ),
    "bound",
    /at most 16 places/,
  ],
  [
    "a prefix that begins as another",
    two('from: [{ header: x-a, prefix: "Token " }]', `from: [${mark}{ header: x-a }]`),
    "place_conflict",
    /`partner`.*`corp`.*open/,
  ],
  [
    "prefixes that differ in case alone",
    from(`[{ header: x-a, prefix: "Token " }, ${mark}{ header: x-a, prefix: "token " }]`),
    "place_conflict",
    /use one prefix/,
  ],
  [
    "a place that one issuer strips and the other does not",
    two("forwardToken: false", `${mark}bind: none`),
    "place_conflict",
    /of `partner`, but not that of `corp`/,
  ],
  [
    "the same, said by the other issuer",
    two("bind: none", "forwardToken: false").replace("    forwardToken", `    ${mark}forwardToken`),
    "place_conflict",
    /`corp`, but not that of `partner`/,
  ],
  [
    "a header that the policy sets",
    forwarding(from(`[${mark}{ header: X-Token }]`)),
    "place_conflict",
    /`forward` sets/,
  ],
];

run("errors", errors);

run("warnings", [["a token in URLs", from(`[${mark}{ query: access_token }]`), "token_in_query", /RFC 6750 §5\.3/]]);

test("places are what they are by default, and headers have no case", () => {
  assert.deepEqual(check(policy("", "")).policy?.issuers[0]?.places, [
    { kind: "header", name: "authorization", prefix: "Bearer " },
  ]);
  const { errors, policy: read } = check(
    from(
      "[{ header: Authorization }, { header: authorization, prefix: 'DPoP ' }, { header: X-A }, { cookie: Session }, { query: t }]",
    ).replace("from:", "forwardToken: false\n    bind: caller\n    from:"),
  );
  assert.deepEqual(errors, []);
  const { places, forwardToken, bind } = read!.issuers[0]!;
  assert.deepEqual(places, [
    { kind: "header", name: "authorization", prefix: "Bearer " },
    { kind: "header", name: "authorization", prefix: "DPoP " },
    { kind: "header", name: "x-a", prefix: "" },
    { kind: "cookie", name: "Session", prefix: "" },
    { kind: "query", name: "t", prefix: "" },
  ]);
  assert.deepEqual([forwardToken, bind], [false, "caller"]);
});

test("two issuers that agree share their places", () => {
  const shared = "from: [{ header: x-a }]\n    forwardToken: false";
  assert.deepEqual(check(two(shared, shared)).errors, []);
  assert.deepEqual(check(two("forwardToken: false", "from: [{ header: x-a }]")).errors, []);
});
