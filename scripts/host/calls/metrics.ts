/** Metrics. */
import { WasmResult } from "../abi.ts";
import { type Call, failed, outOfMemory, text } from "./scope.ts";

export const defineMetric: Call = ({ memory, metrics }, [type, namePointer, nameSize, idAt]) => {
  const name = memory.read(namePointer!, nameSize!);
  if (name === undefined) return outOfMemory(type!);
  const { status, id } = metrics.define(type!, text(name));
  if (status !== WasmResult.Ok) return failed(status, type!, text(name));
  if (!memory.writeWord(idAt!, id)) return outOfMemory(type!, text(name));
  return { args: [type!, text(name)], result: WasmResult.Ok, value: String(id) };
};

export const incrementMetric: Call = ({ metrics }, [id], offset) => {
  const result = metrics.increment(id!, offset);
  return { args: [metrics.name(id!) ?? id!, offset], result };
};

export const getMetric: Call = ({ memory, metrics }, [id, valueAt]) => {
  const { result, value } = metrics.read(id!);
  const named = metrics.name(id!) ?? id!;
  if (result !== WasmResult.Ok) return failed(result, named);
  if (!memory.writeLong(valueAt!, value)) return outOfMemory(named);
  return { args: [named], result, value: String(value) };
};

export const recordMetric: Call = ({ metrics }, [id], value) => {
  const recorded = BigInt.asUintN(64, value);
  return { args: [metrics.name(id!) ?? id!, recorded], result: metrics.record(id!, recorded) };
};
