/**
 * `npm run test:fleet`: two Envoys that share limits by envoyproxy/ratelimit and Redis, as they are, while each of them fails in each
 * way under load. Periods are hours, so that none ends meanwhile, and each test has callers of its own.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import type { Bootstrap } from "../../scripts/envoy/bootstrap.ts";
import { rateLimitConfiguration } from "../../scripts/policy/fleet.ts";
import { serviceCluster } from "../bench/limits/service.ts";
import { type Ended, Http2Client } from "../storm/client.ts";
import { startTestEnvoy, type TestEnvoy } from "../support/envoy.ts";
import { check } from "../support/policy.ts";
import { findSystems, type Service, startService } from "./systems.ts";

const rate = 40;
const replicas = 2;
/** Enough for blocks. */
const largeRate = 1500;
/** What each Envoy admits by itself. */
const share = rate / replicas;
/** Far more than the deadline and a slow machine take, and far less than for ever. */
const patience_ms = 5_000;

const limit = (onError: string): string => `{ rate: ${rate}/h, per: [caller], scope: fleet, onError: ${onError} }`;
const policyYaml = `
version: 1
name: fleet
trust: { domains: [example.org] }
fleet: { cluster: bench_ratelimit, deadline: 250ms, replicas: ${replicas} }
limits:
  local: ${limit("local")}
  deny: ${limit("deny")}
  allow: ${limit("allow")}
  leased: { rate: ${largeRate}/h, per: [caller], scope: fleet, fleet: leased, onError: deny }
  unheard: { rate: 7/h, per: [caller], scope: fleet, onError: deny }
rules:
  - { name: local, callers: ["spiffe://example.org/*"], allow: [GET /local], limit: local }
  - { name: deny, callers: ["spiffe://example.org/*"], allow: [GET /deny], limit: deny }
  - { name: allow, callers: ["spiffe://example.org/*"], allow: [GET /allow], limit: allow }
  - { name: leased, callers: ["spiffe://example.org/*"], allow: [GET /leased], limit: leased }
  - { name: unheard, callers: ["spiffe://example.org/*"], allow: [GET /unheard], limit: unheard }
`;

/** What the service is told: all limits but one. */
function configuration(): string {
  const { policy } = check(policyYaml);
  const made = rateLimitConfiguration([policy!]);
  if (typeof made === "string") throw new Error(made);
  return stringify({ ...made, descriptors: made.descriptors.filter(({ value }) => !value.startsWith("unheard")) });
}

let service: Service;
const envoys: TestEnvoy[] = [];

before(async () => {
  service = await startService(await findSystems(), configuration());
  const adjust = (bootstrap: Bootstrap): void => {
    bootstrap.static_resources.clusters.push(serviceCluster({ port: service.ratelimit.port, stop: () => {} }));
  };
  for (let count = 0; count < replicas; count++) envoys.push(await startTestEnvoy({ policyYaml, adjust }));
  // A worker that has not seen a stream end yet lets few requests wait.
  await untilAnswered();
});

after(async () => {
  for (const envoy of envoys) await envoy.stop();
  await service?.stop();
});

let callers = 0;
const nextCaller = (): string => `spiffe://example.org/caller-${callers++}`;

/** So many requests of a caller to each Envoy, all at once; what each Envoy's came to. */
async function send(path: string, count: number, caller: string): Promise<Ended[][]> {
  return Promise.all(
    envoys.map(async ({ local }) => {
      const client = await Http2Client.open(await local.target(caller));
      const ended = await Promise.all(Array.from({ length: count }, () => client.send({ path }).ended));
      client.destroy();
      for (const { tookMs } of ended) assert.ok(tookMs < patience_ms, `a request waited for ${tookMs} ms`);
      return ended;
    }),
  );
}

const admitted = (ended: readonly Ended[]): number => ended.filter(({ status }) => status === 200).length;
const admittedBy = async (path: string, count: number, caller = nextCaller()): Promise<number[]> =>
  (await send(path, count, caller)).map(admitted);
const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

