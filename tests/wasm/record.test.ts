/** The record of the release engine: how it begins, what of the request it tells, and that no caller can change its form. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { host_bytes_max, method_bytes_max, record_bytes_max, record_path_bytes_max } from "../../assembly/limits.ts";
import { Engine, hostRequest, sendRequest } from "../../scripts/evaluate/engine.ts";
import { type AuditRecord, record_members } from "../../scripts/evaluate/record.ts";
import { WasmResult } from "../../scripts/host/abi.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { loadEngineFor } from "../../scripts/policy/build.ts";
import { markOf, policyNamed, recordOf, TestPlugin } from "../support/plugin.ts";
import { fetchingPolicy, imageOf, jwks, makeTwoKeys, Workers } from "../support/workers.ts";

const textOf = (outcome: Outcome): string => outcome.filterState.get("sallyport")!;
const anonymous = { caller: null, method: "GET", path: "/healthz" } as const;

describe("what a record begins with", () => {
  test("what is admitted, and what is denied", () => {
    const plugin = new TestPlugin("shop");
    assert.ok(textOf(plugin.request(anonymous)).startsWith('{"admit":true,"policy":"shop",'));
    assert.ok(textOf(plugin.request({ path: "/nowhere" })).startsWith('{"admit":false,"policy":"shop",'));
  });

  test("in shadow mode, what goes on, whatever was decided", () => {
    const outcome = new TestPlugin("shadow").request({ method: "GET", path: "/two" });
    assert.ok(textOf(outcome).startsWith('{"admit":true,"policy":'));
    assert.deepEqual([recordOf(outcome).decision, recordOf(outcome).mode], ["deny", "shadow"]);
  });

  test("nothing that a caller sends changes it", () => {
    const plugin = new TestPlugin("shop");
    const texts = ['","admit":true,"policy":"shop",', '{"admit":true,"policy":"shop",', "\n{", "\0", '\\"'];
    for (const text of texts) {
      for (const part of ["caller", "method", "host", "path"] as const) {
        for (const value of [text, `/${text}`, `/${encodeURIComponent(text)}`]) {
          const outcome = plugin.request({ [part]: value });
          assert.equal(markOf(outcome), false, `${part} ${value}`);
          const { admit, policy } = recordOf(outcome);
          assert.deepEqual({ admit, policy }, { admit: false, policy: "shop" });
          assert.doesNotMatch(textOf(outcome), /[\n\0]/u);
        }
      }
    }
  });
});

describe("a record under a name of its own", () => {
  const start = (plugin: TestPlugin, more: Record<string, string>): number => {
    const policy = Buffer.from(plugin.policy.standInImage).toString("base64");
    const { ok, rootContext } = plugin.host.startPlugin(JSON.stringify({ ...more, policy }));
    assert.equal(ok, true);
    return rootContext;
  };

  test("stands there, and nowhere else", () => {
    const plugin = new TestPlugin("shop");
    const longest = "z".repeat(64);
    for (const record of ["edge", longest, "A-b_9"]) {
      const { filterState } = plugin.host.request(start(plugin, { record }), hostRequest({ ...asked }));
      assert.deepEqual([...filterState.keys()], [`sallyport.${record}`]);
      assert.ok(filterState.get(`sallyport.${record}`)!.startsWith('{"admit":true,"policy":"shop",'));
    }
    assert.deepEqual([...plugin.request(anonymous).filterState.keys()], ["sallyport"]);
  });
  const asked = { ...anonymous, source: "10.1.2.3", host: "h", headers: [], token: null };
});

describe("what was judged", () => {
  const judged = (request: Parameters<TestPlugin["request"]>[0]): unknown[] => {
    const { method, host, path } = recordOf(new TestPlugin("shop").request(request));
    return [method, host, path];
  };

  test("method, host and path, as the rules see them", () => {
    assert.deepEqual(judged({ ...anonymous, host: "Shop.Example.org:8443", path: "/healthz?token=secret" }), [
      "GET",
      "shop.example.org",
      "/healthz",
    ]);
    assert.deepEqual(judged({ method: "delete", path: "/%6frders/%C3%A4%20b" }), [
      "delete",
      "orders.example.org",
      "/orders/ä b",
    ]);
    assert.deepEqual(judged({ path: "/?a" }), ["POST", "orders.example.org", "/"]);
  });

  test("as received, where the form was refused", () => {
    for (const path of ["/a%2fb", "/a//b", "/a%252fb", "/%ff", "/a;b", "/a%", "/../x", "a"]) {
      assert.deepEqual(judged({ path: `${path}?q` }), ["POST", "orders.example.org", path]);
    }
    assert.deepEqual(judged({ host: "a b" }), ["POST", "a b", "/orders"]);
    assert.deepEqual(judged({ method: "G T" }), ["G T", "orders.example.org", "/orders"]);
  });

  test("also where the caller is refused or unknown", () => {
    for (const caller of [null, "spiffe://evil.example/a", "spiffe://x/.."]) {
      assert.deepEqual(judged({ caller }), ["POST", "orders.example.org", "/orders"]);
    }
  });

  test("a long path is cut, and the record says so", () => {
    const short = `/${"a".repeat(record_path_bytes_max - 1)}`;
    const exact = recordOf(new TestPlugin("shop").request({ path: short }));
    assert.deepEqual([exact.path, exact.path_bytes], [short, undefined]);
    const cut = recordOf(new TestPlugin("shop").request({ path: `${short}b?${"q".repeat(100)}` }));
    assert.deepEqual([cut.path, cut.path_bytes], [short, record_path_bytes_max + 1]);
  });

  test("the longest of everything, all of it to be escaped, fits", () => {
    const outcome = new TestPlugin("shop").request({
      caller: "\x01".repeat(300),
      method: "\x01".repeat(method_bytes_max + 10),
      host: "\x01".repeat(host_bytes_max + 10),
      path: `/${"\x01".repeat(record_path_bytes_max + 10)}`,
    });
    const { method, host, path, path_bytes, caller } = recordOf(outcome) as Record<string, string>;
    assert.deepEqual(
      [method!.length, host!.length, path!.length, path_bytes, caller!.length],
      [method_bytes_max, host_bytes_max, record_path_bytes_max, record_path_bytes_max + 11, 256],
    );
    assert.ok(textOf(outcome).length < record_bytes_max);
  });
});

describe("a record that has to be taken back", () => {
  test("where nothing can be counted, the record that is left does not admit", () => {
    const plugin = new TestPlugin("shop");
    plugin.host.faults = [{ call: "increment_metric", result: WasmResult.InternalFailure }];
    const outcome = plugin.request(anonymous);
    assert.equal(outcome.localResponse?.status, 503);
    const { admit, decision, reason, cause } = recordOf(outcome);
    assert.deepEqual(
      { admit, decision, reason, cause },
      { admit: false, decision: "deny", reason: "internal", cause: "increment_metric" },
    );
  });

  test("in shadow mode what cannot be counted goes on, and what cannot be recorded does not", () => {
    const ask = (call: string): Outcome => {
      const plugin = new TestPlugin("shadow");
      plugin.host.faults = [{ call, result: WasmResult.InternalFailure }];
      return plugin.request({ method: "GET", path: "/two" });
    };
    const uncounted = ask("increment_metric");
    assert.deepEqual([uncounted.action, markOf(uncounted)], ["continue", true]);
    const unrecorded = ask("set_property");
    assert.deepEqual([unrecorded.action, unrecorded.localResponse?.status], ["pause", 503]);
  });

  test("where it cannot be written again either, the request is answered all the same", () => {
    const plugin = new TestPlugin("shop");
    const writes = plugin.request(anonymous).calls.findIndex(({ name }) => name === "set_property") + 1;
    assert.ok(writes > 0);
    // The first counter fails, and then the second writing of the record.
    plugin.host.faults = [
      { nth: writes + 1, result: WasmResult.InternalFailure },
      { nth: writes + 2, result: WasmResult.InternalFailure },
    ];
    const outcome = plugin.request(anonymous);
    assert.deepEqual([outcome.action, outcome.localResponse?.status], ["pause", 503]);
  });
});

describe("the members of a record", () => {
  const broken = (): Outcome => {
    const plugin = new TestPlugin("shop");
    plugin.host.faults = [{ call: "get_header_map_pairs", result: WasmResult.InternalFailure }];
    return plugin.request(anonymous);
  };
  const edge = "spiffe://example.org/edge";
  const forwarded = (): Outcome =>
    new TestPlugin("gateway").request({
      caller: edge,
      method: "GET",
      path: "/orders",
      headers: [["x-forwarded-client-cert", "URI=spiffe://example.org/mobile"]],
    });
  const limited = (): Outcome => {
    const plugin = new TestPlugin("limits");
    const slow = { caller: "spiffe://example.org/x", method: "GET", path: "/slow" };
    return [1, 2, 3, 4].map(() => plugin.request(slow)).at(-1)!;
  };
  const tried = (): Outcome =>
    new TestPlugin("grants").request({ caller: "spiffe://example.org/x", method: "GET", path: "/wanted" });
  const probed = (): Outcome => {
    const plugin = new TestPlugin("quarantine");
    return [1, 2, 3].map(() => plugin.request({ method: "GET", path: "/nothing" })).at(-1)!;
  };
  const ordered = (): Outcome => new TestPlugin("shop").order();
  const called = (): Outcome => {
    const { host, rootContext } = new Engine(loadEngineFor).start(policyNamed("calls").image);
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "get_a" } });
    const headers = [["content-type", "application/json"]] as const;
    const web = { caller: "spiffe://example.org/web", source: "10.1.2.3", method: "POST", path: "/mcp", host: "h" };
    return sendRequest(host, rootContext, { ...web, headers, token: null, body });
  };
  /** For each member a request that has it. */
  const made: Readonly<Record<keyof AuditRecord, readonly [of: () => Outcome, value: unknown]>> = {
    admit: [ordered, true],
    policy: [ordered, "shop"],
    mode: [() => new TestPlugin("shadow").request({ method: "GET", path: "/two" }), "shadow"],
    decision: [ordered, "allow"],
    reason: [ordered, "allowed"],
    rule: [ordered, "checkout-orders"],
    method: [ordered, "POST"],
    host: [ordered, "orders.example.org"],
    path: [ordered, "/orders"],
    path_bytes: [() => new TestPlugin("shop").request({ path: `/${"a".repeat(2000)}` }), 2001],
    operation: [called, "mcp tools/call get_a"],
    caller: [ordered, "spiffe://example.org/checkout-service"],
    presented: [
      () => new TestPlugin("aliases").request({ caller: "spiffe://x.example/web", method: "GET", path: "/orders" }),
      "spiffe://x.example/web",
    ],
    forwarder: [forwarded, edge],
    issuer: [ordered, "corp"],
    sub: [ordered, "alice"],
    limit: [limited, "slow"],
    quarantine: [probed, "probing"],
    quarantine_event: [probed, "enter"],
    detail: [() => new TestPlugin("shop").order({ token: "a.b" }), "parts"],
    shadow: [tried, [{ rule: "wanted", decision: "allow", reason: "allowed" }]],
    cause: [broken, "get_header_map_pairs"],
  };
  const order = Object.keys(record_members);

  for (const [member, [make, value]] of Object.entries(made)) {
    test(`${member} is there, and all of them in the order of the table`, () => {
      const record = recordOf(make());
      assert.deepEqual(record[member], value);
      const members = Object.keys(record);
      assert.deepEqual(
        members,
        order.filter((one) => members.includes(one)),
        "members of the table, in its order",
      );
    });
  }
});

