/** The gate over the release module must find what it is there to find. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import asc from "assemblyscript/asc";
import { findViolations } from "../../scripts/build/gate.ts";

/** The text of a module compiled as the engine is. */
async function compile(source: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-gate-"));
  try {
    await writeFile(join(folder, "module.ts"), source);
    const flags = ["--runtime", "stub", "--exportStart", "_initialize", "--use", "abort=", "-O3", "--noAssert"];
    const { error, stderr } = await asc.main(["module.ts", "-t", "module.wat", "--baseDir", folder, ...flags]);
    assert.equal(error, null, stderr.toString());
    return await readFile(join(folder, "module.wat"), "utf8");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("a request path that allocates is found, with the way to it", async () => {
  const text = await compile(`
    let kept = "";
    export function proxy_on_request_headers(context: u32): u32 { kept = kept + context.toString(); return kept.length; }
  `);
  const violations = findViolations(text);
  assert.ok(
    violations.some((line) => /proxy_on_request_headers: .*(allocator|grows memory)/.test(line)),
    violations.join("\n"),
  );
});

test("memory may grow while configuring, and nowhere else", async () => {
  const grows = (name: string) => `export function ${name}(size: u32): i32 { return memory.grow(size); }`;
  assert.deepEqual(findViolations(await compile(grows("proxy_on_configure"))), []);
  assert.match(findViolations(await compile(grows("malloc"))).join("\n"), /malloc: grows memory/);
});

test("instructions that trap on input are found", async () => {
  const cases: Record<string, RegExp> = {
    "export function f(a: u32, b: u32): u32 { return a / b; }": /divides/,
    "export function f(a: i64, b: i64): i64 { return a % b; }": /divides/,
    "export function f(a: u32): u32 { if (a == 7) unreachable(); return a; }": /unreachable/,
    "export function f(a: u32): u32 { return a / 10; }": /^$/,
  };
  for (const [source, expected] of Object.entries(cases)) {
    assert.match(findViolations(await compile(source)).join("\n"), expected, source);
  }
});

test("a divisor may be a constant that stands in a local, if nothing else ever does", () => {
  const module = (first: string, later = ""): string => `(module
 (export "f" (func $f))
 (func $f (param $0 i64) (result i64)
  (local $1 i64)
  ${first}
  local.get $0
  ${later}
  local.get $1
  i64.div_u
 )
)
`;
  assert.deepEqual(findViolations(module("i64.const 1000000000\n  local.set $1")), []);
  for (const text of [
    module(""),
    module("i64.const 0\n  local.set $1"),
    module("i64.const 7\n  local.set $1", "local.get $0\n  local.set $1"),
    module("i64.const 7\n  local.set $1", "local.get $0\n  local.tee $1\n  drop"),
    module("local.get $0\n  drop\n  i64.const 7\n  local.set $1"),
    module("i64.const 7\n  drop\n  i64.const 7\n  local.set $1"),
  ])
    assert.deepEqual(findViolations(text), ["f: divides by what may be zero, by way of $f"], text);
});

test("a call through a table cannot be followed, and is refused", async () => {
  const text = await compile(`
    function one(): i32 { return 1; }
    function two(): i32 { return 2; }
    let chosen: () => i32 = one;
    export function choose(second: bool): void { if (second) chosen = two; else chosen = one; }
    export function f(): i32 { return chosen(); }
  `);
  assert.match(findViolations(text).join("\n"), /call_indirect/);
});
