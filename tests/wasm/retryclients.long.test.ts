/**
 * `Retry-After` obeyed is a request admitted: clients that wait as long as a 429 tells them, by a clock that the test moves. The seed of a
 * run that fails is in its message.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { Random, runSeed } from "../support/random.ts";
import { imageOf, outcomeOf, Workers } from "../support/workers.ts";

const clients = 1000;
const seed = runSeed();
console.log(`SEED=${seed}`);

const limits = ["1/s", "7/s", "100/s", "999/s", "1/m", "7/m", "45/m", "3600/h", "17/h", "1000/h", "10/d"].flatMap(
  (rate, index) => [1, 3, 10, 250, 2000].map((burst, which) => ({ name: `l${index}-${which}`, rate, burst })),
);
const costs = [1, 2, 3, 10, 100, 1000];
/** What a client of a limit asks for: not so little that its bucket would take long to empty. */
const costsOf = (burst: number): number[] => costs.filter((cost) => cost <= burst && cost * 50 >= burst);
const path = (limit: string, cost: number): string => `/${limit}/${cost}`;

/** A rule for each limit and each cost that it can give. */
const policy = (per: string): string => `version: 1
name: waiting
trust: { domains: [example.org] }
limits:
${limits.map(({ name, rate, burst }) => `  ${name}: { rate: ${rate}, burst: ${burst}, per: ${per} }\n`).join("")}rules:
${limits
  .flatMap(({ name, burst }) =>
    costsOf(burst).map(
      (cost) =>
        `  - { name: ${name}-${cost}, callers: [any], allow: [GET ${path(name, cost)}], limit: ${name}, cost: ${cost} }\n`,
    ),
  )
  .join("")}`;

function ask(workers: Workers, worker: number, caller: string, target: string): Outcome {
  const request = { caller, source: "10.0.0.1", method: "GET", path: target, host: "h", headers: [], token: null };
  return workers.hosts[worker]!.request(workers.roots[worker]!, hostRequest(request));
}

function waitOf({ localResponse }: Outcome): number {
  const seconds = Number(new Map(localResponse!.headers).get("retry-after"));
  assert.ok(Number.isSafeInteger(seconds) && seconds > 0, "a whole number of seconds");
  return seconds;
}

test("1,000 clients with buckets of their own wait once, and are admitted, whatever worker they come to", () => {
  const random = new Random(seed);
  const workers = new Workers(imageOf(policy("[caller]")), 2);
  let waited = 0;
  for (let client = 0; client < clients; client++) {
    const { name, burst } = limits[random.below(limits.length)]!;
    const affordable = costsOf(burst);
    const cost = affordable[random.below(affordable.length)]!;
    const caller = `spiffe://example.org/c${client}`;
    const said = `seed ${seed}, client ${client}: ${name}, cost ${cost}`;
    // Somewhere within a second, and with a bucket that is not quite empty.
    workers.pass(random.below(1000) / 1000);
    let outcome = ask(workers, random.below(2), caller, path(name, cost));
    for (let count = 0; outcome.action === "continue" && count < 1000; count++) {
      if (random.below(8) === 0) workers.pass(0.001);
      outcome = ask(workers, random.below(2), caller, path(name, cost));
    }
    if (outcome.action === "continue") continue;
    assert.equal(outcomeOf(outcome), "limit_exceeded", said);
    workers.pass(waitOf(outcome));
    waited++;
    assert.equal(outcomeOf(ask(workers, random.below(2), caller, path(name, cost))), "allowed", said);
  }
  assert.ok(waited > 0.95 * clients, `seed ${seed}: only ${waited} had to wait`);
});

test("of 1,000 clients of one bucket that wait and come again, the first is admitted, and each in the end", () => {
  const random = new Random(seed);
  const workers = new Workers(imageOf(policy("[]")), 2);
  const target = path("l2-3", 10);
  /** When each comes again, in seconds from the beginning. */
  const due = new Map(Array.from({ length: clients }, (_, client) => [client, 0]));
  let now = 0;
  let rounds = 0;
  while (due.size > 0) {
    assert.ok(++rounds < 10 * clients, `seed ${seed}: ${due.size} are left`);
    const next = Math.min(...due.values());
    workers.pass(next - now);
    now = next;
    const coming = [...due].filter(([, at]) => at === next).map(([client]) => client);
    let admitted = 0;
    for (const client of coming) {
      const outcome = ask(workers, random.below(2), `spiffe://example.org/c${client}`, target);
      if (outcome.action === "continue") {
        due.delete(client);
        admitted++;
      } else due.set(client, now + waitOf(outcome));
    }
    assert.ok(admitted > 0, `seed ${seed}: nobody of ${coming.length} who came at ${now} s was admitted`);
  }
});
