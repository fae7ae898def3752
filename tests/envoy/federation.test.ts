/**
 * Two trust domains before one Envoy, each with an authority of its own: an authority speaks for its own domain alone, whether
 * it signs for callers or for upstreams.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import type { ExampleName } from "../../scripts/envoy/bootstrap.ts";
import type { Authority, LeafRequest } from "../../scripts/envoy/certificates.ts";
import { type Asker, moduleFor, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";

const ours = "example.org";
const partner = "partner.example.net";
const orders = `spiffe://${ours}/orders`;

const policyYaml = `
version: 1
name: federated
trust: { domains: [${ours}, ${partner}] }
rules:
  - { name: web, callers: [spiffe://${ours}/web], allow: ["GET /**"] }
  - { name: partner, callers: ["spiffe://${partner}/**"], allow: [GET /shared] }
`;

let wasm: Uint8Array;
before(async () => {
  wasm = await moduleFor({ policyYaml });
});

for (const example of ["inbound", "gateway"] satisfies ExampleName[]) {
  describe(`envoy/${example}.yaml with two trust domains`, () => {
    let envoy: TestEnvoy;
    /** Shows what it is told to, where the example expects the orders service. */
    const upstream = createServer((_request, response) => response.end("orders"));
    before(async () => {
      upstream.listen(0, "127.0.0.1");
      await once(upstream, "listening");
      const { port } = upstream.address() as AddressInfo;
      envoy = await startTestEnvoy({
        wasm,
        example,
        trustDomains: [ours, partner],
        upstream: { host: "127.0.0.1", port, tls: { expect: { type: "URI", value: orders } } },
      });
    });
    after(async () => {
      await envoy?.stop();
      upstream.closeAllConnections();
      upstream.close();
    });

    const authority = (domain: string): Authority => envoy.local.authorities.get(domain)!;
    /** A caller whose certificate the authority of a domain signed, whatever it says. */
    const signedBy = async (domain: string, request: LeafRequest): Promise<Asker> => ({
      identity: await authority(domain).issue(request),
    });
    const serve = async (domain: string): Promise<void> => {
      const { certificatePem, privateKeyPem } = await authority(domain).issue({ spiffeId: orders });
      upstream.setSecureContext({ cert: certificatePem, key: privateKeyPem });
      upstream.closeAllConnections();
    };

    test("members of each are admitted, as who they are", async () => {
      await serve(ours);
      for (const [domain, rule] of [
        [ours, "web"],
        [partner, "partner"],
      ] as const) {
        const spiffeId = `spiffe://${domain}/web`;
        const { status, record } = await envoy.judge({ path: "/shared", ...(await signedBy(domain, { spiffeId })) });
        assert.deepEqual([status, record?.caller, record?.rule], [200, spiffeId, rule]);
      }
    });

    test("neither can make a member of the other, nor of a third", async () => {
      for (const [domain, spiffeId] of [
        [partner, `spiffe://${ours}/web`],
        [ours, `spiffe://${partner}/web`],
        [ours, "spiffe://third.example/web"],
        [partner, `spiffe://${ours}`],
      ] as const) {
        assert.notEqual(await envoy.tlsRefusal(await signedBy(domain, { spiffeId })), undefined, spiffeId);
        assert.match(String((await envoy.accessLog()).at(-1)?.tls_failure), /CERTIFICATE_VERIFY_FAILED/, spiffeId);
      }
    });

    test("a member of one that names the other beside itself is nobody", async () => {
      const spiffeId = `spiffe://${partner}/web`;
      const both = await signedBy(partner, { spiffeId, uriSans: [`spiffe://${ours}/web`] });
      const { status, record } = await envoy.judge({ path: "/shared", ...both });
      assert.deepEqual([status, record?.reason], [403, "identity_malformed"]);
      const turned = await signedBy(partner, { spiffeId: `spiffe://${ours}/web`, uriSans: [spiffeId] });
      assert.notEqual(await envoy.tlsRefusal(turned), undefined);
    });

    test("nor can it make an upstream of the other", async () => {
      const ask = async (): Promise<number> =>
        (await envoy.request({ path: "/", caller: `spiffe://${ours}/web` })).status;
      await serve(partner);
      assert.equal(await ask(), 503);
      await serve(ours);
      assert.equal(await ask(), 200);
    });
  });
}
