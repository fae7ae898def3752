/** Header maps: a stream's own while they are open, and those of an answer to a callout. */
import {
  mapCallResponseHeaders,
  mapMaximum,
  mapRequestHeaders,
  mapRequestTrailers,
  mapResponseHeaders,
  mapResponseTrailers,
  WasmResult,
} from "../abi.ts";
import type { StreamContext } from "../context.ts";
import { marshalPairs, type Pair } from "../pairs.ts";
import { type Call, type CallScope, failed, outOfMemory, text } from "./scope.ts";

/** A map of a stream: what is in it, where it is open, and how it is changed. */
interface StreamMap {
  get(stream: StreamContext): readonly Pair[] | undefined;
  set(stream: StreamContext, pairs: readonly Pair[]): void;
}

const maps: ReadonlyMap<number, StreamMap> = new Map([
  [
    mapRequestHeaders,
    {
      get: ({ headers, headersOpen }: StreamContext) => (headersOpen ? headers : undefined),
      set: (stream: StreamContext, pairs: readonly Pair[]) => {
        stream.headers = pairs;
      },
    },
  ],
  [
    mapRequestTrailers,
    {
      get: ({ request }: StreamContext) => request.trailers,
      set: ({ request }: StreamContext, pairs: readonly Pair[]) => {
        request.trailers = pairs;
      },
    },
  ],
  [
    mapResponseHeaders,
    {
      get: ({ responseHeaders }: StreamContext) => responseHeaders,
      set: (stream: StreamContext, pairs: readonly Pair[]) => {
        stream.responseHeaders = pairs;
      },
    },
  ],
  [
    mapResponseTrailers,
    {
      get: ({ response }: StreamContext) => response.trailers,
      set: ({ response }: StreamContext, pairs: readonly Pair[]) => {
        response.trailers = pairs;
      },
    },
  ],
]);

function openMap({ context }: CallScope, type: number): readonly Pair[] | undefined {
  return context.kind === "stream" ? maps.get(type)?.get(context) : undefined;
}

function change({ context }: CallScope, type: number, pairs: readonly Pair[]): void {
  if (context.kind === "stream") maps.get(type)!.set(context, pairs);
}

const without = (pairs: readonly Pair[], name: string): Pair[] => pairs.filter(([other]) => other !== name);

export const getHeaderMapPairs: Call = (scope, [type, pointerAt, sizeAt]) => {
  if (type! > mapMaximum) return failed(WasmResult.BadArgument, type!);
  const { memory, response } = scope;
  const pairs = (type === mapCallResponseHeaders ? response?.headers : openMap(scope, type!)) ?? [];
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
  const args = [type!, text(key).toLowerCase(), text(value)] as const;
  const [, name] = args;
  const pairs = openMap(scope, type!);
  if (pairs === undefined) return failed(WasmResult.BadArgument, ...args);
  change(scope, type!, [...without(pairs, name), [name, text(value)]]);
  return { args, result: WasmResult.Ok };
};

export const removeHeader: Call = (scope, [type, keyPointer, keySize]) => {
  if (type! > mapMaximum) return failed(WasmResult.BadArgument, type!);
  const key = scope.memory.read(keyPointer!, keySize!);
  if (key === undefined) return outOfMemory(type!);
  const name = text(key).toLowerCase();
  const pairs = openMap(scope, type!);
  if (pairs === undefined) return failed(WasmResult.BadArgument, type!, name);
  change(scope, type!, without(pairs, name));
  return { args: [type!, name], result: WasmResult.Ok };
};
