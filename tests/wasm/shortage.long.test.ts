/** No memory for a new configuration: it denies by name, and comes into force by itself once older ones have ended. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parked_chunk_bytes_max, parking_places_max, shortages_max } from "../../assembly/limits.ts";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import { type HostOptions, PluginHost, type StartOutcome } from "../../scripts/host/plugin.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { readExports, readSections } from "../../scripts/policy/module/wasm.ts";
import { makeKey } from "../support/jwks-server.ts";
import { withoutExport, withRoom } from "../support/modules.ts";
import { engine, policyNamed, recordOf } from "../support/plugin.ts";
import { fetchingPolicy, imageOf, jwks } from "../support/workers.ts";

const page = 65536;
const image = policyNamed("callers").image;
const allowed = hostRequest({
  caller: "spiffe://example.org/fleet/7",
  source: "10.0.0.1",
  method: "GET",
  path: "/child",
  host: "h",
  headers: [],
  token: null,
});
const denied = {
  ...allowed,
  properties: { ...allowed.properties, "connection.uri_san_peer_certificate": "spiffe://x/y" },
};

/** Room for a few small policies, and for the list of metric numbers. */
const small = withRoom(engine, 8 * page);
const smallEmbedded = withRoom(embedImage(engine, image), 5 * page);

/** A policy of so many rules. */
function largePolicy(name: string, rules: number): string {
  const list = Array.from({ length: rules }, (_, at) => `  - { name: r${at}, callers: [any], allow: [GET /p${at}] }`);
  return `version: 1\nname: ${name}\ntrust: { domains: [example.org] }\nrules:\n${list.join("\n")}\n`;
}

/** Configurations that carry a policy, of a few hundred kilobytes, so that each is parked in several chunks. */
const large = Array.from({ length: parking_places_max + 2 }, (_, at) =>
  pluginConfiguration(imageOf(largePolicy(`large-${at}`, 2000))),
);
const askFor = (path: string) => ({
  ...allowed,
  headers: allowed.headers.map(([name, value]) => [name, name === ":path" ? path : value] as const),
});

/** A policy whose key sets have no room beside it. */
const signers = await Promise.all(Array.from({ length: 100 }, (_, at) => makeKey(`k${at}`)));
const manyKeySets = imageOf(
  `version: 1
name: many
trust: { domains: [example.org] }
issuers:
${signers.map((_, at) => `  i${at}: { issuer: "https://${at}.example.net", audiences: [a], algorithms: [ES256], keys: { file: ${at}.json } }`).join("\n")}
rules:
  - { name: child, callers: [any], allow: [GET /child] }
  - { name: all, callers: [any], allow: [GET /all], token: [${signers.map((_, at) => `i${at}`).join(", ")}] }
`,
  Object.fromEntries(signers.map((one, at) => [`${at}.json`, jwks(one)])),
);

/** Workers of one proxy, whose clock stands still until a test moves it. */
class Envoy {
  nanoseconds = 1_800_000_000_000_000_000n;
  readonly sharedData = new SharedData();
  readonly workers: PluginHost[];

  constructor(module: Uint8Array, count = 1, options: HostOptions = {}) {
    const { sharedData } = this;
    this.workers = Array.from({ length: count }, () =>
      PluginHost.load(module, { sharedData, clock: () => this.nanoseconds, clusters: ["idp"], ...options }),
    );
  }

  get worker(): PluginHost {
    return this.workers[0]!;
  }

  pass(seconds: number): void {
    this.nanoseconds += BigInt(Math.round(seconds * 1000)) * 1_000_000n;
  }

  /** Puts configurations in force on a worker until one finds no memory; the root contexts, that one last. */
  fill(configuration: string | undefined, worker = this.worker): { roots: number[]; last: StartOutcome } {
    const roots: number[] = [];
    for (;;) {
      const last = worker.startPlugin(configuration);
      assert.equal(last.ok, true, messages(last));
      roots.push(last.rootContext);
      if (/out of memory/.test(messages(last))) return { roots, last };
      assert.ok(roots.length < 1000, "memory never runs out");
    }
  }

  /** Bytes of configurations that shared data holds. */
  get parked(): number {
    const keys = this.sharedData.keys().filter((key) => /^sallyport:parked:1:\d+:\d+$/.test(key));
    return keys.reduce((sum, key) => sum + this.sharedData.get(key)!.value.length, 0);
  }
}

