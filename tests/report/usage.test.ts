/** What logs say was used, over what is granted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Matrix, type State } from "../../scripts/report/page/view.ts";
import type { Usage } from "../../scripts/traffic/usage.ts";
import { usage as usageOf } from "../discover/usages.ts";
import { callerOf, endpointText, id, report } from "./made.ts";

/** Judged by the policy `shop`, whose rule `orders` let it in. */
const usage = (parts: Partial<Usage>): Usage =>
  usageOf("GET /orders/{number}", {
    ...{ day: "2026-11-29", policy: "shop", rule: "orders", decision: "allow", reason: "allowed" },
    ...parts,
  });

const policies = {
  shop: {
    service: "shop",
    rules: [
      "name: orders, callers: [spiffe://example.org/web, 'spiffe://example.org/mobile/*'], allow: ['GET /orders/{id}', 'POST /orders']",
      "name: wide, callers: [any], allow: ['GET /**']",
    ],
  },
  other: { rules: ["name: orders, callers: [any], allow: ['GET /orders/{id}']"] },
};

const told = (usages: Usage[]) => {
  const data = report(policies, { usages });
  const at = (caller: string, endpoint: string, policy = 0): (number | null | undefined)[] =>
    data.cells
      .find(
        ([one, place]) =>
          one === callerOf(data, caller) &&
          endpointText(data, place) === endpoint &&
          data.endpoints[place]!.policy === policy,
      )!
      .slice(3);
  return { data, at };
};

test("the rule that is recorded has the use, and no other", () => {
  const { data, at } = told([usage({ count: 3 }), usage({ count: 2, day: "2026-11-30" })]);
  assert.deepEqual(at("web", "GET /orders/{id}"), [5, 0]);
  assert.deepEqual(at("web", "GET /**"), [0, 0]);
  assert.deepEqual(at("web", "POST /orders"), [0, 0]);
  assert.deepEqual(at("web", "GET /orders/{id}", 1), [0, 0], "another policy did not judge it");
  assert.deepEqual(data.usage?.unusedRules, [
    { policy: 0, rule: "wide" },
    { policy: 1, rule: "orders" },
  ]);
  const { from, to, requests, unmatched } = data.usage!;
  assert.deepEqual(
    { from, to, requests, unmatched },
    { from: "2026-11-29", to: "2026-11-30", requests: 5, unmatched: 0 },
  );
});

test("without a record, whatever grants it has the use", () => {
  const { at } = told([usage({ policy: "", rule: "", decision: "", reason: "" })]);
  assert.deepEqual(at("web", "GET /orders/{id}"), [1, 0]);
  assert.deepEqual(at("web", "GET /**"), [1, 0]);
  assert.deepEqual(at("web", "GET /orders/{id}", 1), [1, 0]);
});

test("callers count to the pattern that they are in, and are named there", () => {
  const { data, at } = told([usage({ caller: id("mobile/ios") }), usage({ caller: id("mobile/android"), count: 4 })]);
  assert.deepEqual(at("mobile/*", "GET /orders/{id}"), [5, 0]);
  assert.deepEqual(data.callers[callerOf(data, "mobile/*")]!.seen, [id("mobile/android"), id("mobile/ios")]);
});

test("denied attempts are counted apart", () => {
  const { at } = told([
    usage({ method: "POST", path: "/orders", decision: "deny", reason: "token_missing", admitted: false }),
  ]);
  assert.deepEqual(at("web", "POST /orders"), [0, 1]);
});

test("what no grant has is told, the most frequent first", () => {
  const denied = { rule: "", decision: "deny", reason: "no_rule", admitted: false, method: "DELETE" } as const;
  const { data } = told([
    usage({ ...denied, path: "/a" }),
    usage({ ...denied, path: "/b", count: 7 }),
    usage({ ...denied, path: "/a" }),
  ]);
  assert.equal(data.usage!.unmatched, 9);
  assert.deepEqual(
    data.usage!.unmatchedExamples.map(({ path, count }) => [path, count]),
    [
      ["/b", 7],
      ["/a", 2],
    ],
  );
});

