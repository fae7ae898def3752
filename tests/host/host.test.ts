/** The Node host against little filters: the answers of proxy-wasm-cpp-host and Envoy, call by call. */
import assert from "node:assert/strict";
import { sign } from "node:crypto";
import { describe, test } from "node:test";
import { makeKeyPair } from "../../scripts/common/keypair.ts";
import { HostCrash, LoadError, WasmResult } from "../../scripts/host/abi.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { encodeMessage } from "../../scripts/host/protobuf.ts";
import { localResponse } from "../../scripts/host/reply.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { verifySignature } from "../../scripts/host/signature.ts";
import { compileFilter } from "../support/filter.ts";

const headers = [
  [":method", "GET"],
  [":path", "/"],
  [":authority", "localhost"],
] as const;

/** A filter whose request callback sets property `r` to the results of the calls in `body`, a byte each. */
async function resultsOf(body: string, malloc?: string): Promise<PluginHost> {
  const source = `
    const results: usize = memory.data(16);
    export function proxy_on_request_headers(id: u32, count: u32, end: u32): u32 {
      let n: usize = 0;
      ${body.replaceAll("=> ", "store<u8>(results + n++, <u8>")}
      proxy_set_property(memory.data<u8>([0x72]), 1, results, n);
      return 0;
    }`;
  return PluginHost.load(await compileFilter(source, malloc));
}

function run(host: PluginHost, properties = {}): { results: number[]; outcome: ReturnType<PluginHost["request"]> } {
  const { rootContext } = host.startPlugin();
  const outcome = host.request(rootContext, { headers, properties });
  return { results: [...(outcome.filterState.get("r") ?? "")].map((character) => character.charCodeAt(0)), outcome };
}

describe("memory", () => {
  test("pointers outside of memory are answered, not followed", async () => {
    const host = await resultsOf(`
      => proxy_set_property(0xfffffff0, 32, 0, 0));
      => proxy_set_property(0, 0, 0xfffffff0, 8));
      => proxy_get_property(0x7fffffff, 1, out, out + 4));
      => proxy_get_header_map_pairs(0, 0xfffffffc, out));
      => proxy_get_current_time_nanoseconds(0xfffffffc));
      => proxy_log(2, 0x7fffffff, 1));
      => proxy_get_shared_data(0x7fffffff, 1, out, out + 4, out + 8));
      => proxy_call_foreign_function(0x7fffffff, 1, 0, 0, out, out + 4));
    `);
    assert.deepEqual(run(host).results, Array(8).fill(WasmResult.InvalidMemoryAccess));
  });

  test("malloc that gives nothing fails the call", async () => {
    const host = await resultsOf(
      "=> proxy_get_header_map_pairs(0, out, out + 4));",
      "export function malloc(size: usize): usize { return 0; }\n",
    );
    assert.deepEqual(run(host).results, [WasmResult.InvalidMemoryAccess]);
  });

  test("malloc that points outside fails the call", async () => {
    const host = await resultsOf(
      "=> proxy_get_header_map_pairs(0, out, out + 4));",
      "export function malloc(size: usize): usize { return 0x7ffffff0; }\n",
    );
    assert.deepEqual(run(host).results, [WasmResult.InvalidMemoryAccess]);
  });

  test("malloc may log, and nothing else", async () => {
    const call = "=> proxy_get_header_map_pairs(0, out, out + 4));";
    const logging = await resultsOf(
      call,
      "export function malloc(size: usize): usize { proxy_log(2, arena, 0); return arena; }\n",
    );
    assert.deepEqual(run(logging).results, [WasmResult.Ok]);
    const reading = await resultsOf(
      call,
      "export function malloc(size: usize): usize { proxy_get_current_time_nanoseconds(out); return arena; }\n",
    );
    const { outcome } = run(reading);
    assert.equal(outcome.trapped, true);
    assert.match(outcome.error!.message, /restricted_callback/);
    assert.equal(outcome.action, "pause");
    assert.equal(outcome.localResponse!.status, 503);
    assert.equal(reading.failed, true);
  });

  test("a foreign function without room for its result takes the proxy down", async () => {
    const host = await resultsOf(
      "const name = memory.data<u8>([118,101,114,105,102,121]); => proxy_call_foreign_function(name, 6, 0, 0, out, out + 4));",
      "export function malloc(size: usize): usize { return 0; }\n",
    );
    const options = {
      foreignFunctions: new Map([["verify", () => ({ status: WasmResult.Ok, result: Uint8Array.of(8, 1) })]]),
    };
    const wasm = await compileFilter(
      "export function proxy_on_request_headers(id: u32, count: u32, end: u32): u32 { proxy_call_foreign_function(memory.data<u8>([118,101,114,105,102,121]), 6, 0, 0, out, out + 4); return 0; }",
      "export function malloc(size: usize): usize { return 0; }\n",
    );
    assert.deepEqual(run(host).results, [WasmResult.NotFound]);
    assert.throws(() => run(PluginHost.load(wasm, options)), HostCrash);
  });
});

