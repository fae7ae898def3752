/** Workers whose streams stay open, and a limit of how many may. */
import assert from "node:assert/strict";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { imageOf, Workers } from "./workers.ts";

/** Who asks where nobody else is named. */
export const x = "spiffe://example.org/x";

/** A policy with these limits, one rule that takes from the limit `open`, and one that does not. */
export function policy(limits: string, more = ""): string {
  return `version: 1
name: flight
trust: { domains: [example.org] }
limits: { ${limits} }
rules:
  - { name: one, callers: [any], allow: ["* /one"], limit: open${more} }
  - { name: other, callers: [any], allow: [GET /other] }
`;
}
export const three = policy("open: { concurrency: 3, per: [caller] }");

/** Workers whose streams stay open until they are ended. */
export class Flight extends Workers {
  open(worker = 0, caller = x, path = "/one", headers: [string, string][] = []): Outcome {
    const request = { caller, source: "10.0.0.1", method: "GET", path, host: "h", headers, token: null };
    return this.hosts[worker]!.request(this.roots[worker]!, { ...hostRequest(request), keepOpen: true });
  }

  isAdmitted(worker = 0, caller = x, path = "/one"): boolean {
    const outcome = this.open(worker, caller, path);
    if (outcome.action === "continue") return true;
    this.end(outcome, worker);
    return false;
  }

  end({ context }: Outcome, worker = 0): void {
    this.hosts[worker]!.deleteContext(context);
  }

  /** Some seconds go by, in each of which workers tick. */
  seconds(count: number, workers = this.hosts.map((_, worker) => worker)): void {
    for (let second = 0; second < count; second++) {
      this.pass(1);
      for (const worker of workers) this.tick(worker);
    }
  }

  /** How many more streams a worker admits; all of them are ended again. */
  room(worker = 0, caller = x): number {
    const streams: Outcome[] = [];
    do {
      assert.ok(streams.length < 2000, "nothing is denied");
      streams.push(this.open(worker, caller));
    } while (streams.at(-1)!.action === "continue");
    for (const stream of streams) this.end(stream, worker);
    return streams.length - 1;
  }
}

export const flight = (text = three, count = 2, sharedData = new SharedData()): Flight =>
  new Flight(imageOf(text), count, sharedData);
