/** What `sallyport diff` tells of tokens and identities: whatever lets more tokens, or more callers, pass is a gain. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Policy } from "../../scripts/policy/language/model.ts";
import { comparePolicies } from "../../scripts/policy/meaning/difference.ts";
import { check, withRule } from "../support/policy.ts";

function read(lines: string, change: (text: string) => string = (text) => text): Policy {
  const text = change(withRule("").replace("    leeway: 30s", `    ${lines}\n    leeway: 30s`));
  const { policy, errors } = check(text);
  assert.deepEqual(errors, []);
  return policy!;
}

/** What changes between issuers with these lines, there and back: `+` is a gain. */
function told(before: Policy, after: Policy): string[] {
  const of = (one: Policy, other: Policy): string[] =>
    comparePolicies(one, other).policy.map(
      ({ what, before: was, after: is, gain }) => `${gain ? "+" : "-"} ${what}: ${was} → ${is}`,
    );
  return [...of(before, after), "", ...of(after, before)];
}

const url = (refresh: string, cluster = "idp"): ((text: string) => string) => {
  const keys = `url: https://idp.example.org/k, cluster: ${cluster}, refresh: ${refresh}`;
  return (text) => text.replace("jwks.json }", `jwks.json, ${keys} }`);
};

test("a binding that is taken away is a gain", () => {
  assert.deepEqual(told(read("bind: certificate"), read("bind: none")), [
    "+ issuer corp: bind: certificate → none",
    "",
    "- issuer corp: bind: none → certificate",
  ]);
  assert.ok(told(read("bind: certificate"), read("bind: caller")).every((line) => line === "" || line.startsWith("+")));
});

test("tokens for anybody are a gain, and so are those for another claim's audience, with other scopes, of more types", () => {
  const named = (text: string): string => text;
  const any = (text: string): string => text.replace("audiences: [order-api]", "audiences: any");
  assert.deepEqual(told(read("bind: none", named), read("bind: none", any)), [
    "+ issuer corp: audiences: order-api → any",
    "- issuer corp: audienceFrom: claims.aud → null",
    "",
    "- issuer corp: audiences: any → order-api",
    "- issuer corp: audienceFrom: null → claims.aud",
  ]);
  assert.deepEqual(told(read("bind: none"), read("audienceFrom: client_id")), [
    "+ issuer corp: audienceFrom: claims.aud → claims.client_id",
    "",
    "+ issuer corp: audienceFrom: claims.client_id → claims.aud",
  ]);
  assert.deepEqual(told(read("bind: none"), read("scopesFrom: [scp, 'claims[\"x.y\"].z']")), [
    '+ issuer corp: scopesFrom: claims.scope, claims.scp → claims.scp, claims["x.y"].z',
    "",
    '+ issuer corp: scopesFrom: claims.scp, claims["x.y"].z → claims.scope, claims.scp',
  ]);
  assert.deepEqual(told(read("bind: none"), read("types: [application/AT+jwt]")), [
    "- issuer corp: types: at+jwt, jwt, none → at+jwt",
    "",
    "+ issuer corp: types: at+jwt → at+jwt, jwt, none",
  ]);
});

test("another place is a gain, and so is one less; what the upstream sees more is one, less is not", () => {
  assert.deepEqual(told(read("from: [{ header: x-a }]"), read("from: [{ cookie: s }, { header: x-a }]")), [
    "+ issuer corp: from: the header `x-a` → the cookie `s`, the header `x-a`",
    "",
    "+ issuer corp: from: the cookie `s`, the header `x-a` → the header `x-a`",
  ]);
  assert.deepEqual(told(read("forwardToken: false"), read("forwardToken: true")), [
    "+ token kept from the upstream: the header `authorization` after `Bearer ` → null",
    "",
    "- token kept from the upstream: null → the header `authorization` after `Bearer `",
  ]);
  assert.deepEqual(told(read("bind: none"), read('from: [{ header: Authorization, prefix: "Bearer " }]')), [""]);
});

