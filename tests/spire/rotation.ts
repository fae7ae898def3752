/** Certificates and authorities that rotate under load: a part of `npm run test:spire`. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { sendRequest, tlsRefusal } from "../../scripts/envoy/client.ts";
import { askOver } from "../support/sessions.ts";
import { until } from "../support/until.ts";
import { type Svid, svid_seconds } from "./domain.ts";
import type { SpireEnvoy } from "./envoy.ts";
import type { Background } from "./systems.ts";
import { countCertificates, finish, SpireWorld, untilBundle, users } from "./world.ts";

const modes = ["h1", "h2", "fresh"] as const;
/** Requests a second, of each kind. */
const rate = 40;
/** Shorter than half of an SVID's life, so that open connections too are made again with each new SVID. */
const connection_seconds = 20;
/** What lives longer than its authority here. */
const long_seconds = 900;

const policyYaml = `
version: 1
name: shop
trust: { domains: [example.org] }
rules:
  - { name: callers, callers: [spiffe://example.org/web, spiffe://example.org/steady], allow: ["GET /orders/{id}"] }
`;

let world: SpireWorld;
let envoy: SpireEnvoy;
before(async () => {
  world = await SpireWorld.start();
  await world.startService();
  await world.home.register("/steady", users.steady, "-x509SVIDTTL", String(long_seconds));
  envoy = await world.startEnvoy("rotation", { policyYaml, connectionSeconds: connection_seconds, concurrency: 2 });
  await world.home.known(users.web);
  await world.home.known(users.steady);
});
after(() => world?.stop());

/** Begins traffic of each kind; what it came to, once it is told to end. */
function startTraffic(name: string): () => Promise<void> {
  const startedMs = Date.now();
  const all = modes.map((mode): [string, Background] => [
    mode,
    world.startTraffic(envoy, mode, `/orders/${name}-${mode}`, rate, users.web),
  ]);
  return async () => {
    const seconds = (Date.now() - startedMs) / 1000;
    for (const [mode, traffic] of all) {
      const { answers, svids, max_ms } = await finish(traffic);
      const sum = Object.values(answers).reduce((one, other) => one + other, 0);
      console.log(
        `${name}, ${mode}: ${sum} requests in ${Math.round(seconds)} s with ${svids} SVIDs, the slowest ${max_ms} ms`,
      );
      assert.deepEqual(answers, { 200: sum }, `${mode}: a request was lost`);
      assert.ok(sum > (rate * seconds) / 2, `${mode}: only ${sum} requests in ${seconds} s`);
    }
  };
}

/** When a certificate ends, in milliseconds since 1970. */
const endOf = ({ certificatePem }: Svid): number => Date.parse(new X509Certificate(certificatePem).validTo);
const authorityOf = ({ certificatePem }: Svid): string => new X509Certificate(certificatePem).issuer;

describe("SVIDs of a minute, under load", () => {
  let finishTraffic: () => Promise<void>;
  let old: Svid;
  before(async () => {
    old = await world.home.svid(users.web);
    finishTraffic = startTraffic("svids");
  });

  test("the agent is killed, and goes on with what it kept", async () => {
    await sleep(5_000);
    await world.home.killAgent();
    await sleep(3_000);
    await world.home.startAgent();
    await world.home.known(users.web);
  });

  test("an SVID that has expired opens no connection, with a TLS session of before or without", async () => {
    const trusted = old;
    assert.ok(endOf(old) - Date.now() <= svid_seconds * 1000, "it lives longer than is asked for");
    const first = await askOver(envoy.target(trusted, old), "TLSv1.3");
    const second = await askOver(envoy.target(trusted, old), "TLSv1.3", first.session);
    // What `askOver` asks for is in no rule.
    for (const { answer, isResumed } of [first, second])
      assert.deepEqual([answer, isResumed], ["HTTP/1.1 403 Forbidden", false]);
    // The last second of a certificate counts.
    await sleep(endOf(old) + 1_100 - Date.now());
    for (const session of [undefined, first.session, second.session]) {
      assert.equal((await askOver(envoy.target(trusted, old), "TLSv1.3", session)).answer, undefined);
    }
  });

  test("no request is lost, and none is admitted with an expired SVID, while all rotate", async () => {
    const serialsOf = async (mode: string): Promise<Set<unknown>> =>
      new Set((await admitted(`svids-${mode}`)).map(({ serial }) => serial));
    for (const mode of modes) {
      await until(
        `three SVIDs came over ${mode}`,
        async () => (await serialsOf(mode)).size >= 3,
        2 * svid_seconds * 1000,
      );
    }
    await finishTraffic();
    for (const mode of modes) {
      for (const { time, certificate_end } of await admitted(`svids-${mode}`)) {
        assert.ok(
          Date.parse(time!) / 1000 <= Number(certificate_end) + 1,
          `${mode}: ${time} with one until ${certificate_end}`,
        );
      }
    }
  });
});

/** Lines of the access log of requests to one place that were answered with 200. */
async function admitted(id: string) {
  return (await envoy.accessLog(0)).filter(({ path, status }) => path === `/orders/${id}` && Number(status) === 200);
}

test("an authority is replaced under load: no request is lost, and what it signed admits nobody once it is revoked", async () => {
  const { home } = world;
  const long = await home.svid(users.steady);
  assert.equal((await sendRequest(envoy.target(long, long), { path: "/orders/1" })).status, 200);
  const finishTraffic = startTraffic("authorities");
  const { active: OLD } = await home.authorities("x509");

  await home.step("a new authority is made, and everybody learns of it");
  const { prepared: NEW } = await home.authorities("x509");
  assert.ok(NEW !== undefined, "no authority is prepared");
  await untilBundle(envoy, "ROOTCA", 2);
  await until(
    "callers have both authorities",
    async () => countCertificates((await home.svid(users.web)).bundlePem) === 2,
  );

  await home.step("it signs from now on", { NEW });
  await home.step("agents renew what the old one has signed", { OLD });
  for (const uid of [users.orders, users.web, users.steady]) {
    await until("the new authority has signed", async () => authorityOf(await home.svid(uid)) !== authorityOf(long));
  }
  // It has not expired, and its authority is still in the bundle. Envoy's own certificate is of the new one by now, or about to be.
  const both = await home.svid(users.steady);
  assert.equal((await sendRequest(envoy.target(both, long), { path: "/orders/1" })).status, 200);
  // Connections of before end within this time.
  await sleep(connection_seconds * 1000);

  await home.step("nobody trusts the old one any more", { OLD });
  await untilBundle(envoy, "ROOTCA", 1);
  const trusted = await home.svid(users.steady);
  assert.ok(endOf(long) > Date.now(), "it has expired meanwhile");
  await until(
    "the old SVID opens no connection",
    async () => (await tlsRefusal(envoy.target(trusted, long))) !== undefined,
  );
  assert.equal((await sendRequest(envoy.target(trusted, trusted), { path: "/orders/1" })).status, 200);
  await sleep(5_000);
  await finishTraffic();
});
