/** What is done very often leaves nothing behind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { policyNamed, TestPlugin } from "../support/plugin.ts";

const request = { source: "10.0.0.1", host: "h", headers: [], token: null };
const oneAllowed = { ...request, caller: "spiffe://example.org/fleet/7", method: "GET", path: "/child" };

test("a thousand reloads grow no memory", () => {
  const plugin = new TestPlugin("shop");
  const configurations = ["shop", "callers", "endpoints", "tokens", "limits"].map((name) =>
    pluginConfiguration(policyNamed(name).image),
  );
  let root = plugin.root;
  const reload = (count: number): void => {
    const started = plugin.host.startPlugin(configurations[count % configurations.length]);
    assert.equal(started.ok, true);
    plugin.host.request(root, hostRequest(oneAllowed));
    plugin.host.deleteContext(root);
    root = started.rootContext;
  };
  for (let count = 0; count < 10; count++) reload(count);
  const before = plugin.host.memoryBytes;
  for (let count = 0; count < 1000; count++) reload(count);
  assert.equal(plugin.host.memoryBytes, before);
});

test("a thousand refused configurations grow no memory", () => {
  const plugin = new TestPlugin("shop");
  const image = Buffer.from(policyNamed("shop").image);
  image[200]! ^= 1;
  const refuse = () => {
    const { ok, rootContext } = plugin.host.startPlugin(pluginConfiguration(image));
    assert.equal(ok, false);
    plugin.host.deleteContext(rootContext);
  };
  refuse();
  const before = plugin.host.memoryBytes;
  for (let count = 0; count < 1000; count++) refuse();
  assert.equal(plugin.host.memoryBytes, before);
});

test("a hundred thousand requests grow no memory", () => {
  const plugin = new TestPlugin("shop");
  const before = plugin.host.memoryBytes;
  const asked = hostRequest({ ...oneAllowed, path: "/healthz" });
  for (let count = 0; count < 100_000; count++) plugin.host.request(plugin.root, asked);
  assert.equal(plugin.host.memoryBytes, before);
});
