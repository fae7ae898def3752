/** Every part of the engine is within its budget, and what is said to come from a part does come from there. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import asc from "assemblyscript/asc";
import { attribute } from "../../scripts/build/attribution.ts";
import { type EngineSize, findOverweight, measureEngine, sizeByPart, sizeTable } from "../../scripts/build/size.ts";
import { WasmError } from "../../scripts/policy/module/wasm.ts";

/** A module of several files, by name, compiled as the engine is, and its source map. */
async function compile(sources: Record<string, string>): Promise<{ module: Uint8Array; map: string }> {
  const files = new Map<string, string | Uint8Array>();
  const flags = [
    "--outFile",
    "module.wasm",
    "--sourceMap",
    "--runtime",
    "stub",
    "--use",
    "abort=",
    "-O3",
    "--noAssert",
  ];
  const { error, stderr } = await asc.main([Object.keys(sources)[0]!, ...flags], {
    readFile: (name) => sources[name] ?? null,
    writeFile: (name, contents) => void files.set(name, contents),
    listFiles: () => [],
  });
  assert.equal(error, null, stderr.toString());
  return { module: files.get("module.wasm") as Uint8Array, map: files.get("module.wasm.map") as string };
}

const totalOf = (size: EngineSize): number => size.parts.reduce((sum, { total }) => sum + total, 0);

test("every part of the engine is within its budget", async () => {
  const size = await measureEngine();
  assert.deepEqual(findOverweight(size), []);
  assert.equal(totalOf(size), size.total);
  const unknown = size.parts.find(({ part }) => part === "rest")!;
  assert.ok(unknown.code + unknown.data < size.total / 100, sizeTable(size));
});

test("code that was inlined counts for the file it was written in", async () => {
  const mixing = Array.from({ length: 20 }, (_, round) => `x = (x ^ (x >> ${(round % 13) + 1})) * ${round * 2 + 3};`);
  const { module, map } = await compile({
    "assembly/index.ts": `
      import { mix } from "./crypto/mix";
      export function proxy_on_tick(x: u32): u32 { return mix(x) + 1; }`,
    "assembly/crypto/mix.ts": `export function mix(x: u32): u32 { ${mixing.join("\n")} return x; }`,
  });
  const names = WebAssembly.Module.exports(new WebAssembly.Module(module as Uint8Array<ArrayBuffer>));
  assert.deepEqual(names.map(({ name }) => name).sort(), ["memory", "proxy_on_tick"]);
  const { sources, sections } = attribute(module, map);
  const code = (source: string): number => sources.get(source)?.code ?? 0;
  assert.ok(code("assembly/crypto/mix.ts") > 200, String(code("assembly/crypto/mix.ts")));
  assert.ok(code("assembly/index.ts") < 20, String(code("assembly/index.ts")));
  const size = sizeByPart({ sources, sections }, module.length);
  assert.equal(totalOf(size), module.length);
  assert.equal(size.parts[0]!.part, "crypto");
});

test("texts and tables count for the file that speaks of them", async () => {
  const { module, map } = await compile({
    "assembly/index.ts": `
      import { at } from "./crypto/table";
      import { letter } from "./audit/text";
      export function f(x: u32): u32 { return at(x) + letter(x); }`,
    "assembly/crypto/table.ts": `
      const table: usize = memory.data<u8>([${Array.from({ length: 500 }, (_, index) => (index % 250) + 1)}]);
      export function at(x: u32): u32 { return load<u8>(table + x); }`,
    "assembly/audit/text.ts": `
      const text = "${"a text of a hundred letters".repeat(4)}";
      export function letter(x: u32): u32 { return load<u16>(changetype<usize>(text) + x); }`,
  });
  const { sources } = attribute(module, map);
  const data = Object.fromEntries([...sources].map(([source, bytes]) => [source, bytes.data]));
  // With the bytes that begin a segment, and the header of a string; each letter takes two bytes.
  const table = data["assembly/crypto/table.ts"] ?? 0;
  const text = data["assembly/audit/text.ts"] ?? 0;
  assert.ok(table >= 500 && table < 512, JSON.stringify(data));
  assert.ok(text >= 216 && text < 250, JSON.stringify(data));
});

test("what is not a module is refused", () => {
  const map = JSON.stringify({ version: 3, sources: [], names: [], mappings: "" });
  assert.throws(() => attribute(Buffer.from("not a module"), map), WasmError);
});

test("a part over its budget is named, with its size, its budget and the way out", () => {
  const part = (name: string, total: number) => ({ part: name, code: total, data: 0, total });
  const size = { total: 300, parts: [part("token", 200), part("keys", 100)], sections: [] };
  assert.deepEqual(findOverweight(size, { token: 200, keys: 100 }), []);
  const [over, ...more] = findOverweight(size, { token: 199, keys: 100 });
  assert.deepEqual(more, []);
  assert.equal(
    over,
    "token takes 200 bytes, its budget is 199: make it smaller, or raise the budget in scripts/build/size.ts in the commit that needs it",
  );
});

test("a part without a budget, a budget without a part and an engine over its own are found", () => {
  const size = { total: 200_000, parts: [{ part: "guard", code: 7, data: 0, total: 7 }], sections: [] };
  const problems = findOverweight(size, { token: 10 });
  assert.equal(problems.length, 3);
  assert.match(problems[0]!, /^guard takes 7 bytes and has no budget: /);
  assert.match(problems[1]!, /^token has a budget and is no part of the engine: /);
  assert.match(problems[2]!, /^the engine takes 200000 bytes, its budget is 131072: /);
});

test("wrong usage ends with 2", () => {
  const args = ["--import", "tsx", "scripts/build/size.ts", "--jsno"];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 60_000 });
  assert.equal(status, 2);
  assert.match(stderr, /^usage: npm run size/);
});
