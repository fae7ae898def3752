/**
 * The functions a module imports, one for one as in proxy-wasm-cpp-host's src/exports.cc with Envoy's Context behind them.
 * Pointers are looked at in the order the C++ code looks at them, so that the same wrong call gets the same answer.
 */
import { randomBytes } from "node:crypto";
import {
  bufferCallResponseBody,
  bufferMaximum,
  bufferPluginConfiguration,
  HostCrash,
  logLevels,
  mapCallResponseHeaders,
  mapMaximum,
  mapRequestHeaders,
  streamRequest,
  streamUpstream,
  WasmResult,
} from "./abi.ts";
import type { Callout, CalloutResponse, Context, HostCall, LogLine, StreamContext } from "./context.ts";
import type { GuestMemory } from "./memory.ts";
import type { Metrics } from "./metrics.ts";
import { marshalPairs, type Pair, unmarshalPairs } from "./pairs.ts";
import { localResponse } from "./reply.ts";
import type { SharedData } from "./shared.ts";
import type { ForeignFunction } from "./signature.ts";

/** What the calls work on: one VM, and the call into it that is under way. */
export interface CallScope {
  readonly memory: GuestMemory;
  /** The context that was called, or the one it has put in its own place. */
  readonly context: Context;
  /** The plugin configuration, while a root context is being created or configured. */
  readonly configuration: Uint8Array | undefined;
  /** The answer to a callout, while its root context is told of it. */
  readonly response: CalloutResponse | undefined;
  readonly sharedData: SharedData;
  readonly metrics: Metrics;
  readonly foreignFunctions: ReadonlyMap<string, ForeignFunction>;
  /** Nanoseconds since 1970. */
  now(): bigint;
  log(line: LogLine): void;
  /** Puts a context in the place of the one that was called; false where there is none of that number. */
  setEffectiveContext(id: number): boolean;
  /** 0 ends the ticks of that root context. */
  setTickPeriod(root: number, milliseconds: number): void;
  /** The token of the call; undefined where there is no such cluster. */
  callOut(callout: Omit<Callout, "token">): number | undefined;
  /** Lets a request go on, or be answered, once the callback under way has returned. */
  release(stream: StreamContext): void;
}

/** What a call did, for the record. */
type Recorded = Omit<HostCall, "name">;
/** One imported function over unsigned arguments (i64 arguments as they are). */
type Call = (scope: CallScope, args: readonly number[], offset: bigint) => Recorded;

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
const utf8 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
const failed = (result: WasmResult, ...args: HostCall["args"]): Recorded => ({ args, result });
const outOfMemory = (...args: HostCall["args"]): Recorded => failed(WasmResult.InvalidMemoryAccess, ...args);

/** Hands bytes to the module and reports how that went. */
function handOut(scope: CallScope, args: HostCall["args"], bytes: Uint8Array, at: number, sizeAt: number): Recorded {
  if (!scope.memory.copyOut(bytes, at, sizeAt)) return outOfMemory(...args);
  return { args, result: WasmResult.Ok, value: text(bytes) };
}

const log: Call = ({ memory, log: write }, [level, pointer, size]) => {
  if (level! >= logLevels.length) return failed(WasmResult.BadArgument, level!);
  const message = memory.read(pointer!, size!);
  if (message === undefined) return outOfMemory(level!);
  write({ level: level!, message: utf8(message) });
  return { args: [level!, utf8(message)], result: WasmResult.Ok };
};

function bufferOf({ configuration, response }: CallScope, type: number): Uint8Array | undefined {
  if (type === bufferPluginConfiguration) return configuration;
  return type === bufferCallResponseBody ? response?.body : undefined;
}

const getBufferBytes: Call = (scope, [type, start, length, pointerAt, sizeAt]) => {
  const args = [type!, start!, length!];
  if (type! > bufferMaximum) return failed(WasmResult.BadArgument, ...args);
  const buffer = bufferOf(scope, type!);
  if (buffer === undefined) return failed(WasmResult.NotFound, ...args);
  return handOut(scope, args, buffer.subarray(start!, start! + length!), pointerAt!, sizeAt!);
};

