/** Keys by discovery: the document of the issuer says where they are, and leads nowhere that the policy does not name. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { CalloutAnswer } from "../../scripts/host/callout.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { type ProviderKey, providerAudience, providerIssuer } from "../support/jwks-server.ts";
import { imageOf, jwks, makeTwoKeys, outcomeOf, Workers } from "../support/workers.ts";

let one: ProviderKey;
let two: ProviderKey;
let tokenOne: string;
let tokenTwo: string;

before(async () => {
  ({ one, two, tokenOne, tokenTwo } = await makeTwoKeys());
});

function policyWith(keys: string, issuer: string = providerIssuer): string {
  return `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  idp:
    issuer: ${issuer}
    audiences: [${providerAudience}]
    algorithms: [ES256]
    keys: ${keys}
rules:
  - { name: orders, callers: [any], allow: [GET /orders], token: idp }
`;
}

const discovering = "{ discovery: true, cluster: idp, refresh: 60s }";
const image = imageOf(policyWith(discovering));
const clusters = ["idp", "certs"];
const start = (of = image, count = 2): Workers => new Workers(of, count, new SharedData(), { clusters });
const keysUrl = "https://idp.example.org/keys";
const document = (more: object = {}): CalloutAnswer => ({
  body: JSON.stringify({ issuer: providerIssuer, jwks_uri: keysUrl, response_types_supported: ["code"], ...more }),
});
const logOf = (workers: Workers): string =>
  workers.hosts.flatMap(({ logs }) => logs.map(({ message }) => message)).join("\n");

/** Where the one callout that waits goes. */
function asked(workers: Workers): string {
  const host = workers.hosts.find(({ calls }) => calls.length === 1)!;
  const { cluster } = host.calls[0]!;
  const headers = workers.asked;
  return `${cluster}: ${headers.get(":scheme")}://${headers.get(":authority")}${headers.get(":path")}`;
}

