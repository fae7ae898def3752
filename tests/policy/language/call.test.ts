/** Endpoints that are calls: what each form becomes, and what is said of those that are none. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { SegmentPattern } from "../../../scripts/policy/language/pathpattern.ts";
import { check } from "../../support/policy.ts";

const spoken = `mcp: { paths: [/mcp, "/v2/mc%70"] }
a2a: { paths: [/a2a] }
jsonrpc: { paths: [/rpc] }
graphql: { paths: [/graphql] }`;

function policy(endpoint: string, { action = "allow", keys = spoken, other = "" } = {}) {
  return check(`version: 1
name: calls
trust: { domains: [example.org] }
${keys}
rules:
  - { name: all, callers: ["spiffe://example.org/all"], allow: [GET /] }
  - { name: own, callers: ["spiffe://example.org/web"], ${action}: ['${endpoint}']${other} }
`);
}

const star = (prefix: string): SegmentPattern => ({ prefix, suffix: "", least: 0 });

const forms: [endpoint: string, segments: SegmentPattern[], tail: boolean][] = [
  ["mcp initialize", ["initialize"], true],
  ["mcp tools/list", ["tools/list"], true],
  ["mcp tools/call", ["tools/call"], true],
  ["mcp tools/call get_weather", ["tools/call", "get_weather"], false],
  ["mcp tools/call get_*", ["tools/call", star("get_")], false],
  ["mcp tools/call *", ["tools/call", null], false],
  ["mcp resources/read file:///a b/100%25/{x}", ["resources/read", "file:///a b/100%25/{x}"], false],
  ["mcp prompts/get grüße/é", ["prompts/get", "grüße/é"], false],
  ["mcp notifications/*", [star("notifications/")], true],
  ["mcp *", [null], true],
  ["mcp x-vendor/thing", ["x-vendor/thing"], true],
  ["a2a message/send", ["message/send"], true],
  ["a2a SendMessage", ["SendMessage"], true],
  ["a2a tasks/*", [star("tasks/")], true],
  ["jsonrpc math.add", ["math.add"], true],
  ["jsonrpc *", [null], true],
  ["graphql query", ["query"], true],
  ["graphql query *", ["query", null], false],
  ["graphql mutation createOrder", ["mutation", "createOrder"], false],
  ["graphql subscription on*", ["subscription", star("on")], false],
  ["graphql *", [null], true],
];

describe("calls", () => {
  for (const [endpoint, segments, tail] of forms) {
    test(`${endpoint} is a pattern of calls`, () => {
      const { errors, warnings, policy: checked } = policy(endpoint);
      assert.deepEqual(errors, []);
      assert.deepEqual(
        warnings.filter(({ code }) => code !== "write_without_token"),
        [],
      );
      const [own] = checked!.rules.filter(({ name }) => name === "own");
      assert.deepEqual(
        own!.endpoints.map((one) => [one.segments, one.tail]),
        [[segments, tail]],
      );
      assert.equal(own!.mostBytes?.body, 65_536);
    });
  }

  test("a list of fields is an endpoint for each, on every path and by both HTTP methods", () => {
    const own = policy("graphql query orders, order,x").policy!.rules.find(({ name }) => name === "own")!;
    assert.deepEqual(
      own.endpoints.map(({ segments, call }) => [segments[1], call!.text]),
      [
        ["orders", "graphql query orders"],
        ["order", "graphql query order"],
        ["x", "graphql query x"],
      ],
    );
    assert.deepEqual(own.endpoints[0]!.methods, [":graphql GET /graphql", ":graphql POST /graphql"]);
    const mcp = policy("mcp ping").policy!.rules.find(({ name }) => name === "own")!;
    assert.deepEqual(mcp.endpoints[0]!.methods, [":mcp POST /mcp", ":mcp POST /v2/mcp"]);
  });
});

const faults: [endpoint: string, message: RegExp][] = [
  ["mcp tools/Call get_x", /case-sensitive; did you mean `mcp tools\/call`\?/],
  ["mcp Tools/*", /did you mean `mcp tools\/\*`\?/],
  ["a2a sendMessage", /did you mean `a2a SendMessage`\?/],
  ["MCP tools/list", /in lower case; did you mean `mcp tools\/list`\?/],
  ["graphql Query orders", /did you mean `query`\?/],
  ["graphql orders", /`graphql query orders`/],
  ["graphql query orders(id: 1)", /its name alone, without arguments/],
  ["graphql query orders { id }", /its name alone/],
  ["graphql query or-ders", /no field of GraphQL/],
  ["graphql query a,, b", /no field of GraphQL/],
  ["graphql * orders", /name the type/],
  ["mcp tools/list x", /has no name here/],
  ["jsonrpc add x", /has a method alone/],
  ["mcp tools/call *_all", /at the end of a call/],
  ["mcp */list", /at the end of a call/],
  ["mcp", /`METHOD PATH`|`mcp METHOD`/],
  ["mcp  tools/list", /one space between/],
];

