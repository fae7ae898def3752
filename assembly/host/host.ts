/**
 * Typed calls to the host. A read has three ends: the value, which may be empty, `absent`, or `failed` (bytes/span.ts). A value is
 * valid until the callback ends. A failure is noted by name (`fail`), for the record and the metrics.
 */
import { Literal } from "../bytes/literal";
import { absent, failed, Span } from "../bytes/span";
import { Failure } from "../failure";
import { foreign_result_bytes_max } from "../limits";
import * as abi from "./abi";
import { LogLevel, Result } from "./abi";
import { isOverfull, roomBytes } from "./arena";

/** What failed and is not counted yet, a bit for each failure. */
let failures: u32 = 0;
/** Of these the one that came first. */
let first: Failure = Failure.NONE;
if (!(Failure.COUNT <= 32)) ERROR("a word has a bit for each failure");

/** Where the host writes what it returns: a pointer and a size, or a number. */
const out: usize = memory.data(16, 8);

/** Notes what went wrong, of a host call or of ours. */
export function fail(failure: Failure): void {
  if (failure == Failure.NONE) return;
  if (failures == 0) first = failure;
  failures |= (<u32>1) << failure;
}

/** What failed first; NONE where nothing did. */
export function firstFailure(): Failure {
  return failures == 0 ? Failure.NONE : first;
}

/** Begins anew: nothing has failed. */
export function clearFailures(): void {
  failures = 0;
}

/** What failed since this was asked last, a bit for each failure. */
export function takeFailures(): u32 {
  const taken = failures;
  failures = 0;
  return taken;
}

/** All request headers, pseudo-headers too, as the ABI serializes them (see request/headers.ts). */
export function readRequestHeaders(): Span {
  clearOut();
  const result = abi.proxy_get_header_map_pairs(abi.request_headers, out, out + 4);
  return finishRead(result, Failure.GET_HEADER_MAP_PAIRS);
}

/** A property; the path's segments are joined by NUL. */
export function readProperty(path: Literal): Span {
  return readPropertyAt(path.start, path.size);
}

/** The same of a path that is no text of ours. */
export function readPropertyAt(path: usize, size: u32): Span {
  clearOut();
  const result = abi.proxy_get_property(path, size, out, out + 4);
  if (result == Result.NOT_FOUND) return absent;
  return finishRead(result, Failure.GET_PROPERTY);
}

/** The configuration the host was given for this plugin, `size` bytes of it from `offset` on. Only while it is being put in force. */
export function readConfiguration(offset: u32, size: u32): Span {
  clearOut();
  const result = abi.proxy_get_buffer_bytes(abi.plugin_configuration, offset, size, out, out + 4);
  return finishRead(result, Failure.NONE);
}

/** The first `size` bytes of the request's body, of which the host holds as many. Only where bodies are read. */
export function readRequestBody(size: u32): Span {
  clearOut();
  const result = abi.proxy_get_buffer_bytes(abi.request_body, 0, size, out, out + 4);
  return finishRead(result, Failure.GET_BUFFER_BYTES);
}

/** The first `size` bytes of the answer's body, of which the host holds as many. */
export function readAnswerBody(size: u32): Span {
  clearOut();
  const result = abi.proxy_get_buffer_bytes(abi.response_body, 0, size, out, out + 4);
  return finishRead(result, Failure.ANSWER_UNREADABLE);
}

/** Puts bytes in place of all that the host holds of the answer's body. */
export function writeAnswerBody(start: usize, size: u32): bool {
  if (abi.proxy_set_buffer_bytes(abi.response_body, 0, u32.MAX_VALUE, start, size) == Result.OK) return true;
  fail(Failure.ANSWER_UNREADABLE);
  return false;
}

/** All headers of the answer, as `readRequestHeaders` has those of the request. */
export function readAnswerHeaders(): Span {
  clearOut();
  const result = abi.proxy_get_header_map_pairs(abi.response_headers, out, out + 4);
  return finishRead(result, Failure.GET_HEADER_MAP_PAIRS);
}

/** Removes a header of the answer. */
export function removeAnswerHeader(name: usize, nameSize: u32): bool {
  const result = abi.proxy_remove_header_map_value(abi.response_headers, name, nameSize);
  if (result == Result.OK || result == Result.NOT_FOUND) return true;
  fail(Failure.REMOVE_HEADER_MAP_VALUE);
  return false;
}

/** A shared value; the compare-and-swap number to write it with is left at `cas`, of one that is absent `create_cas`. */
export function readSharedData(key: usize, keySize: u32, cas: usize): Span {
  clearOut();
  store<u32>(cas, create_cas);
  const result = abi.proxy_get_shared_data(key, keySize, out, out + 4, cas);
  if (result == Result.NOT_FOUND) return absent;
  return finishRead(result, Failure.GET_SHARED_DATA);
}