describe("loading", () => {
  test("an unknown import is refused by name", async () => {
    const wasm = await compileFilter("export function f(): u32 { return proxy_unheard_of(); }");
    assert.throws(
      () => PluginHost.load(wasm),
      new LoadError("Failed to load Wasm module due to a missing import: env.proxy_unheard_of"),
    );
  });

  test("what is no module, or of no ABI version, is refused", () => {
    assert.throws(() => PluginHost.load(Uint8Array.of(1, 2, 3)), LoadError);
    assert.throws(() => PluginHost.load(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)), /ABI version/);
  });
});

describe("calls", () => {
  test("arguments out of range", async () => {
    const host = await resultsOf(`
      => proxy_log(6, 0, 0));
      => proxy_get_buffer_bytes(9, 0, 1, out, out + 4));
      => proxy_get_buffer_bytes(7, 0, 1, out, out + 4));
      => proxy_get_header_map_pairs(9, out, out + 4));
      => proxy_define_metric(3, 0, 0, out));
      => proxy_increment_metric(400, 1));
      => proxy_get_shared_data(0, 4, out, out + 4, out + 8));
    `);
    const { BadArgument, NotFound } = WasmResult;
    const expected = [BadArgument, BadArgument, NotFound, BadArgument, BadArgument, NotFound, NotFound];
    assert.deepEqual(run(host).results, expected);
  });

  test("properties come serialized, absent ones as NotFound", async () => {
    const host = await resultsOf(`
      const path = memory.data<u8>([97, 0, 98]);
      => proxy_get_property(path, 3, out, out + 4));
      => load<u32>(out + 4));
      => load<u8>(load<u32>(out)));
      => proxy_get_property(path, 1, out, out + 4));
    `);
    const { results, outcome } = run(host, { "a.b": 7n });
    assert.deepEqual(results, [WasmResult.Ok, 8, 7, WasmResult.NotFound]);
    assert.deepEqual(
      outcome.calls.map(({ name, args, result }) => [name, args[0], result]),
      [
        ["get_property", "a.b", 0],
        ["get_property", "a", 1],
        ["set_property", "r", 0],
      ],
    );
  });

  test("counters count up only, gauges both ways", async () => {
    const host = await resultsOf(`
      const name = memory.data<u8>([99, 103]);
      => proxy_define_metric(0, name, 1, out));
      => proxy_define_metric(1, name + 1, 1, out + 4));
      => proxy_increment_metric(load<u32>(out), 3));
      => proxy_increment_metric(load<u32>(out), -1));
      => proxy_increment_metric(load<u32>(out), 0));
      => proxy_increment_metric(load<u32>(out + 4), -2));
    `);
    const { Ok, BadArgument } = WasmResult;
    assert.deepEqual(run(host).results, [Ok, Ok, Ok, BadArgument, BadArgument, Ok]);
    assert.deepEqual(
      [...host.metrics()],
      [
        ["c", 3n],
        ["g", -2n],
      ],
    );
  });

  test("counters and gauges are read, histograms are not", async () => {
    const host = await resultsOf(`
      const name = memory.data<u8>([99, 103, 104]);
      for (let kind: u32 = 0; kind < 3; kind++) proxy_define_metric(kind, name + kind, 1, out + 4 * kind);
      proxy_increment_metric(load<u32>(out), 3);
      proxy_record_metric(load<u32>(out + 4), 5000000000);
      => proxy_get_metric(load<u32>(out), out + 16));
      => <u32>load<u64>(out + 16));
      => proxy_get_metric(load<u32>(out + 4), out + 16));
      => <u32>(load<u64>(out + 16) / 1000000000));
      => proxy_get_metric(load<u32>(out + 8), out + 16));
      => proxy_get_metric(401, out + 16));
      => proxy_get_metric(load<u32>(out), 0xfffffffc));
    `);
    const { Ok, BadArgument, NotFound, InvalidMemoryAccess } = WasmResult;
    assert.deepEqual(run(host).results, [Ok, 3, Ok, 5, BadArgument, NotFound, InvalidMemoryAccess]);
  });

  test("faults answer in place of the call", async () => {
    const host = await resultsOf(`
      => proxy_get_current_time_nanoseconds(out));
      => proxy_get_current_time_nanoseconds(out));
    `);
    host.faults = [{ call: "get_current_time_nanoseconds", nth: 2, result: WasmResult.InternalFailure }];
    assert.deepEqual(run(host).results, [WasmResult.Ok, WasmResult.InternalFailure]);
    host.faults = [{ nth: 1, result: WasmResult.Unimplemented }];
    assert.deepEqual(run(host).results, [WasmResult.Unimplemented, WasmResult.Ok]);
  });
});

