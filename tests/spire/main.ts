/**
 * `npm run test:spire`: the filter in a real Envoy that has its certificate and bundles from a real SPIRE, on the steps of docs/spire.md
 * as they stand. Here: who is admitted, and federation of two trust domains. Workloads run as users of their own, by which SPIRE tells
 * them apart, so this wants root.
 */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Authority, makeAuthority } from "../../scripts/envoy/certificates.ts";
import { sendRequest, tlsRefusal } from "../../scripts/envoy/client.ts";
import { until } from "../support/until.ts";
import { type Svid, svid_seconds, type TrustDomain } from "./domain.ts";
import type { SpireEnvoy } from "./envoy.ts";
import { assertSound, SpireWorld, statusOf, untilBundle, users } from "./world.ts";

const partner_name = "partner.example.net";
const partnerPolicy = `
version: 1
name: shop
trust: { domains: [example.org, ${partner_name}] }
rules:
  - { name: web-reads, callers: [spiffe://example.org/web], allow: ["GET /orders/{id}"] }
  - { name: partner-reads, callers: [spiffe://${partner_name}/shop], allow: ["GET /orders/{id}"] }
`;

let world: SpireWorld;
let partner: TrustDomain;
/** The root of the partner's authorities, whose key this test has. */
let partnerRoot: Authority;
before(async () => {
  world = await SpireWorld.start();
  partnerRoot = await makeAuthority({ trustDomain: partner_name });
  await writeFile(join(world.root, "root.pem"), partnerRoot.certificatePem);
  await writeFile(join(world.root, "root-key.pem"), partnerRoot.privateKeyPem, { mode: 0o600 });
});
after(() => world?.stop());

/** Two trust domains that have each other's bundles, as the page says. */
async function federate(): Promise<void> {
  const { home } = world;
  const upstream = `UpstreamAuthority "disk" {
    plugin_data {
      cert_file_path = "${join(world.root, "root.pem")}"
      key_file_path = "${join(world.root, "root-key.pem")}"
    }
  }`;
  partner = await world.addDomain(partner_name, {
    adjust: (configuration) => configuration.replace("plugins {", `plugins {\n  ${upstream}`),
  });
  await tell(home, partner);
  await tell(partner, home);
}

/** Has one trust domain know of the other's bundle, and where to fetch it. */
async function tell(domain: TrustDomain, other: TrustDomain): Promise<void> {
  const file = join(domain.folder, `${other.name}.json`);
  await other.step("a bundle as a file", { "example.org.json": file });
  await domain.step("the partner's bundle", {
    [`spire.${partner_name}:8443`]: `127.0.0.1:${other.bundlePort}`,
    [partner_name]: other.name,
  });
}

/** The status of what a workload is answered. @param trusted whose bundle Envoy's own certificate is checked with */
async function ask(envoy: SpireEnvoy, trusted: Svid, svid: Svid, path = "/orders/1"): Promise<number> {
  return (await sendRequest(envoy.target(trusted, svid), { path })).status;
}

/** The line that something leaves in the access log: the next one with this member. */
async function lineOf(envoy: SpireEnvoy, member: "tls_failure" | "record", act: () => Promise<void>) {
  const lines = async () => (await envoy.accessLog(0)).filter((line) => (line[member] ?? null) !== null);
  const before = (await lines()).length;
  await act();
  await until(`the access log has another ${member}`, async () => (await lines()).length > before);
  return (await lines()).at(-1)!;
}

/** Holds that a connection is refused, and for this reason. */
async function assertRefused(envoy: SpireEnvoy, trusted: Svid, svid: Svid | undefined, reason: RegExp): Promise<void> {
  const { tls_failure } = await lineOf(envoy, "tls_failure", async () => {
    assert.notEqual(await tlsRefusal(envoy.target(trusted, svid)), undefined, "the connection was taken");
  });
  assert.match(String(tls_failure), reason);
}