describe("discovery", () => {
  test("asks for the document, then for the key set that it names; all workers have it", () => {
    const workers = start();
    const waiting = workers.ask(1, tokenOne);
    workers.tickAll();
    assert.equal(asked(workers), "idp: https://idp.example.org/.well-known/openid-configuration");
    workers.answer(document());
    assert.equal(asked(workers), "idp: https://idp.example.org/keys");
    workers.answer({ body: jwks(one) });
    workers.tickAll();
    assert.equal(outcomeOf(waiting), "allowed");
    for (const worker of [0, 1]) assert.equal(outcomeOf(workers.ask(worker, tokenOne)), "allowed");
    assert.deepEqual([workers.metric("refreshes"), workers.metric("failures"), workers.metric("keys")], [1, 0, 1]);
  });

  test("is done anew with each refresh: the keys may move, and are never asked for with the ETag of another place", () => {
    const workers = start();
    workers.tickAll();
    workers.answer(document());
    workers.answer({ body: jwks(one), headers: [["etag", '"v1"']] });
    workers.pass(60);
    workers.tickAll();
    workers.answer(document({ jwks_uri: "https://IDP.example.org:443/moved?v=2" }));
    assert.equal(asked(workers), "idp: https://idp.example.org/moved?v=2");
    assert.equal(workers.asked.get("if-none-match"), undefined);
    workers.answer({ body: jwks(two) });
    workers.tickAll();
    assert.equal(outcomeOf(workers.ask(1, tokenTwo)), "allowed");
    assert.notEqual(outcomeOf(workers.ask(1, tokenOne)), "allowed");
  });

  for (const [issuer, openid, oauth] of [
    ["https://idp.example.org", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"],
    ["https://idp.example.org/", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"],
    [
      "https://idp.example.org/realms/shop",
      "/realms/shop/.well-known/openid-configuration",
      "/.well-known/oauth-authorization-server/realms/shop",
    ],
    [
      "https://idp.example.org/a/b/",
      "/a/b/.well-known/openid-configuration",
      "/.well-known/oauth-authorization-server/a/b",
    ],
  ] as const) {
    test(`${issuer}: where there is no document of OpenID Connect, that of RFC 8414`, () => {
      const workers = start(imageOf(policyWith(discovering, issuer)), 1);
      workers.tickAll();
      assert.equal(asked(workers), `idp: https://idp.example.org${openid}`);
      workers.answer({ status: 404, body: "<html>" });
      assert.equal(asked(workers), `idp: https://idp.example.org${oauth}`);
      workers.answer(document({ issuer }));
      workers.answer({ body: jwks(one) });
      assert.equal(workers.metric("keys"), 1);
    });
  }

  test("another host, which the policy has a cluster for", () => {
    const keys = "{ discovery: true, cluster: idp, clusters: { 'Certs.example.net:8443': certs } }";
    const workers = start(imageOf(policyWith(keys)), 1);
    workers.tickAll();
    workers.answer(document({ jwks_uri: "https://certs.example.net:8443/oauth2/v3/certs" }));
    assert.equal(asked(workers), "certs: https://certs.example.net:8443/oauth2/v3/certs");
    workers.answer({ body: jwks(one) });
    assert.equal(outcomeOf(workers.ask(0, tokenOne)), "allowed");
  });

  const refused: [what: string, answer: CalloutAnswer, log: RegExp][] = [
    ["another issuer", document({ issuer: "https://evil.example" }), /another `issuer`: "https:\/\/evil.example"$/mu],
    ["the issuer with a slash", document({ issuer: `${providerIssuer}/` }), /another `issuer`/u],
    ["the issuer in another case", document({ issuer: "https://IDP.example.org" }), /another `issuer`/u],
    ["an issuer that is no text", document({ issuer: [providerIssuer] }), /another `issuer`/u],
    ["no issuer", { body: JSON.stringify({ jwks_uri: keysUrl }) }, /lacks `issuer` or `jwks_uri`/u],
    ["no jwks_uri", { body: JSON.stringify({ issuer: providerIssuer }) }, /lacks `issuer` or `jwks_uri`/u],
    ["an http URL", document({ jwks_uri: "http://idp.example.org/keys" }), /no https URL: "http:\/\/idp.example.org/u],
    ["a URL without a scheme", document({ jwks_uri: "//idp.example.org/keys" }), /no https URL/u],
    ["a path", document({ jwks_uri: "/keys" }), /no https URL/u],
    ["a number", document({ jwks_uri: 7 }), /no https URL/u],
    ["a line break", document({ jwks_uri: "https://idp.example.org/keys\r\nx: y" }), /no https URL/u],
    ["a fragment", document({ jwks_uri: "https://idp.example.org/keys#a" }), /no https URL/u],
    ["a long URL", document({ jwks_uri: `${keysUrl}/${"a".repeat(1024)}` }), /no https URL/u],
    ["another host", document({ jwks_uri: "https://evil.example/keys" }), /no host of the policy's: "https:\/\/evil/u],
    ["another port", document({ jwks_uri: "https://idp.example.org:8443/keys" }), /no host of the policy's/u],
    ["a longer host", document({ jwks_uri: "https://idp.example.org.evil.example/keys" }), /no host of the policy's/u],
    ["a user", document({ jwks_uri: "https://idp.example.org@evil.example/keys" }), /no host of the policy's/u],
    ["the host as a user's", document({ jwks_uri: "https://u@idp.example.org/keys" }), /no host of the policy's/u],
    ["a backslash", document({ jwks_uri: "https://evil.example\\@idp.example.org/keys" }), /no https URL/u],
    ["no path", document({ jwks_uri: "https://idp.example.org" }), /no host of the policy's/u],
    ["a page", { body: "\n<!doctype html><title>Log in</title>" }, /document: HTML or XML, no JSON$/mu],
    ["gzip", { body: Buffer.from([0x1f, 0x8b, 8, 0]) }, /gzip/u],
    ["nothing", { body: "" }, /no JSON/u],
    ["a key set", { body: '{"keys":[]}' }, /lacks `issuer` or `jwks_uri`/u],
    ["a list", { body: "[]" }, /lacks `issuer` or `jwks_uri`/u],
    ["twice the same name", { body: `{"issuer":"a","issuer":"${providerIssuer}"}` }, /no JSON/u],
    ["far too much", { body: `{"padding":"${"x".repeat(65_536)}"}` }, /too large/u],
    [
      "a redirect",
      { status: 302, headers: [["location", "https://evil.example"]] },
      /redirects.*status 302 from cluster idp$/mu,
    ],
    ["an error", { status: 500 }, /did not answer 200, status 500 from cluster idp$/mu],
    ["no answer", "timeout", /no answer came in time/u],
    ["no connection", "refused", /could not be reached/u],
    ["a broken connection", "reset", /broke off/u],
  ];
  for (const [what, answer, log] of refused) {
    test(`${what}: leads nowhere, is told by name, and the keys that were stay`, () => {
      const workers = start();
      workers.tickAll();
      workers.answer(document());
      workers.answer({ body: jwks(one) });
      workers.pass(60);
      workers.tickAll();
      workers.answer(answer);
      assert.equal(workers.fetches, 0, "nobody else is asked");
      assert.equal(workers.metric("failures"), 1);
      assert.match(logOf(workers), /key set idp not fetched: the issuer's discovery document: /u);
      assert.match(logOf(workers), log);
      for (const worker of [0, 1]) assert.equal(outcomeOf(workers.ask(worker, tokenOne)), "allowed");
      workers.pass(2);
      workers.tickAll();
      workers.answer(document());
      workers.answer({ body: jwks(two) });
      workers.tickAll();
      assert.equal(outcomeOf(workers.ask(1, tokenTwo)), "allowed", "it is asked for again, after a while");
    });
  }

  test("what one document said is not told of the next", () => {
    const workers = start(image, 1);
    workers.tickAll();
    workers.answer(document({ issuer: "https://evil.example" }));
    workers.pass(2);
    workers.tickAll();
    workers.answer({ body: "<html>" });
    const lines = logOf(workers).split("\n");
    assert.match(lines.at(-2)!, /"https:\/\/evil.example"$/u);
    assert.match(lines.at(-1)!, /no JSON$/u);
  });

  test("no document of either kind", () => {
    const workers = start(image, 1);
    workers.tickAll();
    workers.answer({ status: 404 });
    workers.answer({ status: 404 });
    assert.equal(workers.fetches, 0);
    assert.match(logOf(workers), /discovery document: its server did not answer 200, status 404 from cluster idp$/mu);
  });

  test("what fails after the document is told of the key set", () => {
    const workers = start(image, 1);
    workers.tickAll();
    workers.answer(document());
    workers.answer({ status: 401 });
    assert.match(logOf(workers), /key set idp not fetched: its server wants a credential .*, status 401$/mu);
    workers.pass(2);
    workers.tickAll();
    workers.answer(document());
    workers.answer({ body: "<html>" });
    assert.match(logOf(workers), /key set idp not fetched: HTML or XML, no JSON$/mu);
  });

  test("the host of the keys may have no cluster in Envoy, which is said with its name", () => {
    const keys = "{ discovery: true, cluster: idp, clusters: { certs.example.net: gone } }";
    const workers = start(imageOf(policyWith(keys)), 1);
    workers.tickAll();
    workers.answer(document({ jwks_uri: "https://certs.example.net/k" }));
    assert.equal(workers.fetches, 0);
    assert.match(logOf(workers), /no such cluster.*: "gone"$/mu);
    assert.equal(workers.metric("failures"), 1);
  });

  test("all of it together has five seconds, and keeps the lease as long", () => {
    const workers = start();
    workers.tickAll();
    for (let tick = 0; tick < 15; tick++) {
      workers.pass(0.2);
      workers.tickAll();
    }
    workers.answer(document());
    const { timeoutMs } = workers.hosts.find(({ calls }) => calls.length === 1)!.calls[0]!;
    assert.equal(timeoutMs, 2000);
    for (let tick = 0; tick < 9; tick++) {
      workers.pass(0.2);
      workers.tickAll();
      assert.equal(workers.fetches, 1);
    }
    workers.answer({ body: jwks(one) });
    workers.tickAll();
    assert.equal(outcomeOf(workers.ask(1, tokenOne)), "allowed");
  });

  test("a document that comes when the time is over is too late", () => {
    const workers = start(image, 1);
    workers.tickAll();
    workers.pass(5);
    workers.answer(document());
    assert.equal(workers.fetches, 0);
    assert.match(logOf(workers), /no answer came in time/u);
  });

  test("a worker that lost the lease does not go on with what it began", () => {
    const workers = start();
    workers.tick(0);
    const { token } = workers.hosts[0]!.calls[0]!;
    workers.pass(2.1);
    workers.tick(1);
    workers.hosts[0]!.answer(token, document({ jwks_uri: "https://idp.example.org/old" }));
    assert.equal(workers.hosts[0]!.calls.length, 0);
    workers.answer(document());
    workers.answer({ body: jwks(one) });
    assert.equal(outcomeOf(workers.ask(1, tokenOne)), "allowed");
  });

  test("a configuration that ends between the two gives the lease back", () => {
    const workers = start();
    workers.tick(0);
    workers.answer(document());
    workers.hosts[0]!.deleteContext(workers.roots[0]!);
    workers.tick(1);
    assert.equal(asked(workers), "idp: https://idp.example.org/.well-known/openid-configuration");
  });

  test("two policies that differ in the issuer alone do not take over each other's keys", () => {
    const shared = new SharedData();
    const first = new Workers(image, 1, shared, { clusters });
    first.tickAll();
    first.answer(document());
    first.answer({ body: jwks(one) });
    const second = new Workers(imageOf(policyWith(discovering, `${providerIssuer}/`)), 1, shared, { clusters });
    assert.notEqual(second.metric("keys"), 1);
    second.tickAll();
    second.answer(document());
    assert.match(logOf(second), /another `issuer`/u);
  });

  test("a policy does not take over keys from a host that only another one lets them be on", () => {
    const shared = new SharedData();
    const wide = "{ discovery: true, cluster: idp, clusters: { certs.example.net: certs } }";
    const first = new Workers(imageOf(policyWith(wide)), 1, shared, { clusters });
    first.tickAll();
    first.answer(document({ jwks_uri: "https://certs.example.net/keys" }));
    first.answer({ body: jwks(one) });
    assert.equal(outcomeOf(first.ask(0, tokenOne)), "allowed");
    const same = new Workers(imageOf(policyWith(wide)), 1, shared, { clusters });
    assert.equal(outcomeOf(same.ask(0, tokenOne)), "allowed");
    for (const keys of ["{ discovery: true, cluster: idp }", wide.replace("net: certs", "net: idp")]) {
      const other = new Workers(imageOf(policyWith(keys)), 1, shared, { clusters });
      assert.notEqual(outcomeOf(other.ask(0, tokenOne)), "allowed");
    }
  });
});

describe("a header for the server of keys", () => {
  const secret = "Bearer s3cret.to-ken";
  const files = { token: `${secret}\n` };

  test("is sent with each request, and nothing else says what it is", () => {
    const keys = "{ discovery: true, cluster: idp, header: { name: Authorization, file: token } }";
    const workers = start(imageOf(policyWith(keys), files), 1);
    workers.tickAll();
    assert.equal(workers.asked.get("authorization"), secret);
    workers.answer(document());
    assert.equal(workers.asked.get("authorization"), secret);
    workers.answer({ status: 403 });
    assert.doesNotMatch(logOf(workers), /s3cret/u);
  });

  test("beside an ETag, with a prefix", () => {
    const keys =
      '{ url: "https://k8s.example/openid/v1/jwks", cluster: idp, header: { name: authorization, file: token, prefix: "Bearer " } }';
    const workers = start(imageOf(policyWith(keys), { token: "abc\r\n" }), 1);
    workers.fetch({ body: jwks(one), headers: [["etag", '"v1"']] });
    workers.pass(300);
    workers.tickAll();
    assert.deepEqual([...workers.asked].slice(-2), [
      ["if-none-match", '"v1"'],
      ["authorization", "Bearer abc"],
    ]);
  });
});
