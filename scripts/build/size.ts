/**
 * `npm run size [-- --json | --budgets]`: what each part of the engine weighs in the module, and what it may weigh.
 *
 * A part is a folder of assembly/. Its code is what the source map says comes from there, inlined or not; its data are
 * the texts and tables that code speaks of. All is taken from the release code: the engine is compiled once more, with the
 * release's flags and a source map, in memory. The optimizer's second pass (scripts/build/optimize.ts) has no source map: what it saves is
 * taken off the part `rest`.
 */
import { existsSync, readFileSync } from "node:fs";
import asc from "assemblyscript/asc";
import { readSections } from "../policy/module/wasm.ts";
import { type Attribution, attribute, no_source, type SectionBytes } from "./attribution.ts";
import { engineBytesBudget, isEngineFresh } from "./engine.ts";
import { optimizeAgain } from "./optimize.ts";
import { readEngineSource } from "./sources.ts";
import { withoutTextHeads } from "./textheads.ts";

/** The files that lie in assembly/ itself. */
const top_part = "assembly";
/** What the compiler's own library brings along. */
const library_part = "AssemblyScript";
/** Sections other than code and data, the heads of sections, and what the source map tells nothing about; less what the second pass saves. */
const rest_part = "rest";

/** What each part may weigh, in bytes: about a tenth more than it does. `npm run size -- --budgets` prints it anew. */
export const partBudgets: Readonly<Record<string, number>> = {
  AssemblyScript: 200,
  assembly: 21_800,
  audit: 7_400,
  bytes: 12_700,
  condition: 11_600,
  crypto: 15_700,
  decision: 4_600,
  /** What the rate limit service of a fleet is asked, and answers. */
  fleet: 1_600,
  /** Of numbers that the engine without bodies has with the others. */
  graphql: 100,
  host: 6_700,
  identity: 5_300,
  keys: 20_400,
  limit: 7_000,
  policy: 20_900,
  quarantine: 4_100,
  /** With the table of case folding. */
  request: 8_500,
  response: 3_400,
  rest: 4_500,
  shortage: 3_200,
  streams: 480,
  token: 13_300,
  trust: 700,
  upstream: 3_200,
};

/** What a part weighs, in bytes. */
export interface PartSize {
  part: string;
  code: number;
  data: number;
  total: number;
}

/** What the engine weighs, in bytes; the totals of the parts add up to it. */
export interface EngineSize {
  total: number;
  parts: PartSize[];
  sections: SectionBytes[];
}

function partOf(source: string): string {
  const [folder, ...path] = source.split("/");
  if (source === no_source) return rest_part;
  if (folder === "assembly") return path.length > 1 ? path[0]! : top_part;
  return library_part;
}

/** The module without its custom sections: the release has none, and the map's address stands in one at the end. */
function withoutCustomSections(module: Uint8Array): Uint8Array {
  const kept = readSections(module).filter(({ id }) => id !== 0);
  return Buffer.concat([module.subarray(0, 8), ...kept.map(({ head, end }) => module.subarray(head, end))]);
}

/** Sums up sources by part, the heaviest first. */
export function sizeByPart({ sources, sections }: Attribution, moduleBytes: number): EngineSize {
  const parts = new Map<string, PartSize>();
  const take = (part: string, code: number, data: number, total: number): void => {
    const size = parts.get(part) ?? { part, code: 0, data: 0, total: 0 };
    parts.set(part, { part, code: size.code + code, data: size.data + data, total: size.total + total });
  };
  let attributed = 0;
  for (const [source, { code, data }] of sources) {
    take(partOf(source), code, data, code + data);
    attributed += code + data;
  }
  take(rest_part, 0, 0, moduleBytes - attributed);
  return { total: moduleBytes, parts: [...parts.values()].sort((a, b) => b.total - a.total), sections };
}

/**
 * Compiles the engine with a source map and measures it. Takes as long as building it. Throws with what the compiler has
 * against it, and where the module is not the one that was built.
 */