/**
 * Calls a function of the host by name; what it returns is the value read. Envoy writes what a function returns without
 * asking whether `malloc` had anything to give (source/extensions/common/wasm/foreign.cc), so that is asked here first.
 */
export function callForeignFunction(name: Literal, argument: usize, argumentSize: u32): Span {
  if (roomBytes() < foreign_result_bytes_max) {
    fail(Failure.ARENA_FULL);
    return failed;
  }
  clearOut();
  const result = abi.proxy_call_foreign_function(name.start, name.size, argument, argumentSize, out, out + 4);
  return finishRead(result, Failure.CALL_FOREIGN_FUNCTION);
}

/** Whether the host has a function of that name, and lets us call it: one that is there may well refuse an empty argument. */
export function hasForeignFunction(name: Literal): bool {
  clearOut();
  const result = abi.proxy_call_foreign_function(name.start, name.size, 0, 0, out, out + 4);
  return result == Result.OK || result == Result.BAD_ARGUMENT;
}

/** Nanoseconds since 1970, or 0 when the host does not say: a time at which no token is yet valid. */
export function readClock(): u64 {
  store<u64>(out, 0);
  const result = abi.proxy_get_current_time_nanoseconds(out);
  const now = result == Result.OK ? load<u64>(out) : 0;
  if (now == 0) fail(Failure.GET_CURRENT_TIME);
  return now;
}

/** Fills `size` bytes with random ones; false where the host has none, or does not let us have them. */
export function readRandom(start: usize, size: u32): bool {
  return abi.random_get(start, size) == 0;
}

/**
 * The compare-and-swap number that creates a value: no value can have it, the host ignores it where there is no value
 * (proxy-wasm-cpp-host, src/shared_data.cc), and refuses it where another worker was first.
 */
export const create_cas: u32 = 0xffffffff;

/** Writes a shared value if its number is still `cas`. OK, CAS_MISMATCH, or a failure. */
export function writeSharedData(key: usize, keySize: u32, value: usize, valueBytes: u32, cas: u32): Result {
  const result = <Result>abi.proxy_set_shared_data(key, keySize, value, valueBytes, cas);
  if (result != Result.OK && result != Result.CAS_MISMATCH) fail(Failure.SET_SHARED_DATA);
  return result;
}

/** Sets a property, which Envoy keeps as filter state `wasm.<name>`. */
export function writeProperty(name: usize, nameSize: u32, value: usize, valueBytes: u32): bool {
  if (abi.proxy_set_property(name, nameSize, value, valueBytes) == Result.OK) return true;
  fail(Failure.SET_PROPERTY);
  return false;
}

/** Removes every request header of a name; one that is not there is no failure. */
export function removeRequestHeader(name: usize, nameSize: u32): bool {
  const result = abi.proxy_remove_header_map_value(abi.request_headers, name, nameSize);
  if (result == Result.OK || result == Result.NOT_FOUND) return true;
  fail(Failure.REMOVE_HEADER_MAP_VALUE);
  return false;
}

/** Sets a request header, in place of any of its name. */
export function replaceRequestHeader(name: usize, nameSize: u32, value: usize, valueBytes: u32): bool {
  return replaceHeader(abi.request_headers, name, nameSize, value, valueBytes);
}

/** Sets a header of the answer, in place of any of its name. */
export function replaceResponseHeader(name: usize, nameSize: u32, value: usize, valueBytes: u32): bool {
  return replaceHeader(abi.response_headers, name, nameSize, value, valueBytes);
}

function replaceHeader(map: i32, name: usize, nameSize: u32, value: usize, valueBytes: u32): bool {
  if (abi.proxy_replace_header_map_value(map, name, nameSize, value, valueBytes) == Result.OK) return true;
  fail(Failure.REPLACE_HEADER_MAP_VALUE);
  return false;
}

/** Defines a counter or a gauge and returns its number; -1 when the host refuses, so that 0 stays a number like any other. */
export function defineMetric(isGauge: bool, name: usize, nameSize: u32): i64 {
  store<u32>(out, 0);
  const kind = isGauge ? abi.metric_gauge : abi.metric_counter;
  if (abi.proxy_define_metric(kind, name, nameSize, out) != Result.OK) return -1;
  return <i64>load<u32>(out);
}

/** Adds to a counter; false when the host refuses. */
export function incrementCounter(counter: u32, times: u32): bool {
  if (abi.proxy_increment_metric(counter, times) == Result.OK) return true;
  fail(Failure.INCREMENT_METRIC);
  return false;
}

/** What a gauge of this Envoy stands at; 0 where the host does not tell. */
export function readGauge(gauge: u32): u64 {
  store<u64>(out, 0);
  abi.proxy_get_metric(gauge, out);
  return load<u64>(out);
}

/** Sets a gauge. It changes no decision, so its result is not one. */
export function recordGauge(gauge: u32, value: u64): void {
  abi.proxy_record_metric(gauge, value);
}

