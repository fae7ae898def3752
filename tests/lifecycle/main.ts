/**
 * `npm run lifecycle`: what the filter costs beside requests. How soon after its start an Envoy decides, what memory a worker
 * takes by the number of rules, and memory and answers over a thousand reloads of the policy. Prints tables and writes
 * build/lifecycle.json. Exit 1 where memory grew over the reloads, or an answer was wrong. `--quick` takes less than a minute.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { Command, Option } from "commander";
import { envoyVersion } from "../../scripts/envoy/find.ts";
import { loadEngine } from "../../scripts/policy/build.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { judgeMemory, memoryText, verdictLines } from "../soak/report.ts";
import { measureReloads } from "./reloads.ts";
import { measureRules, moduleOf, type RulesMemory, rulesCases, usual } from "./rules.ts";
import { measureStarts, type Start, type StartCase } from "./start.ts";
import { reloadLines, rules_head, rulesLine, start_head, startLine, summary } from "./tables.ts";
import { caller, makeWorld, type World } from "./world.ts";

const parts = ["start", "rules", "reloads"] as const;
type Part = (typeof parts)[number];

const options = new Command("npm run lifecycle --")
  .description("Start, memory by rules, and reloads, in a real Envoy.")
  .option("--quick", "fewer starts, rules and reloads: less than a minute; memory over reloads is shown, not judged")
  .addOption(new Option("--only <part>", "one part of it").choices(parts))
  .parse()
  .opts<{ quick?: boolean; only?: Part }>();

const extent = options.quick
  ? {
      coldStarts: 2,
      warmStarts: 3,
      startRules: [10_000],
      rules: [0, 10, 1_000],
      rulesTimes: 1,
      policyReloads: 60,
      moduleReloads: 6,
    }
  : {
      ...{ coldStarts: 7, warmStarts: 15, startRules: [10_000, 100_000] },
      ...{ rules: [0, 10, 1_000, 10_000, 100_000], rulesTimes: 3, policyReloads: 1_000, moduleReloads: 600 },
    };

/** A rule that wants a token and one that does not. */
const smallPolicy = `
version: 1
name: small
trust: { domains: [example.org] }
issuers:
  corp:
    issuer: https://issuer.example.org
    audiences: [order-api]
    algorithms: [RS256, ES256]
    keys: { file: corp.jwks.json }
rules:
  - { name: orders, callers: [${caller}], allow: [GET /orders], token: corp, scopes: [orders:read] }
  - { name: status, callers: [${caller}], allow: [GET /status] }
`;

const world = await makeWorld();
try {
  console.log(`Envoy ${await envoyVersion(world.envoyPath)}`);
  const isWanted = (part: Part): boolean => options.only === undefined || options.only === part;
  const result: Record<string, unknown> = {};
  let isGood = true;
  if (isWanted("start")) result.starts = await showStarts(world);
  if (isWanted("rules")) result.rules = await showRules(world);
  if (isWanted("reloads")) {
    for (const [kind, count] of [
      ["policy", extent.policyReloads],
      ["module", extent.moduleReloads],
    ] as const) {
      const shown = await showReloads(world, kind, count);
      result[`${kind}Reloads`] = shown.result;
      isGood &&= shown.isGood;
    }
  }
  await mkdir("build", { recursive: true });
  await writeFile("build/lifecycle.json", `${JSON.stringify(result, undefined, 2)}\n`);
  console.log("\nwritten: build/lifecycle.json");
  process.exitCode = isGood ? 0 : 1;
} finally {
  await world.remove();
}

async function showStarts(world: World): Promise<Record<string, Start[]>> {
  const small = await world.file("small.wasm", embedImage(loadEngine(), await world.image(smallPolicy)));
  const without: StartCase = { name: "no filter", wasmPath: undefined, caller, path: "/orders", needsToken: false };
  const cases: StartCase[] = [
    without,
    { ...without, name: "2 rules, no token", wasmPath: small, path: "/status" },
    { ...without, name: "2 rules, with a token", wasmPath: small, needsToken: true },
  ];
  for (const rules of extent.startRules) {
    const { wasmPath } = await moduleOf(world, rules);
    cases.push({ ...without, ...usual, name: `${rules.toLocaleString("en")} rules, no token`, wasmPath });
  }
  console.log(`\nstart of an Envoy with one worker\n${start_head}`);
  const starts: Record<string, Start[]> = {};
  for (const item of cases) {
    for (const how of ["cold", "warm"] as const) {
      const times = how === "cold" ? extent.coldStarts : extent.warmStarts;
      const name = `${item.name}, ${how}`;
      starts[name] = await measureStarts(world, item, times, how === "cold");
      console.log(startLine(name, starts[name]));
    }
  }
  return starts;
}

async function showRules(world: World): Promise<RulesMemory[]> {
  console.log(`\nmemory by rules\n${rules_head}`);
  const rows: RulesMemory[] = [];
  for (const item of await rulesCases(world, extent.rules)) {
    rows.push(await measureRules(world, item, extent.rulesTimes));
    console.log(rulesLine(rows.at(-1)!, rows[0]!));
  }
  return rows;
}

async function showReloads(
  world: World,
  kind: "policy" | "module",
  count: number,
): Promise<{ result: object; isGood: boolean }> {
  const what = kind === "policy" ? "of the policy, by configuration" : "of the module, with its policy inside";
  console.log(`\n${count.toLocaleString("en")} reloads ${what}`);
  const every = Math.max(1, Math.floor(count / 10));
  const series = await measureReloads(world, kind, count, (sample) => {
    if (sample.done % every === 0) console.log(`  ${String(sample.done).padStart(5)}  ${memoryText(sample)}`);
  });
  // Every module is another VM on every thread, so V8 and the allocator take longer to settle.
  const share = kind === "module" ? 0.3 : 0.1;
  const memory = judgeMemory(series.samples, count, share);
  const isRight = series.problems.length === 0;
  console.log([...verdictLines(memory, count, "reloads", share), ...reloadLines(series)].join("\n"));
  for (const problem of series.problems.slice(0, 20)) console.error(`WRONG: ${problem}`);
  if (options.quick) console.log("  these are too few reloads to judge memory by: a full run does");
  return { result: { ...summary(series), memory }, isGood: isRight && (options.quick === true || memory.isFlat) };
}