/** Ends the oldest configurations, as many as leave room for another one together. */
function endOldest(worker: PluginHost, roots: readonly number[]): void {
  for (const root of roots.slice(0, 3)) worker.deleteContext(root);
}

const tellsOfEnds = (module: Uint8Array) => readExports(module, readSections(module)).includes("proxy_on_delete");

const messages = ({ logs }: Pick<StartOutcome, "logs">) => logs.map(({ message }) => message).join("\n");

function assertOutOfMemory(host: PluginHost, root: number): void {
  const outcome = host.request(root, allowed);
  assert.equal(outcome.trapped, false, outcome.error?.message);
  assert.equal(outcome.action, "pause");
  assert.equal(outcome.localResponse?.requestedStatus, 503);
  assert.equal(outcome.localResponse?.details, "sallyport_denied{internal}{out_of_memory}");
  const { method: _method, host: _host, path: _path, ...record } = recordOf(outcome);
  assert.deepEqual(record, {
    admit: false,
    policy: "",
    decision: "deny",
    reason: "internal",
    cause: "out_of_memory",
  });
}

const kinds: [name: string, module: Uint8Array, configuration: string | undefined, path: string][] = [
  ["a policy of the module", smallEmbedded, undefined, "/child"],
  ["a policy of the module, with a mode of the configuration's", smallEmbedded, '{"mode":"enforce"}', "/child"],
  ["a policy of the configuration", withRoom(engine, 60 * page), large[0]!, "/p77"],
  // A region each for tables, key sets, and what the host handed over: the last one finds no room for one or the other.
  ...[8, 9, 10].map(
    (pages) =>
      [
        `a policy with many key sets, in ${pages} pages`,
        withRoom(embedImage(engine, manyKeySets), pages * page),
        undefined,
        "/child",
      ] as [string, Uint8Array, undefined, string],
  ),
];

for (const [name, module, configuration, path] of kinds) {
  describe(name, () => {
    test("denies by name while there is no memory, and the older ones decide as they did", () => {
      const proxy = new Envoy(module);
      const { roots, last } = proxy.fill(configuration);
      assert.match(
        messages(last),
        /^sallyport: out of memory: every request is denied until older configurations end$/,
      );
      assert.equal(last.logs[0]!.level, 5);
      for (let again = 0; again < 3; again++) {
        assertOutOfMemory(proxy.worker, last.rootContext);
        proxy.pass(1);
      }
      for (const root of roots.slice(0, -1)) {
        assert.equal(proxy.worker.request(root, askFor(path)).action, "continue");
        assert.equal(proxy.worker.request(root, askFor("/nowhere")).action, "pause");
      }
      assert.equal(proxy.worker.logs.filter(({ level }) => level === 5).length, 1);
    });

    test("comes into force with a tick once an older one has ended, and its timer stops", () => {
      const proxy = new Envoy(module);
      const { roots, last } = proxy.fill(configuration);
      assert.equal(proxy.worker.timers, 1);
      proxy.pass(12);
      assert.deepEqual(proxy.worker.tick(last.rootContext).logs, []);
      endOldest(proxy.worker, roots);
      proxy.pass(2);
      const { logs, trapped } = proxy.worker.tick(last.rootContext);
      assert.equal(trapped, false);
      assert.match(messages({ logs }), /^sallyport: policy [\w-]+ in force, .*, after 14 s without memory$/);
      assert.equal(proxy.worker.timers, 0);
      assert.equal(proxy.worker.request(last.rootContext, askFor(path)).action, "continue");
      assert.equal(proxy.worker.request(last.rootContext, askFor("/nowhere")).localResponse?.requestedStatus, 403);
      assert.equal(proxy.parked, 0);
    });

    test("comes into force with a request where the host does not tick, or does not tell of ends", () => {
      for (const [changed, options] of [
        [module, { faults: [{ call: "set_tick_period_milliseconds", result: WasmResult.InternalFailure }] }],
        [withoutExport(module, "proxy_on_tick"), {}],
        [tellsOfEnds(module) ? withoutExport(module, "proxy_on_delete") : module, {}],
      ] as const) {
        const proxy = new Envoy(changed, 1, options);
        const { roots, last } = proxy.fill(configuration);
        assertOutOfMemory(proxy.worker, last.rootContext);
        endOldest(proxy.worker, roots);
        proxy.pass(1);
        const outcome = proxy.worker.request(last.rootContext, askFor(path));
        assert.equal(outcome.action, "continue", JSON.stringify(outcome.localResponse));
        assert.equal(proxy.worker.request(last.rootContext, askFor("/nowhere")).localResponse?.requestedStatus, 403);
      }
    });

    test("is tried at most once a second, also where the clock steps back", () => {
      const proxy = new Envoy(module);
      const { roots, last } = proxy.fill(configuration);
      endOldest(proxy.worker, roots);
      proxy.pass(0.9);
      assertOutOfMemory(proxy.worker, last.rootContext);
      proxy.worker.tick(last.rootContext);
      assertOutOfMemory(proxy.worker, last.rootContext);
      proxy.pass(-3600);
      assert.equal(proxy.worker.request(last.rootContext, askFor(path)).action, "continue");
    });

    test("leaves nothing behind where it ends before there was memory", () => {
      const proxy = new Envoy(module);
      const { last } = proxy.fill(configuration);
      proxy.worker.deleteContext(last.rootContext);
      // `sallyport build` takes the callback away where nothing is fetched; then a timer goes on that reaches nothing.
      assert.deepEqual([proxy.worker.timers, proxy.parked], [tellsOfEnds(module) ? 0 : 1, 0]);
      assert.equal(proxy.worker.tick(last.rootContext).calls.length, 0);
    });

    test("a host call that fails costs no more than a second", () => {
      const calls = ["get_shared_data", "get_current_time_nanoseconds", "set_effective_context"];
      for (const call of calls) {
        const proxy = new Envoy(module);
        const { roots, last } = proxy.fill(configuration);
        endOldest(proxy.worker, roots);
        proxy.pass(1);
        proxy.worker.faults = [{ call, result: WasmResult.InternalFailure }];
        assert.equal(proxy.worker.tick(last.rootContext).trapped, false, call);
        proxy.worker.faults = [];
        proxy.pass(1);
        proxy.worker.tick(last.rootContext);
        assert.equal(proxy.worker.request(last.rootContext, askFor(path)).action, "continue", call);
        assert.equal(proxy.worker.request(last.rootContext, askFor("/nowhere")).action, "pause", call);
      }
    });
  });
}