const getProperty: Call = (scope, [pathPointer, pathSize, pointerAt, sizeAt]) => {
  const bytes = scope.memory.read(pathPointer!, pathSize!);
  if (bytes === undefined) return outOfMemory();
  const path = text(bytes).replaceAll("\0", ".");
  const { context } = scope;
  if (context.kind !== "stream") return failed(WasmResult.NotFound, path);
  const state = context.filterState.get(path.replace(/^filter_state\.wasm\./, ""));
  const value = context.properties.get(path) ?? (state === undefined ? undefined : Buffer.from(state, "utf8"));
  if (value === undefined) return failed(WasmResult.NotFound, path);
  return handOut(scope, [path], value, pointerAt!, sizeAt!);
};

const setProperty: Call = ({ memory, context }, [namePointer, nameSize, valuePointer, valueSize]) => {
  const name = memory.read(namePointer!, nameSize!);
  const value = memory.read(valuePointer!, valueSize!);
  if (name === undefined || value === undefined) return outOfMemory();
  const args = [text(name), utf8(value)];
  if (context.kind !== "stream") return failed(WasmResult.NotFound, ...args);
  context.filterState.set(text(name), utf8(value));
  return { args, result: WasmResult.Ok };
};

/** The stream whose request headers are open to the call, if it asks for those. */
const openStream = ({ context }: CallScope, type: number): StreamContext | undefined =>
  type === mapRequestHeaders && context.kind === "stream" && context.headersOpen ? context : undefined;

/** The root context a call stands for: its own, or that of its stream. */
const rootOf = (context: Context): number => (context.kind === "stream" ? context.root.id : context.id);

function pairsOf(scope: CallScope, type: number): readonly Pair[] {
  if (type === mapCallResponseHeaders) return scope.response?.headers ?? [];
  return openStream(scope, type)?.headers ?? [];
}

const getHeaderMapPairs: Call = (scope, [type, pointerAt, sizeAt]) => {
  if (type! > mapMaximum) return failed(WasmResult.BadArgument, type!);
  const { memory } = scope;
  const pairs = pairsOf(scope, type!);
  if (!memory.copyOut(pairs.length === 0 ? new Uint8Array() : marshalPairs(pairs), pointerAt!, sizeAt!)) {
    return outOfMemory(type!);
  }
  return { args: [type!], result: WasmResult.Ok, value: `${pairs.length} pairs` };
};

/** HeaderMap::setCopy: one value in place of all there were, at the end of the map where there was none. */
const replaceHeader: Call = (scope, [type, keyPointer, keySize, valuePointer, valueSize]) => {
  if (type! > mapMaximum) return failed(WasmResult.BadArgument, type!);
  const key = scope.memory.read(keyPointer!, keySize!);
  const value = scope.memory.read(valuePointer!, valueSize!);
  if (key === undefined || value === undefined) return outOfMemory(type!);
  const name = text(key).toLowerCase();
  const stream = openStream(scope, type!);
  if (stream === undefined) return failed(WasmResult.BadArgument, type!, name, text(value));
  stream.headers = [...stream.headers.filter(([other]) => other !== name), [name, text(value)]];
  return { args: [type!, name, text(value)], result: WasmResult.Ok };
};

const removeHeader: Call = (scope, [type, keyPointer, keySize]) => {
  if (type! > mapMaximum) return failed(WasmResult.BadArgument, type!);
  const key = scope.memory.read(keyPointer!, keySize!);
  if (key === undefined) return outOfMemory(type!);
  const name = text(key).toLowerCase();
  const stream = openStream(scope, type!);
  if (stream === undefined) return failed(WasmResult.BadArgument, type!, name);
  stream.headers = stream.headers.filter(([other]) => other !== name);
  return { args: [type!, name], result: WasmResult.Ok };
};

/** Envoy queues an action on the stream's callbacks without asking whether there is still a stream behind them. */
function requireAlive(context: Context, call: string): void {
  if (context.kind === "stream" && context.ended)
    throw new HostCrash(`${call} on stream ${context.id}, which has ended`);
}

