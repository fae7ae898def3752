/** The Node host's timers, callouts and held requests against little filters, as they were seen to go in Envoy 1.40. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HostCrash, WasmResult } from "../../scripts/host/abi.ts";
import { marshalPairs, type Pair } from "../../scripts/host/pairs.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { compileFilter } from "../support/filter.ts";

const { Ok, NotFound, BadArgument, InvalidMemoryAccess, Unimplemented, InternalFailure } = WasmResult;
const headers = [
  [":method", "GET"],
  [":path", "/"],
  [":authority", "localhost"],
] as const;

/** `memory.data` with these bytes. */
const data = (bytes: Iterable<number>): string => `memory.data<u8>([${[...bytes].join(",")}])`;
const ascii = (text: string): string => data(Buffer.from(text));

/** A call to a cluster, which gives the call's result. */
function callOut(cluster: string, pairs: readonly Pair[] = headers, timeoutMs = 5000): string {
  const bytes = marshalPairs(pairs);
  return `proxy_http_call(${ascii(cluster)}, ${cluster.length}, ${data(bytes)}, ${bytes.length}, 0, 0, 0, 0, ${timeoutMs}, out)`;
}

/** The results of these calls, each logged as a line of one character, whose code is 16 more. */
const say = (calls: string): string => calls.replaceAll("=> ", "say(");
const sayer = `
const line: usize = memory.data(1);
function say(result: u32): void { store<u8>(line, <u8>(16 + result)); proxy_log(2, line, 1); }
`;

/** A filter of these callbacks, started. */
async function start(source: string, options: Parameters<typeof PluginHost.load>[1] = {}) {
  const host = PluginHost.load(await compileFilter(sayer + say(source)), options);
  const { rootContext: root, ok, logs } = host.startPlugin();
  assert.equal(ok, true);
  return { host, root, started: results(logs) };
}

const results = (logs: readonly { message: string }[]): number[] =>
  logs.map(({ message }) => message.charCodeAt(0) - 16);

/** Holds every request back; ticks decide the last one as `body` says. */
const holding = (body: string): string => `
  let held: u32 = 0;
  export function proxy_on_configure(id: u32, size: u32): u32 { proxy_set_tick_period_milliseconds(100); return 1; }
  export function proxy_on_request_headers(id: u32, count: u32, end: u32): u32 { held = id; return 4; }
  export function proxy_on_delete(id: u32): void { => 9); }
  export function proxy_on_tick(id: u32): void { ${body} }`;

describe("ticks", () => {
  test("may end, but set no period of their own: the timer that calls would be gone", async () => {
    const ticking = (period: number) =>
      start(`
        export function proxy_on_configure(id: u32, size: u32): u32 { proxy_set_tick_period_milliseconds(1); return 1; }
        export function proxy_on_tick(id: u32): void { proxy_set_tick_period_milliseconds(${period}); }`);
    const ending = await ticking(0);
    assert.equal(ending.host.tick(ending.root).trapped, false);
    const changing = await ticking(5);
    assert.throws(() => changing.host.tick(changing.root), HostCrash);
  });

  test("come only where a period is set, to that root context", async () => {
    const { host, root } = await start(`
      export function proxy_on_request_headers(id: u32, count: u32, end: u32): u32 {
        => proxy_set_tick_period_milliseconds(end == 0 ? 250 : 0)); return 0; }
      export function proxy_on_tick(id: u32): void { => id); }`);
    assert.deepEqual(host.tick(root).logs, []);
    host.request(root, { headers, hasBody: true });
    assert.equal(host.tickPeriodMs(root), 250, "a stream sets its root context's period");
    assert.deepEqual(results(host.tick(root).logs), [root]);
    const second = host.startPlugin().rootContext;
    assert.deepEqual(host.tick(second).logs, []);
    host.request(root, { headers });
    assert.deepEqual(host.tick(root).logs, []);
  });

  test("read the clock of the test, and trap for all", async () => {
    const { host, root } = await start(`
      export function proxy_on_configure(id: u32, size: u32): u32 { proxy_set_tick_period_milliseconds(1); return 1; }
      export function proxy_on_tick(id: u32): void {
        proxy_get_current_time_nanoseconds(out);
        if (load<u64>(out) > 5) unreachable();
      }`);
    host.clock = () => 5n;
    assert.equal(host.tick(root).trapped, false);
    host.clock = () => 6n;
    assert.equal(host.tick(root).trapped, true);
    assert.equal(host.failed, true);
  });
});

