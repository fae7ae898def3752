/** Who probes a real Envoy is shut out of it, on all its workers; who does not, or only seems to, is not. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { filterWords } from "../../scripts/envoy/filterlog.ts";
import { statsWithCounts } from "../support/counts.ts";
import {
  type Asker,
  type Judgement,
  makeCorpIssuer,
  managerOf,
  startTestEnvoy,
  type TestEnvoy,
} from "../support/envoy.ts";
import { makeKey } from "../support/jwks-server.ts";

const idOf = (name: string): string => `spiffe://example.org/${name}`;
const edge = idOf("edge");
const denials = 5;

const policyYaml = `
version: 1
name: guarded
trust:
  domains: [example.org]
  identity: either
  forwarders: [${edge}]
  jwtSvid:
    audiences: [order-api]
    bundles: { example.org: { file: keys/bundle.jwks.json } }
    from: [{ header: x-svid }]
issuers:
  corp: { issuer: https://issuer.example.org, audiences: [order-api], algorithms: [ES256], keys: { file: keys/corp.jwks.json } }
quarantine:
  - { name: probing, when: [no_rule, rule_denied], denials: ${denials}, within: 5m, for: 15s, max: 1h }
  - { name: guessing, when: [token_malformed, token_signature, scope_missing], denials: ${denials}, within: 5m, for: 1h }
  - { name: slow, when: [condition_false], denials: 2, within: 1s, for: 1h }
  - { name: tried, when: [token_audience], denials: ${denials}, within: 5m, for: 1h, mode: shadow }
rules:
  - { name: orders, callers: [any], allow: [GET /orders] }
  - { name: public, callers: [anonymous], allow: [GET /public] }
  - { name: place, callers: [any], allow: [POST /orders, "* /admin/**"], token: corp, scopes: [orders:write] }
  - { name: never, callers: [any], allow: [GET /never], when: request.method == "PUT" }
  - { name: secret, callers: [any], deny: ["GET /.git/**"] }
`;

const issuer = await makeCorpIssuer();
const forger = await makeCorpIssuer();
const [spire, thief] = await Promise.all([makeKey("spire", "ES256"), makeKey("spire", "ES256")]);
const bundle = { jwks: { keys: [{ ...spire.jwk, use: "jwt-svid" }] } };

/** A JWT-SVID that says so. */
const svidOf = (id: string, key = spire): Promise<string> =>
  key.sign(JSON.stringify({ sub: id, aud: "order-api", exp: Math.floor(Date.now() / 1000) + 600 }));

