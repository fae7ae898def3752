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
