/** The enforcement check under Istio: nothing passes before the plugin is there, and no way of losing the plugin opens the door. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { until } from "../support/until.ts";
import { askPlainly } from "./client.ts";
import { sidecar_port } from "./user.ts";
import { World } from "./world.ts";

const wrong_digest = "0".repeat(64);

let world: World;
before(async () => {
  world = await World.start();
});
after(() => world?.stop());

/** All that came was refused, and something came. */
function assertRefused(statuses: ReadonlyMap<number, number>, allowed: readonly number[]): void {
  const others = [...statuses].filter(([status]) => !allowed.includes(status));
  assert.deepEqual(others, [], `answers by status: ${JSON.stringify([...statuses])}`);
  assert.ok(statuses.size > 0, "somebody knocked");
}

/** Whether a stranger is answered by the workload over a connection that Istio takes for TCP, since its ALPN is no HTTP. */
async function passesAsTcp(): Promise<boolean> {
  const text = "GET /orders/1 HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n";
  const { answer } = await world.stranger.exchange(text, { alpn: ["istio"] });
  return answer.includes("an order");
}

test("before Sallyport, everybody passes", async () => {
  await world.untilStatus(200, {}, world.stranger);
  assert.equal(await askPlainly(sidecar_port, "/orders/1"), 200);
});

test("the check alone refuses every request", async () => {
  await world.apply(["10-"]);
  await world.untilStatus(403);
  assert.equal(await world.stranger.status(), 403);
  assert.equal(await askPlainly(sidecar_port, "/orders/1"), 403);
});

test("goes on refusing while the rest is applied without the plugin", async () => {
  const statuses = await world.whileKnocking({}, async () => {
    await world.apply(["20-", "30-", "50-", "60-"]);
    await world.untilStatus(400, { path: "/orders%2F1" });
    await until("plain text is refused", async () => (await askPlainly(sidecar_port, "/orders/1")) === 0);
  });
  assertRefused(statuses, [403]);
  assert.equal(await world.client.status(), 403);
});

test("an image with another digest than the manifest's never comes: nobody is admitted", async () => {
  const image = (await world.read("70-wasm-plugin.yaml")).spec.url.replace("oci://", "");
  await world.manifest("policy.yaml", ["--image", image, "--sha256", wrong_digest], "wrong");
  const statuses = await world.whileKnocking({}, async () => {
    await world.apply(["70-"], "wrong");
    await until("the agent has refused the image", async () => (await world.sidecar.log()).includes("has checksum"));
    for (let turn = 0; turn < 20; turn++) assert.notEqual(await world.client.status(), 200);
  });
  assertRefused(statuses, [403, 500]);
});

test("with the right digest the filter comes into force: rules admit, all else is refused", async () => {
  const statuses = await world.whileKnocking({}, async () => {
    await world.apply(["70-"]);
    await world.untilStatus(200);
  });
  assertRefused(statuses, [403, 500]);
});

describe("a plugin that goes", () => {
  test("is deleted: everybody is refused", async () => {
    const statuses = await world.whileKnocking({}, async () => {
      await world.delete("70-wasm-plugin.yaml");
      await world.untilStatus(403);
    });
    assertRefused(statuses, [403, 500]);
    await world.apply(["70-"]);
    await world.untilStatus(200);
  });

  test("is refused, deleted and installed again: the door never opens", async () => {
    const statuses = await world.whileKnocking({}, async () => {
      await world.patchPlugin({ pluginConfig: { policy: "bm90IGEgcG9saWN5" } });
      await until("Envoy has refused the configuration", async () =>
        (await world.sidecar.log()).includes("configuration refused"),
      );
      // The older policy goes on.
      assert.equal(await world.client.status(), 200);
      await world.delete("70-wasm-plugin.yaml");
      await world.untilStatus(403);
      await world.apply(["70-"]);
      // Istio's listener may stay without the plugin until the next push; then the check refuses everybody.
      await until("Envoy has refused the listener", async () =>
        (await world.sidecar.log()).includes("Unable to create Wasm plugin"),
      );
      for (let turn = 0; turn < 20; turn++) assert.equal(await world.client.status(), 403);
    });
    assertRefused(statuses, [403, 500]);
  });

  test("and comes back when anything of it is changed, as docs/istio.md says", async () => {
    const statuses = await world.whileKnocking({}, async () => {
      await world.patchPlugin({ priority: 1 });
      await world.untilStatus(200);
    });
    assertRefused(statuses, [403, 500]);
  });
});

describe("a port whose protocol is not declared", () => {
  before(async () => {
    const ports = "/spec/ingress/0/port";
    const patch = [
      { op: "remove", path: `${ports}/protocol` },
      { op: "replace", path: `${ports}/name`, value: "unnamed" },
    ];
    await world.plane.kubectl(["patch", "sidecar", "web", "--type", "json", "--patch", JSON.stringify(patch)]);
  });

  test("without the connection check a stranger is answered, past filter and check", async () => {
    await until("a connection is taken for TCP", passesAsTcp);
    assert.equal(await world.stranger.status(), 403);
  });

  test("with it, such a connection leads nowhere, and requests are decided as ever", async () => {
    await world.apply(["15-"]);
    await until("a connection that is taken for TCP leads nowhere", async () => !(await passesAsTcp()));
    for (let turn = 0; turn < 20; turn++) assert.equal(await passesAsTcp(), false);
    assert.equal(await world.stranger.status(), 403);
    assert.equal(await world.client.status(), 200);
  });
});
