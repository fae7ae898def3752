/**
 * What is counted in a real Envoy is what was decided, over workers, reloads, new VMs and drains: each record in the access log is one
 * count, a moment later, and stays one.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { count_tick_milliseconds } from "../../assembly/limits.ts";
import { within } from "../storm/checks.ts";
import type { Http2Client } from "../storm/client.ts";
import type { StormWorld } from "../storm/world.ts";
import { until } from "../support/until.ts";

const reloads = 24;
const workers = 3;
const rules = "  - { name: open, callers: [any], allow: [GET /open] }\n";
const reasons = ["no_rule", "token_missing", "token_signature"];

/** Sends requests over connections that stay, and that are made anew where a listener drains, until it is told to stop. */
async function load(world: StormWorld, isOver: () => boolean): Promise<void> {
  const [token] = await world.busyTokens(1);
  const asked = [
    { path: "/open" },
    { path: "/open" },
    { path: "/nowhere" },
    { path: "/busy" },
    { path: "/busy", token: token! },
    { path: "/busy", token: `${token!.slice(0, -8)}AAAAAAAA` },
  ];
  let client: Http2Client | undefined;
  while (!isOver()) {
    if (client?.isOpen !== true) client = await world.connect("web").catch(() => undefined);
    if (client === undefined) await sleep(20);
    else await Promise.all(asked.map((request) => client!.send(request).ended));
  }
  client?.destroy();
}

/** Decisions, reasons and rules by name, as records tell of them. */
async function recorded(world: StormWorld): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const add = (name: string): unknown => counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const { record } of await world.local.accessLog()) {
    if (record === undefined) continue;
    add(`requests.policy.storm;.decision.${record.decision}`);
    if (record.decision !== "allow") add(`denials.policy.storm;.reason.${record.reason}`);
    if (record.rule != null) add(`rules.policy.storm;.rule.${record.rule};.decision.${record.decision}`);
  }
  return counts;
}

/** The same as they are counted. */
async function counted({ local }: StormWorld): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const [name, value] of await local.envoy.stats()) {
    const [, counter] = /^wasmcustom\.sallyport_((?:requests|denials|rules)\..*)$/u.exec(name) ?? [];
    if (counter !== undefined && value > 0) counts.set(counter, value);
  }
  return counts;
}

const sorted = (counts: Map<string, number>) => [...counts].toSorted(([a], [b]) => a.localeCompare(b));

async function assertCounted(world: StormWorld): Promise<void> {
  const isCounted = async () => {
    const [records, counts] = [await recorded(world), await counted(world)];
    return JSON.stringify(sorted(records)) === JSON.stringify(sorted(counts));
  };
  await until("counts and records are the same", isCounted, 20_000).catch(() => {});
  const records = sorted(await recorded(world));
  assert.deepEqual(sorted(await counted(world)), records);
  await sleep(2 * count_tick_milliseconds);
  assert.deepEqual(sorted(await counted(world)), records, "and stay so");
}

describe("each decision is counted once", () => {
  for (const [source, sets] of [
    ["ecds", 0],
    ["lds", 0],
    ["ecds", 1],
    ["lds", 1],
  ] as const) {
    test(`over ${source}, ${sets === 0 ? "with no keys fetched" : "with keys fetched"}`, async () => {
      await within({ source, sets, rules, concurrency: workers, drainSeconds: 1 }, async (world) => {
        let isOver = false;
        const clients = Array.from({ length: 2 * workers }, () => load(world, () => isOver));
        // Counts wait for a tick by then.
        await sleep(2 * count_tick_milliseconds);
        for (let count = 0; count < reloads; count++) {
          await world.reloadAndWait({ isNewVm: count % 3 === 2 });
          await sleep((count % 4) * 100);
        }
        isOver = true;
        await Promise.all(clients);
        const records = await recorded(world);
        const known = ["allow", "deny"].map((decision) => records.get(`requests.policy.storm;.decision.${decision}`)!);
        assert.ok(Math.min(...known) > 1000, `only ${known} requests`);
        for (const reason of reasons)
          assert.ok((records.get(`denials.policy.storm;.reason.${reason}`) ?? 0) > 100, reason);
        await assertCounted(world);
      });
    });
  }
});
