/**
 * Reloads under light load: a new policy over ECDS, again and again, while requests go on over connections that stay. Nothing may
 * be answered wrongly meanwhile, each worker must go from the old policy to the new one once and not back, and memory must stay.
 *
 * A policy reload has the same module with another policy in its configuration, and the VMs stay. A module reload has another
 * `.wasm`, so that each worker gets a new VM, whose code V8 compiles anew.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type RunningEnvoy, startEnvoy } from "../../scripts/envoy/process.ts";
import { pluginConfiguration } from "../../scripts/evaluate/engine.ts";
import { loadEngine } from "../../scripts/policy/build.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { readEnvoyMemory } from "../soak/envoymemory.ts";
import type { Sample } from "../soak/report.ts";
import { ExtensionFile } from "../support/extensionfile.ts";
import { type Answer, Connection } from "./connection.ts";
import { caller, listener, type World } from "./world.ts";

/** What is put in force: one of several, each of which admits a path that the others do not. */
interface Version {
  wasmPath: string;
  configuration: string;
  /** The path only this one admits. */
  ownPath: string;
}

/** How a series of reloads went. */
export interface Reloads {
  count: number;
  /** Requests in all. */
  requests: number;
  /** Answers that were wrong, in words. */
  problems: string[];
  /** From the file's move until every connection saw the new policy, in milliseconds: one for each reload. */
  inForceMs: number[];
  /** Latencies in milliseconds: the first request a new policy decided on a connection, and later ones of the same kind. */
  withoutToken: Latencies;
  /** The same with a token, which the new policy has to verify again. */
  withToken: Latencies;
  samples: Sample[];
}

export interface Latencies {
  first: number[];
  later: number[];
}

const workers = 2;
const policy_name = "reload";
/** Rules beside those that are asked for, in turn: a policy is rarely as large as the one before it. */
const other_rules = [10, 500, 100];
/** Requests of each kind on each connection once a policy is in force. */
const later_rounds = 4;
const in_force_timeout_ms = 20_000;

