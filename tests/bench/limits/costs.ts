/**
 * What a limit costs a request in Envoy's CPU, beside Envoy's own: all chains (chains.ts) on one Envoy with one worker, in turn
 * (measure.ts).
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startEnvoy } from "../../../scripts/envoy/process.ts";
import { benchBootstrap, type Listener } from "../listeners.ts";
import { type Case, caseId, measure } from "../measure.ts";
import { byCaller, type Json } from "../native.ts";
import { exampleManager } from "../ours.ts";
import { Pinning } from "../pinning.ts";
import { type Load, requestWith } from "../requests.ts";
import { type CaseResult, caseResults } from "../results.ts";
import { Load as Generator } from "../tools.ts";
import type { World } from "../world.ts";
import { chains, path } from "./chains.ts";
import { type Ratio, ratiosOf } from "./ratios.ts";
import { serviceCluster, startRateLimitService } from "./service.ts";
import { startUpstream, upstream_cluster, upstreamCluster } from "./upstream.ts";

export interface CostOptions {
  rounds: number;
  roundSeconds: number;
}

/** What all rows of the costs have in common, and what sets them apart. */
export const cost_notes: readonly string[] = [
  "A row is all of Envoy's CPU for a request: 32 connections that are kept, TLS, HTTP/1.1, the chain, the answer. What is admitted is answered",
  'by Envoy\'s fault filter, or "with an upstream" by another Envoy on this machine over plain HTTP/1.1 and connections that are kept, whose',
  "own CPU is not in the row. What is denied is answered by the chain, and nothing behind it runs. The service of the ratelimit filter runs in",
  "this process and counts nothing: its CPU, and the round trip to a service elsewhere, come on top of what is shown for it.",
  '"Over the router" leaves out what the bare router takes, its answer of one header and 18 bytes among it: a 429 of ours has four and 64.',
];

/** Measures all chains; what came of them, and their ratios. */
export async function measureCosts(
  world: World,
  envoyPath: string,
  generatorPath: string,
  { rounds, roundSeconds }: CostOptions,
): Promise<{ cases: CaseResult[]; ratios: Ratio[]; pinned: string }> {
  const service = await startRateLimitService();
  const upstream = await startUpstream(envoyPath);
  const listeners: Listener[] = [];
  for (const [name, { filters, hasUpstream }] of Object.entries(chains)) {
    const own = await filters(world, name);
    listeners.push({ name, filters: hasUpstream ? own : [...own, answer()] });
  }
  listeners[0]!.clusters = [serviceCluster(service), upstreamCluster(upstream)];
  const config = await benchBootstrap(world, listeners, envoyPath);
  routeAll(config);
  const envoy = await startEnvoy({ envoyPath, config, concurrency: 1 });
  const generator = new Generator(generatorPath);
  try {
    const cases: Case[] = [];
    for (const [listener, { title, status }] of Object.entries(chains)) {
      const requests = await loadOf(world, status);
      const kind = status === 200 ? "known" : (`${status}` as const);
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
      onWarm: () => pinning.pin(envoy.pid, [generator.pid!, upstream.pid, process.pid]),
    });
    const results = caseResults(measured);
    return { cases: results, ratios: ratiosOf(results), pinned: pinning.outcome };
  } finally {
    await generator.stop();
    await envoy.stop();
    await upstream.stop();
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
      { match: { prefix: "/" }, route: { cluster: upstream_cluster, rate_limits: [byCaller()] } },
    ];
  }
}