describe("the newest", () => {
  test("has what memory there is before older ones that wait as well", () => {
    const proxy = new Envoy(smallEmbedded);
    const { roots, last } = proxy.fill(undefined);
    const newest = proxy.worker.startPlugin();
    proxy.worker.deleteContext(roots[0]!);
    proxy.pass(1);
    proxy.worker.tick(last.rootContext);
    assertOutOfMemory(proxy.worker, last.rootContext);
    assert.equal(proxy.worker.request(newest.rootContext, allowed).action, "continue");
    assert.equal(proxy.worker.request(newest.rootContext, denied).action, "pause");
  });

  test("is remembered though more wait than can be", () => {
    const proxy = new Envoy(smallEmbedded);
    const { roots } = proxy.fill(undefined);
    const waiting = Array.from({ length: shortages_max + 5 }, () => proxy.worker.startPlugin().rootContext);
    for (const root of waiting) assert.equal(proxy.worker.request(root, allowed).localResponse?.requestedStatus, 503);
    for (const root of [...roots, ...waiting.slice(0, -1)]) proxy.worker.deleteContext(root);
    proxy.pass(1);
    assert.equal(proxy.worker.request(waiting.at(-1)!, allowed).action, "continue");
  });

  test("fetches keys afterwards, with the timer that it had", () => {
    const module = withRoom(embedImage(engine, imageOf(fetchingPolicy())), 36 * page);
    const proxy = new Envoy(module);
    const { roots, last } = proxy.fill(undefined);
    for (const root of roots.slice(0, -1)) proxy.worker.deleteContext(root);
    proxy.pass(1);
    const turn = proxy.worker.tick(last.rootContext);
    assert.match(messages(turn), /in force/);
    // Envoy replaces the timer where a period is set, and this one is the caller.
    assert.deepEqual(
      turn.calls.filter(({ name }) => name === "set_tick_period_milliseconds"),
      [],
    );
    assert.equal(proxy.worker.timers, 1);
    proxy.worker.tick(last.rootContext);
    assert.equal(proxy.worker.calls.length, 1);
  });
});