describe("callouts", () => {
  const answered = `
    export function proxy_on_http_call_response(id: u32, token: u32, headers: u32, body: u32, trailers: u32): void {
      => token); => headers); => body); => trailers);
      => proxy_get_header_map_pairs(6, out, out + 4)); => load<u32>(out + 4) == 0 ? 0 : load<u32>(load<u32>(out)));
      => proxy_get_buffer_bytes(4, 1, 2, out, out + 4)); => load<u32>(out + 4));
      => proxy_get_buffer_bytes(4, 3, 100, out, out + 4)); => load<u32>(out + 4));
      => proxy_get_buffer_bytes(4, 100, 1, out, out + 4)); => load<u32>(out + 4));
    }`;

  test("a cluster that is not there, missing headers and a negative timeout are refused", async () => {
    const configure = `export function proxy_on_configure(id: u32, size: u32): u32 {
      => ${callOut("nowhere")});
      => ${callOut("idp", headers.slice(1))});
      => ${callOut("idp", headers, 0x80000000)});
      => proxy_http_call(0x7fffffff, 1, 0, 0, 0, 0, 0, 0, 1, out));
      => ${callOut("idp").replace(/out\)$/, "0xfffffffe)")});
      => ${callOut("idp")}); => load<u32>(out));
      => ${callOut("idp")}); => load<u32>(out));
      return 1; }`;
    const { host, root, started } = await start(configure, { clusters: ["idp"] });
    const refused = [BadArgument, BadArgument, BadArgument, InvalidMemoryAccess, InvalidMemoryAccess];
    assert.deepEqual(started, [...refused, Ok, 4, Ok, 8]);
    const call = { root, cluster: "idp", headers: [...headers], body: new Uint8Array(), timeoutMs: 5000 };
    assert.deepEqual(host.calls, [
      { ...call, token: 4 },
      { ...call, token: 8 },
    ]);
    host.deleteContext(root);
    assert.deepEqual(host.calls, [], "a root context takes its calls with it");
  });

  test("headers and body of the answer can be read while it is told, and not before or after", async () => {
    const source = `
      export function proxy_on_configure(id: u32, size: u32): u32 {
        proxy_set_tick_period_milliseconds(1); ${callOut("idp")}; return 1; }
      export function proxy_on_tick(id: u32): void {
        => proxy_get_header_map_pairs(6, out, out + 4)); => load<u32>(out + 4);
        => proxy_get_buffer_bytes(4, 0, 10, out, out + 4)); }
      ${answered}`.replace("=> load<u32>(out + 4);", "=> load<u32>(out + 4));");
    const { host, root } = await start(source, { clusters: ["idp"] });
    const closed = [Ok, 0, NotFound];
    assert.deepEqual(results(host.tick(root).logs), closed);
    const { logs } = host.answer(4, { headers: [["etag", "1"]], body: "body" });
    assert.deepEqual(results(logs), [4, 2, 4, 0, Ok, 2, Ok, 2, Ok, 1, Ok, 0]);
    assert.deepEqual(results(host.tick(root).logs), closed);
    assert.throws(() => host.answer(4, "reset"), /no callout 4/);
  });

  test("a timeout and a refused connection are answers of Envoy's, a reset is none", async () => {
    const call = `export function proxy_on_request_headers(id: u32, count: u32, end: u32): u32 { ${callOut("idp")}; return 0; }`;
    const { host, root } = await start(call + answered, { clusters: ["idp"] });
    for (let count = 0; count < 3; count++) host.request(root, { headers });
    const first = (token: number, answer: "timeout" | "refused" | "reset"): number[] =>
      results(host.answer(token, answer).logs).slice(1, 6);
    assert.deepEqual(first(4, "timeout"), [3, 24, 0, Ok, 3]);
    assert.deepEqual(first(12, "reset"), [0, 0, 0, Ok, 0]);
    assert.deepEqual(first(8, "refused"), [3, 98, 0, Ok, 3]);
  });

  test("faults answer in place of the calls, and nothing is called", async () => {
    const source = `export function proxy_on_request_headers(id: u32, count: u32, end: u32): u32 {
      => ${callOut("idp")}); => proxy_set_tick_period_milliseconds(5)); => proxy_set_effective_context(id)); return 0; }`;
    const { host, root } = await start(source, { clusters: ["idp"] });
    const faulty = ["http_call", "set_tick_period_milliseconds", "set_effective_context"];
    host.faults = faulty.map((call) => ({ call, result: InternalFailure }));
    host.request(root, { headers });
    assert.deepEqual(results(host.logs), [InternalFailure, InternalFailure, InternalFailure]);
    assert.deepEqual(host.calls, []);
    assert.equal(host.tickPeriodMs(root), 0);
  });
});