test("an edge of the graph says whether it was used", () => {
  const { data } = told([usage({})]);
  const edge = (caller: string) =>
    data.blast.edges.find((one) => one.caller === callerOf(data, caller) && one.policy === 0)!;
  assert.equal(edge("web").admitted, 1);
  assert.equal(edge("mobile/*").admitted, 0);
});

test("a gateway's call in the name of another is not called unused where the other's was used", () => {
  const rules = [
    "name: orders, callers: [spiffe://example.org/web], allow: ['GET /orders/{id}']",
    "name: admin, callers: [spiffe://example.org/edge], allow: [GET /admin]",
  ];
  const trust = ", forwarders: [spiffe://example.org/edge]";
  for (const [usages, expected] of [
    [[usage({})], null],
    [[usage({ caller: id("edge"), path: "/admin", rule: "admin" })], 1],
    [[], 0],
  ] as const) {
    const data = report({ shop: { rules, trust } }, { usages });
    assert.equal(data.blast.edges.find(({ caller }) => caller === callerOf(data, "edge"))?.admitted, expected);
  }
});

test("what a policy in shadow mode lets through without a grant is not called unused", () => {
  const rules = [
    "name: admin, callers: [spiffe://example.org/admin], allow: [POST /admin]",
    "name: web, callers: [spiffe://example.org/web], allow: ['GET /orders/{id}']",
  ];
  const seen = usage({ rule: "", decision: "deny", reason: "no_rule", method: "POST", path: "/admin" });
  const data = report({ shop: { rules, whole: "mode: shadow\n" } }, { usages: [seen] });
  assert.equal(data.usage?.unmatched, 1);
  assert.equal(data.blast.edges.find(({ caller }) => caller === callerOf(data, "web"))?.admitted, null);
});

test("hostile texts of logs are data and nothing else", () => {
  const hostile = "/</script><script>alert(1)</script>\u202e\u0000";
  const { data } = told([
    usage({ path: hostile, caller: "javascript:alert(1)", host: "[object Object]", method: "GET /x" }),
  ]);
  assert.equal(data.usage!.unmatchedExamples[0]!.path, hostile);
});

test("a log of the policy before, whose rule this one does not have: every rule that admits the request is used", () => {
  const { data } = told([usage({ rule: "everything" })]);
  assert.deepEqual(
    data.usage!.unusedRules.filter(({ policy }) => policy === 0),
    [],
  );
});

test("a rule that the log does not tell from a used one is not called unused", () => {
  const rules = [
    "name: seventh, callers: [spiffe://example.org/web], allow: [GET /orders/7]",
    "name: list, callers: [spiffe://example.org/web], allow: [GET /orders/list]",
    "name: others, callers: [spiffe://example.org/batch], allow: [GET /orders/7]",
  ];
  for (const given of [{ policy: "", rule: "", decision: "" as const }, { rule: "seventh" }]) {
    const { usage: found } = report({ shop: { rules } }, { usages: [usage(given)] });
    assert.deepEqual(
      found!.unusedRules.map(({ rule }) => rule),
      ["list", "others"],
    );
  }
});

test("nor is one of a caller whose ID the log has under an old trust domain", () => {
  const rules = ["name: seventh, callers: [spiffe://example.org/web], allow: [GET /orders/7]"];
  const trust = ", aliases: { old.example.net: example.org }";
  const unrecorded = { policy: "", rule: "", decision: "" } as const;
  const { usage: found } = report(
    { shop: { rules, trust } },
    { usages: [usage({ ...unrecorded, caller: "spiffe://old.example.net/web" })] },
  );
  assert.deepEqual(found!.unusedRules, []);
});