describe("envoy/sds-spire.yaml with an SVID and a bundle over SDS", () => {
  let envoy: SpireEnvoy;
  let web: Svid;
  before(async () => {
    await federate();
    await world.startService(`-federatesWith spiffe://${partner_name}`);
    await world.home.register("/billing", users.billing);
    await partner.register("/shop", users.shop, "-federatesWith", "spiffe://example.org");
    envoy = await world.startEnvoy("rootca");
    await world.home.known(users.web);
    await world.home.known(users.billing);
    await partner.known(users.shop);
    web = await world.home.svid(users.web);
  });

  test("a workload is admitted by its SPIFFE ID, and the service behind hears it", async () => {
    for (const http2 of [false, true]) {
      const { status, body } = await sendRequest(envoy.target(web, web), { path: "/orders/1", http2 });
      assert.equal(status, 200);
      const arrived = JSON.parse(body);
      assert.equal(arrived.path, "/orders/1");
      assert.match(
        arrived.caller,
        /^By=spiffe:\/\/example\.org\/orders;Hash=[0-9a-f]{64};URI=spiffe:\/\/example\.org\/web$/u,
      );
    }
    assert.equal(await ask(envoy, web, web, "/users/1"), 403);
  });

  test("another workload of the trust domain is denied by its name", async () => {
    const svid = await world.home.svid(users.billing);
    const { record } = await lineOf(envoy, "record", async () => {
      const { status } = await sendRequest(envoy.target(web, svid), { path: "/orders/1" });
      assert.equal(status, 403);
    });
    assert.equal(record?.caller, "spiffe://example.org/billing");
    assert.equal(record?.reason, "no_rule");
  });

  test("a connection without a certificate is refused", () =>
    assertRefused(envoy, web, undefined, /PEER_DID_NOT_RETURN_A_CERTIFICATE/u));

  test("a user that has no entry gets no SVID", async () => {
    await assert.rejects(world.home.svid(users.unknown), /no identity issued/u);
  });

  test("a workload of a trust domain that is federated with does not get in where the listener has ROOTCA", async () => {
    await assertRefused(envoy, web, await partner.svid(users.shop), /CERTIFICATE_VERIFY_FAILED/u);
  });

  test("status finds nothing wrong", () => assertSound(envoy));

  test("an Envoy whose process has no entry takes no requests, and status says why", async () => {
    const without = await world.startEnvoy("unregistered", { uid: users.unknown });
    assert.notEqual(await tlsRefusal(without.target(web, web)), undefined);
    const { code, stdout } = await statusOf(without);
    assert.equal(code, 1);
    assert.match(stdout, /The secret "default" has not come over SDS.*\[secret_awaited\]/u);
    assert.match(stdout, /1 thing wrong/u);
  });

  describe("ALL, with a partner", () => {
    let all: SpireEnvoy;
    before(async () => {
      all = await world.startEnvoy("all", { validation: "ALL", policyYaml: partnerPolicy });
      await partner.register("/till", users.steady);
      await partner.known(users.steady);
      await untilBundle(all, "ALL", 2);
      web = await world.home.svid(users.web);
    });

    test("a foreign workload is admitted where the policy says so, and another one is not", async () => {
      assert.equal(await ask(all, web, await partner.svid(users.shop)), 200);
      const till = await partner.svid(users.steady);
      const { record } = await lineOf(all, "record", async () => {
        const { status } = await sendRequest(all.target(web, till), { path: "/orders/1" });
        assert.equal(status, 403);
      });
      assert.equal(record?.caller, `spiffe://${partner_name}/till`);
      assert.equal(await ask(all, web, web), 200);
    });

    test("a foreign SVID comes with the intermediate that SPIRE signs with", async () => {
      const { certificatePem } = await partner.svid(users.shop);
      const chain = certificatePem.match(/-----BEGIN.*?END CERTIFICATE-----/gsu) ?? [];
      assert.equal(chain.length, 2);
      const end = new X509Certificate(chain[0]!).validTo;
      assert.ok(Date.parse(end) - Date.now() <= svid_seconds * 1000, `it lives until ${end}`);
    });

    test("the partner's authority signs an ID of ours: refused, as the same certificate with an ID of its own is not", async () => {
      const signed = async (spiffeId: string): Promise<Svid> => ({
        ...(await partnerRoot.issue({ spiffeId })),
        bundlePem: "",
      });
      assert.equal(await ask(all, web, await signed(`spiffe://${partner_name}/shop`)), 200);
      await assertRefused(all, web, await signed("spiffe://example.org/web"), /CERTIFICATE_VERIFY_FAILED/u);
    });

    test("status finds nothing wrong", () => assertSound(all));
  });
});
