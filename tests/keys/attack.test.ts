/** Attacks on known tokens, key sets and requests that wait: each asserts what is right. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { known_tokens_bytes_max } from "../../assembly/limits.ts";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { makeKey, providerIssuer } from "../support/jwks-server.ts";
import { markOf, recordOf } from "../support/plugin.ts";
import { caller, fetchingPolicy, imageOf, jwks, outcomeOf, Workers } from "../support/workers.ts";

function ask(workers: Workers, headers: [string, string][], path = "/orders"): Outcome {
  const request = { caller, source: "10.0.0.1", method: "GET", path, host: "h", headers, token: null };
  return workers.hosts[0]!.request(workers.roots[0]!, hostRequest(request));
}

const two_sets = `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  billing:
    { issuer: "${providerIssuer}", audiences: [billing], algorithms: [ES256], keys: { file: a.json }, from: [{ header: x-a }] }
  orders:
    { issuer: "${providerIssuer}", audiences: [orders], algorithms: [ES256], keys: { file: b.json }, from: [{ header: x-b }] }
rules:
  - { name: orders, callers: [any], allow: [GET /orders], token: [billing, orders], when: 'claims.role == "admin"' }
`;

test("a token never gets the claims of one that pushed it out of another set's cache in the same request", async () => {
  const [one, two] = [await makeKey("one"), await makeKey("two")];
  // Key `two` speaks for billing alone.
  const image = imageOf(two_sets, { "a.json": jwks(one, two), "b.json": jwks(one) });
  const workers = new Workers(image, 1);
  const fill = "x".repeat(5000);
  const user = await one.token({ aud: "orders", sub: "alice", role: "user_", fill });
  const forged = await two.token({ aud: "orders", sub: "admin", role: "admin", fill });
  assert.equal(user.length, forged.length);
  assert.equal(outcomeOf(ask(workers, [["x-b", forged]])), "token_key_unknown");
  // The user's token is the first entry of the first set's ring, which others fill up then.
  ask(workers, [["x-a", user]]);
  const payload = Buffer.from(user.split(".")[1]!, "base64url").length;
  const pad = (size: number) => (size + 7) & ~7;
  // An object and seven members, of two records each.
  const entry = 24 + pad(user.length) + pad(payload) + pad(15 * 20);
  const ring = known_tokens_bytes_max / 2 - 256 * 16 - 64;
  for (let number = 1; number < Math.floor(ring / entry); number++) {
    ask(workers, [
      ["x-a", await one.token({ aud: "orders", sub: `f${String(number).padStart(4, "0")}`, role: "user_", fill })],
    ]);
  }
  assert.equal(
    outcomeOf(
      ask(workers, [
        ["x-a", forged],
        ["x-b", user],
      ]),
    ),
    "condition_false",
  );
  const outcome = ask(workers, [["x-b", user]]);
  assert.equal(outcome.trapped, false, outcome.error?.message);
  assert.equal(outcomeOf(outcome), "condition_false");
  const { sub } = JSON.parse(outcome.filterState.get("sallyport")!) as { sub: string };
  assert.equal(sub, "alice");
});

test("a set that was overtaken while it was shared is not in force for ever", async () => {
  const [one, two] = [await makeKey("one"), await makeKey("two")];
  const [tokenOne, tokenTwo] = [await one.token(), await two.token()];
  const workers = new Workers(imageOf(fetchingPolicy()), 3);
  workers.fetch({ body: jwks(one) });
  workers.pass(61);
  workers.tick(0);
  const shared = workers.hosts[0]!.sharedData;
  const set = shared.set.bind(shared);
  let isOvertaken = false;
  shared.set = (key, value, cas) => {
    if (key.startsWith("sallyport:keys:set:") && !isOvertaken) {
      isOvertaken = true;
      // The lease runs out between reading the state and writing the set: a stall, or a clock that steps forward.
      workers.pass(9);
      workers.tick(1);
    }
    return set(key, value, cas);
  };
  workers.hosts[0]!.answer(workers.hosts[0]!.calls[0]!.token, { body: `${jwks(one)} ` });
  shared.set = set;
  assert.equal(isOvertaken, true);
  workers.tickAll();
  workers.answer({ body: jwks(two) });
  workers.tickAll();
  workers.pass(70);
  workers.fetch({ body: jwks(two) });
  const allowed = (token: string) => [0, 1, 2].map((worker) => outcomeOf(workers.ask(worker, token)) === "allowed");
  assert.deepEqual(allowed(tokenTwo), [true, true, true]);
  assert.deepEqual(allowed(tokenOne), [false, false, false]);
});

test("a set that comes after a newer one was shared is not in force for ever", async () => {
  const [one, two] = [await makeKey("one"), await makeKey("two")];
  const [tokenOne, tokenTwo] = [await one.token(), await two.token()];
  const workers = new Workers(imageOf(fetchingPolicy()), 3);
  workers.fetch({ body: jwks(one) });
  workers.pass(61);
  workers.tick(0);
  const shared = workers.hosts[0]!.sharedData;
  const set = shared.set.bind(shared);
  let isOvertaken = false;
  shared.set = (key, value, cas) => {
    if (key.startsWith("sallyport:keys:set:") && !isOvertaken) {
      isOvertaken = true;
      // The lease runs out between reading the state and writing the set: a stall, or a clock that steps forward.
      workers.pass(9);
      workers.tick(1);
      workers.hosts[1]!.answer(workers.hosts[1]!.calls[0]!.token, { body: jwks(two) });
    }
    return set(key, value, cas);
  };
  workers.hosts[0]!.answer(workers.hosts[0]!.calls[0]!.token, { body: `${jwks(one)} ` });
  shared.set = set;
  assert.equal(isOvertaken, true);
  workers.tickAll();
  workers.pass(70);
  workers.fetch({ body: jwks(two) });
  const allowed = (token: string) => [0, 1, 2].map((worker) => outcomeOf(workers.ask(worker, token)) === "allowed");
  assert.deepEqual(allowed(tokenTwo), [true, true, true]);
  assert.deepEqual(allowed(tokenOne), [false, false, false]);
});

test("a request that could not be let go on is not recorded as admitted", async () => {
  const [one, two] = [await makeKey("one"), await makeKey("two")];
  const token = await two.token();
  const workers = new Workers(imageOf(fetchingPolicy()), 1);
  workers.fetch({ body: jwks(one) });
  workers.pass(3);
  const outcome = workers.ask(0, token);
  workers.tick(0);
  const host = workers.hosts[0]!;
  host.faults = [{ call: "continue_stream", result: WasmResult.InternalFailure }];
  workers.answer({ body: jwks(one, two) });
  assert.equal(outcome.localResponse?.requestedStatus, 503);
  assert.equal(markOf(outcome), false);
  assert.equal(outcomeOf(outcome), "internal");
  assert.equal(host.metrics().get("sallyport_failures.policy.shop;.cause.continue_stream"), 1n);
});

test("what fails as a request is to wait for keys is counted, and is not why the record fails", async () => {
  const [one, two] = [await makeKey("one"), await makeKey("two")];
  const token = await two.token();
  const workers = new Workers(imageOf(fetchingPolicy()), 1);
  workers.fetch({ body: jwks(one) });
  workers.pass(3);
  const host = workers.hosts[0]!;
  host.faults = [
    { call: "get_shared_data", result: WasmResult.InternalFailure },
    { call: "set_property", nth: 1, result: WasmResult.InternalFailure },
  ];
  const outcome = workers.ask(0, token);
  assert.equal(outcome.localResponse?.requestedStatus, 503);
  assert.equal(recordOf(outcome).cause, "set_property");
  host.faults = [];
  workers.tick(0);
  const causes = ["get_shared_data", "set_property"];
  assert.deepEqual(
    causes.map((cause) => host.metrics().get(`sallyport_failures.policy.shop;.cause.${cause}`)),
    [1n, 1n],
  );
});

test("a request waits for the keys that are fetched where its token could be of two issuers", async () => {
  const [one, two] = [await makeKey("one"), await makeKey("two")];
  const token = await two.token();
  const common = `issuer: "${providerIssuer}", audiences: [order-api], algorithms: [ES256]`;
  const text = `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  embedded: { ${common}, keys: { file: a.json } }
  idp: { ${common}, keys: { url: "https://idp.example.org/jwks.json", cluster: idp } }
rules:
  - { name: orders, callers: [any], allow: [GET /orders], token: [embedded, idp] }
`;
  const workers = new Workers(imageOf(text, { "a.json": jwks(one) }), 1);
  workers.fetch({ body: jwks(one) });
  workers.pass(3);
  assert.equal(outcomeOf(workers.ask(0, token)), "waits");
});

test("one unknown key ID before the clock steps back does not have the server asked again and again", async () => {
  const [one, two] = [await makeKey("one"), await makeKey("two")];
  const token = await two.token();
  const workers = new Workers(imageOf(fetchingPolicy({ refresh: "1h" })), 1);
  workers.fetch({ body: jwks(one) });
  workers.pass(1800);
  workers.ask(0, token);
  workers.pass(-1790);
  let fetches = 0;
  for (let number = 0; number < 100; number++) {
    workers.pass(1);
    workers.tick(0);
    if (workers.fetches === 0) continue;
    fetches++;
    workers.answer({ body: jwks(one) });
  }
  assert.ok(fetches <= 2, `${fetches} fetches in 100 seconds`);
});

test("a rule in shadow mode does not hold up a request that is denied anyway", async () => {
  const [one, two] = [await makeKey("one"), await makeKey("two")];
  const token = await two.token();
  const text = fetchingPolicy().replace("token: idp }", "token: idp, mode: shadow }");
  const workers = new Workers(imageOf(`${text}  - { name: no, callers: [any], deny: [GET /orders] }\n`), 1);
  workers.fetch({ body: jwks(one) });
  workers.pass(3);
  assert.equal(outcomeOf(workers.ask(0, token)), "rule_denied");
});

/** A SPIRE whose keys for JWTs are in its bundle and in its OIDC discovery document, which has another one too. */
const oidc = "https://oidc.example.org";
const bundle_and_oidc = `version: 1
name: shop
trust:
  domains: [example.org]
  identity: either
  jwtSvid: { audiences: [orders], bundles: { example.org: { file: b.json } }, from: [{ header: x-z }] }
issuers:
  one: { issuer: "${oidc}", audiences: [billing], algorithms: [ES256], keys: { file: a.json }, from: [{ header: x-z }] }
  two: { issuer: "${oidc}", audiences: [reports], algorithms: [ES256], keys: { file: a.json }, from: [{ header: x-a }] }
rules:
  - { name: tokens, callers: [anonymous], allow: [GET /tokens], token: [one, two] }
  - { name: admin, callers: [spiffe://example.org/admin], allow: [GET /orders] }
`;

