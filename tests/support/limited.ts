/** Workers whose policy has limits, and requests that run into them. */
import assert from "node:assert/strict";
import { reservation_entries_max } from "../../assembly/limits.ts";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { fingerprintOf, knownSecret } from "./secret.ts";
import { imageOf, Workers } from "./workers.ts";

/** Who asks where nobody else is named. */
export const x = "spiffe://example.org/x";

/** A policy with these limits and one rule. */
export function policyOf(limits: string, limit = "big", cost = 1): string {
  return `version: 1
name: reservations
trust: { domains: [example.org] }
limits: { ${limits} }
rules:
  - { name: one, callers: [any], allow: [GET /one], limit: ${limit}, cost: ${cost} }
`;
}

/** Workers of one proxy, which share buckets. */
export class Limited extends Workers {
  constructor(policy: string, count = 1, sharedData = knownSecret()) {
    super(imageOf(policy), count, sharedData);
  }

  get(worker: number, caller = x, path = "/one"): Outcome {
    const request = { caller, source: "10.0.0.1", method: "GET", path, host: "h", headers: [], token: null };
    return this.hosts[worker]!.request(this.roots[worker]!, hostRequest(request));
  }

  admits(worker: number, caller = x, path = "/one"): boolean {
    return this.get(worker, caller, path).action === "continue";
  }

  /** How many requests one after the other a worker admits before it denies one. */
  drain(worker: number, caller = x, path = "/one"): number {
    let count = 0;
    for (; this.admits(worker, caller, path); count++) assert.ok(count < 20_000, "nothing is denied");
    return count;
  }
}

/** How often a request asked for, or wrote, a bucket. */
export function sharedDataCalls({ calls }: Outcome): number {
  return calls.filter(({ name }) => name.endsWith("shared_data")).length;
}

/**
 * A caller whose place in a worker's table (assembly/limit/reservation.ts) is that of `x` under the secret of `knownSecret`, for a limit
 * named `big` of that burst and interval.
 */
export function rivalOf(burst: number, intervalNanoseconds: bigint): string {
  const placeOf = (caller: string): bigint =>
    (fingerprintOf(caller, { policy: "reservations", name: "big", burst, intervalNanoseconds }) >> 16n) &
    BigInt(reservation_entries_max - 1);
  const callers = Array.from({ length: 8 * reservation_entries_max }, (_, number) => `${x}${number}`);
  return callers.find((caller) => placeOf(caller) === placeOf(x))!;
}
