/** Workers of a fleet's Envoys in the Node host, and the rate limit service as a test plays it. */
import assert from "node:assert/strict";
import { hostRequest } from "../../scripts/evaluate/engine.ts";
import type { GrpcCall } from "../../scripts/host/context.ts";
import type { Outcome } from "../../scripts/host/plugin.ts";
import { SharedData } from "../../scripts/host/shared.ts";
import { type Status, writeAnswer } from "./ratelimit.ts";
import { imageOf, outcomeOf, Workers } from "./workers.ts";

/** What differs from one limit of the fleet and one rule. */
export interface Told {
  limits?: string;
  limit?: string;
  fleet?: string;
  cost?: number;
  rules?: string;
}

const one_rule = "  - { name: a, callers: [any], allow: [GET /a], limit: LIMIT, cost: COST }\n";

/** A policy with limits of the fleet and one rule, or the rules given. */
export function fleetPolicy({
  limits,
  limit = "x",
  fleet = "cluster: rls, replicas: 4",
  cost = 1,
  rules = one_rule,
}: Told): string {
  return `version: 1
name: shop
trust: { domains: [example.org] }
fleet: { ${fleet} }
limits: { ${limits ?? "x: { rate: 8/m, per: [caller], scope: fleet }"} }
rules:
${rules.replace("LIMIT", limit).replace("COST", String(cost))}`;
}

/** Workers of Envoys of a fleet, each with a secret of its own. */
export class Fleet extends Workers {
  constructor(told: Told = {}, count = 1, clusters = ["rls"]) {
    super(imageOf(fleetPolicy(told)), count, new SharedData(), { clusters });
  }

  get(path = "/a", caller = "spiffe://example.org/web", worker = 0, keepOpen = false): Outcome {
    const request = { caller, source: "10.0.0.1", method: "GET", path, host: "h", headers: [], token: null };
    return this.hosts[worker]!.request(this.roots[worker]!, { ...hostRequest(request), keepOpen });
  }

  /** The one call that waits for its answer. */
  call(worker = 0): GrpcCall {
    const { grpcCalls } = this.hosts[worker]!;
    assert.equal(grpcCalls.length, 1);
    return grpcCalls[0]!;
  }

  /** Answers that call: with what is said of each limit, or ends it with a status. */
  tell(answer: readonly Status[] | number | Uint8Array, worker = 0): void {
    const message = typeof answer === "number" || answer instanceof Uint8Array ? answer : writeAnswer(answer);
    const { trapped, error } = this.hosts[worker]!.answerGrpc(this.call(worker).token, message);
    assert.equal(trapped, false, error?.message);
  }

  /** What a request comes to whose call is answered so. */
  decided(answer: readonly Status[] | number | Uint8Array): string {
    const outcome = this.get();
    assert.equal(outcomeOf(outcome), "waits");
    this.tell(answer);
    return outcomeOf(outcome);
  }

  /** How often the answers to questions were of that kind. */
  answersOf(result: string): bigint {
    return this.hosts[0]!.metrics().get(`sallyport_fleet_answers.policy.shop;.result.${result}`) ?? 0n;
  }
}
