/** The steps that `rollout` writes from one policy to another: the new one judges beside the old one, then in its place, and there is a way back. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { until } from "../support/until.ts";
import type { Resource } from "./system.ts";
import { startTraffic } from "./traffic.ts";
import { shop_policy, World, web } from "./world.ts";

let world: World;
before(async () => {
  world = await World.make();
  await world.write("wider.yaml", shop_policy.replace("GET /orders/{id}", "GET /**"));
  const module = world.build();
  await world.install(module);
  const [, wider] = world.build("wider.yaml", "wider.wasm") as [string, string];
  const modules = ["--url", wider, "--old-url", module[1]!];
  const rollout = ["rollout", "policy.yaml", "wider.yaml", "--for", "envoy-gateway", "--gateway", "edge"];
  world.sallyport(...rollout, ...modules, "-o", "steps");
  await world.apply();
  world.system.start();
  await world.untilStatus(200);
});
after(() => world?.stop());

async function step(name: string): Promise<void> {
  await world.take(join(world.folder, "steps", name));
  await world.apply();
}

test("in shadow mode the new policy judges every request, by its own module, and decides none", async () => {
  const { stop } = await startTraffic(world, web, ["/orders/1", "/other"]);
  await step("1-shadow");
  let line: Resource;
  await until("the access log has what both say of a request", async () => {
    line = (await world.accessLog()).find(({ path, next }) => path === "/other" && typeof next === "string");
    return line !== undefined;
  });
  const tally = await stop();
  assert.deepEqual([...tally.keys()].sort(), ["/orders/1 200", "/other 403"], JSON.stringify([...tally]));
  const { decision, reason } = JSON.parse(line!.next);
  assert.deepEqual([line!.record.reason, decision, reason], ["no_rule", "allow", "allowed"]);
  // `status` takes it for what it is, beside the policy that decides.
  assert.match(world.sallyport("status", "policy.yaml", "--admin", await world.system.admin()), /nothing is wrong/u);
});

test("enforced, the new policy decides, and the way back is one step", async () => {
  const { stop } = await startTraffic(world, web, ["/orders/1", "/other"]);
  await step("2-enforce");
  await world.untilStatus(200, web, { path: "/other" });
  await step("back");
  await world.untilStatus(403, web, { path: "/other" });
  const tally = await stop();
  // The filter that decides moves to the place of the one that goes. Routes come to Envoy before the listener does, and until then the
  // check refuses what nobody decided.
  const refused = tally.get("/orders/1 403") ?? 0;
  const admitted = tally.get("/orders/1 200") ?? 0;
  assert.ok(refused < admitted / 10, `${refused} refused, ${admitted} admitted`);
  tally.delete("/orders/1 403");
  assert.deepEqual([...tally.keys()].sort(), ["/orders/1 200", "/other 200", "/other 403"], JSON.stringify([...tally]));
  console.log(`${refused} of ${refused + admitted} requests were refused by the check while the trial ended`);
});
