/** Buffers: the plugin's configuration, the body of an answer to a callout, and the message of one to a gRPC call. */
import {
  bufferCallResponseBody,
  bufferGrpcMessage,
  bufferMaximum,
  bufferPluginConfiguration,
  WasmResult,
} from "../abi.ts";
import { type Call, type CallScope, failed, handOut } from "./scope.ts";

function bufferOf({ configuration, response, grpcMessage }: CallScope, type: number): Uint8Array | undefined {
  if (type === bufferPluginConfiguration) return configuration;
  if (type === bufferGrpcMessage) return grpcMessage;
  return type === bufferCallResponseBody ? response?.body : undefined;
}

export const getBufferBytes: Call = (scope, [type, start, length, pointerAt, sizeAt]) => {
  const args = [type!, start!, length!];
  if (type! > bufferMaximum) return failed(WasmResult.BadArgument, ...args);
  const buffer = bufferOf(scope, type!);
  if (buffer === undefined) return failed(WasmResult.NotFound, ...args);
  return handOut(scope, args, buffer.subarray(start!, start! + length!), pointerAt!, sizeAt!);
};
