/** What a fetched set has that does not count, and what is fetched that is no set: each is logged by its name, once, and counted. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { CalloutAnswer } from "../../scripts/host/callout.ts";
import { makeKey, makeStrangers, type ProviderKey } from "../support/jwks-server.ts";
import { fetchingPolicy, imageOf, jwks, outcomeOf, Workers } from "../support/workers.ts";

let good: ProviderKey;
let rsa: ProviderKey;
let ed: ProviderKey;
const image = imageOf(fetchingPolicy());

before(async () => {
  [good, rsa, ed] = await Promise.all([makeKey("good"), makeKey("rsa", "RS256"), makeKey("ed", "EdDSA")]);
});

const set = (...keys: unknown[]): string => JSON.stringify({ keys });
const linesOf = (workers: Workers, words: string): string[] =>
  workers.hosts.flatMap(({ logs }) => logs.map(({ message }) => message)).filter((line) => line.includes(words));
const counter = (workers: Workers, reason: string): number =>
  Number(workers.counted(`sallyport_key_set_left_out.policy.shop;.reason.${reason}.set.idp`));

/** An odd number of 1,024 bits. */
const small = (modulus: string): string =>
  Buffer.from([0xff, ...Buffer.from(modulus, "base64url").subarray(-127)]).toString("base64url");

/** Each kind of key that does not count: the reason, what its line says, and the key. */
const kinds = (): [reason: string, words: string, key: Record<string, unknown>][] => [
  ["secret", "private or shared", { kty: "oct", k: "AAAA", kid: "a" }],
  ["secret", "private or shared", { ...good.jwk, d: "AAAA", kid: "a" }],
  ["use", "not for signatures", { ...rsa.jwk, use: "enc", kid: "a" }],
  ["use", "not for signatures", { ...rsa.jwk, key_ops: ["encrypt"], kid: "a" }],
  ["kid", "too long", { ...rsa.jwk, kid: `a${"b".repeat(300)}` }],
  ["type", "kty or crv is not supported", { kty: "AKP", alg: "ML-DSA-65", kid: "a", pub: "AA" }],
  ["type", "kty or crv is not supported", { kty: "OKP", crv: "Ed448", x: "AA", kid: "a" }],
  ["type", "kty or crv is not supported", { ...good.jwk, crv: "secp256k1", kid: "a" }],
  ["alg", "alg is not supported", { ...rsa.jwk, alg: "RSA-OAEP", kid: "a" }],
  ["certificate", "only a certificate", { kty: "RSA", kid: "a", x5c: ["AAAA"] }],
  ["weak", "2,048", { ...rsa.jwk, n: small(rsa.jwk.n!), kid: "a" }],
  ["weak", "2,048", { ...rsa.jwk, e: "AQ", kid: "a" }],
  ["malformed", "base64url", { ...rsa.jwk, n: `${rsa.jwk.n}==`, kid: "a" }],
  ["malformed", "base64url", { ...good.jwk, x: good.jwk.x!.slice(2), kid: "a" }],
  ["malformed", "base64url", { kty: "RSA", kid: "a", n: rsa.jwk.n }],
  ["malformed", "base64url", { ...ed.jwk, x: "AAAA", kid: "a" }],
  ["malformed", "base64url", { kid: "a" }],
];

