/**
 * Requests in flight while the listener of a real Envoy is replaced and its old connections drain: old and new configuration count in the
 * same slots, and the slots of streams that end with the drain come back, whichever of them ends first.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { within } from "../storm/checks.ts";
import type { StormWorld } from "../storm/world.ts";
import { begin, cancel, OpenStreams, OpenUpstream } from "../support/openstreams.ts";
import { until } from "../support/until.ts";

const most = 4;
const rules = `  - { name: open, callers: [any], allow: ["POST /open/{how}"], limit: open }
limits:
  open: { concurrency: ${most}, per: [caller] }
`;

/** An Envoy whose listener comes from a file, with an upstream whose answers stay open. */
async function withListener(
  drainSeconds: number,
  run: (streams: OpenStreams, upstream: OpenUpstream, world: StormWorld) => Promise<void>,
): Promise<void> {
  const upstream = await OpenUpstream.start();
  const options = { source: "lds", sets: 0, rules, concurrency: 2, drainSeconds, upstream: upstream.address } as const;
  try {
    await within(options, (world) => run(new OpenStreams(upstream, () => world.target("web")), upstream, world));
  } finally {
    upstream.stop();
  }
}

const draining = (world: StormWorld): Promise<number> => world.stat("listener_manager.total_filter_chains_draining");

describe("a listener that is replaced", { concurrency: true }, () => {
  for (const [vm, isNewVm] of [
    ["the same VM", false],
    ["a new VM", true],
  ] as const) {
    test(`with ${vm}: streams under the old configuration go on to count, and so do new ones`, async () => {
      await withListener(600, async (streams, upstream, world) => {
        const [first, second, third] = await streams.fill(3, "hang");
        await world.reloadAndWait({ isNewVm });
        assert.equal(await streams.room(most), 1);
        const [fourth] = await streams.fill(1, "hang");
        assert.equal(await streams.room(most), 0);
        // Over a connection of before, it is the old configuration that decides.
        assert.equal(await begin(first!.session, "/open/hang").status, 429);
        await world.reloadAndWait({ isNewVm });
        assert.equal(await streams.room(most), 0);
        cancel(first!);
        await streams.untilRoom(1, most);
        second!.session.destroy();
        await streams.untilRoom(2, most);
        upstream.finish();
        assert.deepEqual(await Promise.all([third!.status, fourth!.status]), [200, 200]);
        await streams.untilRoom(most);
      });
    });

    test(`with ${vm}: what Envoy closes at the end of the drain gives its slots back`, async () => {
      await withListener(2, async (streams, _, world) => {
        const open = [...(await streams.fill(2, "hang")), ...(await streams.fill(1, "early"))];
        await world.reloadAndWait({ isNewVm });
        const [later] = await streams.fill(1, "hang");
        await Promise.all(open.map(({ closed }) => closed));
        await until("nothing drains", async () => (await draining(world)) === 0);
        await streams.untilRoom(most - 1, most);
        cancel(later!);
        await streams.untilRoom(most);
      });
    });
  }
});