describe("what is no call", () => {
  for (const [endpoint, message] of faults) {
    test(`${endpoint} is an error that says what to write`, () => {
      const { errors } = policy(endpoint);
      assert.equal(errors[0]?.code, "invalid_endpoint", JSON.stringify(errors));
      assert.match(errors[0]!.message, message);
    });
  }

  test("a name with control characters, one that is too long, and a star behind too much", () => {
    const long = `mcp tools/call ${"a".repeat(1025)}`;
    assert.equal(policy(long).errors[0]?.code, "bound");
    assert.equal(policy(`mcp tools/call ${"a".repeat(256)}*`).errors[0]?.code, "bound");
    const { errors } = check(`version: 1
name: calls
trust: { domains: [example.org] }
mcp: { paths: [/mcp] }
rules:
  - { name: a, callers: [any], allow: ["mcp tools/call a\\u0000b", "mcp tools/call a\\tb", "mcp tools/call \\uD800"] }
`);
    assert.deepEqual(
      errors.map(({ code, message }) => [code, /control characters/.test(message)]),
      [1, 2, 3].map(() => ["invalid_endpoint", true]),
    );
  });

  test("a call without the key of its protocol says what to write", () => {
    for (const [endpoint, key] of [
      ["mcp tools/list", /`mcp: \{ paths: \[\/mcp\] \}`/],
      ["graphql query x", /`graphql: \{ paths: \[\/graphql\] \}`/],
      ["jsonrpc add", /`jsonrpc: \{ paths: \[\/rpc\] \}`/],
      ["a2a message/send", /`a2a: \{ paths: \[\/a2a\] \}`/],
    ] as const) {
      const [error] = policy(endpoint, { keys: "" }).errors;
      assert.equal(error?.code, "call_without_paths");
      assert.match(error!.message, key);
    }
  });

  test("a field that YAML took for an endpoint of its own says where the quotes go", () => {
    const { errors } = check(`version: 1
name: calls
trust: { domains: [example.org] }
graphql: { paths: [/graphql] }
rules:
  - { name: a, callers: [any], allow: [graphql query orders, order] }
`);
    assert.match(errors[0]?.message ?? "", /`"graphql query orders, order"`/);
  });

  test("a method that is nearly a known one is warned of, and others are not", () => {
    const said = (endpoint: string): string[] =>
      policy(endpoint)
        .warnings.filter(({ code }) => code === "method_unknown")
        .map(({ message }) => message);
    assert.match(said("mcp tools/lst")[0] ?? "", /did you mean `tools\/list`\?/);
    assert.match(said("a2a message/sent")[0] ?? "", /did you mean `message\/send`\?/);
    assert.deepEqual(said("mcp vendor.example/completely-different"), []);
    assert.deepEqual(said("jsonrpc toolslist"), []);
  });
});

describe("rules with calls", () => {
  test("names have the case that they have: a rule for both is an error", () => {
    const paths = ", paths: { case: ignore }";
    assert.match(
      policy("mcp tools/list", { other: paths }).errors[0]?.message ?? "",
      /case-sensitive; leave `case` out/,
    );
    assert.equal(policy("mcp tools/list", { action: "deny", other: paths }).errors[0]?.code, "value");
    const folding = `${spoken}\npaths: { case: ignore }`;
    const denied = policy("mcp tools/list", { action: "deny", keys: folding });
    assert.deepEqual(denied.errors, []);
    const { errors } = policy("mcp tools/list", { keys: `${spoken}\npaths: { case: ignore }` });
    assert.match(errors[0]?.message ?? "", /write `paths: \{ case: exact \}` in this rule/);
  });

  test("they bound the body: by 64 KiB, by what they say, and by 1 MiB at the most", () => {
    const body = (other: string, action = "allow") => {
      const { errors, policy: checked } = policy("mcp ping", { action, other });
      return errors[0]?.code ?? checked!.rules.find(({ name }) => name === "own")!.mostBytes?.body;
    };
    assert.equal(body(""), 65_536);
    assert.equal(body(", maxBodyBytes: 100"), 100);
    assert.equal(body(", maxBodyBytes: 1048576"), 1_048_576);
    assert.equal(body(", maxBodyBytes: 1048577"), "bound");
    assert.equal(body("", "deny"), 65_536);
    assert.equal(body(", maxBodyBytes: 100", "deny"), 100);
    const plain = policy("POST /orders", { other: ", maxBodyBytes: 100000000" });
    assert.deepEqual(plain.errors, []);
    assert.equal(policy("POST /orders", { action: "deny", other: ", maxBodyBytes: 5" }).errors[0]?.code, "deny_with");
  });

  test("those that ask for no change are no writes", () => {
    const isWrite = (endpoint: string): boolean =>
      policy(endpoint).warnings.some(({ code }) => code === "write_without_token");
    const writes = ["mcp tools/call x", "mcp tools/call", "mcp *", "jsonrpc get", "graphql mutation x", "graphql *"];
    for (const endpoint of [...writes, "a2a message/send"]) assert.equal(isWrite(endpoint), true, endpoint);
    const reads = ["mcp initialize", "mcp tools/list", "mcp notifications/*", "mcp resources/read x", "a2a tasks/get"];
    for (const endpoint of [...reads, "graphql query *"]) assert.equal(isWrite(endpoint), false, endpoint);
  });
});
