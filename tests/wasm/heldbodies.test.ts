/** Requests that are held for their bodies, and decided by what is in them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { type HostOptions, type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { loadEngineFor } from "../../scripts/policy/build.ts";
import { nowSeconds, policyNamed, recordOf } from "../support/plugin.ts";

type Header = readonly [string, string];

/** A worker with the policy `calls`, which moves its own clock. */
class World {
  readonly host: PluginHost;
  readonly root: number;
  now = BigInt(nowSeconds) * 1_000_000_000n;

  constructor(options: HostOptions = {}, name = "calls") {
    const { standInImage } = policyNamed(name);
    this.host = PluginHost.load(loadEngineFor(standInImage), {
      clock: () => this.now,
      allowOnHeadersStopIteration: true,
      ...options,
    });
    const started = this.host.startPlugin(pluginConfiguration(standInImage));
    assert.equal(started.ok, true, started.logs.map(({ message }) => message).join("\n"));
    this.root = started.rootContext;
    this.host.tick(this.root);
  }

  open({
    caller = "web",
    method = "POST",
    path = "/mcp",
    headers = [json] as readonly Header[],
    hasBody = true,
  } = {}): Outcome {
    const request = {
      caller: `spiffe://example.org/${caller}`,
      source: "10.1.2.3",
      method,
      path,
      host: "api.example.org",
      headers: headers.map(([name, value]) => [name, value] as [string, string]),
      token: null,
    };
    return this.host.request(this.root, { ...hostRequest(request), hasBody, keepOpen: true });
  }

  /** Sends a body in pieces of so many bytes, and the end by itself, as HTTP/1.1 has it. */
  send(text: string | Uint8Array, more: Parameters<World["open"]>[0] = {}, pieceBytes = 1_000_000): Outcome {
    const outcome = this.open(more);
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      this.host.body(outcome.context, bytes.subarray(at, at + pieceBytes));
    }
    this.host.body(outcome.context, new Uint8Array(), true);
    return outcome;
  }
}

const json: Header = ["content-type", "application/json"];
const call = (method: string, params?: unknown, id: unknown = 1): string =>
  JSON.stringify({ jsonrpc: "2.0", id, method, ...(params === undefined ? {} : { params }) });
const tool = (name: string, given: unknown = {}, id: unknown = 1): string =>
  call("tools/call", { name, arguments: given }, id);

function assertAdmitted(outcome: Outcome, bytes: number): void {
  assert.equal(recordOf(outcome).reason, "allowed", JSON.stringify(recordOf(outcome)));
  assert.equal(outcome.localResponse, undefined);
  assert.equal(outcome.upstream.goneBody.length, bytes);
}

function assertDenied(outcome: Outcome, reason: string, detail?: string): void {
  assert.equal(recordOf(outcome).reason, reason, JSON.stringify(recordOf(outcome)));
  assert.equal(recordOf(outcome).detail, detail);
  assert.equal(outcome.upstream.isGone, false, "something has gone on");
}

