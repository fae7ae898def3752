/** Requests in flight, counted over workers: taken, given back however a stream ends, and lost with a worker for so long at the most. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { lost_worker_beats } from "../../assembly/limits.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { Flight, flight, policy, three, x } from "../support/flight.ts";
import { recordOf } from "../support/plugin.ts";
import { Watched } from "../support/watched.ts";
import { imageOf } from "../support/workers.ts";

describe("a slot", () => {
  test("is one of all workers, and comes back when its stream ends", () => {
    const workers = flight();
    const streams = [workers.open(0), workers.open(1), workers.open(0)];
    const refused = workers.open(1);
    assert.deepEqual([recordOf(refused).reason, recordOf(refused).limit], ["limit_exceeded", "open"]);
    assert.equal(refused.localResponse!.status, 429);
    const headers = new Map(refused.localResponse!.headers);
    assert.equal(headers.get("retry-after"), "1");
    assert.equal(headers.has("ratelimit"), false);
    assert.equal(workers.room(1, "spiffe://example.org/y"), 3);
    workers.end(streams[1]!, 1);
    assert.equal(workers.room(0), 1);
    workers.end(streams[0]!);
    workers.end(streams[2]!);
    workers.end(refused, 1);
    assert.equal(workers.room(1), 3);
  });

  test("is not taken by a request that is denied in the end", () => {
    const both = flight(
      policy("open: { concurrency: 2 }, slow: { rate: 1/h, burst: 1 }").replace("limit: open", "limit: [open, slow]"),
    );
    assert.equal(both.open().action, "continue");
    assert.equal(recordOf(both.open()).limit, "slow");
    assert.equal(recordOf(both.open()).limit, "slow");
    const workers = flight(policy("open: { concurrency: 1 }"));
    workers.hosts[0]!.faults = [{ call: "set_property", result: WasmResult.InternalFailure }];
    assert.equal(workers.isAdmitted(), false);
    workers.hosts[0]!.faults = [];
    assert.equal(workers.room(1), 1);
  });

  test("is not kept by a rule whose other limit another worker took from in between, where another rule admits", () => {
    const limits = "open: { concurrency: 3, per: [caller] }, z: { rate: 1/h, burst: 1 }";
    const text = `${policy(limits)}  - { name: both, callers: [any], allow: [GET /both], limit: [open, z] }
  - { name: free, callers: [any], allow: [GET /both] }
  - { name: z, callers: [any], allow: [GET /z], limit: z }
`;
    const sharedData = new Watched();
    const workers = flight(text, 2, sharedData);
    assert.equal(workers.room(0), 3);
    sharedData.once(() => assert.equal(workers.isAdmitted(1, x, "/z"), true));
    const outcome = workers.open(0, x, "/both");
    assert.deepEqual([outcome.action, recordOf(outcome).rule], ["continue", "free"]);
    assert.equal(sharedData.onSet, undefined, "worker 1 came in between");
    assert.equal(workers.room(1), 3);
  });

  test("is not taken in shadow mode of a rule, and not by a rule that does not decide", () => {
    const text = policy("open: { concurrency: 1 }", ", mode: shadow").replace(
      "[GET /other]",
      "[GET /other], limit: open",
    );
    const workers = flight(text);
    for (let count = 0; count < 4; count++) workers.open();
    assert.equal(workers.isAdmitted(0, x, "/other"), true);
    assert.equal(workers.isAdmitted(1, x, "/other"), false);
    // A rule in shadow mode would have the slot that the rule which admits has taken.
    const both = flight(
      `${policy("open: { concurrency: 1 }")}  - { name: shadow, callers: [any], allow: [GET /one], limit: open, mode: shadow }
`,
    );
    assert.deepEqual(recordOf(both.open()).shadow, [{ rule: "shadow", decision: "allow", reason: "allowed" }]);
    const again = flight(policy("open: { concurrency: 1 }"));
    for (let count = 0; count < 4; count++) assert.equal(again.isAdmitted(0, x, "/other"), true);
    assert.equal(again.room(), 1);
  });

  test("is kept for hours by a stream that lasts, while other workers come and go", () => {
    const workers = flight();
    const streams = [workers.open(0), workers.open(0), workers.open(0)];
    workers.seconds(600);
    assert.equal(workers.room(1), 0);
    for (const stream of streams) workers.end(stream);
    assert.equal(workers.room(1), 3);
  });

  test("counts on under a new configuration, and with another number of slots", () => {
    const workers = flight();
    const streams = [workers.open(0), workers.open(0)];
    workers.roots[0] = workers.start(workers.hosts[0]!, imageOf(three.replace("callers: [any]", `callers: ["${x}"]`)));
    assert.equal(workers.room(0), 1);
    workers.roots[1] = workers.start(workers.hosts[1]!, imageOf(three.replace("concurrency: 3", "concurrency: 5")));
    assert.equal(workers.room(1), 3);
    for (const stream of streams) workers.end(stream);
    assert.equal(workers.room(0), 3);
    assert.equal(workers.room(1), 5);
  });
});

describe("a worker that is lost", () => {
  test("holds its slots for twelve seconds at the most, whoever looks", () => {
    const sharedData = new SharedData();
    const workers = flight(three, 2, sharedData);
    workers.open(0);
    workers.open(0);
    workers.open(1);
    workers.seconds(5);
    assert.equal(workers.room(1), 0);
    workers.seconds(lost_worker_beats - 2, [1]);
    assert.equal(workers.room(1), 0, "it may be slow");
    workers.seconds(3, [1]);
    assert.equal(workers.room(1), 2);
  });

  test("whose successor comes at once waits as long, and one that comes much later does not", () => {
    const sharedData = new SharedData();
    const first = flight(three, 1, sharedData);
    for (let count = 0; count < 3; count++) first.open();
    const second = flight(three, 1, sharedData);
    assert.equal(second.room(), 0);
    second.seconds(lost_worker_beats + 2);
    assert.equal(second.room(), 3);
    const third = flight(three, 1, sharedData);
    third.pass(3600);
    assert.equal(third.room(), 3);
  });

  test("and is not lost after all is heard again", () => {
    const workers = flight();
    const stream = workers.open(0);
    workers.open(0);
    workers.open(1);
    workers.seconds(lost_worker_beats + 2, [1]);
    assert.equal(workers.room(1), 2);
    workers.seconds(2);
    workers.end(stream);
    assert.equal(workers.room(1), 1);
  });

  test("no worker is taken for lost that has requests, however seldom it ticks", () => {
    const workers = flight();
    workers.open(0);
    workers.open(1);
    workers.tickAll();
    for (let second = 0; second < 3 * lost_worker_beats; second++) {
      workers.seconds(1, [1]);
      workers.isAdmitted(0, "spiffe://example.org/other");
      assert.equal(workers.room(1), 1, `after ${second + 1} s`);
    }
  });

  test("no step of the clock loses one that beats", () => {
    const workers = flight();
    workers.tickAll();
    workers.open(0);
    workers.open(1);
    for (const step of [3600, -7200, 86_400, -1, 0.2]) {
      workers.pass(step);
      assert.equal(workers.room(0), 1, `after a step of ${step} s`);
      workers.tickAll();
      assert.equal(workers.room(1), 1, `after a step of ${step} s, and ticks`);
      workers.seconds(3);
      assert.equal(workers.room(0), 1);
    }
  });
});

describe("what the host refuses", () => {
  for (const call of ["get_shared_data", "set_shared_data"]) {
    test(`${call} denies, and gives nothing away`, () => {
      const workers = flight();
      workers.open(1);
      workers.hosts[0]!.faults = [{ call, result: WasmResult.InternalFailure }];
      const outcome = workers.open(0);
      assert.equal(recordOf(outcome).reason, "internal");
      workers.hosts[0]!.faults = [];
      assert.equal(workers.room(0), 2);
    });

    test(`${call} as a stream ends: the slot comes back with a tick`, () => {
      const workers = flight();
      const streams = [workers.open(0), workers.open(0)];
      workers.hosts[0]!.faults = [{ call, result: WasmResult.InternalFailure }];
      for (const stream of streams) workers.end(stream);
      workers.hosts[0]!.faults = [];
      assert.equal(workers.room(1), 1);
      workers.seconds(1);
      assert.equal(workers.room(1), 3);
    });
  }

  test("a lost race is run again", () => {
    const workers = flight();
    workers.open(0);
    workers.hosts[0]!.faults = [{ call: "set_shared_data", nth: 1, result: WasmResult.CasMismatch }];
    const stream = workers.open(0);
    assert.equal(stream.action, "continue");
    assert.equal(workers.room(1), 1);
    workers.end(stream);
    assert.equal(workers.room(1), 2, "one slot comes back");
  });

  test("foreign bytes in shared data deny, and never trap", () => {
    const sharedData = new SharedData();
    const workers = flight(three, 1, sharedData);
    workers.open();
    for (const bytes of [new Uint8Array(), new Uint8Array(8).fill(255), new Uint8Array(2048).fill(255)]) {
      for (const key of sharedData.keys()) if (key.startsWith("sallyport:bucket")) sharedData.set(key, bytes, 0);
      const outcome = workers.open();
      assert.equal(outcome.trapped, false);
      assert.equal(outcome.action, "pause");
    }
  });
});

test("where the host does not tick, nobody can tell who is lost, and the rule denies", () => {
  const options = { deniedExports: ["proxy_on_tick"] };
  const workers = new Flight(imageOf(three), 2, new SharedData(), options);
  assert.equal(workers.isAdmitted(), true, "the first tick may yet come");
  workers.pass(2.5);
  for (const worker of [0, 0, 1]) {
    const outcome = workers.open(worker);
    if (worker === 1) continue;
    assert.deepEqual([recordOf(outcome).reason, recordOf(outcome).cause], ["internal", "no_tick"]);
    assert.equal(workers.isAdmitted(worker, x, "/other"), true);
  }
  const errors = workers.hosts[0]!.logs.filter(({ message }) => /proxy_on_tick/.test(message));
  assert.equal(errors.length, 1);
});
