/**
 * Random schedules of requests, workers, clock steps, reloads and VMs that are built anew, against limits of many rates and bursts: the
 * engine admits no more and no less than docs/limits.md promises (reference/bounds.ts). The seed is printed; SEED brings a run back, and
 * RUNS has more of them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { limit_fill_nanoseconds_max, reservation_entries_max } from "../../assembly/limits.ts";
import { PluginHost } from "../../scripts/host/plugin.ts";
import { Limited } from "../support/limited.ts";
import { engine } from "../support/plugin.ts";
import { Random, runSeed } from "../support/random.ts";
import { fingerprintOf, knownSecret } from "../support/secret.ts";
import { imageOf, outcomeOf } from "../support/workers.ts";
import { BoundedBucket } from "./reference/bounds.ts";

const runs = Number(process.env.RUNS ?? 40);
const steps = 150;
const second = 1_000_000_000n;

/** Rates, and the nanoseconds of a token. */
const rates: readonly [text: string, intervalNanoseconds: bigint][] = [
  ["1000/s", second / 1000n],
  ["50/s", second / 50n],
  ["90/m", 666_666_667n],
  ["60/h", 60n * second],
  ["1/h", 3600n * second],
  ["6/d", 4n * 3600n * second],
];
const bursts = [1, 2, 10, 100, 999, 1000, 2500, 30_000, 1_000_000];
/** In nanoseconds: a month. Some buckets take a century to fill. */
const longest_wait = 30 * 86_400e9;
/** Steps of the clock, in seconds. */
const clockSteps = [3600, -3600, 3600, -3600, 5, -5, 1.9, -1.9, 0.3, -0.3, 86_400];

interface Limit {
  name: string;
  rate: string;
  burst: number;
  intervalNanoseconds: bigint;
  isPerCaller: boolean;
}

interface Rule {
  path: string;
  limits: Limit[];
  cost: number;
}

const policy_name = "schedules";

function policyText(limits: readonly Limit[], rules: readonly Rule[]): string {
  return `version: 1
name: ${policy_name}
trust: { domains: [example.org] }
limits:
${limits.map(({ name, rate, burst, isPerCaller }) => `  ${name}: { rate: ${rate}, burst: ${burst}${isPerCaller ? ", per: [caller]" : ""} }\n`).join("")}rules:
${rules
  .map(({ path, limits, cost }) => {
    const names = limits.map(({ name }) => name).join(", ");
    return `  - { name: ${path}, callers: [any], allow: [GET /${path}], limit: [${names}], cost: ${cost} }\n`;
  })
  .join("")}`;
}

/** Two versions of a policy, which differ in the burst of one limit. */
function somePolicies(random: Random): Rule[][] {
  const someLimit = (name: string): Limit => {
    const [rate, intervalNanoseconds] = random.pick(rates);
    const fitting = bursts.filter((burst) => Number(intervalNanoseconds) * burst <= limit_fill_nanoseconds_max);
    return { name, rate, intervalNanoseconds, burst: random.pick(fitting), isPerCaller: random.below(3) > 0 };
  };
  const [one, two] = [someLimit("one"), someLimit("two")];
  const other = { ...one, burst: one.burst === 1 ? 3 : one.burst - 1 };
  // Large buckets are emptied by large costs.
  const someCost = (burst: number): number => Math.max(1, Math.floor(burst / (1 + random.below(random.pick([4, 40])))));
  return [one, other].map((first): Rule[] => [
    { path: "small", limits: [first], cost: 1 },
    { path: "large", limits: [first], cost: someCost(first.burst) },
    { path: "both", limits: [first, two], cost: someCost(Math.min(first.burst, two.burst)) },
    { path: "second", limits: [two], cost: someCost(two.burst) },
  ]);
}

const limitsOf = (rules: readonly Rule[]): Limit[] => [...new Set(rules.flatMap(({ limits }) => limits))];

/** Callers that have each a place of their own in a worker's table, under all limits: who shares one goes without reserved tokens. */
function someCallers(random: Random, limits: readonly Limit[]): string[] {
  for (;;) {
    const callers = Array.from({ length: 3 }, () => `spiffe://example.org/c${random.below(1_000_000)}`);
    const places = limits.flatMap((limit) =>
      callers.map((caller) => {
        const fingerprint = fingerprintOf(caller, { ...limit, policy: policy_name });
        return Number((fingerprint >> 16n) & BigInt(reservation_entries_max - 1));
      }),
    );
    if (new Set(places).size === places.length) return callers;
  }
}

/** What came of a run, to see that it meets what it is about. */
interface Tally {
  admitted: number;
  denied: number;
  /** Requests that had to be admitted, and denials after a clock had stepped back. */
  due: number;
}

