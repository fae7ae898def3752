/** What the host knows of the contexts a module deals with, and of the one call into the module that is under way. */
import type { WasmResult } from "./abi.ts";
import type { Flow, InFlight } from "./flow.ts";
import type { Pair } from "./pairs.ts";
import type { LocalResponse } from "./reply.ts";

/** One plugin configuration; its streams hang off it. */
export interface RootContext {
  readonly kind: "root";
  readonly id: number;
  readonly rootId: string;
}

/** One request. */
export interface StreamContext extends InFlight {
  readonly kind: "stream";
  readonly id: number;
  readonly root: RootContext;
  /** As the module has left them so far. */
  headers: readonly Pair[];
  /** Attributes of the stream by their dotted path, serialized as Envoy does. */
  readonly properties: Map<string, Uint8Array>;
  /** What the module set with `proxy_set_property`: Envoy's filter state `wasm.<name>`. */
  readonly filterState: Map<string, string>;
  localResponse?: LocalResponse;
  /** Those of the answer while the module may read and change them: from their callback on, until that lets them go on. */
  responseHeaders?: readonly Pair[] | undefined;
  /** The request's body and trailers. */
  readonly request: Flow;
  /** Those of the answer. */
  readonly response: Flow;
  /**
   * The module may still read the headers, and change them: until it lets the request go on from their callback, or continues it. After a body
   * callback that let it go on, as in Envoy, it may read them still; what it changes then changes nothing.
   */
  headersOpen: boolean;
  /** The module holds the request back; it goes on, or is answered, by a later callback. */
  paused: boolean;
  /** The stream is torn down. The module can still put it in its own place until the event round ends, and must not act on it. */
  ended: boolean;
}

/** The context of calls that belong to no plugin, `_initialize` and `malloc` among them. */
export interface VmContext {
  readonly kind: "vm";
  readonly id: 0;
}

export type Context = VmContext | RootContext | StreamContext;

/** One host call as it happened. */
export interface HostCall {
  /** The import's name without `proxy_`. */
  name: string;
  /** Numbers as they are, memory as text (one character a byte), paths with dots. Empty for a call that was made to fail. */
  args: readonly (string | number | bigint)[];
  result: WasmResult;
  /** What the call handed to the module, as text, where it did. */
  value?: string;
}

/** A call of `proxy_http_call` that waits for its answer. */
export interface Callout {
  /** What tells it from the others. */
  readonly token: number;
  /** The root context that made it, and is told the answer. */
  readonly root: number;
  readonly cluster: string;
  /** Pseudo-headers among them. */
  readonly headers: readonly Pair[];
  readonly body: Uint8Array;
  /** 0 stands for none. */
  readonly timeoutMs: number;
}

/** A call of `proxy_grpc_call` that waits for its answer. */
export interface GrpcCall {
  readonly token: number;
  readonly root: number;
  readonly cluster: string;
  readonly service: string;
  readonly method: string;
  readonly message: Uint8Array;
  readonly timeoutMs: number;
}

/** A callout's answer, as the module reads it while it is told of it. */
export interface CalloutResponse {
  readonly headers: readonly Pair[];
  readonly body: Uint8Array;
}

/** A line of `proxy_log`. */
export interface LogLine {
  /** 0 trace to 5 critical. */
  level: number;
  message: string;
}

/** Property values as a test writes them. */
export type PropertyValue = string | Uint8Array | bigint | boolean;

/** Serializes a property as serializeValue in Envoy's context.cc: integers in 8 bytes, booleans in one, strings raw. */
export function serializeProperty(value: PropertyValue): Uint8Array {
  if (typeof value === "string") return Buffer.from(value);
  if (typeof value === "boolean") return Uint8Array.of(value ? 1 : 0);
  if (typeof value === "bigint") {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigInt64(0, value, true);
    return bytes;
  }
  return value;
}
