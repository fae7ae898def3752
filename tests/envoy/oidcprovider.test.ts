/**
 * Access tokens of a certified provider (npm `oidc-provider`), in a real Envoy that finds the provider's keys by discovery: RFC 9068
 * tokens with scopes and a resource, each algorithm, tokens bound to a certificate (RFC 8705), and keys that rotate.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { type OidcProvider, resource, startOidcProvider } from "../support/oidc.ts";

const alice = "spiffe://example.org/alice";
const bob = "spiffe://example.org/bob";

const policyFor = (issuer: string): string => `
version: 1
name: idp
trust: { domains: [example.org] }
issuers:
  corp:
    issuer: ${issuer}
    audiences: [${resource}]
    algorithms: [RS256, ES256, Ed25519]
    types: [at+jwt]
    keys: { discovery: true, cluster: idp, refresh: 2s }
    challenge: { resource_metadata: "https://api.example.com/.well-known/oauth-protected-resource" }
  bound:
    issuer: ${issuer}
    audiences: [${resource}]
    algorithms: [RS256, ES256, Ed25519]
    keys: { discovery: true, cluster: idp, refresh: 2s }
    bind: certificate
forward: { x-client: claims.client_id }
rules:
  - { name: write, callers: [${alice}, ${bob}], allow: [POST /orders], token: corp, scopes: ["orders:write"] }
  - { name: read, callers: [${alice}, ${bob}], allow: [GET /orders], token: corp, scopes: ["orders:read"] }
  - { name: bound, callers: [${alice}, ${bob}], allow: [GET /bound], token: bound }
`;

describe("a certified OpenID provider", () => {
  let provider: OidcProvider;
  let envoy: TestEnvoy;
  before(async () => {
    provider = await startOidcProvider();
    const tls = {
      expect: { type: "IP_ADDRESS", value: "127.0.0.1" },
      authorityPem: provider.authorityPem,
    } as const;
    envoy = await startTestEnvoy({
      policyYaml: policyFor(provider.issuer),
      concurrency: 2,
      keyClusters: { idp: { host: "127.0.0.1", port: provider.port, tls } },
    });
  });
  after(async () => {
    await envoy?.stop();
    await provider?.stop();
  });

  const ask = async (token: string, method = "GET", path = "/orders", caller = alice): Promise<string> => {
    const { status, record } = await envoy.judge({ caller, method, path, token });
    return `${status} ${record?.reason}`;
  };

  for (const algorithm of ["RS256", "ES256", "Ed25519"] as const) {
    test(`${algorithm}: an access token (at+jwt) of client credentials is good for its resource and scopes`, async () => {
      const token = await provider.token({ algorithm });
      const header = JSON.parse(Buffer.from(token.split(".")[0]!, "base64url").toString()) as object;
      assert.deepEqual(header, { alg: algorithm, typ: "at+jwt", kid: `${algorithm}-1` });
      assert.equal(await ask(token), "200 allowed");
      assert.equal(await ask(token, "POST"), "200 allowed");
      assert.equal(envoy.upstreamRequests.at(-1)!.headers["x-client"], "plain");
      const reading = await provider.token({ algorithm, scope: "orders:read" });
      assert.equal(await ask(reading), "200 allowed");
      assert.equal(await ask(reading, "POST"), "403 scope_missing");
      assert.equal(
        await ask(await provider.token({ algorithm, resource: "https://other.test" })),
        "401 token_audience",
      );
      const at = token.length - 10;
      const forged = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
      assert.equal(await ask(forged), "401 token_signature");
    });
  }

  test("the keys were found by the issuer's document, and with it each time", () => {
    const fetched = provider.requests.filter((path) => path !== "/token");
    assert.deepEqual(fetched.slice(0, 2), ["/.well-known/openid-configuration", "/jwks"]);
    assert.deepEqual([...new Set(fetched)], ["/.well-known/openid-configuration", "/jwks"]);
  });

  test("without a token the answer says where one can be got", async () => {
    const { headers } = await envoy.request({ caller: alice, path: "/orders" });
    assert.equal(
      headers["www-authenticate"],
      'Bearer realm="idp", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"',
    );
  });

  test("a token that the provider has bound to a certificate is good from its owner alone", async () => {
    const token = await provider.token({ identity: await envoy.local.identity(alice) });
    assert.equal(await ask(token, "GET", "/bound"), "200 allowed");
    assert.equal(await ask(token, "GET", "/bound", bob), "401 token_binding");
    assert.equal(await ask(await provider.token(), "GET", "/bound"), "401 token_binding", "bound to nobody");
  });

  test("keys rotate: those that come are good at once, those that go are not for long", async () => {
    const old = await provider.token({ algorithm: "ES256" });
    assert.equal(await ask(old), "200 allowed");
    provider.rotate(true);
    assert.equal(await ask(await provider.token({ algorithm: "ES256" })), "200 allowed", "it waits for its key");
    assert.equal(await ask(old), "200 allowed");
    provider.rotate(false);
    assert.equal(await ask(await provider.token({ algorithm: "Ed25519" })), "200 allowed");
    for (let turn = 0; turn < 100 && (await ask(old)) === "200 allowed"; turn++) await sleep(100);
    assert.equal(await ask(old), "401 token_key_unknown");
  });
});
