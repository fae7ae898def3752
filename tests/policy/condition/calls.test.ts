/** What conditions read of a body and of the calls in it: names, types, instructions, and what is said where there is none. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as code from "../../../assembly/policy/instructions.ts";
import { readsOf } from "../../../scripts/policy/language/reads.ts";
import { check } from "../../support/policy.ts";

const spoken = `mcp: { paths: [/mcp] }
a2a: { paths: [/a2a] }
jsonrpc: { paths: [/rpc] }
graphql: { paths: [/graphql] }`;

interface Options {
  endpoints?: string;
  action?: string;
  keys?: string;
  other?: string;
}

/** What is said of a condition, and what it becomes. */
function rule(
  when: string,
  { endpoints = '"mcp tools/call get_x"', action = "allow", keys = spoken, other = "" }: Options = {},
) {
  const { errors, warnings, policy } = check(`version: 1
name: calls
trust: { domains: [example.org] }
${keys}
limits: { writes: { rate: 10/s } }
rules:
  - { name: all, callers: ["spiffe://example.org/all"], allow: [GET /], limit: writes }
  - name: own
    callers: ["spiffe://example.org/web"]
    ${action}: [${endpoints}]
    when: |
      ${when}
${other}`);
  const own = policy?.rules.find(({ name }) => name === "own");
  return {
    faults: errors.map(({ code, message }) => `${code}: ${message}`),
    warnings: warnings.map(({ code, message }) => `${code}: ${message}`).filter((one) => !/^(write|unused)/.test(one)),
    rule: own,
    ops: own?.condition?.instructions.map(({ op, a = 0, text }) => [op, typeof text === "string" ? text : a]),
  };
}

const corp =
  "issuers: { corp: { issuer: https://a.example, audiences: [a], algorithms: [RS256], keys: { file: keys/corp.jwks.json } } }";
const anywhere = { endpoints: '"POST /orders"', keys: "" };

describe("the body", () => {
  test("is a value of which nothing is declared", () => {
    const { faults, warnings, ops, rule: own } = rule("has(body.amount) && body.amount <= 100", anywhere);
    assert.deepEqual([faults, warnings], [[], []]);
    assert.deepEqual(ops?.slice(0, 2), [
      [code.op_body, 0],
      [code.op_has, "amount"],
    ]);
    assert.deepEqual(readsOf(own!), { body: true, call: false, endpoint: false });
    assert.equal(own!.mostBytes?.body, 65_536);
    for (const when of [
      'body == "x"',
      'body.a.b["c d"][0] == 1',
      'has(body["a b"])',
      'body.items.exists(i, i.price > 10 && i.currency == "EUR")',
      "body.all(x, x < 5)",
      'size(body.ids) < 10 && "x" in body.tags',
      'body.role == "guest"',
      "int(body.n) < 5",
    ])
      assert.deepEqual(rule(when, anywhere).faults, [], when);
    assert.deepEqual(rule('body.role != "guest"', { ...anywhere, action: "deny" }).warnings, []);
  });

  test("is asked for members alone, and has no other name", () => {
    assert.match(rule("has(body)", anywhere).faults[0] ?? "", /^condition_syntax|^condition_unsupported/);
    assert.match(rule("request.body.x == 1", anywhere).faults[0] ?? "", /^unknown_name: .*write `body`/);
    assert.match(rule("body", anywhere).faults[0] ?? "", /^$/);
    assert.match(rule("body.x.exists(body, body == 1)", anywhere).faults[0] ?? "", /has a meaning of its own/);
  });

  test("has costs that grow with what may be read of it", () => {
    const loop = "body.items.exists(i, i.a == 1 && i.b == 2)";
    assert.deepEqual(rule(loop, anywhere).faults, []);
    const claims = { ...anywhere, other: "    token: corp\n", keys: corp };
    for (const when of ["body.from == body.to", "claims.tenant in body.tenants", "body.tenant == claims.tenant"])
      assert.deepEqual(rule(when, claims).faults, [], when);
    const large = rule(loop, { ...anywhere, other: "    maxBodyBytes: 1048576\n" });
    assert.match(large.faults[0] ?? "", /^condition_cost: .*with a smaller `maxBodyBytes` it costs less/);
    assert.deepEqual(rule('body.a == "x"', { ...anywhere, other: "    maxBodyBytes: 1048576\n" }).faults, []);
    const over = rule('body.a == "x"', { ...anywhere, other: "    maxBodyBytes: 1048577\n" });
    assert.match(over.faults[0] ?? "", /^bound: a rule that reads the body/);
  });

  test("may be read by a deny rule, and by what a request costs", () => {
    const denied = rule("body.amount > 100", { ...anywhere, action: "deny" });
    assert.deepEqual(denied.faults, []);
    assert.equal(denied.rule!.mostBytes?.body, 65_536);
    const cost = rule("true || has(body.a)", { ...anywhere, other: "    limit: writes\n    cost: 'int(body.n)'\n" });
    assert.deepEqual(cost.faults, []);
    assert.equal(readsOf({ ...cost.rule!, condition: undefined }).body, true);
  });
});

