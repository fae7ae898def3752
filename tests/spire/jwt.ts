/** Callers by JWT-SVID, whose keys come from SPIRE's bundle endpoints or from a file: a part of `npm run test:spire`. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Authority, makeAuthority } from "../../scripts/envoy/certificates.ts";
import { sendRequest, tlsRefusal } from "../../scripts/envoy/client.ts";
import { keyCluster } from "../../scripts/envoy/cluster.ts";
import { until } from "../support/until.ts";
import type { Svid, TrustDomain } from "./domain.ts";
import type { SpireEnvoy } from "./envoy.ts";
import { block, replaced } from "./steps.ts";
import { assertSound, SpireWorld, statusOf, users } from "./world.ts";

const partner_name = "partner.example.net";
const partner_server = `spire.${partner_name}`;
/** What SPIRE's servers say of their bundles here, in seconds; the policy leaves it at five minutes. */
const hint_seconds = 10;

let world: SpireWorld;
let partner: TrustDomain;
/** Keys by the bundle endpoints of both servers, and keys of one by a file. */
let fetching: SpireEnvoy;
let embedded: SpireEnvoy;
let withFile: { policyYaml: string; files: Record<string, string> };
let trusted: Svid;

before(async () => {
  world = await SpireWorld.start();
  const web = await makeAuthority({ trustDomain: "web.example" });
  partner = await world.addDomain(partner_name, { adjust: await servedToTheWeb(web) });
  await world.startService();
  await world.home.register("/billing", users.billing);
  await partner.register("/shop", users.shop);
  await world.home.step("a bundle as a file");
  const policyYaml = block("policy-jwt.yaml");
  fetching = await world.startEnvoy("fetching", {
    policyYaml,
    takesCallersWithout: true,
    fetchesBundle: true,
    adjust: ({ static_resources: { clusters } }) => {
      const tls = {
        serverName: partner_server,
        expect: { type: "DNS", value: partner_server },
        authorities: { inline_string: web.certificatePem },
      } as const;
      clusters.push(keyCluster("spire-bundle-partner", { host: "127.0.0.1", port: partner.bundlePort }, tls));
    },
  });
  withFile = {
    policyYaml: replaced(policyYaml, {
      '{ url: "https://spire.example.org:8443/", cluster: spire-bundle }': "{ file: example.org.json }",
      [`      ${partner_name}: { url: "https://${partner_server}/", cluster: spire-bundle-partner }\n`]: "",
    }),
    files: { "example.org.json": await world.home.run(["cat", "example.org.json"]) },
  };
  embedded = await world.startEnvoy("embedded", { ...withFile, takesCallersWithout: true });
  for (const uid of [users.web, users.billing]) await world.home.known(uid);
  await partner.known(users.shop);
  trusted = await world.home.svid(users.web);
});
after(() => world?.stop());

/** Has a server's bundle endpoint be `https_web`, with a certificate as the web has them. */
async function servedToTheWeb(web: Authority): Promise<(configuration: string) => string> {
  const { certificatePem, privateKeyPem } = await web.issue({ dnsNames: [partner_server] });
  const [cert, key] = [join(world.root, "web.pem"), join(world.root, "web-key.pem")];
  await writeFile(cert, certificatePem);
  await writeFile(key, privateKeyPem, { mode: 0o600 });
  const profile = `profile "https_web" {
        serving_cert_file {
          cert_file_path = "${cert}"
          key_file_path = "${key}"
          file_sync_interval = "1h"
        }
      }`;
  return (configuration) => replaced(configuration, { 'profile "https_spiffe" {}': profile });
}

/** What a request without a certificate comes to: the status, and the reason that the filter gives. */
async function ask(envoy: SpireEnvoy, token?: string): Promise<string> {
  const before = (await envoy.accessLog(0)).length;
  const bearer = token !== undefined && { headers: { authorization: `Bearer ${token}` } };
  const { status } = await sendRequest(envoy.target(trusted), { path: "/orders/1", ...bearer });
  const lines = await envoy.accessLog(before + 1);
  return `${status} ${lines.at(-1)?.record?.reason}`;
}

const kidOf = (token: string): unknown => JSON.parse(Buffer.from(token.split(".")[0]!, "base64url").toString()).kid;

