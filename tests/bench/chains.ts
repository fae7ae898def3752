/** What is compared: the chains, one listener each, and the cases that are measured of them. */
import { basename } from "node:path";
import type { CustomChain } from "./custom.ts";
import type { Listener } from "./listeners.ts";
import type { Case, Kind, Protocol } from "./measure.ts";
import { type Json, type NativeOptions, nativeFilters, scarceRoute } from "./native.ts";
import { type Opa, opaCluster, opaFilters } from "./opa.ts";
import { type OursOptions, oursFilters } from "./ours.ts";
import type { Load, Loads } from "./requests.ts";
import { rustFilters } from "./rustchain.ts";
import { makeStep, stepNames } from "./steps.ts";
import type { World } from "./world.ts";

/** A listener, and whether it decides: then it must answer the probes like the others. */
export interface Chain extends Listener {
  title: string;
  /** How many resources its policy admits to; 0 for chains that need not decide as the others do. */
  rules: number;
  /** Whether callers have a bucket each, or one for all; `none` where the chain has no limit. */
  buckets: "own" | "shared" | "none";
  /** Whether its rules ask for a claim, and for a kind of thing. */
  hasClaim: boolean;
  /** Processes besides Envoy that do a part of the work. */
  helpers: number[];
  /** Whether it is the user's own. */
  isYours: boolean;
}

/** The resources of the plain policy. */
export const few_rules = 10;
/** With the rule for what is limited, as many as a policy may have. */
const rules_max = 99_999;

const natives: Record<string, { title: string; options: NativeOptions }> = {
  "native-cache": { title: "native, cache", options: { cache: true, policies: few_rules } },
  native: { title: "native, no cache", options: { cache: false, policies: few_rules } },
  "native-scopes": { title: "native, cache, scope", options: { cache: true, policies: few_rules, scopes: true } },
  "native-same-job": {
    title: "native, the same job",
    options: { cache: true, policies: few_rules, sameJob: true },
  },
  "native-1000": { title: "native, cache, 1,000 policies", options: { cache: true, policies: 1_000 } },
  "native-10000": { title: "native, cache, 10,000 policies", options: { cache: true, policies: 10_000 } },
};

const ours: Record<string, { title: string; options: OursOptions }> = {
  ours: { title: "sallyport", options: { rules: few_rules } },
  "ours-module": { title: "sallyport, module alone", options: { rules: few_rules, enforcementCheck: false } },
  "ours-small-burst": { title: "sallyport, burst of 900", options: { rules: few_rules, burst: 900 } },
  "ours-unlimited": { title: "sallyport, no limit", options: { rules: few_rules, limit: false } },
  "ours-scopes": { title: "sallyport, scope", options: { rules: few_rules, scopes: true } },
  "ours-condition": { title: "sallyport, condition", options: { rules: few_rules, condition: true } },
  "ours-1000": { title: "sallyport, 1,000 rules", options: { rules: 1_000 } },
  "ours-10000": { title: "sallyport, 10,000 rules", options: { rules: 10_000 } },
  "ours-100000": { title: "sallyport, 100,000 rules", options: { rules: rules_max } },
};

/** One filter, as the SDK makes it, and with a list of capabilities that spares it callbacks. */
export const rustChains: Record<string, { title: string; lean: boolean }> = {
  rust: { title: "Rust filter", lean: false },
  "rust-lean": { title: "Rust filter, fewest callbacks", lean: true },
};

/** The names of all chains there are, in the order of the tables. */
export const chainNames: readonly string[] = [
  "router",
  ...stepNames,
  ...Object.keys(natives),
  ...Object.keys(ours),
  ...Object.keys(rustChains),
  "opa",
];

/** What is not made here. */
export interface Others {
  /** Where the chain `opa` is wanted. */
  opa: Opa | undefined;
  /** Path of the Rust filter, where one of its chains is wanted. */
  rust: string | undefined;
  custom: readonly CustomChain[];
  /** Paths of other builds of the engine, which are measured without the enforcement check. */
  engines: readonly string[];
}

