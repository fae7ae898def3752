/** Metrics of policies with more rules than have counters of their own. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { rule_metrics_max } from "../../assembly/limits.ts";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { compilePolicyFile } from "../../scripts/policy/build.ts";
import { engine } from "../support/plugin.ts";

test("rules past the last with a counter of its own share `_other`", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-metrics-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "policy.yaml");
  // In the order of their names, which is that of their numbers.
  const name = (rule: number): string => `r${String(rule).padStart(4, "0")}`;
  const rules = Array.from(
    { length: rule_metrics_max + 2 },
    (_, rule) => `  - { name: ${name(rule)}, callers: [any], allow: [GET /${rule}] }`,
  );
  const head = "version: 1\nname: many\ntrust: { domains: [example.org] }\nrules:\n";
  writeFileSync(file, `${head}${rules.join("\n")}\n`);
  const host = PluginHost.load(engine);
  const { ok, rootContext } = host.startPlugin(pluginConfiguration(compilePolicyFile(file).image));
  assert.equal(ok, true);
  const ask = (rule: number): void => {
    const request = { caller: "spiffe://example.org/x", source: "10.0.0.1", method: "GET", path: `/${rule}` };
    const sent = hostRequest({ ...request, host: "h", headers: [], token: null });
    assert.equal(host.request(rootContext, sent).action, "continue", `rule ${rule}`);
  };
  const counter = (rule: string) => host.metrics().get(`sallyport_rules.policy.many.rule.${rule}.decision.allow`);
  ask(0);
  ask(rule_metrics_max - 1);
  ask(rule_metrics_max);
  ask(rule_metrics_max + 1);
  assert.deepEqual([counter(name(0)), counter(name(rule_metrics_max - 1)), counter("_other")], [1n, 1n, 2n]);
  assert.equal(counter(name(rule_metrics_max)), undefined);
  const counted = [...host.metrics().keys()].filter((metric) => metric.startsWith("sallyport_rules."));
  assert.ok(counted.length <= 2 * (rule_metrics_max + 1), `${counted.length} counters of rules`);
});
