/** `headers: always`: what answers to admitted requests tell of a limit, once, and never of another stream's. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { held_entries_max } from "../../assembly/limits.ts";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import type { Pair } from "../../scripts/host/pairs.ts";
import { type HostOptions, type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { embedImage, leftOutCallbacks } from "../../scripts/policy/module/embed.ts";
import { engine, nowSeconds } from "../support/plugin.ts";
import { imageOf } from "../support/workers.ts";

const policy = (limits: string, rules: string, mode = "enforce"): string =>
  `version: 1\nname: told\nmode: ${mode}\ntrust: { domains: [example.org] }\nlimits: ${limits}\nrules:\n${rules}`;
const rule = (name: string, limit: string, more = ""): string =>
  `  - { name: ${name}, callers: [any], allow: [GET /${name}], limit: ${limit}${more} }\n`;
const limits =
  "{ few: { rate: 1/s, burst: 5, per: [caller], headers: always }, many: { rate: 10/s, burst: 20, per: [caller], headers: always }, quiet: { rate: 1/s, burst: 5, per: [caller], headers: denied }, large: { rate: 1000/s, burst: 2000, per: [caller], headers: always } }";
const rules = `${rule("few", "few")}${rule("both", "[few, many]")}${rule("quiet", "quiet")}${rule("mixed", "[few, quiet]")}${rule("large", "large")}${rule("dear", "few", ", cost: 4")}  - { name: free, callers: [any], allow: [GET /free] }\n`;
const image = imageOf(policy(limits, rules));

class Told {
  readonly host: PluginHost;
  readonly root: number;
  seconds = nowSeconds;

  constructor(of = image, options: HostOptions = {}) {
    this.host = PluginHost.load(engine, { clock: () => BigInt(Math.round(this.seconds * 1e9)), ...options });
    const started = this.host.startPlugin(pluginConfiguration(of));
    assert.ok(started.ok, started.logs.map(({ message }) => message).join());
    this.root = started.rootContext;
  }

  ask(name: string, keepOpen = true): Outcome {
    const request = hostRequest({
      caller: "spiffe://example.org/x",
      source: "10.1.2.3",
      method: "GET",
      path: `/${name}`,
      host: "example.org",
      headers: [],
      token: null,
    });
    return this.host.request(this.root, { ...request, keepOpen });
  }

  /** What the answer to an admitted request has. */
  answered(outcome: Outcome, headers: Pair[] = [[":status", "200"]]): Pair[] {
    assert.equal(outcome.action, "continue", outcome.localResponse?.details);
    const left = [...this.host.respond(outcome.context, headers)].filter(([name]) => name.startsWith("ratelimit"));
    this.host.deleteContext(outcome.context);
    return left;
  }

  told(name: string): string | undefined {
    const pairs = this.answered(this.ask(name));
    return new Map(pairs).get("ratelimit");
  }
}

test("a rule that found no room leaves nothing to tell to the rule that admits", () => {
  const told = new Told(
    imageOf(
      policy(
        "{ few: { rate: 1/s, burst: 5, headers: always }, one: { rate: 1/h, scope: fleet }, quiet: { rate: 9/s, burst: 9 } }\nfleet: { cluster: nowhere, replicas: 1 }",
        "  - { name: first, callers: [any], allow: [GET /a], limit: [few, one] }\n  - { name: second, callers: [any], allow: [GET /a], limit: quiet }\n",
      ),
    ),
  );
  assert.equal(told.told("a"), '"few";r=4;t=1');
  assert.equal(told.told("a"), undefined);
});

describe("an answer to an admitted request", () => {
  test("tells what is left, and when the bucket is full", () => {
    const told = new Told();
    assert.deepEqual(told.answered(told.ask("few")), [
      ["ratelimit", '"few";r=4;t=1'],
      ["ratelimit-policy", '"few";q=5;w=5'],
    ]);
    assert.equal(told.told("few"), '"few";r=3;t=2');
    told.seconds += 0.5;
    assert.equal(told.told("few"), '"few";r=2;t=3');
    told.seconds += 10;
    assert.equal(told.told("dear"), '"few";r=1;t=4');
    assert.equal(told.told("few"), '"few";r=0;t=5');
  });

  test("of several limits tells of the one with the least left of its burst", () => {
    const told = new Told();
    assert.equal(told.told("both"), '"few";r=4;t=1');
    told.seconds += 1;
    // Of many 18 of 20 are left, of few 4 of 5.
    assert.equal(told.told("both"), '"few";r=4;t=1');
    assert.equal(told.told("mixed"), '"few";r=3;t=2');
  });

  test("counts what this worker holds of a large bucket", () => {
    const told = new Told();
    const left = Array.from({ length: 6 }, () => told.told("large"));
    assert.deepEqual(
      left.map((one) => /r=(\d+)/u.exec(one!)![1]),
      ["1999", "1998", "1997", "1996", "1995", "1994"],
    );
  });

  test("tells nothing where no limit of the rule does", () => {
    const told = new Told();
    assert.equal(told.told("quiet"), undefined);
    assert.equal(told.told("free"), undefined);
    assert.equal(told.told("few"), '"few";r=4;t=1');
    assert.equal(told.told("free"), undefined);
  });

  test("has each header once: in place of the upstream's, and not again with what comes after", () => {
    const told = new Told();
    const outcome = told.ask("few");
    const first = told.host.respond(outcome.context, [
      [":status", "200"],
      ["ratelimit", '"theirs";r=7;t=1'],
      ["ratelimit", '"more";r=1;t=1'],
    ]);
    assert.deepEqual(
      first.filter(([name]) => name === "ratelimit").map(([, value]) => value),
      ['"few";r=4;t=1'],
    );
    const second = told.host.respond(outcome.context, [[":status", "200"]]);
    assert.deepEqual(second, [[":status", "200"]]);
  });
});

