/** A built module in an Envoy configuration that is none of ours: no VM name, no capability list, no normalization. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeAuthority } from "../../scripts/envoy/certificates.ts";
import { sendRequest } from "../../scripts/envoy/client.ts";
import { findEnvoy } from "../../scripts/envoy/find.ts";
import { startEnvoy } from "../../scripts/envoy/process.ts";
import { moduleFor } from "../support/envoy.ts";

const policyYaml = `
version: 1
name: shop
trust: { domains: [example.org] }
rules:
  - { name: orders, callers: [spiffe://example.org/checkout-service], allow: [GET /orders] }
`;

test("it loads, and enforces its policy", async () => {
  const directory = await mkdtemp(join(tmpdir(), "sallyport-foreign-"));
  const authority = await makeAuthority({ trustDomain: "example.org" });
  const server = await authority.issue({ dnsNames: ["localhost"] });
  const type = (name: string) => `type.googleapis.com/envoy.extensions.${name}`;
  const module = await moduleFor({ policyYaml });
  await writeFile(join(directory, "any-name.wasm"), module);
  const config = {
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
    static_resources: {
      listeners: [
        {
          name: "front",
          address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
          filter_chains: [
            {
              transport_socket: {
                name: "tls",
                typed_config: {
                  "@type": type("transport_sockets.tls.v3.DownstreamTlsContext"),
                  common_tls_context: {
                    tls_certificates: [
                      {
                        certificate_chain: { inline_string: server.certificatePem },
                        private_key: { inline_string: server.privateKeyPem },
                      },
                    ],
                    validation_context: { trusted_ca: { inline_string: authority.certificatePem } },
                  },
                },
              },
              filters: [
                {
                  name: "http",
                  typed_config: {
                    "@type": type("filters.network.http_connection_manager.v3.HttpConnectionManager"),
                    stat_prefix: "front",
                    route_config: {
                      virtual_hosts: [
                        {
                          name: "all",
                          domains: ["*"],
                          routes: [{ match: { prefix: "/" }, direct_response: { status: 200 } }],
                        },
                      ],
                    },
                    http_filters: [
                      {
                        name: "door",
                        typed_config: {
                          "@type": type("filters.http.wasm.v3.Wasm"),
                          config: {
                            vm_config: {
                              runtime: "envoy.wasm.runtime.v8",
                              code: { local: { filename: join(directory, "any-name.wasm") } },
                            },
                          },
                        },
                      },
                      { name: "router", typed_config: { "@type": type("filters.http.router.v3.Router") } },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
    },
  };
  const envoy = await startEnvoy({
    envoyPath: await findEnvoy(),
    config,
    directory: join(directory, "envoy"),
    concurrency: 2,
  });
  try {
    const ask = async (spiffeId: string | undefined, path: string): Promise<number> => {
      const identity = spiffeId === undefined ? undefined : await authority.issue({ spiffeId });
      const target = {
        port: envoy.listenerPort("front"),
        authorityPem: authority.certificatePem,
        ...(identity && { identity }),
      };
      return (await sendRequest(target, { path })).status;
    };
    assert.equal(await ask("spiffe://example.org/checkout-service", "/orders"), 200);
    assert.equal(await ask("spiffe://example.org/checkout-service", "/orders/7"), 403);
    assert.equal(await ask("spiffe://example.org/checkout-service", "/x/../orders"), 400);
    assert.equal(await ask("spiffe://example.org/billing", "/orders"), 403);
    assert.equal(await ask(undefined, "/orders"), 403);
  } finally {
    await envoy.stop();
    await rm(directory, { recursive: true, force: true });
  }
});
