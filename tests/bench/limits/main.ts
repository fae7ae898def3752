/**
 * `npm run bench:limits`: what limits admit against rate × time + burst, and what they cost beside Envoy's own, on real Envoys. Prints
 * tables, writes build/bench-limits.json. Exit 1 where a limit admits beyond its bound, a hundredth less than one bucket would,
 * or keeps more than its fixed size of many keys.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import { findEnvoy } from "../../../scripts/envoy/find.ts";
import { compilePolicyFile, loadEngine } from "../../../scripts/policy/build.ts";
import { runSeed } from "../../support/random.ts";
import { describeEnvironment } from "../environment.ts";
import { caseLines } from "../tables.ts";
import { benchTools } from "../tools.ts";
import { makeWorld } from "../world.ts";
import { type Cell, type Extent, measureAdmitted } from "./admitted.ts";
import { type CostOptions, cost_notes, measureCosts } from "./costs.ts";
import { type Footprint, many_keys_policy, sendManyKeys, value_bytes_max, values_max } from "./manykeys.ts";
import { cellHeader, cellLine, keysLine, ratioLines } from "./tables.ts";

const json_path = "build/bench-limits.json";
const full: Extent & CostOptions & { keys: number } = {
  rates: [10, 100, 1_000, 10_000, 100_000],
  bursts: [1, 10, 100, 1_000, 10_000, 100_000],
  workers: [1, 2, 4],
  seconds: 4,
  rounds: 100,
  roundSeconds: 0.03,
  keys: 10_000_000,
};
const quick: typeof full = {
  ...full,
  rates: [10, 1_000, 100_000],
  bursts: [1, 1_000, 100_000],
  seconds: 1,
  rounds: 5,
  roundSeconds: 0.04,
  keys: 200_000,
};

const given = new Command("npm run bench:limits --")
  .description("What limits admit, and what they cost beside Envoy's local_ratelimit and ratelimit filters.")
  .option("--quick", "fewer limits, and shorter: one to two minutes, and less exact")
  .addOption(
    new Option("--only <part>", "one of the three parts; writes no file").choices(["admitted", "costs", "keys"]),
  )
  .parse()
  .opts<{ quick?: boolean; only?: string }>();
const extent = given.quick ? quick : full;
const isWanted = (part: string): boolean => given.only === undefined || given.only === part;
/** What else the machine has to do shows in the figures. */
const loadText = (): string => loadavg()[0]!.toFixed(1);

const directory = await mkdtemp(join(tmpdir(), "sallyport-limits-"));
try {
  const tools = await benchTools();
  const envoyPath = await findEnvoy();
  const environment = await describeEnvironment(envoyPath);
  const world = await makeWorld(directory);
  const { processor, processors, kernel } = environment;
  console.log(
    `Envoy ${environment.envoy}; ${processors} processors (${processor}), Linux ${kernel}; load average ${loadText()}`,
  );
  const measured = {
    ...(isWanted("admitted") ? { cells: await showAdmitted() } : {}),
    ...(isWanted("costs") ? await showCosts() : {}),
    ...(isWanted("keys") ? { samples: await showKeys() } : {}),
  };
  if (given.only === undefined) {
    await mkdir("build", { recursive: true });
    await writeFile(json_path, `${JSON.stringify({ environment, ...measured }, undefined, 2)}\n`);
    console.log(`\nwritten: ${json_path}`);
  }

  async function showAdmitted(): Promise<Cell[]> {
    console.log("\nadmitted on one key, 64 connections, in tokens");
    console.log(cellHeader);
    const cells = await measureAdmitted(world, envoyPath, tools.load, extent, (cell: Cell) => {
      console.log(cellLine(cell));
    });
    const failed = cells.filter(({ problem }) => problem !== "");
    const held = `${cells.length - failed.length} of ${cells.length} limits held`;
    console.log(
      `${held}: never beyond rate × time + burst + reserved, nor a hundredth less than one bucket would admit`,
    );
    if (failed.length > 0) process.exitCode = 1;
    return cells;
  }

  async function showCosts(): Promise<Awaited<ReturnType<typeof measureCosts>>> {
    const before = loadText();
    const costs = await measureCosts(world, envoyPath, tools.load, extent);
    console.log(`\ncost of a request; ${costs.pinned}; load average ${before} before, ${loadText()} after`);
    const lines = [...cost_notes, ...caseLines("http1", costs.cases), ...ratioLines(costs.ratios)];
    for (const line of lines) console.log(line);
    return costs;
  }

  async function showKeys(): Promise<Footprint[]> {
    const seed = runSeed();
    console.log(`\ndistinct keys of one limit, two workers in Node, SEED=${seed}`);
    const samples: Footprint[] = [];
    const policyPath = join(directory, "many.yaml");
    await writeFile(policyPath, many_keys_policy);
    const given = { keys: extent.keys, seed, every: extent.keys / 4 };
    sendManyKeys(loadEngine(), compilePolicyFile(policyPath).image, given, (sample) => {
      samples.push(sample);
      console.log(keysLine(sample));
    });
    if (samples.some(({ values, valueBytes }) => values > values_max || valueBytes > value_bytes_max)) {
      console.log(`MORE THAN ${values_max} values of ${value_bytes_max} bytes`);
      process.exitCode = 1;
    }
    return samples;
  }
} finally {
  await rm(directory, { recursive: true, force: true });
}
