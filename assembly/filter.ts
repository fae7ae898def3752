/**
 * The whole request, top to bottom: identity → headers → caller a gateway told of → path → rules → token, scopes, condition,
 * limits → headers for the upstream → mark → record → counters → answer. Stages
 * answer with a reason and write into the request's slot; only this file acts on it. Whatever goes wrong denies, and
 * every way leads past the record and the counters.
 */
import { countDecision, countFailure } from "./audit/metrics";
import { writeRecord } from "./audit/record";
import { literal } from "./bytes/literal";
import { Failure } from "./failure";
import { Action } from "./host/abi";
import { resetArena } from "./host/arena";
import { fail, readClock, writeProperty } from "./host/host";
import { policyOfStream } from "./host/root";
import { readForwarded } from "./identity/forwarded";
import { readIdentity } from "./identity/identity";
import { evaluate } from "./policy/evaluate";
import { findCandidates } from "./policy/match";
import { Policy } from "./policy/policy";
import { Reason } from "./reason";
import { readHeaders } from "./request/headers";
import { readPath } from "./request/path";
import { clearRequest, request } from "./request/request";
import { forwardHeaders } from "./verdict/forward";
import { respond, respondPlainly } from "./verdict/respond";

/** What the second lock, a native filter behind ours, looks for: filter state `wasm.verdict` of exactly `allow`. */
const verdict_property = literal("verdict");
const allow_value = literal("allow");
const deny_value = literal("deny");

/** Decides the request of a stream. */
export function onRequestHeaders(context: u32): Action {
  resetArena();
  clearRequest();
  fail(Failure.NONE);
  const policy = policyOfStream(context);
  if (policy == null) {
    respondPlainly();
    return Action.STOP;
  }
  return act(policy, decide(policy));
}

/** The caller comes first, so that the record of a malformed request says who sent it. */
function decide(policy: Policy): Reason {
  let reason = readIdentity(policy);
  if (reason != Reason.ALLOWED) return reason;
  reason = readHeaders();
  if (reason != Reason.ALLOWED) return reason;
  reason = readForwarded(policy);
  if (reason != Reason.ALLOWED) return reason;
  reason = readPath();
  if (reason != Reason.ALLOWED) return reason;
  request.nowNanoseconds = readClock();
  if (request.nowNanoseconds == 0) return Reason.INTERNAL;
  reason = findCandidates(policy);
  if (reason != Reason.ALLOWED) return reason;
  return evaluate(policy);
}

/**
 * Admits only after the decision was marked, recorded and counted: save in shadow mode, a request that left no trace does
 * not pass. Where a trace cannot be left, the record and the counters are told of the answer there is now.
 */
function act(policy: Policy, decided: Reason): Action {
  let reason = decided;
  let admits = reason == Reason.ALLOWED || policy.shadow;
  if (admits && !forwardHeaders(policy, reason == Reason.ALLOWED)) {
    // Also in shadow mode: an upstream must not take for ours what came from outside.
    reason = Reason.INTERNAL;
    admits = false;
  }
  const marked = admits && writeProperty(verdict_property, allow_value.start, allow_value.size);
  if (admits && !marked) reason = Reason.INTERNAL;
  if (!writeRecord(policy, reason) || !countDecision(policy, reason)) {
    reason = Reason.INTERNAL;
    writeRecord(policy, reason);
    countDecision(policy, reason);
  }
  const passes = marked && (reason == Reason.ALLOWED || policy.shadow);
  if (!passes) {
    if (marked) writeProperty(verdict_property, deny_value.start, deny_value.size);
    if (!respond(policy, reason)) respondPlainly();
  }
  // Last, since a call may have failed at any step.
  countFailure(policy);
  return passes ? Action.CONTINUE : Action.STOP;
}
