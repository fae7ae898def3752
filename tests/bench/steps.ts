/**
 * What the host calls of a decision cost by themselves: Wasm filters that make those our engine makes for an admitted request, each
 * one more than the one before, and decide nothing. What our module adds to the last of them is the engine's own work.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import asc from "assemblyscript/asc";
import type { Json } from "./native.ts";

/** A filter, by what it does more than the one before. */
interface Step {
  name: string;
  title: string;
  /** What it exports besides. */
  exports?: string;
  /** What it does on a request. */
  calls?: string;
}

const steps: readonly Step[] = [
  { name: "empty", title: "empty Wasm filter" },
  {
    name: "step-context",
    title: "… and told of the streams that begin",
    exports:
      "export function proxy_on_context_create(context: u32, parent: u32): void { store<u32>(out, context, 16); }",
  },
  {
    name: "step-identity",
    title: "… and reading the SPIFFE ID",
    calls: "proxy_get_property(text(0), size(0), out, out + 4);",
  },
  { name: "step-headers", title: "… and all headers", calls: "proxy_get_header_map_pairs(0, out, out + 4);" },
  { name: "step-clock", title: "… and the clock", calls: "proxy_get_current_time_nanoseconds(out);" },
  {
    name: "step-record",
    title: "… and the record",
    calls: "proxy_set_property(text(2), size(2), record, 290);",
  },
  {
    name: "step-ends",
    title: "… and told of the ends of streams",
    exports: "export function proxy_on_delete(context: u32): void { store<u32>(out, context, 16); }",
  },
  {
    name: "step-metrics",
    title: "… and three counters",
    calls:
      "if (!metrics) { metrics = true; for (let i: u32 = 0; i < 3; i++) proxy_define_metric(0, text(3 + i), size(3 + i), counters + 4 * i); } " +
      "for (let i: u32 = 0; i < 3; i++) proxy_increment_metric(load<u32>(counters + 4 * i), 1);",
  },
  {
    name: "step-limit",
    title: "… and a bucket, read and written",
    calls:
      "proxy_get_shared_data(text(1), size(1), out, out + 4, out + 8); proxy_set_shared_data(text(1), size(1), record, 256, 0);",
  },
];

/** Their names, in order. */
export const stepNames: readonly string[] = steps.map(({ name }) => name);

const texts = [
  "connection\0uri_san_peer_certificate",
  "sallyport:bucket:2:12345678",
  "sallyport",
  "bench_rules",
  "bench_hits",
  "bench_requests",
];

function sourceOf(upTo: number): string {
  const used = steps.slice(0, upTo + 1);
  const bytes = texts.map((text) => [...text].map((character) => character.charCodeAt(0)));
  const starts = bytes.map((_, index) => bytes.slice(0, index).flat().length);
  return `
@external("env", "proxy_get_property") declare function proxy_get_property(a: usize, b: u32, c: usize, d: usize): u32;
@external("env", "proxy_get_header_map_pairs") declare function proxy_get_header_map_pairs(a: u32, b: usize, c: usize): u32;
@external("env", "proxy_get_current_time_nanoseconds") declare function proxy_get_current_time_nanoseconds(a: usize): u32;
@external("env", "proxy_get_shared_data") declare function proxy_get_shared_data(a: usize, b: u32, c: usize, d: usize, e: usize): u32;
@external("env", "proxy_set_shared_data") declare function proxy_set_shared_data(a: usize, b: u32, c: usize, d: u32, e: u32): u32;
@external("env", "proxy_set_property") declare function proxy_set_property(a: usize, b: u32, c: usize, d: u32): u32;
@external("env", "proxy_define_metric") declare function proxy_define_metric(a: u32, b: usize, c: u32, d: usize): u32;
@external("env", "proxy_increment_metric") declare function proxy_increment_metric(a: u32, b: i64): u32;
const arena = memory.data(65536, 16);
const record = memory.data(512, 16);
const out = memory.data(64, 8);
const counters = memory.data(16, 8);
const characters = memory.data<u8>([${bytes.flat().join(",")}]);
const starts = memory.data<u32>([${starts.join(",")}]);
const sizes = memory.data<u32>([${bytes.map(({ length }) => length).join(",")}]);
let cursor: usize = arena;
let metrics = false;
memory.fill(record, 0x41, 512);
function text(index: u32): usize { return characters + load<u32>(starts + 4 * index); }
function size(index: u32): u32 { return load<u32>(sizes + 4 * index); }
export function proxy_abi_version_0_2_1(): void {}
export function malloc(bytes: usize): usize { const start = cursor; cursor += (bytes + 7) & ~7; return start; }
${used.map(({ exports }) => exports ?? "").join("\n")}
export function proxy_on_request_headers(context: u32, headers: u32, end: u32): u32 {
  cursor = arena;
  ${used.map(({ calls }) => calls ?? "").join("\n  ")}
  return 0;
}
`;
}

/** A step's title and filter. @throws Error where there is no such step */
export async function makeStep(directory: string, name: string): Promise<{ title: string; filter: Json }> {
  const index = stepNames.indexOf(name);
  if (index < 0) throw new Error(`there is no step ${name}`);
  const { error, binary, stderr } = await asc.compileString(sourceOf(index), {
    runtime: "stub",
    optimizeLevel: 3,
    exportStart: "_initialize",
    use: "abort=",
    noAssert: true,
  });
  if (error !== null || binary === null) throw new Error(`the filter ${name} does not compile: ${stderr}`);
  const path = join(directory, `${name}.wasm`);
  await writeFile(path, binary);
  const vm_config = { vm_id: name, runtime: "envoy.wasm.runtime.v8", code: { local: { filename: path } } };
  const filter = {
    name: "envoy.filters.http.wasm",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
      // What it costs that a VM can be rebuilt is no work of our engine either.
      config: { name, root_id: name, failure_policy: "FAIL_RELOAD", vm_config },
    },
  };
  return { title: steps[index]!.title, filter };
}