describe("calls of MCP", () => {
  test("a tool that a rule names is admitted, however its body is cut, and nothing goes on before", () => {
    const body = tool("get_weather", { city: "Ulm" });
    const world = new World();
    for (let piece = 1; piece <= body.length; piece++) {
      const outcome = world.open();
      for (let at = 0; at < body.length; at += piece) {
        assert.equal(world.host.body(outcome.context, Buffer.from(body.slice(at, at + piece))), 0);
        assert.equal(recordOf(outcome).decision, "wait");
      }
      world.host.body(outcome.context, new Uint8Array(), true);
      assertAdmitted(outcome, body.length);
      assert.equal(recordOf(outcome).operation, "mcp tools/call get_weather");
    }
  });

  test("the end may come with the last piece, or as trailers", () => {
    const world = new World();
    const body = Buffer.from(tool("get_weather"));
    const last = world.open();
    world.host.body(last.context, body, true);
    assertAdmitted(last, body.length);
    const trailers = world.open();
    world.host.body(trailers.context, body);
    assert.equal(trailers.upstream.isGone, false);
    world.host.trailers(trailers.context, [["x-end", "1"]]);
    assertAdmitted(trailers, body.length);
  });

  test("a call that no rule names is denied with its own id, an error of JSON-RPC", () => {
    for (const id of ['a"b', 17, "x".repeat(128)]) {
      const outcome = new World().send(tool("delete_all", {}, id));
      assertDenied(outcome, "no_rule");
      assert.equal(recordOf(outcome).operation, "mcp tools/call delete_all");
      assert.equal(outcome.localResponse?.status, 403);
      assert.equal(new Map(outcome.localResponse?.headers).get("content-type"), "application/json");
      assert.deepEqual(answerOf(outcome), { jsonrpc: "2.0", id, error: { code: -32001, message: "Forbidden" } });
    }
  });

  test("an id that is too long is not repeated, nor is that of a list or a notification", () => {
    const long = new World().send(tool("delete_all", {}, "x".repeat(129)));
    assert.equal((answerOf(long) as { id: unknown }).id, null);
    const list = new World().send(`[${tool("get_a")},${tool("delete_all", {}, 2)}]`);
    assertDenied(list, "no_rule");
    assert.equal((answerOf(list) as { id: unknown }).id, null);
  });

  test("a deny rule for a call outweighs a rule for the whole path", () => {
    assertAdmitted(new World().send(tool("anything"), { caller: "admin" }), tool("anything").length);
    assertDenied(new World().send(tool("get_secret"), { caller: "admin" }), "rule_denied");
    assertDenied(new World().send(tool("get_secret")), "rule_denied");
  });

  test("a star denies what is as long as the text before it, too", () => {
    for (const name of ["delete_", "delete_all", "delete_*", "delete_/a"])
      assertDenied(new World({}, "callstars").send(tool(name)), "rule_denied");
    for (const method of ["prompts/", "prompts/get"])
      assertDenied(new World({}, "callstars").send(call(method, { name: "x" })), "rule_denied");
    const body = tool("other");
    assertAdmitted(new World({}, "callstars").send(body), body.length);
  });

  test("whoever may call nothing here waits for no body", () => {
    const outcome = new World().open({ caller: "stranger" });
    assert.equal(outcome.paused, true, "a deny rule may hang on the body");
    const other = new World({}, "callsonly").open({ caller: "stranger" });
    assertDenied(other, "no_rule");
    assert.equal(other.localResponse?.status, 403);
  });

  test("every call of a list has to be admitted", () => {
    const both = `[${tool("get_a")}, ${call("tools/list", undefined, 2)}]`;
    assertAdmitted(new World().send(both), both.length);
    assertDenied(new World().send(`[${tool("get_a")}, ${call("resources/list", undefined, 2)}]`), "no_rule");
    assertDenied(new World().send("[]"), "body_malformed", "jsonrpc");
    const many = `[${Array.from({ length: 129 }, () => tool("get_a")).join()}]`;
    assertDenied(new World().send(many), "call_refused", "batch");
  });

  test("notifications and answers to calls of the server's", () => {
    const note = '{"jsonrpc":"2.0","method":"notifications/initialized"}';
    assertAdmitted(new World().send(note), note.length);
    const other = new World().send('{"jsonrpc":"2.0","method":"other"}');
    assertDenied(other, "no_rule");
    const response = '{"jsonrpc":"2.0","id":5,"result":{}}';
    assertAdmitted(new World().send(response), response.length);
    assertDenied(new World({}, "callsonly").send(response, { caller: "stranger" }), "no_rule");
  });
});

test("a call is in no other request's answer or record", () => {
  const world = new World();
  assertDenied(world.send(tool("secret_tool", {}, "secret-id")), "no_rule");
  const anonymous = world.host.request(world.root, {
    ...hostRequest({
      caller: null,
      source: "10.1.2.3",
      method: "POST",
      path: "/mcp",
      host: "api.example.org",
      headers: [],
      token: null,
    }),
    keepOpen: true,
  });
  assert.equal(recordOf(anonymous).operation, undefined);
  assert.doesNotMatch(String(anonymous.localResponse?.body), /secret/u);
  const malformed = world.open({ path: "/a%2fb", hasBody: false });
  assertDenied(malformed, "path_ambiguous");
  assert.equal(recordOf(malformed).operation, undefined);
  assert.doesNotMatch(String(malformed.localResponse?.body), /secret|jsonrpc/u);
});

