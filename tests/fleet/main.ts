/**
 * `npm run test:fleet`: two Envoys that share limits by envoyproxy/ratelimit and Redis, as they are, while each of them fails in each
 * way under load, and the network between them. Periods are days, so that none ends meanwhile, and each test has callers of its own.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { TestEnvoy } from "../support/envoy.ts";
import { until } from "../support/until.ts";
import { admitted, FleetWorld, largeRate, nextCaller, rate, replicas, share, sum } from "./world.ts";

let world: FleetWorld;
before(async () => {
  world = await FleetWorld.start();
});
after(() => world?.stop());

/** What one Envoy, or both, decide while the service does not answer, with fresh callers. */
async function checkWithout(envoys = world.envoys): Promise<void> {
  const statusesOf = async (path: string, count: number): Promise<number[][]> => {
    const caller = nextCaller();
    const ended = await Promise.all(envoys.map((envoy) => world.sendTo(envoy, path, count, caller)));
    return ended.map((all) => all.map(({ status }) => status));
  };
  for (const statuses of await statusesOf("/local", 2 * share)) {
    assert.equal(statuses.filter((status) => status === 200).length, share, "each Envoy admits its share");
  }
  assert.deepEqual([...new Set((await statusesOf("/allow", 10)).flat())], [200]);
  assert.deepEqual([...new Set((await statusesOf("/deny", 10)).flat())], [503]);
}

test("two Envoys admit together what the limit has, exactly", async () => {
  assert.equal(sum(await world.admittedBy("/local", rate)), rate);
  const caller = nextCaller();
  assert.equal(sum(await world.admittedBy("/deny", 5, caller)), 10);
  assert.equal(sum(await world.admittedBy("/deny", rate, caller)), rate - 10);
  const { status, headers } = await world.envoys[0]!.request({ caller, path: "/deny" });
  assert.equal(status, 429);
  const seconds = Number(headers["retry-after"]);
  assert.ok(seconds >= 1 && seconds <= 86_400, `${headers["retry-after"]}`);
});

test("answers to admitted requests tell what the service has left", async () => {
  const caller = nextCaller();
  for (const [envoy, left] of [
    [0, rate - 1],
    [1, rate - 2],
    [0, rate - 3],
  ] as const) {
    const { status, headers } = await world.envoys[envoy]!.request({ caller, path: "/deny" });
    assert.equal(status, 200);
    assert.match(String(headers.ratelimit), new RegExp(`^"deny";r=${left};t=[0-9]+$`, "u"));
  }
});

test("leased: most requests do not ask, and no more is admitted than the limit has; a service that hangs is not noticed at once", async () => {
  const caller = nextCaller();
  let total = 0;
  // A few at a time: of requests that come all at once most ask, since the block is still on its way.
  const round = async (): Promise<void> => {
    total += sum(await world.admittedBy("/leased", 5, caller));
  };
  for (let times = 0; times < 60; times++) await round();
  world.service.ratelimit.suspend();
  const before = total;
  for (let times = 0; times < 15; times++) await round();
  world.service.ratelimit.resume();
  // Of a tenth of an Envoy's share each, at the most.
  assert.ok(total - before <= largeRate / 10, `${total - before} admitted without the service`);
  await world.untilAnswered();
  for (let times = 0; times < 120; times++) await round();
  assert.ok(total <= largeRate, `${total} admitted of ${largeRate}`);
  await until("most requests had tokens of a block", async () => (await world.answers("leased")) > 300);
});

test("a limit that the service has no rule for holds as onError says, and is counted", async () => {
  assert.deepEqual(await world.admittedBy("/unheard", 5), [0, 0]);
  await world.untilAnswered();
  await until("five answers were of no use", async () => (await world.answers("unknown")) === 5);
});

interface Failure {
  what: string;
  begin: () => Promise<void> | void;
  end: () => Promise<void> | void;
  /** Whether what the service had counted is lost. */
  forgets?: boolean;
}

