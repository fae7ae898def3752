/** Counts: gathered in the module, handed over by a tick or as their policy ends, and at once where nothing would hand them over. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { count_tick_milliseconds } from "../../assembly/limits.ts";
import { pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import type { HostCall } from "../../scripts/host/context.ts";
import type { HostOptions, Outcome } from "../../scripts/host/plugin.ts";
import { assertInternal, callNames, recordOf, TestPlugin } from "../support/plugin.ts";

const readings = [
  "get_property connection.uri_san_peer_certificate",
  "get_header_map_pairs",
  "get_current_time_nanoseconds",
];
const record = "set_property sallyport";
const refused = { call: "increment_metric", result: WasmResult.InternalFailure };

/** A policy under which counts are gathered: its host has shown that it tells of ends, and that it ticks. */
function gathering(policy = "shop", options: HostOptions = {}): TestPlugin {
  const plugin = new TestPlugin(policy, options);
  healthz(plugin);
  healthz(plugin);
  plugin.host.tick(plugin.root);
  return plugin;
}

const healthz = (plugin: TestPlugin, root = plugin.root): Outcome =>
  plugin.host.request(root, {
    headers: [
      [":method", "GET"],
      [":path", "/healthz"],
      [":authority", "orders.example.org"],
    ],
  });
const denied = (plugin: TestPlugin): Outcome => plugin.request({ caller: "spiffe://example.org/billing" });
const requests = (plugin: TestPlugin, decision: string): bigint =>
  plugin.host.metrics().get(`sallyport_requests.policy.shop;.decision.${decision}`)!;
const increments = (calls: readonly HostCall[]): string[] => callNames(calls).filter((call) => /^increment/.test(call));
const asksForTick = ({ calls }: Outcome): boolean => calls.some(({ name }) => name === "set_tick_period_milliseconds");

describe("gathered", () => {
  test("an admitted request costs four host calls, a denied one its answer besides", () => {
    const plugin = gathering();
    assert.deepEqual(callNames(healthz(plugin).calls), [...readings, record, "set_tick_period_milliseconds"]);
    assert.deepEqual(callNames(healthz(plugin).calls), [...readings, record]);
    assert.deepEqual(callNames(denied(plugin).calls), [...readings, record, "send_local_response"]);
  });

  test("counts are handed over by one tick, each counter in one call, decisions last; then nothing ticks any more", () => {
    const plugin = gathering();
    for (let count = 0; count < 5; count++) healthz(plugin);
    for (let count = 0; count < 3; count++) denied(plugin);
    assert.deepEqual([requests(plugin, "allow"), requests(plugin, "deny")], [2n, 0n]);
    assert.equal(plugin.host.tickPeriodMs(plugin.root), count_tick_milliseconds);
    const { calls } = plugin.host.tick(plugin.root);
    assert.deepEqual(callNames(calls), [
      "increment_metric sallyport_rules.policy.shop;.rule.health;.decision.allow",
      "increment_metric sallyport_denials.policy.shop;.reason.no_rule",
      "increment_metric sallyport_requests.policy.shop;.decision.deny",
      "increment_metric sallyport_requests.policy.shop;.decision.allow",
      "set_tick_period_milliseconds",
    ]);
    assert.deepEqual([requests(plugin, "allow"), requests(plugin, "deny")], [7n, 3n]);
    assert.equal(plugin.host.timers, 0);
    assert.deepEqual(plugin.host.tick(plugin.root).calls, []);
  });

  test("the first count after a tick asks for the next", () => {
    const plugin = gathering();
    for (let second = 0; second < 3; second++) {
      assert.deepEqual([healthz(plugin), healthz(plugin), healthz(plugin)].map(asksForTick), [true, false, false]);
      assert.equal(increments(plugin.host.tick(plugin.root).calls).length, 2);
    }
    assert.equal(requests(plugin, "allow"), 11n);
  });

  test("what tokens, conditions and caches count is gathered too", () => {
    const plugin = gathering();
    const token = plugin.token({ sub: "alice", scope: "orders:write" });
    const outcomes = [
      plugin.order({ token }),
      plugin.order({ token }),
      plugin.request({}),
      plugin.order({ token: "x.y.z" }),
    ];
    assert.deepEqual(
      outcomes.flatMap(({ calls }) => increments(calls)),
      [],
    );
    plugin.host.tick(plugin.root);
    const metrics = plugin.host.metrics();
    const value = (name: string) => metrics.get(`sallyport_${name.replace(".", ".policy.shop;.")}`);
    assert.deepEqual(
      ["cached_tokens.result.miss", "cached_tokens.result.hit", "rules.rule.checkout-orders;.decision.deny"].map(value),
      [2n, 1n, 2n],
    );
    assert.deepEqual([requests(plugin, "allow"), requests(plugin, "deny")], [4n, 2n]);
  });

  for (const fault of ["get_property", "get_header_map_pairs", "get_current_time_nanoseconds", "set_property"]) {
    test(`a request whose ${fault} fails is denied, and counted by the next tick with its cause`, () => {
      for (const result of [WasmResult.InternalFailure, WasmResult.BadArgument, WasmResult.InvalidMemoryAccess]) {
        const plugin = gathering();
        plugin.host.faults = [{ call: fault, result }];
        assertInternal(healthz(plugin), fault);
        plugin.host.faults = [];
        plugin.host.tick(plugin.root);
        const cause = fault === "get_current_time_nanoseconds" ? "get_current_time" : fault;
        assert.equal(plugin.host.metrics().get(`sallyport_failures.policy.shop;.cause.${cause}`), 1n);
        assert.deepEqual([requests(plugin, "allow"), requests(plugin, "deny")], [2n, 1n]);
      }
    });
  }
});

