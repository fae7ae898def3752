/** Buffers: bodies, the plugin's configuration, the body of an answer to a callout, and the message of one to a gRPC call. */
import {
  bufferCallResponseBody,
  bufferGrpcMessage,
  bufferMaximum,
  bufferPluginConfiguration,
  bufferRequestBody,
  bufferResponseBody,
  WasmResult,
} from "../abi.ts";
import type { Flow } from "../flow.ts";
import { type Call, type CallScope, failed, handOut, outOfMemory, text } from "./scope.ts";

const nothing = new Uint8Array();

/** The flow whose body the call names, where a stream is in force. */
function flowOf({ context }: CallScope, type: number): Flow | undefined {
  if (context.kind !== "stream") return undefined;
  if (type === bufferRequestBody) return context.request;
  return type === bufferResponseBody ? context.response : undefined;
}

function bufferOf(scope: CallScope, type: number): Uint8Array | undefined {
  // There always is a body, which may be empty.
  if (type === bufferRequestBody || type === bufferResponseBody) return flowOf(scope, type)?.body ?? nothing;
  if (type === bufferPluginConfiguration) return scope.configuration;
  if (type === bufferGrpcMessage) return scope.grpcMessage;
  return type === bufferCallResponseBody ? scope.response?.body : undefined;
}

export const getBufferBytes: Call = (scope, [type, start, length, pointerAt, sizeAt]) => {
  const args = [type!, start!, length!];
  if (type! > bufferMaximum) return failed(WasmResult.BadArgument, ...args);
  const buffer = bufferOf(scope, type!);
  if (buffer === undefined) return failed(WasmResult.NotFound, ...args);
  return handOut(scope, args, buffer.subarray(start!, start! + length!), pointerAt!, sizeAt!);
};

/** Buffer::copyFrom: in place of bytes at the beginning, before them, or behind the end; nothing else. */
export const setBufferBytes: Call = (scope, [type, start, length, pointer, size]) => {
  const args = [type!, start!, length!];
  if (type! > bufferMaximum) return failed(WasmResult.BadArgument, ...args);
  const flow = flowOf(scope, type!);
  if (flow === undefined && bufferOf(scope, type!) === undefined) return failed(WasmResult.NotFound, ...args);
  const bytes = scope.memory.read(pointer!, size!);
  if (bytes === undefined) return outOfMemory(...args);
  const body = flow?.body;
  if (flow === undefined || body === undefined) return failed(WasmResult.BadArgument, ...args, text(bytes));
  if (start! > 0 && start! < body.length) return failed(WasmResult.BadArgument, ...args, text(bytes));
  const parts = start === 0 ? [bytes, body.subarray(length!)] : [body, bytes];
  flow.body = Uint8Array.from(Buffer.concat(parts));
  return { args: [...args, text(bytes)], result: WasmResult.Ok };
};
