/** Several Envoys of a fleet whose quarantines are told by one rate limit service: what tests of them share. */
import assert from "node:assert/strict";
import type { FilterRequest } from "../../scripts/evaluate/engine.ts";
import { rateLimitConfiguration } from "../../scripts/policy/fleet.ts";
import { check } from "./policy.ts";
import { Guarded, quarantinePolicy } from "./quarantine.ts";
import { RateLimitService } from "./ratelimitservice.ts";

/** Four denials within a minute, two minutes, up to sixteen. */
export const fleetProbing =
  "{ name: probing, when: [no_rule], denials: 4, within: 1m, for: 2m, max: 16m, scope: fleet }";
/** A policy with these quarantines, of a fleet. */
export const fleetPolicy = (quarantine = fleetProbing): string =>
  quarantinePolicy(quarantine, "fleet: { cluster: rls, domain: shops }");
/** The longest that a period of a level is, against its time. */
export const quarter = 1.25;

/** Envoys of a fleet, with one clock, and their service. */
export class GuardedFleet {
  readonly envoys: Guarded[];
  readonly service: RateLimitService;
  /** Whether the service does not answer. */
  isAway = false;
  #seconds = 1_796_000_000;

  constructor(count = 2, policy = fleetPolicy()) {
    const configuration = rateLimitConfiguration([check(policy).policy!]);
    if (typeof configuration === "string") throw new Error(configuration);
    this.service = new RateLimitService(configuration, () => this.#seconds);
    const clock = (): bigint => BigInt(Math.round(this.#seconds * 1000)) * 1_000_000n;
    this.envoys = Array.from({ length: count }, () => new Guarded(policy, 2, { clusters: ["rls"], clock }));
  }

  /** What the answer to a request of a key that is shut out tells it to wait, in seconds; -1 where it is not out. */
  retryAfter(envoy: number, request: Partial<FilterRequest> = {}): number {
    const seconds = this.envoys[envoy]!.retryAfter(request);
    this.settle();
    return seconds;
  }

  /** A request at an Envoy; then everything that it had asked the service of is answered. */
  reason(envoy: number, request: Partial<FilterRequest> = {}, worker = 0): string {
    const reason = this.envoys[envoy]!.reason(request, worker);
    this.settle();
    return reason;
  }

  /** Denied so often, on the workers by turns; the last reason. */
  probe(envoy: number, times: number, request: Partial<FilterRequest> = {}): string {
    let last = "";
    for (let count = 0; count < times; count++) last = this.reason(envoy, { path: "/nothing", ...request }, count % 2);
    return last;
  }

  /** Answers all calls under way, and those that the answers lead to. */
  settle(): void {
    for (const host of this.envoys.flatMap(({ workers }) => workers.hosts)) {
      for (let [call] = host.grpcCalls; call !== undefined; [call] = host.grpcCalls) {
        const turn = host.answerGrpc(call.token, this.isAway ? 14 : this.service.answer(call.message));
        assert.equal(turn.trapped, false, turn.error?.message);
      }
    }
  }

  pass(seconds: number): void {
    this.#seconds += seconds;
  }

  /** Seconds since 1970. */
  get seconds(): number {
    return this.#seconds;
  }
}

/** What a first request of a key at an Envoy is, and a second one, once the first has asked the fleet. */
export function met(fleet: GuardedFleet, envoy: number, request: Partial<FilterRequest> = {}): string[] {
  return [fleet.reason(envoy, request), fleet.reason(envoy, request)];
}