describe("a policy ends", () => {
  test("what it has counted is handed over, and nothing ticks any more", () => {
    const plugin = gathering();
    healthz(plugin);
    denied(plugin);
    const calls = callNames(plugin.host.deleteContext(plugin.root));
    assert.equal(calls[0], "set_tick_period_milliseconds");
    assert.equal(calls.at(-1), "increment_metric sallyport_requests.policy.shop;.decision.allow");
    assert.deepEqual([requests(plugin, "allow"), requests(plugin, "deny")], [3n, 1n]);
    assert.equal(plugin.host.timers, 0);
  });

  test("while another drains: each hands over its own, by its own ticks", () => {
    const plugin = gathering();
    const { rootContext } = plugin.host.startPlugin(pluginConfiguration(plugin.policy.standInImage));
    healthz(plugin, rootContext);
    healthz(plugin);
    plugin.host.tick(rootContext);
    healthz(plugin, rootContext);
    assert.equal(requests(plugin, "allow"), 3n, "the new one has not counted its first request later");
    plugin.host.tick(plugin.root);
    assert.equal(requests(plugin, "allow"), 4n);
    healthz(plugin);
    plugin.host.deleteContext(plugin.root);
    assert.equal(requests(plugin, "allow"), 5n);
    plugin.host.tick(rootContext);
    assert.equal(requests(plugin, "allow"), 6n);
    assert.equal(plugin.host.timers, 0);
  });

  test("and the host takes no counts: the log says how many are lost", () => {
    const plugin = gathering();
    healthz(plugin);
    healthz(plugin);
    plugin.host.faults = [refused];
    plugin.host.deleteContext(plugin.root);
    const { level, message } = plugin.host.logs.at(-1)!;
    assert.deepEqual([level, message], [4, "sallyport: the host refused 4 counts of policy shop, which is gone"]);
  });
});

