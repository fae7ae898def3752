/** What `WWW-Authenticate` says where an issuer says how to get its tokens (RFC 6750 §3, RFC 9728 §5.1). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { makeKey, type ProviderKey, providerAudience, providerIssuer } from "../support/jwks-server.ts";
import { engine } from "../support/plugin.ts";
import { check, mark, unmark, withRule } from "../support/policy.ts";
import { caller, imageOf, jwks } from "../support/workers.ts";

const metadata = "https://api.example.com/.well-known/oauth-protected-resource";
const key: ProviderKey = await makeKey("one");

/** A policy of two issuers with these challenges; `plain` asks for nothing of its own. */
function start(challenge: string, other = "{ realm: other }"): (path: string, token: string | null) => Outcome {
  const issuer = (name: string, iss: string, lines: string): string => `  ${name}:
    issuer: ${iss}
    audiences: [${providerAudience}]
    algorithms: [ES256]
    keys: { file: keys.json }
${lines}`;
  const text = `version: 1
name: shop
trust: { domains: [example.org] }
issuers:
${issuer("b", providerIssuer, `    challenge: ${challenge}\n`)}${issuer("c", "https://other.example", `    challenge: ${other}\n`)}${issuer("a", "https://plain.example", "")}rules:
  - { name: own, callers: [any], allow: [GET /own], token: b, scopes: ["orders:read", "orders:write"] }
  - { name: any, callers: [any], allow: [GET /any], token: b, scopes: { any: ["orders:write", "orders:admin"] } }
  - { name: several, callers: [any], allow: [GET /several], token: [c, b, a] }
  - { name: plain, callers: [any], allow: [GET /plain], token: a }
`;
  const host = PluginHost.load(engine);
  const started = host.startPlugin(pluginConfiguration(imageOf(text, { "keys.json": jwks(key) })));
  assert.equal(started.ok, true, started.logs.map(({ message }) => message).join());
  const request = { caller, source: "10.0.0.1", method: "GET", host: "h", headers: [] };
  return (path, token) => host.request(started.rootContext, hostRequest({ ...request, path, token }));
}

const challengeOf = ({ localResponse }: Outcome): string | undefined =>
  localResponse?.headers.find(([name]) => name === "www-authenticate")?.[1];

describe("a challenge of an issuer's own", () => {
  const ask = start(`{ realm: "our shop", resource_metadata: "${metadata}" }`);
  const own = `realm="our shop", resource_metadata="${metadata}"`;

  test("stands in each answer that asks for its token", async () => {
    assert.equal(challengeOf(ask("/own", null)), `Bearer ${own}`);
    assert.equal(challengeOf(ask("/own", "bad")), `Bearer ${own}, error="invalid_token"`);
    const token = await key.token();
    const scoped = ask("/own", token);
    assert.equal(scoped.localResponse?.status, 403);
    assert.equal(challengeOf(scoped), `Bearer ${own}, error="insufficient_scope", scope="orders:read orders:write"`);
    // Where one is enough, the policy's first: one who writes it names what asks for least before what gives more.
    assert.equal(challengeOf(ask("/any", token)), `Bearer ${own}, error="insufficient_scope", scope="orders:write"`);
  });

  test("of several issuers the first by name that has one speaks", () => {
    assert.equal(challengeOf(ask("/several", null)), `Bearer ${own}`);
  });

  test("where the rule's issuer has none, the answer is as ever", () => {
    assert.equal(challengeOf(ask("/plain", null)), 'Bearer realm="shop"');
    assert.equal(challengeOf(ask("/plain", "bad")), 'Bearer error="invalid_token"');
  });

  test("without a realm it is the policy's name", () => {
    const outcome = start(`{ resource_metadata: "${metadata}" }`)("/own", null);
    assert.equal(challengeOf(outcome), `Bearer realm="shop", resource_metadata="${metadata}"`);
  });

  test("what is longest fits", () => {
    const longest = `https://a.example/${"m".repeat(1024 - 18)}`;
    const outcome = start(`{ realm: "${"r".repeat(256)}", resource_metadata: "${longest}" }`)("/own", null);
    assert.equal(challengeOf(outcome), `Bearer realm="${"r".repeat(256)}", resource_metadata="${longest}"`);
  });
});

describe("what cannot stand in a challenge is refused where it is written", () => {
  for (const challenge of [
    `{ realm: ${mark}'a"b' }`,
    `{ realm: ${mark}'a\\b' }`,
    `{ realm: ${mark}"a\\nb" }`,
    `{ realm: ${mark}"größe" }`,
    `{ realm: ${mark}"" }`,
    `{ realm: ${mark}${"r".repeat(257)} }`,
    `{ resource_metadata: ${mark}http://api.example.com/m }`,
    `{ resource_metadata: ${mark}'https://api.example.com/"m' }`,
    `{ resource_metadata: ${mark}"https://user@api.example.com/m" }`,
    `{ resource_metadata: ${mark}"https://api.example.com/#m" }`,
    `{ resource_metadata: ${mark}https://a.example/${"m".repeat(1024)} }`,
  ]) {
    test(challenge.replace(mark, "").slice(0, 60), () => {
      const marked = withRule("").replace("    leeway: 30s", `    challenge: ${challenge}\n    leeway: 30s`);
      const { text, line, column } = unmark(marked);
      const found = check(text).errors.map(({ code, line, column }) => ({ code, line, column }));
      assert.deepEqual(found, [{ code: "invalid_challenge", line, column }]);
    });
  }

  test("one that says nothing", () => {
    const text = withRule("").replace("    leeway: 30s", "    challenge: {}\n    leeway: 30s");
    assert.deepEqual(
      check(text).errors.map(({ code }) => code),
      ["value"],
    );
  });
});
