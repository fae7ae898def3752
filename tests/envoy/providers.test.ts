/** Tokens as Cognito, Entra ID and Keycloak issue them, each with a policy as one writes it for them, in Node and in a real Envoy. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { engine } from "../support/plugin.ts";
import {
  cognitoClient,
  entraAudience,
  entraTenant,
  makeCognito,
  makeEntra,
  makeKeycloak,
  type Provider,
} from "../support/providers.ts";
import { imageOf, outcomeOf } from "../support/workers.ts";

/** A second tenant of the application, and one that is none of its. */
const otherTenant = "11111111-0000-41af-91ab-2d7cd011db47";
const strangeTenant = "22222222-0000-41af-91ab-2d7cd011db47";
const ofTenant = (tid: string): Record<string, unknown> => ({
  tid,
  iss: `https://login.microsoftonline.com/${tid}/v2.0`,
});

const caller = "spiffe://example.org/web";
const providers: Record<string, Provider> = {
  cognito: await makeCognito(),
  entra: await makeEntra(),
  keycloak: await makeKeycloak(),
};
const { cognito, entra, keycloak } = providers as Record<"cognito" | "entra" | "keycloak", Provider>;

const policyFor = (folder: string): string => `
version: 1
name: providers
trust: { domains: [example.org] }
issuers:
  cognito:
    issuer: ${cognito.issuer}
    audiences: [${cognitoClient}]
    audienceFrom: client_id
    algorithms: [RS256]
    keys: { file: ${folder}cognito.jwks.json }
  entra:
    issuer: ${entra.issuer}
    audiences: [${entraAudience}]
    scopesFrom: [scp, roles]
    algorithms: [RS256]
    keys: { file: ${folder}entra.jwks.json }
  entra-all:
    issuer: "https://login.microsoftonline.com/{tid}/v2.0"
    tenants: [${entraTenant}, ${otherTenant}]
    audiences: [${entraAudience}]
    algorithms: [RS256]
    keys: { file: ${folder}entra.jwks.json }
  keycloak:
    issuer: ${keycloak.issuer}
    audiences: [order-api]
    scopesFrom: realm_access.roles
    algorithms: [RS256]
    keys: { file: ${folder}keycloak.jwks.json }
rules:
  - { name: cognito, callers: [${caller}], allow: [GET /cognito], token: cognito, scopes: [orders/write], when: claims.token_use == "access" }
  - { name: entra, callers: [${caller}], allow: [GET /entra], token: entra, scopes: [Orders.Write], when: 'claims.ver == "2.0" && claims.tid == "${entraTenant}"' }
  - { name: tenants, callers: [${caller}], allow: [GET /tenants], token: entra-all, scopes: [Orders.Write] }
  - { name: keycloak, callers: [${caller}], allow: [GET /keycloak], token: keycloak, scopes: [orders-writer], when: 'claims.typ == "Bearer" && "buyer" in claims.resource_access["order-api"].roles' }
`;

const groups = (count: number): string[] => Array.from({ length: count }, () => randomUUID());

/** What is asked, the token's claims and header that differ, and what becomes of it. */
const rows: [what: string, provider: string, claims: Record<string, unknown>, reason: string, header?: object][] = [
  ["an access token", "cognito", {}, "allowed"],
  ["one of another client", "cognito", { client_id: "another" }, "token_audience"],
  [
    "an ID token, which has `aud` and no client_id",
    "cognito",
    { aud: cognitoClient, client_id: undefined, token_use: "id", scope: undefined },
    "token_audience",
  ],
  ["one without the scope", "cognito", { scope: "orders/read" }, "scope_missing"],
  ["one of another pool", "cognito", { iss: `${cognito.issuer}x` }, "token_issuer"],
  ["one that names the key of ID tokens", "cognito", {}, "token_signature", { kid: "WQ4ExampleIdTokens+Y=" }],
  ["a user's token", "entra", {}, "allowed"],
  ["an application's, with roles in place of scp", "entra", { scp: undefined, roles: ["Orders.Write"] }, "allowed"],
  ["one with neither", "entra", { scp: undefined }, "scope_missing"],
  ["one without the scope", "entra", { scp: "Orders.Read" }, "scope_missing"],
  ["one with 100 groups", "entra", { groups: groups(100) }, "allowed"],
  ["one of another tenant", "entra", { iss: "https://login.microsoftonline.com/x/v2.0", tid: "x" }, "token_issuer"],
  ["one of v1.0", "entra", { iss: `https://sts.windows.net/${entraTenant}/`, ver: "1.0" }, "token_issuer"],
  ["one for another API", "entra", { aud: "00000003-0000-0000-c000-000000000000" }, "token_audience"],
  ["a key that is none of the five", "entra", {}, "token_key_unknown", { kid: "entra-9" }],
  ["one of its own tenant", "tenants", {}, "allowed"],
  ["one of the other tenant", "tenants", ofTenant(otherTenant), "allowed"],
  ["one of no tenant of the policy's", "tenants", ofTenant(strangeTenant), "token_issuer"],
  ["one whose tenant is another than its issuer's", "tenants", { tid: otherTenant }, "token_issuer"],
  ["an access token", "keycloak", {}, "allowed"],
  ["one without the role", "keycloak", { realm_access: { roles: ["offline_access"] } }, "scope_missing"],
  ["one without roles", "keycloak", { realm_access: undefined }, "scope_missing"],
  ["one without the client's role", "keycloak", { resource_access: { "order-api": { roles: [] } } }, "condition_false"],
  ["one that is for the account console alone", "keycloak", { aud: "account" }, "token_audience"],
  ["an ID token", "keycloak", { typ: "ID" }, "condition_false"],
  ["a key for encryption", "keycloak", {}, "token_key_unknown", { kid: "kc-enc" }],
];

describe("tokens of large providers", () => {
  let envoy: TestEnvoy;
  before(async () => {
    envoy = await startTestEnvoy({ policyYaml: policyFor("keys/"), issuers: providers });
  });
  after(() => envoy?.stop());

  const files = Object.entries(providers).map(([name, { jwks }]) => [`${name}.jwks.json`, JSON.stringify(jwks)]);
  const host = PluginHost.load(engine);
  const { rootContext } = host.startPlugin(pluginConfiguration(imageOf(policyFor(""), Object.fromEntries(files))));

  for (const [what, name, claims, reason, header] of rows) {
    test(`${name}: ${what}: ${reason}`, async () => {
      const token = await (name === "tenants" ? entra : providers[name]!).token(claims, { ...header });
      const path = `/${name}`;
      const request = { caller, source: "10.0.0.1", method: "GET", path, host: "h", headers: [], token };
      assert.equal(outcomeOf(host.request(rootContext, hostRequest(request))), reason);
      const { status, record } = await envoy.judge({ caller, path, token });
      assert.equal(record?.reason, reason);
      assert.equal(status === 200, reason === "allowed");
    });
  }
});