describe("at once", () => {
  /** All counted with the request, for as long as it may take. */
  function assertAtOnce(plugin: TestPlugin): Outcome[] {
    const outcomes = Array.from({ length: 5 }, () => {
      const outcome = healthz(plugin);
      assert.equal(increments(outcome.calls).length, 2);
      plugin.host.tick(plugin.root);
      return outcome;
    });
    assert.equal(requests(plugin, "allow"), 5n);
    return outcomes;
  }

  test("where the host does not tell of the end of contexts, and no tick is asked for", () => {
    const plugin = new TestPlugin("shop", { deniedExports: ["proxy_on_delete"] });
    assert.equal(assertAtOnce(plugin).some(asksForTick), false);
  });

  test("where the host does not tick", () => {
    assertAtOnce(new TestPlugin("shop", { deniedExports: ["proxy_on_tick"] }));
  });

  test("where the host lets no period be set, which is asked for once", () => {
    const plugin = new TestPlugin("shop", {
      faults: [{ call: "set_tick_period_milliseconds", result: WasmResult.InternalFailure }],
    });
    assert.deepEqual(assertAtOnce(plugin).map(asksForTick), [false, true, false, false, false]);
  });

  test("where the host stops taking periods", () => {
    const plugin = gathering();
    plugin.host.faults = [{ call: "set_tick_period_milliseconds", result: WasmResult.InternalFailure }];
    assert.equal(increments(healthz(plugin).calls).length, 2);
  });

  test("a timer that the host does not stop is used again", () => {
    const plugin = gathering();
    healthz(plugin);
    plugin.host.faults = [{ call: "set_tick_period_milliseconds", result: WasmResult.InternalFailure }];
    plugin.host.tick(plugin.root);
    assert.equal(asksForTick(healthz(plugin)), false);
    plugin.host.tick(plugin.root);
    assert.equal(requests(plugin, "allow"), 4n);
  });
});

describe("the host refuses counts", () => {
  test("what is gathered is kept, requests are denied by name, and nothing is lost once it takes counts again", () => {
    const plugin = gathering();
    for (let count = 0; count < 3; count++) healthz(plugin);
    plugin.host.faults = [refused];
    plugin.host.tick(plugin.root);
    assert.equal(plugin.host.tickPeriodMs(plugin.root), count_tick_milliseconds, "it is tried again");
    const outcome = healthz(plugin);
    assertInternal(outcome, "what cannot be counted does not pass");
    assert.equal(recordOf(outcome).cause, "increment_metric");
    plugin.host.tick(plugin.root);
    plugin.host.faults = [];
    assert.equal(
      increments(healthz(plugin).calls).length > 2,
      true,
      "what was kept is handed over with the first that passes",
    );
    assert.deepEqual([requests(plugin, "allow"), requests(plugin, "deny")], [5n, 1n]);
    assert.equal(plugin.host.metrics().get("sallyport_denials.policy.shop;.reason.internal"), 1n);
    assert.ok(plugin.host.metrics().get("sallyport_failures.policy.shop;.cause.increment_metric")! >= 1n);
    healthz(plugin);
    plugin.host.tick(plugin.root);
    assert.equal(requests(plugin, "allow"), 7n);
    assert.equal(plugin.host.timers, 0);
  });

  test("in the middle of handing over: each counter is handed over once", () => {
    for (let nth = 1; nth <= 4; nth++) {
      const plugin = gathering();
      for (let count = 0; count < 3; count++) healthz(plugin);
      denied(plugin);
      plugin.host.faults = [{ ...refused, nth }];
      plugin.host.tick(plugin.root);
      plugin.host.faults = [];
      plugin.host.tick(plugin.root);
      assert.deepEqual([requests(plugin, "allow"), requests(plugin, "deny")], [5n, 1n]);
      assert.equal(plugin.host.metrics().get("sallyport_rules.policy.shop;.rule.health;.decision.allow"), 5n);
      assert.equal(plugin.host.metrics().get("sallyport_failures.policy.shop;.cause.increment_metric"), 1n);
    }
  });

  test("in shadow mode requests pass, and are counted later", () => {
    const plugin = new TestPlugin("shadow");
    plugin.host.faults = [refused];
    assert.equal(plugin.request({ method: "GET", path: "/two" }).action, "continue");
    plugin.host.faults = [];
    assert.equal(plugin.request({ method: "GET", path: "/two" }).action, "continue");
    const decisions = [...plugin.host.metrics()].filter(([name]) => name.startsWith("sallyport_requests."));
    assert.equal(
      decisions.reduce((sum, [, value]) => sum + value, 0n),
      2n,
    );
  });
});
