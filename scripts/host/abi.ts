/**
 * The numbers of the Proxy-Wasm ABI 0.2.1 this host speaks, as proxy-wasm-cpp-host has them in
 * include/proxy-wasm/exports.h and the SDK's proxy_wasm_enums.h.
 */

/** What a host call returns. */
export const WasmResult = {
  Ok: 0,
  NotFound: 1,
  BadArgument: 2,
  SerializationFailure: 3,
  ParseFailure: 4,
  BadExpression: 5,
  InvalidMemoryAccess: 6,
  Empty: 7,
  CasMismatch: 8,
  ResultMismatch: 9,
  InternalFailure: 10,
  BrokenConnection: 11,
  Unimplemented: 12,
} as const;
export type WasmResult = (typeof WasmResult)[keyof typeof WasmResult];

/** Levels of `proxy_log`, by number. */
export const logLevels = ["trace", "debug", "info", "warn", "error", "critical"] as const;

/** Buffers `proxy_get_buffer_bytes` may name, as far as this host has them. */
export const bufferRequestBody = 0;
export const bufferResponseBody = 1;
export const bufferCallResponseBody = 4;
export const bufferGrpcMessage = 5;
export const bufferPluginConfiguration = 7;
export const bufferMaximum = 8;

/** Header maps `proxy_get_header_map_pairs` may name, as far as this host has them. */
export const mapRequestHeaders = 0;
export const mapRequestTrailers = 1;
export const mapResponseHeaders = 2;
export const mapResponseTrailers = 3;
export const mapCallResponseHeaders = 6;
export const mapMaximum = 8;

/** Streams `proxy_continue_stream` may name: request, response, downstream, upstream. */
export const streamRequest = 0;
export const streamResponse = 1;
export const streamUpstream = 3;

/** What `proxy_on_request_headers` returns to let a request go on. Envoy takes 2, once "continue and end", for the same. */
export const continuingActions: readonly number[] = [0, 2];
/** What it returns to hold the headers while the body comes, where the plugin is allowed to (`allow_on_headers_stop_iteration`). */
export const holdingAction = 1;

/** Metric types of `proxy_define_metric`; a metric's id carries its type in the two low bits. */
export const metricCounter = 0;
export const metricGauge = 1;
export const metricHistogram = 2;

/** The export that tells the ABI version; without one of its kind a host refuses a module. */
export const abiVersionExport = "proxy_abi_version_0_2_1";

/** A trap raised by the host, which ends the call into the module and fails the VM. */
export class HostTrap extends Error {
  override name = "HostTrap";
}

/**
 * What would take the whole proxy down rather than one VM: Envoy's foreign functions write their result where `malloc`
 * said, without asking whether it said anything (source/extensions/common/wasm/foreign.cc).
 */
export class HostCrash extends Error {
  override name = "HostCrash";
}

/** The module could not be loaded, for the reason the message names. */
export class LoadError extends Error {
  override name = "LoadError";
}