test("a JWT-SVID never gets the subject of a token that pushed it out of an issuer's cache", async () => {
  const [one, two] = [await makeKey("one"), await makeKey("two")];
  const bundle = JSON.stringify({ keys: [{ ...one.jwk, use: "jwt-svid" }] });
  const workers = new Workers(imageOf(bundle_and_oidc, { "a.json": jwks(one, two), "b.json": bundle }), 1);
  const send = (path: string, caller: string | null, ...headers: [string, string][]) => {
    const request = { caller, source: "10.0.0.1", method: "GET", path, host: "h", headers, token: null };
    return workers.hosts[0]!.request(workers.roots[0]!, hostRequest(request));
  };
  const fill = "x".repeat(5000);
  const claims = { iss: oidc, aud: "orders", fill };
  const svid = await one.token({ ...claims, sub: "spiffe://example.org/other" });
  const forged = await two.token({ ...claims, sub: "spiffe://example.org/admin" });
  assert.equal(svid.length, forged.length);
  const payload = Buffer.from(svid.split(".")[1]!, "base64url").length;
  const pad = (size: number) => (size + 7) & ~7;
  const entry = 24 + pad(svid.length) + pad(payload) + pad(13 * 20);
  const ring = known_tokens_bytes_max / 2 - 256 * 16 - 64;
  send("/tokens", caller, ["x-z", svid]);
  for (let number = 1; number < Math.floor(ring / entry); number++) {
    const filler = await one.token({ ...claims, sub: `spiffe://example.org/f${String(number).padStart(4, "0")}` });
    send("/tokens", caller, ["x-z", filler]);
  }
  send("/tokens", null, ["x-z", svid], ["x-a", forged]);
  const outcome = send("/orders", null, ["x-z", svid]);
  assert.equal(outcome.trapped, false, outcome.error?.message);
  assert.equal(outcomeOf(outcome), "no_rule");
});
