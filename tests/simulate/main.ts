/**
 * `npm run simulate:fleet`: limits of a fleet past one machine. Fleets of up to 5,000 Envoys with ten million clients, in each way of
 * counting, as tables. SEED brings a run back.
 *
 *   npm run simulate:fleet -- [--sweep size] [--keys 10000000] [--plots docs/figures]
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runSeed } from "../support/random.ts";
import { compileLeases } from "./leases.ts";
import { drawPlot, plots } from "./plots.ts";
import { type FleetOptions, type Result, simulate } from "./simulation.ts";
import { fleetOptions, modes, sweeps } from "./sweeps.ts";
import { Zipf } from "./zipf.ts";

const { values } = parseArgs({
  options: { sweep: { type: "string" }, keys: { type: "string", default: "10000000" }, plots: { type: "string" } },
});
const chosen = sweeps.filter(({ name }) => values.sweep === undefined || name === values.sweep);
if (chosen.length === 0) {
  console.error(`no sweep named ${values.sweep}: there are ${sweeps.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

const percent = (share: number, digits = 2): string => `${(share * 100).toFixed(digits)} %`;

const columns: Record<string, (result: Result) => string> = {
  "beyond the limit": ({ over }) => percent(Math.max(0, over), 1),
  "denied within it": ({ honestDenied }) => percent(honestDenied, 3),
  "used of it": ({ used }) => percent(used, 1),
  "questions a second": ({ questionsPerSecond }) => questionsPerSecond.toFixed(0),
  "requests that wait": ({ waited }) => percent(waited, 1),
  "mean wait": ({ wait_ms }) => `${wait_ms.toFixed(2)} ms`,
  "longest wait": ({ waitMax_ms }) => `${waitMax_ms.toFixed(0)} ms`,
};

const seed = runSeed();
console.log(`SEED=${seed}`);
const newLeases = await compileLeases();
const keys = new Zipf(Number(values.keys));
const results = new Map<string, Result>();

/** Sweeps meet in the usual fleet, and what counts by itself does not know of the service. */
const known = new Map<string, Result>();
function resultOf(options: FleetOptions): Result {
  const alone = { latency_ms: 0, loss: 0, outage_ms: undefined, leaseTokens: 0 };
  const name = JSON.stringify(options.mode === "local" ? { ...options, ...alone } : options);
  const result = known.get(name) ?? simulate(options, keys, seed, newLeases);
  known.set(name, result);
  return result;
}

for (const { name, heading, runs } of chosen) {
  console.log(`\n## ${name}\n`);
  console.log(`| ${heading} | counted | ${Object.keys(columns).join(" | ")} |`);
  console.log(`|${"---|".repeat(Object.keys(columns).length + 2)}`);
  for (const { label, options } of runs) {
    for (const mode of modes) {
      const result = resultOf(fleetOptions(options, mode));
      results.set(`${name} ${label} ${mode}`, result);
      const cells = Object.values(columns).map((column) => column(result));
      console.log(`| ${label} | ${mode} | ${cells.join(" | ")} |`);
    }
  }
}

if (values.plots !== undefined) {
  mkdirSync(values.plots, { recursive: true });
  for (const plot of plots.filter(({ sweep }) => chosen.some(({ name }) => name === sweep))) {
    const sweep = sweeps.find(({ name }) => name === plot.sweep)!;
    const file = join(values.plots, `${plot.file}.svg`);
    writeFileSync(
      file,
      drawPlot(plot, sweep, (label, mode) => results.get(`${plot.sweep} ${label} ${mode}`)!),
    );
    console.log(`wrote ${file}`);
  }
}
