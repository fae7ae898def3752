/** The release engine's host calls in exact order: what a request costs, and that every way ends in a record. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { WasmResult } from "../../scripts/host/abi.ts";
import { callNames, markOf, recordOf, TestPlugin } from "../support/plugin.ts";

const identity = "get_property connection.uri_san_peer_certificate";
const requests = (decision: string) => `increment_metric sallyport_requests.policy.shop;.decision.${decision}`;
const rules = (rule: string, decision: string) =>
  `increment_metric sallyport_rules.policy.shop;.rule.${rule};.decision.${decision}`;
const denials = (reason: string) => `increment_metric sallyport_denials.policy.shop;.reason.${reason}`;
const record = "set_property sallyport";
const answer = "send_local_response";
const miss = "increment_metric sallyport_cached_tokens.policy.shop;.result.miss";
const hit = "increment_metric sallyport_cached_tokens.policy.shop;.result.hit";
const readings = [identity, "get_header_map_pairs", "get_current_time_nanoseconds"];

describe("admitted", () => {
  test("mTLS, token, limit", () => {
    const outcome = new TestPlugin("shop").order();
    assert.equal(outcome.action, "continue");
    assert.deepEqual(callNames(outcome.calls), [
      ...readings,
      "call_foreign_function verify_signature",
      "get_shared_data",
      "set_shared_data",
      record,
      rules("checkout-orders", "allow"),
      miss,
      requests("allow"),
    ]);
    assert.equal(markOf(outcome), true);
    assert.equal(outcome.localResponse, undefined);
    const { policy, decision, reason, rule, caller } = recordOf(outcome);
    assert.deepEqual(
      { policy, decision, reason, rule, caller },
      {
        policy: "shop",
        decision: "allow",
        reason: "allowed",
        rule: "checkout-orders",
        caller: "spiffe://example.org/checkout-service",
      },
    );
  });

  test("a token seen before is not verified again", () => {
    const plugin = new TestPlugin("shop");
    const token = plugin.token({ sub: "a", scope: "orders:write" });
    assert.equal(plugin.order({ token }).action, "continue");
    const outcome = plugin.order({ token });
    assert.equal(outcome.action, "continue");
    assert.deepEqual(callNames(outcome.calls), [
      ...readings,
      "get_shared_data",
      "set_shared_data",
      record,
      "set_tick_period_milliseconds",
      rules("checkout-orders", "allow"),
      hit,
      requests("allow"),
    ]);
  });

  test("anonymous", () => {
    const outcome = new TestPlugin("shop").request({ caller: null, method: "GET", path: "/healthz" });
    assert.equal(outcome.action, "continue");
    assert.deepEqual(callNames(outcome.calls), [...readings, record, rules("health", "allow"), requests("allow")]);
  });
});

/** What each class of denial calls between the first reading and the counters, and what it answers. */
const classes: {
  name: string;
  ask: (plugin: TestPlugin) => ReturnType<TestPlugin["request"]>;
  calls: string[];
  status: number;
  grpcStatus: number;
  reason: string;
  rule?: string;
  headers?: RegExp;
  /** A token was taken apart. */
  isMiss?: true;
}[] = [
  {
    name: "no identity",
    ask: (plugin) => plugin.request({ caller: null }),
    calls: readings,
    status: 403,
    grpcStatus: 7,
    reason: "identity_missing",
  },
  {
    name: "malformed identity",
    ask: (plugin) => plugin.request({ caller: "spiffe://x/.." }),
    calls: readings,
    status: 403,
    grpcStatus: 7,
    reason: "identity_malformed",
  },
  {
    name: "foreign trust domain",
    ask: (plugin) => plugin.request({ caller: "spiffe://evil.example/a" }),
    calls: readings,
    status: 403,
    grpcStatus: 7,
    reason: "identity_untrusted",
  },
  {
    name: "no rule",
    ask: (plugin) => plugin.request({ caller: "spiffe://example.org/billing" }),
    calls: readings,
    status: 403,
    grpcStatus: 7,
    reason: "no_rule",
  },
  {
    name: "deny rule",
    ask: (plugin) => plugin.request({ method: "DELETE", path: "/orders/1" }),
    calls: readings,
    status: 403,
    grpcStatus: 7,
    reason: "rule_denied",
    rule: "no-deletes",
  },
  {
    name: "ambiguous path",
    ask: (plugin) => plugin.request({ path: "/orders//1" }),
    calls: readings,
    status: 400,
    grpcStatus: 3,
    reason: "path_ambiguous",
  },
  {
    name: "malformed request",
    ask: (plugin) => plugin.request({ host: "a b" }),
    calls: readings.slice(0, 2),
    status: 400,
    grpcStatus: 3,
    reason: "request_malformed",
  },
  {
    name: "no token",
    ask: (plugin) => plugin.request({}),
    calls: readings,
    status: 401,
    grpcStatus: 16,
    reason: "token_missing",
    rule: "checkout-orders",
    headers: /^www-authenticate: Bearer(?!.*error)/m,
  },
  {
    name: "forged signature",
    ask: (plugin) =>
      plugin.order({
        token: `${plugin.token({ scope: "orders:write" }).split(".").slice(0, 2).join(".")}.${"A".repeat(342)}`,
      }),
    calls: [...readings, "call_foreign_function verify_signature"],
    status: 401,
    grpcStatus: 16,
    reason: "token_signature",
    rule: "checkout-orders",
    isMiss: true,
    headers: /^www-authenticate: Bearer .*error="invalid_token"/m,
  },
  {
    name: "alg none",
    ask: (plugin) => plugin.order({ token: plugin.token({}, { alg: "none" }) }),
    calls: readings,
    status: 401,
    grpcStatus: 16,
    reason: "token_algorithm",
    rule: "checkout-orders",
    isMiss: true,
    headers: /error="invalid_token"/,
  },
  {
    name: "scope missing",
    ask: (plugin) => plugin.order({ token: plugin.token({ scope: "orders:read" }) }),
    calls: [...readings, "call_foreign_function verify_signature"],
    status: 403,
    grpcStatus: 7,
    reason: "scope_missing",
    rule: "checkout-orders",
    isMiss: true,
    headers: /^www-authenticate: Bearer .*error="insufficient_scope", scope="orders:write"/m,
  },
];