/** The chains that are wanted, by their names, and the user's own. */
export async function makeChains(world: World, wanted: (name: string) => boolean, others: Others): Promise<Chain[]> {
  const chains: Chain[] = [];
  const add = (name: string, title: string, filters: Json[], more: Partial<Chain> = {}): void => {
    const nothing = { rules: 0, hasClaim: false, helpers: [], isYours: false };
    chains.push({ name, title, filters, buckets: "none", ...nothing, ...more });
  };
  if (wanted("router")) add("router", "router alone", []);
  for (const name of stepNames) {
    if (!wanted(name)) continue;
    const { title, filter } = await makeStep(world.directory, name);
    add(name, title, [filter]);
  }
  for (const [name, { title, options }] of Object.entries(natives)) {
    if (!wanted(name)) continue;
    const { policies: rules, sameJob: hasClaim = false } = options;
    const limit = hasClaim
      ? ({ buckets: "own", scarce: scarceRoute(true) } as const)
      : ({ buckets: "shared" } as const);
    add(name, title, nativeFilters(world, options), { rules, hasClaim, ...limit });
  }
  for (const [name, { title, options }] of Object.entries(ours)) {
    if (!wanted(name)) continue;
    const filters = await oursFilters(world, name, options);
    const buckets = options.limit === false ? "none" : "own";
    add(name, title, filters, { rules: options.rules, buckets, hasClaim: options.condition === true });
  }
  for (const [index, engine] of others.engines.entries()) {
    const name = `engine-${index + 1}`;
    const filters = await oursFilters(world, name, { rules: few_rules, enforcementCheck: false, engine });
    add(name, `module alone, ${basename(engine)}`, filters, { rules: few_rules, buckets: "own" });
  }
  if (others.rust !== undefined) {
    for (const [name, { title, lean }] of Object.entries(rustChains)) {
      if (!wanted(name)) continue;
      const filters = rustFilters(world, others.rust, few_rules, lean);
      add(name, title, filters, { rules: few_rules, buckets: "own", hasClaim: true });
    }
  }
  if (others.opa !== undefined) {
    const { opa } = others;
    add("opa", "OPA, ext_authz", opaFilters(), {
      rules: few_rules,
      buckets: "shared",
      helpers: [opa.pid],
      clusters: [opaCluster(opa)],
    });
  }
  for (const { name, filters, clusters } of others.custom) {
    add(`yours-${name}`, `yours: ${name}`, filters, { clusters, isYours: true });
  }
  return chains;
}

/** Chains of which new tokens are measured, too. */
const chains_for_new_tokens: readonly string[] = ["native", "ours", "rust"];
/** Chains of which requests that are denied are measured, too. */
const chains_for_denials: readonly string[] = ["native-cache", "native-same-job", "ours", "rust"];

/** Of these chains' cases, those that a quick run measures over HTTP/2, too. */
const main_cases: readonly string[] = [
  ...["router/known", "native-cache/known", "native-same-job/known", "native/new-RS256"],
  ...["ours/known", "ours-condition/known", "ours/new-RS256", "rust/known"],
];

/**
 * The cases of these chains by one protocol, the bare router first.
 * @param mainOnly whether only the most telling ones are wanted, and the user's own
 */
export async function makeCases(
  chains: readonly Chain[],
  loads: Loads,
  protocol: Protocol,
  mainOnly: boolean,
): Promise<Case[]> {
  const cases: Case[] = [];
  const add = async (chain: Chain, kind: Kind, what: string, requests: () => Promise<Load>): Promise<void> => {
    if (mainOnly && !chain.isYours && !main_cases.includes(`${chain.name}/${kind}`)) return;
    const { name: listener, helpers, isYours: anyStatus } = chain;
    cases.push({
      ...{ listener, kind, title: `${chain.title}: ${what}`, protocol },
      ...{ requests: await requests(), helpers, anyStatus },
    });
  };
  for (const chain of chains) {
    // Without a cache no token is known.
    const what = chain.name === "native" ? "token again" : "cached token";
    await add(chain, "known", what, () => loads.known(chain.rules || few_rules));
    if (!chains_for_new_tokens.includes(chain.name)) continue;
    for (const algorithm of ["RS256", "ES256"] as const) {
      await add(chain, `new-${algorithm}`, `new token, ${algorithm}`, () => loads.fresh(few_rules, algorithm));
    }
  }
  for (const chain of chains) {
    if (!chains_for_denials.includes(chain.name)) continue;
    await add(chain, "401", "401, no token", () => loads.tokenless(few_rules));
    await add(chain, "403", "403, no rule", () => loads.unmatched());
    await add(chain, "429", "429, over the limit", () => loads.limited());
  }
  return cases;
}
