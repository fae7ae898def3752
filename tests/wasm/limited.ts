/** Workers whose policy has limits, and requests that run into them. */
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { imageOf, Workers } from "../keys/workers.ts";

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
