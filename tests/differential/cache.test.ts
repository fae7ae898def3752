/**
 * A token that is known gets the verdict that a fresh one would get: long sequences in which a few hundred tokens come again,
 * more than the engine keeps, under other callers and certificates, at other places, later, or with one character changed. The
 * reference knows no cache. The seed is printed; SEED brings a run back.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { known_tokens_bytes_max } from "../../assembly/limits.ts";
import { Random, runSeed } from "../support/random.ts";
import { mint, type TokenParts, writeKeySets } from "./arbitrary/keys.ts";
import { digests, issuer_urls, start_seconds } from "./arbitrary/tokens.ts";
import { compileText, Product } from "./product.ts";
import { Reference } from "./reference/evaluate.ts";
import { readPolicy } from "./reference/policy.ts";
import type { Arrived } from "./reference/request.ts";
import { answerOf, isSame } from "./scenario.ts";

const seed = runSeed();
console.log(`SEED=${seed}`);

/** Two issuers with one key set, told apart by `iss`, and one with another set; JWT-SVIDs have a third. */
const text = `version: 1
name: known
trust:
  domains: [example.org]
  identity: either
  jwtSvid: { audiences: [order-api], bundles: { example.org: { file: example.org.jwks.json } }, from: [{ header: x-svid }] }
issuers:
  app:
    issuer: ${issuer_urls.app}
    audiences: [order-api]
    algorithms: [ES256, EdDSA]
    keys: { file: corp.jwks.json }
    leeway: 0s
    from: [{ cookie: session }, { header: authorization }]
    bind: caller
  corp:
    issuer: ${issuer_urls.corp}
    audiences: [order-api]
    algorithms: [ES256]
    keys: { file: corp.jwks.json }
    leeway: 0s
    maxLifetime: 30m
  device:
    issuer: ${issuer_urls.device}
    audiences: [order-api]
    algorithms: [ES256, PS256]
    keys: { file: partner.jwks.json }
    leeway: 0s
    from: [{ header: x-device }, { cookie: session }]
    forwardToken: true
    bind: certificate
  twin:
    issuer: ${issuer_urls.corp}
    audiences: [order-api]
    algorithms: [ES256]
    keys: { file: twin.jwks.json }
    leeway: 0s
forward: { x-who: claims.sub, x-number: claims.n }
rules:
  - { name: all, callers: [any], allow: [GET /all], token: [app, corp, device, twin], when: claims.n != 7 }
  - { name: app, callers: [any], allow: [GET /app], token: app, scopes: [read] }
  - { name: corp, callers: [anonymous], allow: [GET /corp], token: [corp, twin] }
  - { name: device, callers: [any], allow: [GET /device], token: device }
`;

const callers = ["spiffe://example.org/a", "spiffe://example.org/b", null];
const kinds: readonly (readonly [
  iss: string | undefined,
  key: string,
  alg: string,
  kid: string | undefined,
  place: string,
])[] = [
  [issuer_urls.app, "corp-ec", "ES256", "e1", "session"],
  [issuer_urls.app, "corp-ed", "EdDSA", "e1", "authorization"],
  [issuer_urls.corp, "corp-ec-2", "ES256", "e2", "authorization"],
  [issuer_urls.corp, "corp-ec", "ES256", "e1", "authorization"],
  [issuer_urls.corp, "twin-ec", "ES256", "e1", "authorization"],
  [issuer_urls.device, "partner-ec", "ES256", undefined, "x-device"],
  [undefined, "svid-ec", "ES256", "s1", "x-svid"],
];

/** A token; every second one is large, and of those some have many values, so that not all entries have one size. */
function somePart(random: Random, number: number): TokenParts & { place: string } {
  const [iss, key, alg, kid, place] = random.pick(kinds);
  const json = JSON.stringify;
  const filler =
    number % 3 === 0
      ? `[${Array.from({ length: 700 }, () => random.below(1000)).join(",")}]`
      : json("x".repeat(number % 3 === 1 ? 3000 + random.below(2000) : random.below(200)));
  const expires = start_seconds + random.pick([20, 200, 1000, 1700]);
  return {
    header: [["alg", json(alg)], ...(kid === undefined ? [] : [["kid", json(kid)] as const])],
    claims: [
      ...(iss === undefined ? [] : [["iss", json(iss)] as const]),
      ["sub", json(random.pick(callers.slice(0, 2)))],
      ["aud", json(random.pick(["order-api", "order-api", "order-api", "other"]))],
      ["iat", String(start_seconds)],
      ["exp", String(expires)],
      ["n", String(number)],
      ["scope", json(random.pick(["read", "write"]))],
      ["cnf", json({ "x5t#S256": Buffer.from(random.pick(digests), "hex").toString("base64url") })],
      ["filler", filler],
    ],
    key,
    damage: "none",
    place,
  };
}

