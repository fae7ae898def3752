/** A token that was stolen, in a real Envoy: the same bytes are good from the caller it is bound to, and from nobody else. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, before, describe, test } from "node:test";
import type { Identity } from "../../scripts/envoy/certificates.ts";
import { makeIssuer } from "../../scripts/envoy/issuer.ts";
import { statsWithCounts } from "../support/counts.ts";
import { type Asker, managerOf, startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { makeKey } from "../support/jwks-server.ts";

const alice = "spiffe://example.org/alice";
const bob = "spiffe://example.org/bob";
const edge = "spiffe://example.org/edge";

const policyYaml = `
version: 1
name: stolen
trust:
  domains: [example.org]
  identity: either
  forwarders: [${edge}]
  jwtSvid:
    audiences: [order-api]
    bundles: { example.org: { file: keys/bundle.jwks.json } }
    from: [{ header: x-svid }]
issuers:
  cert: { issuer: https://cert.example.org, audiences: [order-api], algorithms: [ES256], keys: { file: keys/cert.jwks.json }, bind: certificate }
  user: { issuer: https://user.example.org, audiences: [order-api], algorithms: [ES256], keys: { file: keys/user.jwks.json }, bind: caller }
rules:
  - { name: certificate, callers: [${alice}, ${bob}, ${edge}], allow: [GET /certificate], token: cert }
  - { name: caller, callers: [${alice}, ${bob}, ${edge}], allow: [GET /caller], token: user }
  - { name: for-alice, callers: [${alice}], allow: [GET /alice] }
  - { name: for-bob, callers: [${bob}], allow: [GET /bob] }
`;

const certIssuer = await makeIssuer({ issuer: "https://cert.example.org", audience: "order-api", keyIdPrefix: "cert" });
const userIssuer = await makeIssuer({ issuer: "https://user.example.org", audience: "order-api", keyIdPrefix: "user" });
const spire = await makeKey("spire", "ES256");
const bundle = { jwks: { keys: [{ ...spire.jwk, use: "jwt-svid" }] } };
const provided = { issuers: { cert: certIssuer, user: userIssuer, bundle } };

/** SHA-256 of the certificate's DER, in lower-case hexadecimal without colons. */
function digestOf({ certificatePem }: Identity): string {
  return new X509Certificate(certificatePem).fingerprint256.replaceAll(":", "").toLowerCase();
}

function thumbprintOf(identity: Identity): string {
  return Buffer.from(digestOf(identity), "hex").toString("base64url");
}

let tokens = 0;
/** A new token each time, so that no cache can know it. */
function boundTo(thumbprint: unknown): Promise<string> {
  return certIssuer.token({
    claims: { sub: "user", jti: `${tokens++}`, cnf: { "x5t#S256": thumbprint } },
    algorithm: "ES256",
  });
}

function tokenOf(sub: string): Promise<string> {
  return userIssuer.token({ claims: { sub, jti: `${tokens++}` }, algorithm: "ES256" });
}

