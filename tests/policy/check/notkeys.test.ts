/** What people give in place of a JWKS or a token: each is told by its name, and the commands that are named work. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeKeyPair } from "../../../scripts/common/keypair.ts";
import { parseKeySet } from "../../../scripts/policy/check/jwks.ts";
import { mistakenForToken, paddingHint } from "../../../scripts/policy/check/notkeys.ts";
import { reporterFor } from "../../../scripts/policy/source/read.ts";

const pair = makeKeyPair("ec", { namedCurve: "P-256" });
const jwk = pair.publicKey.export({ format: "jwk" });
const spki = pair.publicKey.export({ format: "pem", type: "spki" }) as string;
const certificate = "-----BEGIN CERTIFICATE-----\nMIIBxx\n-----END CERTIFICATE-----\n";
const bundle = { keys: [{ ...jwk, use: "jwt-svid", kid: "a" }] };
const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64");
const json = (value: unknown): string => JSON.stringify(value, null, 2);

const files: [what: string, text: string, message: RegExp][] = [
  ["a public key in PEM", spki, /a public key in PEM, not a JWKS; convert it: `node -e/],
  [
    "an RSA key in PKCS #1",
    "-----BEGIN RSA PUBLIC KEY-----\nMII=\n-----END RSA PUBLIC KEY-----",
    /a public key in PEM/,
  ],
  ["a certificate", certificate, /a certificate in PEM, not a JWKS; convert it/],
  ["a key of OpenSSH", "ssh-ed25519 AAAAC3Nz me@here\n", /OpenSSH.*ssh-keygen -e -m PKCS8 -f keys\.json/],
  ["a map of certificates", json({ a: certificate, b: certificate }), /map of certificates by key ID.*jwk\//],
  [
    "a discovery document",
    json({ issuer: "https://i.example", jwks_uri: "https://i.example/k?a=1&b" }),
    /discovery document.*curl -fsSo keys\.json 'https:\/\/i\.example\/k\?a=1&b'/,
  ],
  ["a single JWK", json({ ...jwk, kid: "a" }), /a single key; put it into a set: `\{"keys": \[\{"kty": "EC", …\}\]\}`/],
  ["a list of JWKs", json([jwk, jwk]), /a list of keys; put it into a set/],
  [
    "a map of trust domains",
    json({ "spiffe://example.org": bundle, "spiffe://b.example": bundle }),
    /map of trust domains.*jq '\.\["spiffe:\/\/example\.org"\]' keys\.json/,
  ],
  ["one with names alone", json({ "example.org": bundle }), /map of trust domains.*jq '\.\["example\.org"\]'/],
  [
    "bundles in base64",
    json([{ svids: [] }, { bundles: { "example.org": base64(bundle) } }]),
    /`jq '\.\[\]\.bundles\["example\.org"\] \| @base64d \| fromjson'/,
  ],
  ["bundles of the API", json({ bundles: { "example.org": bundle } }), /jq '\.bundles\["example\.org"\]'/],
  ["federated bundles", json({ trust_domains: { "example.org": bundle } }), /jq '\.trust_domains\["example\.org"\]'/],
  [
    "what spire-agent prints",
    `token(spiffe://example.org/a):\n\teyJ.e.s\nbundle(spiffe://example.org):\n\t${JSON.stringify(bundle)}\n`,
    /`spire-agent api fetch jwt` prints/,
  ],
  ["a token", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.AAAA\n", /a token; keys are what its issuer publishes/],
  ["a token as a header has it", "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.AAAA\n", /a token; keys/],
  ["HTML", "<!doctype html><title>Log in</title>", /a page in HTML or XML/],
  ["XML", '\n<?xml version="1.0"?><md:EntityDescriptor/>', /a page in HTML or XML/],
  ["base64 of a JWKS", `${base64({ keys: [jwk] })}\n`, /base64 of a JSON text; decode it: `base64 -d keys\.json`/],
];

for (const [what, text, message] of files) {
  test(`no JWKS: ${what}`, () => {
    const reporter = reporterFor("keys/keys.json", text);
    assert.equal(parseKeySet(reporter), undefined);
    const [error, ...more] = reporter.findings.errors;
    assert.match(error!.message, message);
    assert.deepEqual([error!.code, error!.line, error!.column, more], ["key_invalid", 1, 1, []]);
  });
}

test("a private key is told as the secret it is, and not shown", () => {
  for (const type of ["pkcs8", "sec1"] as const) {
    const pem = pair.privateKey.export({ format: "pem", type }) as string;
    const reporter = reporterFor("key.pem", pem);
    parseKeySet(reporter);
    const [error] = reporter.findings.errors;
    assert.equal(error!.code, "key_secret");
    assert.match(error!.message, /a private key in PEM/);
    assert.ok(!error!.message.includes(pem.split("\n")[1]!));
  }
});

test("a set is none of them, whatever else it has", () => {
  const reporter = reporterFor(
    "k.json",
    json({ keys: [{ ...jwk, kid: "a" }], jwks_uri: "https://i.example", kty: "EC" }),
  );
  assert.equal(parseKeySet(reporter)?.length, 1);
  assert.deepEqual(reporter.findings.errors, []);
});

test("the command that converts a PEM makes a JWKS of it, whatever the file is called", () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-pem-"));
  try {
    for (const name of ["corp.pem", "a b's.pem"]) {
      writeFileSync(join(folder, name), spki);
      const reporter = reporterFor(join(folder, name), spki);
      parseKeySet(reporter);
      const command = /`(node .*)`$/u.exec(reporter.findings.errors[0]!.message)![1]!;
      execFileSync("sh", ["-c", command], { cwd: folder });
      const made = /> '?([^']*)'?$/u.exec(command)![1]!;
      const set = reporterFor("made.json", readFileSync(join(folder, made), "utf8"));
      assert.equal(parseKeySet(set)?.length, 1, command);
      assert.deepEqual(set.findings.errors, []);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const tokens: [what: string, text: string, message: RegExp][] = [
  ["a PEM", spki, /a public key in PEM/],
  ["a private key", "-----BEGIN PRIVATE KEY-----\nMC4=", /a private key in PEM/],
  [
    "the answer of a token endpoint",
    '{"access_token":"eyJ","expires_in":3600}',
    /`access_token`: `jq -r \.access_token`/,
  ],
  ["a key set", json(bundle), /a key set, where a token is wanted/],
  ["a discovery document", '{"jwks_uri":"https://i.example"}', /a discovery document/],
  ["a map of certificates", json({ a: certificate }), /a map of certificates/],
  ["a page", "<html>", /a page/],
  ["a token in quotes", '"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.AAAA"', /in quotes/],
];

for (const [what, text, message] of tokens) {
  test(`no token: ${what}`, () => assert.match(mistakenForToken(text)!.message, message));
}

test("a token is one, also a bad one; padding is told", () => {
  for (const token of [
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.AAAA",
    "ory_at_x",
    "",
    "a.b",
    "eyJ.e.s=",
    "null",
    "[]",
    "{}",
  ]) {
    assert.equal(mistakenForToken(token), undefined, token);
  }
  assert.match(paddingHint("eyJ0eXAiOiJKV1QifQ==.eyJzdWIiOiJhIn0=.AAAA")!, /x-amzn-oidc-data/);
  assert.match(paddingHint("eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJhIn0.AAA=")!, /padded/);
  assert.equal(paddingHint("eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJhIn0.AAAA"), undefined);
});
