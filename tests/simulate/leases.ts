/** Compiles the engine's lease code by itself, and makes one instance of it for each worker. */
import asc from "assemblyscript/asc";
import { readEngineSource } from "../../scripts/build/sources.ts";

/** What assembly/lease.ts exports. */
export interface Leases {
  /** The entry of a key, whose fingerprint comes in two halves; 0 where it is another key's. */
  leaseOfKey(low: number, high: number, now_ms: number): number;
  takeLeased(entry: number, tokens: number): number;
  blockWanted(entry: number, most_tokens: number, isShort: boolean, now_ms: number): number;
  awaitBlock(entry: number, call: number): void;
  takeBlock(call: number, isGranted: boolean, isRefused: boolean, now_ms: number, rest_ms: number): void;
}

const entry = "tests/simulate/assembly/lease.ts";

/** Compiles the code once; what it returns makes an instance. Throws with what the compiler has against it. */
export async function compileLeases(): Promise<() => Leases> {
  let binary: Uint8Array | undefined;
  const options = ["--runtime", "stub", "--noAssert", "--optimizeLevel", "3", "--use", "abort=,PACKED=1"];
  const { error, stderr } = await asc.main([entry, ...options, "--outFile", "lease.wasm"], {
    // The configuration beside is the whole engine's.
    readFile: async (name, folder) => (name === "asconfig.json" ? null : readEngineSource(name, folder)),
    writeFile: (_, contents) => {
      if (typeof contents !== "string") binary = contents;
    },
  });
  if (error || binary === undefined) throw new Error(`asc: ${error?.message}\n${stderr.toString()}`);
  const module = new WebAssembly.Module(binary as Uint8Array<ArrayBuffer>);
  return () => new WebAssembly.Instance(module).exports as unknown as Leases;
}
