/** Everything a run needs, started in order and ended in the reverse of it, whatever happens. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findEnvoy } from "../../scripts/envoy/find.ts";
import { type RunningEnvoy, startEnvoy } from "../../scripts/envoy/process.ts";
import type { Open } from "./agree.ts";
import { orMissing } from "./building.ts";
import { type Chain, few_rules, makeChains, rustChains } from "./chains.ts";
import { readCustomChain } from "./custom.ts";
import { benchBootstrap } from "./listeners.ts";
import { type Case, caseId } from "./measure.ts";
import { startOpa } from "./opa.ts";
import type { Options } from "./options.ts";
import { Loads } from "./requests.ts";
import { rustFilter } from "./rust.ts";
import { stepNames } from "./steps.ts";
import { type BenchTools, benchTools, Load as Generator } from "./tools.ts";
import { makeWorld, type World } from "./world.ts";

/** What runs. */
export interface Bench {
  world: World;
  loads: Loads;
  tools: BenchTools;
  chains: Chain[];
  /** Chains that are wanted and could not be made: the name of each and why. They fail the run. */
  missing: string[];
  envoyPath: string;
  envoy: RunningEnvoy;
  generator: Generator;
  /** Opens requests for {@link checkAnswers}. */
  openOne: Open;
  /** Opens the connections of a case. */
  openCase(item: Case): Promise<void>;
  /** Ends all processes and removes the folder. */
  stop(): Promise<void>;
}

/** More tokens than any cache keeps, so that each is new again when its turn comes. */
const new_tokens = 4000;
/** Connections and, over HTTP/2, streams of each: as many requests in flight by either protocol. */
const connections = { http1: { connections: 32, streams: 1 }, http2: { connections: 4, streams: 8 } } as const;
/** A policy of 100,000 rules and 10,000 native ones take their time. */
const start_timeout_ms = 300_000;

/** @throws Error of whichever part could not be made or started; what had started is ended first */
export async function setUp(options: Options): Promise<Bench> {
  const ends: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (let end = ends.pop(); end !== undefined; end = ends.pop()) await end();
  };
  try {
    const tools = await benchTools();
    const envoyPath = await findEnvoy();
    const directory = await mkdtemp(join(tmpdir(), "sallyport-bench-"));
    ends.push(() => rm(directory, { recursive: true, force: true }));
    const world = await makeWorld(directory);
    const custom = await Promise.all(options.chainFiles.map((path) => readCustomChain(path, world)));

    // A quick run takes the first step alone: what is left is for those who look into where the time goes.
    const isWanted = (name: string): boolean => !options.quick || !stepNames.slice(1).includes(name);
    const wanted = (name: string): boolean => name === "router" || (options.only?.includes(name) ?? isWanted(name));
    const opa = wanted("opa") ? await startOpa(tools.opa, world, few_rules) : undefined;
    if (opa !== undefined) ends.push(opa.stop);
    const missing: string[] = [];
    const rust = await orMissing(Object.keys(rustChains).filter(wanted), rustFilter, missing);
    const chains = await makeChains(world, wanted, { opa, rust, custom, engines: options.engineFiles });

    const config = await benchBootstrap(world, chains, envoyPath);
    const envoy = await startEnvoy({ envoyPath, config, concurrency: 1, startTimeoutMs: start_timeout_ms });
    ends.push(envoy.stop);
    const generator = new Generator(tools.load);
    ends.push(() => generator.stop());

    let opened = 0;
    const openOne: Open = async (listener, requests_file, protocol, who) => {
      const id = `${listener}/${opened++}`;
      await generator.open({
        ...{ id, address: `127.0.0.1:${envoy.listenerPort(listener)}`, protocol, connections: 1, streams: 1 },
        ...{ requests_file, ...who, authority: world.authorityPath, server_name: "localhost" },
      });
      return id;
    };
    const openCase = async (item: Case): Promise<void> => {
      const { listener, protocol, requests } = item;
      await generator.open({
        ...{ id: caseId(item), address: `127.0.0.1:${envoy.listenerPort(listener)}`, protocol },
        ...{ ...connections[protocol], requests_file: requests.path, ...world.caller },
        ...{ authority: world.authorityPath, server_name: "localhost" },
      });
    };
    const loads = new Loads(world, new_tokens);
    return { world, loads, tools, chains, missing, envoyPath, envoy, generator, openOne, openCase, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
