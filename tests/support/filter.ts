/** Little filters in AssemblyScript that tests of the host run, compiled in memory. */
import asc from "assemblyscript/asc";

/** The imports a filter may use, as AssemblyScript declares them. */
const prelude = `
@external("env", "proxy_log") declare function proxy_log(level: u32, text: usize, size: usize): u32;
@external("env", "proxy_get_property") declare function proxy_get_property(path: usize, pathSize: usize, at: usize, sizeAt: usize): u32;
@external("env", "proxy_set_property") declare function proxy_set_property(name: usize, nameSize: usize, value: usize, size: usize): u32;
@external("env", "proxy_get_header_map_pairs") declare function proxy_get_header_map_pairs(type: u32, at: usize, sizeAt: usize): u32;
@external("env", "proxy_get_buffer_bytes") declare function proxy_get_buffer_bytes(type: u32, start: u32, length: u32, at: usize, sizeAt: usize): u32;
@external("env", "proxy_set_buffer_bytes") declare function proxy_set_buffer_bytes(type: u32, start: u32, length: u32, bytes: usize, size: usize): u32;
@external("env", "proxy_remove_header_map_value") declare function proxy_remove_header_map_value(type: u32, name: usize, nameSize: usize): u32;
@external("env", "proxy_send_local_response") declare function proxy_send_local_response(status: u32, details: usize, detailsSize: usize, body: usize, bodySize: usize, headers: usize, headersSize: usize, grpc: i32): u32;
@external("env", "proxy_get_shared_data") declare function proxy_get_shared_data(key: usize, keySize: usize, at: usize, sizeAt: usize, cas: usize): u32;
@external("env", "proxy_set_shared_data") declare function proxy_set_shared_data(key: usize, keySize: usize, value: usize, size: usize, cas: u32): u32;
@external("env", "proxy_get_current_time_nanoseconds") declare function proxy_get_current_time_nanoseconds(at: usize): u32;
@external("env", "proxy_define_metric") declare function proxy_define_metric(type: u32, name: usize, size: usize, at: usize): u32;
@external("env", "proxy_increment_metric") declare function proxy_increment_metric(id: u32, offset: i64): u32;
@external("env", "proxy_record_metric") declare function proxy_record_metric(id: u32, value: u64): u32;
@external("env", "proxy_get_metric") declare function proxy_get_metric(id: u32, at: usize): u32;
@external("env", "proxy_set_tick_period_milliseconds") declare function proxy_set_tick_period_milliseconds(period: u32): u32;
@external("env", "proxy_set_effective_context") declare function proxy_set_effective_context(id: u32): u32;
@external("env", "proxy_continue_stream") declare function proxy_continue_stream(type: u32): u32;
@external("env", "proxy_http_call") declare function proxy_http_call(cluster: usize, clusterSize: usize, headers: usize, headersSize: usize, body: usize, bodySize: usize, trailers: usize, trailersSize: usize, timeout: u32, at: usize): u32;
@external("env", "proxy_replace_header_map_value") declare function proxy_replace_header_map_value(type: u32, name: usize, nameSize: usize, value: usize, size: usize): u32;
@external("env", "proxy_call_foreign_function") declare function proxy_call_foreign_function(name: usize, nameSize: usize, argument: usize, size: usize, at: usize, sizeAt: usize): u32;
@external("env", "proxy_unheard_of") declare function proxy_unheard_of(): u32;

const out: usize = memory.data(64, 8);
const arena: usize = memory.data(4096, 16);
const text = (value: string): usize => changetype<usize>(value);
export function _keep(): void {}
export function proxy_abi_version_0_2_1(): void {}
`;

const plainMalloc = "export function malloc(size: usize): usize { return size > 4096 ? 0 : arena; }\n";

/**
 * Compiles a filter. Its source may use the imports, `out` (64 bytes for what calls write) and `arena` (4,096 bytes).
 * @param malloc the source of its `malloc`; the usual one always hands out the arena
 */
export async function compileFilter(source: string, malloc = plainMalloc): Promise<Uint8Array> {
  const options = ["-O1", "--runtime", "stub", "--exportStart", "_initialize", "--use", "abort="];
  const files = new Map<string, string | Uint8Array>([["filter.ts", prelude + malloc + source]]);
  const { error, stderr } = await asc.main(["filter.ts", "--outFile", "filter.wasm", ...options], {
    readFile: (name) => (files.get(name) as string | undefined) ?? null,
    writeFile: (name, content) => void files.set(name, content),
    listFiles: () => [],
  });
  const binary = files.get("filter.wasm");
  if (error || !(binary instanceof Uint8Array)) throw new Error(`${error?.message}\n${stderr.toString()}`);
  return binary;
}