const policyYaml = (version: number): string => `
version: 1
name: ${policy_name}
trust: { domains: [example.org] }
issuers:
  corp:
    issuer: https://issuer.example.org
    audiences: [order-api]
    algorithms: [RS256, ES256]
    keys: { file: corp.jwks.json }
rules:
  - { name: tokens, callers: [${caller}], allow: [GET /tokens], token: corp, scopes: [orders:read] }
  - { name: own, callers: [${caller}], allow: [GET /only-in-${version}] }
${Array.from({ length: other_rules[version]! }, (_, rule) => `  - { name: other-${rule}, callers: [spiffe://example.org/other-${rule}], allow: ["GET /others/{id}"] }`).join("\n")}
`;

/** The versions of a series: the same module with other policies, or other modules. */
async function versionsOf(world: World, kind: "policy" | "module"): Promise<Version[]> {
  const images = await Promise.all(other_rules.map((_, version) => world.image(policyYaml(version))));
  const engine = loadEngine();
  const embed = (version: number): Promise<string> =>
    world.file(`reload-${version}.wasm`, embedImage(engine, images[version]!));
  const shared = await embed(0);
  return Promise.all(
    images.map(async (image, version) => ({
      wasmPath: kind === "policy" ? shared : await embed(version),
      configuration: kind === "policy" ? pluginConfiguration(image) : "{}",
      ownPath: `/only-in-${version}`,
    })),
  );
}

/**
 * Starts an Envoy and reloads so often.
 * @param onSample is called with every sample: a hundred of them, or one a reload where there are fewer
 */
export async function measureReloads(
  world: World,
  kind: "policy" | "module",
  count: number,
  onSample: (sample: Sample) => void,
): Promise<Reloads> {
  const versions = await versionsOf(world, kind);
  const extension = new ExtensionFile(`${world.directory}/${kind}-reloads.json`);
  const config = await world.bootstrap({ wasmPath: versions[0]!.wasmPath, extension });
  extension.publish(versions[0]!.configuration, versions[0]!.wasmPath);
  const envoy = await startEnvoy({ envoyPath: world.envoyPath, config, concurrency: workers });
  const series: Reloads = {
    ...{ count, requests: 0, problems: [], inForceMs: [], samples: [] },
    withoutToken: { first: [], later: [] },
    withToken: { first: [], later: [] },
  };
  const connections: Connection[] = [];
  try {
    connections.push(...(await connectToEveryWorker(world, envoy)));
    const every = Math.max(1, Math.floor(count / 100));
    for (let reload = 0; reload <= count; reload++) {
      if (reload > 0) await reloadOnce(world, extension, versions[reload % versions.length]!, connections, series);
      if (reload % every !== 0) continue;
      const sample = { done: reload, ...(await readEnvoyMemory(envoy)) };
      series.samples.push(sample);
      onSample(sample);
    }
    return series;
  } finally {
    for (const connection of connections) connection.close();
    await envoy.stop();
  }
}

/** One connection to each worker, so that the first request on it is the first one that the worker decides. */
async function connectToEveryWorker(world: World, envoy: RunningEnvoy): Promise<Connection[]> {
  const target = await world.target(envoy.listenerPort(listener));
  const connections: Connection[] = [];
  for (let attempt = 0; attempt < 64; attempt++) {
    const connection = await Connection.open(target);
    const stats = await envoy.stats();
    const busy = Array.from({ length: workers }, (_, worker) => `.worker_${worker}.downstream_cx_active`).filter(
      (name) => [...stats].some(([stat, value]) => stat.endsWith(name) && value > 0),
    );
    // The kernel chooses the worker.
    if (busy.length > connections.length) connections.push(connection);
    else connection.close();
    if (connections.length === workers) return connections;
  }
  throw new Error(`64 connections reached ${connections.length} of ${workers} workers`);
}

async function reloadOnce(
  world: World,
  extension: ExtensionFile,
  version: Version,
  connections: readonly Connection[],
  series: Reloads,
): Promise<void> {
  const movedMs = performance.now();
  extension.publish(version.configuration, version.wasmPath);
  const inForce = connections.map((connection) => useUntilInForce(world, connection, version, series, movedMs));
  series.inForceMs.push(Math.max(...(await Promise.all(inForce))));
}

/**
 * Asks on one connection until the new version decides, and some more. Whatever is asked has one right answer at all times, but
 * for the version's own path, which is denied until the version is in force and admitted from then on.
 * @returns when it was in force, in milliseconds after the move
 */
async function useUntilInForce(
  world: World,
  connection: Connection,
  { ownPath }: Version,
  series: Reloads,
  movedMs: number,
): Promise<number> {
  const ask = async (path: string, right: readonly number[], token?: string): Promise<Answer> => {
    const answer = await connection.ask(path, token);
    series.requests++;
    if (!right.includes(answer.status)) {
      series.problems.push(`GET ${path} was answered ${answer.status} where ${right.join(" or ")} is right`);
    }
    return answer;
  };
  const askOthers = async (): Promise<Answer> => {
    await ask("/nowhere", [403]);
    return ask("/tokens", [200], world.token);
  };

  let own = await ask(ownPath, [200, 403]);
  while (own.status !== 200) {
    if (performance.now() - movedMs > in_force_timeout_ms) {
      throw new Error(
        `GET ${ownPath}: the policy that admits it is not in force ${in_force_timeout_ms} ms after its file was moved`,
      );
    }
    await askOthers();
    await sleep(1);
    own = await ask(ownPath, [200, 403]);
  }
  const inForceMs = performance.now() - movedMs;
  series.withoutToken.first.push(own.milliseconds);
  series.withToken.first.push((await askOthers()).milliseconds);
  for (let round = 0; round < later_rounds; round++) {
    series.withoutToken.later.push((await ask(ownPath, [200])).milliseconds);
    series.withToken.later.push((await askOthers()).milliseconds);
  }
  return inForceMs;
}
