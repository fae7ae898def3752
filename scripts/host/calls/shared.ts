/** Shared data: what all workers of a proxy have together. */
import { WasmResult } from "../abi.ts";
import { type Call, failed, handOut, outOfMemory, text } from "./scope.ts";

export const getSharedData: Call = (scope, [keyPointer, keySize, pointerAt, sizeAt, casAt]) => {
  const key = scope.memory.read(keyPointer!, keySize!);
  if (key === undefined) return outOfMemory();
  const entry = scope.sharedData.get(text(key));
  if (entry === undefined) return failed(WasmResult.NotFound, text(key));
  const given = handOut(scope, [text(key)], entry.value, pointerAt!, sizeAt!);
  if (given.result !== WasmResult.Ok) return given;
  return scope.memory.writeWord(casAt!, entry.cas) ? given : outOfMemory(text(key));
};

export const setSharedData: Call = ({ memory, sharedData }, [keyPointer, keySize, valuePointer, valueSize, cas]) => {
  const key = memory.read(keyPointer!, keySize!);
  const value = memory.read(valuePointer!, valueSize!);
  if (key === undefined || value === undefined) return outOfMemory();
  return { args: [text(key), text(value), cas!], result: sharedData.set(text(key), value, cas!) };
};
