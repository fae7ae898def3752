/** Configurations that drain: what they keep meanwhile, what they give up for newer ones, and what their end gives back. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { known_tokens_bytes_max, policies_with_known_tokens_max } from "../../assembly/limits.ts";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import { type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { page_bytes } from "../../scripts/policy/module/wasm.ts";
import { envoy_memory_bytes, withoutExport, withRoom } from "../support/modules.ts";
import { engine, policyNamed, TestPlugin } from "../support/plugin.ts";
import { fetchingPolicy, imageOf } from "../support/workers.ts";

const request = {
  caller: "spiffe://example.org/checkout-service",
  source: "10.1.2.3",
  method: "POST",
  path: "/orders",
  host: "orders.example.org",
  headers: [],
  token: null as string | null,
};

const shop = pluginConfiguration(policyNamed("shop").standInImage);
const mebibyte = 2 ** 20;
const isVerified = ({ calls }: Outcome) => calls.some(({ name }) => name === "call_foreign_function");

/** Puts the shop's policy in force once more, while the others drain. */
function reload(host: PluginHost): number {
  const { ok, rootContext, logs } = host.startPlugin(shop);
  assert.equal(ok, true);
  // One line, at level warning where no policy of the host was in force, else at level info.
  const said = logs.map(({ message }) => message).join("\n");
  assert.equal(logs.length, 1, said);
  assert.ok([2, 3].includes(logs[0]!.level), said);
  return rootContext;
}

describe("600 reloads while a stream is open under each", () => {
  const plugin = new TestPlugin("shop");
  const host = PluginHost.load(withRoom(engine, envoy_memory_bytes - 4 * mebibyte));
  const healthz = hostRequest({ ...request, method: "GET", path: "/healthz" });
  const before = host.memoryBytes;
  const open: { root: number; stream: number }[] = [];
  for (let count = 0; count < 600; count++) {
    const root = reload(host);
    const stream = host.request(root, { ...healthz, keepOpen: true });
    assert.equal(stream.action, "continue", `reload ${count}`);
    open.push({ root, stream: stream.context });
  }

  test("the oldest and the newest decide as they did", () => {
    const token = plugin.token({ sub: "alice", scope: "orders:write" });
    for (const { root } of [open[0]!, open[300]!, open[599]!]) {
      const ask = (token: string | null) => host.request(root, hostRequest({ ...request, token }));
      host.clock = plugin.host.clock;
      assert.equal(ask(token).action, "continue");
      assert.equal(ask(token).action, "continue");
      assert.equal(ask(null).action, "pause");
      assert.equal(ask(`${token.slice(0, -4)}AAAA`).action, "pause");
    }
  });

  test("each takes two pages, and the newest what they know of tokens", () => {
    const most =
      600 * 2 * page_bytes + policies_with_known_tokens_max * (known_tokens_bytes_max + page_bytes) + 8 * mebibyte;
    assert.ok(host.memoryBytes - before <= most, `${host.memoryBytes - before} bytes, at most ${most}`);
  });

  test("their end gives all of it back", () => {
    for (const { root, stream } of open.splice(0, 599)) {
      host.deleteContext(stream);
      host.deleteContext(root);
    }
    const { memoryBytes } = host;
    for (let count = 0; count < 600; count++) host.deleteContext(reload(host));
    for (let count = 0; count < 500; count++) reload(host);
    assert.equal(host.memoryBytes, memoryBytes);
  });
});