describe("a stolen token used over another connection is refused", () => {
  let envoy: TestEnvoy;
  let aliceIdentity: Identity;
  let bobIdentity: Identity;
  /** Alice's name in another certificate, with another key. */
  let twin: Identity;
  before(async () => {
    envoy = await startTestEnvoy({
      policyYaml,
      ...provided,
      requireClientCertificate: false,
      adjust: (bootstrap) => {
        managerOf(bootstrap).forward_client_cert_details = "APPEND_FORWARD";
      },
    });
    aliceIdentity = await envoy.local.identity(alice);
    bobIdentity = await envoy.local.identity(bob);
    twin = await envoy.local.authority.issue({ spiffeId: alice });
  });
  after(() => envoy?.stop());

  /** The answer, who asked in the eyes of the filter, and why the answer is that. */
  const ask = async (path: string, asker: Asker, headers: Record<string, string> = {}): Promise<string> => {
    const { status, record } = await envoy.judge({ path, headers, ...asker });
    return `${status} ${record?.reason} ${record?.caller ?? "nobody"}`;
  };
  const hits = async () =>
    (await statsWithCounts(envoy.local)).get("wasmcustom.sallyport_cached_tokens.policy.stolen;.result.hit") ?? 0;
  const elementOf = (identity: Identity, uri: string) => `By=${edge};Hash=${digestOf(identity)};URI=${uri}`;

  const binding = `401 token_binding`;

  for (const http2 of [false, true]) {
    test(`bound to a certificate, ${http2 ? "HTTP/2" : "HTTP/1.1"}`, async () => {
      const token = await boundTo(thumbprintOf(aliceIdentity));
      const from = (identity: Identity) => {
        const asked = { path: "/certificate", identity, token, http2 };
        return envoy.judge(asked).then(({ status, record }) => `${status} ${record?.reason} ${record?.caller}`);
      };
      assert.equal(await from(bobIdentity), `${binding} ${bob}`);
      assert.equal(await from(twin), `${binding} ${alice}`);
      assert.equal(await from(aliceIdentity), `200 allowed ${alice}`);
      const known = await hits();
      for (let turn = 0; turn < 2; turn++) {
        assert.equal(await from(bobIdentity), `${binding} ${bob}`);
        assert.equal(await from(twin), `${binding} ${alice}`);
        assert.equal(await from(aliceIdentity), `200 allowed ${alice}`);
      }
      assert.ok((await hits()) >= known + 6, "the token was in the cache");
    });

    test(`first used by its owner, then stolen, ${http2 ? "HTTP/2" : "HTTP/1.1"}`, async () => {
      const token = await boundTo(thumbprintOf(aliceIdentity));
      const statusFor = async (identity: Identity) =>
        (await envoy.request({ path: "/certificate", identity, token, http2 })).status;
      assert.equal(await statusFor(aliceIdentity), 200);
      assert.equal(await statusFor(twin), 401);
      assert.equal(await statusFor(bobIdentity), 401);
      assert.equal(await statusFor(aliceIdentity), 200);
    });
  }

  test("a token that names no certificate, or not as RFC 8705 has it", async () => {
    const digest = digestOf(aliceIdentity);
    const good = thumbprintOf(aliceIdentity);
    const claims: Record<string, unknown>[] = [
      {},
      { cnf: null },
      { cnf: {} },
      { cnf: good },
      { cnf: [good] },
      { cnf: { "x5t#s256": good } },
      { cnf: { x5t: good } },
      { "x5t#S256": good },
      ...[digest, digest.toUpperCase(), `${good}=`, ` ${good}`, "", null, true, [good]].map((value) => ({
        cnf: { "x5t#S256": value },
      })),
      { cnf: { "x5t#S256": thumbprintOf(twin) } },
      { cnf: { "x5t#S256": thumbprintOf(bobIdentity), jkt: good } },
      { cnf: { "x5t#S256": "A".repeat(43) } },
    ];
    for (const one of claims) {
      const token = await certIssuer.token({ claims: one, algorithm: "ES256" });
      for (let turn = 0; turn < 2; turn++) {
        assert.equal(await ask("/certificate", { caller: alice, token }), `${binding} ${alice}`, JSON.stringify(one));
      }
    }
  });

  test("bound to a caller: another one's is refused; another certificate of the same caller's is not", async () => {
    const token = await tokenOf(alice);
    for (let turn = 0; turn < 2; turn++) {
      assert.equal(await ask("/caller", { caller: bob, token }), `${binding} ${bob}`);
      assert.equal(await ask("/caller", { identity: aliceIdentity, token }), `200 allowed ${alice}`);
      assert.equal(await ask("/caller", { identity: twin, token }), `200 allowed ${alice}`);
    }
    for (const sub of [`${alice}/`, `${alice}x`, alice.slice(0, -1), alice.toUpperCase(), "alice", ""]) {
      assert.equal(await ask("/caller", { caller: alice, token: await tokenOf(sub) }), `${binding} ${alice}`, sub);
    }
  });

  test("through a gateway: what counts is the certificate that was shown there", async () => {
    const token = await boundTo(thumbprintOf(aliceIdentity));
    const forwarded = (element: string, caller = edge) =>
      ask("/certificate", { caller, token }, { "x-forwarded-client-cert": element });
    const hers = elementOf(aliceIdentity, alice);
    for (let turn = 0; turn < 2; turn++) {
      assert.equal(await forwarded(elementOf(bobIdentity, bob)), `${binding} ${bob}`);
      assert.equal(await forwarded(elementOf(twin, alice)), `${binding} ${alice}`);
      assert.equal(await forwarded(`By=${edge};URI=${alice}`), `${binding} ${alice}`);
      assert.equal(await forwarded(`By=${edge};Hash=;URI=${alice}`), `${binding} ${alice}`);
      assert.equal(
        await forwarded(`By=${edge};Hash=${digestOf(aliceIdentity).slice(2)};URI=${alice}`),
        `${binding} ${alice}`,
      );
      assert.equal(await forwarded(hers), `200 allowed ${alice}`);
      assert.equal(await forwarded(hers.replace(/Hash=\w+/u, (hash) => hash.toUpperCase())), `200 allowed ${alice}`);
      // Only the last one is the gateway's word, behind what another proxy wrote.
      const outer = (element: string) => element.replace(`By=${edge}`, "By=spiffe://example.org/outer");
      assert.equal(await forwarded(`${outer(hers)},${elementOf(bobIdentity, bob)}`), `${binding} ${bob}`);
      assert.equal(await forwarded(`${outer(elementOf(bobIdentity, bob))},${hers}`), `200 allowed ${alice}`);
      // What follows the gateway's own element stood in a name of the caller's certificate.
      assert.match(await forwarded(`${elementOf(bobIdentity, bob)},${hers}`), /^403 identity_malformed/);
      // Whoever is no gateway cannot say it.
      assert.equal(await forwarded(hers, bob), `${binding} ${bob}`);
      // The gateway itself is not alice either.
      assert.equal(await ask("/certificate", { caller: edge, token }), `${binding} ${edge}`);
    }
  });

  test("through a gateway, a token bound to the gateway's own certificate is nobody's behind it", async () => {
    const token = await boundTo(thumbprintOf(await envoy.local.identity(edge)));
    const headers = { "x-forwarded-client-cert": elementOf(aliceIdentity, alice) };
    assert.equal(await ask("/certificate", { caller: edge, token }, headers), `${binding} ${alice}`);
    assert.equal(await ask("/certificate", { caller: edge, token }), `200 allowed ${edge}`);
  });

  test("through a gateway, bound to a caller", async () => {
    const token = await tokenOf(alice);
    const forwarded = (identity: Identity, uri: string, caller = edge) =>
      ask("/caller", { caller, token }, { "x-forwarded-client-cert": elementOf(identity, uri) });
    for (let turn = 0; turn < 2; turn++) {
      assert.equal(await forwarded(bobIdentity, bob), `${binding} ${bob}`);
      assert.equal(await forwarded(aliceIdentity, alice), `200 allowed ${alice}`);
      assert.equal(await forwarded(aliceIdentity, alice, bob), `${binding} ${bob}`);
      assert.equal(await ask("/caller", { caller: edge, token }), `${binding} ${edge}`);
    }
  });

  test("a JWT-SVID says who calls without a certificate, and nothing where there is one", async () => {
    const svid = { "x-svid": `${await spire.token({ sub: alice })}` };
    for (let turn = 0; turn < 2; turn++) {
      assert.equal(await ask("/alice", {}, svid), `200 allowed ${alice}`);
      assert.equal(await ask("/bob", {}, svid), `403 no_rule ${alice}`);
      assert.equal(await ask("/alice", { caller: bob }, svid), `403 no_rule ${bob}`);
      assert.equal(await ask("/bob", { caller: bob }, svid), `200 allowed ${bob}`);
      assert.equal(await ask("/alice", { caller: edge }, svid), `403 no_rule ${edge}`);
      const told = { ...svid, "x-forwarded-client-cert": elementOf(bobIdentity, bob) };
      assert.equal(await ask("/alice", { caller: edge }, told), `403 no_rule ${bob}`);
    }
    assert.equal(await ask("/alice", {}), "403 identity_missing nobody");
    const forged = await (await makeKey("spire", "ES256")).token({ sub: alice });
    assert.equal(await ask("/alice", {}, { "x-svid": forged }), "401 token_signature nobody");
  });

  test("a certificate that names nobody leaves room for a JWT-SVID; one that names somebody wrongly does not", async () => {
    const svid = { "x-svid": await spire.token({ sub: alice }) };
    const { authority } = envoy.local;
    const nameless = await authority.issue({ dnsNames: ["laptop.example.org"] });
    assert.equal(await ask("/alice", { identity: nameless }, svid), `200 allowed ${alice}`);
    for (const spiffeId of ["spiffe://other.example/bob", "spiffe://example.org/", "spiffe://example.org/a//b"]) {
      const answer = await ask("/alice", { identity: await authority.issue({ spiffeId }) }, svid);
      assert.match(answer, /^403 identity_(?:untrusted|malformed) /u, spiffeId);
    }
  });

  test("tokens beside a JWT-SVID are bound to its subject, and none to a certificate that is not there", async () => {
    const svid = async (sub: string) => ({ "x-svid": await spire.token({ sub }) });
    const token = await tokenOf(alice);
    const bound = await boundTo(thumbprintOf(aliceIdentity));
    for (let turn = 0; turn < 2; turn++) {
      assert.equal(await ask("/caller", { token }, await svid(alice)), `200 allowed ${alice}`);
      assert.equal(await ask("/caller", { token }, await svid(bob)), `${binding} ${bob}`);
      assert.equal(await ask("/certificate", { token: bound }, await svid(alice)), `${binding} ${alice}`);
      assert.equal(
        await ask("/certificate", { token: bound, identity: bobIdentity }, await svid(alice)),
        `${binding} ${bob}`,
      );
    }
  });
});