test("keys from elsewhere are a gain, and so are those that are asked for less often", () => {
  const [often, seldom] = [read("bind: none", url("1m")), read("bind: none", url("1h"))];
  assert.deepEqual(told(read("bind: none"), often), [
    "+ issuer corp: keys.url: null → https://idp.example.org/k (cluster idp)",
    "",
    "+ issuer corp: keys.url: https://idp.example.org/k (cluster idp) → null",
  ]);
  assert.deepEqual(told(often, seldom), [
    "+ issuer corp: keys.refresh: 60s → 3600s",
    "",
    "- issuer corp: keys.refresh: 3600s → 60s",
  ]);
  assert.match(told(often, read("bind: none", url("1m", "other")))[0]!, /^\+ issuer corp: keys\.url/u);
});

test("an algorithm more is a gain", () => {
  const fewer = read("bind: none", (text) => text.replace("[RS256, ES256]", "[ES256]"));
  const more = read("bind: none", (text) => text.replace("[RS256, ES256]", "[PS256, ES256]"));
  assert.match(told(fewer, more)[0]!, /^\+ issuer corp: algorithms: ES256 → ES256, PS256/u);
});

const svid =
  (identity: string, more = "") =>
  (text: string): string =>
    text.replace(
      "  domains: [example.org]",
      `  domains: [example.org]\n  identity: ${identity}\n  jwtSvid: { audiences: [a], bundles: { example.org: { file: keys/bundle.json } }${more} }`,
    );

test("a wider identity is a gain, and so are the bundles it takes", () => {
  const [mtls, either, jwt] = [
    read("bind: none"),
    read("bind: none", svid("either")),
    read("bind: none", svid("jwt-svid")),
  ];
  assert.deepEqual(told(mtls, either), [
    "+ identity: mtls → either",
    "+ JWT-SVID bundle: null → example.org",
    "",
    "- identity: either → mtls",
    "- JWT-SVID bundle: example.org → null",
  ]);
  assert.deepEqual(told(either, jwt), ["+ identity: either → jwt-svid", "", "+ identity: jwt-svid → either"]);
  const later = read("bind: none", svid("either", ", leeway: 2m"));
  assert.deepEqual(told(either, later), [
    "+ JWT-SVIDs of example.org: leeway: 60s → 120s",
    "",
    "- JWT-SVIDs of example.org: leeway: 120s → 60s",
  ]);
});

test("a claim that must be what it need not have been is no gain, less is one", () => {
  assert.deepEqual(told(read("claims: { role: string }"), read("claims: { role: any, org: { id: int! } }")), [
    "- issuer corp: claims: claims.org: anything → claims.org: map",
    "- issuer corp: claims: claims.org.id: anything → claims.org.id: int, there in each token",
    "+ issuer corp: claims: claims.role: string → claims.role: any",
    "",
    "+ issuer corp: claims: claims.org: map → claims.org: anything",
    "+ issuer corp: claims: claims.org.id: int, there in each token → claims.org.id: anything",
    "- issuer corp: claims: claims.role: any → claims.role: string",
  ]);
  assert.deepEqual(told(read("claims: { a: int, b: string }"), read('claims: { a: double, "b!": string }')), [
    "+ issuer corp: claims: claims.a: int → claims.a: double",
    "- issuer corp: claims: claims.b: string → claims.b: string, there in each token",
    "",
    "- issuer corp: claims: claims.a: double → claims.a: int",
    "+ issuer corp: claims: claims.b: string, there in each token → claims.b: string",
  ]);
  assert.deepEqual(told(read("claims: { a: any }"), read("bind: none")), [""]);
});

test("a tenant more is a gain, and so are all of them", () => {
  const of = (tenants: string): Policy =>
    read(tenants, (text) =>
      text.replace("issuer: https://issuer.example.org", 'issuer: "https://issuer.example.org/{tid}"'),
    );
  assert.deepEqual(told(of("tenants: [a, b]"), of("tenants: [b, c]")), [
    "+ issuer corp: tenants: 2 → 2, c new, without a",
    "",
    "+ issuer corp: tenants: 2 → 2, a new, without c",
  ]);
  assert.deepEqual(told(of("tenants: [a, b]"), of("tenants: [b]")), [
    "- issuer corp: tenants: 2 → 1, without a",
    "",
    "+ issuer corp: tenants: 1 → 2, a new",
  ]);
  assert.deepEqual(told(of("tenants: [a]"), of("bind: none")), [
    "+ issuer corp: tenants: 1 → any",
    "",
    "- issuer corp: tenants: any → 1",
  ]);
});
