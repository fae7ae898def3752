/**
 * `npm run test:observability`: what operators look at, in the systems that they look with. A Prometheus scrapes two Envoys with our example
 * configuration, evaluates the rules of observability/, and is asked each query of the dashboard. opentelemetry.ts does the same for logs and traces.
 */
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parse, stringify } from "yaml";
import manifest from "../../package.json" with { type: "json" };
import { run } from "../bench/building.ts";
import { must } from "../fleet/systems.ts";
import type { TestEnvoy } from "../support/envoy.ts";
import { until } from "../support/until.ts";
import { type Alert, findPrometheus } from "./systems.ts";
import { ObservedWorld } from "./world.ts";

before(findPrometheus);

/** A panel of the dashboard, or a row with panels in it. */
interface Panel {
  title: string;
  targets?: { expr: string }[];
  panels?: Panel[];
}

interface RuleFile {
  groups: { rules: { alert?: string; expr: string }[] }[];
}

describe("the rules", () => {
  test("are rules, and pass their tests", async () => {
    assert.match(
      await must("promtool", ["check", "rules", "rules.yaml"], "observability"),
      /SUCCESS: \d+ rules found/u,
    );
    assert.match(await must("promtool", ["test", "rules", "rules.test.yaml"], "observability"), /SUCCESS/u);
  });

  test("fail their tests where one of them is broken", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sallyport-rules-"));
    try {
      copyFileSync("observability/rules.test.yaml", join(folder, "rules.test.yaml"));
      const rules = parse(readFileSync("observability/rules.yaml", "utf8")) as RuleFile;
      const alerts = rules.groups.flatMap((group) => group.rules).filter(({ alert }) => alert !== undefined);
      assert.ok(alerts.length > 15, `${alerts.length} alerts`);
      for (const rule of alerts) {
        const { expr } = rule;
        // It never comes.
        rule.expr = `(${expr}) unless (${expr})`;
        writeFileSync(join(folder, "rules.yaml"), stringify(rules));
        const { code } = await run("promtool", ["test", "rules", "rules.test.yaml"], folder);
        assert.notEqual(code, 0, `no test of the rules notices that ${rule.alert} never comes`);
        rule.expr = expr;
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("a Prometheus that scrapes two Envoys", () => {
  let world: ObservedWorld;
  before(async () => {
    world = await ObservedWorld.start();
    await world.sendTraffic();
  });
  after(() => world?.stop());

  /** The one value of a query. */
  const numberOf = async (query: string): Promise<number> => {
    const found = await world.prometheus.now(query);
    assert.equal(found.length, 1, `${query}: ${JSON.stringify(found)}`);
    return found[0]!.value;
  };
  const untilValue = (query: string, wanted: number): Promise<void> =>
    until(`${query} is ${wanted}`, async () => {
      const found = await world.prometheus.now(query);
      return found.length === 1 && found[0]!.value === wanted;
    });
  const alertOf = async (name: string, envoy?: TestEnvoy): Promise<Alert | undefined> =>
    (await world.prometheus.alerts()).find(
      ({ labels }) => labels.alertname === name && (envoy === undefined || labels.instance === world.addressOf(envoy)),
    );

  test("has every decision, once a second has passed", async () => {
    await untilValue('sum(sallyport_requests{sallyport_policy="shop", sallyport_decision="allow"})', 29);
    await untilValue('sum(sallyport_requests{sallyport_policy="shop", sallyport_decision="deny"})', 11);
    await untilValue('sallyport_denials{sallyport_reason="limit_exceeded", sallyport_policy="shop"}', 3);
    await untilValue('sallyport_denials{sallyport_reason="quarantined", sallyport_policy="shop"}', 5);
    await untilValue('sallyport_requests{sallyport_policy="admin", sallyport_decision="shadow_deny"}', 8);
    await untilValue('sallyport_rules{sallyport_rule="stricter", sallyport_decision="shadow_deny"}', 8);
    await untilValue('sallyport_limits{sallyport_policy="shop"}', 7);
  });

  test("has which policy is in force on which Envoy, and in which mode", async () => {
    const inForce = await world.prometheus.now("sallyport_policy_info > 0");
    const told = inForce.map(({ metric, value }) => [
      metric.instance,
      metric.sallyport_policy,
      metric.sallyport_mode,
      metric.sallyport_engine,
      value,
    ]);
    assert.deepEqual(
      told.sort(),
      [
        [world.addressOf(world.shop), "shop", "enforce", manifest.version, 1],
        [world.addressOf(world.admin), "admin", "shadow", manifest.version, 1],
      ].sort(),
    );
    assert.equal(inForce.find(({ metric }) => metric.sallyport_policy === "shop")!.metric.sallyport_image, world.image);
  });

  test("sees a change: the new image in force, the old one no more, and a way back", async () => {
    const first = world.image;
    for (const path of ["/other", "/more"]) {
      const before = world.image;
      world.change(path);
      assert.notEqual(world.image, before);
      await untilValue(`sallyport_policy_info{sallyport_image="${world.image}"}`, 1);
      await untilValue(`sallyport_policy_info{sallyport_image="${before}"}`, 0);
      await untilValue("count by (sallyport_policy) (sallyport_policy_info{sallyport_policy='shop'} > 0)", 1);
    }
    assert.equal(world.image, first);
    // This Envoy logs warnings alone, and has two workers: each change is told once, the way back among them.
    const said = world.shop.local.envoy.log().match(/policy shop in force/gu);
    assert.equal(said?.length, 3, world.shop.local.envoy.log());
  });

  test("sees refused configurations, by ECDS and by LDS, and the policy stays", async () => {
    const inForce = world.image;
    world.damage();
    world.sendBadListener();
    await until(
      "both are told of",
      async () =>
        (await alertOf("SallyportUpdateRefused", world.shop))?.state === "firing" &&
        (await alertOf("SallyportUpdateRefused", world.admin))?.state === "firing",
    );
    assert.equal(await numberOf(`sallyport_policy_info{sallyport_image="${inForce}"}`), 1);
  });

  test("evaluates every rule, and alerts on what there is, and on nothing else", async () => {
    assert.deepEqual(await world.prometheus.failedRules(), []);
    await until(
      "the key that came is told of",
      async () => (await alertOf("SallyportKeysLeftOut"))?.state === "firing",
    );
    const found = new Set((await world.prometheus.alerts()).map(({ labels }) => labels.alertname));
    assert.deepEqual([...found].sort(), [
      "SallyportFleetNotAsked",
      "SallyportKeysLeftOut",
      "SallyportQuarantined",
      "SallyportShadowMode",
      "SallyportShadowPartWouldDeny",
      "SallyportUpdateRefused",
      "SallyportWouldDeny",
    ]);
    assert.equal((await alertOf("SallyportQuarantined"))!.state, "firing");
    // An hour has not passed.
    assert.equal((await alertOf("SallyportShadowMode"))!.state, "pending");
  });

  test("answers every query of the dashboard", async (context) => {
    const dashboard = JSON.parse(readFileSync("observability/dashboard.json", "utf8"));
    const panels = (dashboard.panels as Panel[]).flatMap(({ panels = [], ...panel }) => [panel, ...panels]);
    const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));
    assert.ok(queries.length > 25, `${queries.length} queries`);
    const variables: Readonly<Record<string, string>> = {
      $job: ".*",
      $instance: ".*",
      $policy: ".*",
      $__rate_interval: "60s",
    };
    for (const { title, expr } of queries) {
      const query = Object.entries(variables).reduce((text, [name, value]) => text.replaceAll(name, value), expr);
      assert.ok(!query.includes("$"), `${title}: ${query} has a variable that nobody sets`);
      const series = await world.prometheus.lately(query, 20);
      const values = series.flatMap((one) => one.values.map(([, value]) => Number(value)));
      assert.ok(values.length > 0, `"${title}" has no data: ${query}`);
      assert.ok(values.every(Number.isFinite), `"${title}" has values that are no numbers: ${query}`);
    }
    context.diagnostic(`${queries.length} queries of ${panels.filter(({ targets }) => targets).length} panels`);
    for (const label of ["job", "instance", "sallyport_policy"]) {
      const values = await world.prometheus.labelValues(label, "sallyport_policy_info");
      assert.ok(values.length > 0, `the dashboard's choice of ${label} is empty`);
    }
  });

  test("answers every query of the documents", async () => {
    const text = readFileSync("docs/observability.md", "utf8");
    const [, section] = /^## What the metrics answer\n([\s\S]*?)^## /mu.exec(text)!;
    const queries = [...section!.matchAll(/`([^`]*sallyport_[^`]*)`/gu)].map(([, query]) => query!);
    assert.ok(queries.length > 10, `${queries.length} queries`);
    // Nothing has failed, and no VM has crashed, so these ask for what is not there.
    const empty = ["sallyport_failures", "vm_reload"];
    for (const query of queries) {
      const answer = await world.prometheus.now(query);
      const isEmpty = empty.some((name) => query.includes(name));
      assert.equal(answer.length > 0, !isEmpty, `${query}: ${JSON.stringify(answer)}`);
    }
  });
});