const failures: Failure[] = [
  {
    what: "Redis is killed, and starts again with nothing in it",
    begin: () => world.service.redis.kill(),
    end: () => world.service.redis.start(),
    forgets: true,
  },
  {
    what: "Redis hangs",
    begin: () => world.service.redis.suspend(),
    end: () => world.service.redis.resume(),
  },
  {
    what: "the service is killed",
    begin: () => world.service.ratelimit.kill(),
    end: () => world.service.ratelimit.start(),
  },
  {
    what: "the service hangs",
    begin: () => world.service.ratelimit.suspend(),
    end: () => world.service.ratelimit.resume(),
  },
  {
    what: "the network splits between the service and Redis",
    begin: () => world.service.toRedis.split(),
    end: () => world.service.toRedis.heal(),
  },
  {
    what: "the network splits between the service and Redis, which then knows nothing of the connections of before",
    begin: () => world.service.toRedis.split(),
    end: () => world.service.toRedis.reset(),
  },
  {
    what: "the network splits between the Envoys and the service",
    begin: () => {
      for (const link of world.links) link.split();
    },
    end: () => {
      for (const link of world.links) link.heal();
    },
  },
  {
    what: "the network splits between the Envoys and the service, and nothing gets through the connections of before any more",
    begin: () => {
      for (const link of world.links) link.lose();
    },
    end: () => {
      for (const link of world.links) link.heal();
    },
  },
];

describe("no request waits, decisions follow onError, and the service is asked again by itself", () => {
  for (const { what, begin, end, forgets = false } of failures) {
    test(what, async () => {
      await world.untilAnswered();
      // Under load: the failure comes in the middle of the requests.
      const caller = nextCaller();
      const first = world.send("/local", 5 * rate, caller);
      await begin();
      const during = sum((await first).map(admitted));
      const later = sum(await world.admittedBy("/local", rate, caller));
      await checkWithout();
      await end();
      await world.untilAnswered();
      const afterwards = sum(await world.admittedBy("/local", 2 * rate, caller));
      // What the service counted, before and after where it lost that in between, and what both Envoys have by themselves.
      const most = (forgets ? 2 : 1) * rate + replicas * share;
      const total = during + later + afterwards;
      assert.ok(total <= most, `${during} + ${later} + ${afterwards} admitted, and at most ${most} may be`);
      assert.equal(sum(await world.admittedBy("/local", rate)), rate, "another caller has the whole limit");
    });
  }
});

test("one Envoy is cut off from the service: it decides by onError, and the other one exactly", async () => {
  const [cutOff, connected] = world.envoys as [TestEnvoy, TestEnvoy];
  const caller = nextCaller();
  const before = sum(await world.admittedBy("/local", 5, caller));
  assert.equal(before, 10);
  const first = world.send("/local", rate, caller);
  world.links[0]!.split();
  const [byCutOff, byConnected] = (await first).map(admitted) as [number, number];
  const rest = rate - before;
  // Some requests of the one that is cut off may have been counted before, and what waited at that moment fell to its share.
  assert.ok(byConnected <= rest, `${byConnected} admitted of ${rest}`);
  assert.ok(byCutOff + byConnected <= rest + share, `${byCutOff} + ${byConnected} admitted`);
  for (let times = 0; times < 3; times++) {
    await checkWithout([cutOff]);
    for (const path of ["/local", "/deny", "/allow"]) {
      // No more than may wait of one client.
      const ended = await world.sendTo(connected, path, rate + 20, nextCaller());
      assert.equal(admitted(ended), rate, path);
      assert.ok(ended.every(({ status }) => status === 200 || status === 429));
    }
  }
  world.links[0]!.heal();
  await world.untilAnswered();
  const afterwards = sum(await world.admittedBy("/local", rate, caller));
  const total = before + byCutOff + byConnected + afterwards;
  assert.ok(total <= rate + share, `${total} admitted, and at most ${rate + share} may be`);
  assert.equal(sum(await world.admittedBy("/local", rate)), rate, "another caller has the whole limit");
});
