/** The engine that fuzzers run overwrites what it gives up, and the one that ships does not. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { poisoned_engine } from "../../scripts/build/engine.ts";

/** As assembly/bytes/poison.ts has it. */
const poison_byte = 0xdb;

interface Exports {
  memory: WebAssembly.Memory;
  malloc(size: number): number;
  _initialize(): void;
  proxy_on_request_headers(context: number, headers: number, endOfStream: number): number;
}

/** What stands in the arena, after a request began, where the host had put something before. */
function leftOver(path: string): number {
  const module = new WebAssembly.Module(readFileSync(path));
  const imports: Record<string, Record<string, () => number>> = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {};
    imports[from][name] = () => 0;
  }
  const engine = new WebAssembly.Instance(module, imports).exports as unknown as Exports;
  engine._initialize();
  const size = 65_536;
  const start = engine.malloc(size);
  new Uint8Array(engine.memory.buffer).fill(0x41, start, start + size);
  // It has no policy, and is denied.
  assert.equal(engine.proxy_on_request_headers(2, 0, 1), 1);
  return new Uint8Array(engine.memory.buffer)[start + size - 1]!;
}

test("what is read of the arena after its reset is poison", () => {
  assert.equal(leftOver(poisoned_engine), poison_byte);
  assert.equal(leftOver("build/engine.wasm"), 0x41);
});
