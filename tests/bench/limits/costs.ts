/**
 * What a limit costs a request in Envoy's CPU, beside Envoy's own: chains that decide by caller, method and path, with and without a
 * limit for each caller, all on one Envoy with one worker, in turn (measure.ts).
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startEnvoy } from "../../../scripts/envoy/process.ts";
import { benchBootstrap, type Listener } from "../listeners.ts";
import { type Case, caseId, measure } from "../measure.ts";
import { byCaller, type Json, rateLimit, withOwnBuckets } from "../native.ts";
import { exampleManager, filtersOf } from "../ours.ts";
import { Pinning } from "../pinning.ts";
import { type Load, requestWith } from "../requests.ts";
import { type CaseResult, caseResults } from "../results.ts";
import { Load as Generator } from "../tools.ts";
import { caller, type World } from "../world.ts";
import { service_cluster, serviceCluster, serviceFilter, startRateLimitService } from "./service.ts";

export interface CostOptions {
  rounds: number;
  roundSeconds: number;
}

interface Chain {
  title: string;
  /** 200, or 429 where the limit is one request and none again. */
  status: 200 | 429;
  filters: (world: World, name: string) => Promise<Json[]>;
}

const path = "/orders/7";

const ours =
  (limits: string, use: string, more = "") =>
  (world: World, name: string): Promise<Json[]> =>
    filtersOf(
      world,
      name,
      `version: 1
name: ${name}
trust: { domains: [example.org] }
${limits === "" ? "" : `limits: { ${limits} }\n`}${more}rules:
  - { name: orders, callers: ["${caller}"], allow: ["GET /orders/{id}"]${use} }
`,
    );
const native =
  (...filters: Json[]) =>
  async (): Promise<Json[]> =>
    filters;

const ample = "rate: 1000000/s, per: [caller]";
const localOf = (limit: Json): Json => ({ name: "envoy.filters.http.local_ratelimit", typed_config: limit });
const ampleLocal = (): Json => rateLimit(1_000_000, 1_000_000);
const scarceLocal = (): Json => {
  const limit = rateLimit(1, 1);
  limit.token_bucket.fill_interval = "86400s";
  return limit;
};

/** Caller, method and path, as our rule has them. */
const rbac: Json = {
  name: "envoy.filters.http.rbac",
  typed_config: {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
    rules: {
      action: "ALLOW",
      policies: {
        orders: {
          permissions: [
            {
              and_rules: {
                rules: [
                  { header: { name: ":method", string_match: { exact: "GET" } } },
                  { url_path: { path: { prefix: "/orders/" } } },
                ],
              },
            },
          ],
          principals: [{ authenticated: { principal_name: { exact: caller } } }],
        },
      },
    },
  },
};

/** The chains by name, the bare router first. */
const chains: Record<string, Chain> = {
  router: { title: "router alone", status: 200, filters: native() },
  rbac: { title: "rbac", status: 200, filters: native(rbac) },
  "local-one": {
    title: "rbac, local_ratelimit, one bucket",
    status: 200,
    filters: native(rbac, localOf(ampleLocal())),
  },
  "local-own": {
    title: "rbac, local_ratelimit, dynamic descriptors",
    status: 200,
    filters: native(rbac, localOf(withOwnBuckets(ampleLocal()))),
  },
  "local-own-429": {
    title: "the same: 429",
    status: 429,
    filters: native(rbac, localOf(withOwnBuckets(scarceLocal()))),
  },
  service: { title: "rbac, ratelimit, a service says OK", status: 200, filters: native(rbac, serviceFilter("ample")) },
  "service-429": { title: "the same: 429", status: 429, filters: native(rbac, serviceFilter("scarce")) },
  ours: { title: "sallyport, no limit", status: 200, filters: ours("", "") },
  "ours-reserved": {
    title: "sallyport, tokens reserved (burst 1,000,000)",
    status: 200,
    filters: ours(`a: { ${ample} }`, ", limit: a"),
  },
  "ours-shared": {
    title: "sallyport, shared bucket (burst 900)",
    status: 200,
    filters: ours(`a: { ${ample}, burst: 900 }`, ", limit: a"),
  },
  "ours-two": {
    title: "sallyport, two shared buckets",
    status: 200,
    filters: ours(`a: { ${ample}, burst: 900 }, b: { ${ample}, burst: 901 }`, ", limit: [a, b]"),
  },
  "ours-expression": {
    title: "sallyport, shared bucket, cost by expression",
    status: 200,
    filters: ours(
      `a: { ${ample}, burst: 900 }`,
      `, limit: a, cost: { value: 'has(request.query["n"]) ? int(request.query["n"]) : 1', most: 3 }`,
    ),
  },
  "ours-quarantine": {
    title: "sallyport, no limit, quarantine",
    status: 200,
    filters: ours("", "", "quarantine: [{ name: q, when: [no_rule], denials: 20, within: 1m, for: 5m }]\n"),
  },
  "ours-429": {
    title: "sallyport: 429, known to be over",
    status: 429,
    filters: ours("a: { rate: 1/h, burst: 1, per: [caller] }", ", limit: a"),
  },
};