describe("shared data", () => {
  test("compare-and-swap as in shared_data.cc", () => {
    const data = new SharedData();
    const { Ok, CasMismatch } = WasmResult;
    assert.equal(data.set("k", Uint8Array.of(1), 99), Ok, "on an absent key the number does not count");
    const first = data.get("k")!.cas;
    assert.equal(data.set("k", Uint8Array.of(2), first), Ok);
    assert.equal(data.set("k", Uint8Array.of(3), first), CasMismatch);
    assert.deepEqual([...data.get("k")!.value], [2]);
    assert.equal(data.set("k", Uint8Array.of(4), 0), Ok, "0 sets it whatever is there");
    assert.equal(data.get("other"), undefined);
  });
});

describe("local replies", () => {
  const reply = { status: 403, details: "a b\tc", body: "no", headers: [["X-A", "1"]] as const, grpcStatus: -1 };

  test("HTTP: white space in details, length and type of the body", () => {
    const response = localResponse(headers, reply);
    assert.equal(response.details, "a_b_c");
    assert.deepEqual(response.headers, [
      ["x-a", "1"],
      ["content-length", "2"],
      ["content-type", "text/plain"],
    ]);
    assert.equal(response.grpcStatus, undefined);
  });

  test("gRPC: status 200, the outcome in grpc-status and grpc-message", () => {
    const grpc = [...headers, ["content-type", "application/grpc+proto"]] as const;
    const response = localResponse(grpc, { ...reply, body: "100% é" });
    assert.equal(response.status, 200);
    assert.equal(response.grpcStatus, 7);
    assert.deepEqual(response.headers, [
      ["x-a", "1"],
      ["content-type", "application/grpc"],
      ["grpc-status", "7"],
      ["grpc-message", "100%25 %E9"],
    ]);
    assert.equal(localResponse(grpc, { ...reply, grpcStatus: 8 }).grpcStatus, 8);
    const web = [...headers, ["content-type", "application/grpc-web"]] as const;
    assert.equal(localResponse(web, reply).status, 403);
  });
});

describe("verify_signature", () => {
  const text = Buffer.from("text");
  const bytes = Buffer.from;
  const ask = (hash: string, key: Uint8Array, signature: Uint8Array) =>
    verifySignature(
      encodeMessage([
        [1, bytes(hash)],
        [2, key],
        [3, signature],
        [4, text],
      ]),
    );

  test("RSA and DER ECDSA; a bad signature is an answer, a bad key is none", () => {
    for (const pair of [makeKeyPair("rsa", { modulusLength: 2048 }), makeKeyPair("ec", { namedCurve: "P-256" })]) {
      const spki = pair.publicKey.export({ type: "spki", format: "der" });
      const signature = sign("sha256", text, pair.privateKey);
      assert.deepEqual(ask("sha256", spki, signature), { status: WasmResult.Ok, result: Uint8Array.of(8, 1) });
      signature[signature.length - 1]! ^= 1;
      const bad = ask("sha256", spki, signature);
      assert.equal(bad.status, WasmResult.Ok);
      assert.equal(bad.result![0], 0x12, "field 1 is left out for false");
      assert.equal(ask("md5", spki, signature).status, WasmResult.Ok);
    }
    assert.equal(ask("sha256", bytes("no key"), text).status, WasmResult.BadArgument);
    assert.equal(verifySignature(Uint8Array.of(0xff)).status, WasmResult.BadArgument);
  });
});
