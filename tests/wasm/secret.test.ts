/** The secret of an Envoy's tables (assembly/host/secret.ts): drawn once, shared, kept, and never missing without a word. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import { type HostOptions, PluginHost } from "../../scripts/host/plugin.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { engine, policyNamed, TestPlugin } from "../support/plugin.ts";
import { bucketKeys, secretKey } from "../support/secret.ts";

const asked = { source: "10.0.0.1", host: "h", headers: [], token: null };
const slow = { caller: "spiffe://example.org/x", method: "GET", path: "/slow" };

function start(options: HostOptions) {
  const host = PluginHost.load(engine, options);
  const started = host.startPlugin(pluginConfiguration(policyNamed("limits").standInImage));
  const log = started.logs.map(({ message }) => message).join("\n");
  const request = () => host.request(started.rootContext, hostRequest({ ...asked, ...slow }));
  return { ok: started.ok, trapped: started.trapped, log, request };
}

const secretIn = (sharedData: SharedData): string => Buffer.from(sharedData.get(secretKey)!.value).toString("hex");

describe("the secret", () => {
  test("is drawn once in an Envoy, and is another in another", () => {
    const [one, two] = [new SharedData(), new SharedData()];
    const plugin = new TestPlugin("limits", { sharedData: one });
    const secret = secretIn(one);
    assert.equal(secret.length, 32);
    const second = new TestPlugin("limits", { sharedData: one });
    assert.equal(secretIn(one), secret, "a second worker takes it over");
    new TestPlugin("limits", { sharedData: two });
    assert.notEqual(secretIn(two), secret);
    plugin.request(slow);
    second.request(slow);
    assert.equal(bucketKeys(one).length, 1, "both look in one set");
  });

  test("places the same keys alike on all workers of an Envoy, and differently in each Envoy", () => {
    const places = (plugin: TestPlugin): string[] => {
      for (let number = 0; number < 200; number++) {
        plugin.request({ ...slow, caller: `spiffe://example.org/${number}` });
      }
      return bucketKeys(plugin.host.sharedData);
    };
    const [one, two] = [new SharedData(), new SharedData()];
    const first = places(new TestPlugin("limits", { sharedData: one }));
    assert.deepEqual(places(new TestPlugin("limits", { sharedData: one })), first, "no set that the other has not");
    const others = new Set(places(new TestPlugin("limits", { sharedData: two })));
    // Of 4,096 sets some 200 on either side: ten in common by chance, in the same order none.
    assert.ok(first.filter((key) => others.has(key)).length < 60, "the image says nothing of where keys lie");
    assert.notDeepEqual([...others], first);
  });

  test("outlives reloads and VMs that are built anew: buckets are found again", () => {
    const sharedData = new SharedData();
    const plugin = new TestPlugin("limits", { sharedData });
    const secret = secretIn(sharedData);
    for (let count = 0; count < 3; count++) assert.equal(plugin.request(slow).action, "continue");
    const { rootContext } = plugin.host.startPlugin(pluginConfiguration(plugin.policy.standInImage));
    Object.assign(plugin, { root: rootContext });
    assert.equal(plugin.request(slow).action, "pause", "after a reload");
    assert.equal(new TestPlugin("limits", { sharedData }).request(slow).action, "pause", "after a restart");
    assert.equal(secretIn(sharedData), secret);
  });

  test("is asked for when a policy is configured, never by a request, nor by the next policy", () => {
    const plugin = new TestPlugin("limits");
    const again = plugin.host.startPlugin(pluginConfiguration(plugin.policy.standInImage));
    const calls = [...again.calls, ...plugin.request(slow).calls];
    assert.deepEqual(
      calls.filter(({ name, args }) => name === "random_get" || args[0] === secretKey),
      [],
    );
  });

  test("of two workers that draw at the same time is that of the first", () => {
    const sharedData = new SharedData();
    const set = sharedData.set.bind(sharedData);
    let raced = false;
    sharedData.set = (key, value, cas) => {
      if (key === secretKey && !raced) {
        raced = true;
        set(key, new Uint8Array(16).fill(7), 0);
      }
      return set(key, value, cas);
    };
    assert.equal(start({ sharedData }).ok, true);
    assert.equal(raced, true);
    assert.equal(secretIn(sharedData), "07".repeat(16));
  });

  test("does not stand in the log, whatever the level, nor in a record", () => {
    const plugin = new TestPlugin("limits");
    const secret = Buffer.from(plugin.host.sharedData.get(secretKey)!.value);
    const outcome = plugin.request(slow);
    const said = JSON.stringify([plugin.host.logs, [...outcome.filterState], outcome.headers, outcome.localResponse]);
    for (const form of ["hex", "base64", "latin1"] as const) assert.ok(!said.includes(secret.toString(form)), form);
  });
});

describe("a host without it is refused by name", () => {
  for (const [fault, said] of [
    [{ call: "random_get", result: WasmResult.InternalFailure }, /is random_get allowed\?/],
    [{ call: "get_shared_data", result: WasmResult.InternalFailure }, /is proxy_get_shared_data allowed\?/],
    [{ call: "set_shared_data", result: WasmResult.InternalFailure }, /is proxy_set_shared_data allowed\?/],
    [{ call: "set_shared_data", result: WasmResult.CasMismatch }, /is proxy_set_shared_data allowed\?/],
  ] as const) {
    test(`${fault.call} answers ${fault.result}, and every request is denied`, () => {
      const { ok, trapped, log, request } = start({ faults: [fault] });
      assert.deepEqual([ok, trapped], [false, false]);
      assert.match(log, said);
      const { action, localResponse } = request();
      assert.deepEqual([action, localResponse?.requestedStatus], ["pause", 503]);
    });
  }

  test("something else stands under its name in shared data", () => {
    for (const bytes of [
      new Uint8Array(),
      new Uint8Array(15).fill(1),
      new Uint8Array(16),
      new Uint8Array(64).fill(1),
    ]) {
      const sharedData = new SharedData();
      sharedData.set(secretKey, bytes, 0);
      const { ok, trapped, log } = start({ sharedData });
      assert.deepEqual([ok, trapped], [false, false], `${bytes.length} bytes`);
      assert.match(log, /sallyport:secret:1 in shared data is not ours/);
    }
  });
});
