/**
 * Limits of a fleet: a request asks the rate limit service once for all limits of the rule that would admit it, with its cost for
 * `hits_addend`, and waits for the answer (keys/waiting.ts). Then it is decided anew with the answer at hand; what the rule's other limits
 * have given by then is not taken twice. Where the service refuses, another rule may admit that does not ask.
 */
import { countFleet, FleetAnswer } from "../audit/metrics";
import {
  Answer,
  failed,
  granted,
  least,
  refused,
  reset,
  reset_seconds_max,
  statuses,
  unheard,
  unknown,
} from "../fleet/answer";
import { isTooLong, mayAsk, noteFailure, send } from "../fleet/question";
import { readClock } from "../host/host";
import { awaitCall, cancelWait, fleetAnswer, recallQuota, reserveWait } from "../keys/waiting";
import { fleet_failures_max } from "../limits";
import { Policy } from "../policy/policy";
import { awaitBlock, takeBlock } from "./lease";

/** The rule has not asked; only in here and in limit/limit.ts. */
export const unasked: Answer = 0xffffffff;
/** It cannot ask, since another rule of the same request has. */
export const unheeded: Answer = 0xfffffffe;

/** What the fleet has said for a rule (its number + 1) of the request that is decided; `unasked` where nothing was asked for it. */
export function answerFor(rule: u32): Answer {
  const at = fleetAnswer();
  if (at == 0) return unasked;
  if (load<u32>(at) != rule) return unheeded;
  recallQuota();
  // Decided anew without an answer: it is not waited for any longer.
  const answer = load<u32>(at, 4);
  return (answer & 3) == unheard ? failed : answer;
}

/** What the limit of the fleet with the least left has, for the request that is decided. */
export function leftOfFleet(): u32 {
  return load<u32>(fleetAnswer(), 8);
}

/**
 * Asks, for a rule (its number + 1) and so many limits, and has the request wait for the answer. `failed` where the service cannot be
 * asked, or the request cannot wait.
 */
export function ask(policy: Policy, rule: u32, limits: u32, cost_tokens: u32): Answer {
  if (isTooLong() || !mayAsk(policy) || !reserveWait(policy)) {
    countFleet(policy, FleetAnswer.SKIPPED);
    return failed;
  }
  const call = send(policy, cost_tokens);
  if (call < 0) {
    cancelWait();
    return failed;
  }
  awaitCall(<u32>call, rule, limits << 2);
  return unheard;
}

/** Asks for a block of tokens of the one limit in the question, for which nobody waits; the question can then be asked for more. */
export function askBlock(policy: Policy, entry: usize, tokens: u32): void {
  if (isTooLong() || policy.fleetFailures >= fleet_failures_max) return;
  const call = send(policy, tokens);
  if (call >= 0) awaitBlock(entry, <u32>call);
}

/** Takes the answer to a call, the last one that was read (fleet/answer.ts), into the room `at` of the stream that waits for it, which is due; 0: none does. */
export function takeFleetAnswer(policy: Policy, at: usize, call: u32, said: Answer): void {
  let answer = said;
  // An answer to another question than ours: of so many limits, or for a block of one.
  const isOther = statuses != (at == 0 ? 1 : load<u32>(at, 4) >> 2);
  // What nobody waits for any more says nothing against the service.
  if (answer == failed || (isOther && at != 0)) noteFailure(policy);
  else policy.fleetFailures = 0;
  if (isOther) answer = failed;
  if (at == 0) {
    takeBlock(
      call,
      (answer & 3) == granted,
      (answer & 3) == refused,
      readClock(),
      min(max(reset, 1), reset_seconds_max) * 1000000000,
    );
    return;
  }
  if (answer != failed)
    countFleet(
      policy,
      (answer & 3) == granted ? FleetAnswer.GRANTED : answer == unknown ? FleetAnswer.UNKNOWN : FleetAnswer.REFUSED,
    );
  store<u32>(at, answer == unknown ? failed : answer, 4);
  store<u32>(at, least, 8);
}

/** A request has tokens of a block. */
export function noteLeased(policy: Policy): void {
  countFleet(policy, FleetAnswer.LEASED);
}
