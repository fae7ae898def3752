/** The certificates made for local runs, read by Node's own parser. */
import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { test } from "node:test";
import { makeAuthority } from "../../scripts/envoy/certificates.ts";

test("a leaf is an X.509-SVID of its authority", async () => {
  const authority = await makeAuthority({ trustDomain: "example.org" });
  const leaf = await authority.issue({ spiffeId: "spiffe://example.org/checkout-service" });
  const certificate = new X509Certificate(leaf.certificatePem);
  const issuer = new X509Certificate(authority.certificatePem);
  assert.equal(issuer.ca, true);
  assert.equal(issuer.subjectAltName, "URI:spiffe://example.org");
  assert.equal(certificate.ca, false);
  assert.equal(certificate.subjectAltName, "URI:spiffe://example.org/checkout-service");
  // Node gives extended key usages as OIDs: server and client authentication.
  assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  assert.ok(certificate.checkIssued(issuer));
  assert.ok(certificate.verify(issuer.publicKey));
  assert.ok(certificate.checkPrivateKey(createPrivateKey(leaf.privateKeyPem)));
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  const lifetimeMs = Date.parse(certificate.validTo) - Date.now();
  assert.ok(lifetimeMs > 0 && lifetimeMs <= 3_600_000, `valid for ${lifetimeMs} ms`);
});

test("a leaf carries every name it was asked for, and no SAN where there is none", async () => {
  const authority = await makeAuthority({ trustDomain: "example.org" });
  const many = await authority.issue({
    spiffeId: "spiffe://example.org/a",
    uriSans: ["spiffe://example.org/b"],
    dnsNames: ["localhost"],
    ipAddresses: ["127.0.0.1"],
  });
  assert.equal(
    new X509Certificate(many.certificatePem).subjectAltName,
    "URI:spiffe://example.org/a, URI:spiffe://example.org/b, DNS:localhost, IP Address:127.0.0.1",
  );
  assert.equal(new X509Certificate((await authority.issue({})).certificatePem).subjectAltName, undefined);
});

test("two authorities of one name do not vouch for each other's leaves", async () => {
  const [first, second] = [await makeAuthority({ trustDomain: "x" }), await makeAuthority({ trustDomain: "x" })];
  const leaf = new X509Certificate((await first.issue({ spiffeId: "spiffe://x/a" })).certificatePem);
  assert.equal(leaf.verify(new X509Certificate(second.certificatePem).publicKey), false);
});
