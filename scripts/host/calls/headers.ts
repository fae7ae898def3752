/** Header maps: a request's own while they are open, and those of an answer to a callout. */
import { mapCallResponseHeaders, mapMaximum, mapRequestHeaders, mapResponseHeaders, WasmResult } from "../abi.ts";
import type { StreamContext } from "../context.ts";
import { marshalPairs, type Pair } from "../pairs.ts";
import { type Call, type CallScope, failed, outOfMemory, text } from "./scope.ts";

/** The stream whose request headers are open to the call, if it asks for those. */
const openStream = ({ context }: CallScope, type: number): StreamContext | undefined =>
  type === mapRequestHeaders && context.kind === "stream" && context.headersOpen ? context : undefined;

/** The stream whose answer begins, if the call asks for its headers. */
const answeredStream = ({ context }: CallScope, type: number): StreamContext | undefined =>
  type === mapResponseHeaders && context.kind === "stream" && context.responseHeaders !== undefined
    ? context
    : undefined;

const replaced = (pairs: readonly Pair[], name: string, value: string): Pair[] => [
  ...pairs.filter(([other]) => other !== name),
  [name, value],
];

function pairsOf(scope: CallScope, type: number): readonly Pair[] {
  if (type === mapCallResponseHeaders) return scope.response?.headers ?? [];
  return openStream(scope, type)?.headers ?? [];
}

export const getHeaderMapPairs: Call = (scope, [type, pointerAt, sizeAt]) => {
  if (type! > mapMaximum) return failed(WasmResult.BadArgument, type!);
  const { memory } = scope;
  const pairs = pairsOf(scope, type!);
  if (!memory.copyOut(pairs.length === 0 ? new Uint8Array() : marshalPairs(pairs), pointerAt!, sizeAt!)) {
    return outOfMemory(type!);
  }
  return { args: [type!], result: WasmResult.Ok, value: `${pairs.length} pairs` };
};

/** HeaderMap::setCopy: one value in place of all there were, at the end of the map where there was none. */
export const replaceHeader: Call = (scope, [type, keyPointer, keySize, valuePointer, valueSize]) => {
  if (type! > mapMaximum) return failed(WasmResult.BadArgument, type!);
  const key = scope.memory.read(keyPointer!, keySize!);
  const value = scope.memory.read(valuePointer!, valueSize!);
  if (key === undefined || value === undefined) return outOfMemory(type!);
  const name = text(key).toLowerCase();
  const stream = openStream(scope, type!);
  const answered = answeredStream(scope, type!);
  if (answered !== undefined) answered.responseHeaders = replaced(answered.responseHeaders!, name, text(value));
  else if (stream !== undefined) stream.headers = replaced(stream.headers, name, text(value));
  else return failed(WasmResult.BadArgument, type!, name, text(value));
  return { args: [type!, name, text(value)], result: WasmResult.Ok };
};

export const removeHeader: Call = (scope, [type, keyPointer, keySize]) => {
  if (type! > mapMaximum) return failed(WasmResult.BadArgument, type!);
  const key = scope.memory.read(keyPointer!, keySize!);
  if (key === undefined) return outOfMemory(type!);
  const name = text(key).toLowerCase();
  const stream = openStream(scope, type!);
  if (stream === undefined) return failed(WasmResult.BadArgument, type!, name);
  stream.headers = stream.headers.filter(([other]) => other !== name);
  return { args: [type!, name], result: WasmResult.Ok };
};
