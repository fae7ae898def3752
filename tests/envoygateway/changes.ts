/** Changes of the policy while callers go on asking: each answer is of the old policy or the new one, none is lost, and what is refused changes nothing. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { until } from "../support/until.ts";
import { startTraffic, type Tally } from "./traffic.ts";
import { shop_policy, World, web } from "./world.ts";

/** What both policies admit, and what only the wider one does. */
const paths = ["/orders/1", "/other"];
const right = ["/orders/1 200", "/other 200", "/other 403"];
const changes = 6;

let world: World;
before(async () => {
  world = await World.make();
  await world.write("wider.yaml", shop_policy.replace("GET /orders/{id}", "GET /**"));
  for (const name of ["policy", "wider"]) world.sallyport("image", `${name}.yaml`, "-o", `${name}.bin`);
  await world.install(world.build());
  await world.apply();
  world.system.start();
  await world.untilStatus(200);
});
after(() => world?.stop());

/** Gives the filter a policy by its configuration, as docs/operations.md has it. */
async function configure(policy: string): Promise<void> {
  world.get("EnvoyExtensionPolicy", "sallyport-shop").spec.wasm[0].config = { policy };
  await world.apply();
}

const imageOf = async (name: string): Promise<string> =>
  (await readFile(join(world.folder, `${name}.bin`))).toString("base64");

/** Every answer was one that a policy gives. */
function assertRight(tally: Tally): void {
  const wrong = [...tally].filter(([answer]) => !right.includes(answer));
  assert.deepEqual(wrong, [], JSON.stringify([...tally]));
  const answered = [...tally.values()].reduce((a, b) => a + b, 0);
  assert.ok(answered > 100, `only ${answered} requests were sent`);
  console.log(`${answered} answers: ${[...tally].map((one) => one.join(" × ")).join(", ")}`);
}

test("policies by the filter's configuration, one after the other", async () => {
  const { stop } = await startTraffic(world, web, paths);
  for (let count = 0; count < changes; count++) {
    const isWider = count % 2 === 0;
    await configure(await imageOf(isWider ? "wider" : "policy"));
    await world.untilStatus(isWider ? 200 : 403, web, { path: "/other" });
  }
  assertRight(await stop());
});

test("an image that is none: Envoy refuses it, and the policy before it goes on", async () => {
  await configure(await imageOf("wider"));
  await world.untilStatus(200, web, { path: "/other" });
  const { stop, tally } = await startTraffic(world, web, paths);
  await configure(Buffer.from("no image").toString("base64"));
  await until("Envoy has refused it", async () => (await world.admin("/config_dump")).includes("error_state"));
  const before = tally.get("/other 200") ?? 0;
  await until("requests go on", () => (tally.get("/other 200") ?? 0) > before + 20);
  const answers = await stop();
  assert.equal(answers.get("/other 403"), undefined);
  assertRight(answers);
  await configure(await imageOf("policy"));
  await world.untilStatus(403, web, { path: "/other" });
});

test("another module takes the place of the one before", async () => {
  const { stop } = await startTraffic(world, web, paths);
  await world.install(world.build("wider.yaml", "wider.wasm"), "wider.yaml");
  await world.apply();
  await world.untilStatus(200, web, { path: "/other" });
  assertRight(await stop());
});
