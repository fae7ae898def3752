/** What a plugin has of its worker: its log, the clock, timers, and callouts to clusters. */
import { logLevels, WasmResult } from "../abi.ts";
import { type Pair, unmarshalPairs } from "../pairs.ts";
import { decodeMessage } from "../protobuf.ts";
import { type Call, failed, outOfMemory, rootOf, text, utf8 } from "./scope.ts";

export const log: Call = ({ memory, log: write }, [level, pointer, size]) => {
  if (level! >= logLevels.length) return failed(WasmResult.BadArgument, level!);
  const message = memory.read(pointer!, size!);
  if (message === undefined) return outOfMemory(level!);
  write({ level: level!, message: utf8(message) });
  return { args: [level!, utf8(message)], result: WasmResult.Ok };
};

export const getCurrentTime: Call = ({ memory, now }, [pointer]) => {
  const bytes = new Uint8Array(8);
  const nanoseconds = now();
  new DataView(bytes.buffer).setBigUint64(0, nanoseconds, true);
  if (!memory.write(pointer!, bytes)) return outOfMemory();
  return { args: [], result: WasmResult.Ok, value: String(nanoseconds) };
};

export const setTickPeriod: Call = (scope, [milliseconds]) => {
  scope.setTickPeriod(rootOf(scope.context), milliseconds!);
  return { args: [milliseconds!], result: WasmResult.Ok };
};

const callHeaders = [":path", ":method", ":authority"];

export const httpCall: Call = (scope, args) => {
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

/** The cluster of a `GrpcService { envoy_grpc { cluster_name } }`; undefined where it is something else. */
function clusterOfService(bytes: Uint8Array): string | undefined {
  const grpc = decodeMessage(bytes)?.get(1);
  const cluster = grpc instanceof Uint8Array ? decodeMessage(grpc)?.get(1) : undefined;
  return cluster instanceof Uint8Array ? utf8(cluster) : undefined;
}

export const grpcCall: Call = (scope, args) => {
  const { memory } = scope;
  const [targetAt, targetSize, serviceAt, serviceSize, methodAt, methodSize] = args;
  const [metadataAt, metadataSize, messageAt, messageSize, timeoutMs, tokenAt] = args.slice(6);
  const target = memory.read(targetAt!, targetSize!);
  const service = memory.read(serviceAt!, serviceSize!);
  const method = memory.read(methodAt!, methodSize!);
  const metadata = memory.read(metadataAt!, metadataSize!);
  const message = memory.read(messageAt!, messageSize!);
  if (!target || !service || !method || !metadata || !message) return outOfMemory();
  // A text that is no such message is taken for the cluster's name.
  const cluster = clusterOfService(target) ?? text(target);
  const shown = [cluster, text(service), text(method), text(message), timeoutMs!];
  const call = { root: rootOf(scope.context), cluster, service: text(service), method: text(method) };
  const token = scope.callGrpc({ ...call, message: Uint8Array.from(message), timeoutMs: timeoutMs! });
  // As where Envoy has no such cluster: nothing begins, whatever else it then tells of a call that the module does not know.
  if (token === undefined) return failed(WasmResult.InternalFailure, ...shown);
  if (!memory.writeWord(tokenAt!, token)) return outOfMemory(...shown);
  return { args: shown, result: WasmResult.Ok, value: String(token) };
};
