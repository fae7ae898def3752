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

const certs = "clusters: { certs.example.org: certs }";
const ofIssuer = (issuer: string, found: string): string => keys(found).replace("https://issuer.example.org", issuer);
const secret = "header: { name: authorization, file: keys/header.txt }";
const withHeader = (name: string, file = "keys/header.txt", more = ""): string =>
  keys(`{ url: ${good}, cluster: idp, header: { name: ${name}, file: ${file}${more} } }`);

const discoveries: Case[] = [
  [
    "the document of OpenID Connect as a URL of keys",
    url(`${mark}https://idp.example.org/.well-known/openid-configuration`),
    "discovery",
    /discovery document.*`keys: \{ discovery: true, cluster: idp \}`/,
  ],
  [
    "one below a path, with a query",
    url(`${mark}"https://idp.example.org/tenant/v2.0/.well-known/openid-configuration?p=b2c"`),
    "discovery",
    /`jwks_uri`/,
  ],
  [
    "the document of RFC 8414 as a URL of keys",
    url(`${mark}https://idp.example.org/.well-known/oauth-authorization-server/tenant`),
    "discovery",
    /discovery: true/,
  ],
  ["discovery and a URL", keys(`{ discovery: true, url: ${mark}${good}, cluster: idp }`), "key_source", /remove `url`/],
  ["discovery without a cluster", keys(`{ ${mark}discovery: true }`), "missing_key", /`discovery` needs `cluster`/],
  [
    "no discovery, and no keys",
    keys("{ discovery: false }").replace("keys:", `${mark}keys:`),
    "key_source",
    /in a file/,
  ],
  ["a cluster with a blank", keys(`{ discovery: true, cluster: ${mark}"my idp" }`), "invalid_cluster", /no blanks/],
  [
    "an issuer that is no URL",
    ofIssuer("accounts.google.com", `{ ${mark}discovery: true, cluster: idp }`),
    "discovery",
    /`accounts.google.com` cannot be found.*`url`/,
  ],
  [
    "an http issuer",
    ofIssuer("http://idp.example.org", `{ ${mark}discovery: true, cluster: idp }`),
    "discovery",
    /https/,
  ],
  [
    "an issuer with a query",
    ofIssuer("https://idp.example.org/?a", `{ ${mark}discovery: true, cluster: idp }`),
    "discovery",
    /without query/,
  ],
  [
    "a host that is a URL",
    keys(`{ discovery: true, cluster: idp, clusters: { ${mark}certs.example.org:x: certs } }`),
    "discovery",
    /no host/,
  ],
  [
    "the issuer's own host among the others",
    keys(`{ discovery: true, cluster: idp, clusters: { ${mark}Issuer.example.org:443: certs } }`),
    "duplicate",
    /has a cluster already/,
  ],
  [
    "more hosts than there is room for",
    keys(`{ discovery: true, cluster: idp, clusters: { ${mark}a.org: a, b.org: b, c.org: c, d.org: d } }`),
    "bound",
    /at most 4 hosts/,
  ],
  [
    "other hosts without discovery",
    keys(`{ url: ${good}, cluster: idp, clusters: { ${mark}certs.example.org: certs } }`),
    "key_source",
    /`discovery`/,
  ],
  [
    "two that want other hosts of one issuer",
    two(`{ discovery: true, cluster: idp, ${certs} }`, `{ ${mark}discovery: true, cluster: idp }`).replace(
      "https://partner.example.net",
      "https://issuer.example.org",
    ),
    "key_source",
    /another `clusters`/,
  ],
  [
    "two that want another header for one URL",
    two(`{ url: ${good}, cluster: idp, ${secret} }`, `{ url: ${mark}${good}, cluster: idp }`),
    "key_source",
    /another `header`/,
  ],
  [
    "a header without a URL",
    keys(`{ file: keys/corp.jwks.json, ${mark}header: { name: a, file: b } }`),
    "key_source",
    /`header`/,
  ],
  ...["host", ":path", "Content-Length", "if-none-match", "x-forwarded-for", "x-envoy-original-path", "a b"].map(
    (name): Case => [`the header ${name}`, withHeader(`${mark}"${name}"`), "key_header", /header/iu],
  ),
  ["a file that is not there", withHeader("authorization", `${mark}keys/none`), "file", /no such file/],
  [
    "a file of several lines",
    withHeader("authorization", `${mark}keys/corp.jwks.json`),
    "key_header",
    /byte 2 what no value/,
  ],
  [
    "a prefix with a line break",
    withHeader("authorization", undefined, `, prefix: ${mark}"a\\nb"`),
    "key_header",
    /prefix/,
  ],
];

run("errors", [...errors, ...discoveries]);

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

warnings.push([
  "no keys until the first answer to discovery",
  keys(`{ ${mark}discovery: true, cluster: idp }`),
  "keys_not_embedded",
  /`file`/,
]);
run("warnings", warnings);

test("what discovery asks for, and where the keys may be", () => {
  const found = ofIssuer(
    "https://IDP.example.org:443/realms/x/",
    `{ discovery: true, cluster: idp, refresh: 1m, ${certs} }`,
  );
  const { errors, policy } = check(found);
  assert.deepEqual(errors, []);
  assert.deepEqual(policy!.issuers[0]!.keySet.source, {
    url: "https://idp.example.org:443/realms/x/.well-known/openid-configuration",
    authority: "idp.example.org:443",
    path: "/realms/x/.well-known/openid-configuration",
    cluster: "idp",
    refreshSeconds: 60,
    discovery: {
      issuer: "https://IDP.example.org:443/realms/x/",
      secondPath: "/.well-known/oauth-authorization-server/realms/x",
      hosts: [
        { authority: "idp.example.org", cluster: "idp" },
        { authority: "certs.example.org", cluster: "certs" },
      ],
    },
  });
});

test("an issuer that stands for many has no document of its own", () => {
  const { errors } = check(ofIssuer('"https://login.example.com/{tid}/v2.0"', "{ discovery: true, cluster: idp }"));
  assert.match(errors.find(({ code }) => code === "discovery")!.message, /`\{tid\}` stands for many.*`url`/u);
});

test("the value of a header comes from its file without the line's end, and is in no message", () => {
  const { policy, errors, warnings } = check(withHeader("Authorization", "keys/header.txt", ', prefix: "Bearer "'));
  assert.deepEqual(policy!.issuers[0]!.keySet.source!.header, { name: "authorization", value: "Bearer an-example" });
  const other = check(withHeader("authorization", "keys/corp.jwks.json"));
  const said = [...errors, ...warnings, ...other.errors].map(({ message }) => message).join();
  assert.doesNotMatch(said, /an-example|kty/u);
});

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
