/** Workers whose policy has limits, and requests that run into them. */

import { lease_places } from "../../assembly/limits.ts";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { hash32 } from "../../scripts/policy/hash.ts";
import { imageOf, Workers } from "../keys/workers.ts";
import { sipHash } from "./siphash.ts";

/** Who asks where nobody else is named. */
export const x = "spiffe://example.org/x";

/** A policy with these limits and one rule. */
export function policyOf(limits: string, limit = "big", cost = 1): string {
  return `version: 1
name: leases
trust: { domains: [example.org] }
limits: { ${limits} }
rules:
  - { name: one, callers: [any], allow: [GET /one], limit: ${limit}, cost: ${cost} }
`;
}

/** Workers of one proxy, which share buckets. */
export class Limited extends Workers {
  constructor(policy: string, count = 1) {
    super(imageOf(policy), count);
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
    while (this.admits(worker, caller, path)) count++;
    return count;
  }
}

/** How often a request asked for, or wrote, a bucket. */
export function sharedDataCalls({ calls }: Outcome): number {
  return calls.filter(({ name }) => name.endsWith("shared_data")).length;
}

const placeOf = (caller: string): bigint => {
  const seed = BigInt(hash32(0, Buffer.from("leases\0big")));
  return (sipHash(seed, 0x101n, Buffer.from(caller)) >> 12n) & BigInt(lease_places - 1);
};

/** A caller whose place in a worker's table (assembly/limit/lease.ts) is that of `x`, under any one limit named `big`. */
export const rival = Array.from({ length: 4 * lease_places }, (_, number) => `${x}${number}`).find(
  (caller) => placeOf(caller) === placeOf(x),
)!;