function runSchedule(seed: number, tally: Tally): void {
  const random = new Random(seed);
  const versions = somePolicies(random);
  const images = versions.map((rules) => imageOf(policyText(limitsOf(rules), rules)));
  const workers = 1 + random.below(4);
  const shared = knownSecret();
  const set = shared.set.bind(shared);
  /** What happens right before the shared value after so many is written. */
  let meanwhile: (() => void) | undefined;
  let writesBefore = 0;
  shared.set = (key, value, cas) => {
    const happens = meanwhile;
    if (happens !== undefined && writesBefore-- === 0) {
      meanwhile = undefined;
      happens();
    }
    return set(key, value, cas);
  };
  const proxy = new Limited(policyText(limitsOf(versions[0]!), versions[0]!), workers, shared);
  const callers = someCallers(random, [...new Set(versions.flatMap(limitsOf))]);
  let now = 1_795_255_200n * second;
  const setClock = (worker: number): void => {
    proxy.hosts[worker]!.clock = () => now;
  };
  for (let worker = 0; worker < workers; worker++) setClock(worker);
  /** Which version each worker has in force. */
  const inForce = Array<number>(workers).fill(0);

  const buckets = new Map<string, BoundedBucket>();
  const aheadOf = ({ burst }: Limit): bigint => BigInt(Math.min(64, Math.floor(burst / 1000)));
  const limitOf = new Map<BoundedBucket, Limit>();
  const bucketOf = (limit: Limit, caller: string): BoundedBucket => {
    const key = `${limit.name} ${limit.burst} ${limit.isPerCaller ? caller : ""}`;
    const made =
      buckets.get(key) ??
      new BoundedBucket({ ...limit, burst: BigInt(limit.burst), reserved: aheadOf(limit) * BigInt(workers) });
    buckets.set(key, made);
    limitOf.set(made, limit);
    return made;
  };
  const move = (by: bigint): void => {
    now += by;
    for (const bucket of buckets.values()) bucket.move(by, now);
  };

  /** Another worker's request in the midst of one may find tokens taken that are given back then. */
  const interfere = (worker: number, caller: string, step: number): void => {
    const other = (worker + 1) % workers;
    if (other === worker || random.below(6) > 0) return;
    writesBefore = random.below(3);
    meanwhile = () => ask(other, random.pick(versions[inForce[other]!]!), caller, step, false);
  };
  const ask = (worker: number, rule: Rule, caller: string, step: number, isWhole = true): boolean => {
    if (isWhole) interfere(worker, caller, step);
    const outcome = outcomeOf(proxy.get(worker, caller, `/${rule.path}`));
    if (isWhole) meanwhile = undefined;
    const cost = BigInt(rule.cost);
    const asked = rule.limits.map((limit) => bucketOf(limit, caller));
    const where = `SEED=${seed} RUNS=1, step ${step}, worker ${worker} of ${workers}, ${JSON.stringify(rule, (_, value) => (typeof value === "bigint" ? Number(value) : value))}`;
    const isDue = isWhole && asked.every((bucket) => bucket.mustAdmit(cost, now));
    if (isDue) tally.due++;
    if (outcome === "allowed") {
      for (const bucket of asked) {
        assert.ok(bucket.mayAdmit(cost), `admitted beyond the bound: ${where}`);
        bucket.admit(cost, now);
      }
      tally.admitted++;
      return true;
    }
    assert.equal(outcome, "limit_exceeded", where);
    assert.ok(!isDue, `denied while tokens are there: ${where}`);
    for (const bucket of asked) {
      bucket.deny(now, asked.length === 1);
      if (!isWhole) bucket.doubt(now);
    }
    tally.denied++;
    return false;
  };

  for (let step = 0; step < steps; step++) {
    const worker = random.below(workers);
    const rule = random.pick(versions[inForce[worker]!]!);
    const [limit] = rule.limits as [Limit];
    const caller = random.pick(callers);
    switch (random.below(30)) {
      case 0:
        move(BigInt(Math.round(random.pick(clockSteps) * 1e9)));
        break;
      case 1: {
        // A reload, as Envoy does it: the new configuration first.
        const version = random.below(versions.length);
        const old = proxy.roots[worker]!;
        proxy.roots[worker] = proxy.start(proxy.hosts[worker]!, images[version]!);
        proxy.hosts[worker]!.deleteContext(old);
        inForce[worker] = version;
        break;
      }
      case 2:
        if (random.below(4) > 0) break;
        proxy.hosts[worker] = PluginHost.load(engine, { sharedData: shared });
        setClock(worker);
        proxy.roots[worker] = proxy.start(proxy.hosts[worker]!, images[inForce[worker]!]!);
        for (const bucket of buckets.values()) bucket.lose(aheadOf(limitOf.get(bucket)!), now);
        break;
      default:
        for (let times = 1 + random.below(random.pick([2, 12])); times > 0; times--) {
          const asked = random.below(4) === 0 ? random.below(workers) : worker;
          const same = versions[inForce[asked]!]!.find(({ path }) => path === rule.path)!;
          if (!ask(asked, same, caller, step)) break;
        }
    }
    // Often no time at all, else around a token, around what the request takes, or around a whole bucket.
    const interval = Number(limit.intervalNanoseconds);
    const length = random.pick([
      0,
      0,
      0,
      interval,
      interval * rule.cost,
      (interval * limit.burst) / 10,
      interval * limit.burst * 2,
    ]);
    move(BigInt(Math.floor(Math.min(length, longest_wait) * (random.below(1000) / 999))));
  }
}

test("engines with one to four workers keep the bounds over random schedules", () => {
  const seed = runSeed();
  console.log(`SEED=${seed}`);
  const tally: Tally = { admitted: 0, denied: 0, due: 0 };
  for (let run = 0; run < runs; run++) runSchedule((seed + run) >>> 0, tally);
  console.log(JSON.stringify(tally));
  if (runs >= 40) {
    for (const [what, count] of Object.entries(tally)) assert.ok(count > 10 * runs, `${what}: ${count}`);
  }
});
