/** More streams under way than a worker keeps something for: bodies that are counted, and slots of limits. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { held_entries_max } from "../../assembly/limits.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { flight, policy } from "../support/flight.ts";
import { recordOf, TestPlugin } from "../support/plugin.ts";

const upload = { caller: "spiffe://example.org/x", method: "POST", path: "/body" };

function begin(plugin: TestPlugin): Outcome {
  return plugin.request({ ...upload, headers: [] }, { hasBody: true, keepOpen: true });
}

test("each stream has its own bound, and what ended gives its room back", () => {
  const plugin = new TestPlugin("sizes");
  const streams = Array.from({ length: held_entries_max }, () => begin(plugin));
  const refused = begin(plugin);
  assert.equal(refused.localResponse!.status, 503);
  assert.deepEqual([recordOf(refused).reason, recordOf(refused).cause], ["internal", "held_streams"]);
  // A request without a body needs no room.
  assert.equal(plugin.request({ ...upload, headers: [] }).action, "continue");
  for (const { context } of streams) assert.equal(plugin.host.body(context, 999), 999);
  assert.equal(plugin.host.body(streams[7]!.context, 2), 0);
  assert.equal(streams[7]!.localResponse!.status, 413);
  for (const { context } of streams.filter((_, index) => index % 2 === 0)) plugin.host.deleteContext(context);
  for (const [index, { context }] of streams.entries()) {
    if (index % 2 === 1 && index !== 7) assert.equal(plugin.host.body(context, 1), 1);
  }
  for (let count = 0; count < held_entries_max / 2; count++) assert.equal(begin(plugin).action, "continue");
  for (const { context } of streams) plugin.host.deleteContext(context);
});

test("a full table denies, and what ends makes room", () => {
  const workers = flight(policy("open: { concurrency: 65535 }"), 1);
  const streams = Array.from({ length: held_entries_max }, () => workers.open());
  assert.ok(streams.every(({ action }) => action === "continue"));
  const refused = workers.open();
  assert.deepEqual([recordOf(refused).reason, recordOf(refused).cause], ["internal", "held_streams"]);
  for (const stream of streams) workers.end(stream);
  assert.equal(workers.isAdmitted(), true);
});
