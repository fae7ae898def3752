/**
 * A VM that is lost while requests wait in it: nobody answers them but a timer of Envoy's. The examples' `request_timeout` is that
 * timer, for requests of every kind; what it costs is uploads that take longer, and nothing else.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertAdmits, within } from "../storm/checks.ts";
import { trapping, trapping_headers } from "../storm/trapping.ts";
import { Waiting } from "../storm/waiting.ts";
import { pathOf, type StormWorld } from "../storm/world.ts";
import { until } from "../support/until.ts";
import { startPlainUpstream } from "../support/upstream.ts";

/** Has the worker's VM trap. */
async function trap(world: StormWorld): Promise<void> {
  const client = await world.connect("trap");
  const headers = Object.fromEntries(Array.from({ length: trapping_headers }, (_, index) => [`x-${index}`, "x"]));
  const { status } = await client.send({ path: "/busy", headers }).ended;
  client.destroy();
  assert.equal(status, 503);
}

describe("the examples' request_timeout", { concurrency: true }, () => {
  for (const example of ["inbound", "gateway"] as const) {
    test(`${example}: it ends requests whose VM is lost, and the next ones are decided as ever`, async () => {
      await within({ example, change: trapping }, async (world) => {
        const [server] = world.servers;
        server!.mode = "hang";
        const waiting = await Waiting.open(world);
        const active = `http.${example}.downstream_rq_active`;
        await until("all of them wait", async () => (await world.stat(active)) === waiting.sent.length);
        await trap(world);
        // Envoy's 408 and 504 pass through the filter that failed, which makes 503 of both.
        assert.deepEqual(await waiting.statuses(), { 503: 16 });
        assert.equal(await world.stat(`http.${example}.downstream_rq_timeout`), 16);
        const held = await world.accessLog(16, ({ path }) => path === pathOf(0));
        for (const { details, record } of held) {
          assert.deepEqual([details, record?.decision], ["wasm_fail_stream", "wait"]);
        }
        await assertAdmits(world);
      });
    });
  }

  test("an answer may take as long as it likes, an upload may not", async () => {
    // Longer than the timeout, in parts.
    const seconds = 18;
    const upstream = await startPlainUpstream(async (request, response) => {
      request.resume();
      await new Promise((resolve) => request.on("close", resolve));
      if (!request.complete) return;
      response.writeHead(200);
      for (let second = 0; second < seconds; second++) {
        response.write("still here\n");
        await sleep(1_000);
      }
      response.end();
    });
    try {
      const rules = "  - { name: open, callers: [any], allow: [GET /open, POST /open] }\n";
      const adjust = (manager: { route_config: { virtual_hosts: { routes: { route: { timeout: string } }[] }[] } }) => {
        manager.route_config.virtual_hosts[0]!.routes[0]!.route.timeout = "0s";
      };
      await within({ rules, upstream: upstream.address, adjust }, async (world) => {
        const client = await world.connect("slow");
        const download = client.send({ path: "/open" });
        const upload = client.send({ path: "/open", upload: true });
        assert.equal((await upload.ended).status, 408);
        assert.equal((await download.ended).status, 200);
        client.destroy();
        const lines = await world.accessLog(2);
        assert.deepEqual(lines.map(({ details }) => details).sort(), ["request_overall_timeout", "via_upstream"]);
      });
    } finally {
      upstream.stop();
    }
  });
});
