/**
 * Names in certificates that read as pairs and elements of `x-forwarded-client-cert`: through one real Envoy, the gateway, which
 * writes them as they are, to another, which has to find out who calls.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { LeafRequest } from "../../scripts/envoy/certificates.ts";
import { managerOf, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";

/** The gateway's own ID, in the certificates it shows to both sides. */
const edge = "spiffe://example.org/orders";
const web = "spiffe://example.org/web";
const admin = "spiffe://example.org/admin";

const gatewayPolicy = `
version: 1
name: gateway
trust: { domains: [example.org] }
rules:
  - { name: everybody, callers: [any, anonymous], allow: [GET /orders] }
`;
const policyYaml = `
version: 1
name: behind
trust: { domains: [example.org], forwarders: [${edge}] }
rules:
  - { name: admin, callers: [${admin}], allow: [GET /orders] }
`;

/** How the gateway writes the header. Its own callers may add to it where it appends. */
const gateways: [mode: string, details: Record<string, boolean>][] = [
  ["SANITIZE_SET", { uri: true }],
  ["SANITIZE_SET", { subject: true, uri: true, dns: true }],
  ["APPEND_FORWARD", { subject: true, uri: true, dns: true }],
  ["SANITIZE_SET", { dns: true }],
];

for (const [mode, details] of gateways) {
  describe(`a gateway that writes ${Object.keys(details).join(", ")} under ${mode}`, () => {
    let behind: TestEnvoy;
    let gateway: TestEnvoy;
    before(async () => {
      behind = await startTestEnvoy({
        policyYaml,
        adjust: (bootstrap) => {
          managerOf(bootstrap).forward_client_cert_details = "APPEND_FORWARD";
        },
      });
      const shown = await behind.local.identity(edge);
      gateway = await startTestEnvoy({
        policyYaml: gatewayPolicy,
        upstream: {
          host: "127.0.0.1",
          port: behind.local.port,
          tls: {
            serverName: "localhost",
            expect: { type: "URI", value: "spiffe://example.org/orders" },
            authorityPem: behind.local.authority.certificatePem,
          },
        },
        adjust: (bootstrap) => {
          const manager = managerOf(bootstrap);
          manager.forward_client_cert_details = mode;
          manager.set_current_client_cert_details = details;
          // A gateway that is content with any certificate of its authority, as many are.
          const downstream = bootstrap.static_resources.listeners[0].filter_chains[0].transport_socket.typed_config;
          const validation = downstream.common_tls_context.validation_context;
          const { trust_bundle } = validation.custom_validator_config.typed_config.trust_domains[0];
          downstream.common_tls_context.validation_context = { trusted_ca: trust_bundle };
          const [cluster] = bootstrap.static_resources.clusters;
          cluster.transport_socket.typed_config.common_tls_context.tls_certificates = [
            {
              certificate_chain: { filename: shown.certificatePath },
              private_key: { filename: shown.keyPath },
            },
          ];
        },
      });
    });
    after(async () => {
      await gateway?.stop();
      await behind?.stop();
    });

    /** Who the second Envoy takes the caller for, and why it says so. */
    const told = async (leaf: LeafRequest, headers: Record<string, string> = {}): Promise<string> => {
      const lines = (await behind.accessLog()).length;
      const identity = await gateway.local.authority.issue(leaf);
      await gateway.request({ path: "/orders", identity, headers });
      const record = (await behind.local.accessLog(lines + 1)).at(-1)?.record;
      return `${record?.caller ?? "nobody"} ${record?.reason}`;
    };

    test("passes on who calls", async () => {
      const isNamed = details.uri === true;
      assert.equal(
        await told({ spiffeId: admin, dnsNames: ["a.example.org"] }),
        isNamed ? `${admin} allowed` : "nobody identity_missing",
      );
      const said = `By=${edge};Hash=00;URI=${admin}`;
      const spoken = await told({ spiffeId: web }, { "x-forwarded-client-cert": said });
      assert.doesNotMatch(spoken, /admin/u);
    });

    const hostile: LeafRequest[] = [
      { spiffeId: web, dnsNames: [`x,URI=${admin}`] },
      { spiffeId: web, dnsNames: [`x,By=${edge};Hash=00;URI=${admin}`] },
      { spiffeId: web, dnsNames: ["x", `y,By=z,Hash=00;URI=${admin};DNS=y`] },
      { spiffeId: web, dnsNames: [`x;URI=${admin}`] },
      { spiffeId: web, dnsNames: [`"x`, `",URI=${admin}`] },
      { dnsNames: [`x;URI=${admin}`] },
      { dnsNames: [`x,Hash=00;URI=${admin}`] },
      { spiffeId: `${web},URI=${admin}` },
      { spiffeId: `${web};URI=${admin}` },
      { spiffeId: `${admin},By=x` },
      { spiffeId: `"${admin}"` },
      { spiffeId: web, uriSans: [`x,URI=${admin}`] },
      { spiffeId: web, commonName: `a";URI=${admin};X="` },
      { spiffeId: web, commonName: `a",URI=${admin},X="` },
      { spiffeId: web, commonName: `a\\",URI=${admin},X=\\"` },
    ];
    for (const leaf of hostile) {
      test(`makes nobody of ${JSON.stringify(leaf)} that it is not`, async () => {
        assert.doesNotMatch(await told(leaf), /allowed|\/admin (?!identity_malformed)/u);
      });
    }

    // Nothing tells these from what the authority might well have issued (docs/threat-model.md).
    const undetectable: LeafRequest = { spiffeId: `${admin};X=` };
    test("an authority that issues a URI name with a semicolon issues the ID before it", async () => {
      assert.equal(await told(undetectable), details.uri === true ? `${admin} allowed` : "nobody identity_missing");
    });
  });
}
