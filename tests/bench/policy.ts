/**
 * What a decision costs in the engine as the policy grows (`npm run bench:policy`): from 10 to 100,000 rules, for policies as
 * they usually are and for the hardest shapes. All sizes of a scenario take turns within one run; what is printed is the
 * median of the rounds, their spread, and the ratio to 10 rules.
 *
 * `warm`: requests that meet 256 of the rules in turn, which the processor's caches hold. The budgets are for these: they
 * show what the engine does. `cold`: requests that meet 4,096 of them, far apart, so that most of what they need of a large
 * policy comes from memory. They show what the machine adds.
 */
import { performance } from "node:perf_hooks";
import { loadEngine } from "../../scripts/policy/build.ts";
import { writeImage } from "../../scripts/policy/image/image.ts";
import { Bench } from "./host.ts";
import { type Scenario, scenarios } from "./policies.ts";

const sizes = [10, 1_000, 10_000, 100_000];
const rounds = Number(process.env.ROUNDS ?? 15);
const decisions_a_round = 32_768;
/** How many requests take turns. */
const sets = { warm: 256, cold: 4_096 } as const;
type SetName = keyof typeof sets;
const set_names = ["warm", "cold"] as const;
/** What the design allows of warm requests, against 10 rules. */
const budgets: Record<number, number> = { 1000: 1.2, 10000: 1.2, 100000: 1.5 };

interface Candidate {
  scenario: Scenario;
  rules: number;
  bench: Bench;
  imageBytes: number;
  loadMilliseconds: number;
  nanoseconds: Record<SetName, number[]>;
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
  return { scenario, rules, bench, imageBytes: image.length, loadMilliseconds, nanoseconds: { warm: [], cold: [] } };
}

function measure({ bench, scenario }: Candidate, set: SetName): number {
  const requests = scenario.requests.slice(0, sets[set]);
  for (const request of requests) bench.ask(request);
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

const column = (value: number, width: number, digits = 0): string => value.toFixed(digits).padStart(width);

/** The figures of one set, for a table. */
function figures(candidate: Candidate, base: Candidate, set: SetName): { text: string; ratio: number } {
  const all = candidate.nanoseconds[set];
  const ratio = median(all) / median(base.nanoseconds[set]);
  const spread = `${Math.min(...all).toFixed(0)}–${Math.max(...all).toFixed(0)}`;
  return { text: `${column(median(all), 7)} ns ${`(${spread})`.padEnd(13)}${column(ratio, 6, 2)}`, ratio };
}

const module = new WebAssembly.Module(loadEngine() as Uint8Array<ArrayBuffer>);
console.log(`one decision in the engine, ${rounds} alternating rounds of ${decisions_a_round} decisions each\n`);
let kept = true;
for (const make of scenarios) {
  const candidates = sizes.map((rules) => prepare(module, make(rules)));
  for (let round = -1; round < rounds; round++) {
    for (const candidate of candidates) {
      for (const set of set_names) {
        const nanoseconds = measure(candidate, set);
        // The first round is for the compiler.
        if (round >= 0) candidate.nanoseconds[set].push(nanoseconds);
      }
    }
  }
  const base = candidates[0]!;
  console.log(base.scenario.name);
  console.log("    rules     warm (min–max)        ratio     cold (min–max)        ratio      image      load");
  for (const candidate of candidates) {
    const warm = figures(candidate, base, "warm");
    const cold = figures(candidate, base, "cold");
    const budget = budgets[candidate.rules];
    const over = budget !== undefined && warm.ratio > budget;
    kept &&= !over;
    const sizes = `${column(candidate.imageBytes / 1024, 9)} kB${column(candidate.loadMilliseconds, 7)} ms`;
    console.log(`${column(candidate.rules, 9)}${warm.text}  ${cold.text}${sizes}${over ? `   over ${budget}` : ""}`);
  }
  console.log("");
}
console.log(kept ? "every warm ratio is within its budget" : "some warm ratio is over its budget");
process.exitCode = kept ? 0 : 1;
