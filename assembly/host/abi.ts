/**
 * The host's side of proxy-wasm ABI 0.2.1: the raw imports we use and the numbers they speak
 * (proxy-wasm/spec, abi-versions/v0.2.1; Envoy's proxy-wasm-cpp-host, include/proxy-wasm/proxy_wasm_enums.h).
 */
export {
  proxy_call_foreign_function,
  proxy_continue_stream,
  proxy_define_metric,
  proxy_get_buffer_bytes,
  proxy_get_current_time_nanoseconds,
  proxy_get_header_map_pairs,
  proxy_get_metric,
  proxy_get_property,
  proxy_get_shared_data,
  proxy_http_call,
  proxy_increment_metric,
  proxy_log,
  proxy_record_metric,
  proxy_remove_header_map_value,
  proxy_replace_header_map_value,
  proxy_send_local_response,
  proxy_set_effective_context,
  proxy_set_property,
  proxy_set_shared_data,
  proxy_set_tick_period_milliseconds,
} from "@solo-io/proxy-runtime/assembly/imports";

/** WASI's random numbers (preview 1): fills `size` bytes at `start`; 0 when it has. */
// @external("wasi_snapshot_preview1", "random_get")
export declare function random_get(start: usize, size: usize): u32;

/**
 * Begins a unary gRPC call (ABI 0.2.1). Declared here, since the SDK's declaration lacks the metadata: pairs as headers are.
 * The service is a `envoy.config.core.v3.GrpcService`: any other text is a cluster's name only where it is no such message.
 */
// @external("env", "proxy_grpc_call")
export declare function proxy_grpc_call(
  service: usize,
  serviceSize: usize,
  serviceName: usize,
  serviceNameSize: usize,
  methodName: usize,
  methodNameSize: usize,
  metadata: usize,
  metadataSize: usize,
  message: usize,
  messageSize: usize,
  timeout_milliseconds: u32,
  call: usize,
): u32;

/** Replaces bytes of a buffer (ABI 0.2.1); the SDK does not declare it. */
// @external("env", "proxy_set_buffer_bytes")
export declare function proxy_set_buffer_bytes(type: u32, start: u32, length: u32, bytes: usize, size: u32): u32;

/** What a host call answers. Every number but OK is a failure, unless the call's own contract says otherwise. */
export const enum Result {
  OK = 0,
  NOT_FOUND = 1,
  BAD_ARGUMENT = 2,
  INVALID_MEMORY_ACCESS = 6,
  CAS_MISMATCH = 8,
  INTERNAL_FAILURE = 10,
}

export const enum LogLevel {
  TRACE = 0,
  INFO = 2,
  WARN = 3,
  ERROR = 4,
  CRITICAL = 5,
}

export const request_headers: i32 = 0;
export const response_headers: i32 = 2;
export const call_response_headers: i32 = 6;
export const call_response_body: i32 = 4;
export const grpc_message: i32 = 5;
export const request_body: i32 = 0;
export const response_body: i32 = 1;
export const plugin_configuration: i32 = 7;
export const metric_counter: i32 = 0;
export const metric_gauge: i32 = 1;
export const stream_request: u32 = 0;

/** What a filter callback answers: the stream goes on, stops because the answer has been sent, or waits with all that is still to come. */
export const enum Action {
  CONTINUE = 0,
  STOP = 1,
  WAIT = 4,
}

/** What `proxy_on_request_body` answers: the bytes go on, or nothing of them does. */
export const enum BodyAction {
  CONTINUE = 0,
  /** They are kept with what is held already. */
  HOLD = 1,
  STOP = 3,
}
