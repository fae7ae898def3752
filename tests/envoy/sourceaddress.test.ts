/** Whose word `source.ip` is, in an Envoy whose connection manager takes addresses from `x-forwarded-for`, as Istio's sidecars do. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { managerOf, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";

const policyYaml = (sourceAddress: string): string => `
version: 1
name: shop
trust: { domains: [example.org], sourceAddress: ${sourceAddress} }
rules:
  - { name: office, callers: [any], allow: [GET /office], when: 'cidr("10.0.0.0/8").containsIP(source.ip)' }
  - { name: local, callers: [any], allow: [GET /local], when: 'cidr("127.0.0.0/8").containsIP(source.ip)' }
  - { name: orders, callers: [any], allow: [GET /orders] }
  - { name: far, callers: [any], deny: [GET /orders], when: '!cidr("127.0.0.0/8").containsIP(source.ip)' }
`;
const caller = "spiffe://example.org/web";
const written = { "x-forwarded-for": "10.0.0.1" };

for (const sourceAddress of ["connection", "forwarded"]) {
  describe(`sourceAddress: ${sourceAddress}, without use_remote_address`, () => {
    let envoy: TestEnvoy;
    before(async () => {
      envoy = await startTestEnvoy({
        policyYaml: policyYaml(sourceAddress),
        adjust: (bootstrap) => {
          const manager = managerOf(bootstrap);
          manager.use_remote_address = false;
        },
      });
    });
    after(() => envoy?.stop());

    const isTaken = sourceAddress === "forwarded";

    test(`an address that the caller wrote is ${isTaken ? "taken" : "refused"}`, async () => {
      const { status, record } = await envoy.judge({ caller, path: "/office", headers: written });
      assert.equal(status, isTaken ? 200 : 403);
      assert.deepEqual(
        [record?.reason, record?.detail],
        isTaken ? ["allowed", undefined] : ["condition_error", "source_forwarded"],
      );
    });

    test("a deny rule matches where it does not know the address", async () => {
      const { record } = await envoy.judge({ caller, path: "/orders", headers: { "x-forwarded-for": "127.0.0.9" } });
      assert.deepEqual(
        [record?.reason, record?.detail],
        isTaken ? ["allowed", undefined] : ["rule_denied", "source_forwarded"],
      );
    });

    test("without the header it is that of the connection", async () => {
      assert.equal((await envoy.judge({ caller, path: "/local" })).status, 200);
      assert.equal((await envoy.judge({ caller, path: "/office" })).record?.reason, "condition_false");
      assert.equal((await envoy.judge({ caller, path: "/orders" })).status, 200);
    });
  });
}
