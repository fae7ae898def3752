/** Several limits of one rule are charged all or none, also where another worker takes in between. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import { Watched } from "../support/watched.ts";
import { imageOf, Workers } from "../support/workers.ts";

const policy = (a: string, b: string, cost: number): string => `version: 1
name: race
trust: { domains: [example.org] }
limits: { a: { rate: 1/h, ${a}, per: [caller] }, b: { rate: 1/h, ${b} } }
rules:
  - { name: both, callers: [any], allow: [GET /both], limit: [a, b], cost: ${cost} }
  - { name: one, callers: [any], allow: [GET /a], limit: a }
  - { name: two, callers: [any], allow: [GET /b], limit: b }
`;

class Race {
  readonly shared = new Watched();
  readonly workers: Workers;

  constructor(a: string, b: string, cost = 1) {
    this.workers = new Workers(imageOf(policy(a, b, cost)), 2, this.shared);
  }

  admits(worker: number, path: string, caller = "spiffe://example.org/x"): boolean {
    const request = { caller, source: "10.0.0.1", method: "GET", path, host: "h", headers: [], token: null };
    const { hosts, roots } = this.workers;
    return hosts[worker]!.request(roots[worker]!, hostRequest(request)).action === "continue";
  }

  drain(worker: number, path: string, caller?: string): number {
    let count = 0;
    for (; this.admits(worker, path, caller); count++) assert.ok(count < 10_000, "nothing is denied");
    return count;
  }

  /** Worker 0 asks for both; once it has taken from the first, worker 1 does something. */
  interrupt(act: () => void): boolean {
    this.shared.once(act);
    const admitted = this.admits(0, "/both");
    assert.equal(this.shared.onSet, undefined, "worker 1 came in between");
    return admitted;
  }
}

test("what the first limit has given goes back where the second turns out full", () => {
  for (const [cost, left] of [
    [1, 5],
    [3, 5],
  ] as const) {
    const race = new Race("burst: 5", "burst: 3", cost);
    assert.equal(
      race.interrupt(() => assert.equal(race.drain(1, "/b"), 3)),
      false,
    );
    assert.equal(race.drain(1, "/a"), left, `cost ${cost}`);
  }
});

test("what another worker took of the first limit in between stays taken", () => {
  const race = new Race("burst: 5", "burst: 1", 1);
  const isAdmitted = race.interrupt(() => {
    assert.deepEqual([race.admits(1, "/a"), race.admits(1, "/a"), race.admits(1, "/b")], [true, true, true]);
  });
  assert.equal(isAdmitted, false);
  assert.equal(race.drain(1, "/a"), 3);
});

test("no more goes back than was taken, however much time has passed", () => {
  const race = new Race("burst: 5", "burst: 1");
  const isAdmitted = race.interrupt(() => {
    assert.equal(race.admits(1, "/b"), true);
    race.workers.pass(7200);
    // The bucket is full again, and gives what it has.
    assert.equal(race.drain(1, "/a"), 5);
  });
  assert.equal(isAdmitted, false);
  assert.equal(race.drain(1, "/a"), 0);
});

test("tokens that a worker holds are as they were, and those of the bucket too", () => {
  const race = new Race("burst: 5000", "burst: 1");
  // One is taken, and five ahead; when those are gone too, the next take asks the bucket.
  for (let count = 0; count < 6; count++) assert.equal(race.admits(0, "/a"), true);
  assert.equal(
    race.interrupt(() => assert.equal(race.admits(1, "/b"), true)),
    false,
  );
  const all = race.drain(0, "/a") + race.drain(1, "/a");
  assert.equal(all, 5000 - 6);
});

test("what time has brought since is not given back as well", () => {
  const race = new Race("burst: 5", "burst: 1");
  const isAdmitted = race.interrupt(() => {
    assert.equal(race.admits(1, "/b"), true);
    race.workers.pass(1800);
    assert.equal(race.drain(1, "/a"), 4);
  });
  assert.equal(isAdmitted, false);
  // Half a token was there after half an hour, and half of the one goes back.
  const drained = [0, 1800, 1800].map((seconds) => {
    race.workers.pass(seconds);
    return race.drain(0, "/a");
  });
  assert.deepEqual(drained, [1, 0, 1]);
});

test("tokens that a worker still holds are held again", () => {
  const race = new Race("burst: 5000", "burst: 3", 3);
  // One is taken, and five ahead, of which two are left.
  for (let count = 0; count < 4; count++) assert.equal(race.admits(0, "/a"), true);
  assert.equal(
    race.interrupt(() => assert.equal(race.drain(1, "/b"), 3)),
    false,
  );
  assert.equal(race.drain(0, "/a") + race.drain(1, "/a"), 5000 - 4);
});

test("a lost race while giving back is run again", () => {
  const race = new Race("burst: 5", "burst: 1");
  let sets = 0;
  race.shared.onSet = () => {
    if (++sets === 1) assert.equal(race.admits(1, "/b"), true);
  };
  const { hosts } = race.workers;
  hosts[0]!.faults = [{ call: "set_shared_data", nth: 2, result: WasmResult.CasMismatch }];
  assert.equal(race.admits(0, "/both"), false);
  race.shared.onSet = undefined;
  hosts[0]!.faults = [];
  assert.equal(race.drain(1, "/a"), 5);
});