describe("a configuration that is kept in shared data", () => {
  const module = withRoom(engine, 60 * page);

  test("is kept once for all workers, and until the last of them has it in force", () => {
    const proxy = new Envoy(module, 2);
    const filled = proxy.workers.map((worker) => ({ worker, ...proxy.fill(large[0]!, worker) }));
    assert.equal(proxy.parked, large[0]!.length);
    assert.ok(large[0]!.length > 2 * parked_chunk_bytes_max);
    for (const [index, { worker, roots, last }] of filled.entries()) {
      endOldest(worker, roots);
      proxy.pass(1);
      assert.match(messages(worker.tick(last.rootContext)), /in force/);
      assert.equal(worker.request(last.rootContext, askFor("/p77")).action, "continue");
      assert.equal(proxy.parked, index === 0 ? large[0]!.length : 0);
    }
  });

  test("is held against its hash: changed, it is not put in force", () => {
    const proxy = new Envoy(module);
    const { roots, last } = proxy.fill(large[0]!);
    const key = proxy.sharedData.keys().find((name) => /parked:1:\d:1$/.test(name))!;
    const value = Buffer.from(proxy.sharedData.get(key)!.value);
    value[1000]! ^= 1;
    proxy.sharedData.set(key, value, 0);
    endOldest(proxy.worker, roots);
    proxy.pass(1);
    assert.match(messages(proxy.worker.tick(last.rootContext)), /denied until it is configured anew/);
    assertOutOfMemory(proxy.worker, last.rootContext);
    proxy.pass(1);
    assert.deepEqual(proxy.worker.tick(last.rootContext).logs, []);
    assert.deepEqual([proxy.worker.timers, proxy.parked], [0, 0]);
  });

  test("gives way to newer ones where more wait than there are places, which is said", () => {
    const proxy = new Envoy(module);
    const { roots, last } = proxy.fill(large[0]!);
    const others = large.slice(1, parking_places_max + 1).map((configuration) => {
      proxy.pass(1);
      return proxy.worker.startPlugin(configuration).rootContext;
    });
    for (const root of roots.slice(0, -1)) proxy.worker.deleteContext(root);
    proxy.pass(1);
    const said = messages(proxy.worker.tick(last.rootContext));
    for (let at = 1; at <= parking_places_max; at++) assert.match(said, new RegExp(`policy large-${at} in force`));
    assert.match(said, /denied until it is configured anew, since its configuration had to give way/);
    for (const root of others) assert.equal(proxy.worker.request(root, askFor("/p77")).action, "continue");
    assertOutOfMemory(proxy.worker, last.rootContext);
    assert.equal(proxy.parked, 0);
  });

  test("a host that keeps none is said to be one, and the requests are denied by name", () => {
    const proxy = new Envoy(module);
    // The first one draws the secret of the tables, without which none is accepted.
    proxy.worker.deleteContext(proxy.worker.startPlugin(large[0]!).rootContext);
    proxy.worker.faults = [{ call: "set_shared_data", result: WasmResult.InternalFailure }];
    const { roots, last } = proxy.fill(large[0]!);
    assert.match(messages(last), /denied until it is configured anew, since its configuration could not be kept$/);
    for (const root of roots.slice(0, -1)) proxy.worker.deleteContext(root);
    proxy.pass(1);
    assertOutOfMemory(proxy.worker, last.rootContext);
    assert.equal(proxy.worker.timers, 0);
    assert.equal(proxy.worker.startPlugin(large[0]!).ok, true);
  });

  test("an invalid one that found no memory is refused once there is some, with the line that says why", () => {
    const proxy = new Envoy(small);
    const good = pluginConfiguration(image);
    const { roots } = proxy.fill(good);
    const bad = proxy.worker.startPlugin(`{"polciy":"${"A".repeat(1000)}"}`);
    assert.equal(bad.ok, true);
    for (const root of roots) proxy.worker.deleteContext(root);
    proxy.pass(1);
    assert.match(messages(proxy.worker.tick(bad.rootContext)), /configuration refused: unknown key/);
    const outcome = proxy.worker.request(bad.rootContext, allowed);
    assert.equal(outcome.localResponse?.details, "sallyport_denied{internal}{no_policy}");
    assert.equal(recordOf(outcome).cause, "no_policy");
    assert.deepEqual([proxy.worker.timers, proxy.parked], [0, 0]);
  });
});
