/**
 * What the host allows us to call. A call that is not in the capability list answers `InternalFailure` before it looks at its
 * arguments (proxy-wasm-cpp-host, src/exports.cc and wasm.cc), so each is tried with arguments that no host acts on: memory that
 * is not there, and numbers that stand for nothing. The answer is that of the list, the same on every worker.
 */
import * as abi from "./abi";
import { Result } from "./abi";

/** Sixteen bytes behind all the memory there can be. */
const nowhere: usize = 0xfffffff0;
const nowhere_bytes: u32 = 16;
const no_number: u32 = 0xff;
/** Its last two bits name no kind of metric (Envoy, source/extensions/common/wasm/wasm.h). */
const no_metric: u32 = 0xffffffff;

/** Where the host would write. */
const out: usize = memory.data(24, 8);

/** What every request needs that the host does not allow, by name; empty where there is nothing. Shared data is asked for its secret. */
export function missingCall(): string {
  if (!isAllowed(abi.proxy_send_local_response(503, nowhere, nowhere_bytes, nowhere, nowhere_bytes, nowhere, 16, 0))) {
    return "proxy_send_local_response";
  }
  if (!isAllowed(abi.proxy_get_header_map_pairs(no_number, out, out + 4))) return "proxy_get_header_map_pairs";
  if (!isAllowed(abi.proxy_get_property(nowhere, nowhere_bytes, out, out + 4))) return "proxy_get_property";
  if (!isAllowed(abi.proxy_set_property(nowhere, nowhere_bytes, nowhere, nowhere_bytes))) return "proxy_set_property";
  if (!isAllowed(abi.proxy_get_current_time_nanoseconds(nowhere))) return "proxy_get_current_time_nanoseconds";
  if (!isAllowed(abi.proxy_increment_metric(no_metric, 1))) return "proxy_increment_metric";
  return "";
}

/** The same of a policy that changes request headers. */
export function missingHeaderCall(): string {
  if (!isAllowed(abi.proxy_remove_header_map_value(no_number, nowhere, nowhere_bytes))) {
    return "proxy_remove_header_map_value";
  }
  if (!isAllowed(abi.proxy_replace_header_map_value(no_number, nowhere, nowhere_bytes, nowhere, nowhere_bytes))) {
    return "proxy_replace_header_map_value";
  }
  return "";
}

/** The same of a policy that holds requests. */
export function missingHoldCall(rootContext: u32): string {
  if (!isAllowed(abi.proxy_set_effective_context(rootContext))) return "proxy_set_effective_context";
  return isAllowed(abi.proxy_continue_stream(no_number)) ? "" : "proxy_continue_stream";
}

/** The same of a policy with limits of a fleet. */
export function missingFleetCall(): string {
  const call = abi.proxy_grpc_call(nowhere, 16, nowhere, 16, nowhere, 16, nowhere, 16, nowhere, 16, 1, out);
  return isAllowed(call) ? "" : "proxy_grpc_call";
}

/** The same of a policy whose keys are fetched. */
export function missingFetchCall(): string {
  if (!isAllowed(abi.proxy_record_metric(no_metric, 0))) return "proxy_record_metric";
  const call = abi.proxy_http_call(nowhere, 16, nowhere, 16, nowhere, 16, nowhere, 16, 1, out);
  return isAllowed(call) ? "" : "proxy_http_call";
}

function isAllowed(result: u32): bool {
  return result != Result.INTERNAL_FAILURE;
}