/**
 * Has `proxy_on_tick` called for the root context in hand, or that of the stream in hand, every so many milliseconds; 0 ends that.
 * Envoy makes a new timer for a new period (source/extensions/common/wasm/wasm.cc, `setTimerPeriod`), so a tick may end its own
 * ticking, but never change its period: the timer that called it would be gone. Nor does Envoy end the timer of a root context that
 * ends.
 */
export function setTickPeriod(period_milliseconds: u32): bool {
  return abi.proxy_set_tick_period_milliseconds(period_milliseconds) == Result.OK;
}

/** Whom the calls that follow are about: a stream that waits and has not ended, or the root context again. False where it is gone. */
export function setContext(context: u32): bool {
  return abi.proxy_set_effective_context(context) == Result.OK;
}

/**
 * Whether a root context is no more, found out by making it the one in hand: put the right one back with `setContext`. A host that
 * refuses to answer has not said so. It says nothing of streams: one that was torn down is known until the event round ends.
 */
export function isContextGone(context: u32): bool {
  return abi.proxy_set_effective_context(context) == Result.BAD_ARGUMENT;
}

/** Lets the request of a stream that waits go on. */
export function continueRequest(): bool {
  if (abi.proxy_continue_stream(abi.stream_request) == Result.OK) return true;
  fail(Failure.CONTINUE_STREAM);
  return false;
}

/** Begins a callout to a cluster; `headers` are serialized as the ABI has header pairs. Its number, or -1 where the host refuses. */
export function startCall(
  cluster: usize,
  clusterSize: u32,
  headers: usize,
  headersSize: u32,
  timeout_milliseconds: u32,
): i64 {
  store<u32>(out, 0);
  // No body; trailers are pairs too, of which there are none.
  store<u32>(out, 0, 8);
  const result = abi.proxy_http_call(
    cluster,
    clusterSize,
    headers,
    headersSize,
    0,
    0,
    out + 8,
    4,
    timeout_milliseconds,
    out,
  );
  return result == Result.OK ? <i64>load<u32>(out) : -1;
}

/** Begins a gRPC call to a service's method; its number, or -1 where the host refuses, which knows no such cluster or does not let us. */
export function startGrpcCall(
  service: usize,
  serviceSize: u32,
  serviceName: Literal,
  methodName: Literal,
  message: usize,
  messageSize: u32,
  timeout_milliseconds: u32,
): i64 {
  store<u32>(out, 0);
  // No metadata of ours: no pairs.
  store<u32>(out, 0, 8);
  const result = abi.proxy_grpc_call(
    service,
    serviceSize,
    serviceName.start,
    serviceName.size,
    methodName.start,
    methodName.size,
    out + 8,
    4,
    message,
    messageSize,
    timeout_milliseconds,
    out,
  );
  return result == Result.OK ? <i64>load<u32>(out) : -1;
}

/** The message that a gRPC call of ours was answered with, `size` bytes of it. */
export function readGrpcMessage(size: u32): Span {
  clearOut();
  const result = abi.proxy_get_buffer_bytes(abi.grpc_message, 0, size, out, out + 4);
  return finishRead(result, Failure.NONE);
}

/** All headers of a callout's response. */
export function readResponseHeaders(): Span {
  clearOut();
  const result = abi.proxy_get_header_map_pairs(abi.call_response_headers, out, out + 4);
  return finishRead(result, Failure.NONE);
}

/** The body of a callout's response, `size` bytes of it. */
export function readResponseBody(size: u32): Span {
  clearOut();
  const result = abi.proxy_get_buffer_bytes(abi.call_response_body, 0, size, out, out + 4);
  return finishRead(result, Failure.NONE);
}

/** Answers the request ourselves. `headers` are serialized as the ABI has header pairs. */
export function sendResponse(
  status: u32,
  details: usize,
  detailsSize: u32,
  body: usize,
  bodySize: u32,
  headers: usize,
  headersSize: u32,
  grpcStatus: u32,
): bool {
  const result = abi.proxy_send_local_response(
    status,
    details,
    detailsSize,
    body,
    bodySize,
    headers,
    headersSize,
    grpcStatus,
  );
  if (result == Result.OK) return true;
  fail(Failure.SEND_LOCAL_RESPONSE);
  return false;
}

/** Writes a line to the host's log. A log that cannot be written changes no decision, so its result is not one. */
export function log(level: LogLevel, text: usize, size: u32): void {
  abi.proxy_log(level, text, size);
}

function clearOut(): void {
  store<u64>(out, 0);
}

/** The host leaves start and size as they are in a `Span`. */
function finishRead(result: u32, failure: Failure): Span {
  if (result == Result.OK) return load<u64>(out);
  // What the host answers when our `malloc` had nothing left to give.
  fail(result == Result.INVALID_MEMORY_ACCESS && isOverfull ? Failure.ARENA_FULL : failure);
  return failed;
}