test("a log that does not say who called, and no record: no grant of the path is called unused", () => {
  const unnamed = { caller: "", policy: "", rule: "", decision: "", reason: "" } as const;
  const { data, at } = told([usage(unnamed)]);
  assert.equal(at("web", "GET /orders/{id}")[0], null);
  assert.equal(at("web", "POST /orders")[0], 0);
  assert.deepEqual(data.usage?.unusedRules, [], "a rule may be for whoever called");
  const { unusedCells, unclearCells } = data.usage!;
  const whole = data.cells.filter(([, , grant]) => data.grants[grant]!.extent === "whole");
  assert.equal(unclearCells, whole.filter(([, , , admitted]) => admitted === null).length);
  assert.equal(unusedCells + unclearCells, whole.length, "nothing is known to be used");
  assert.equal(
    data.blast.edges.some(({ admitted }) => admitted === null),
    true,
  );
});

test("the matrix finds what is not known to be used, and does not count it as unused", () => {
  const { data } = told([usage({ caller: "", policy: "", rule: "", decision: "", reason: "" })]);
  const all = { caller: "", endpoint: "", rule: "", group: "none", columns: "none", sort: "name" } as const;
  const matrix = new Matrix(data);
  const uses = (state: State) => {
    const { isShown } = matrix.view({ ...all, state });
    return new Set(data.cells.filter((_, place) => isShown[place] === 1).map(([, , , admitted]) => admitted));
  };
  assert.deepEqual(uses("unclear"), new Set([null]));
  assert.deepEqual(uses("unused"), new Set([0]));
});

test("a path that the log writes as another is: a number, and an endpoint that names one", () => {
  const rules = [`name: seven, callers: [${id("web")}, ${id("mobile")}], allow: ['GET /orders/7', 'GET /orders/list']`];
  const numbered = usage({ policy: "", rule: "", decision: "", reason: "" });
  const { cells, endpoints, callers } = report({ shop: { rules } }, { usages: [numbered] });
  const uses = cells.map(([caller, endpoint, , admitted]) => [
    callers[caller]!.id,
    endpoints[endpoint]!.path,
    admitted,
  ]);
  assert.deepEqual(
    uses.filter(([, , admitted]) => admitted === null),
    [[id("web"), "/orders/7", null]],
  );
});

test("what is no path, such as that of `OPTIONS *`, is no request for `/`", () => {
  const rules = [`name: home, callers: [${id("web")}], allow: ['* /']`];
  const star = usage({ method: "OPTIONS", path: "{other}", rule: "home" });
  const { cells, usage: read } = report({ shop: { rules } }, { usages: [star] });
  assert.deepEqual(
    cells.map(([, , , admitted]) => admitted),
    cells.map(() => 0),
  );
  assert.equal(read!.unmatched, 1);
});

test("of a call no log says whether it was made", () => {
  const tools = {
    whole: "mcp: { paths: [/mcp] }\n",
    rules: [
      'name: calls, callers: [spiffe://example.org/web], allow: ["mcp tools/list", "mcp tools/call get_*", GET /mcp]',
    ],
  };
  const own = { caller: id("web"), policy: "tools", rule: "calls", decision: "allow", reason: "allowed" } as const;
  const of = (usages: Usage[]) => {
    const data = report({ tools }, { usages });
    return {
      cells: Object.fromEntries(data.cells.map((cell) => [endpointText(data, cell[1]), cell[3]])),
      ...data.usage!,
    };
  };
  const [list, get, stream] = ["mcp tools/list at /mcp", "mcp tools/call get_* at /mcp", "GET /mcp"];
  const called = of([usageOf("POST /mcp", { ...own, count: 2 }), usageOf("GET /mcp", own)]);
  assert.deepEqual(called.cells, { [list]: null, [get]: null, [stream]: 1 });
  assert.deepEqual([called.unmatched, called.unusedRules, called.unclearCells], [0, [], 2]);
  const idle = of([usageOf("GET /mcp", own)]);
  assert.deepEqual(idle.cells, { [list]: 0, [get]: 0, [stream]: 1 });
});
