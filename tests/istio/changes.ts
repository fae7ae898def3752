/** Policies that change under requests: by the plugin's configuration, and by another image. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { until } from "../support/until.ts";
import { MeshClient } from "./client.ts";
import { client_id, World, web_policy } from "./world.ts";

/** A policy that admits to one path more, by that name. */
const policyWith = (name: string): string =>
  `${web_policy}  - { name: more, callers: [${client_id}], allow: [GET /${name}] }\n`;

let world: World;
/** Over connections that stay open. */
let steady: MeshClient;
before(async () => {
  world = await World.start(policyWith("old"));
  await world.install();
  steady = new MeshClient(world.client.identity, world.client.authorityPem, true);
});
after(async () => {
  steady?.close();
  await world?.stop();
});

/** Sends requests all the time while something is done: which paths were admitted, in order, and whatever went wrong. */
async function underRequests(
  paths: readonly string[],
  action: () => Promise<void>,
): Promise<{ sent: number; wrong: string[]; turns: Map<string, number[]> }> {
  const turns = new Map<string, number[]>(paths.map((path) => [path, []]));
  const wrong: string[] = [];
  let sent = 0;
  let isOver = false;
  const senders = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      for (const path of ["/orders/1", ...paths]) {
        sent++;
        const status = await steady.ask({ path }).then(
          (response) => response.status,
          (error: Error) => error.message,
        );
        turns.get(path)?.push(Number(status));
        if (status !== 200 && (path === "/orders/1" || status !== 403)) wrong.push(`${path}: ${status}`);
      }
    }
  });
  try {
    await action();
  } finally {
    isOver = true;
    await Promise.all(senders);
  }
  return { sent, wrong, turns };
}

/** Another policy comes into force under requests: none is lost, each is decided by the old one or the new one. */
async function changeTo(name: string, from: string, change: () => Promise<void>): Promise<void> {
  const { sent, wrong, turns } = await underRequests([`/${from}`, `/${name}`], async () => {
    await change();
    await world.untilStatus(200, { path: `/${name}` });
    await world.untilStatus(403, { path: `/${from}` });
  });
  assert.deepEqual(wrong, []);
  assert.ok(sent > 50, `${sent} requests`);
  assert.equal(turns.get(`/${from}`)![0], 200);
  assert.equal(turns.get(`/${name}`)![0], 403);
  // From here on, on all workers, the new one.
  for (let turn = 0; turn < 20; turn++) {
    assert.equal(await world.client.status({ path: `/${name}` }), 200);
    assert.equal(await world.client.status({ path: `/${from}` }), 403);
  }
  console.log(`${sent} requests while ${from} became ${name}`);
}

test("by pluginConfig: no request is lost, each is decided by the old policy or the new one", async () => {
  await world.write("new.yaml", policyWith("new"));
  await changeTo("new", "old", () => world.configure("new.yaml"));
});

test("a policy that is refused leaves the one before in force", async () => {
  const { sent, wrong } = await underRequests(["/new"], async () => {
    const before = (await world.sidecar.log()).split("configuration refused").length;
    await world.patchPlugin({ pluginConfig: { policy: "bm90IGEgcG9saWN5" } });
    await until("Envoy has refused the configuration", async () => {
      return (await world.sidecar.log()).split("configuration refused").length > before;
    });
  });
  assert.deepEqual(wrong, []);
  assert.ok(sent > 0, "requests were sent meanwhile");
  for (let turn = 0; turn < 20; turn++) assert.equal(await world.client.status({ path: "/new" }), 200);
});

test("the next good one comes into force", async () => {
  await world.write("newer.yaml", policyWith("newer"));
  await changeTo("newer", "new", () => world.configure("newer.yaml"));
});

test("by another image, as its manifest has it", async () => {
  await world.write("newest.yaml", policyWith("newest"));
  await world.manifest("newest.yaml", await world.push("newest.yaml", "2"));
  await changeTo("newest", "newer", async () => {
    // What the plugin was configured with goes, or it would win over the image.
    await world.patchPlugin({ pluginConfig: null });
    await world.apply(["70-"]);
  });
});
