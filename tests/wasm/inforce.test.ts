/** What tells which policy is in force: the gauge, and the line of log that an Envoy has at level warning, once. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import manifest from "../../package.json" with { type: "json" };
import { pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import type { Fault } from "../../scripts/host/faults.ts";
import { type HostOptions, PluginHost } from "../../scripts/host/plugin.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { imageChecksum } from "../../scripts/policy/image/image.ts";
import { engine } from "../support/plugin.ts";
import { imageOf } from "../support/workers.ts";

const policy = (path: string): Uint8Array =>
  imageOf(
    `version: 1\nname: shop\ntrust: { domains: [example.org] }\nrules: [{ name: r, callers: [any], allow: [GET ${path}] }]\n`,
  );
const [before, after] = [policy("/before"), policy("/after")];
const warn = 3;

/** The workers of one Envoy, and what it has of metrics. */
class Envoy {
  readonly metrics = new Map<string, bigint>();
  readonly workers: PluginHost[];

  constructor(count: number, options: HostOptions = {}) {
    const shared = { sharedData: new SharedData(), metricValues: this.metrics };
    this.workers = Array.from({ length: count }, () => PluginHost.load(engine, { ...shared, ...options }));
  }

  /** Puts an image in force on a worker: the root context, and whether an Envoy that logs warnings alone says so. */
  start(worker: number, image: Uint8Array, mode?: "enforce" | "shadow"): { root: number; isShown: boolean } {
    const configuration = JSON.stringify({ ...JSON.parse(pluginConfiguration(image)), ...(mode && { mode }) });
    const { ok, rootContext, logs } = this.workers[worker]!.startPlugin(configuration);
    assert.equal(ok, true, logs.map(({ message }) => message).join("\n"));
    assert.equal(logs.length, 1, "one line says what is in force");
    return { root: rootContext, isShown: logs[0]!.level >= warn };
  }

  end(worker: number, { root }: { root: number }): void {
    this.workers[worker]!.deleteContext(root);
  }

  /** What the gauge of an image stands at; undefined where there is none. */
  gauge(image: Uint8Array, mode = "enforce"): bigint | undefined {
    const labels = `policy.shop;.image.${imageChecksum(image)}.mode.${mode}.engine.${manifest.version}`;
    return this.metrics.get(`sallyport_policy_info.${labels}`);
  }
}

describe("the gauge", () => {
  test("is above zero while the policy is in force, and zero once another has taken its place everywhere", () => {
    const envoy = new Envoy(2);
    const old = [envoy.start(0, before), envoy.start(1, before)];
    assert.deepEqual([envoy.gauge(before), envoy.gauge(after)], [1n, undefined]);
    for (const worker of [0, 1]) envoy.start(worker, after);
    assert.deepEqual([envoy.gauge(before), envoy.gauge(after)], [1n, 1n], "streams of the old policy may be under way");
    for (const worker of [0, 1]) envoy.end(worker, old[worker]!);
    assert.deepEqual([envoy.gauge(before), envoy.gauge(after)], [0n, 1n]);
  });

  test("tells the mode that the configuration says", () => {
    const envoy = new Envoy(1);
    const shadow = envoy.start(0, before, "shadow");
    assert.deepEqual([envoy.gauge(before), envoy.gauge(before, "shadow")], [undefined, 1n]);
    envoy.start(0, before, "enforce");
    envoy.end(0, shadow);
    assert.deepEqual([envoy.gauge(before), envoy.gauge(before, "shadow")], [1n, 0n]);
  });

  test("stays where the same policy comes again, in whatever order workers end the old one", () => {
    for (const order of [
      ["start 0", "end 0", "start 1", "end 1"],
      ["start 0", "start 1", "end 1", "end 0"],
      ["start 1", "end 1", "start 0", "end 0"],
    ]) {
      const envoy = new Envoy(2);
      const old = [envoy.start(0, before), envoy.start(1, before)];
      for (const step of order) {
        const worker = Number(step.at(-1));
        if (step.startsWith("start")) envoy.start(worker, before);
        else envoy.end(worker, old[worker]!);
      }
      assert.equal(envoy.gauge(before), 1n, order.join(", "));
    }
  });

  test("a policy that is rolled back is in force again", () => {
    const envoy = new Envoy(1);
    const first = envoy.start(0, before);
    const second = envoy.start(0, after);
    envoy.end(0, first);
    envoy.start(0, before);
    envoy.end(0, second);
    assert.deepEqual([envoy.gauge(before), envoy.gauge(after)], [1n, 0n]);
  });

  test("a configuration that is refused changes nothing", () => {
    const envoy = new Envoy(1);
    envoy.start(0, before);
    const refused = envoy.workers[0]!.startPlugin(pluginConfiguration(after.subarray(0, after.length - 4)));
    assert.equal(refused.ok, false);
    envoy.workers[0]!.deleteContext(refused.rootContext);
    assert.deepEqual([envoy.gauge(before), envoy.gauge(after)], [1n, undefined]);
  });

  test("a host that does not take it takes the policy", () => {
    const internalFailure = 10;
    const faults: Fault[] = ["record_metric", "get_metric"].map((call) => ({ call, result: internalFailure }));
    const envoy = new Envoy(1, { faults });
    envoy.start(0, before);
    assert.equal(envoy.gauge(before), 0n);
  });
});

describe("the line of log that an Envoy at level warning has", () => {
  test("comes once, by the worker that is first", () => {
    const envoy = new Envoy(3);
    assert.deepEqual(
      [0, 1, 2].map((worker) => envoy.start(worker, before).isShown),
      [true, false, false],
    );
  });

  test("comes with each policy that was not in force, one that was before among them", () => {
    const envoy = new Envoy(1);
    const shown: boolean[] = [];
    let last: { root: number } | undefined;
    for (const image of [before, before, after, before, after]) {
      const started = envoy.start(0, image);
      if (last !== undefined) envoy.end(0, last);
      last = started;
      shown.push(started.isShown);
    }
    assert.deepEqual(shown, [true, false, true, true, true]);
  });

  test("comes from each worker of a host that does not tell what a gauge stands at", () => {
    const notAllowed = 10;
    const envoy = new Envoy(2, { faults: [{ call: "get_metric", result: notAllowed }] });
    assert.deepEqual(
      [0, 1].map((worker) => envoy.start(worker, before).isShown),
      [true, true],
    );
  });
});
