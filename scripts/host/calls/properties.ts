/** Properties of a stream, and the filter state that a module sets. */
import { WasmResult } from "../abi.ts";
import { type Call, failed, handOut, outOfMemory, text, utf8 } from "./scope.ts";

export const getProperty: Call = (scope, [pathPointer, pathSize, pointerAt, sizeAt]) => {
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

export const setProperty: Call = ({ memory, context }, [namePointer, nameSize, valuePointer, valueSize]) => {
  const name = memory.read(namePointer!, nameSize!);
  const value = memory.read(valuePointer!, valueSize!);
  if (name === undefined || value === undefined) return outOfMemory();
  const args = [text(name), utf8(value)];
  if (context.kind !== "stream") return failed(WasmResult.NotFound, ...args);
  context.filterState.set(text(name), utf8(value));
  return { args, result: WasmResult.Ok };
};