/** Sends requests until both Envoys have the service decide again. */
async function untilAnswered(): Promise<void> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const statuses = (await send("/deny", 1, nextCaller())).flat().map(({ status }) => status);
    if (statuses.every((status) => status === 200)) return;
    assert.ok(performance.now() < deadline, `the service is not asked again: ${statuses}`);
    await sleep(100);
  }
}

/** What holds while the service does not answer, with fresh callers. */
async function checkWithout(): Promise<void> {
  assert.deepEqual(await admittedBy("/local", 2 * share), [share, share], "each Envoy admits its share");
  assert.deepEqual(await admittedBy("/allow", 10), [10, 10]);
  const denied = (await send("/deny", 10, nextCaller())).flat();
  assert.deepEqual([...new Set(denied.map(({ status }) => status))], [503]);
}

test("two Envoys admit together what the limit has, exactly", async () => {
  assert.equal(sum(await admittedBy("/local", rate)), rate);
  const caller = nextCaller();
  assert.equal(sum(await admittedBy("/deny", 5, caller)), 10);
  assert.equal(sum(await admittedBy("/deny", rate, caller)), rate - 10);
  const { status, headers } = await envoys[0]!.request({ caller, path: "/deny" });
  assert.equal(status, 429);
  const seconds = Number(headers["retry-after"]);
  assert.ok(seconds >= 1 && seconds <= 3600, `${headers["retry-after"]}`);
});

test("leased: most requests do not ask, and no more is admitted than the limit has; a service that hangs is not noticed at once", async () => {
  const caller = nextCaller();
  let total = 0;
  const round = async (): Promise<number> => {
    const count = sum(await admittedBy("/leased", 30, caller));
    total += count;
    return count;
  };
  for (let times = 0; times < 15; times++) await round();
  service.ratelimit.suspend();
  const before = total;
  for (let times = 0; times < 5; times++) await round();
  service.ratelimit.resume();
  // Of a tenth of an Envoy's share each, at the most.
  assert.ok(total - before <= largeRate / 10, `${total - before} admitted without the service`);
  await untilAnswered();
  for (let times = 0; times < 40; times++) await round();
  assert.ok(total <= largeRate, `${total} admitted of ${largeRate}`);
  await sleep(1_500);
  const leased = (await envoys[0]!.prometheus()).find((line) => /fleet_answers.*leased/u.test(line));
  assert.ok(Number(leased?.split(" ").at(-1)) > 300, leased);
});

test("a limit that the service has no rule for holds as onError says, and is counted", async () => {
  assert.deepEqual(await admittedBy("/unheard", 5), [0, 0]);
  await untilAnswered();
  await sleep(1_500);
  const unknown = (await envoys[0]!.prometheus()).find((line) => /fleet_answers.*unknown/u.test(line));
  assert.match(unknown ?? "", / 5$/u);
});

/** Each failure, and its end. */
const failures: Record<string, [begin: () => Promise<void> | void, end: () => Promise<void> | void]> = {
  "Redis is killed, and starts again with nothing in it": [() => service.redis.kill(), () => service.redis.start()],
  "Redis hangs": [() => service.redis.suspend(), () => service.redis.resume()],
  "the service is killed": [() => service.ratelimit.kill(), () => service.ratelimit.start()],
  "the service hangs": [() => service.ratelimit.suspend(), () => service.ratelimit.resume()],
};

describe("no request waits, decisions follow onError, and the service is asked again by itself", () => {
  for (const [what, [begin, end]] of Object.entries(failures)) {
    test(what, async () => {
      await untilAnswered();
      // Under load: the failure comes in the middle of the requests.
      const caller = nextCaller();
      const first = send("/local", 5 * rate, caller);
      await begin();
      const during = sum((await first).map(admitted));
      const later = sum(await admittedBy("/local", rate, caller));
      await checkWithout();
      await end();
      await untilAnswered();
      const afterwards = sum(await admittedBy("/local", 2 * rate, caller));
      // What the service counted before and after, which may have lost its count in between, and what both Envoys have by themselves.
      const most = 2 * rate + replicas * share;
      const total = during + later + afterwards;
      assert.ok(total <= most, `${during} + ${later} + ${afterwards} admitted, and at most ${most} may be`);
      assert.equal(sum(await admittedBy("/local", rate)), rate, "another caller has the whole limit");
    });
  }
});
