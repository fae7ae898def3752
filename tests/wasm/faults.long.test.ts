/** Every host call failing in turn: whatever the host refuses, the request is denied with 503 and the VM lives on. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import type { Fault } from "../../scripts/host/faults.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { assertInternal, markOf, recordOf, TestPlugin } from "../support/plugin.ts";
import { imageOf, Workers } from "../support/workers.ts";

const failures = [
  WasmResult.InternalFailure,
  WasmResult.BadArgument,
  WasmResult.Unimplemented,
  WasmResult.InvalidMemoryAccess,
];

interface Scene {
  name: string;
  policy: string;
  ask: (plugin: TestPlugin) => Outcome;
}

const edge = "spiffe://example.org/edge";
const digest = "a1".repeat(32);

/** Admitted requests, which together make every call that the engine has. */
const scenes: Scene[] = [
  {
    name: "an admitted request",
    policy: "shop",
    ask: (plugin) => plugin.request({ token: plugin.token({ sub: "a", scope: "orders:write" }) }),
  },
  {
    name: "an admitted anonymous request",
    policy: "shop",
    ask: (plugin) => plugin.request({ caller: null, method: "GET", path: "/healthz" }),
  },
  {
    name: "a condition on the caller's address",
    policy: "conditions",
    ask: (plugin) =>
      plugin.request({
        method: "GET",
        path: "/source-ip",
        source: "127.0.0.1",
        token: plugin.token({ a: "127.0.0.1" }),
      }),
  },
  {
    name: "a caller that a gateway tells of, and headers for the upstream",
    policy: "gateway",
    ask: (plugin) =>
      plugin.request(
        {
          method: "GET",
          path: "/orders",
          headers: [
            ["x-forwarded-client-cert", `URI=spiffe://example.org/mobile,Hash=${digest};URI=${edge}`],
            ["x-user", "root"],
          ],
        },
        {
          properties: {
            "connection.uri_san_peer_certificate": edge,
            "connection.sha256_peer_certificate_digest": digest,
          },
        },
      ),
  },
];

for (const { name, policy, ask } of scenes) {
  describe(name, () => {
    const admitted = ask(new TestPlugin(policy));
    assert.equal(admitted.action, "continue", JSON.stringify(admitted.filterState.get("sallyport")));
    const { calls } = admitted;
    calls.forEach((call, index) => {
      test(`call ${index + 1}, ${call.name}, fails`, () => {
        for (const result of failures) {
          const plugin = new TestPlugin(policy);
          plugin.host.faults = [{ nth: index + 1, result }];
          const what = `${call.name} returns ${result}`;
          assertInternal(ask(plugin), what);
          plugin.host.faults = [];
          assert.equal(ask(plugin).action, "continue", `after ${what} the next request is admitted`);
        }
      });
    });

    test("two calls fail: it goes no further, and what the record says of it opens nothing", () => {
      // A failure makes calls of its own: another record, counters, an answer.
      const last = calls.length + 6;
      for (let first = 1; first <= calls.length; first++) {
        for (let second = first + 1; second <= last; second++) {
          const plugin = new TestPlugin(policy);
          const result = WasmResult.InternalFailure;
          plugin.host.faults = [first, second].map((nth) => ({ nth, result }));
          const outcome = ask(plugin);
          const what = `calls ${first} and ${second} fail`;
          assert.equal(outcome.trapped, false, what);
          assert.equal(outcome.action, "pause", what);
          // An answer ends a request's way through the filters, so the enforcement check never sees the record.
          if (markOf(outcome) === true) assert.equal(outcome.localResponse?.requestedStatus, 503, what);
        }
      }
    });

    test("every kind of call fails, always", () => {
      for (const call of new Set(calls.map((one) => one.name))) {
        for (const result of failures) {
          const plugin = new TestPlugin(policy);
          plugin.host.faults = [{ call, result }];
          assertInternal(ask(plugin), `every ${call} returns ${result}`);
        }
      }
    });
  });
}

test("a denial stays a denial whatever fails, and never traps", () => {
  const probe = new TestPlugin("shop").request({ caller: "spiffe://example.org/billing" });
  for (let nth = 1; nth <= probe.calls.length; nth++) {
    for (const result of failures) {
      const plugin = new TestPlugin("shop");
      plugin.host.faults = [{ nth, result }];
      const outcome = plugin.request({ caller: "spiffe://example.org/billing" });
      assert.equal(outcome.trapped, false);
      assert.equal(outcome.action, "pause", `call ${nth}`);
      assert.notEqual(markOf(outcome), true);
    }
  }
});

test("everything fails", () => {
  for (const result of failures) {
    const plugin = new TestPlugin("shop");
    plugin.host.faults = [{ result }];
    const outcome = plugin.order();
    assert.equal(outcome.trapped, false);
    assert.equal(outcome.action, "pause");
  }
});

