/** Functions beyond the ABI: foreign ones that the host brings along, and WASI's. */
import { randomBytes } from "node:crypto";
import { HostCrash, WasmResult } from "../abi.ts";
import { type Call, failed, outOfMemory, text } from "./scope.ts";

/** WASI's, which answers with numbers of its own: 0, EINVAL, EFAULT. Nothing of what it gives is recorded. */
export const randomGet: Call = ({ memory }, [start, size]) => {
  if (size! > 65_536) return failed(28 as WasmResult, size!);
  if (!memory.write(start!, randomBytes(size!))) return failed(21 as WasmResult, size!);
  return { args: [size!], result: WasmResult.Ok };
};

export const callForeignFunction: Call = (scope, args) => {
  const [namePointer, nameSize, argumentPointer, argumentSize, pointerAt, sizeAt] = args;
  const { memory } = scope;
  const nameBytes = memory.read(namePointer!, nameSize!);
  if (nameBytes === undefined) return outOfMemory();
  const name = text(nameBytes);
  const argument = memory.read(argumentPointer!, argumentSize!);
  if (argument === undefined) return outOfMemory(name);
  const foreign = scope.foreignFunctions.get(name);
  if (foreign === undefined) return failed(WasmResult.NotFound, name);
  const { status, result } = foreign(argument);
  let pointer = 0;
  if (result !== undefined && pointerAt !== 0) {
    const room = memory.allocate(result.length);
    if (room === undefined) throw new HostCrash(`malloc gave no room for the result of ${name}`);
    memory.write(room, result);
    pointer = room;
  }
  if (pointerAt !== 0 && !memory.writeWord(pointerAt!, pointer)) return outOfMemory(name);
  if (sizeAt !== 0 && !memory.writeWord(sizeAt!, result?.length ?? 0)) return outOfMemory(name);
  return { args: [name], result: status, ...(result && { value: Buffer.from(result).toString("hex") }) };
};