/** A token with one character changed: at the end, where tokens are looked up by, in the signature, or in the claims. */
function tamper(random: Random, token: string): string {
  const signature = token.lastIndexOf(".") + 1;
  const ranges = [
    [token.length - 17, token.length],
    [signature, token.length - 16],
    [token.indexOf(".") + 1, signature - 1],
    [0, token.indexOf(".")],
  ] as const;
  const [from, to] = random.pick(ranges);
  const at = from + random.below(Math.min(to - from, 40));
  return `${token.slice(0, at)}${token[at] === "A" ? "B" : "A"}${token.slice(at + 1)}`;
}

const place = (name: string, token: string): readonly [string, string] =>
  name === "session" ? ["cookie", `session=${token}`] : [name, name === "authorization" ? `Bearer ${token}` : token];

test("a token that is known is judged as a fresh one", () => {
  const folder = writeKeySets();
  const image = compileText({ main: text, included: {} }, folder)!;
  const product = new Product(image);
  const reference = new Reference(readPolicy(text, [], folder));
  const random = new Random(seed);
  const pool = Array.from({ length: 900 }, (_, number) => {
    const parts = somePart(random, number);
    return {
      token: mint({ header: parts.header, claims: parts.claims, key: parts.key, damage: "none" }),
      place: parts.place,
    };
  });
  const bytes = pool.reduce((sum, { token }) => sum + token.length, 0);
  assert.ok(bytes > known_tokens_bytes_max, `${bytes} bytes of tokens leave room in the cache`);
  const paths = { session: "/app", authorization: "/corp", "x-device": "/device", "x-svid": "/all" } as Record<
    string,
    string
  >;
  let now = start_seconds * 1000;
  let recent = pool.slice(0, 8);
  const reasons = new Map<string, number>();
  for (let number = 0; number < 15_000; number++) {
    if (random.below(40) === 0) now += random.below(2500);
    if (random.below(4) === 0) recent = [...recent.slice(1), random.pick(pool)];
    const carried = Array.from({ length: random.below(5) === 0 ? 2 : 1 }, () =>
      random.below(3) === 0 ? random.pick(pool) : random.pick(recent),
    );
    const headers = carried.map((one) => {
      const token = random.below(6) === 0 ? tamper(random, one.token) : one.token;
      return place(random.below(12) === 0 ? random.pick(Object.keys(paths)) : one.place, token);
    });
    const arrived: Arrived = {
      caller: random.pick(callers),
      digest: random.pick([...digests, null]),
      source: "10.1.2.3",
      method: "GET",
      path: random.below(3) === 0 ? "/all" : paths[carried[0]!.place]!,
      host: "example.org",
      headers,
    };
    const expected = reference.ask(arrived, now);
    const given = answerOf(product.ask(arrived, now));
    reasons.set(expected.reason, (reasons.get(expected.reason) ?? 0) + 1);
    if (isSame(given, expected)) continue;
    const shown = JSON.stringify({ now, arrived, given, expected }, null, 1);
    assert.fail(`request ${number}, SEED=${seed}: product ${given.reason}, reference ${expected.reason}\n${shown}`);
  }
  const metric = (result: string): number => product.metric(`sallyport_cached_tokens.policy.known;.result.${result}`);
  console.log(
    `${[...reasons].map(([reason, count]) => `${reason} ${count}`).join(", ")}; hits ${metric("hit")}, evictions ${metric("eviction")}`,
  );
  for (const reason of [
    "allowed",
    "token_binding",
    "token_expired",
    "token_signature",
    "token_malformed",
    "token_audience",
  ])
    assert.ok((reasons.get(reason) ?? 0) >= 20, `${reason} came up ${reasons.get(reason) ?? 0} times`);
  assert.ok(metric("hit") > 1000, `only ${metric("hit")} tokens were known`);
  assert.ok(metric("eviction") > 300, `only ${metric("eviction")} tokens were pushed out`);
});
