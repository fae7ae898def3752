/** Each cause of `internal` is told in the record, and no host call or bound by the name of another. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { arena_bytes_max, caller_groups_max, candidate_rules_max } from "../../assembly/limits.ts";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import type { FailureName } from "../../scripts/evaluate/failures.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import { type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { assembleImage } from "../../scripts/policy/image/image.ts";
import { compileIndex } from "../../scripts/policy/index/index.ts";
import { engine, policyNamed, recordOf, TestPlugin } from "../support/plugin.ts";
import { check } from "../support/policy.ts";
import { fetchingPolicy, imageOf, outcomeOf, Workers } from "../support/workers.ts";

/** A request to a policy of tests, of which a call fails. */
function failing(
  policy: string,
  call: string,
  ask: (plugin: TestPlugin) => Outcome,
  result = WasmResult.InternalFailure,
): Outcome {
  const plugin = new TestPlugin(policy);
  // Only once: the record is written, and the answer given, by calls that may be the same.
  plugin.host.faults = [{ call, result, nth: 1 }];
  return ask(plugin);
}

const plain = (plugin: TestPlugin): Outcome => plugin.request({ caller: null, method: "GET", path: "/healthz" });
const ordered = (plugin: TestPlugin): Outcome => plugin.order();
const limited = (plugin: TestPlugin): Outcome => plugin.request({ method: "GET", path: "/slow" });

/** A caller that a trusted proxy names, with a header for the upstream that only the filter may set. */
function forwarded(plugin: TestPlugin): Outcome {
  const edge = "spiffe://example.org/edge";
  const headers = [
    ["x-forwarded-client-cert", "URI=spiffe://example.org/mobile"],
    ["x-user", "root"],
  ] as const;
  return plugin.request({ caller: edge, method: "GET", path: "/orders", headers });
}

/** A request to an image that the compiler would not write, since it passes a bound. */
function beyond(rules: readonly string[], path: string, more = ""): Outcome {
  const text = `version: 1\nname: shop\ntrust: { domains: [example.org] }\n${more}rules:\n${rules.join("\n")}\n`;
  const { policy } = check(text);
  const host = PluginHost.load(engine);
  const { ok, rootContext, logs } = host.startPlugin(
    pluginConfiguration(assembleImage(policy!, compileIndex(policy!))),
  );
  assert.equal(ok, true, logs.map(({ message }) => message).join());
  const request = { caller: "spiffe://example.org/web", source: "10.0.0.1", method: "GET", path, host: "h" };
  return host.request(rootContext, hostRequest({ ...request, headers: [], token: null }));
}

const many = <T>(count: number, one: (number: number) => T): T[] => Array.from({ length: count }, (_, n) => one(n));

/** The paths of so many segments, each of which is `a` or any. */
function paths(segments: number): string[] {
  return many(2 ** segments, (number) => many(segments, (bit) => ((number >> bit) & 1 ? "/a" : "/*")).join(""));
}

/** Those that no record of a request with a policy has, and the tests that have them. */
const elsewhere = {
  arena_full: "tests/wasm/failures.long.test.ts",
  send_local_response: "tests/wasm/faults.long.test.ts",
  continue_stream: "tests/keys/attack.test.ts",
  out_of_memory: "tests/wasm/shortage.long.test.ts",
  rate_limit_service: "tests/wasm/fleet.test.ts",
  no_policy: "tests/wasm/shortage.long.test.ts",
  held_streams: "tests/wasm/heldstreams.long.test.ts",
  no_tick: "tests/wasm/slots.test.ts",
  get_buffer_bytes: "tests/wasm/heldbodies.test.ts",
  answer_unreadable: "tests/wasm/toolslist.test.ts",
} as const satisfies Partial<Record<FailureName, string>>;

const raised: Readonly<Record<Exclude<FailureName, keyof typeof elsewhere>, () => Outcome>> = {
  get_header_map_pairs: () => failing("shop", "get_header_map_pairs", plain),
  get_property: () => failing("shop", "get_property", plain),
  get_current_time: () => failing("shop", "get_current_time_nanoseconds", plain),
  set_property: () => failing("shop", "set_property", plain),
  increment_metric: () => failing("shop", "increment_metric", plain),
  remove_header_map_value: () => failing("gateway", "remove_header_map_value", forwarded),
  replace_header_map_value: () => failing("gateway", "replace_header_map_value", forwarded),
  get_shared_data: () => failing("limits", "get_shared_data", limited),
  set_shared_data: () => failing("limits", "set_shared_data", limited),
  call_foreign_function: () => failing("shop", "call_foreign_function", ordered),
  certificate_end: () => {
    const host = PluginHost.load(engine);
    const configuration = JSON.parse(pluginConfiguration(policyNamed("shop").image));
    const { rootContext } = host.startPlugin(JSON.stringify({ ...configuration, certificateEnd: "checked" }));
    const request = { caller: "spiffe://example.org/web", source: "10.0.0.1", method: "GET", path: "/healthz" };
    return host.request(rootContext, hostRequest({ ...request, host: "h", headers: [], token: null }));
  },
  shared_data_contention: () => {
    const plugin = new TestPlugin("limits");
    plugin.host.faults = [{ call: "set_shared_data", result: WasmResult.CasMismatch }];
    return limited(plugin);
  },
  index_visits: () =>
    beyond(
      [`  - { name: a, callers: [any], allow: [${paths(12).map((path) => `"GET ${path}/b"`)}] }`],
      `${"/a".repeat(12)}/c`,
    ),
  candidate_rules: () =>
    beyond(
      many(
        candidate_rules_max + 2,
        (n) => `  - { name: r${n}, callers: [any], allow: ["GET ${n % 2 ? "/**" : "/a"}"] }`,
      ),
      "/a",
    ),
  caller_groups: () =>
    beyond(
      many(caller_groups_max, (n) => `  - { name: r${n}, callers: [s${n}], allow: [GET /${n}] }`),
      "/a",
      `callers: { ${many(caller_groups_max, (n) => `s${n}: [spiffe://example.org/web]`).join(", ")} }\n`,
    ),
};

for (const [cause, raise] of Object.entries(raised)) {
  test(`${cause} is what the record names`, () => {
    const { decision, reason, cause: told } = recordOf(raise());
    assert.deepEqual({ decision, reason, cause: told }, { decision: "deny", reason: "internal", cause });
  });
}

for (const [cause, file] of Object.entries(elsewhere)) {
  test(`${cause} has a test elsewhere`, () => {
    assert.match(readFileSync(file, "utf8"), new RegExp(`["{.]${cause}["}]`, "u"));
  });
}

test("what the answer of a key server has beyond the arena is counted; a request beyond it is too large, and no failure", () => {
  const workers = new Workers(imageOf(fetchingPolicy()), 1);
  const [host] = workers.hosts;
  const large = "x".repeat(arena_bytes_max);
  const causes = (): string[] =>
    [...host!.metrics()]
      .filter(([name, count]) => name.startsWith("sallyport_failures.") && count > 0n)
      .map(([name]) => name.split(".").at(-1)!);
  assert.equal(outcomeOf(workers.ask(0, large)), "headers_too_large");
  assert.deepEqual(causes(), []);
  workers.tick(0);
  workers.answer({ headers: [["x-large", large]], body: "" });
  assert.deepEqual(causes(), ["arena_full"]);
});
