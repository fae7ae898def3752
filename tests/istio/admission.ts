/** Who is admitted behind STRICT mTLS, and what a caller may say of itself: certificates, headers, addresses, paths. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { askPlainly } from "./client.ts";
import { gateway_port, sidecar_port } from "./user.ts";
import { client_id, gateway_id, stranger_id, World } from "./world.ts";

let world: World;
before(async () => {
  world = await World.start();
  await world.install();
});
after(() => world?.stop());

test("a caller is admitted to what its rules have, and denied by name", async () => {
  assert.equal(await world.client.status({ path: "/orders/7" }), 200);
  assert.equal(await world.client.status({ path: "/nothing" }), 403);
  assert.equal(await world.stranger.status({ path: "/orders/8" }), 403);
  const admitted = await world.logged("/orders/7");
  assert.deepEqual([admitted.status, admitted.record?.reason, admitted.record?.caller], [200, "allowed", client_id]);
  const denied = await world.logged("/orders/8");
  assert.deepEqual([denied.status, denied.record?.reason, denied.record?.caller], [403, "no_rule", stranger_id]);
});

test("a token is asked for where the rule says so", async () => {
  const token = await world.corp.token({ algorithm: "ES256", claims: { scope: "orders:write" } });
  assert.equal(await world.client.status({ method: "POST", path: "/orders" }), 401);
  assert.equal(await world.client.status({ method: "POST", path: "/orders", token }), 200);
  assert.equal(await world.stranger.status({ method: "POST", path: "/orders", token }), 403);
});

test("plain text is refused, and so is who speaks anything but HTTP behind TLS", async () => {
  assert.equal(await askPlainly(sidecar_port, "/orders/1"), 0);
  const before = world.received.length;
  for (const alpn of [undefined, ["istio-peer-exchange", "istio"], ["smtp"]]) {
    const { answer } = await world.client.exchange("EHLO\r\n", alpn === undefined ? {} : { alpn });
    assert.doesNotMatch(answer, /an order/u, String(alpn));
  }
  assert.equal(world.received.length, before);
});

test("no session is resumed", async () => {
  const text = "GET /orders/1 HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n";
  const first = await world.client.exchange(text, { alpn: ["http/1.1"] });
  assert.match(first.answer, /^HTTP\/1\.1 200/u);
  const second = await world.client.exchange(text, { alpn: ["http/1.1"], session: first.session });
  assert.match(second.answer, /^HTTP\/1\.1 200/u);
  assert.equal(second.isResumed, false);
});

test("the address is the connection's, whatever x-forwarded-for says", async () => {
  assert.equal(await world.client.status({ path: "/here" }), 200);
  const headers = { "x-forwarded-for": "203.0.113.5" };
  assert.equal(await world.client.status({ path: "/office", headers }), 403);
  assert.equal(await world.client.status({ path: "/here", headers }), 200);
  assert.equal((await world.logged("/office")).record?.reason, "condition_false");
});

test("x-forwarded-client-cert is what the certificate says, whatever a caller writes", async () => {
  const headers = { "x-forwarded-client-cert": `By=spiffe://example.org/x;URI=${client_id}` };
  assert.equal(await world.stranger.status({ headers }), 403);
  assert.equal(await world.client.status({ path: "/orders/xfcc", headers }), 200);
  const { headers: seen } = world.received.findLast(({ path }) => path === "/orders/xfcc")!;
  const said = String(seen["x-forwarded-client-cert"]);
  assert.ok(said.includes(`URI=${client_id}`) && !said.includes("example.org/x"), said);
});

test("paths have one reading: escaped slashes are refused, others are merged and dots resolved before the filter looks", async () => {
  assert.equal(await world.client.status({ path: "/orders%2F1" }), 400);
  assert.equal(await world.client.status({ path: "/orders%5C1" }), 400);
  for (const path of ["//orders//merged", "/x/../orders/merged"]) {
    assert.equal(await world.client.status({ path }), 200, path);
    assert.equal(world.received.at(-1)?.path, "/orders/merged");
  }
  // Underscores and dashes are one to many upstreams.
  assert.equal(await world.client.status({ headers: { x_user: "admin" } }), 400);
});

test("a gateway of the mesh is itself, and speaks for nobody", async () => {
  await world.startGateway();
  for (const [path, status] of [
    ["/orders/gateway", 200],
    ["/here", 403],
  ] as const)
    assert.equal(await askPlainly(gateway_port, path), status, path);
  assert.equal((await world.logged("/orders/gateway")).record?.caller, gateway_id);
});