describe("held requests", () => {
  test("1, 3, 4 and what is unknown hold a request, 0 and 2 let it go on", async () => {
    for (const [action, held] of [
      [0, false],
      [1, true],
      [2, false],
      [3, true],
      [4, true],
      [9, true],
    ] as const) {
      const { host, root } = await start(
        `export function proxy_on_request_headers(id: u32, count: u32, end: u32): u32 { return ${action}; }`,
      );
      const { action: became, paused } = host.request(root, { headers });
      assert.deepEqual([became, paused], held ? ["pause", true] : ["continue", false], `action ${action}`);
    }
  });

  test("a tick lets one go on: its headers are open until then", async () => {
    const { host, root } = await start(
      holding(`
        => proxy_set_effective_context(held));
        => proxy_replace_header_map_value(0, line, 1, line, 1));
        => proxy_get_header_map_pairs(0, out, out + 4)); => load<u32>(load<u32>(out)));
        => proxy_set_property(line, 1, line, 1));
        => proxy_continue_stream(4)); => proxy_continue_stream(3)); => proxy_continue_stream(0));
        => proxy_get_header_map_pairs(0, out, out + 4)); => load<u32>(out + 4));
        => proxy_replace_header_map_value(0, line, 1, line, 1));`),
    );
    const outcome = host.request(root, { headers });
    assert.deepEqual([outcome.action, outcome.paused, outcome.calls.length], ["pause", true, 0]);
    const { logs, calls } = host.tick(root);
    const going = [BadArgument, Unimplemented, Ok, Ok, 0, BadArgument];
    assert.deepEqual(results(logs), [Ok, Ok, Ok, 4, Ok, ...going, 9], "the stream ends after the callback");
    assert.deepEqual([outcome.action, outcome.paused, outcome.headers.length], ["continue", false, 4]);
    assert.equal(outcome.filterState.size, 1);
    assert.deepEqual(
      outcome.calls.map(({ name }) => name),
      [...calls.map(({ name }) => name), "log"],
      "the calls under its own name are the request's, and those at its end",
    );
  });

  test("a tick answers one, once it has put it in its own place", async () => {
    const { host, root } = await start(
      holding(`
        => proxy_send_local_response(418, 0, 0, 0, 0, 0, 0, -1)); => proxy_continue_stream(0));
        => proxy_set_effective_context(held)); => proxy_set_effective_context(0));
        => proxy_send_local_response(418, 0, 0, 0, 0, 0, 0, -1));
        if (held == 3) { proxy_set_effective_context(held); => proxy_send_local_response(403, 0, 0, 0, 0, 0, 0, -1)); }`),
    );
    const kept = host.request(root, { headers });
    assert.deepEqual(results(host.tick(root).logs), [Ok, Ok, Ok, Ok, Ok]);
    assert.equal(kept.paused, true, "nothing happens to a request nobody named");
    const outcome = host.request(root, { headers });
    assert.deepEqual(results(host.tick(root).logs).slice(-2), [Ok, 9]);
    assert.deepEqual([outcome.action, outcome.paused, outcome.localResponse?.status], ["pause", false, 403]);
    assert.equal(kept.paused, true);
  });

  test("a callout's answer lets one go on", async () => {
    const { host, root } = await start(
      `let held: u32 = 0;
      export function proxy_on_request_headers(id: u32, count: u32, end: u32): u32 { held = id; ${callOut("idp")}; return 4; }
      export function proxy_on_http_call_response(id: u32, token: u32, headers: u32, body: u32, trailers: u32): void {
        => proxy_set_effective_context(held)); => proxy_get_buffer_bytes(4, 0, 9, out, out + 4)); proxy_continue_stream(0); }`,
      { clusters: ["idp"] },
    );
    const outcome = host.request(root, { headers });
    assert.equal(host.calls[0]!.root, root, "a stream calls in its root context's name");
    assert.deepEqual(results(host.answer(4, { body: "x" }).logs), [Ok, Ok]);
    assert.equal(outcome.action, "continue");
  });

  test("a client that goes away: log, done, delete, and the context is known until the round ends", async () => {
    const { host, root } = await start(`${holding("=> proxy_set_effective_context(held));")}
      export function proxy_on_done(id: u32): u32 { => 8); return 1; }
      export function proxy_on_log(id: u32): void { => 7); }`);
    const outcome = host.request(root, { headers });
    host.deleteContext(outcome.context);
    assert.deepEqual([outcome.action, outcome.paused], ["pause", false]);
    assert.deepEqual(results(host.tick(root).logs), [Ok], "torn down, and still addressable");
    host.endRound();
    assert.deepEqual(results(host.tick(root).logs), [BadArgument]);
    assert.deepEqual(results(host.logs), [7, 8, 9, Ok, BadArgument]);
  });

  for (const act of ["proxy_continue_stream(0);", "proxy_send_local_response(403, 0, 0, 0, 0, 0, 0, -1);"]) {
    test(`${act.slice(0, act.indexOf("("))} on a stream that was torn down takes the proxy down`, async () => {
      const { host, root } = await start(holding(`proxy_set_effective_context(held); ${act}`));
      const outcome = host.request(root, { headers });
      host.deleteContext(outcome.context);
      assert.throws(() => host.tick(root), HostCrash);
    });
  }

  test("an export that is not allowed is not called", async () => {
    const source = `${holding("=> 1);")} export function proxy_on_done(id: u32): u32 { => 8); return 1; }`;
    const { host, root } = await start(source, { deniedExports: ["proxy_on_tick", "proxy_on_done"] });
    const outcome = host.request(root, { headers });
    host.tick(root);
    host.deleteContext(outcome.context);
    assert.deepEqual(results(host.logs), [9]);
  });

  test("a trap leaves the others held for good", async () => {
    const { host, root } = await start(holding("unreachable();"));
    const outcome = host.request(root, { headers });
    assert.equal(host.tick(root).trapped, true);
    assert.equal(outcome.paused, true);
    assert.equal(host.request(root, { headers }).localResponse?.status, 503);
  });
});

