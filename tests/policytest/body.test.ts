/** Bodies of requests in policy tests: their forms, what is sent of each, and what is refused. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { PolicyError } from "../../scripts/policy/source/diagnostic.ts";
import { parseMcpCall } from "../../scripts/policytest/body.ts";
import { concreteTests } from "../../scripts/policytest/cases.ts";
import { readTestFile } from "../../scripts/policytest/file.ts";
import { loadTestPolicy } from "../../scripts/policytest/policy.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-bodies-"));
after(() => rmSync(folder, { recursive: true }));
const spoken = "mcp: { paths: [/mcp, /other] }\ngraphql: { paths: [/g] }\n";
const path = join(folder, "tests.yaml");

/** The request of one test, as it is sent. */
function sent(request: string, protocols = spoken, defaults = "") {
  writeFileSync(
    join(folder, "policy.yaml"),
    `version: 1\nname: p\ntrust: { domains: [example.org] }\n${protocols}rules:\n  - { name: r, callers: [any], allow: [POST /mcp] }\n`,
  );
  writeFileSync(path, `policy: policy.yaml\n${defaults}tests:\n  - { name: t, request: ${request}, expect: allow }\n`);
  const file = readTestFile(path);
  const { method, path: asked, headers, body } = concreteTests(file, loadTestPolicy(file.policy)).tests[0]!.request;
  return { method, path: asked, headers: Object.fromEntries(headers), body };
}

const json = (value: unknown): { headers: Record<string, string>; body: string } => {
  const body = JSON.stringify(value);
  return { headers: { "content-type": "application/json", "content-length": String(body.length) }, body };
};

test("a text is sent as it is, and what is no text as JSON", () => {
  const plain = { method: "POST", path: "/a" };
  assert.deepEqual(sent('{ path: /a, body: "ä" }'), { ...plain, headers: { "content-length": "2" }, body: "ä" });
  assert.deepEqual(sent('{ path: /a, body: "" }'), { ...plain, headers: { "content-length": "0" }, body: "" });
  assert.deepEqual(sent("{ path: /a, body: { b: 1, c: [true, null] } }"), {
    ...plain,
    ...json({ b: 1, c: [true, null] }),
  });
  assert.deepEqual(sent("{ path: /a, body: [] }"), { ...plain, ...json([]) });
  assert.equal(sent("{ method: PUT, path: /a, body: [] }").method, "PUT");
});

test("what a request's own headers, or those of the defaults, say of the body stands", () => {
  const headers = "headers: { Content-Type: application/merge-patch+json, transfer-encoding: chunked }";
  assert.deepEqual(sent(`{ path: /a, body: {}, ${headers} }`).headers, {
    "content-type": "application/merge-patch+json",
    "transfer-encoding": "chunked",
  });
  const defaults = "defaults: { headers: { content-type: application/vnd.api+json } }\n";
  assert.equal(sent("{ path: /a, body: {} }", "", defaults).headers["content-type"], "application/vnd.api+json");
});

test("a call of MCP goes to the first path that the policy has for them", () => {
  const call = {
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: { name: "get_weather", arguments: { city: "Ulm" } },
  };
  const post = { method: "POST", path: "/mcp" };
  const short = `{ mcp: { method: tools/call, name: get_weather, arguments: { city: Ulm } } }`;
  assert.deepEqual(sent(short), { ...post, ...json(call) });
  assert.deepEqual(sent(`{ mcp: 'tools/call get_weather {"city": "Ulm"}' }`), { ...post, ...json(call) });
  assert.deepEqual(sent(`{ path: /x, method: PUT, mcp: tools/list }`), {
    ...{ method: "PUT", path: "/x" },
    ...json({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
  });
  assert.deepEqual(
    sent("{ mcp: notifications/initialized }").body,
    '{"jsonrpc":"2.0","method":"notifications/initialized"}',
  );
  assert.deepEqual(JSON.parse(sent("{ mcp: { method: ping, id: x, params: [1] } }").body as string), {
    ...{ jsonrpc: "2.0", id: "x", method: "ping", params: [1] },
  });
  assert.deepEqual(JSON.parse(sent("{ mcp: { method: ping, id: null } }").body as string), {
    jsonrpc: "2.0",
    method: "ping",
  });
  assert.deepEqual(JSON.parse(sent("{ mcp: { method: resources/read, uri: 'file:///a' } }").body as string).params, {
    uri: "file:///a",
  });
  assert.deepEqual(
    JSON.parse(sent("{ mcp: [ping, { method: tools/list, id: 2 }] }").body as string).map(Object.values),
    [
      ["2.0", 1, "ping"],
      ["2.0", 2, "tools/list"],
    ],
  );
});

test("a document of GraphQL, with what goes along", () => {
  const post = { method: "POST", path: "/g" };
  assert.deepEqual(sent('{ graphql: "{ a }" }'), { ...post, ...json({ query: "{ a }" }) });
  const whole = { query: "query Q { a }", variables: { n: 1 }, operationName: "Q" };
  assert.deepEqual(sent(`{ graphql: ${JSON.stringify(whole)} }`), { ...post, ...json(whole) });
  assert.deepEqual(sent('{ graphql: ["{ a }", { query: "{ b }" }] }').body, '[{"query":"{ a }"},{"query":"{ b }"}]');
});

test("a call in one line", () => {
  const of = (text: string): unknown => {
    const call = parseMcpCall(text);
    return typeof call === "string" ? call : (call as { params?: unknown }).params;
  };
  assert.equal(of("tools/list"), undefined);
  assert.deepEqual(of("resources/read file:///a"), { uri: "file:///a" });
  assert.deepEqual(of("prompts/get greet"), { name: "greet" });
  assert.deepEqual(of('initialize {"a":1}'), { a: 1 });
  assert.match(String(of("tools/call x {a}")), /no JSON/);
  assert.match(String(of("")), /METHOD NAME/);
  assert.match(String(of("tools/call a b c")), /METHOD NAME/);
});

const wrong: readonly (readonly [request: string, code: string, message: RegExp])[] = [
  ["{ path: /a, body: x, mcp: ping }", "conflict", /`body` and `mcp` exclude each other/],
  ["{ path: /a, body: 5 }", "type", /in quotes/],
  ["{ path: /a, body: }", "type", /in quotes/],
  ["{ body: x }", "missing_key", /needs `path`/],
  ["{ mcp: {} }", "missing_key", /needs `method`/],
  ["{ mcp: { method: ping, nam: x } }", "unknown_key", /did you mean `name`/],
  ["{ mcp: { method: tools/call, name: x, params: {} } }", "conflict", /`params` and `name`/],
  ["{ mcp: tools/call x y z }", "request", /METHOD NAME/],
  ["{ graphql: {} }", "value", /empty/],
  ["{ graphql: { document: x } }", "unknown_key", /no key `document`/],
];
for (const [request, code, message] of wrong)
  test(`${request} is refused`, () => {
    assert.throws(
      () => sent(request),
      (error) => {
        assert.ok(error instanceof PolicyError, String(error));
        assert.equal(error.diagnostics[0]!.code, code);
        assert.match(error.diagnostics[0]!.message, message);
        return true;
      },
    );
  });

test("a policy without the protocol has no path for its calls", () => {
  assert.throws(() => sent("{ mcp: ping }", ""), /the policy has no `mcp`: say the request's `path`/);
  assert.equal(sent("{ path: /x, mcp: ping }", "").path, "/x");
});