const sendLocalResponse: Call = ({ memory, context, release }, args) => {
  requireAlive(context, "proxy_send_local_response");
  const [status, detailsPointer, detailsSize, bodyPointer, bodySize, headersPointer, headersSize, grpc] = args;
  const details = memory.read(detailsPointer!, detailsSize!);
  const body = memory.read(bodyPointer!, bodySize!);
  const pairs = memory.read(headersPointer!, headersSize!);
  if (details === undefined || body === undefined || pairs === undefined) return outOfMemory(status!);
  const headers = unmarshalPairs(pairs);
  const grpcStatus = grpc! | 0;
  if (context.kind === "stream") {
    const reply = { status: status!, details: text(details), body: text(body), headers, grpcStatus };
    context.localResponse ??= localResponse(context.headers, reply);
    release(context);
  }
  const shown = headers.map(([name, value]) => `${name}: ${value}`).join("\n");
  return { args: [status!, text(details), text(body), shown, grpcStatus], result: WasmResult.Ok };
};

const getCurrentTime: Call = ({ memory, now }, [pointer]) => {
  const bytes = new Uint8Array(8);
  const nanoseconds = now();
  new DataView(bytes.buffer).setBigUint64(0, nanoseconds, true);
  if (!memory.write(pointer!, bytes)) return outOfMemory();
  return { args: [], result: WasmResult.Ok, value: String(nanoseconds) };
};

const defineMetric: Call = ({ memory, metrics }, [type, namePointer, nameSize, idAt]) => {
  const name = memory.read(namePointer!, nameSize!);
  if (name === undefined) return outOfMemory(type!);
  const { status, id } = metrics.define(type!, text(name));
  if (status !== WasmResult.Ok) return failed(status, type!, text(name));
  if (!memory.writeWord(idAt!, id)) return outOfMemory(type!, text(name));
  return { args: [type!, text(name)], result: WasmResult.Ok, value: String(id) };
};

const incrementMetric: Call = ({ metrics }, [id], offset) => {
  const result = metrics.increment(id!, offset);
  return { args: [metrics.name(id!) ?? id!, offset], result };
};

const recordMetric: Call = ({ metrics }, [id], value) => {
  const recorded = BigInt.asUintN(64, value);
  return { args: [metrics.name(id!) ?? id!, recorded], result: metrics.record(id!, recorded) };
};

const setTickPeriod: Call = (scope, [milliseconds]) => {
  scope.setTickPeriod(rootOf(scope.context), milliseconds!);
  return { args: [milliseconds!], result: WasmResult.Ok };
};

const setEffectiveContext: Call = (scope, [id]) => {
  const known = scope.setEffectiveContext(id!);
  return { args: [id!], result: known ? WasmResult.Ok : WasmResult.BadArgument };
};

/** Where there is no request to let go on, as in a root context, nothing happens, and that is Ok. */
const continueStream: Call = ({ context, release }, [type]) => {
  if (type! > streamUpstream) return failed(WasmResult.BadArgument, type!);
  if (type === streamUpstream) return failed(WasmResult.Unimplemented, type!);
  requireAlive(context, "proxy_continue_stream");
  if (type === streamRequest && context.kind === "stream") {
    context.headersOpen = false;
    release(context);
  }
  return { args: [type!], result: WasmResult.Ok };
};

const callHeaders = [":path", ":method", ":authority"];

