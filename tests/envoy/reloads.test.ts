/**
 * Reloads by the hundred while the old configurations stay, since streams under them do: the module's memory stays bounded, every
 * request is decided well, and what the old ones held comes back when they go. A reload in the middle of a key fetch.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readEnvoyMemory } from "../soak/envoymemory.ts";
import { assertAdmits, within } from "../storm/checks.ts";
import type { Http2Client, Sent } from "../storm/client.ts";
import { pathOf, type StormWorld, type WorldOptions } from "../storm/world.ts";
import { makeKey } from "../support/jwks-server.ts";
import { until } from "../support/until.ts";

const reloads = 600;
/** What an old configuration may hold of the module's memory, which is 1 GiB at most. */
const old_bytes = 256 * 1024;
/** Streams on one connection; Envoy takes a hundred. */
const connection_streams = 90;

/** A token the module has not seen is verified and admitted, and a wrong one is not. */
async function assertDecides(world: StormWorld): Promise<void> {
  const client = await world.connect("web");
  const [token] = await world.busyTokens(1);
  const good = await client.send({ path: "/busy", token: token! }).ended;
  const bad = await client.send({ path: "/busy", token: `${token!.slice(0, -8)}AAAAAAAA` }).ended;
  client.destroy();
  assert.deepEqual([good.status, bad.status], [200, 401]);
}

async function moduleBytes(world: StormWorld): Promise<number> {
  return (await readEnvoyMemory(world.local.envoy)).moduleBytes[0]!;
}

describe("reloads while streams stay open", { concurrency: true }, () => {
  for (const source of ["lds", "ecds"] as const) {
    test(`${reloads} over ${source}`, async () => {
      const rules = "  - { name: held, callers: [any], allow: [POST /held] }\n";
      // Longer than most of the reloads take.
      const drainSeconds = source === "lds" ? 90 : 1;
      const adjust: WorldOptions["adjust"] = (manager) => {
        manager.request_timeout = "0s";
      };
      await within({ source, rules, drainSeconds, adjust }, async (world) => {
        const clients: Http2Client[] = [];
        const held: Sent[] = [];
        const hold = async (): Promise<void> => {
          if (held.length % connection_streams === 0 || source === "lds") clients.push(await world.connect("holds"));
          held.push(clients.at(-1)!.send({ path: "/held", upload: true }));
        };
        const first = await moduleBytes(world);
        for (let count = 1; count <= reloads; count++) {
          await hold();
          await world.reloadAndWait();
          if (count % 50 === 0) await assertDecides(world);
        }
        const most = await moduleBytes(world);
        assert.ok(most - first <= reloads * old_bytes, `${most - first} bytes for ${reloads} old configurations`);
        await assertAdmits(world);
        for (const one of held) one.finish();
        const ended = (await Promise.all(held.map((one) => one.ended))).map(({ status }) => status);
        // Where a machine is so busy that the first of them have drained before, their connections have closed.
        const inTime = source === "lds" ? ended.slice(-reloads / 6) : ended;
        assert.deepEqual([...new Set(inTime)], [200]);
        for (const client of clients) client.destroy();
        // The drain of the last one has begun.
        const draining = "listener_manager.total_filter_chains_draining";
        const isDrained = async () => (await world.stat(draining)) === 0;
        await until("nothing drains", isDrained, (drainSeconds + 60) * 1000);
        // Nothing has to be loaded anew, and what comes finds the room that is free now.
        await assertDecides(world);
        await assertAdmits(world);
        for (let count = 0; count < 50; count++) await world.reloadAndWait();
        await assertDecides(world);
        const grown = (await moduleBytes(world)) - most;
        assert.ok(grown <= old_bytes, `${grown} bytes for what had room`);
      });
    });
  }
});

describe("a reload while keys are fetched", { concurrency: true }, () => {
  for (const source of ["lds", "ecds"] as const) {
    test(`over ${source}: the fetch of the configuration that goes is not waited for`, async () => {
      await within({ source }, async (world) => {
        const [server] = world.servers;
        const lost = await world.connect("lost");
        const fetches = new Promise<void>((resolve) => {
          server!.beforeAnswer = async () => resolve();
        });
        server!.mode = "hang";
        const asking = lost.send({ path: pathOf(0), token: await world.token(await makeKey("lost")) });
        await fetches;
        asking.leave();
        lost.destroy();
        const key = await makeKey("fresh");
        server!.mode = "ok";
        server!.publish(key);
        await world.reloadAndWait();
        // It waits for five seconds and no longer, which a fetch that nobody hears the end of must not outlast.
        const client = await world.connect("web");
        const { status } = await client.send({ path: pathOf(0), token: await world.token(key) }).ended;
        client.destroy();
        assert.equal(status, 200);
      });
    });
  }
});
