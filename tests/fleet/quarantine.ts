/** Two Envoys that tell each other by envoyproxy/ratelimit and Redis who is shut out: a part of `npm run test:fleet`. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { quarantine_ask_seconds } from "../../assembly/limits.ts";
import { until } from "../support/until.ts";
import { denials, FleetWorld, nextCaller } from "./world.ts";

let world: FleetWorld;
before(async () => {
  world = await FleetWorld.start();
});
after(() => world?.stop());

const ask_ms = quarantine_ask_seconds * 1000;

/** What becomes of a request of a caller to an Envoy: who is shut out is told for how long. */
async function reasonAt(envoy: number, caller: string, path = "/allow"): Promise<string> {
  const { status, headers } = await world.envoys[envoy]!.request({ caller, path });
  if (status === 200) return "allowed";
  // Where an Envoy takes long to hear of it, waiting uses up the caller's limit.
  if (status === 429) return "limit_exceeded";
  assert.equal(status, 403);
  return headers["retry-after"] === undefined ? "no_rule" : "quarantined";
}

async function probe(envoy: number, caller: string, times: number): Promise<void> {
  for (let count = 0; count < times; count++) await reasonAt(envoy, caller, "/nothing");
}

/**
 * Waits until an Envoy shuts a caller out: it asks with a request, and knows with a later one. Requests are few, since they have a limit.
 * @param knows one that shuts the caller out, and is asked too. What it tells a service that was away may be lost, or be told as the
 *   service's minute ends; it tells it again with a later request
 */
async function untilOut(envoy: number, caller: string, knows?: number): Promise<void> {
  await until("the other Envoy says so", async () => {
    await sleep(ask_ms / 10);
    if (knows !== undefined) assert.equal(await reasonAt(knows, caller), "quarantined");
    return (await reasonAt(envoy, caller)) === "quarantined";
  });
}

/** The service counts by the minute of the clock. */
async function inOneMinute(seconds: number): Promise<void> {
  const left = 60 - (Math.floor(Date.now() / 1000) % 60);
  if (left <= seconds) await sleep(left * 1000);
}

test("who is shut out by one Envoy is shut out by the other, and nobody else", async () => {
  const [caller, other] = [nextCaller(), nextCaller()];
  assert.equal(await reasonAt(1, other), "allowed");
  await probe(0, caller, denials);
  assert.equal(await reasonAt(0, caller), "quarantined");
  await untilOut(1, caller);
  const { headers } = await world.envoys[1]!.request({ caller, path: "/allow" });
  const seconds = Number(headers["retry-after"]);
  // Elsewhere up to a quarter longer.
  assert.ok(seconds > 0 && seconds <= 375, `${seconds}`);
  assert.equal(await reasonAt(1, other), "allowed");
});

test("denials of both Envoys count together", async () => {
  await inOneMinute(20);
  const caller = nextCaller();
  await probe(0, caller, denials / 2);
  assert.equal(await reasonAt(0, caller), "allowed");
  await probe(1, caller, denials / 2);
  await untilOut(1, caller);
  await untilOut(0, caller);
});

test("what Redis has lost is told again by who knows it", async () => {
  const caller = nextCaller();
  await probe(0, caller, denials);
  await world.service.redis.kill();
  await world.service.redis.start();
  await world.untilAnswered();
  await sleep(ask_ms);
  assert.equal(await reasonAt(0, caller), "quarantined");
  await untilOut(1, caller, 0);
});

test("while the service is away each Envoy shuts out by itself, and tells when it is back", async () => {
  const caller = nextCaller();
  await world.service.ratelimit.kill();
  await probe(0, caller, denials);
  assert.equal(await reasonAt(0, caller), "quarantined");
  assert.equal(await reasonAt(1, caller), "allowed");
  await world.service.ratelimit.start();
  await world.untilAnswered();
  await sleep(ask_ms);
  assert.equal(await reasonAt(0, caller), "quarantined");
  await untilOut(1, caller, 0);
});