const httpCall: Call = (scope, args) => {
  const { memory } = scope;
  const [clusterPointer, clusterSize, headersPointer, headersSize, bodyPointer, bodySize] = args;
  const [trailersPointer, trailersSize, timeoutMs, tokenAt] = args.slice(6);
  const clusterBytes = memory.read(clusterPointer!, clusterSize!);
  const body = memory.read(bodyPointer!, bodySize!);
  const pairs = memory.read(headersPointer!, headersSize!);
  const trailers = memory.read(trailersPointer!, trailersSize!);
  if (!clusterBytes || !body || !pairs || !trailers) return outOfMemory();
  const cluster = text(clusterBytes);
  const headers = unmarshalPairs(pairs).map(([name, value]): Pair => [name.toLowerCase(), value]);
  const shown = [cluster, headers.map(([name, value]) => `${name}: ${value}`).join("\n"), text(body), timeoutMs!];
  if (!memory.writeWord(tokenAt!, 0)) return outOfMemory(...shown);
  // The call takes the timeout for a signed number.
  const complete = callHeaders.every((wanted) => headers.some(([name]) => name === wanted));
  if ((timeoutMs! | 0) < 0 || !complete) return failed(WasmResult.BadArgument, ...shown);
  const token = scope.callOut({ root: rootOf(scope.context), cluster, headers, body, timeoutMs: timeoutMs! });
  if (token === undefined) return failed(WasmResult.BadArgument, ...shown);
  memory.writeWord(tokenAt!, token);
  return { args: shown, result: WasmResult.Ok, value: String(token) };
};

const getSharedData: Call = (scope, [keyPointer, keySize, pointerAt, sizeAt, casAt]) => {
  const key = scope.memory.read(keyPointer!, keySize!);
  if (key === undefined) return outOfMemory();
  const entry = scope.sharedData.get(text(key));
  if (entry === undefined) return failed(WasmResult.NotFound, text(key));
  const given = handOut(scope, [text(key)], entry.value, pointerAt!, sizeAt!);
  if (given.result !== WasmResult.Ok) return given;
  return scope.memory.writeWord(casAt!, entry.cas) ? given : outOfMemory(text(key));
};

const setSharedData: Call = ({ memory, sharedData }, [keyPointer, keySize, valuePointer, valueSize, cas]) => {
  const key = memory.read(keyPointer!, keySize!);
  const value = memory.read(valuePointer!, valueSize!);
  if (key === undefined || value === undefined) return outOfMemory();
  return { args: [text(key), text(value), cas!], result: sharedData.set(text(key), value, cas!) };
};

/** WASI's, which answers with numbers of its own: 0, EINVAL, EFAULT. Nothing of what it gives is recorded. */
const randomGet: Call = ({ memory }, [start, size]) => {
  if (size! > 65_536) return failed(28 as WasmResult, size!);
  if (!memory.write(start!, randomBytes(size!))) return failed(21 as WasmResult, size!);
  return { args: [size!], result: WasmResult.Ok };
};

const callForeignFunction: Call = (scope, args) => {
  const [namePointer, nameSize, argumentPointer, argumentSize, pointerAt, sizeAt] = args;
  const { memory } = scope;
  const nameBytes = memory.read(namePointer!, nameSize!);
  if (nameBytes === undefined) return outOfMemory();
  const name = text(nameBytes);
  const argument = memory.read(argumentPointer!, argumentSize!);
  if (argument === undefined) return outOfMemory(name);
  const foreign = scope.foreignFunctions.get(name);
  if (foreign === undefined) return failed(WasmResult.NotFound, name);
  const { status, result } = foreign(argument);
  let pointer = 0;
  if (result !== undefined && pointerAt !== 0) {
    const room = memory.allocate(result.length);
    if (room === undefined) throw new HostCrash(`malloc gave no room for the result of ${name}`);
    memory.write(room, result);
    pointer = room;
  }
  if (pointerAt !== 0 && !memory.writeWord(pointerAt!, pointer)) return outOfMemory(name);
  if (sizeAt !== 0 && !memory.writeWord(sizeAt!, result?.length ?? 0)) return outOfMemory(name);
  return { args: [name], result: status, ...(result && { value: Buffer.from(result).toString("hex") }) };
};

/** All functions this host has: those of module `env` by their name without `proxy_`, and WASI's. */
export const hostCalls: Readonly<Record<string, Call>> = {
  log,
  get_buffer_bytes: getBufferBytes,
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
  set_tick_period_milliseconds: setTickPeriod,
  set_effective_context: setEffectiveContext,
  continue_stream: continueStream,
  http_call: httpCall,
  get_shared_data: getSharedData,
  set_shared_data: setSharedData,
  call_foreign_function: callForeignFunction,
  random_get: randomGet,
};
