/** Segments of the caller's ID in headers: by the names that the rule which admits has for them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { engine } from "../support/plugin.ts";
import { imageOf } from "../support/workers.ts";

const text = (mode = "enforce"): string => `version: 1
name: captures
mode: ${mode}
trust:
  domains: [example.org]
  aliases: { old.example.net: example.org }
paths: { encodedSlash: segment }
forward: { x-ns: caller.ns, x-team: caller.team }
callers:
  sets: ["spiffe://example.org/ns/{ns}/sa/*", "spiffe://example.org/team/{team}/{ns}"]
limits:
  each: { rate: 1000/s, burst: 1000, per: [caller] }
rules:
  - { name: sets, callers: [sets], allow: [GET /sets], limit: each }
  - { name: path, callers: ["spiffe://example.org/{x}/{ns}/**"], allow: ["GET /of/{id}/{y}"], when: path.id == caller.x && path.y != "" }
  - { name: alone, callers: ["spiffe://example.org/*/{ns}/sa/{sa}"], allow: [GET /alone] }
  - { name: b-other, callers: ["spiffe://example.org/{ns}/**"], allow: [GET /both], when: caller.ns == "ns" }
  - { name: c-both, callers: ["spiffe://example.org/*/{ns}/**"], allow: [GET /both] }
  - { name: plain, callers: [any], allow: [GET /plain] }
  - { name: shadowed, callers: ["spiffe://example.org/*/*/*/{ns}"], allow: [GET /plain], mode: shadow }
  - { name: anyone, callers: [anonymous], allow: [GET /anyone] }
`;

function start(mode?: string) {
  const host = PluginHost.load(engine);
  const { ok, rootContext } = host.startPlugin(pluginConfiguration(imageOf(text(mode))));
  assert.equal(ok, true);
  /** What the upstream is told in `x-ns` and `x-team`; each comes forged, in two spellings. */
  return (caller: string | null, path: string): (string | undefined)[] => {
    const headers = ["x-ns", "x_ns", "x-team"].map((name) => [name, "forged"] as const);
    const request = { caller, source: "10.0.0.1", method: "GET", path, host: "h", headers, token: null };
    const outcome = host.request(rootContext, hostRequest(request));
    assert.equal(outcome.action, "continue", path);
    assert.equal(
      outcome.headers.find(([name]) => name === "x_ns"),
      undefined,
    );
    return ["x-ns", "x-team"].map((name) => {
      const values = outcome.headers.filter(([one]) => one === name).map(([, value]) => value);
      assert.ok(values.length < 2);
      return values[0];
    });
  };
}

const api = "spiffe://example.org/ns/shop/sa/api";

describe("a segment of the caller's ID in a header", () => {
  const told = start();
  const cases: [what: string, caller: string | null, path: string, values: (string | undefined)[]][] = [
    ["a pattern of a set", api, "/sets", ["shop", undefined]],
    ["the set's other pattern, at another place", "spiffe://example.org/team/blue/shop", "/sets", ["shop", "blue"]],
    ["beside variables of the condition", api, "/of/ns/1", ["shop", undefined]],
    ["with a path as it was sent", api, "/of/ns/a%2Fb", ["shop", undefined]],
    ["that no condition or limit reads", api, "/alone", ["shop", undefined]],
    [
      "an alias is the trust domain that it stands for",
      "spiffe://old.example.net/ns/shop/sa/api",
      "/alone",
      ["shop", undefined],
    ],
    ["of several rules that which admits", api, "/both", ["ns", undefined]],
    ["where the first one's condition is false", "spiffe://example.org/job/shop/sa/api", "/both", ["shop", undefined]],
    ["a rule without a name for it", api, "/plain", [undefined, undefined]],
    ["nobody", null, "/anyone", [undefined, undefined]],
  ];
  for (const [what, caller, path, values] of cases) {
    test(what, () => {
      assert.deepEqual(told(caller, path), values);
      assert.deepEqual(told(caller, path), values, "again");
    });
  }

  test("in shadow mode who is not admitted is told of with nothing", () => {
    const shadowed = start("shadow");
    assert.deepEqual(shadowed(api, "/nowhere"), [undefined, undefined]);
    assert.deepEqual(shadowed("spiffe://example.org/job/shop", "/of/ns/1"), [undefined, undefined]);
    assert.deepEqual(shadowed(api, "/alone"), ["shop", undefined]);
  });

  test("a name as long as an ID allows", () => {
    const long = "n".repeat(2000);
    assert.deepEqual(told(`spiffe://example.org/ns/${long}/sa/api`, "/alone"), [long, undefined]);
  });
});
