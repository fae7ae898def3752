/**
 * `npm run soak`: flat memory over ten million requests of every kind, through a real Envoy with the shipped module. Prints
 * a line a sample and the verdict, writes build/soak.json and the plot build/soak.svg. Exit 1 where memory grew, or where a
 * request came to something else than it must.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Command, InvalidArgumentError } from "commander";
import { count_tick_milliseconds } from "../../assembly/limits.ts";
import { benchTools, Load } from "../bench/tools.ts";
import { runSeed } from "../support/random.ts";
import { Account } from "./account.ts";
import { callers, policy_name, startSoakEnvoy } from "./envoy.ts";
import { readEnvoyMemory } from "./envoymemory.ts";
import { makeMix } from "./mix.ts";
import { judgeMemory, memoryText, plotMemory, type Sample, verdictLines } from "./report.ts";

const workers = 2;
const sample_count = 100;
const file_lines = 40_000;
const protocols = ["http1", "http2"] as const;

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError("a whole number is wanted");
  return value;
};
const options = new Command("npm run soak --")
  .description("Flat memory over millions of requests of every kind, through a real Envoy.")
  .option("--requests <count>", "how many requests", whole, 10_000_000)
  .option("--seed <number>", "the order of the requests", whole, runSeed())
  .parse()
  .opts<{ requests: number; seed: number }>();
// Every sample has as many requests of either protocol.
const requestsEach = Math.max(1, Math.round(options.requests / sample_count / protocols.length));
const sampleRequests = requestsEach * protocols.length;
const total = sampleRequests * sample_count;

const tools = await benchTools();
const soak = await startSoakEnvoy(workers);
const generator = new Load(tools.load);
try {
  console.log(`${total.toLocaleString("en")} requests through Envoy with ${workers} workers, --seed ${options.seed}`);
  const mix = await makeMix(soak.signers, file_lines, options.seed);
  for (const [kind, share] of Object.entries(mix.shares)) {
    console.log(`  ${(share / 10).toFixed(1).padStart(5)} %  ${kind}`);
  }
  const requestsFile = join(soak.local.directory, "requests.jsonl");
  await writeFile(requestsFile, `${mix.requests.map((request) => JSON.stringify(request)).join("\n")}\n`);
  for (const protocol of protocols) await openClient(protocol, requestsFile);

  const account = new Account(mix.expectations);
  const samples = [await measure(0)];
  const startedMs = performance.now();
  for (let number = 1; number <= sample_count; number++) {
    soak.changeKeys();
    const beganMs = performance.now();
    for (const protocol of protocols) {
      account.add(protocol, requestsEach, await generator.run(protocol, requestsEach));
    }
    const perSecond = sampleRequests / ((performance.now() - beganMs) / 1000);
    const sample = await measure(sampleRequests * number);
    samples.push(sample);
    const done = `${`${number} %`.padStart(5)} ${sample.done.toLocaleString("en").padStart(10)} requests`;
    console.log(`${done} ${perSecond.toFixed(0).padStart(6)}/s  ${memoryText(sample)}`);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  // The last of it is counted a second later.
  await sleep(2 * count_tick_milliseconds);
  const stats = await soak.local.envoy.stats();
  account.close(stats, seconds);
  await conclude(samples, account, stats, seconds);
} finally {
  await generator.stop();
  await soak.stop();
}

async function openClient(protocol: (typeof protocols)[number], requestsFile: string): Promise<void> {
  const identity = await soak.local.identity(callers[protocol]);
  await generator.open({
    id: protocol,
    address: `127.0.0.1:${soak.local.port}`,
    protocol,
    connections: protocol === "http1" ? 16 : 4,
    streams: 8,
    requests_file: requestsFile,
    certificate: identity.certificatePath,
    key: identity.keyPath,
    authority: soak.local.authorityPath,
    server_name: "localhost",
  });
}

async function measure(done: number): Promise<Sample> {
  return { done, ...(await readEnvoyMemory(soak.local.envoy)) };
}

async function conclude(
  samples: readonly Sample[],
  account: Account,
  stats: ReadonlyMap<string, number>,
  seconds: number,
): Promise<void> {
  const memory = judgeMemory(samples, total);
  console.log(`\n${verdictLines(memory, total, "requests").join("\n")}\n`);

  console.log(`${total.toLocaleString("en")} requests in ${seconds.toFixed(0)} s:`);
  const outcomes = [...account.expected].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [outcome, count] of outcomes) {
    const note = outcome === "limited" ? `, the limit had room for ${account.limitedAdmitted} of them` : "";
    console.log(`  ${count.toLocaleString("en").padStart(11)}  ${outcome}${note}`);
  }
  const tokens = Object.fromEntries(
    ["hit", "miss", "eviction"].map((result) => [
      result,
      stats.get(`wasmcustom.sallyport_cached_tokens.policy.${policy_name};.result.${result}`) ?? 0,
    ]),
  );
  console.log(`tokens: ${tokens.hit} known, ${tokens.miss} not, ${tokens.eviction} gave way to newer ones`);
  console.log(`keys: fetched ${soak.keyFetches()} times`);
  for (const problem of account.problems.slice(0, 20)) console.error(`WRONG: ${problem}`);
  if (account.problems.length > 20) console.error(`… and ${account.problems.length - 20} more`);

  const isRight = account.problems.length === 0;
  const result = {
    ...{ seed: options.seed, requests: total, seconds, workers, memory, isRight },
    ...{ outcomes: Object.fromEntries(outcomes), tokens, samples },
  };
  await mkdir("build", { recursive: true });
  await writeFile("build/soak.json", `${JSON.stringify(result, undefined, 2)}\n`);
  await writeFile(
    "build/soak.svg",
    plotMemory(
      samples,
      `${workers} workers; tokens known, new, invalid and missing; denied, limited, huge, broken off`,
    ),
  );
  console.log("\nwritten: build/soak.json, build/soak.svg");
  console.log(memory.isFlat ? "memory is flat" : "MEMORY GREW");
  console.log(isRight ? "every request came to what it must" : "REQUESTS CAME TO SOMETHING ELSE THAN THEY MUST");
  process.exitCode = memory.isFlat && isRight ? 0 : 1;
}