describe("what an upstream could read otherwise", () => {
  const malformed: readonly (readonly [name: string, body: string | Uint8Array, detail: string])[] = [
    ["no JSON", "tools/call", "json"],
    ["a byte order mark", Buffer.from(`\ufeff${tool("get_a")}`), "json"],
    ["bytes behind it", `${tool("get_a")}{}`, "json"],
    ["a comment", `${tool("get_a")}// x`, "json"],
    ["a member twice", '{"jsonrpc":"2.0","id":1,"method":"a","method":"tools/list"}', "duplicate_member"],
    ["the same by an escape", '{"jsonrpc":"2.0","id":1,"method":"a","m\\u0065thod":"tools/list"}', "duplicate_member"],
    ["NUL", '{"jsonrpc":"2.0","id":1,"method":"tools/list\\u0000"}', "text"],
    ["a lone surrogate", '{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', "text"],
    ["bytes that are no UTF-8", Buffer.from([0x22, 0xc0, 0xaf, 0x22]), "text"],
    ["another case", '{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call"}', "member_case"],
    [
      "another case that Unicode folds",
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","param\u017f":{}}',
      "member_case",
    ],
    ["another case of a tool's name", tool("get_a").replace('"name"', '"NAME":"x","name"'), "member_case"],
    ["no version", '{"id":1,"method":"tools/list"}', "jsonrpc"],
    ["another version", '{"jsonrpc":"1.0","id":1,"method":"tools/list"}', "jsonrpc"],
    ["an id that is none", '{"jsonrpc":"2.0","id":null,"method":"tools/list"}', "jsonrpc"],
    ["call and answer at once", '{"jsonrpc":"2.0","id":1,"method":"tools/list","result":{}}', "jsonrpc"],
    ["a method that is no text", '{"jsonrpc":"2.0","id":1,"method":["tools/list"]}', "jsonrpc"],
    ["a tool without a name", '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{}}}', "call_name"],
    ["a name that is no text", '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":1}}', "call_name"],
    ["a name that is empty", tool(""), "call_name"],
    ["a text", '"tools/list"', "jsonrpc"],
    ["nothing", "", "body_empty"],
  ];
  for (const [name, body, detail] of malformed) {
    test(name, () => {
      const outcome = new World({}, "callsonly").send(body);
      assertDenied(outcome, "body_malformed", detail);
      assert.equal(outcome.localResponse?.status, 400);
    });
  }

  test("a method in other case is another method", () => {
    assertDenied(new World().send(call("Tools/List")), "no_rule");
    assertDenied(new World().send(tool("GET_a")), "no_rule");
  });

  const unsupported: readonly (readonly [name: string, headers: readonly Header[], detail: string])[] = [
    ["no type", [], "content_type"],
    ["another type", [["content-type", "text/plain"]], "content_type"],
    ["two types", [json, ["content-type", "text/plain"]], "content_type"],
    ["another charset", [["content-type", "application/json; charset=utf-16"]], "content_type"],
    ["JSON lines", [["content-type", "application/jsonl"]], "content_type"],
    ["compressed", [json, ["content-encoding", "gzip"]], "content_encoding"],
    ["compressed twice", [json, ["content-encoding", "identity"], ["content-encoding", "gzip"]], "content_encoding"],
  ];
  for (const [name, headers, detail] of unsupported) {
    test(name, () => {
      const outcome = new World({}, "callsonly").open({ headers });
      assertDenied(outcome, "body_unsupported", detail);
      assert.equal(outcome.localResponse?.status, 415);
    });
  }

  for (const type of [
    "application/json;charset=utf-8",
    'Application/JSON ; charset="UTF-8"',
    "application/vnd.api+json",
  ]) {
    test(`${type} is JSON`, () => {
      const body = tool("get_a");
      assertAdmitted(
        new World().send(body, {
          headers: [
            ["content-type", type],
            ["content-encoding", "identity"],
          ],
        }),
        body.length,
      );
    });
  }

  for (const path of ["/MCP", "/mcp/", "//mcp", "/mcp;x=1", "/Graphql"]) {
    test(`${path} is nearly a path of calls`, () => {
      const outcome = new World().open({ path, caller: "admin" });
      assertDenied(outcome, "path_ambiguous");
    });
  }

  test("a client that waits to be asked for its body is not held", () => {
    const outcome = new World({}, "callsonly").open({ headers: [json, ["expect", "100-continue"]] });
    assertDenied(outcome, "body_unavailable", "expect");
  });
});

