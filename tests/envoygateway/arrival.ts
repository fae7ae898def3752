/** A Gateway that has traffic is given the filter, and loses it again, in the order of docs/envoy-gateway.md: no caller is refused on the way. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parse } from "yaml";
import { until } from "../support/until.ts";
import { startTraffic, type Tally } from "./traffic.ts";
import { shop_policy, stranger, World, web } from "./world.ts";

const name = "sallyport-shop";

let world: World;
before(async () => {
  world = await World.make();
  await world.write("policy.yaml", shop_policy.replace("name: shop\n", "name: shop\nmode: shadow\n"));
  const module = world.build();
  const place = ["--gateway", "edge", "-o", join(world.folder, "gateway")];
  world.sallyport("manifest", "--for", "envoy-gateway", "policy.yaml", ...module, ...place);
  await world.apply();
  world.system.start();
  await world.untilStatus(200);
});
after(() => world?.stop());

/** Applies one file of the manifest. */
async function put(file: string): Promise<void> {
  world.put(parse(await readFile(join(world.folder, "gateway", file), "utf8")));
  await world.apply();
}

async function remove(kind: string): Promise<void> {
  world.remove(kind, name);
  await world.apply();
}

/** Waits until Envoy's configuration has a text, or has it no more. */
async function untilConfigured(text: string, isThere: boolean): Promise<void> {
  await until(`${text} ${isThere ? "is" : "is not"} in Envoy's configuration`, async () => {
    const dump = await world.admin("/config_dump?resource=dynamic_listeners");
    const routes = await world.admin("/config_dump?resource=dynamic_route_configs");
    return `${dump}${routes}`.includes(text) === isThere;
  });
}

function assertAdmitted(tally: Tally): void {
  const others = [...tally].filter(([answer]) => answer !== "/orders/1 200");
  assert.deepEqual(others, [], JSON.stringify([...tally]));
  assert.ok((tally.get("/orders/1 200") ?? 0) > 100, "many requests were sent");
}

test("given the filter in shadow mode, and the check last, no request of a caller with a certificate is refused", async () => {
  const { stop } = await startTraffic(world, web, ["/orders/1"]);
  await put("20-client-traffic.yaml");
  await until("nobody connects without a certificate", async () => (await world.status(undefined)) === 0);
  await put("40-filter.yaml");
  await until("the policy is in force", async () => /sallyport_policy_info.*: 1$/mu.test(await world.admin("/stats")));
  await put("10-enforcement-check.yaml");
  await untilConfigured("wasm.sallyport", true);
  assert.equal(await world.status(stranger), 200, "in shadow mode a stranger passes");
  assertAdmitted(await stop());
});

test("without the check, then without the filter, then without the rest, none is either", async () => {
  const { stop } = await startTraffic(world, web, ["/orders/1"]);
  await remove("SecurityPolicy");
  await untilConfigured("wasm.sallyport", false);
  await remove("EnvoyExtensionPolicy");
  await untilConfigured("sallyport-shop/wasm", false);
  await remove("ClientTrafficPolicy");
  await world.untilStatus(200, undefined);
  assertAdmitted(await stop());
});
