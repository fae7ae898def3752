/** The metrics that the engine defines: those of the table, and no more rules than have counters of their own. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { rule_metrics_max } from "../../assembly/limits.ts";
import manifest from "../../package.json" with { type: "json" };
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { type FailureName, failures } from "../../scripts/evaluate/failures.ts";
import { metricEntries } from "../../scripts/evaluate/metrics.ts";
import { reasonNames } from "../../scripts/evaluate/reasons.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { compilePolicyFile } from "../../scripts/policy/build.ts";
import { imageChecksum } from "../../scripts/policy/image/image.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { engine } from "../support/plugin.ts";
import { signedConfiguration, signingKey } from "../support/signed.ts";
import { fetchingPolicy, imageOf } from "../support/workers.ts";

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
  const counter = (rule: string) => host.metrics().get(`sallyport_rules.policy.many;.rule.${rule};.decision.allow`);
  ask(0);
  ask(rule_metrics_max - 1);
  ask(rule_metrics_max);
  ask(rule_metrics_max + 1);
  assert.deepEqual([counter(name(0)), counter(name(rule_metrics_max - 1)), counter("_other")], [1n, 1n, 2n]);
  assert.equal(counter(name(rule_metrics_max)), undefined);
  const counted = [...host.metrics().keys()].filter((metric) => metric.startsWith("sallyport_rules."));
  assert.ok(counted.length <= 2 * (rule_metrics_max + 1), `${counted.length} counters of rules`);
});

/** The metrics of modules with these configurations, with the values that each label has. */
function definedBy(...started: [module: Uint8Array, configuration: string][]): Map<string, Map<string, Set<string>>> {
  const metricValues = new Map<string, bigint>();
  for (const [module, configuration] of started) {
    const { ok, logs } = PluginHost.load(module, { metricValues }).startPlugin(configuration);
    assert.equal(ok, true, logs.map(({ message }) => message).join("\n"));
  }
  const metrics = new Map<string, Map<string, Set<string>>>();
  for (const full of metricValues.keys()) {
    // The engine's version is last, and has dots.
    const [metric, ...parts] = full.split(/\.(?!\d+\.\d+(?:-|$)|\d+(?:-|$))/u);
    const labels = metrics.get(metric!) ?? new Map<string, Set<string>>();
    metrics.set(metric!, labels);
    for (let part = 0; part < parts.length; part += 2) {
      // A name that the policy chooses ends with a semicolon.
      const [label, value] = [parts[part]!, parts[part + 1]!.replace(/;$/u, "")];
      labels.set(label, (labels.get(label) ?? new Set()).add(value));
    }
  }
  return metrics;
}

test("the engine defines the metrics of the table, with its labels and their values", () => {
  const shadow = "  - { name: tried, callers: [any], allow: [GET /a], mode: shadow }\n";
  const fleet = "limits: { all: { rate: 1/s, scope: fleet } }\n";
  const quarantines = ["enforce", "shadow"].map(
    (mode) => `{ name: ${mode}d, when: [no_rule], denials: 9, within: 1m, for: 1m, mode: ${mode} }`,
  );
  const image = imageOf(`${fetchingPolicy()}${shadow}${fleet}quarantine: [${quarantines}]\n`);
  const inMode = (mode: string): string => JSON.stringify({ ...JSON.parse(pluginConfiguration(image)), mode });
  const key = signingKey();
  const defined = definedBy(
    [embedImage(engine, image, [key.publicBytes]), signedConfiguration(image, key, 7)],
    [engine, inMode("enforce")],
    [engine, inMode("shadow")],
  );
  const uncounted: readonly FailureName[] = ["out_of_memory", "no_policy"];
  const named: Readonly<Record<string, readonly string[]>> = {
    policy: ["shop"],
    reason: reasonNames.filter((name) => name !== "allowed"),
    cause: (Object.keys(failures) as FailureName[]).filter((name) => !uncounted.includes(name)),
    rule: ["_other", "orders", "tried"],
    quarantine: ["enforced", "shadowd"],
    set: ["idp"],
    image: [imageChecksum(image)],
    version: ["7"],
    engine: [manifest.version],
  };
  const expected = metricEntries.map(([name, { labels }]) => {
    const all = Object.entries({ policy: [], ...labels });
    return [name, all.map(([label, values]) => [label, [...(values.length > 0 ? values : named[label]!)].sort()])];
  });
  const found = [...defined].map(([name, labels]) => [
    name,
    [...labels].map(([label, set]) => [label, [...set].sort()]),
  ]);
  assert.deepEqual(Object.fromEntries(found), Object.fromEntries(expected));
});

test("the examples make a label of each", () => {
  for (const example of ["envoy/inbound.yaml", "envoy/gateway.yaml"]) {
    const text = readFileSync(example, "utf8");
    for (const [, { labels }] of metricEntries)
      for (const label of ["policy", ...Object.keys(labels)])
        assert.ok(text.includes(`tag_name: sallyport_${label}\n`), `${example}: ${label}`);
  }
});

/** The expressions for tags that Istio has by default, but those that begin with a prefix of Envoy's own (tools/packaging/common/envoy_bootstrap.json). */
const istio_tags = [
  /_rq(_(\d{3}))$/u,
  /_rq(_(\dxx))$/u,
  /(cache\.(.+?)\.)/u,
  /(component\.(.+?)\.)/u,
  /(tag\.(.+?);\.)/u,
  /(wasm_filter\.(.+?)\.)/u,
  /rbac(\.(allowed|denied))/u,
  /(\.istio_dry_run_(allow|deny)_)/u,
  /(\.shadow_(allowed|denied))/u,
  /(destination_service=\.=(.*?);\.;)/u,
];

/** The tags of an example, as Envoy takes them from a name: what is left of the name, and the values (source/common/stats/tag_extractor_impl.cc). */
function tagged(name: string, tags: readonly { tag_name: string; regex: string }[]): [string, Record<string, string>] {
  let left = `wasmcustom.${name}`;
  const values: Record<string, string> = {};
  for (const { tag_name, regex } of tags) {
    const [, cut, value] = new RegExp(regex, "u").exec(`wasmcustom.${name}`) ?? [];
    if (cut === undefined) continue;
    left = left.replace(cut, "");
    values[tag_name] = value!;
  }
  return [left, values];
}

for (const chosen of ["cache", "component", "tag", "wasm_filter", "my-cache", "rbac", "x_rq_404", "shop"]) {
  test(`names with \`${chosen}\` in them keep all that Istio would take for tags, and have those of the examples`, () => {
    const quarantine = `quarantine: [{ name: ${chosen}, when: [no_rule], denials: 9, within: 1m, for: 1m, scope: fleet }]\n`;
    const rule = `  - { name: ${chosen}, callers: [any], allow: [GET /a] }\n`;
    const text = `${fetchingPolicy().replace("name: shop", `name: ${chosen}`)}${rule}fleet: { cluster: rls }\n${quarantine}`;
    const host = PluginHost.load(engine);
    assert.equal(host.startPlugin(pluginConfiguration(imageOf(text))).ok, true);
    const example = parse(readFileSync("envoy/inbound.yaml", "utf8"));
    const tags = example.stats_config.stats_tags;
    for (const name of host.metrics().keys()) {
      for (const expression of istio_tags) assert.doesNotMatch(`wasmcustom.${name}`, expression);
      const [left, values] = tagged(name, tags);
      assert.match(left, /^wasmcustom\.sallyport_[a-z_]+$/u, `${name}: what is not a label`);
      assert.equal(values.sallyport_policy, chosen, name);
    }
  });
}
