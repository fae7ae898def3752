/** Where keys come from: files, URLs, and what two issuers may want of one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { key_url_bytes_max } from "../../../assembly/limits.ts";
import { type Case, policy, run } from "../../support/findings.ts";
import { check, mark } from "../../support/policy.ts";

const keys = (text: string): string => policy("keys: { file: keys/corp.jwks.json }", `keys: ${text}`);
const url = (text: string): string => keys(`{ url: ${text}, cluster: idp, file: keys/corp.jwks.json }`);
const good = "https://idp.example.org/jwks.json";

/** A policy with a second issuer. */
const two = (first: string, second: string): string =>
  keys(first).replace(
    "callers:\n",
    `  partner:\n    issuer: https://partner.example.net\n    audiences: [order-api]\n    algorithms: [RS256, ES256]\n    leeway: 30s\n    maxLifetime: 1h\n    keys: ${second}\ncallers:\n`,
  );

const errors: Case[] = [
  ["keys from nowhere", keys(`{}`).replace("keys:", `${mark}keys:`), "key_source", /in a file.*behind a URL/],
  ["a URL without a cluster", keys(`{ url: ${mark}${good} }`), "missing_key", /`cluster`.*cluster: idp/],
  [
    "a cluster without a URL",
    keys(`{ file: keys/corp.jwks.json, cluster: ${mark}idp }`),
    "key_source",
    /add one, or remove it/,
  ],
  ["refreshing without a URL", keys(`{ file: keys/corp.jwks.json, refresh: ${mark}5m }`), "key_source", /`refresh`/],
  ["another scheme", url(`${mark}ftp://idp.example.org/jwks.json`), "invalid_url", /begins with `https:\/\/`/],
  ["a path alone", url(`${mark}/jwks.json`), "invalid_url", /begins with/],
  ["a user in a URL", url(`${mark}https://user:secret@idp.example.org/`), "invalid_url", /no user and no password/],
  ["a fragment", url(`${mark}"${good}#key"`), "invalid_url", /never sent/],
  ["a blank in a URL", url(`${mark}"https://idp.example.org/my keys"`), "invalid_url", /encode/],
  ["a URL without a host", url(`${mark}https:///jwks.json`), "invalid_url", /has a host/],
  ["port 0", url(`${mark}https://idp.example.org:0/`), "invalid_url", /from 1 to 65535/],
  ["port 65536", url(`${mark}https://idp.example.org:65536/`), "invalid_url", /from 1 to 65535/],
  ["a long URL", url(`${mark}${good}?${"a".repeat(key_url_bytes_max)}`), "invalid_url", /1024 bytes/],
  ["a cluster with a blank", keys(`{ url: ${good}, cluster: ${mark}"my idp" }`), "invalid_cluster", /no blanks/],
  ["a cluster without a name", keys(`{ url: ${good}, cluster: ${mark}"" }`), "invalid_cluster", /1 to 256/],
  ["a refresh of nothing", keys(`{ url: ${good}, cluster: idp, refresh: ${mark}0s }`), "bound", /from 1s to 86400s/],
  ["a refresh of a week", keys(`{ url: ${good}, cluster: idp, refresh: ${mark}168h }`), "bound", /86400s/],
  ["a bare refresh", keys(`{ url: ${good}, cluster: idp, refresh: ${mark}"5" }`), "invalid_duration", /`5s`/],
  [
    "one URL, two ways to refresh it",
    two(`{ url: ${good}, cluster: idp, refresh: 5m }`, `{ url: ${mark}${good}, cluster: idp, refresh: 1m }`),
    "key_source",
    /line 10.*another `refresh`.*equal/,
  ],
  [
    "one URL, two files",
    two(
      `{ url: ${good}, cluster: idp, file: keys/corp.jwks.json }`,
      `{ url: ${mark}${good}, cluster: idp, file: keys/machine.jwks.json }`,
    ),
    "key_source",
    /another `file`/,
  ],
];

run("errors", errors);

const warnings: Case[] = [
  ["a URL that anybody can answer", url(`${mark}http://idp.example.org/`), "insecure_url", /use `https`/],
  [
    "one cluster for two hosts",
    two(
      `{ url: ${good}, cluster: idp, file: keys/corp.jwks.json }`,
      `{ url: https://other.example.org/jwks.json, cluster: ${mark}idp, file: keys/corp.jwks.json }`,
    ),
    "cluster_shared",
    /leads to `idp.example.org` already.*`other.example.org`/,
  ],
  ["no keys until the first answer", keys(`{ url: ${mark}${good}, cluster: idp }`), "keys_not_embedded", /`file`/],
  [
    "embedded keys of other algorithms, while others may come",
    policy(
      "algorithms: [RS256, ES256]\n    keys: { file: keys/corp.jwks.json }",
      `algorithms: [EdDSA]\n    keys: { url: ${good}, cluster: idp, file: ${mark}keys/corp.jwks.json }`,
    ),
    "keys_not_embedded",
    /EdDSA.*until the keys have been fetched/,
  ],
];

run("warnings", warnings);

test("a URL is taken apart as a request needs it", () => {
  const all: [url: string, authority: string, path: string][] = [
    [good, "idp.example.org", "/jwks.json"],
    ["https://IDP.example.org:8443", "idp.example.org:8443", "/"],
    ["https://idp.example.org?a=b/c?d", "idp.example.org", "/?a=b/c?d"],
    ["'https://[2001:db8::1]:443/a%20b/?x=1&y'", "[2001:db8::1]:443", "/a%20b/?x=1&y"],
  ];
  for (const [text, authority, path] of all) {
    const { errors, policy } = check(url(text));
    assert.deepEqual(errors, []);
    const { keys, source, use } = policy!.issuers[0]!.keySet;
    assert.deepEqual([source?.authority, source?.path, source?.cluster], [authority, path, "idp"]);
    assert.deepEqual([source?.refreshSeconds, use, keys.length > 0], [300, "sig", true]);
  }
});

test("a file that two issuers name is read, and complained of, once", () => {
  const { errors, policy } = check(two("{ file: keys/corp.jwks.json }", "{ file: ./keys/corp.jwks.json }"));
  assert.deepEqual(errors, []);
  assert.equal(policy?.issuers[0]?.keySet.keys, policy?.issuers[1]?.keySet.keys);
  const wrong = check(two("{ file: keys/corp.jwks.json }", "{ file: keys/none.json }"));
  assert.equal(wrong.errors.length, 1);
});

test("the same URL with everything equal is no conflict, and neither is another cluster", () => {
  const equal = `{ url: ${good}, cluster: idp, refresh: 60s, file: keys/corp.jwks.json }`;
  assert.deepEqual(check(two(equal, equal.replace("60s", "1m"))).errors, []);
  assert.deepEqual(check(two(equal, `{ url: ${good}, cluster: other, file: keys/machine.jwks.json }`)).errors, []);
});
