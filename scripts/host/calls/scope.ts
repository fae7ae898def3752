/** What every call of a module works on, and how its record is made. */
import { WasmResult } from "../abi.ts";
import type { Callout, CalloutResponse, Context, GrpcCall, HostCall, LogLine, StreamContext } from "../context.ts";
import type { Direction } from "../flow.ts";
import type { GuestMemory } from "../memory.ts";
import type { Metrics } from "../metrics.ts";
import type { SharedData } from "../shared.ts";
import type { ForeignFunction } from "../signature.ts";

/** What the calls work on: one VM, and the call into it that is under way. */
export interface CallScope {
  readonly memory: GuestMemory;
  /** The context that was called, or the one it has put in its own place. */
  readonly context: Context;
  /** The plugin configuration, while a root context is being created or configured. */
  readonly configuration: Uint8Array | undefined;
  /** The answer to a callout, while its root context is told of it. */
  readonly response: CalloutResponse | undefined;
  /** The message that answers a gRPC call, in the same way. */
  readonly grpcMessage: Uint8Array | undefined;
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
  callGrpc(call: Omit<GrpcCall, "token">): number | undefined;
  /** Lets a request or its answer go on, or the request be answered, once the callback under way has returned. */
  release(stream: StreamContext, what: Direction | "answer"): void;
}

/** What a call did, for the record. */
export type Recorded = Omit<HostCall, "name">;
/** One imported function over unsigned arguments (i64 arguments as they are). */
export type Call = (scope: CallScope, args: readonly number[], offset: bigint) => Recorded;

/** Bytes as text, one character a byte. */
export const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
/** Bytes that are UTF-8. */
export const utf8 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
/** A call that came to nothing. */
export const failed = (result: WasmResult, ...args: HostCall["args"]): Recorded => ({ args, result });
/** A call whose pointers lead outside of the memory. */
export const outOfMemory = (...args: HostCall["args"]): Recorded => failed(WasmResult.InvalidMemoryAccess, ...args);

/** Hands bytes to the module and reports how that went. */
export function handOut(
  scope: CallScope,
  args: HostCall["args"],
  bytes: Uint8Array,
  at: number,
  sizeAt: number,
): Recorded {
  if (!scope.memory.copyOut(bytes, at, sizeAt)) return outOfMemory(...args);
  return { args, result: WasmResult.Ok, value: text(bytes) };
}

/** The root context a call stands for: its own, or that of its stream. */
export const rootOf = (context: Context): number => (context.kind === "stream" ? context.root.id : context.id);
