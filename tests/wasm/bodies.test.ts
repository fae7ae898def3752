/** Bodies whose size a rule bounds: by `content-length` at once, and while they pass. Another stream's body is another's. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import { type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { embedImage, leftOutCallbacks } from "../../scripts/policy/module/embed.ts";
import { engine, policyNamed, recordOf, TestPlugin } from "../support/plugin.ts";
import { imageOf } from "../support/workers.ts";

const head = "version: 1\nname: bodies\ntrust: { domains: [example.org] }\n";
const image = policyNamed("sizes").image;

const upload = { caller: "spiffe://example.org/x", method: "POST", path: "/body" };
const open = { hasBody: true, keepOpen: true };

function begin(plugin: TestPlugin, headers: [string, string][] = [], path = "/body"): Outcome {
  return plugin.request({ ...upload, path, headers }, open);
}

describe("by content-length", () => {
  for (const [lengths, reason, status] of [
    [[], "allowed", undefined],
    [["0"], "allowed", undefined],
    [["1000"], "allowed", undefined],
    [["0001000"], "allowed", undefined],
    [["1001"], "body_too_large", 413],
    [["4294967296"], "body_too_large", 413],
    [["9".repeat(100)], "body_too_large", 413],
    [["10", "10"], "request_malformed", 400],
    [["10, 10"], "request_malformed", 400],
    [[""], "request_malformed", 400],
    [["-1"], "request_malformed", 400],
    [["1e2"], "request_malformed", 400],
    [["0x10"], "request_malformed", 400],
  ] as const) {
    test(`${JSON.stringify(lengths)}: ${reason}`, () => {
      const plugin = new TestPlugin("sizes");
      const outcome = begin(
        plugin,
        lengths.map((length) => ["content-length", length]),
      );
      assert.equal(recordOf(outcome).reason, reason);
      assert.equal(outcome.localResponse?.status, status);
    });
  }

  test("a rule without a bound does not read it", () => {
    const outcome = new TestPlugin("sizes").request({
      method: "GET",
      path: "/headers",
      headers: [["content-length", "x"]],
    });
    assert.equal(recordOf(outcome).reason, "allowed");
  });
});

describe("of two rules that fit", () => {
  const rule = (name: string, bytes: number): string =>
    `{ name: ${name}, callers: [any], allow: [POST /body], maxBodyBytes: ${bytes} }`;
  const ask = (headers: [string, string][]): { host: PluginHost; outcome: Outcome } => {
    const host = PluginHost.load(engine);
    const { rootContext } = host.startPlugin(
      pluginConfiguration(imageOf(`${head}rules: [${rule("a", 10)}, ${rule("b", 100)}]\n`)),
    );
    const request = { ...upload, source: "10.1.2.3", host: "x.example", headers, token: null };
    return { host, outcome: host.request(rootContext, { ...hostRequest(request), ...open }) };
  };

  test("the one that has room for content-length admits", () => {
    assert.equal(recordOf(ask([["content-length", "11"]]).outcome).rule, "b");
  });

  test("without it the first by name admits, and holds the body to its bound", () => {
    const { host, outcome } = ask([]);
    assert.equal(recordOf(outcome).rule, "a");
    host.body(outcome.context, 11);
    assert.equal(outcome.localResponse!.status, 413);
  });
});

describe("while it comes", () => {
  test("what is within the bound goes on, byte for byte, and nothing of what passes it", () => {
    const plugin = new TestPlugin("sizes");
    const outcome = begin(plugin);
    const passed = [400, 600, 0, 1, 5].map((bytes) => plugin.host.body(outcome.context, bytes));
    assert.deepEqual(passed, [400, 600, 0, 0, 0]);
    assert.equal(outcome.localResponse!.status, 413);
    assert.match(outcome.localResponse!.details, /^sallyport_denied\{body_too_large\}\{body\}$/u);
    assert.equal(new Map(outcome.localResponse!.headers).get("content-type"), "application/problem+json");
  });

  test("whatever content-length says", () => {
    const plugin = new TestPlugin("sizes");
    const outcome = begin(plugin, [["content-length", "10"]]);
    assert.equal(plugin.host.body(outcome.context, 1000), 1000);
    assert.equal(plugin.host.body(outcome.context, 1, true), 0);
    assert.equal(recordOf(outcome).reason, "body_too_large");
  });

  test("the record says of the same request that it was denied, and counters count both", () => {
    const plugin = new TestPlugin("sizes");
    const outcome = begin(plugin);
    const before = outcome.filterState.get("sallyport")!;
    plugin.host.body(outcome.context, 1001);
    const after = outcome.filterState.get("sallyport")!;
    assert.equal(
      after,
      before
        .replace('"admit":true', '"admit":false')
        .replace('"decision":"allow","reason":"allowed"', '"decision":"deny","reason":"body_too_large"'),
    );
    plugin.host.deleteContext(outcome.context);
    plugin.host.tick(plugin.root);
    const count = (name: string) => Number(plugin.host.metrics().get(`sallyport_${name}`));
    assert.equal(count("denials.policy.sizes;.reason.body_too_large"), 1);
    assert.equal(count("requests.policy.sizes;.decision.deny"), 1);
    assert.equal(count("rules.policy.sizes;.rule.body;.decision.deny"), 1);
  });

  test("a bound of nothing lets an empty body by", () => {
    const plugin = new TestPlugin("sizes");
    const empty = begin(plugin, [], "/empty");
    assert.equal(plugin.host.body(empty.context, 0, true), 0);
    assert.equal(empty.localResponse, undefined);
    const outcome = begin(plugin, [], "/empty");
    plugin.host.body(outcome.context, 1);
    assert.equal(outcome.localResponse!.status, 413);
  });

  test("gRPC is answered with a gRPC status", () => {
    const plugin = new TestPlugin("sizes");
    const outcome = begin(plugin, [["content-type", "application/grpc"]]);
    plugin.host.body(outcome.context, 5000);
    assert.equal(outcome.localResponse!.grpcStatus, 8);
  });

  test("nothing more of it goes on where the host answers nobody either", () => {
    const plugin = new TestPlugin("sizes");
    const outcome = begin(plugin);
    plugin.host.faults = [{ call: "send_local_response", result: WasmResult.InternalFailure }];
    assert.deepEqual(
      [1001, 1, 0].map((bytes) => plugin.host.body(outcome.context, bytes)),
      [0, 0, 0],
    );
    assert.equal(outcome.localResponse, undefined);
  });

  test("in shadow mode all of it goes on, and the record says what would have happened", () => {
    const host = PluginHost.load(engine);
    const configuration = { ...JSON.parse(pluginConfiguration(image)), mode: "shadow" };
    const { rootContext } = host.startPlugin(JSON.stringify(configuration));
    const request = { ...upload, source: "10.0.0.1", host: "h", headers: [], token: null };
    const outcome = host.request(rootContext, { ...hostRequest(request), ...open });
    assert.deepEqual([host.body(outcome.context, 1001), host.body(outcome.context, 7)], [1001, 7]);
    const { admit, decision, reason, mode } = recordOf(outcome);
    assert.deepEqual([admit, decision, reason, mode], [true, "deny", "body_too_large", "shadow"]);
  });

  test("a host that keeps the record is answered all the same", () => {
    for (const call of ["get_property", "set_property"]) {
      const plugin = new TestPlugin("sizes");
      const outcome = begin(plugin);
      plugin.host.faults = [{ call, result: WasmResult.InternalFailure }];
      assert.equal(plugin.host.body(outcome.context, 1001), 0, call);
      assert.equal(outcome.localResponse!.status, 413, call);
      assert.equal(outcome.trapped, false, call);
    }
  });

  test("a stream that began under an older configuration keeps its bound, also where it has ended", () => {
    const plugin = new TestPlugin("sizes");
    const outcome = begin(plugin);
    plugin.host.startPlugin(pluginConfiguration(policyNamed("callers").image));
    assert.equal(plugin.host.body(outcome.context, 1000), 1000);
    plugin.host.deleteContext(plugin.root);
    assert.equal(plugin.host.body(outcome.context, 1), 0);
    assert.equal(outcome.localResponse!.status, 503);
  });
});

describe("the callback", () => {
  const without = imageOf(`${head}rules: [{ name: a, callers: [any], allow: [POST /body] }]\n`);
  const exportsOf = (module: Uint8Array): string[] =>
    WebAssembly.Module.exports(new WebAssembly.Module(module as Uint8Array<ArrayBuffer>)).map(({ name }) => name);

  const answers = "proxy_on_response_headers";

  test("is there where the policy needs it, and in no other module", () => {
    assert.deepEqual(leftOutCallbacks(image), [answers]);
    assert.deepEqual(leftOutCallbacks(without), ["proxy_on_request_body", answers]);
    const all = exportsOf(engine);
    assert.ok(all.includes("proxy_on_request_body"));
    assert.deepEqual(
      exportsOf(embedImage(engine, image)),
      all.filter((name) => name !== answers),
    );
    assert.deepEqual(
      exportsOf(embedImage(engine, without)),
      all.filter((name) => name !== "proxy_on_request_body" && name !== answers),
    );
  });

  test("a module without it refuses a policy that needs it, and takes any other", () => {
    const host = PluginHost.load(embedImage(engine, without));
    const refused = host.startPlugin(pluginConfiguration(image));
    assert.equal(refused.ok, false);
    assert.match(refused.logs[0]!.message, /configuration refused: this module was built for a policy that reads/u);
    assert.equal(host.startPlugin(pluginConfiguration(policyNamed("callers").image)).ok, true);
    assert.equal(host.startPlugin().ok, true);
    const whole = PluginHost.load(embedImage(engine, image));
    assert.equal(whole.startPlugin(pluginConfiguration(image)).ok, true);
    assert.equal(whole.startPlugin(pluginConfiguration(without)).ok, true);
  });

  test("without a bound a body costs nothing but the callback", () => {
    const plugin = new TestPlugin("sizes");
    const outcome = plugin.request({ method: "GET", path: "/headers" }, open);
    const calls = outcome.calls.length;
    assert.equal(plugin.host.body(outcome.context, 1_000_000), 1_000_000);
    assert.equal(outcome.calls.length, calls);
  });
});