/** A chain, what it is beside, and what both leave out. */
const comparisons: readonly [name: string, base: string, otherName: string, otherBase: string][] = [
  ["ours-reserved", "ours", "local-own", "rbac"],
  ["ours-shared", "ours", "local-own", "rbac"],
  ["ours-two", "ours", "local-own", "rbac"],
  ["ours-shared", "ours", "service", "rbac"],
  ["ours-shared", "router", "local-own", "router"],
  ["ours-shared", "router", "service", "router"],
  ["ours-429", "router", "local-own-429", "router"],
  ["ours-429", "router", "service-429", "router"],
  ["ours-429", "router", "ours-shared", "router"],
  ["ours-expression", "ours", "ours-shared", "ours"],
  ["ours-quarantine", "router", "ours", "router"],
];

export interface Ratio {
  what: string;
  ratio: number;
}

/** Measures all chains; what came of them, and their ratios. */
export async function measureCosts(
  world: World,
  envoyPath: string,
  generatorPath: string,
  { rounds, roundSeconds }: CostOptions,
): Promise<{ cases: CaseResult[]; ratios: Ratio[]; pinned: string }> {
  const service = await startRateLimitService();
  const listeners: Listener[] = [];
  for (const [name, { filters }] of Object.entries(chains)) {
    listeners.push({ name, filters: [...(await filters(world, name)), answer()] });
  }
  listeners[0]!.clusters = [serviceCluster(service)];
  const config = await benchBootstrap(world, listeners, envoyPath);
  routeAll(config);
  const envoy = await startEnvoy({ envoyPath, config, concurrency: 1 });
  const generator = new Generator(generatorPath);
  try {
    const cases: Case[] = [];
    for (const [listener, { title, status }] of Object.entries(chains)) {
      const requests = await loadOf(world, status);
      const kind = status === 200 ? "known" : "429";
      const item: Case = { listener, kind, title, protocol: "http1", requests, helpers: [], anyStatus: false };
      cases.push(item);
      await generator.open({
        ...{ id: caseId(item), address: `127.0.0.1:${envoy.listenerPort(listener)}`, protocol: "http1" },
        ...{ connections: 32, requests_file: requests.path, ...world.caller },
        ...{ authority: world.authorityPath, server_name: "localhost" },
      });
      // What may be had once is had before anything counts.
      if (status === 429) await generator.run(caseId(item), 1);
    }
    const pinning = new Pinning();
    const measured = await measure(generator, cases, {
      ...{ envoyPid: envoy.pid, rounds, roundSeconds, warmupRequests: 20_000 },
      onWarm: () => pinning.pin(envoy.pid, [generator.pid!, process.pid]),
    });
    const results = caseResults(measured);
    return { cases: results, ratios: ratiosOf(results), pinned: pinning.outcome };
  } finally {
    await generator.stop();
    await envoy.stop();
    service.stop();
  }
}

async function loadOf(world: World, status: number): Promise<Load> {
  const file = join(world.directory, `orders-${status}.jsonl`);
  await writeFile(file, `${JSON.stringify(requestWith(undefined, path))}\n`);
  return { name: `orders-${status}`, status, path: file };
}

/** Answers 200 in place of an upstream: the ratelimit filter asks about requests that are routed to a cluster, and no others. */
function answer(): Json {
  const percentage = { numerator: 100, denominator: "HUNDRED" };
  return {
    name: "envoy.filters.http.fault",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
      abort: { http_status: 200, percentage },
    },
  };
}

function routeAll(config: object): void {
  for (const listener of (config as Json).static_resources.listeners) {
    const manager = exampleManager({ static_resources: { listeners: [listener] } });
    manager.route_config.virtual_hosts[0].routes = [
      { match: { prefix: "/" }, route: { cluster: service_cluster, rate_limits: [byCaller()] } },
    ];
  }
}

/** By medians: what one chain adds to its base, over what the other adds to its own. */
function ratiosOf(results: readonly CaseResult[]): Ratio[] {
  const of = (name: string): number => results.find(({ chain }) => chain === name)!.microseconds.median;
  const words = (name: string, base: string): string =>
    `${name}${base === "router" ? " over the router" : `, the limit alone (over ${base})`}`;
  return comparisons.map(([name, base, otherName, otherBase]) => ({
    what: `${words(name, base)} : ${words(otherName, otherBase)}`,
    ratio: (of(name) - of(base)) / (of(otherName) - of(otherBase)),
  }));
}
