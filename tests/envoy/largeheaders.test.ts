/** Headers as large as the arena takes, and larger, in an Envoy that lets them through: every request is denied, and Envoy stays up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeCorpIssuer, managerOf, startTestEnvoy } from "../support/envoy.ts";

const policyYaml = `
version: 1
name: shop
trust: { domains: [example.org] }
issuers:
  corp:
    issuer: https://issuer.example.org
    audiences: [order-api]
    algorithms: [RS256, ES256]
    keys: { file: keys/corp.jwks.json }
rules:
  - { name: orders, callers: [any], allow: [GET /orders], token: corp }
`;

test("whatever is left of the arena when the signature is verified", async () => {
  const corp = await makeCorpIssuer();
  const local = await startTestEnvoy({
    policyYaml,
    issuers: { corp },
    adjust: (bootstrap) => {
      managerOf(bootstrap).max_request_headers_kb = 1024;
    },
  });
  try {
    const caller = "spiffe://example.org/web";
    const token = await corp.token({ claims: { sub: "x".repeat(4000) } });
    const forged = `${token.slice(0, token.lastIndexOf("."))}.${"A".repeat(342)}`;
    const ask = async (padding: number, asked: string) => {
      const headers = { "x-padding": "p".repeat(padding) };
      return (await local.judge({ caller, path: "/orders", token: asked, headers })).record;
    };
    assert.equal((await ask(10, token))?.decision, "allow");
    const seen = new Set<string | undefined>();
    for (let padding = 40_000; padding < 131_072; padding += padding > 53_000 && padding < 66_000 ? 97 : 1997) {
      const record = await ask(padding, forged);
      assert.equal(record?.decision, "deny", `padding ${padding}`);
      seen.add(record?.reason);
    }
    assert.deepEqual([...seen].sort(), ["headers_too_large", "token_signature"]);
    assert.equal((await ask(500_000, token))?.reason, "headers_too_large");
    assert.equal((await ask(10, token))?.decision, "allow", "the next request is judged as ever");
  } finally {
    await local.stop();
  }
});
