/** Configurations that follow one another in one VM, as Envoy does with an update. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { Door, policyNamed } from "../support/plugin.ts";

const request = { source: "10.0.0.1", host: "h", headers: [], token: null };
const oneAllowed = { ...request, caller: "spiffe://example.org/fleet/7", method: "GET", path: "/child" };

test("two configurations live side by side, each with its own policy", () => {
  const door = new Door("shop");
  const second = door.host.startPlugin(pluginConfiguration(policyNamed("callers").image));
  assert.equal(second.ok, true);
  assert.equal(door.host.request(door.root, hostRequest(oneAllowed)).action, "pause");
  assert.equal(door.host.request(second.rootContext, hostRequest(oneAllowed)).action, "continue");
  door.host.deleteContext(door.root);
  assert.equal(door.host.request(second.rootContext, hostRequest(oneAllowed)).action, "continue");
});

test("a policy that comes again defines no metric again", () => {
  const door = new Door("shop");
  const configurations = ["shop", "callers"].map((name) => pluginConfiguration(policyNamed(name).image));
  const defined = (index: number): number => {
    const { ok, calls } = door.host.startPlugin(configurations[index]);
    assert.equal(ok, true);
    return calls.filter(({ name }) => name === "define_metric").length;
  };
  assert.equal(defined(0), 0);
  assert.notEqual(defined(1), 0);
  assert.deepEqual([defined(0), defined(1), defined(0)], [0, 0, 0]);
  door.order();
  assert.equal(door.host.metrics().get("sallyport_requests.policy.shop.decision.allow"), 1n);
});

test("a refused configuration leaves the old one in force", () => {
  const door = new Door("callers");
  for (const bad of ["{", '{"policy":"AAAA"}', '{"policy":1}']) {
    const refused = door.host.startPlugin(bad);
    assert.equal(refused.ok, false);
    door.host.deleteContext(refused.rootContext);
  }
  assert.equal(door.host.request(door.root, hostRequest(oneAllowed)).action, "continue");
});

test("a request of a root context without a policy is refused", () => {
  const door = new Door("callers");
  const refused = door.host.startPlugin("{");
  const outcome = door.host.request(refused.rootContext, hostRequest(oneAllowed));
  assert.equal(outcome.action, "pause");
  assert.equal(outcome.localResponse!.requestedStatus, 503);
});

test("streams opened before a reload end after it", () => {
  const door = new Door("callers");
  const open = Array.from({ length: 50 }, () =>
    door.host.request(door.root, { ...hostRequest(oneAllowed), keepOpen: true }),
  );
  const second = door.host.startPlugin(pluginConfiguration(policyNamed("shop").image));
  for (const { context, action } of open) {
    assert.equal(action, "continue");
    door.host.deleteContext(context);
  }
  door.host.deleteContext(door.root);
  assert.equal(door.host.request(second.rootContext, hostRequest(oneAllowed)).action, "pause");
});
