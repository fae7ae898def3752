/** Usages → the inventory: every endpoint with how it is used, and what is noise. */
import type { Usage } from "../traffic/usage.ts";
import { type Endpoint, groupUsages, isAbsent, isDenied } from "./endpoints.ts";
import { compareTexts } from "./order.ts";
import type { Pin } from "./pins.ts";
import { type Use, useOf } from "./use.ts";

/** An endpoint, and how it is used. */
export interface EndpointUse extends Endpoint, Use {}

/** Who calls what. */
export interface Inventory {
  /** All requests, noise too. */
  requests: number;
  admitted: number;
  denied: number;
  /** Milliseconds since 1970; 0 where the log has no times. */
  firstSeen: number;
  lastSeen: number;
  /** UTC, `YYYY-MM-DD`, in order. */
  days: string[];
  /** By host, path, method and operation. */
  endpoints: EndpointUse[];
  /** Methods on known paths that were never let in: no endpoints, but no noise either. */
  attempts: EndpointUse[];
  noise: Noise;
}

/** Requests to nothing that is known, as a scanner sends them: only ever denied, or answered that there is nothing. */
export interface Noise {
  requests: number;
  denied: number;
  /** Answered with 404 or 405. */
  notFound: number;
  /** How many paths of how many hosts. */
  paths: number;
  /** Who, most frequent first; "" for nobody. */
  callers: { caller: string; requests: number }[];
  /** The most frequent of them. */
  most: { host: string; method: string; path: string; requests: number }[];
}

/** So many paths and callers of noise are told. */
const told_max = 20;

/**
 * The inventory of traffic.
 * @param usages of one period
 * @param pinned templates that are known
 */
export function inventoryOf(usages: readonly Usage[], pinned: readonly Pin[] = []): Inventory {
  const { endpoints, attempts, noise } = groupUsages(usages, pinned);
  const { requests, admitted, denied, firstSeen, lastSeen, days } = useOf(usages);
  const withUse = (endpoint: Endpoint): EndpointUse => ({ ...endpoint, ...useOf(endpoint.usages) });
  return {
    ...{ requests, admitted, denied, firstSeen, lastSeen, days },
    endpoints: endpoints.map(withUse),
    attempts: attempts.map(withUse),
    noise: noiseOf(noise),
  };
}

function noiseOf(usages: readonly Usage[]): Noise {
  const paths = new Map<string, Noise["most"][number]>();
  const callers = new Map<string, Noise["callers"][number]>();
  const places = new Set<string>();
  const noise: Noise = { requests: 0, denied: 0, notFound: 0, paths: 0, callers: [], most: [] };
  for (const usage of usages) {
    const { host, method, path, caller, count } = usage;
    noise.requests += count;
    if (isDenied(usage)) noise.denied += count;
    else if (isAbsent(usage)) noise.notFound += count;
    places.add(`${host} ${path}`);
    addTo(callers, caller, { caller, requests: 0 }, count);
    addTo(paths, `${host} ${method} ${path}`, { host, method, path, requests: 0 }, count);
  }
  noise.paths = places.size;
  noise.callers = mostOf(callers);
  noise.most = mostOf(paths);
  return noise;
}

function addTo<T extends { requests: number }>(into: Map<string, T>, key: string, empty: T, count: number): void {
  const one = into.get(key) ?? empty;
  one.requests += count;
  into.set(key, one);
}

function mostOf<T extends { requests: number }>(counts: ReadonlyMap<string, T>): T[] {
  return [...counts]
    .sort(([a, one], [b, other]) => other.requests - one.requests || compareTexts(a, b))
    .slice(0, told_max)
    .map(([, one]) => one);
}
