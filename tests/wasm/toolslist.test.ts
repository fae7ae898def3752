/** Answers to `tools/list` of MCP, without the tools that their caller may not call. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hostRequest, pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { type Outcome, PluginHost } from "../../scripts/host/plugin.ts";
import { loadEngineFor } from "../../scripts/policy/build.ts";
import { nowSeconds, policyNamed, recordOf } from "../support/plugin.ts";

type Header = readonly [string, string];
const json: Header = ["content-type", "application/json"];
const events: Header = ["content-type", "text/event-stream"];
const list = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';

class World {
  readonly host: PluginHost;
  readonly root: number;

  constructor() {
    const { standInImage } = policyNamed("calls");
    this.host = PluginHost.load(loadEngineFor(standInImage), {
      clock: () => BigInt(nowSeconds) * 1_000_000_000n,
      allowOnHeadersStopIteration: true,
    });
    const started = this.host.startPlugin(pluginConfiguration(standInImage));
    assert.equal(started.ok, true, started.logs.map(({ message }) => message).join("\n"));
    this.root = started.rootContext;
  }

  ask(body = list, caller = "web"): Outcome {
    const outcome = this.host.request(this.root, {
      ...hostRequest({
        caller: `spiffe://example.org/${caller}`,
        source: "10.1.2.3",
        method: "POST",
        path: "/mcp",
        host: "api.example.org",
        headers: [
          ["content-type", "application/json"],
          ["accept-encoding", "gzip"],
        ],
        token: null,
      }),
      hasBody: true,
      keepOpen: true,
    });
    this.host.body(outcome.context, Buffer.from(body), true);
    assert.equal(recordOf(outcome).reason, "allowed", JSON.stringify(recordOf(outcome)));
    return outcome;
  }

  /** The upstream answers in pieces; what has gone on to the client. */
  answer(outcome: Outcome, type: Header, text: string, pieceBytes = 1_000_000, more: readonly Header[] = []): string {
    const length: Header[] = type === json ? [["content-length", String(Buffer.byteLength(text))]] : [];
    this.host.respond(outcome.context, [[":status", "200"], type, ...length, ...more] as [string, string][]);
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      this.host.respondBody(outcome.context, bytes.subarray(at, at + pieceBytes));
    }
    this.host.respondBody(outcome.context, new Uint8Array(), true);
    return Buffer.from(outcome.response.flow.goneBody).toString();
  }
}

const tool = (name: string, more = ""): string => `{"name":"${name}","description":"a \\"tool\\" of {x}, [y]"${more}}`;
const listing = (...tools: string[]): string =>
  `{"jsonrpc": "2.0", "id": 1, "result": {"tools": [ ${tools.join(" , ")} ], "nextCursor": "n"}}`;
const namesIn = (text: string): string[] =>
  (JSON.parse(text) as { result: { tools: { name: string }[] } }).result.tools.map(({ name }) => name);