export async function measureEngine(): Promise<EngineSize> {
  const files = new Map<string, string | Uint8Array>();
  const flags = ["--config", "asconfig.json", "--target", "release", "--sourceMap"];
  const { error, stderr } = await asc.main(flags, {
    readFile: readEngineSource,
    // Nothing is written: build/ holds the module that was built, and goes on holding it.
    writeFile: (name, contents) => void files.set(name, contents),
  });
  if (error) throw new Error(`asc: ${error.message}\n${stderr.toString()}`);
  const module = withoutTextHeads(withoutCustomSections(files.get("build/engine.wasm") as Uint8Array));
  const shipped = withoutTextHeads(optimizeAgain(files.get("build/engine.wat") as string).bytes);
  if (existsSync("build/engine.wasm") && isEngineFresh() && !readFileSync("build/engine.wasm").equals(shipped)) {
    throw new Error(
      "with a source map the compiler made another module than build/engine.wasm, so that its parts cannot be told: " +
        "build it anew with `npm run build:engine`; if that does not help, asc no longer ignores --sourceMap",
    );
  }
  return sizeByPart(attribute(module, files.get("build/engine.wasm.map") as string), shipped.length);
}

/** What is wrong with the sizes, one sentence each; none where every part is within its budget. */
export function findOverweight({ total, parts }: EngineSize, budgets = partBudgets): string[] {
  const problems: string[] = [];
  for (const { part, total } of parts) {
    const budget = budgets[part];
    if (budget === undefined) {
      problems.push(`${part} takes ${total} bytes and has no budget: give it one in scripts/build/size.ts`);
    } else if (total > budget) {
      const way = "make it smaller, or raise the budget in scripts/build/size.ts in the commit that needs it";
      problems.push(`${part} takes ${total} bytes, its budget is ${budget}: ${way}`);
    }
  }
  for (const part of Object.keys(budgets)) {
    if (!parts.some((size) => size.part === part)) {
      problems.push(`${part} has a budget and is no part of the engine: take it out of scripts/build/size.ts`);
    }
  }
  if (total > engineBytesBudget) {
    const way = "make it smaller, or raise engineBytesBudget in scripts/build/engine.ts in the commit that needs it";
    problems.push(`the engine takes ${total} bytes, its budget is ${engineBytesBudget}: ${way}`);
  }
  return problems;
}

/** The sizes as a table for people. */
export function sizeTable({ total, parts, sections }: EngineSize, budgets = partBudgets): string {
  const name = (text: string): string => text.padEnd(16);
  const column = (value: number | string | undefined): string => (value ?? "–").toLocaleString("en-US").padStart(10);
  const lines = [`${name("part")}${["code", "data", "bytes", "budget"].map(column).join("")}`];
  for (const part of parts) {
    const { code, data, total: bytes } = part;
    lines.push(`${name(part.part)}${[code, data, bytes, budgets[part.part]].map(column).join("")}`);
  }
  const sum = (kind: "code" | "data"): number => parts.reduce((sum, part) => sum + part[kind], 0);
  lines.push(`${name("the engine")}${[sum("code"), sum("data"), total, engineBytesBudget].map(column).join("")}`);
  lines.push("", `${name("section")}${column("")}${column("")}${column("bytes")}`);
  for (const { name: section, bytes } of sections) {
    lines.push(`${name(section)}${column("")}${column("")}${column(bytes)}`);
  }
  return lines.join("\n");
}

/** A tenth more than each part weighs, rounded up to hundreds, as the source text of `partBudgets`. */
function budgetsText({ parts }: EngineSize): string {
  const lines = parts.map(({ part, total }) => {
    const budget = Math.ceil((total * 1.1) / 100) * 100;
    const key = /^[A-Za-z]+$/.test(part) ? part : JSON.stringify(part);
    return `  ${key}: ${String(budget).replace(/\B(?=(\d{3})+$)/g, "_")},`;
  });
  return lines.sort().join("\n");
}

async function main(asked: string | undefined): Promise<void> {
  const size = await measureEngine();
  if (asked === "--budgets") return console.log(budgetsText(size));
  const problems = findOverweight(size);
  if (asked === "--json") console.log(JSON.stringify({ ...size, budgets: partBudgets, problems }, null, 2));
  else console.log(sizeTable(size));
  if (problems.length === 0) return;
  console.error(`\n${problems.join("\n")}`);
  process.exitCode = 1;
}

// Tests import this file; only `npm run size` runs it.
if (process.argv[1] === import.meta.filename) {
  const asked = process.argv.slice(2);
  if (asked.length > 1 || (asked[0] !== undefined && !["--json", "--budgets"].includes(asked[0]))) {
    console.error("usage: npm run size [-- --json | --budgets]");
    process.exitCode = 2;
  } else {
    try {
      await main(asked[0]);
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    }
  }
}
