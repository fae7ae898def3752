/** What tests in a `StormWorld` ask of it, whatever they do there. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { AccessLogLine } from "../../scripts/envoy/accesslog.ts";
import { makeKey } from "../support/jwks-server.ts";
import { contradiction } from "./account.ts";
import { Http2Client } from "./client.ts";
import { duringFetch, Waiting } from "./waiting.ts";
import { pathOf, StormWorld, type WorldOptions } from "./world.ts";

/**
 * Runs a test in a world of its own, and looks afterwards at what every such test must leave behind.
 * @param isExpected says which lines of the access log the test itself accounts for
 */
export async function within(
  options: WorldOptions,
  run: (world: StormWorld) => Promise<void>,
  isExpected: (line: AccessLogLine) => boolean = () => false,
): Promise<void> {
  const world = await StormWorld.start(options);
  try {
    await run(world);
    assert.equal(world.hasDied, false, "Envoy has died");
    const lines = (await world.accessLog()).filter((line) => !isExpected(line));
    assert.equal(
      lines.map(contradiction).find((problem) => problem !== undefined),
      undefined,
    );
  } catch (error) {
    // What failed because of that is no news. A core that is being written takes a moment.
    await sleep(500);
    assert.equal(world.hasDied, false, "Envoy has died");
    throw error;
  } finally {
    await world.stop();
  }
}

let asked = 0;

/** A good token is admitted, once its key has been fetched. */
export async function assertAdmits(world: StormWorld, set = 0): Promise<void> {
  const key = await makeKey(`after-${asked++}`);
  world.servers[set]!.mode = "ok";
  world.servers[set]!.publish(key);
  const token = await world.token(key, set);
  const deadlineMs = Date.now() + 20_000;
  for (;;) {
    const client = await world.connect("after");
    const { status } = await client.send({ path: pathOf(set), token }).ended;
    client.destroy();
    if (status === 200) return;
    assert.ok(Date.now() < deadlineMs, `a good token is answered ${status}`);
    await sleep(200);
  }
}

/** What requests come to that wait, with their key published, while something happens. */
export async function statusesOver(
  world: StormWorld,
  event: () => void | Promise<void>,
): Promise<Record<string, number>> {
  const [server] = world.servers;
  const busy = await world.connect("busy");
  let waiting!: Waiting;
  const isDue = duringFetch(world, server!, busy, async () => {
    server!.publish(waiting.key);
    await event();
  });
  waiting = await Waiting.open(world);
  await isDue;
  waiting.finish();
  return waiting.statuses();
}

/** A listener that comes back takes connections after a moment. */
export async function assertConnects(world: StormWorld): Promise<void> {
  const deadlineMs = Date.now() + 20_000;
  for (;;) {
    const client = await world.connect("back").catch((error: Error) => error);
    if (client instanceof Http2Client) return client.destroy();
    assert.ok(Date.now() < deadlineMs, client.message);
    await sleep(100);
  }
}