describe("denied", () => {
  for (const expected of classes) {
    test(expected.name, () => {
      const outcome = expected.ask(new TestPlugin("shop"));
      assert.equal(outcome.action, "pause");
      const counted = [denials(expected.reason)];
      if (expected.rule !== undefined) counted.push(rules(expected.rule, "deny"));
      if (expected.isMiss) counted.push(miss);
      counted.push(requests("deny"));
      assert.deepEqual(callNames(outcome.calls), [...expected.calls, record, ...counted, answer]);
      assert.equal(markOf(outcome), false);
      const { decision, reason, rule } = recordOf(outcome);
      assert.deepEqual({ decision, reason, rule }, { decision: "deny", reason: expected.reason, rule: expected.rule });
      const response = outcome.localResponse!;
      assert.equal(response.status, expected.status);
      assert.match(response.details, new RegExp(expected.reason));
      if (expected.rule !== undefined) assert.match(response.details, new RegExp(expected.rule));
      const headers = response.headers.map(([name, value]) => `${name}: ${value}`).join("\n");
      assert.match(headers, /^content-type: application\/problem\+json$/m);
      if (expected.headers !== undefined) assert.match(headers, expected.headers);
      const problem = JSON.parse(response.body) as Record<string, unknown>;
      assert.equal(problem.status, expected.status);
      assert.equal(typeof problem.title, "string");
      assert.doesNotMatch(
        response.body,
        new RegExp(`${expected.reason}|${expected.rule ?? "\\0"}|example\\.org`),
        "the body tells the caller why",
      );
    });
  }
});

test("gRPC requests get the verdict as a gRPC status", () => {
  const grpc = [["content-type", "application/grpc"]] as const;
  for (const { name, ask, grpcStatus } of classes) {
    const plugin = new TestPlugin("shop");
    const plain = plugin.request.bind(plugin);
    plugin.request = (request, more) => plain({ ...request, headers: grpc }, more);
    const response = ask(plugin).localResponse!;
    assert.equal(response.status, 200, name);
    assert.equal(response.grpcStatus, grpcStatus, name);
    assert.equal(response.headers.find(([header]) => header === "grpc-status")?.[1], String(grpcStatus), name);
  }
});

test("gRPC requests get 8 for a limit without room, and 14 for a failure of our own", () => {
  const grpc = { method: "GET", path: "/slow", headers: [["content-type", "application/grpc"]] } as const;
  const limited = new TestPlugin("limits");
  for (let count = 0; count < 3; count++) assert.equal(limited.request(grpc).action, "continue");
  const failing = new TestPlugin("limits");
  failing.host.faults = [{ call: "get_current_time_nanoseconds", result: WasmResult.InternalFailure }];
  for (const [plugin, grpcStatus, reason] of [
    [limited, 8, "limit_exceeded"],
    [failing, 14, "internal"],
  ] as const) {
    const outcome = plugin.request(grpc);
    const response = outcome.localResponse!;
    assert.equal(recordOf(outcome).reason, reason);
    assert.deepEqual([response.status, response.grpcStatus], [200, grpcStatus], reason);
    assert.equal(response.headers.find(([header]) => header === "grpc-status")?.[1], String(grpcStatus), reason);
  }
});

describe("shadow mode", () => {
  test("lets through what it would deny, and says so", () => {
    const outcome = new TestPlugin("shadow").request({ caller: "spiffe://example.org/x", method: "GET", path: "/two" });
    assert.equal(outcome.action, "continue");
    assert.equal(outcome.localResponse, undefined);
    assert.equal(markOf(outcome), true);
    const { decision, reason, mode } = recordOf(outcome);
    assert.deepEqual({ decision, reason, mode }, { decision: "deny", reason: "no_rule", mode: "shadow" });
  });

  test("plugin configuration overrides the policy's mode", () => {
    const plugin = new TestPlugin("shop");
    const image = Buffer.from(plugin.policy.standInImage).toString("base64");
    const { rootContext, ok } = plugin.host.startPlugin(JSON.stringify({ policy: image, mode: "shadow" }));
    assert.equal(ok, true);
    const headers = [
      [":method", "GET"],
      [":path", "/nowhere"],
      [":authority", "h"],
    ] as const;
    assert.equal(plugin.host.request(rootContext, { headers }).action, "continue");
    assert.equal(plugin.host.request(plugin.root, { headers }).action, "pause");
  });
});
