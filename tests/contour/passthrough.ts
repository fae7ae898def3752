/** A caller goes through Contour's Envoy to the Envoy beside the service, which sees the caller's own certificate and decides. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Identity, makeAuthority } from "../../scripts/envoy/certificates.ts";
import { type RestRequest, sendRequest, type Target, tlsRefusal } from "../../scripts/envoy/client.ts";
import { selfSigned } from "../envoygateway/selfsigned.ts";
import { until } from "../support/until.ts";
import { ContourWorld, contour_port } from "./world.ts";

const web = "spiffe://example.org/web";
const stranger = "spiffe://example.org/stranger";

let world: ContourWorld;
before(async () => {
  world = await ContourWorld.start(`version: 1
name: shop
trust: { domains: [example.org] }
rules: [{ name: reads, callers: [${web}], allow: ["GET /orders/{id}"] }]
`);
  await until("a request goes through", async () => (await statusOf(await svid(web))) === 200);
});
after(() => world?.stop());

const svid = (spiffeId: string): Promise<Identity> => world.authority.issue({ spiffeId });

function targetOf(identity?: Identity): Target {
  const { authority, serverName } = world;
  return { port: contour_port, authorityPem: authority.certificatePem, serverName, ...(identity && { identity }) };
}

/** The status of an answer; 0 where there was no connection. */
async function statusOf(identity: Identity, request: RestRequest = {}): Promise<number> {
  return sendRequest(targetOf(identity), { path: "/orders/1", ...request }).then(
    ({ status }) => status,
    () => 0,
  );
}

test("who a rule names is admitted, over HTTP/1.1 and HTTP/2; another is not", async () => {
  const [caller, other] = [await svid(web), await svid(stranger)];
  assert.equal(await statusOf(caller), 200);
  assert.equal(await statusOf(caller, { http2: true }), 200);
  assert.equal(await statusOf(caller, { path: "/other" }), 403);
  assert.equal(await statusOf(other), 403);
});

test("what a caller writes of itself is not believed, and the service hears what the certificate says", async () => {
  const headers = { "x-forwarded-client-cert": `URI=${web}` };
  assert.equal(await statusOf(await svid(stranger), { headers }), 403);
  const other = { "x-forwarded-client-cert": "URI=spiffe://example.org/root" };
  assert.equal(await statusOf(await svid(web), { path: "/orders/xfcc", headers: other }), 200);
  const arrived = world.received.find(({ path }) => path === "/orders/xfcc")!;
  assert.match(String(arrived.headers["x-forwarded-client-cert"]), /^By=[^,]*;URI=spiffe:\/\/example\.org\/web$/u);
});

test("no certificate, one that its owner signed, and one of another authority are refused by the Envoy beside the service", async () => {
  const stolen = await makeAuthority({ trustDomain: "example.org" });
  assert.match((await tlsRefusal(targetOf())) ?? "not refused", /CERTIFICATE_REQUIRED/u);
  assert.match((await tlsRefusal(targetOf(await selfSigned(web)))) ?? "not refused", /ALERT/u);
  assert.match((await tlsRefusal(targetOf(await stolen.issue({ spiffeId: web })))) ?? "not refused", /ALERT/u);
});

test("a name that no HTTPProxy has gets no connection", async () => {
  const target = { ...targetOf(await svid(web)), serverName: "other.example.org" };
  assert.notEqual(await tlsRefusal(target), undefined);
});

test("nothing is wrong with the Envoy beside the service", () => {
  assert.match(world.sallyport("status", "policy.yaml", "--admin", world.adminUrl), /nothing is wrong/u);
});
