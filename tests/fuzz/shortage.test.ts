/**
 * Configurations that come and go in any order, on two workers whose memory does not suffice for them: nothing traps, nothing is
 * admitted that its policy denies, and in the end the newest is in force.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import { type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { withoutExport, withRoom } from "../support/modules.ts";
import { engine, policyNamed } from "../support/plugin.ts";
import { runSeed } from "../support/random.ts";
import { imageOf } from "../support/workers.ts";

const rounds = 60;
const page = 65536;

/** Policies that tell themselves apart by the one path they allow, of different sizes. */
function policy(name: string, rules: number): string {
  const list = Array.from(
    { length: rules },
    (_, at) => `  - { name: r${at}, callers: [any], allow: [GET /${name}${at}] }`,
  );
  return `version: 1\nname: ${name}\ntrust: { domains: [example.org] }\nrules:\n${list.join("\n")}\n`;
}

const carried = [
  ["a", 3],
  ["b", 700],
  ["c", 1500],
].map(([name, rules]) => ({
  text: pluginConfiguration(imageOf(policy(name as string, rules as number))),
  allows: `/${name}1`,
}));
/** What a root context may be configured with; `{}` is the policy of the module. */
const configurations = [
  { text: "{}", allows: "/child" },
  ...carried,
  { text: pluginConfiguration(policyNamed("shop").standInImage), allows: "/healthz" },
];
const whole = embedImage(engine, policyNamed("callers").image);
/** With the end of contexts told, and without. */
const modules = [withoutExport(withRoom(engine, 26 * page), "proxy_on_http_call_response"), withRoom(whole, 26 * page)];

const ask = (path: string) =>
  hostRequest({
    caller: "spiffe://example.org/fleet/7",
    source: "10.0.0.1",
    method: "GET",
    path,
    host: "h",
    headers: [],
    token: null,
  });

interface Step {
  does: "configure" | "end" | "tick" | "ask" | "fault";
  worker: number;
  which: number;
  milliseconds: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  does: fc.constantFrom("configure", "configure", "end", "tick", "ask", "ask", "fault"),
  worker: fc.nat(1),
  which: fc.nat(1000),
  milliseconds: fc.constantFrom(0, 300, 1000, 20_000, -5000),
});

const faulty = ["get_shared_data", "set_shared_data", "set_tick_period_milliseconds", "set_effective_context"];

test("any order of configuring, ending, ticking and asking, without memory", () => {
  const seed = runSeed();
  console.log(`SEED=${seed}`);
  fc.assert(
    fc.property(fc.nat(1), fc.array(step, { minLength: 5, maxLength: 60 }), (kind, steps) => {
      const run = new Run(kind);
      for (const each of steps) run.take(each);
      run.finish();
    }),
    { seed, numRuns: rounds },
  );
});

class Run {
  readonly #kind: number;
  readonly #workers: { host: PluginHost; roots: { root: number; configuration: number }[] }[];
  #nanoseconds = 1_800_000_000_000_000_000n;

  constructor(kind: number) {
    this.#kind = kind;
    const sharedData = new SharedData();
    this.#workers = [0, 1].map(() => ({
      host: PluginHost.load(modules[kind]!, { sharedData, clock: () => this.#nanoseconds }),
      roots: [],
    }));
  }

  take({ does, worker, which, milliseconds }: Step): void {
    const { host, roots } = this.#workers[worker]!;
    const chosen = roots[which % Math.max(roots.length, 1)];
    this.#nanoseconds += BigInt(milliseconds) * 1_000_000n;
    if (does === "configure" && roots.length < 40) this.#configure(worker, which);
    else if (does === "fault") this.#fault(host, which);
    else if (chosen === undefined) return;
    else if (does === "end") {
      host.deleteContext(chosen.root);
      roots.splice(roots.indexOf(chosen), 1);
    } else if (does === "tick") assert.equal(host.tick(chosen.root).trapped, false);
    else if (does === "ask") this.#ask(host, chosen);
    assert.equal(host.failed, false);
  }

  #configure(worker: number, which: number): void {
    const { host, roots } = this.#workers[worker]!;
    // The bare engine has no policy inside.
    const configuration = this.#kind === 0 ? 1 + (which % (configurations.length - 1)) : which % configurations.length;
    const started = host.startPlugin(configurations[configuration]!.text);
    assert.equal(started.trapped, false, started.error?.message);
    if (started.ok) roots.push({ root: started.rootContext, configuration });
    else assert.notDeepEqual(host.faults, []);
  }

  #fault(host: PluginHost, which: number): void {
    const call = faulty[which % (2 * faulty.length)];
    host.faults = call === undefined ? [] : [{ call, result: WasmResult.InternalFailure }];
  }

  #ask(host: PluginHost, { root, configuration }: { root: number; configuration: number }): void {
    const { allows } = configurations[configuration]!;
    const good = host.request(root, ask(allows));
    if (!isOutOfMemory(good)) assert.equal(good.action, "continue", JSON.stringify(good.localResponse));
    for (const other of [
      "/nowhere",
      ...configurations.filter((_, at) => at !== configuration).map(({ allows }) => allows),
    ]) {
      assert.equal(host.request(root, ask(other)).action, "pause", other);
    }
  }

  /** Faults are over, and one configuration after another comes anew, as one that serves would. */
  finish(): void {
    for (const [worker, { host, roots }] of this.#workers.entries()) {
      host.faults = [];
      this.#configure(worker, 1);
      const newest = roots.at(-1)!;
      for (const { root } of roots.slice(0, -1)) host.deleteContext(root);
      this.#nanoseconds += 2_000_000_000n;
      host.tick(newest.root);
      const outcome = host.request(newest.root, ask(configurations[newest.configuration]!.allows));
      assert.equal(outcome.action, "continue", JSON.stringify(outcome.localResponse));
    }
  }
}

const isOutOfMemory = (outcome: Outcome) =>
  outcome.localResponse?.details === "sallyport_denied{internal}{out_of_memory}";