describe("bounds", () => {
  const sized = (bytes: number): string =>
    tool("get_a", { x: "" }).replace('""', `"${"x".repeat(bytes - tool("get_a", { x: "" }).length)}"`);

  test("a body may be as large as the rule has it, and no larger", () => {
    assertAdmitted(new World().send(sized(65_536)), 65_536);
    const outcome = new World({}, "callsonly").send(sized(65_537), {}, 16_384);
    assertDenied(outcome, "body_too_large");
    assert.equal(outcome.localResponse?.status, 413);
  });

  test("what says that it is larger is not waited for", () => {
    const outcome = new World({}, "callsonly").open({ headers: [json, ["content-length", "65537"]] });
    assertDenied(outcome, "body_too_large");
  });

  test("values of a body are bounded", () => {
    const list = (count: number): string => tool("get_a", { x: [] }).replace("[]", `[${"1,".repeat(count - 1)}1]`);
    assertAdmitted(new World().send(list(30_000)), list(30_000).length);
  });
});

describe("hosts and time", () => {
  test("a host that hands over no bodies is found out within a second or so", () => {
    const world = new World({ allowOnHeadersStopIteration: false }, "callsonly");
    const outcome = world.open();
    assert.equal(outcome.paused, true);
    world.now += 500_000_000n;
    world.host.tick(world.root);
    assert.equal(outcome.paused, true);
    world.now += 600_000_000n;
    world.host.tick(world.root);
    assertDenied(outcome, "body_unavailable");
    assert.equal(outcome.localResponse?.status, 503);
    const told = (): number =>
      world.host.logs.filter(({ message }) => message.includes("allow_on_headers_stop_iteration")).length;
    assert.equal(told(), 1);
    world.host.deleteContext(outcome.context);
    const second = world.open();
    world.now += 2_000_000_000n;
    world.host.tick(world.root);
    assertDenied(second, "body_unavailable");
    assert.equal(told(), 1);
  });

  test("one that has handed over some is waited for longer, but not for ever", () => {
    const world = new World();
    assertAdmitted(world.send(tool("get_a")), tool("get_a").length);
    const outcome = world.open();
    world.now += 14_000_000_000n;
    world.host.body(outcome.context, Buffer.from("{"));
    world.host.tick(world.root);
    assert.equal(outcome.paused, true);
    world.now += 1_000_000_000n;
    world.host.tick(world.root);
    assertDenied(outcome, "body_timeout");
    assert.equal(outcome.localResponse?.status, 408);
  });

  test("a stream that ends is held no longer", () => {
    const world = new World();
    for (let round = 0; round < 20_000; round++) {
      const outcome = world.open();
      world.host.body(outcome.context, new Uint8Array(60_000));
      world.host.deleteContext(outcome.context);
      world.host.endRound();
    }
    assertAdmitted(world.send(tool("get_a")), tool("get_a").length);
  });

  test("no caller takes the room for bodies of others", () => {
    const world = new World({}, "callsonly");
    const piece = new Uint8Array(65_536).fill(0x20);
    const flood: Outcome[] = [];
    for (let index = 0; index < 700; index++) {
      const outcome = world.open();
      flood.push(outcome);
      world.host.body(outcome.context, piece);
    }
    const refused = flood.filter(({ localResponse }) => localResponse !== undefined);
    assert.ok(refused.length > 150 && refused.length < 250, `${refused.length} of 700 were refused`);
    for (const outcome of refused) assertDenied(outcome, "internal");
    const body = tool("get_a");
    assertAdmitted(world.send(body, { caller: "other" }), body.length);
  });

  test("where there is no room to hold a request, a deny rule that reads its body is not passed by", () => {
    const world = new World();
    for (let index = 0; index < 16_384; index++) world.open();
    const outcome = world.open({ caller: "admin" });
    assertDenied(outcome, "internal");
    assert.equal(recordOf(outcome).cause, "held_streams");
  });

  test("a rule in shadow mode that reads the body holds nothing", () => {
    const outcome = new World({}, "bodyshadow").open({ path: "/payments" });
    assert.equal(outcome.paused, false);
    assert.equal(recordOf(outcome).reason, "allowed");
  });

  test("a host that does not give the body denies", () => {
    const world = new World({}, "callsonly");
    const outcome = world.open();
    world.host.faults = [{ call: "get_buffer_bytes", result: 10 }];
    world.host.body(outcome.context, Buffer.from(tool("get_a")), true);
    assertDenied(outcome, "internal");
    assert.equal(recordOf(outcome).cause, "get_buffer_bytes");
  });
});