describe("a JWT-SVID says who the caller is", () => {
  test("with keys of the own server's bundle endpoint, https_spiffe", async () => {
    assert.equal(await ask(fetching, await world.home.token(users.web)), "200 allowed");
    assert.equal(await ask(fetching, await world.home.token(users.billing)), "403 no_rule");
  });

  test("with keys of another domain's bundle endpoint, https_web", async () => {
    assert.equal(await ask(fetching, await partner.token(users.shop)), "200 allowed");
  });

  test("with keys in a file", async () => {
    assert.equal(await ask(embedded, await world.home.token(users.web)), "200 allowed");
    assert.equal(await ask(embedded, await world.home.token(users.billing)), "403 no_rule");
    assert.equal(await ask(embedded, await partner.token(users.shop)), "403 identity_untrusted");
  });

  for (const which of ["fetched", "embedded"] as const) {
    test(`refused: one for somebody else, one that was changed, and none (keys ${which})`, async () => {
      const envoy = which === "fetched" ? fetching : embedded;
      assert.equal(await ask(envoy, await world.home.token(users.web, "user-api")), "401 token_audience");
      const token = await world.home.token(users.web);
      const at = token.length - 10;
      const changed = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
      assert.equal(await ask(envoy, changed), "401 token_signature");
      assert.equal(await ask(envoy), "403 identity_missing");
    });
  }

  test("`sallyport token` says the same of it", async () => {
    const { home } = world;
    await home.step("a token", {}, users.web);
    const keys = { "example.org.json": join(home.folder, "example.org.json") };
    const judge = (): Promise<string> => home.step("what the filter says of it", keys, users.web);
    assert.match(await judge(), /^good: the filter would take this token\n/u);
  });

  test("status finds nothing wrong", async () => {
    await assertSound(fetching);
    await assertSound(embedded);
  });
});

test("`either`: a certificate says who the caller is, and where there is none a JWT-SVID", async () => {
  const { policyYaml, files } = withFile;
  const envoy = await world.startEnvoy("either", {
    policyYaml: replaced(policyYaml, { "identity: jwt-svid": "identity: either" }),
    files,
    takesCallersWithout: true,
  });
  const [web, billing] = [await world.home.svid(users.web), await world.home.svid(users.billing)];
  const statusOfRequest = async (svid: Svid, token?: string): Promise<number> => {
    const bearer = token !== undefined && { headers: { authorization: `Bearer ${token}` } };
    return (await sendRequest(envoy.target(trusted, svid), { path: "/orders/1", ...bearer })).status;
  };
  const token = await world.home.token(users.web);
  assert.equal(await ask(envoy, token), "200 allowed");
  assert.equal(await ask(envoy), "403 identity_missing");
  assert.equal(await statusOfRequest(web), 200);
  // A token that somebody else has got hold of.
  assert.equal(await statusOfRequest(billing, token), 403);
  // The bundle is a plain list now, and has nobody else's authorities.
  assert.notEqual(await tlsRefusal(envoy.target(trusted, await partner.svid(users.shop))), undefined);
  await assertSound(envoy);
});

test("without disable_spiffe_cert_validation nobody without a certificate gets in, and status says so", async () => {
  const envoy = await world.startEnvoy("asking", {
    ...withFile,
    takesCallersWithout: true,
    adjust: ({ node }) => {
      delete node.metadata;
    },
  });
  assert.notEqual(await tlsRefusal(envoy.target(trusted)), undefined);
  const { code, stdout } = await statusOf(envoy);
  assert.equal(code, 1);
  assert.match(stdout, /\[client_certificate_demanded\]/u);
  assert.match(stdout, /1 thing wrong/u);
});

test("the authority of JWT-SVIDs is replaced: its tokens are good at once, and the old ones' end comes as the bundle hints", async () => {
  const { home } = world;
  const old = await home.token(users.web);
  assert.equal(await ask(fetching, old), "200 allowed");
  const ofJwt = { "localauthority x509": "localauthority jwt" };
  await home.step("a new authority is made, and everybody learns of it", ofJwt);
  const { active: OLD, prepared: NEW } = await home.authorities("jwt");
  assert.equal(kidOf(old), OLD);
  await home.step("it signs from now on", { ...ofJwt, NEW: NEW! });
  // Agents keep tokens by audience, so that this one is new.
  const next = await home.token(users.web, "order-api,another");
  assert.equal(kidOf(next), NEW);
  assert.equal(await ask(fetching, next), "200 allowed");
  assert.equal(await ask(fetching, old), "200 allowed");
  assert.equal(await ask(embedded, next), "401 token_key_unknown");

  await home.step("agents renew what the old one has signed", { ...ofJwt, OLD });
  await home.step("nobody trusts the old one any more", { ...ofJwt, OLD });
  const revokedMs = Date.now();
  await until("the old token is refused", async () => (await ask(fetching, old)) === "401 token_key_unknown");
  const seconds = (Date.now() - revokedMs) / 1000;
  console.log(`a token of the revoked authority was refused ${seconds.toFixed(1)} s after`);
  assert.ok(seconds < hint_seconds + 5, `${seconds} s`);
  assert.equal(await ask(fetching, next), "200 allowed");
  // Nobody tells a policy with keys in it.
  assert.equal(await ask(embedded, old), "200 allowed");
});
