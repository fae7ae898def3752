/** Slots of requests that wait for their fleet: who is admitted in the end holds what its rule asks for, and nothing else. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { WasmResult } from "../../scripts/host/abi.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { Fleet } from "../support/fleet.ts";
import { recordOf } from "../support/plugin.ts";
import { ok, over } from "../support/ratelimit.ts";
import { outcomeOf } from "../support/workers.ts";

const limits =
  "x: { rate: 8/m, scope: fleet }, first: { concurrency: 1 }, open: { concurrency: 1 }, z: { rate: 1/h, burst: 1 }";
const rules = `  - { name: a, callers: [any], allow: [GET /a], limit: first }
  - { name: b, callers: [any], allow: [GET /a, GET /b], limit: [x, open] }
  - { name: c, callers: [any], allow: [GET /c], limit: open }
  - { name: d, callers: [any], allow: [GET /d], limit: first }
`;

class Streams extends Fleet {
  constructor() {
    super({ limits, rules });
    // A host that tells of the ends of streams may have several wait.
    this.tick(0);
    this.end(this.open("/c"));
  }

  open(path: string): Outcome {
    return this.get(path, "spiffe://example.org/web", 0, true);
  }

  end({ context }: Outcome): void {
    this.hosts[0]!.deleteContext(context);
  }

  /** Whether a stream of a rule is admitted now; it ends at once. */
  admits(path: string): boolean {
    const outcome = this.open(path);
    this.end(outcome);
    return outcome.action === "continue";
  }
}

describe("a request that has waited for its fleet", () => {
  test("holds its slot, although another rule had none in between", () => {
    const fleet = new Streams();
    fleet.open("/d");
    const outcome = fleet.open("/a");
    assert.equal(outcomeOf(outcome), "waits");
    fleet.tell([ok]);
    assert.deepEqual([outcomeOf(outcome), recordOf(outcome).rule], ["allowed", "b"]);
    assert.equal(fleet.admits("/c"), false, "its slot is taken");
    fleet.end(outcome);
    assert.equal(fleet.admits("/c"), true);
  });

  test("keeps none of the rule that waited where another one admits it in the end", () => {
    const fleet = new Streams();
    const before = fleet.open("/d");
    const outcome = fleet.open("/a");
    fleet.end(before);
    fleet.tell([ok]);
    assert.deepEqual([outcomeOf(outcome), recordOf(outcome).rule], ["allowed", "a"]);
    assert.equal(fleet.admits("/c"), true, "the slot of the rule that waited is free");
    assert.equal(fleet.admits("/d"), false, "that of the rule that admits is taken");
  });

  test("holds none where it is refused, or ends while it waits", () => {
    const fleet = new Streams();
    const refused = fleet.open("/b");
    fleet.tell([over(3)]);
    assert.equal(outcomeOf(refused), "limit_exceeded");
    assert.equal(fleet.admits("/c"), true);
    const gone = fleet.open("/b");
    assert.equal(fleet.admits("/c"), false, "while it waits it has its slot");
    fleet.end(gone);
    assert.equal(fleet.admits("/c"), true);
  });

  test("that the host does not let go on holds none", () => {
    const fleet = new Streams();
    const outcome = fleet.open("/b");
    fleet.hosts[0]!.faults = [{ call: "continue_stream", result: WasmResult.InternalFailure }];
    fleet.tell([ok]);
    fleet.hosts[0]!.faults = [];
    assert.equal(outcomeOf(outcome), "internal");
    assert.equal(fleet.admits("/c"), true);
  });
});
