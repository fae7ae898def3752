/**
 * `npm run test:storm -- --seconds 3600 --workers 1`: the storm (tests/storm/storm.ts) for as long as one likes. Prints a line
 * about every ten seconds and the counts. Then streams under a limit of requests in flight that are broken off (tests/storm/broken.ts), as
 * many as `--streams` says. Exit 1 where Envoy died, a request hung, a record contradicts its answer, memory grew or something was left
 * over.
 */
import { Command, InvalidArgumentError } from "commander";
import { runSeed } from "../support/random.ts";
import { breakStreams } from "./broken.ts";
import { runStorm } from "./storm.ts";

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("a whole number is wanted, at least 1");
  return value;
};
const { seconds, streams, workers, seed } = new Command("npm run test:storm --")
  .description("Clients that leave while their requests wait for keys, and break off streams, in a real Envoy.")
  .option("--seconds <count>", "how long clients leave", whole, 60)
  .option("--streams <count>", "how many streams are broken off then", whole, 100_000)
  .option("--workers <count>", "Envoy's worker threads", whole, 1)
  .option("--seed <number>", "which waves come", whole, runSeed())
  .parse()
  .opts<{ seconds: number; streams: number; workers: number; seed: number }>();

console.log(`${seconds} s with ${workers} workers, --seed ${seed}`);
const startedMs = Date.now();
const onSample = (line: string): void =>
  console.log(`${((Date.now() - startedMs) / 1000).toFixed(0).padStart(5)} s  ${line}`);
const { problems, memory, samples: _samples, ...counts } = await runStorm({ seconds, workers, seed, onSample });
console.log(JSON.stringify(counts, undefined, 2));
const { problems: afterwards, ...broken } = await breakStreams({ streams, workers, seed });
onSample(`streams broken off: ${JSON.stringify(broken)}`);
problems.push(...afterwards);
for (const line of memory) console.log(line);
for (const problem of problems) console.error(`WRONG: ${problem}`);
console.log(problems.length === 0 ? "the storm did no harm" : "THE STORM DID HARM");
process.exitCode = problems.length === 0 ? 0 : 1;
