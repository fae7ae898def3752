/** The command line of `npm run bench`, and what a full and a quick run are. */
import { Command, InvalidArgumentError, Option } from "commander";
import { chainNames } from "./chains.ts";
import { customHelp } from "./custom.ts";
import type { Protocol } from "./measure.ts";

/** What a run is. */
export interface Options {
  quick: boolean;
  rounds: number;
  /** About how much CPU a case takes in a round. */
  roundSeconds: number;
  protocols: Protocol[];
  /** Chains of ours to measure; undefined for all of them. */
  only: string[] | undefined;
  /** Files with chains of the user's own. */
  chainFiles: string[];
  /** Other builds of the engine, to be measured beside the one there is. */
  engineFiles: string[];
  /** The folder for the figures. */
  plots: string;
  latency: { requestsPerSecond: number; seconds: number; chains: string[] };
}

/** What the command line leaves open. */
const full = {
  rounds: 25,
  roundSeconds: 0.1,
  latency: {
    requestsPerSecond: 1000,
    seconds: 5,
    chains: ["router", "native-cache", "native-same-job", "ours", "ours-10000", "rust", "opa"],
  },
};
const quick: typeof full = {
  rounds: 9,
  roundSeconds: 0.06,
  latency: { requestsPerSecond: 1000, seconds: 2, chains: ["router", "native-cache", "ours"] },
};

/** Reads the command line; says what is wrong with it, or what there is, and ends the process then. */
export function readOptions(argv: readonly string[]): Options {
  const given = new Command("npm run bench --")
    .description(
      "What each chain of filters costs a request in CPU, side by side on one Envoy with one worker. All chains are first " +
        "shown to decide alike. Prints tables and budgets, and writes build/bench.json and figures. A missed budget is " +
        "no failure: exit 1 means that chains disagree, that one could not be built, or that something broke.",
    )
    .option("--quick", "fewer and shorter rounds, and of HTTP/2 the main cases only: under two minutes, and less exact")
    .option("--rounds <count>", `how many rounds (default: ${full.rounds}, with --quick ${quick.rounds})`, wholeNumber)
    .option("--only <chains>", "chains to measure, separated by commas; the bare router always is", knownChains)
    .addOption(new Option("--protocol <name>", "one of the protocols").choices(["http1", "http2"]))
    .option("--chain <file.yaml>", "a chain of your own; may be given several times", collect)
    .option("--engine <file.wasm>", "another build of the engine, to compare; may be given several times", collect)
    .option("--plots <folder>", "where the figures go", "build")
    .addHelpText("after", `\nChains: ${chainNames.join(", ")}.\n\n${customHelp}`)
    .parse(argv as string[])
    .opts<{
      quick?: boolean;
      rounds?: number;
      only?: string[];
      protocol?: Protocol;
      chain?: string[];
      engine?: string[];
      plots: string;
    }>();
  const extent = given.quick ? quick : full;
  return {
    quick: given.quick ?? false,
    rounds: given.rounds ?? extent.rounds,
    roundSeconds: extent.roundSeconds,
    protocols: given.protocol === undefined ? ["http1", "http2"] : [given.protocol],
    only: given.only,
    chainFiles: given.chain ?? [],
    engineFiles: given.engine ?? [],
    plots: given.plots,
    latency: extent.latency,
  };
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("A whole number from 1 on is wanted.");
  return value;
}

function knownChains(text: string): string[] {
  const names = text.split(",");
  const unknown = names.find((name) => !chainNames.includes(name));
  if (unknown === undefined) return names;
  throw new InvalidArgumentError(`There is no chain "${unknown}", only: ${chainNames.join(", ")}.`);
}

function collect(path: string, before: string[] = []): string[] {
  return [...before, path];
}