describe("a call", () => {
  const parts: [when: string, part: number, endpoints: string][] = [
    ['mcp.method == "tools/call"', code.call_method_name, '"mcp *"'],
    ['mcp.tool == "get_x"', code.call_tool, '"mcp tools/call *"'],
    ["mcp.args.limit <= 10", code.call_arguments, '"mcp tools/call *"'],
    ['mcp.params.cursor == "x"', code.call_params, '"mcp tools/list"'],
    ['a2a.method == "message/send"', code.call_method_name, '"a2a *"'],
    ['a2a.params.message.role == "user"', code.call_params, '"a2a message/send"'],
    ['jsonrpc.method.startsWith("math.")', code.call_method_name, '"jsonrpc *"'],
    ["jsonrpc.params[0] == 1", code.call_params, '"jsonrpc add"'],
    ['graphql.type == "query"', code.call_type, '"graphql *"'],
    ['graphql.field in ["a", "b"]', code.call_field, '"graphql query a, b"'],
    ['graphql.name == "Orders"', code.call_operation_name, '"graphql query *"'],
    ["graphql.variables.first <= 100", code.call_variables, '"graphql query *"'],
  ];
  for (const [when, part, endpoints] of parts) {
    test(`${when} reads a part of it`, () => {
      const { faults, warnings, ops, rule: own } = rule(when, { endpoints });
      assert.deepEqual([faults, warnings], [[], []]);
      assert.deepEqual(ops?.[0], [code.op_call, part]);
      assert.deepEqual(readsOf(own!), { body: false, call: true, endpoint: true });
    });
  }

  test("is asked for members of its arguments", () => {
    assert.deepEqual(rule("!has(mcp.args.force)").ops?.slice(0, 2), [
      [code.op_call, code.call_arguments],
      [code.op_has, "force"],
    ]);
    assert.match(rule("has(mcp.tool)").faults[0] ?? "", /^condition_unsupported: .*`mcp.method == "tools\/call"`/);
  });

  test("belongs to a session, which is a header", () => {
    const { faults, ops, rule: own } = rule('has(mcp.session) && mcp.session != ""', { endpoints: '"DELETE /mcp"' });
    assert.deepEqual(faults, []);
    assert.deepEqual(ops?.[0], [code.op_has_header, "mcp-session-id"]);
    assert.deepEqual(readsOf(own!), { body: false, call: false, endpoint: false });
    assert.equal(own!.mostBytes, undefined);
  });

  test("has types where they are known", () => {
    for (const when of ["mcp.tool == 1", "mcp.args == 1", 'mcp.method["x"] == 1', "graphql.field < 3"])
      assert.match(rule(when, { endpoints: '"mcp *", "graphql *"' }).faults[0] ?? "", /^condition_type/, when);
    assert.match(rule("mcp.toll == 'x'").faults[0] ?? "", /^unknown_name: .*did you mean `tool`\?/);
    assert.match(rule("mcp == 'x'").faults[0] ?? "", /^condition_unsupported: .*as in `mcp.method`/);
  });

  test("is there only where the rule can be for one", () => {
    assert.match(
      rule("mcp.tool == 'x'", anywhere).faults[0] ?? "",
      /^call_without_paths: .*`mcp: \{ paths: \[\/mcp\] \}`/,
    );
    assert.match(
      rule("mcp.tool == 'x'", { endpoints: '"POST /orders"' }).faults[0] ?? "",
      /^call_never: .*`mcp tools\/call get_\*`/,
    );
    assert.match(rule("mcp.tool == 'x'", { endpoints: '"GET /mcp"' }).faults[0] ?? "", /^call_never/);
    assert.match(rule("graphql.field == 'x'").faults[0] ?? "", /^call_never: .*`graphql query x`/);
    for (const endpoints of ['"POST /mcp"', '"* /**"', '"POST /{x}"'])
      assert.deepEqual(rule("mcp.method == 'ping'", { endpoints }).faults, [], endpoints);
    // Where an endpoint is wrong, that is said, and no more.
    assert.equal(rule("mcp.tool == 'x'", { endpoints: '"mcp tools/Call x"' }).faults.length, 1);
  });

  test("that lacks a part is told of, unless the condition asks first", () => {
    const endpoints = '"mcp initialize", "mcp tools/call get_*", "graphql query orders"';
    const [told] = rule("mcp.args.limit <= 10", { endpoints }).warnings;
    assert.match(
      told ?? "",
      /^call_partial: `mcp initialize` has no `mcp.args`.*the rule does not hold.*`mcp.method == "tools\/call"`/,
    );
    assert.match(rule("mcp.args.limit <= 10", { endpoints, action: "deny" }).warnings[0] ?? "", /the rule matches/);
    assert.deepEqual(rule('mcp.method != "tools/call" || mcp.args.limit <= 10', { endpoints }).warnings, []);
    assert.match(
      rule("mcp.tool == 'x'", { endpoints: '"POST /mcp"' }).warnings[0] ?? "",
      /^call_partial: some request/,
    );
    assert.deepEqual(rule("mcp.args.limit <= 10").warnings, []);
  });

  test("a condition for one method is for those of its carriers", () => {
    assert.deepEqual(rule('request.method == "POST"', { action: "deny" }).faults, []);
    assert.match(rule('request.method == "GET"', { action: "deny" }).faults[0] ?? "", /^deny_never/);
    assert.deepEqual(rule('request.method == "GET"', { action: "deny", endpoints: '"graphql *"' }).faults, []);
  });
});
