/**
 * Reloads of a real Envoy while requests run into a limit: configurations that follow one another, VMs that are built anew, and policies
 * whose limit is changed. How many are admitted in all says whether buckets were refilled or forgotten.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { within } from "../storm/checks.ts";
import type { StormWorld } from "../storm/world.ts";
import { imageOf } from "../support/workers.ts";

const burst = 400;
const reloads = 24;

/** Behind the rules of a world's own policy, which has its last key there. */
const rules = (limit: string): string => `  - { name: few, callers: [any], allow: [GET /few], limit: few }
limits:
  few: ${limit}
`;
const limit = `{ rate: 1/h, burst: ${burst}, per: [caller] }`;

/** How many of so many requests of a caller, on a connection of their own, are admitted. */
async function admittedOf(world: StormWorld, name: string, requests: number): Promise<number> {
  const client = await world.connect(name);
  const sent = await Promise.all(Array.from({ length: requests }, () => client.send({ path: "/few" }).ended));
  client.destroy();
  const statuses = sent.map(({ status }) => status);
  assert.deepEqual(
    statuses.filter((status) => status !== 200 && status !== 429),
    [],
  );
  return statuses.filter((status) => status === 200).length;
}

describe("a limit over reloads", { concurrency: true }, () => {
  for (const source of ["lds", "ecds"] as const) {
    test(`over ${source}: neither refilled nor forgotten, whether VMs stay or are built anew`, async () => {
      await within({ source, rules: rules(limit), concurrency: 2 }, async (world) => {
        let admitted = 0;
        for (let count = 0; count < reloads; count++) {
          // While the reload is under way, and after it.
          const [during] = await Promise.all([
            admittedOf(world, "web", 10),
            world.reloadAndWait({ isNewVm: count % 3 === 0 }),
          ]);
          admitted += during + (await admittedOf(world, "web", 10));
        }
        for (let count = 0; count < 4; count++) admitted += await admittedOf(world, "web", 60);
        assert.equal(admitted, burst);
        await world.reloadAndWait({ isNewVm: true });
        assert.equal(await admittedOf(world, "web", 20), 0, "still used up");
        assert.equal(await admittedOf(world, "mobile", 20), 20, "another caller has its own");
      });
    });
  }

  test("that change it begin with full buckets, and those that change it back find the old ones", async () => {
    await within({ source: "ecds", rules: rules("{ rate: 1/h, burst: 12, per: [caller] }") }, async (world) => {
      const policy = (text: string): string => {
        const all = `version: 1\nname: storm\ntrust: { domains: [example.org] }\nrules:\n${rules(text)}`;
        return `"policy":"${Buffer.from(imageOf(all)).toString("base64")}"`;
      };
      assert.equal(await admittedOf(world, "web", 20), 12);
      await world.reloadAndWait({ members: policy("{ rate: 1/h, burst: 15, per: [caller] }") });
      assert.equal(await admittedOf(world, "web", 20), 15);
      await world.reloadAndWait({ members: policy("{ rate: 1/h, burst: 12, per: [caller] }") });
      assert.equal(await admittedOf(world, "web", 20), 0);
    });
  });
});
