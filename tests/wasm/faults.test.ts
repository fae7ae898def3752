/** Every host call failing in turn: whatever the host refuses, the request is denied with 503 and the VM lives on. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DoorRequest } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import { assertInternal, Door } from "./door.ts";

const failures = [
  WasmResult.InternalFailure,
  WasmResult.BadArgument,
  WasmResult.Unimplemented,
  WasmResult.InvalidMemoryAccess,
];

/** Calls whose absence is an answer of its own: a missing property, an empty bucket. */
const scenes: { name: string; request: (door: Door) => Partial<DoorRequest> }[] = [
  { name: "an admitted request", request: (door) => ({ token: door.token({ sub: "a", scope: "orders:write" }) }) },
  { name: "an admitted anonymous request", request: () => ({ caller: null, method: "GET", path: "/healthz" }) },
];

for (const { name, request } of scenes) {
  describe(name, () => {
    const { calls } = (() => {
      const door = new Door("shop");
      return door.request(request(door));
    })();
    calls.forEach((call, index) => {
      test(`call ${index + 1}, ${call.name}, fails`, () => {
        for (const result of failures) {
          const door = new Door("shop");
          door.host.faults = [{ nth: index + 1, result }];
          const what = `${call.name} returns ${result}`;
          assertInternal(door.request(request(door)), what);
          door.host.faults = [];
          assert.equal(door.request(request(door)).action, "continue", `after ${what} the next request is admitted`);
        }
      });
    });

    test("every kind of call fails, always", () => {
      for (const call of new Set(calls.map((one) => one.name))) {
        for (const result of failures) {
          const door = new Door("shop");
          door.host.faults = [{ call, result }];
          assertInternal(door.request(request(door)), `every ${call} returns ${result}`);
        }
      }
    });
  });
}

test("a denial stays a denial whatever fails, and never traps", () => {
  const probe = new Door("shop").request({ caller: "spiffe://example.org/billing" });
  for (let nth = 1; nth <= probe.calls.length; nth++) {
    for (const result of failures) {
      const door = new Door("shop");
      door.host.faults = [{ nth, result }];
      const outcome = door.request({ caller: "spiffe://example.org/billing" });
      assert.equal(outcome.trapped, false);
      assert.equal(outcome.action, "pause", `call ${nth}`);
      assert.equal(outcome.filterState.has("verdict"), false);
    }
  }
});

test("everything fails", () => {
  for (const result of failures) {
    const door = new Door("shop");
    door.host.faults = [{ result }];
    const outcome = door.order();
    assert.equal(outcome.trapped, false);
    assert.equal(outcome.action, "pause");
  }
});

test("no failure is counted as an admission, and each is counted by name", () => {
  const door = new Door("shop");
  door.host.faults = [{ call: "get_header_map_pairs", result: WasmResult.InternalFailure }];
  door.order();
  const metrics = door.host.metrics();
  assert.equal(metrics.get("sallyport_requests.policy.shop.decision.allow"), 0n);
  assert.equal(metrics.get("sallyport_denials.policy.shop.reason.internal"), 1n);
  assert.equal(metrics.get("sallyport_failures.policy.shop.cause.get_header_map_pairs"), 1n);
});

test("a host without verify_signature denies by name", () => {
  const door = new Door("shop");
  door.host.faults = [{ call: "call_foreign_function", result: WasmResult.NotFound }];
  assertInternal(door.order(), "verify_signature is absent");
});
