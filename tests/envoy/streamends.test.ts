/**
 * Requests that wait for keys end in other ways than by our answer: Envoy's timers, a drain, a listener or a cluster that goes, a
 * reload. Whatever it is, it is made to happen in the round in which the keys come; Envoy goes on, every request ends, and what it
 * comes to is what was recorded.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertAdmits, assertConnects, statusesOver, within } from "../storm/checks.ts";
import { duringFetch, Waiting } from "../storm/waiting.ts";
import { keepBusy, type WorldOptions } from "../storm/world.ts";
import { until } from "../support/until.ts";

interface Timer {
  name: string;
  // biome-ignore lint/suspicious/noExplicitAny: Envoy's schema has thousands of messages.
  set(manager: any, seconds: number): void;
  /** What it answers a request with that has come to its end, and an upload that goes on. */
  statuses: [number, number];
}

const timers: Timer[] = [
  {
    name: "max_stream_duration",
    set: (manager, seconds) => {
      manager.common_http_protocol_options.max_stream_duration = `${seconds}s`;
    },
    statuses: [504, 408],
  },
  {
    name: "stream_idle_timeout",
    set: (manager, seconds) => {
      manager.stream_idle_timeout = `${seconds}s`;
    },
    statuses: [504, 408],
  },
  {
    name: "request_timeout",
    set: (manager, seconds) => {
      manager.request_timeout = `${seconds}s`;
    },
    statuses: [504, 408],
  },
];

const sets = 3;

describe("Envoy's timers", { concurrency: true }, () => {
  for (const timer of timers) {
    test(`${timer.name} fires as the keys come`, async () => {
      const seconds = 2.6;
      const adjust: WorldOptions["adjust"] = (manager) => timer.set(manager, seconds);
      await within({ sets, adjust }, async (world) => {
        const busy = await world.connect("busy");
        const waves = world.servers.map(async (server, set) => {
          for (let wave = 0; wave < 2 && !world.hasDied; wave++) {
            // From here on the next fetch begins with the next tick.
            await sleep(2_200 + 300 * set);
            server.publish();
            let waiting!: Waiting;
            // The first time the key does not come, so that they would be answered; then it does, and they would go on.
            const isDue = duringFetch(world, server, busy, () => {
              if (wave > 0) server.publish(waiting.key);
            });
            const { beforeAnswer } = server;
            const startedMs = Date.now();
            server.beforeAnswer = async () => {
              await sleep(startedMs + seconds * 1000 - 60 - Date.now());
              await beforeAnswer!();
            };
            waiting = await Waiting.open(world, { set });
            await isDue;
            waiting.finish();
            await waiting.ended();
          }
        });
        await Promise.all(waves);
        await assertAdmits(world);
      });
    });

    test(`${timer.name} fires as the wait for keys that never come ends`, async () => {
      const seconds = 5.1;
      const adjust: WorldOptions["adjust"] = (manager) => timer.set(manager, seconds);
      await within({ sets, adjust }, async (world) => {
        const busy = await world.connect("busy");
        const startedMs = Date.now();
        for (const server of world.servers) server.mode = "hang";
        const waits = world.servers.map(async (_, set) => {
          const waiting: Waiting[] = [];
          for (let part = 0; part < 8; part++) {
            waiting.push(await Waiting.open(world, { set, count: 2 }));
            await sleep(40);
          }
          return waiting;
        });
        const waiting = (await Promise.all(waits)).flat();
        const ended = Promise.all(waiting.map((one) => one.ended()));
        await sleep(startedMs + 4_900 - Date.now());
        const until = Date.now() + 1_500;
        const loads = [busy, await world.connect("busy")].map(async (client) => {
          while (Date.now() < until && !world.hasDied) {
            const burst = keepBusy(client, await world.busyTokens(40));
            await Promise.all(burst.map((one) => one.ended));
          }
        });
        await Promise.all(loads);
        const allowed = new Set([401, ...timer.statuses]);
        for (const { status } of (await ended).flat()) assert.ok(allowed.has(status), `answered ${status}`);
        await assertAdmits(world);
      });
    });
  }
});

// One by one: all requests have to be under way within the five seconds that the first of them waits.
describe("what an operator changes while requests wait", () => {
  for (const source of ["lds", "ecds"] as const) {
    test(`a reload over ${source}: they are decided as they would have been`, async () => {
      await within({ source, drainSeconds: 20 }, async (world) => {
        assert.deepEqual(await statusesOver(world, () => world.reload()), { 200: 16 });
        await assertAdmits(world);
      });
    });
  }

  test("a graceful drain of all listeners: they are decided, and nobody new gets in", async () => {
    await within({ drainSeconds: 3 }, async (world) => {
      const drain = () => world.local.envoy.command("/drain_listeners?graceful").then(() => {});
      assert.deepEqual(await statusesOver(world, drain), { 200: 16 });
      // A machine that is busy closes it later than the drain says.
      const isRefused = async () => {
        const client = await world.connect("late").catch(() => undefined);
        client?.destroy();
        return client === undefined;
      };
      await until("the listener is closed", isRefused);
    });
  });

  test("the listener is removed, and the drain ends later than their wait: they are decided", async () => {
    await within({ source: "lds", drainSeconds: 20 }, async (world) => {
      assert.deepEqual(await statusesOver(world, () => world.showListener(false)), { 200: 16 });
      world.showListener(true);
      await assertConnects(world);
      await assertAdmits(world);
    });
  });

  test("the listener is removed, and the drain ends before their wait: their connections close", async () => {
    await within({ source: "lds", drainSeconds: 1 }, async (world) => {
      const [server] = world.servers;
      const busy = await world.connect("busy");
      let waiting!: Waiting;
      const isDue = duringFetch(world, server!, busy, async () => {
        world.showListener(false);
        // The drain's end and the answer fall into one round.
        await sleep(1_000);
        keepBusy(busy, await world.busyTokens(100));
        await sleep(30);
        server!.publish(waiting.key);
      });
      waiting = await Waiting.open(world);
      await isDue;
      waiting.finish();
      for (const { status } of await waiting.ended()) assert.ok([0, 200].includes(status), `answered ${status}`);
      world.showListener(true);
      await assertConnects(world);
      await assertAdmits(world);
    });
  });

  test("the key server's cluster is removed: the fetch has failed, and they are denied", async () => {
    await within({ clustersFromFile: true }, async (world) => {
      const [server] = world.servers;
      const busy = await world.connect("busy");
      const isDue = duringFetch(world, server!, busy, () => world.showKeyClusters(false));
      const waiting = await Waiting.open(world);
      await isDue;
      assert.deepEqual(await waiting.statuses(), { 401: 16 });
      world.showKeyClusters(true);
      await assertAdmits(world);
    });
  });
});
