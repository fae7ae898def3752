/** Traffic beside a policy: what was used and what never, denials worth a look, callers that are only denied, grants that have ended. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { policyUseOf } from "../../scripts/discover/grants.ts";
import { policyLines } from "../../scripts/discover/policytext.ts";
import type { Usage } from "../../scripts/traffic/usage.ts";
import { check } from "../support/policy.ts";
import { denied, usage } from "./usages.ts";

const { policy } = check(`version: 1
name: shop
trust: { domains: [example.org] }
callers:
  storefront: [spiffe://example.org/web, "spiffe://example.org/mobile/*", spiffe://example.org/old]
rules:
  - name: orders
    callers: [storefront]
    allow: ["GET /orders/{id}", POST /orders, "DELETE /orders/{id}"]
  - name: nobody
    callers: [any]
    hosts: [elsewhere.example.org]
    allow: ["GET /**"]
  - name: trial
    callers: [spiffe://example.org/trial]
    allow: [GET /reports]
    expires: 2026-11-19T00:00:00Z
  - name: no-admin
    callers: [any]
    deny: ["* /admin/**"]
`);
const [web, ios] = ["spiffe://example.org/web", "spiffe://example.org/mobile/ios"];
const trial = "spiffe://example.org/trial";
const judged = { policy: "shop", decision: "allow", reason: "allowed", rule: "orders" } as const;

const records: Usage[] = [
  usage("GET /orders/{number}", { ...judged, caller: web, count: 5 }),
  usage("HEAD /orders/{number}", { ...judged, caller: web, day: "2026-11-21" }),
  usage("POST /orders", { ...judged, caller: ios }),
  usage("GET /orders/{number}", { ...judged, caller: ios, policy: "other", rule: "nobody" }),
  denied("GET /orders/{number}", "no_rule", { caller: "spiffe://example.org/batch", count: 3 }),
  denied("GET /orders/{number}", "limit_exceeded", { caller: web, rule: "orders" }),
  denied("GET /admin/users", "rule_denied", { caller: web, rule: "no-admin" }),
  denied("GET /.env", "no_rule", { caller: "" }),
  denied("GET /reports", "grant_inactive", { caller: trial, rule: "trial", count: 4 }),
];

test("by records: each rule with its pairs, and what of it nobody used", () => {
  const use = policyUseOf(records, policy!);
  assert.deepEqual([use.days, use.from, use.to, use.recorded], [2, "2026-11-20", "2026-11-21", 17]);
  const [orders, nobody, grant, admin] = use.rules as [(typeof use.rules)[0], ...typeof use.rules];
  assert.deepEqual(
    [orders.name, orders.requests, orders.days, orders.lastSeen],
    ["orders", 7, 2, Date.parse("2026-11-21T12:00:00Z")],
  );
  assert.deepEqual(
    orders.used.map(({ caller, endpoint, requests, days }) => [caller, endpoint, requests, days]),
    [
      [ios, "POST /orders", 1, 1],
      [web, "GET /orders/{id}", 6, 2],
    ],
  );
  assert.deepEqual(orders.unusedEndpoints, ["DELETE /orders/{id}"]);
  assert.deepEqual(orders.unusedCallers, ["spiffe://example.org/old"]);
  assert.deepEqual(orders.unusedPairs, [{ caller: web, endpoint: "POST /orders" }]);
  assert.deepEqual([nobody!.requests, nobody!.unusedEndpoints], [0, ["GET /**"]]);
  assert.deepEqual([grant!.isExpired, grant!.expires], [true, "2026-11-19T00:00:00Z"]);
  assert.deepEqual([admin!.action, admin!.requests], ["deny", 1]);
});

test("denials worth a look, callers that were only denied, grants that have ended", () => {
  const use = policyUseOf(records, policy!);
  assert.deepEqual(
    use.attempts.map(({ caller, endpoint, reason, requests, isUsedByOthers }) => [
      caller,
      endpoint,
      reason,
      requests,
      isUsedByOthers,
    ]),
    [["spiffe://example.org/batch", "GET /orders/{id}", "no_rule", 3, true]],
  );
  assert.deepEqual(
    use.deniedOnly.map(({ caller, requests, reasons, most }) => [caller, requests, { ...reasons }, most]),
    [
      [trial, 4, { grant_inactive: 4 }, "GET /reports"],
      ["spiffe://example.org/batch", 3, { no_rule: 3 }, "GET /orders/{number}"],
    ],
  );
  assert.deepEqual(use.expired, [
    {
      rule: "trial",
      expires: "2026-11-19T00:00:00Z",
      requests: 4,
      callers: [trial],
      lastSeen: Date.parse("2026-11-20T12:00:00Z"),
    },
  ]);
});

test("without records it is judged by caller, host and endpoint, and said so", () => {
  const plain = records.map((one): Usage => ({ ...one, policy: "", rule: "", decision: "", reason: "" }));
  const use = policyUseOf(
    [...plain, usage("GET /orders/{number}", { caller: ios, status: 404, admitted: false })],
    policy!,
  );
  assert.equal(use.recorded, 0);
  const [orders, nobody] = use.rules as [(typeof use.rules)[0], (typeof use.rules)[0]];
  assert.deepEqual(
    orders.used.map(({ caller, endpoint, requests }) => [caller, endpoint, requests]),
    [
      [ios, "GET /orders/{id}", 1],
      [ios, "POST /orders", 1],
      [web, "GET /orders/{id}", 6],
    ],
  );
  assert.equal(nobody.requests, 0);
  assert.deepEqual(
    use.expired.map(({ rule, requests }) => [rule, requests]),
    [["trial", 4]],
  );
  assert.deepEqual(
    use.attempts.map(({ caller }) => caller.slice(21)),
    ["trial", "batch", "web"],
  );
  assert.match(policyLines(use).join("\n"), /No record of this policy is in the log/u);
});

test("in shadow mode requests go on, and what was decided counts", () => {
  const use = policyUseOf(
    [denied("GET /orders/{number}", "no_rule", { caller: "spiffe://example.org/batch", admitted: true, status: 200 })],
    policy!,
  );
  assert.deepEqual(
    use.deniedOnly.map(({ caller }) => caller),
    ["spiffe://example.org/batch"],
  );
  assert.equal(use.attempts.length, 1);
});

test("what a log does not tell from others is not said to be unused", () => {
  const long = `/${Array.from({ length: 18 }, (_, n) => `s${n}`).join("/")}`;
  const { policy } = check(`version: 1
name: shop
trust: { domains: [example.org] }
rules:
  - name: seventh
    callers: [${web}, ${ios}]
    allow: [GET /orders/7, "GET /orders/{id}", GET /orders/list, "GET /files/v{n}", "GET ${long}", "GET ${long}/x/y"]
  - name: elsewhere
    callers: [any]
    hosts: [elsewhere.example.org]
    allow: [GET /reports]
`);
  const cut = `/${Array.from({ length: 16 }, (_, n) => `s${n}`).join("/")}/{other}`;
  const log = [
    usage("GET /orders/{number}", { caller: web }),
    usage("GET /files/{hash}", { caller: web }),
    usage("GET PATH", { path: cut, caller: web }),
    usage("GET /reports", { host: "", caller: ios }),
  ];
  const recorded = log.map((one): Usage => ({ ...one, ...judged, rule: "seventh" }));
  for (const usages of [log, recorded]) {
    const [seventh, elsewhere] = policyUseOf(usages, policy!).rules;
    assert.deepEqual(seventh!.unusedEndpoints, ["GET /orders/list"]);
    assert.deepEqual(seventh!.unknownEndpoints, ["GET /orders/7", "GET /files/v{n}", `GET ${long}`, `GET ${long}/x/y`]);
    if (usages === log) assert.deepEqual(elsewhere!.unknownEndpoints, ["GET /reports"]);
    assert.deepEqual(
      seventh!.unusedPairs.filter(({ caller }) => caller === web),
      [],
    );
  }
  const text = policyLines(policyUseOf(log, policy!)).join("\n");
  assert.match(text, /Endpoints of which the log does not say[^\n]*\n[^\n]*seventh: GET \/orders\/7/u);
  const [only] = policyUseOf([log[3]!], policy!).rules.filter(({ name }) => name === "elsewhere");
  assert.deepEqual([only!.requests, only!.unusedEndpoints], [0, []]);
  assert.match(policyLines(policyUseOf([log[3]!], policy!)).join("\n"), /elsewhere +allow +0 .*not known/u);
});

test("requests that do not say who called: no caller of a rule that they may be for is called unused", () => {
  const unnamed = usage("POST /orders", { caller: "", policy: "", decision: "", reason: "", rule: "" });
  const rule = (usages: Usage[]) => policyUseOf(usages, policy!).rules.find(({ name }) => name === "orders")!;
  const seen = usage("POST /orders", { ...judged, caller: web });
  assert.equal(rule([seen]).unusedCallers.length, 2);
  assert.deepEqual(rule([seen, unnamed]).unusedCallers, []);
  assert.deepEqual(rule([seen, unnamed]).unusedPairs, []);
  // An endpoint that a log does not tell from others, too.
  const numbered = usage("DELETE /orders/{number}", { caller: "", policy: "", decision: "", reason: "", rule: "" });
  assert.deepEqual(rule([seen, numbered]).unusedCallers, []);
});

test("a caller that a log without records has by its old trust domain used what is its own", () => {
  const { policy } = check(`version: 1
name: shop
trust: { domains: [example.org], aliases: { old.example.net: example.org } }
rules:
  - { name: orders, callers: [${web}], allow: [GET /orders] }
  - { name: everyone, callers: [any], allow: [GET /orders, GET /reports] }
`);
  const old = "spiffe://old.example.net/web";
  const { rules, deniedOnly } = policyUseOf(
    [usage("GET /orders", { caller: old }), usage("GET /x", { caller: old, admitted: false, status: 403 })],
    policy!,
  );
  assert.deepEqual(
    rules.map(({ used, unusedCallers, unusedEndpoints }) => [used[0]?.caller, unusedCallers, unusedEndpoints]),
    [
      [web, [], []],
      [web, [], ["GET /reports"]],
    ],
  );
  assert.deepEqual(deniedOnly, []);
});

test("what was answered that there is nothing, or was held back for a while, is not said to be unused", () => {
  const absent = { status: 404, admitted: false };
  const limited = denied("POST /orders", "limit_exceeded", { caller: web, rule: "orders" });
  for (const usages of [
    [usage("POST /orders", { caller: web, ...absent })],
    [limited],
    [usage("POST /orders", { ...judged, decision: "wait", reason: "keys_unavailable", caller: web, ...absent })],
  ]) {
    const { unusedEndpoints, unknownEndpoints, unusedCallers } = policyUseOf(usages, policy!).rules[0]!;
    assert.deepEqual(unknownEndpoints, ["POST /orders"]);
    assert.deepEqual(unusedEndpoints, ["GET /orders/{id}", "DELETE /orders/{id}"]);
    assert.equal(unusedCallers.includes(web), false);
  }
  const refused = usage("POST /orders", { caller: web, status: 403, admitted: false });
  assert.deepEqual(policyUseOf([refused], policy!).rules[0]!.unknownEndpoints, []);
});

test("a line without a record that came through a gateway may be from any caller", () => {
  const edge = "spiffe://example.org/edge";
  const { policy: behind } = check(`version: 1
name: shop
trust: { domains: [example.org], forwarders: [${edge}] }
rules:
  - { name: orders, callers: [${web}], allow: [POST /orders] }
`);
  const bare = { policy: "", decision: "", reason: "", rule: "", caller: edge } as const;
  assert.deepEqual(policyUseOf([usage("POST /orders", bare)], behind!).rules[0]!.unusedCallers, []);
});

test("what is no path, such as that of `OPTIONS *`, is for no endpoint", () => {
  const { policy: open } = check(`version: 1
name: shop
trust: { domains: [example.org] }
rules:
  - { name: things, callers: [${web}], allow: ["GET|OPTIONS /{id}"] }
`);
  const star = usage("OPTIONS {other}", { caller: web, policy: "", decision: "", reason: "", rule: "" });
  assert.equal(policyUseOf([star], open!).rules[0]!.requests, 0);
});

test("no log says which calls a request had: none is called unused where there was one on the path", () => {
  const { policy: tools } = check(`version: 1
name: tools
trust: { domains: [example.org] }
mcp: { paths: [/mcp, /v2/mcp] }
graphql: { paths: [/graphql] }
rules:
  - { name: calls, callers: [spiffe://example.org/web], allow: ["mcp tools/list", "mcp tools/call get_*", "graphql query a"] }
`);
  const own = { caller: web, policy: "tools", decision: "allow", reason: "allowed", rule: "calls" } as const;
  const told = (...usages: Usage[]) => policyUseOf(usages, tools!).rules[0]!;
  const used = told(usage("POST /v2/mcp", own));
  assert.deepEqual([used.requests, used.unusedEndpoints], [1, ["graphql query a"]]);
  assert.deepEqual(used.unknownEndpoints, ["mcp tools/list", "mcp tools/call get_*"]);
  assert.deepEqual(told(usage("GET /graphql", own)).unknownEndpoints, ["graphql query a"]);
  // Streams of MCP are no calls, and what no record tells of may have been anybody's.
  assert.deepEqual(told(usage("GET /mcp", own)).unusedEndpoints.length, 3);
  assert.deepEqual(told(usage("POST /mcp", { caller: web })).unknownEndpoints.length, 2);
});