/** What a call that fails is called in record and metrics, where that is not its own name. */
const causes: Record<string, string> = { get_current_time_nanoseconds: "get_current_time" };

test("no failure is counted as an admission, and each is counted by name", () => {
  const ask = (plugin: TestPlugin) => plugin.order({ token: plugin.token({ sub: "a", scope: "orders:write" }) });
  const { calls } = ask(new TestPlugin("shop"));
  for (const [index, { name }] of calls.entries()) {
    const plugin = new TestPlugin("shop");
    plugin.host.faults = [{ nth: index + 1, result: WasmResult.InternalFailure }];
    ask(plugin);
    const metrics = plugin.host.metrics();
    const what = `call ${index + 1}, ${name}`;
    assert.equal(metrics.get("sallyport_requests.policy.shop;.decision.allow"), 0n, what);
    assert.equal(metrics.get("sallyport_requests.policy.shop;.decision.deny"), 1n, what);
    assert.equal(metrics.get("sallyport_denials.policy.shop;.reason.internal"), 1n, what);
    assert.equal(metrics.get(`sallyport_failures.policy.shop;.cause.${causes[name] ?? name}`), 1n, what);
  }
});

test("an answer that cannot be sent is tried once more, plainly, and counted by name", () => {
  const plugin = new TestPlugin("shop");
  plugin.host.faults = [{ call: "send_local_response", nth: 1, result: WasmResult.InternalFailure }];
  const outcome = plugin.request({ caller: "spiffe://example.org/billing" });
  assert.equal(outcome.action, "pause");
  assert.equal(outcome.localResponse?.requestedStatus, 503);
  assert.equal(plugin.host.metrics().get("sallyport_failures.policy.shop;.cause.send_local_response"), 1n);
});

test("a policy in shadow mode lets a request through that it cannot record, but none that it cannot mark", () => {
  const unrecorded = new TestPlugin("shadow");
  unrecorded.host.faults = [{ call: "set_property", nth: 2, result: WasmResult.InternalFailure }];
  assert.equal(unrecorded.request({ caller: "spiffe://example.org/x", path: "/two" }).action, "continue");
  const unmarked = new TestPlugin("shadow");
  unmarked.host.faults = [{ call: "set_property", nth: 1, result: WasmResult.InternalFailure }];
  assertInternal(unmarked.request({ caller: "spiffe://example.org/x", path: "/two" }), "the mark cannot be set");
});

test("a host without verify_signature denies by name", () => {
  const plugin = new TestPlugin("shop");
  plugin.host.faults = [{ call: "call_foreign_function", result: WasmResult.NotFound }];
  assertInternal(plugin.order(), "verify_signature is absent");
});

describe("what fails for a rule in shadow mode", () => {
  const policy = `version: 1
name: shop
trust: { domains: [example.org] }
limits: { few: { rate: 1/m, burst: 1, per: [caller] } }
rules:
  - { name: one, callers: [any], allow: [GET /one] }
  - { name: two, callers: [any], allow: [GET /two], when: source.ip == '10.0.0.1' }
  - { name: three, callers: [any], allow: [GET /one, GET /two], limit: few, mode: shadow }
`;
  const image = imageOf(policy);
  const limit: Fault = { call: "get_shared_data", result: WasmResult.InternalFailure };
  const address: Fault = { call: "get_property", nth: 2, result: WasmResult.InternalFailure };
  const ask = (path: string, faults: Fault[]) => {
    const workers = new Workers(image, 1);
    const host = workers.hosts[0]!;
    host.faults = faults;
    const caller = "spiffe://example.org/x";
    const request = { caller, source: "10.0.0.1", method: "GET", path, host: "h", headers: [], token: null };
    const outcome = host.request(workers.roots[0]!, hostRequest(request));
    const counted = [...host.metrics()].filter(
      ([name, value]) => name.startsWith("sallyport_failures.") && value !== 0n,
    );
    return { record: recordOf(outcome), causes: counted.map(([name]) => name.split(".cause.")[1]) };
  };

  test("is no failure of a request that is admitted", () => {
    const { record, causes } = ask("/one", [limit]);
    assert.deepEqual([record.decision, record.rule, record.cause], ["allow", "one", undefined]);
    assert.deepEqual(record.shadow, [{ rule: "three", decision: "deny", reason: "internal" }]);
    assert.deepEqual(causes, []);
  });

  test("does not hide what failed for the decision", () => {
    const { record, causes } = ask("/two", [address, limit]);
    assert.deepEqual([record.reason, record.rule, record.cause], ["internal", "two", "get_property"]);
    assert.deepEqual(record.shadow, [{ rule: "three", decision: "deny", reason: "internal" }]);
    assert.deepEqual(causes, ["get_property"]);
  });
});