describe("limits of calls", () => {
  const list = (...names: string[]): string => `[${names.map((name, index) => tool(name, {}, index)).join()}]`;

  test("a list takes what each of its calls costs", () => {
    const world = new World({}, "callsfleet");
    assertAdmitted(world.send(list("c1", "c2", "c3")), list("c1", "c2", "c3").length);
    assertDenied(world.send(list("c1", "c2")), "limit_exceeded");
    assertAdmitted(world.send(list("c1")), list("c1").length);
    assertDenied(world.send(tool("c1")), "limit_exceeded");
  });

  test("a list that costs more than a limit ever holds is denied, and takes nothing", () => {
    const world = new World({}, "callsfleet");
    assertDenied(world.send(list("c1", "c2", "c3", "c4", "c5")), "limit_exceeded");
    const whole = list("c1", "c2", "c3", "c4");
    assertAdmitted(world.send(whole), whole.length);
  });

  test("calls under two rules with limits of the fleet are not in one request", () => {
    assertDenied(new World({}, "callsfleet").send(list("a", "b")), "call_refused", "fleet_limits");
  });
});

describe("GraphQL", () => {
  const ask = (query: string, more: Record<string, unknown> = {}): string => JSON.stringify({ query, ...more });
  const send = (body: string): Outcome => new World({}, "callsonly").send(body, { path: "/graphql" });

  test("the fields at an operation's root are the calls", () => {
    for (const query of [
      "{ orders { id } }",
      "query Q { orders { id } o: order(id: 1) { id } }",
      "mutation { createOrder(n: 1) { id } }",
      "query { ...F } fragment F on Query { orders { id } }",
    ]) {
      const outcome = send(ask(query));
      assertAdmitted(outcome, ask(query).length);
    }
    const denied = send(ask("{ orders { id } users { id } }"));
    assertDenied(denied, "no_rule");
    assert.equal(recordOf(denied).operation, "graphql query users");
    assertDenied(send(ask("mutation { orders }")), "no_rule");
    assertDenied(send(ask("{ __typename }")), "no_rule");
  });

  const refused: readonly (readonly [query: string, more: Record<string, unknown>, reason: string, detail: string])[] =
    [
      ["{ orders ", {}, "body_malformed", "graphql_syntax"],
      ["query A { orders } query B { order }", {}, "body_malformed", "graphql_operation"],
      ["query A { orders }", { operationName: "B" }, "body_malformed", "graphql_operation"],
      ["{ ...F }", {}, "body_malformed", "graphql_fragment"],
      ["{ a { b { c { d { e { f } } } } } }", {}, "call_refused", "graphql_depth"],
      ["{ a: orders b: orders c: orders d: orders }", {}, "call_refused", "graphql_aliases"],
      ["{ __schema { types { name } } }", {}, "call_refused", "graphql_introspection"],
      ["{ orders }", { Query: "{ users }" }, "body_malformed", "member_case"],
      ["{ orders }", { operationname: "A" }, "body_malformed", "member_case"],
      [
        "{ orders }",
        { extensions: { persistedQuery: { sha256Hash: "0".repeat(64) } } },
        "body_malformed",
        "graphql_persisted",
      ],
      ["{ orders }", { documentId: "1" }, "body_malformed", "graphql_persisted"],
    ];
  for (const [query, more, reason, detail] of refused) {
    test(`${query} ${JSON.stringify(more)}`, () => assertDenied(send(ask(query, more)), reason, detail));
  }

  test("a hash alone is refused where the policy has no documents", () => {
    assertDenied(send('{"extensions":{"persistedQuery":{"sha256Hash":"00"}}}'), "call_refused", "graphql_persisted");
    assertDenied(send("{}"), "body_malformed", "graphql_operation");
  });

  test("by GET it is decided at once, and never a mutation", () => {
    const get = (query: string): Outcome =>
      new World({}, "callsonly").open({
        method: "GET",
        path: `/graphql?query=${encodeURIComponent(query)}`,
        headers: [],
        hasBody: false,
      });
    assert.equal(recordOf(get("{orders{id}}")).reason, "allowed");
    assertDenied(get("{users{id}}"), "no_rule");
    assertDenied(get("mutation{createOrder{id}}"), "body_malformed", "graphql_method");
  });

  test("two documents in one request are refused", () => {
    const outcome = new World({}, "callsonly").send(ask("{ orders }"), { path: "/graphql?query=%7Busers%7D" });
    assertDenied(outcome, "body_malformed", "graphql_method");
  });
});

function answerOf(outcome: Outcome): unknown {
  return JSON.parse(String(outcome.localResponse?.body));
}