test("a denial has its own headers, once", () => {
  const told = new Told();
  for (let count = 0; count < 5; count++) assert.ok(told.told("few") !== undefined);
  const { localResponse } = told.ask("few", false);
  assert.equal(localResponse!.status, 429);
  const names = localResponse!.headers.map(([name]) => name);
  for (const name of ["retry-after", "ratelimit", "ratelimit-policy"])
    assert.equal(names.filter((one) => one === name).length, 1, name);
  assert.equal(new Map(localResponse!.headers).get("ratelimit"), '"few";r=0;t=1');
});

test("each stream is told of its own, whatever the order of the answers, and keeps nothing afterwards", () => {
  const told = new Told();
  const [one, two, three] = [told.ask("few"), told.ask("few"), told.ask("few")];
  // The second goes away unanswered.
  told.host.deleteContext(two.context);
  assert.deepEqual(new Map(told.answered(three)).get("ratelimit"), '"few";r=2;t=3');
  assert.deepEqual(new Map(told.answered(one)).get("ratelimit"), '"few";r=4;t=1');
  // Were an entry kept for each, there would be none left.
  told.seconds += 100;
  for (let count = 0; count < held_entries_max + 10; count++) {
    told.seconds += 1;
    const outcome = told.ask("few");
    if (count % 2 === 0) told.host.respond(outcome.context, [[":status", "200"]]);
    told.host.deleteContext(outcome.context);
  }
  told.seconds += 100;
  assert.equal(told.told("few"), '"few";r=4;t=1');
});

test("without room for more streams an answer tells nothing, and the request is admitted all the same", () => {
  const told = new Told(image, { deniedExports: ["proxy_on_delete"] });
  // The other half of the entries is for bodies that are counted.
  const ids = Array.from({ length: held_entries_max / 2 }, () => {
    told.seconds += 1;
    return told.ask("few").context;
  });
  told.seconds += 10;
  const beyond = told.ask("few");
  assert.deepEqual(told.answered(beyond), []);
  // An answer gives its stream's room back.
  assert.equal(told.host.respond(ids[0]!, []).length, 2);
  assert.ok(told.told("few") !== undefined);
});

test("a host that refuses the headers gets the answer without them", () => {
  const told = new Told(image, {
    faults: [{ call: "replace_header_map_value", result: WasmResult.InternalFailure }],
  });
  const outcome = told.ask("few");
  assert.deepEqual(told.answered(outcome), []);
  assert.equal(outcome.trapped, false);
});

test("in shadow mode a request that the limit has no room for is told nothing", () => {
  const told = new Told(imageOf(policy(limits, rules, "shadow")));
  for (let count = 5; count > 0; count--) assert.match(told.told("few")!, new RegExp(`r=${count - 1};`, "u"));
  assert.equal(told.told("few"), undefined);
});

describe("the callback", () => {
  const without = imageOf(policy(limits, rule("quiet", "quiet")));
  const exportsOf = (module: Uint8Array): string[] =>
    WebAssembly.Module.exports(new WebAssembly.Module(module as Uint8Array<ArrayBuffer>)).map(({ name }) => name);
  const name = "proxy_on_response_headers";

  test("is in modules whose policy has a rule with such a limit, and in no other", () => {
    assert.ok(!leftOutCallbacks(image).includes(name));
    assert.ok(leftOutCallbacks(without).includes(name));
    assert.ok(exportsOf(embedImage(engine, image)).includes(name));
    assert.ok(!exportsOf(embedImage(engine, without)).includes(name));
  });

  test("makes no call of the host where there is nothing to tell", () => {
    const told = new Told();
    for (const path of ["quiet", "free"]) {
      const outcome = told.ask(path);
      const before = outcome.calls.length;
      told.host.respond(outcome.context, [[":status", "200"]]);
      assert.equal(outcome.calls.length, before, path);
      told.host.deleteContext(outcome.context);
    }
  });
});