describe("workers", () => {
  test("share data and metrics; ids are their own", async () => {
    const source = `export function proxy_on_configure(id: u32, size: u32): u32 {
      const names = ${ascii("cg")};
      proxy_define_metric(1, names + 1, 1, out);
      => proxy_record_metric(load<u32>(out), 7)); => proxy_increment_metric(load<u32>(out), 1));
      proxy_define_metric(0, names, 1, out);
      => proxy_record_metric(load<u32>(out), 2));
      => proxy_record_metric(400, 2));
      => proxy_get_shared_data(names, 1, out, out + 4, out + 8));
      => proxy_set_shared_data(names, 1, names, 1, 0));
      return 1; }`;
    const shared = { sharedData: new SharedData(), metricValues: new Map<string, bigint>() };
    const first = await start(source, shared);
    const second = await start(source, shared);
    assert.deepEqual(first.started, [Ok, Ok, Ok, NotFound, NotFound, Ok]);
    assert.deepEqual(second.started, [Ok, Ok, Ok, NotFound, Ok, Ok]);
    const values = [
      ["g", 8n],
      ["c", 4n],
    ];
    assert.deepEqual([...first.host.metrics()], values);
    assert.deepEqual([...second.host.metrics()], values);
  });

  test("a host without foreign functions finds none", async () => {
    const source = `export function proxy_on_configure(id: u32, size: u32): u32 {
      => proxy_call_foreign_function(${ascii("verify_signature")}, 16, 0, 0, out, out + 4)); return 1; }`;
    assert.deepEqual((await start(source)).started, [BadArgument]);
    assert.deepEqual((await start(source, { foreignFunctions: new Map() })).started, [NotFound]);
  });
});
