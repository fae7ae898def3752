/**
 * The functions a module imports, one for one as in proxy-wasm-cpp-host's src/exports.cc with Envoy's Context behind them.
 * Pointers are looked at in the order the C++ code looks at them, so that the same wrong call gets the same answer.
 */
import { getBufferBytes, setBufferBytes } from "./buffers.ts";
import { callForeignFunction, randomGet } from "./functions.ts";
import { getHeaderMapPairs, removeHeader, replaceHeader } from "./headers.ts";
import { defineMetric, getMetric, incrementMetric, recordMetric } from "./metrics.ts";
import { getProperty, setProperty } from "./properties.ts";
import { getCurrentTime, grpcCall, httpCall, log, setTickPeriod } from "./root.ts";
import type { Call } from "./scope.ts";
import { getSharedData, setSharedData } from "./shared.ts";
import { continueStream, sendLocalResponse, setEffectiveContext } from "./stream.ts";

/** All functions this host has: those of module `env` by their name without `proxy_`, and WASI's. */
export const hostCalls: Readonly<Record<string, Call>> = {
  log,
  get_buffer_bytes: getBufferBytes,
  set_buffer_bytes: setBufferBytes,
  get_property: getProperty,
  set_property: setProperty,
  get_header_map_pairs: getHeaderMapPairs,
  replace_header_map_value: replaceHeader,
  remove_header_map_value: removeHeader,
  send_local_response: sendLocalResponse,
  get_current_time_nanoseconds: getCurrentTime,
  define_metric: defineMetric,
  increment_metric: incrementMetric,
  record_metric: recordMetric,
  get_metric: getMetric,
  set_tick_period_milliseconds: setTickPeriod,
  set_effective_context: setEffectiveContext,
  continue_stream: continueStream,
  http_call: httpCall,
  grpc_call: grpcCall,
  get_shared_data: getSharedData,
  set_shared_data: setSharedData,
  call_foreign_function: callForeignFunction,
  random_get: randomGet,
};