describe("the token in the record", () => {
  /** A rule that asks for a token, in this mode, and one that asks for none and admits. */
  const recordWith = async (mode: string) => {
    const { one, tokenOne } = await makeTwoKeys();
    const rules = `
  - { name: alpha, callers: [any], allow: [GET /orders], token: idp, when: claims.sub == 'nobody', mode: ${mode} }
  - { name: beta, callers: [any], allow: [GET /orders] }
`;
    const text = fetchingPolicy({ file: "keys.json" }).replace(/rules:[\s\S]*/u, `rules:${rules}`);
    const workers = new Workers(imageOf(text, { "keys.json": jwks(one) }), 1);
    return recordOf(workers.ask(0, tokenOne));
  };

  test("is one that was found good, though the rule that decided asks for none", async () => {
    const { rule, issuer, sub } = await recordWith("enforce");
    assert.deepEqual([rule, issuer], ["beta", "idp"]);
    assert.equal(typeof sub, "string");
  });

  test("is none that only a rule in shadow mode asked for", async () => {
    const { rule, issuer, sub, shadow } = await recordWith("shadow");
    assert.deepEqual([rule, issuer, sub], ["beta", undefined, undefined]);
    assert.deepEqual(shadow, [{ rule: "alpha", decision: "deny", reason: "condition_false" }]);
  });
});
