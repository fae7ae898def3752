/**
 * What a decision costs in the engine as the policy grows (`npm run bench:policy`): from 10 to 100,000 rules, for policies as
 * they usually are and for the hardest shapes. All sizes of a scenario take turns within one run, and what is printed is the
 * median of the rounds, their spread, and the ratio to 10 rules.
 */
import { performance } from "node:perf_hooks";
import { loadEngine } from "../../scripts/policy/build.ts";
import { writeImage } from "../../scripts/policy/image.ts";
import { Bench } from "./host.ts";
import { type Scenario, scenarios } from "./policies.ts";

const sizes = [10, 1_000, 10_000, 100_000];
const rounds = Number(process.env.ROUNDS ?? 15);
const decisions_a_round = 65_536;
/** What the design allows, against 10 rules. */
const budgets: Record<number, number> = { 1000: 1.2, 10000: 1.2, 100000: 1.5 };

interface Candidate {
  rules: number;
  scenario: Scenario;
  bench: Bench;
  imageBytes: number;
  loadMilliseconds: number;
  nanoseconds: number[];
}

function prepare(module: WebAssembly.Module, scenario: Scenario): Candidate {
  const image = writeImage(scenario.policy);
  const started = performance.now();
  const bench = new Bench(module, image);
  const loadMilliseconds = performance.now() - started;
  for (const request of scenario.requests) {
    if (bench.ask(request) !== scenario.admits) throw new Error(`${scenario.name}: a request is decided wrongly`);
  }
  const rules = scenario.policy.rules.length;
  return { rules, scenario, bench, imageBytes: image.length, loadMilliseconds, nanoseconds: [] };
}

function measure({ bench, scenario: { requests } }: Candidate): number {
  const started = performance.now();
  for (let done = 0; done < decisions_a_round; done += requests.length) {
    for (const request of requests) bench.ask(request);
  }
  return ((performance.now() - started) * 1e6) / decisions_a_round;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

const module = new WebAssembly.Module(loadEngine() as Uint8Array<ArrayBuffer>);
console.log(`one decision in the engine, ${rounds} alternating rounds of ${decisions_a_round} decisions each\n`);
let kept = true;
for (const make of scenarios) {
  const candidates = sizes.map((rules) => prepare(module, make(rules)));
  for (const candidate of candidates) measure(candidate);
  for (let round = 0; round < rounds; round++) {
    for (const candidate of candidates) candidate.nanoseconds.push(measure(candidate));
  }
  console.log(candidates[0]!.scenario.name);
  console.log("    rules    median ns     min     max   ratio       image     load");
  const base = median(candidates[0]!.nanoseconds);
  for (const { rules, nanoseconds, imageBytes, loadMilliseconds } of candidates) {
    const ratio = median(nanoseconds) / base;
    const budget = budgets[rules];
    const over = budget !== undefined && ratio > budget;
    kept &&= !over;
    const column = (value: number, width: number, digits = 0): string => value.toFixed(digits).padStart(width);
    console.log(
      `${column(rules, 9)}${column(median(nanoseconds), 13)}${column(Math.min(...nanoseconds), 8)}` +
        `${column(Math.max(...nanoseconds), 8)}${column(ratio, 8, 2)}${column(imageBytes / 1024, 9)} kB` +
        `${column(loadMilliseconds, 6)} ms${over ? `   over ${budget}` : ""}`,
    );
  }
  console.log("");
}
console.log(kept ? "every ratio is within its budget" : "some ratio is over its budget");
process.exitCode = kept ? 0 : 1;