describe("in a real Envoy", () => {
  let envoy: TestEnvoy;
  before(async () => {
    envoy = await startTestEnvoy({
      policyYaml,
      issuers: { corp: issuer, bundle },
      concurrency: 2,
      requireClientCertificate: false,
      adjust: (bootstrap) => {
        managerOf(bootstrap).forward_client_cert_details = "APPEND_FORWARD";
      },
    });
  });
  after(() => envoy?.stop());

  /** Each request comes over a connection of its own, so that both workers have some. */
  const ask = (asker: Asker, path = "/orders", more: { method?: string; headers?: Record<string, string> } = {}) =>
    envoy.judge({ path, ...more, ...asker });
  const reasonOf = ({ record }: Judgement): string | undefined => record?.reason;

  test("path probing: a wordlist is read no further than the policy says, and what was allowed is not any more", async () => {
    const prober = { caller: idOf("prober") };
    const words = [
      "/phpmyadmin",
      "/.env",
      "/.git/config",
      "/wp-login.php",
      "/actuator",
      "/api/v1/users",
      "/backup.zip",
    ];
    const reasons: unknown[] = [];
    for (const word of words) reasons.push(reasonOf(await ask(prober, word)));
    assert.equal(reasons.filter((reason) => reason !== "quarantined").length, denials);
    for (let count = 0; count < 6; count++) {
      const { status, response, details } = await ask(prober);
      assert.deepEqual([status, details], [403, "sallyport_denied{quarantined}"]);
      const seconds = Number(response.headers["retry-after"]);
      assert.ok(seconds >= 1 && seconds <= 15, `${seconds} s`);
    }
    assert.equal((await ask({ caller: idOf("other") })).status, 200, "nobody else is");
  });

  test("and over gRPC it is permission denied", async () => {
    const prober = { caller: idOf("grpc-prober") };
    for (let count = 0; count < denials; count++) await ask(prober, "/none");
    const { name } = await envoy.grpc({ ...prober, path: "/shop.Orders/Place" });
    assert.equal(name, "PERMISSION_DENIED");
  });

  test("it is let in again when its time is over, and shut out for longer the next time", async () => {
    const prober = { caller: idOf("returning") };
    for (let count = 0; count < denials; count++) await ask(prober, "/none");
    const { response } = await ask(prober);
    await sleep(Number(response.headers["retry-after"]) * 1000);
    const { status, record } = await ask(prober);
    assert.deepEqual([status, record?.quarantine_event], [200, "leave"]);
    for (let count = 0; count < denials; count++) await ask(prober, "/none");
    const again = Number((await ask(prober)).response.headers["retry-after"]);
    assert.ok(again > 15 && again <= 30, `${again} s`);
  });

  test("credential stuffing: each token is another one, and all are of one caller", async () => {
    const stuffer = { caller: idOf("stuffer") };
    const reasons: unknown[] = [];
    for (let count = 0; count < denials + 3; count++) {
      const token = await forger.token({ claims: { sub: `user-${count}`, scope: "orders:write" }, algorithm: "ES256" });
      reasons.push(reasonOf(await ask({ ...stuffer, token }, "/orders", { method: "POST" })));
    }
    assert.ok(
      reasons.slice(denials).every((reason) => reason === "quarantined"),
      String(reasons),
    );
    assert.equal(reasonOf(await ask(stuffer)), "quarantined", "without any token too");
  });

  test("token guessing", async () => {
    const guesser = { caller: idOf("guesser") };
    for (let count = 0; count < denials; count++) {
      const { record } = await ask({ ...guesser, token: `eyJ${count}.e30.AAAA` }, "/orders", { method: "POST" });
      assert.equal(record?.reason, "token_malformed");
    }
    const token = await issuer.token({ claims: { scope: "orders:write" }, algorithm: "ES256" });
    assert.equal(reasonOf(await ask({ ...guesser, token }, "/orders", { method: "POST" })), "quarantined");
  });

  test("scope probing: a good token that is tried everywhere", async () => {
    const prober = { caller: idOf("scope-prober") };
    const token = await issuer.token({ claims: { scope: "orders:read" }, algorithm: "ES256" });
    const reasons: unknown[] = [];
    for (const path of ["a", "b", "c", "d", "e", "f"]) {
      reasons.push(reasonOf(await ask({ ...prober, token }, `/admin/${path}`, { method: "DELETE" })));
    }
    assert.deepEqual(reasons, [...Array(denials).fill("scope_missing"), "quarantined"]);
  });

  test("slow probing, below what the policy counts, is not caught", async () => {
    const patient = { caller: idOf("patient") };
    for (let count = 0; count < 4; count++) {
      if (count > 0) await sleep(1001);
      assert.equal(reasonOf(await ask(patient, "/never")), "condition_false");
    }
    assert.equal((await ask(patient)).status, 200);
  });

  test("a burst of honest mistakes, in shadow mode: all is told, and the client that is mended works at once", async () => {
    const clumsy = { caller: idOf("clumsy") };
    const claims = { aud: "orders-api", scope: "orders:write" };
    const token = await issuer.token({ claims, algorithm: "ES256" });
    const told: unknown[] = [];
    for (let count = 0; count < denials + 3; count++) {
      const { record } = await ask({ ...clumsy, token }, "/orders", { method: "POST" });
      assert.equal(record?.reason, "token_audience");
      told.push(record?.quarantine_event);
    }
    assert.deepEqual(told.slice(denials - 1), ["shadow_enter", "shadow_deny", "shadow_deny", "shadow_deny"]);
    const mended = await issuer.token({ claims: { scope: "orders:write" }, algorithm: "ES256" });
    assert.equal((await ask({ ...clumsy, token: mended }, "/orders", { method: "POST" })).status, 200);
  });

  test("behind a gateway its callers are shut out, each by itself, and never the gateway", async () => {
    const gateway = { caller: edge };
    const told = (name: string) => ({
      headers: { "x-forwarded-client-cert": `By=spiffe://example.org/front;URI=${idOf(name)}` },
    });
    for (let count = 0; count < denials; count++) await ask(gateway, "/none", told("far-prober"));
    const { record } = await ask(gateway, "/orders", told("far-prober"));
    assert.deepEqual([record?.reason, record?.caller], ["quarantined", idOf("far-prober")]);
    assert.equal((await ask(gateway, "/orders", told("far-client"))).status, 200);
    for (let count = 0; count < denials + 3; count++)
      assert.equal(reasonOf(await ask(gateway, "/none")), "no_rule", "what the gateway asks for itself");
    assert.equal((await ask(gateway)).status, 200);
  });

  test("a stolen name without its key shuts out the thief's address, and not who has the name", async () => {
    const victim = idOf("victim");
    const forged = await svidOf(victim, thief);
    const reasons: unknown[] = [];
    for (let count = 0; count < denials + 2; count++)
      reasons.push(reasonOf(await ask({}, "/orders", { headers: { "x-svid": forged } })));
    assert.deepEqual(reasons, [...Array(denials).fill("token_signature"), "quarantined", "quarantined"]);
    assert.equal(reasonOf(await ask({}, "/public")), "quarantined", "strangers from that address");
    assert.equal((await ask({ caller: victim })).status, 200, "by its certificate");
    const own = { "x-svid": await svidOf(victim) };
    assert.equal((await ask({}, "/orders", { headers: own })).status, 200, "by its JWT-SVID, from that very address");
  });

  test("log, metrics and their labels tell of all that", async () => {
    const stats = await statsWithCounts(envoy.local);
    const counted = (quarantine: string, event: string): number | undefined =>
      stats.get(`wasmcustom.sallyport_quarantine.policy.guarded;.quarantine.${quarantine};.event.${event}`);
    // One of them came again, and another came by a gateway.
    assert.equal(counted("probing", "enter"), 5);
    assert.equal(counted("probing", "leave"), 1);
    assert.equal(counted("guessing", "enter"), 4);
    assert.equal(counted("tried", "shadow_enter"), 1);
    assert.equal(counted("slow", "enter") ?? 0, 0);
    const label = 'sallyport_quarantine="probing"';
    const lines = (await envoy.prometheus()).filter((line) => line.startsWith("sallyport_quarantine{"));
    assert.ok(
      lines.some((line) => line.includes(label) && line.includes('sallyport_event="leave"') && line.endsWith(" 1")),
      lines.join("\n"),
    );
    const words = envoy.local.envoy
      .log()
      .split("\n")
      .flatMap((line) => filterWords(line) ?? []);
    const about = (name: string): string[] => words.filter((line) => line.endsWith(`, ${idOf(name)}`));
    assert.deepEqual(about("returning"), [
      `policy guarded, quarantine probing: enter for 15 s, ${idOf("returning")}`,
      `policy guarded, quarantine probing: leave, ${idOf("returning")}`,
      `policy guarded, quarantine probing: enter for 30 s, ${idOf("returning")}`,
    ]);
    assert.equal(words.filter((line) => /guessing: enter for 3600 s, from 127\.0\.0\.1$/u.test(line)).length, 1);
  });
});
