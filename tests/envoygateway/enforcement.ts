/** The enforcement check that `manifest` writes: what the filter did not admit is refused, whoever took the filter away. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { until } from "../support/until.ts";
import type { Resource } from "./system.ts";
import { route, routeTarget, v1alpha1 } from "./user.ts";
import { inNamespace, stranger, World, web } from "./world.ts";

const refused_by_check = /^rbac_access_denied/u;

let world: World;
let filter: Resource;
before(async () => {
  world = await World.make();
  await world.install(world.build());
  filter = world.get("EnvoyExtensionPolicy", "sallyport-shop");
  world.put(route("side", "/side"));
  // First the check, as the order of the files has it.
  world.remove("EnvoyExtensionPolicy", "sallyport-shop");
  await world.apply();
  world.system.start();
});
after(() => world?.stop());

/** Waits until the access log has a request, and gives what decided it. */
async function detailsOf(path: string): Promise<string> {
  let found: Resource;
  await until(`${path} is in the access log`, async () => {
    found = (await world.accessLog()).find((line) => line.path === path);
    return found !== undefined;
  });
  return found.details;
}

/** A policy of a route's own, which is in the way of nothing. */
const ownExtension = (name: string, target: string): Resource => ({
  apiVersion: v1alpha1,
  kind: "EnvoyExtensionPolicy",
  metadata: inNamespace(name),
  spec: { ...routeTarget(target), lua: [{ type: "Inline", inline: "function envoy_on_request(handle) end" }] },
});

test("until the filter is there, every request is refused by the check", async () => {
  await world.untilStatus(403);
  assert.equal(await world.status(web, { path: "/orders/before" }), 403);
  assert.equal(world.received.length, 0);
  world.put(filter);
  await world.apply();
  await world.untilStatus(200);
  assert.equal(await world.status(stranger), 403);
  assert.match(await detailsOf("/orders/before"), refused_by_check);
});

test("a route whose own EnvoyExtensionPolicy replaces the filter is refused, and no other", async () => {
  world.put({ ...route("orders-two", "/orders/2") }, ownExtension("two-own", "orders-two"));
  await world.apply();
  await world.untilStatus(403, web, { path: "/orders/2" });
  assert.equal(await world.status(web, { path: "/orders/1" }), 200);
  assert.ok(!world.received.some(({ path }) => path === "/orders/2/own"));
  await world.status(web, { path: "/orders/2/own" });
  assert.match(await detailsOf("/orders/2/own"), refused_by_check);
});

test("a route that keeps the filter beside its own is judged as before", async () => {
  const merged = ownExtension("one-own", "orders");
  merged.spec.mergeType = "StrategicMerge";
  world.put(merged);
  await world.apply();
  await until("the route has both", async () => (await world.admin("/config_dump")).includes("one-own"));
  await world.untilStatus(200);
  assert.equal(await world.status(stranger), 403);
  world.remove("EnvoyExtensionPolicy", "one-own");
});

test("once the filter is taken away, every request is refused", async () => {
  world.remove("EnvoyExtensionPolicy", "sallyport-shop");
  await world.apply();
  await world.untilStatus(403);
  const before = world.received.length;
  for (const path of ["/orders/1", "/orders/2", "/side"]) assert.equal(await world.status(web, { path }), 403);
  assert.equal(world.received.length, before);
});