describe("tools/list", () => {
  const all = listing(
    tool("get_a"),
    tool("delete_all"),
    tool("get_secret"),
    tool("get_b", ',"inputSchema":{"type":"object"}'),
    tool("x"),
  );

  test("only what the caller may call is left, and what is left is as it was", () => {
    const world = new World();
    const outcome = world.ask();
    assert.equal(recordOf(outcome).operation, "mcp tools/list");
    assert.equal(new Map(outcome.headers).get("accept-encoding"), "identity");
    const text = world.answer(outcome, json, all);
    assert.deepEqual(namesIn(text), ["get_a", "get_b"]);
    assert.ok(text.includes(tool("get_b", ',"inputSchema":{"type":"object"}')), text);
    assert.ok(text.endsWith('], "nextCursor": "n"}}'), text);
    assert.equal(new Map(outcome.response.headers).get("content-length"), undefined);
  });

  test("however the answer is cut", () => {
    const world = new World();
    const whole = world.answer(world.ask(), json, all);
    for (let piece = 1; piece < 60; piece++)
      assert.equal(world.answer(world.ask(), json, all, piece), whole, `${piece}`);
  });

  test("a caller with a rule for the whole path sees all that no rule denies", () => {
    const world = new World();
    assert.deepEqual(namesIn(world.answer(world.ask(list, "admin"), json, all)), ["get_a", "delete_all", "get_b", "x"]);
  });

  test("none, one, and tools without a name", () => {
    const world = new World();
    assert.deepEqual(namesIn(world.answer(world.ask(), json, listing())), []);
    assert.deepEqual(namesIn(world.answer(world.ask(), json, listing(tool("x")))), []);
    assert.deepEqual(namesIn(world.answer(world.ask(), json, listing(tool("get_a")))), ["get_a"]);
    assert.deepEqual(
      namesIn(world.answer(world.ask(), json, listing('{"title":"get_a"}', '"get_a"', "7", "null"))),
      [],
    );
    assert.deepEqual(
      namesIn(world.answer(world.ask(), json, listing('{"name":"g\\u0065t_a"}', '{"name":"delete\\u005fall"}'))),
      ["get_a"],
    );
  });

  test("events, whole or cut anywhere, with others among them", () => {
    const sent = `: hello\r\n\r\nevent: message\nid: 7\ndata: {"jsonrpc":"2.0","method":"notifications/progress"}\n\nevent: message\ndata: ${all}\n\n`;
    const world = new World();
    const whole = world.answer(world.ask(), events, sent);
    const data = whole.split("\n").filter((line) => line.startsWith("data: "));
    assert.equal(data.length, 2);
    assert.deepEqual(namesIn(data[1]!.slice(6)), ["get_a", "get_b"]);
    assert.ok(whole.startsWith(": hello\r\n\r\nevent: message\nid: 7\n"), whole);
    for (let piece = 1; piece < 60; piece++)
      assert.equal(world.answer(world.ask(), events, sent, piece), whole, `${piece}`);
  });

  test("an event goes on as soon as it is whole", () => {
    const world = new World();
    const outcome = world.ask();
    world.host.respond(outcome.context, [[":status", "200"], events as [string, string]]);
    world.host.respondBody(outcome.context, Buffer.from("data: {}"));
    assert.equal(outcome.response.headers, undefined);
    world.host.respondBody(outcome.context, Buffer.from("\n\n"));
    assert.equal(Buffer.from(outcome.response.flow.goneBody).toString(), "data: {}\n\n");
  });

  const refused: readonly (readonly [name: string, type: Header, text: string, more: readonly Header[]])[] = [
    ["no JSON", json, "tools", []],
    ["a member twice", json, '{"result":{"tools":[]},"result":{"tools":[]}}', []],
    ["tools that are no list", json, '{"result":{"tools":{"name":"x"}}}', []],
    ["encoded", json, all, [["content-encoding", "gzip"]]],
    ["two types", json, all, [["content-type", "text/plain"]]],
    ["too large", json, listing(tool("get_a", `,"x":"${"x".repeat(270_000)}"`)), []],
    ["data in two lines", events, `data: {"result":\ndata: {"tools":[${tool("x")}]}}\n\n`, []],
  ];
  for (const [name, type, text, more] of refused) {
    test(`${name}: nothing of it goes on`, () => {
      const world = new World();
      const outcome = world.ask();
      assert.equal(world.answer(outcome, type, text, 100_000, more), "");
      assert.equal(outcome.localResponse?.status, 503);
      assert.equal(outcome.localResponse?.details, "sallyport_denied{internal}{answer_unreadable}");
      assert.equal(recordOf(outcome).admit, false);
      assert.equal(recordOf(outcome).reason, "internal");
      assert.equal(outcome.trapped, false);
    });
  }

  test("an answer of another type is none that lists tools", () => {
    const world = new World();
    assert.equal(world.answer(world.ask(), ["content-type", "text/plain"], "hello"), "hello");
  });

  test("a host that does not have the answer changed lets nothing of it on", () => {
    const world = new World();
    const outcome = world.ask();
    world.host.faults = [{ call: "set_buffer_bytes", result: 10 }];
    assert.equal(world.answer(outcome, json, all), "");
    assert.equal(outcome.localResponse?.status, 503);
  });

  test("lists under way are bounded, and their ends make room", () => {
    const world = new World();
    const open: Outcome[] = [];
    for (let index = 0; index < 256; index++) open.push(world.ask());
    assert.throws(() => world.ask(), /held_streams/u);
    world.host.deleteContext(open[17]!.context);
    world.host.endRound();
    assert.deepEqual(namesIn(world.answer(world.ask(), json, all)), ["get_a", "get_b"]);
  });
});