describe("a key that is left out of a fetched set", () => {
  test("is logged with its ID and the reason, and counted", () => {
    for (const [reason, words, key] of kinds()) {
      const workers = new Workers(image);
      workers.fetch({ body: set(key, good.jwk) });
      const [line, ...more] = linesOf(workers, "leaves out");
      assert.ok(line, `${reason}: ${words}`);
      assert.ok(line.startsWith('sallyport: key set idp leaves out a key "a'), line);
      assert.ok(line.includes(`(${reason}): `) && line.includes(words), `${reason}: ${line}`);
      assert.deepEqual(more, []);
      assert.equal(counter(workers, reason), 1);
      assert.equal(workers.metric("keys"), 1);
    }
  });

  test("is told once for each change of the set, by one worker, whoever reads it", async () => {
    const workers = new Workers(image, 3);
    const body = set({ ...rsa.jwk, use: "enc", kid: "enc" }, good.jwk);
    for (let fetch = 0; fetch < 4; fetch++) {
      workers.fetch({ body });
      workers.pass(60);
    }
    for (const worker of [0, 1, 2]) assert.equal(outcomeOf(workers.ask(worker, await good.token())), "allowed");
    assert.equal(linesOf(workers, "leaves out").length, 1);
    assert.equal(counter(workers, "use"), 1);
    workers.fetch({ body: set({ ...rsa.jwk, use: "enc", kid: "enc" }, ed.jwk) });
    assert.equal(linesOf(workers, "leaves out").length, 2);
    assert.equal(counter(workers, "use"), 2);
    workers.pass(60);
    workers.fetch({ body: jwks(good) });
    assert.equal(linesOf(workers, "leaves out").length, 2);
  });

  test("has no ID, or one that is no text or would break the line", () => {
    const workers = new Workers(image, 1);
    const bad = { ...rsa.jwk, use: "enc" };
    workers.fetch({
      body: set({ ...bad, kid: undefined }, { ...bad, kid: 7 }, { ...bad, kid: 'a\n"b\u0007' }, good.jwk),
    });
    assert.deepEqual(
      linesOf(workers, "leaves out").map((line) => /leaves out a key (.*) \(use\)/u.exec(line)?.[1]),
      ["without kid", "without kid", '"a\\u000a\\"b\\u0007"'],
    );
  });

  test("is one of sixteen that have a line; of more the number is told, and all are counted", async () => {
    const workers = new Workers(image, 1);
    const many = Array.from({ length: 300 }, (_, n) => ({ ...rsa.jwk, use: "enc", kid: `k${n}` }));
    workers.fetch({ body: set(...many, good.jwk) });
    const lines = linesOf(workers, "leaves out");
    assert.equal(lines.length, 17);
    assert.equal(lines[16], "sallyport: key set idp leaves out 284 more keys");
    assert.equal(counter(workers, "use"), 300);
    assert.equal(outcomeOf(workers.ask(0, await good.token())), "allowed");
  });

  test("of a bundle says where SPIRE has those for JWT-SVIDs; the authorities of certificates are no loss", () => {
    const policy = `version: 1
name: shop
trust:
  domains: [example.org]
  identity: jwt-svid
  jwtSvid: { audiences: [a], bundles: { example.org: { url: "https://spire.example.org/b", cluster: idp } } }
rules: [{ name: orders, callers: [any], allow: [GET /orders] }]
`;
    const workers = new Workers(imageOf(policy), 1);
    const { use: _, ...unsaid } = good.jwk;
    const svid = { ...good.jwk, use: "jwt-svid" };
    workers.fetch({
      body: set(
        { ...good.jwk, use: "x509-svid", x5c: ["AA"] },
        unsaid,
        { ...svid, kid: undefined },
        { ...ed.jwk, use: "jwt-svid" },
        svid,
      ),
    });
    const lines = linesOf(workers, "leaves out");
    assert.equal(lines.length, 3);
    assert.match(
      lines[0]!,
      /key set example\.org leaves out a key "good" \(use\): .*of SPIRE take the bundle endpoint/,
    );
    assert.match(lines[1]!, /without kid \(kid\): .*a bundle's key has none/);
    assert.match(lines[2]!, /"ed" \(alg\)/);
  });

  test("is none of a set in which the very same key stands twice, and zeros before numbers", () => {
    const workers = new Workers(image, 1);
    const zero = Buffer.concat([Buffer.alloc(1), Buffer.from(rsa.jwk.n!, "base64url")]).toString("base64url");
    workers.fetch({ body: set(good.jwk, good.jwk, { ...rsa.jwk, n: zero }, ...makeStrangers(3)) });
    assert.deepEqual(linesOf(workers, "leaves out"), []);
    assert.equal(workers.metric("keys"), 6);
  });
});

describe("what is no key set is told by its name", () => {
  const compressed = gzipSync('{"keys":[]}');
  const answers: Record<string, [answer: CalloutAnswer, line: RegExp]> = {
    "a redirect": [
      { status: 302, headers: [["location", "https://login.example.org/keys"]] },
      /redirects, which is not followed; name the URL that it leads to: "https:\/\/login\.example\.org\/keys", status 302 from cluster idp$/,
    ],
    "a redirect that would break the line": [
      { status: 301, headers: [["location", `/a\u0001${"b".repeat(600)}`]] },
      /: "\/a\\u0001b+", status 301 from cluster idp$/,
    ],
    "a redirect to nowhere": [{ status: 308 }, /redirects.*, status 308 from cluster idp$/],
    gzip: [
      { body: compressed, headers: [["content-encoding", "gzip"]] },
      /compressed, which nobody asked for: "gzip"$/,
    ],
    deflate: [{ body: "x", headers: [["content-encoding", "deflate"]] }, /compressed.*"deflate"$/],
    "gzip that nobody speaks of": [{ body: compressed }, /gzip, which nobody asked for$/],
    HTML: [{ body: "\n <!doctype html><p>Log in" }, /HTML or XML, no JSON$/],
    PEM: [{ body: "-----BEGIN PUBLIC KEY-----\n" }, /PEM, no JSON$/],
    "a token": [{ body: "eyJhbGciOiJSUzI1NiJ9.e30.AA" }, /a token or base64, no JSON$/],
    "a discovery document": [
      { body: '{"issuer":"https://idp.example.org","jwks_uri":"https://idp.example.org/k"}' },
      /a discovery document: `keys: \{ discovery: true \}`/,
    ],
    "a map of certificates": [{ body: '{"r":"-----BEGIN CERTIFICATE-----\\nAA"}' }, /a map of certificates, no JWKS/],
    "a map of trust domains": [{ body: '{"spiffe://example.org":{"keys":[]}}' }, /a map of trust domains, no bundle/],
    "a single key": [{ body: '{"kty":"EC","crv":"P-256"}' }, /a single key, no JWKS/],
    "something else": [{ body: '{"error":"no"}' }, /no JSON Web Key Set$/],
  };
  for (const [what, [answer, line]] of Object.entries(answers)) {
    test(what, async () => {
      const workers = new Workers(image);
      workers.fetch({ body: jwks(good) });
      workers.pass(60);
      workers.fetch(answer);
      assert.match(linesOf(workers, "not fetched").join("\n"), line);
      assert.equal(outcomeOf(workers.ask(1, await good.token())), "allowed", "the last good one stays");
    });
  }

  const sets: Record<string, () => CalloutAnswer> = {
    "text/html with a key set in it": () => ({ body: jwks(good), headers: [["content-type", "text/html"]] }),
    "application/jwk-set+json": () => ({
      body: jwks(good),
      headers: [["content-type", "application/jwk-set+json; charset=UTF-8"]],
    }),
    "an encoding that is none": () => ({ body: jwks(good), headers: [["content-encoding", "Identity"]] }),
    "a byte order mark": () => ({ body: `\ufeff${jwks(good)}` }),
    "300 keys": () => ({ body: set(...makeStrangers(300), good.jwk) }),
  };
  for (const [what, answer] of Object.entries(sets)) {
    test(`${what} is a key set`, async () => {
      const workers = new Workers(image);
      workers.fetch(answer());
      for (const worker of [0, 1]) assert.equal(outcomeOf(workers.ask(worker, await good.token())), "allowed");
    });
  }

  test("the server is asked for what is not compressed, by somebody with a name", () => {
    const workers = new Workers(image, 1);
    workers.tickAll();
    assert.equal(workers.asked.get("accept-encoding"), "identity");
    assert.equal(workers.asked.get("user-agent"), "sallyport");
  });
});
