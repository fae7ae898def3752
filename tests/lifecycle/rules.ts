/**
 * What memory a worker takes by the number of rules: Envoy with one worker against Envoy with four, so that what the process
 * has once cancels out; and the same without the filter, for what a worker takes anyway. The last case is the one the budget is
 * for: 1,000 rules that want tokens, with as many tokens known as a worker keeps.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { startEnvoy } from "../../scripts/envoy/process.ts";
import { loadEngine } from "../../scripts/policy/build.ts";
import { writeImage } from "../../scripts/policy/image/image.ts";
import { embedImage } from "../../scripts/policy/module/embed.ts";
import { scenarios } from "../bench/policies.ts";
import { type EnvoyMemory, readEnvoyMemory } from "../soak/envoymemory.ts";
import { Connection } from "./connection.ts";
import { caller, listener, type World } from "./world.ts";

/** What is measured, and what it is asked meanwhile. */
export interface RulesCase {
  name: string;
  /** Undefined for an Envoy without the filter. */
  wasmPath: string | undefined;
  imageBytes: number;
  caller: string;
  path: string;
  /** What the path is answered. */
  status: number;
  /** Tokens, each sent once over one connection or another; without any, a few requests are sent. */
  tokens: readonly string[];
}

/** Memory by one number of rules. */
export interface RulesMemory {
  name: string;
  imageBytes: number;
  /** The memory of one VM, as it says itself. */
  moduleBytes: number;
  /** The process with one worker and with four. */
  fewest: EnvoyMemory;
  most: EnvoyMemory;
  /** What one more worker takes: of anonymous memory, since how much of its executable Envoy has in memory is chance. */
  workerBytes: number;
}

const worker_counts = { fewest: 1, most: 4 } as const;
/** So many connections leave no worker without one. */
const connection_count = 32;
const requests_each = 20;
/** Twice what a worker keeps in its 2 MiB (`known_tokens_bytes_max`), since connections are not spread evenly. */
const tokens_a_worker = 3_000;

/** The caller and the path of rule 0 of these policies (tests/bench/policies.ts, the first scenario). */
export const usual = { caller: "spiffe://example.org/ns/team-0/sa/service-0", path: "/v1/resource-0/0" } as const;

/** The cases: no filter, each of these numbers of rules, and 1,000 rules with tokens. */
export async function rulesCases(world: World, ruleCounts: readonly number[]): Promise<RulesCase[]> {
  const without = { ...usual, name: "no filter", wasmPath: undefined, imageBytes: 0, status: 200, tokens: [] };
  const cases: RulesCase[] = [without];
  for (const rules of ruleCounts) {
    const module = await moduleOf(world, rules);
    // No rule admits anything where there is none.
    cases.push({ ...without, ...module, name: `${rules.toLocaleString("en")} rules`, status: rules === 0 ? 403 : 200 });
  }
  const image = await world.image(tokenPolicy(1_000));
  cases.push({
    ...{ name: "1,000, tokens known", status: 200, caller, path: "/resource-0/7" },
    wasmPath: await world.file("rules-tokens.wasm", embedImage(loadEngine(), image)),
    imageBytes: image.length,
    tokens: await world.tokens(tokens_a_worker * worker_counts.most),
  });
  return cases;
}

/** A module with so many rules, none of which wants a token. */
export async function moduleOf(world: World, rules: number): Promise<{ wasmPath: string; imageBytes: number }> {
  const image = writeImage(scenarios[0]!(rules).policy);
  const wasmPath = await world.file(`rules-${rules}.wasm`, embedImage(loadEngine(), image));
  return { wasmPath, imageBytes: image.length };
}

const tokenPolicy = (rules: number): string => `
version: 1
name: tokens
trust: { domains: [example.org] }
issuers:
  corp:
    issuer: https://issuer.example.org
    audiences: [order-api]
    algorithms: [RS256, ES256]
    keys: { file: corp.jwks.json }
rules:
${Array.from(
  { length: rules },
  (_, rule) =>
    `  - { name: rule-${rule}, callers: [${caller}], allow: ["GET /resource-${rule}/{id}"], token: corp, scopes: [orders:read] }`,
).join("\n")}
`;

/**
 * Measures one case.
 * @param times how often; the median counts
 * @throws Error where a request is not answered as it must
 */
export async function measureRules(world: World, item: RulesCase, times: number): Promise<RulesMemory> {
  const middle = async (concurrency: number): Promise<EnvoyMemory> => {
    const measured: EnvoyMemory[] = [];
    for (let time = 0; time < times; time++) measured.push(await measure(world, item, concurrency));
    return measured.sort((a, b) => a.anonymousBytes - b.anonymousBytes)[times >> 1]!;
  };
  const fewest = await middle(worker_counts.fewest);
  const most = await middle(worker_counts.most);
  const { name, imageBytes } = item;
  return {
    ...{ name, imageBytes, fewest, most },
    moduleBytes: most.moduleBytes[0] ?? 0,
    workerBytes: (most.anonymousBytes - fewest.anonymousBytes) / (worker_counts.most - worker_counts.fewest),
  };
}

async function measure(world: World, item: RulesCase, concurrency: number): Promise<EnvoyMemory> {
  const config = await world.bootstrap({ wasmPath: item.wasmPath });
  const envoy = await startEnvoy({ envoyPath: world.envoyPath, config, concurrency, startTimeoutMs: 300_000 });
  const connections: Connection[] = [];
  try {
    const target = await world.target(envoy.listenerPort(listener), item.caller);
    for (let count = 0; count < connection_count; count++) connections.push(await Connection.open(target));
    await Promise.all(connections.map((connection, number) => use(connection, item, tokensOf(item, number))));
    // Envoy gives back what starting took.
    await sleep(500);
    return await readEnvoyMemory(envoy);
  } finally {
    for (const connection of connections) connection.close();
    await envoy.stop();
  }
}

function tokensOf({ tokens }: RulesCase, connection: number): (string | undefined)[] {
  if (tokens.length === 0) return Array.from({ length: requests_each }, () => undefined);
  return tokens.filter((_, index) => index % connection_count === connection);
}

async function use(connection: Connection, item: RulesCase, tokens: readonly (string | undefined)[]): Promise<void> {
  for (const token of tokens) {
    const { status } = await connection.ask(item.path, token);
    if (status !== item.status) {
      throw new Error(`${item.name}: GET ${item.path} was answered ${status} in place of ${item.status}`);
    }
  }
}