describe("known tokens", () => {
  test("are kept by the newest policies alone; an older one verifies each token anew, and no bad one is admitted", () => {
    const plugin = new TestPlugin("shop");
    const token = plugin.token({ sub: "alice", scope: "orders:write" });
    for (let count = 1; count < policies_with_known_tokens_max; count++) reload(plugin.host);
    plugin.order({ token });
    assert.equal(isVerified(plugin.order({ token })), false);
    const newest = reload(plugin.host);
    for (let again = 0; again < 3; again++) {
      const outcome = plugin.order({ token });
      assert.deepEqual([outcome.action, isVerified(outcome)], ["continue", true]);
    }
    assert.equal(plugin.order({ token: `${token.slice(0, -4)}AAAA` }).action, "pause");
    plugin.host.deleteContext(newest);
    reload(plugin.host);
    assert.equal(isVerified(plugin.order({ token })), true);
  });

  test("are kept again once newer configurations are gone, from the next one on", () => {
    const plugin = new TestPlugin("shop");
    const token = plugin.token({ sub: "alice", scope: "orders:write" });
    const roots = Array.from({ length: policies_with_known_tokens_max }, () => reload(plugin.host));
    for (const root of roots) plugin.host.deleteContext(root);
    reload(plugin.host);
    assert.deepEqual(
      [plugin.order({ token }), plugin.order({ token })].map((outcome) => [outcome.action, isVerified(outcome)]),
      [
        ["continue", true],
        ["continue", false],
      ],
    );
  });

  test("give way where there is no memory for a newer policy, which goes without rather than not at all", () => {
    // Room for two policies and the tokens of one.
    const plugin = new TestPlugin("shop", {}, withRoom(engine, 2.5 * mebibyte));
    const token = plugin.token({ sub: "alice", scope: "orders:write" });
    const ask = (root: number) => plugin.host.request(root, hostRequest({ ...request, token }));
    plugin.order({ token });
    assert.equal(isVerified(plugin.order({ token })), false);
    const newest = reload(plugin.host);
    ask(newest);
    assert.equal(isVerified(ask(newest)), false);
    assert.equal(isVerified(plugin.order({ token })), true);
    const small = new TestPlugin("shop", {}, withRoom(engine, 1 * mebibyte));
    for (let again = 0; again < 2; again++) {
      const outcome = small.order({ token });
      assert.deepEqual([outcome.action, isVerified(outcome)], ["continue", true]);
    }
  });
});

describe("the end of a configuration", () => {
  const fetching = pluginConfiguration(imageOf(fetchingPolicy()));

  test("gives its memory back at once, and stops its timer", () => {
    const host = PluginHost.load(engine, { clusters: ["idp"] });
    const first = host.startPlugin(fetching).rootContext;
    const second = host.startPlugin(fetching).rootContext;
    const { memoryBytes } = host;
    for (let count = 0; count < 100; count++) {
      const started = host.startPlugin(fetching);
      assert.equal(started.ok, true);
      assert.equal(host.timers, 3);
      host.tick(started.rootContext);
      const calls = host.deleteContext(started.rootContext).map(({ name, args }) => `${name} ${args.join()}`);
      assert.ok(calls.includes("set_tick_period_milliseconds 0"), calls.join("\n"));
      assert.equal(host.tick(started.rootContext).calls.length, 0);
    }
    assert.ok(host.memoryBytes - memoryBytes <= 3 * mebibyte, `${host.memoryBytes - memoryBytes} bytes`);
    host.deleteContext(first);
    host.deleteContext(second);
    assert.equal(host.timers, 0);
  });

  test("takes it out of force, and makes no other call where nothing ticks; nor does the end of a stream", () => {
    const plugin = new TestPlugin("shop");
    const { context } = plugin.order({});
    assert.deepEqual(plugin.host.deleteContext(context), []);
    const calls = plugin.host.deleteContext(plugin.root).map(({ name, args }) => [name, String(args[0]).split(".")[0]]);
    assert.deepEqual(calls, [["record_metric", "sallyport_policy_info"]]);
  });

  test("has its requests denied, and its ticks and answers do nothing", () => {
    const host = PluginHost.load(engine, { clusters: ["idp"] });
    const { rootContext } = host.startPlugin(fetching);
    host.tick(rootContext);
    // A host that deletes a root context under its streams, which Envoy does not.
    host.callTool("proxy_on_context_create", [77, rootContext]);
    host.callTool("proxy_on_delete", [rootContext]);
    assert.equal(host.callTool("proxy_on_request_headers", [77, 0, 1]).result, 1);
    assert.equal(host.tick(rootContext).trapped, false);
    assert.equal(host.answer(host.calls[0]!.token, { status: 200, body: '{"keys":[]}' }).trapped, false);
    assert.equal(host.failed, false);
  });

  test("is found out at the next configuration where the host does not tell", () => {
    const host = PluginHost.load(withoutExport(engine, "proxy_on_delete"));
    let root = reload(host);
    const again = (times: number) => {
      for (let count = 0; count < times; count++) {
        const next = reload(host);
        host.deleteContext(root);
        root = next;
      }
    };
    again(10);
    const { memoryBytes } = host;
    again(100);
    assert.equal(host.memoryBytes, memoryBytes);
  });

  test("a host that does not let the effective context be set leaves nothing behind either", () => {
    const host = PluginHost.load(engine, {
      faults: [{ call: "set_effective_context", result: WasmResult.InternalFailure }],
    });
    reload(host);
    const { memoryBytes } = host;
    for (let count = 0; count < 50; count++) host.deleteContext(reload(host));
    assert.ok(host.memoryBytes - memoryBytes <= 3 * mebibyte);
  });
});
