/**
 * Compiles the engine with asc (asconfig.json), then holds the result to its gates: nothing on a request path allocates or
 * traps, the size is within budget, and the imports are those the capability lists in envoy/ grant.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import asc from "assemblyscript/asc";
import { findViolations } from "./gate.ts";
import { optimizeAgain } from "./optimize.ts";
import { readEngineSource } from "./sources.ts";
import { withoutTextHeads } from "./textheads.ts";

/** The engine without a policy, and the one that reads bodies as well. */
export const engineBytesBudget = 128 * 1024;
export const bodiesBytesBudget = 160 * 1024;

/** What the engine may ask of the host: one line each in the capability lists of envoy/*.yaml. All but WASI's come from `env`. */
export const allowedImports = [
  "proxy_call_foreign_function",
  "proxy_continue_stream",
  "proxy_define_metric",
  "proxy_get_buffer_bytes",
  "proxy_get_current_time_nanoseconds",
  "proxy_get_header_map_pairs",
  "proxy_get_metric",
  "proxy_get_property",
  "proxy_get_shared_data",
  "proxy_grpc_call",
  "proxy_http_call",
  "proxy_increment_metric",
  "proxy_log",
  "proxy_record_metric",
  "proxy_remove_header_map_value",
  "proxy_replace_header_map_value",
  "proxy_send_local_response",
  "proxy_set_buffer_bytes",
  "proxy_set_effective_context",
  "proxy_set_property",
  "proxy_set_shared_data",
  "proxy_set_tick_period_milliseconds",
  "random_get",
];

/** The engine as fuzzers run it. */
export const poisoned_engine = "build/engine.poisoned.wasm";
const poisoned_engine_text = "build/engine.poisoned.wat";

/** Whether a module is newer than everything it is made of. The engine passed its gates when it was built. */
export function isEngineFresh(built = "build/engine.wasm"): boolean {
  if (!existsSync(built)) return false;
  const sources = readdirSync("assembly", { recursive: true, encoding: "utf8" }).map((name) => join("assembly", name));
  const inputs = [
    ...sources,
    "asconfig.json",
    "package-lock.json",
    "scripts/build/engine.ts",
    "scripts/build/gate.ts",
    "scripts/build/optimize.ts",
    "scripts/build/sources.ts",
    "scripts/build/textheads.ts",
  ];
  return isNewest(
    statSync(built).mtimeMs,
    inputs.map((input) => statSync(input).mtimeMs),
    Date.now(),
  );
}

/** Whether something was made after everything else. What lies in the future, from before a clock was set back, was made long ago. */
export function isNewest(builtMilliseconds: number, inputsMilliseconds: number[], nowMilliseconds: number): boolean {
  return builtMilliseconds <= nowMilliseconds && inputsMilliseconds.every((input) => input < builtMilliseconds);
}

/**
 * Builds build/engine.poisoned.wasm, which fuzzers run: the engine, but that memory which was given up is overwritten
 * (assembly/bytes/poison.ts), so that a use after that shows. Throws with what the compiler has against it.
 */
export async function buildPoisonedEngine(): Promise<void> {
  await compile("poisoned");
}

/** The module and its text, of each target of asconfig.json. */
const files_of = {
  release: ["build/engine.wasm", "build/engine.wat"],
  bodies: ["build/engine.bodies.wasm", "build/engine.bodies.wat"],
  poisoned: [poisoned_engine, poisoned_engine_text],
} as const;

/** Compiles a target of asconfig.json. */
async function compile(target: "release" | "bodies" | "poisoned"): Promise<void> {
  const entries = target === "release" ? [] : ["assembly/bodies.ts"];
  const { error, stderr } = await asc.main([...entries, "--config", "asconfig.json", "--target", target], {
    readFile: readEngineSource,
  });
  if (error) throw new Error(`asc: ${error.message}\n${stderr.toString()}`);
  const [module, text] = files_of[target];
  const optimized = optimizeAgain(await readFile(text, "utf8"));
  await writeFile(text, optimized.text);
  await writeFile(module, withoutTextHeads(optimized.bytes));
}

/** Builds build/engine.wasm and build/engine.bodies.wasm. Throws with what the compiler, or a gate, has against one of them. */
export async function buildEngine(): Promise<void> {
  await buildGated("release", engineBytesBudget);
  await buildGated("bodies", bodiesBytesBudget);
}

async function buildGated(target: "release" | "bodies", budget: number): Promise<void> {
  await compile(target);
  const [file, text] = files_of[target];
  const problems = findViolations(await readFile(text, "utf8"));
  const { size } = await stat(file);
  if (size > budget) problems.push(`the engine takes ${size} bytes, its budget is ${budget}`);
  const module = new WebAssembly.Module(await readFile(file));
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    const expected = name === "random_get" ? "wasi_snapshot_preview1" : "env";
    if (from !== expected || !allowedImports.includes(name)) problems.push(`the engine imports ${from}.${name}`);
  }
  if (problems.length > 0) throw new Error(`${file} fails its gates:\n  ${problems.join("\n  ")}`);
  console.log(`${file}: ${size} bytes; no request path allocates or traps`);
}
