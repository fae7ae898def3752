/** Configurations that follow one another in one VM, as Envoy does with an update. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { policyNamed, TestPlugin } from "../support/plugin.ts";

const request = { source: "10.0.0.1", host: "h", headers: [], token: null };
const oneAllowed = { ...request, caller: "spiffe://example.org/fleet/7", method: "GET", path: "/child" };

test("two configurations live side by side, each with its own policy", () => {
  const plugin = new TestPlugin("shop");
  const second = plugin.host.startPlugin(pluginConfiguration(policyNamed("callers").image));
  assert.equal(second.ok, true);
  assert.equal(plugin.host.request(plugin.root, hostRequest(oneAllowed)).action, "pause");
  assert.equal(plugin.host.request(second.rootContext, hostRequest(oneAllowed)).action, "continue");
  plugin.host.deleteContext(plugin.root);
  assert.equal(plugin.host.request(second.rootContext, hostRequest(oneAllowed)).action, "continue");
});

test("a policy that comes again defines no metric again", () => {
  const plugin = new TestPlugin("shop");
  const configurations = ["shop", "callers"].map((name) => pluginConfiguration(policyNamed(name).image));
  const defined = (index: number): number => {
    const { ok, calls } = plugin.host.startPlugin(configurations[index]);
    assert.equal(ok, true);
    return calls.filter(({ name }) => name === "define_metric").length;
  };
  // The keys in it are others than those of the policy that the plugin began with, so the image has a gauge of its own.
  assert.equal(defined(0), 1);
  assert.notEqual(defined(1), 0);
  assert.deepEqual([defined(0), defined(1), defined(0)], [0, 0, 0]);
  plugin.order();
  assert.equal(plugin.host.metrics().get("sallyport_requests.policy.shop;.decision.allow"), 1n);
});

test("a refused configuration leaves the old one in force", () => {
  const plugin = new TestPlugin("callers");
  for (const bad of ["{", '{"policy":"AAAA"}', '{"policy":1}']) {
    const refused = plugin.host.startPlugin(bad);
    assert.equal(refused.ok, false);
    plugin.host.deleteContext(refused.rootContext);
  }
  assert.equal(plugin.host.request(plugin.root, hostRequest(oneAllowed)).action, "continue");
});

test("a request of a root context without a policy is refused", () => {
  const plugin = new TestPlugin("callers");
  const refused = plugin.host.startPlugin("{");
  const outcome = plugin.host.request(refused.rootContext, hostRequest(oneAllowed));
  assert.equal(outcome.action, "pause");
  assert.equal(outcome.localResponse!.requestedStatus, 503);
});

test("streams opened before a reload end after it", () => {
  const plugin = new TestPlugin("callers");
  const open = Array.from({ length: 50 }, () =>
    plugin.host.request(plugin.root, { ...hostRequest(oneAllowed), keepOpen: true }),
  );
  const second = plugin.host.startPlugin(pluginConfiguration(policyNamed("shop").image));
  for (const { context, action } of open) {
    assert.equal(action, "continue");
    plugin.host.deleteContext(context);
  }
  plugin.host.deleteContext(plugin.root);
  assert.equal(plugin.host.request(second.rootContext, hostRequest(oneAllowed)).action, "pause");
});
