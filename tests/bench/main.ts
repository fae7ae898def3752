/**
 * `npm run bench`: what each chain costs a request, side by side on one Envoy. Prints tables and the budgets, writes
 * build/bench.json and the figures. Exit 1 where the chains disagree, one cannot be built, or something breaks; a missed budget is printed and no
 * more, since what a busy machine shows is no test.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkAnswers } from "./agree.ts";
import { enforcementCheck, judge } from "./budgets.ts";
import { makeCases } from "./chains.ts";
import { describeEnvironment } from "./environment.ts";
import { drawFigures } from "./figures.ts";
import { type Latency, measureLatency } from "./latency.ts";
import { caseId, measure } from "./measure.ts";
import { type Options, readOptions } from "./options.ts";
import { Pinning } from "./pinning.ts";
import { type CaseResult, caseResults } from "./results.ts";
import { type Bench, setUp } from "./setup.ts";
import { budgetLines, caseLines, latencyLines, protocolNames } from "./tables.ts";

const json_path = "build/bench.json";
/** By then V8 has optimized what a decision runs. */
const warmup_requests = 20_000;

const started = Date.now();
const options = readOptions(process.argv);
let isInterrupted = false;
try {
  const bench = await setUp(options);
  // A signal ends what was started, too; Envoy, OPA and the generator end with this process even if it is killed.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      isInterrupted = true;
      void bench.stop().finally(() => process.exit(1));
    });
  }
  try {
    await run(bench, options);
  } finally {
    await bench.stop();
  }
} catch (error) {
  // What breaks because everything is being stopped is no news.
  if (!isInterrupted) console.error(`bench: ${(error as Error).message}`);
  process.exitCode = 1;
}

async function run(bench: Bench, options: Options): Promise<void> {
  const { chains, loads, world, generator, envoy, openOne } = bench;
  const environment = await describeEnvironment(bench.envoyPath);
  const pinning = new Pinning();
  const pin = (): void => pinning.pin(envoy.pid, [generator.pid!, process.pid]);
  pin();
  const { processor, processors, kernel, engineBytes } = environment;
  console.log(`Envoy ${environment.envoy}, one worker; ${processors} processors (${processor}), Linux ${kernel}`);
  console.log(`${pinning.outcome}; engine of ${(engineBytes / 1024).toFixed(1)} KiB`);
  if (!environment.isEngineFresh) {
    console.log("build/engine.wasm is older than assembly/: `npm run build:engine` builds it anew");
  }
  reportMissing(bench.missing);
  const compared = await checkAnswers(chains, loads, world, generator, options.protocols, openOne);
  console.log(`${compared} answers compared: the chains decide alike`);

  const cases: CaseResult[] = [];
  for (const protocol of options.protocols) {
    const items = await makeCases(chains, loads, protocol, options.quick && protocol === "http2");
    console.log(`measuring ${items.length} cases over ${protocolNames[protocol]} …`);
    for (const item of items) await bench.openCase(item);
    const { rounds, roundSeconds } = options;
    const extent = { rounds, roundSeconds, warmupRequests: warmup_requests };
    cases.push(...caseResults(await measure(generator, items, { envoyPid: envoy.pid, ...extent, onWarm: pin })));
    for (const item of items) await generator.close(caseId(item));
  }
  for (const protocol of options.protocols) print(caseLines(protocol, cases));
  const budgets = judge(cases);
  const checks = enforcementCheck(cases);
  print(budgetLines(budgets, checks));

  const latency: Latency[] = await measureLatency(bench, options.latency);
  print(latencyLines(latency));

  const pinned = pinning.outcome;
  const result = {
    environment: { ...environment, pinned },
    options,
    cases,
    budgets,
    enforcementCheck: checks,
    latency,
  };
  await mkdir("build", { recursive: true });
  await writeFile(json_path, `${JSON.stringify(result, undefined, 2)}\n`);
  await mkdir(options.plots, { recursive: true });
  const figures = drawFigures(cases, environment);
  for (const [name, svg] of figures) await writeFile(join(options.plots, name), svg);
  const written = [json_path, ...[...figures.keys()].map((name) => join(options.plots, name))];
  print(["", `written: ${written.join(", ")}`, `${((Date.now() - started) / 1000).toFixed(0)} s`]);
  // Once more, where it is read.
  reportMissing(bench.missing);
}

/** A chain that is wanted and not there fails the run. */
function reportMissing(missing: readonly string[]): void {
  for (const problem of missing) console.error(`bench: ${problem}`);
  if (missing.length > 0) process.exitCode = 1;
}

function print(lines: readonly string[]): void {
  for (const line of lines) console.log(line);
}
