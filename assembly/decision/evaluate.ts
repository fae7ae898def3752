/**
 * The decision: a deny rule that matches wins; else any allow rule whose every part holds admits; else the reason is
 * that of the allow rule that came closest. Rules are evaluated in the order of their names, whatever their order in the
 * file was; of several that admit, the first is reported and its limits are charged. Rules in shadow mode are evaluated
 * when all is decided, and take no part in it.
 */

import { clearBytes, copyBytes } from "../bytes/span";
import { absent } from "../bytes/tape";
import { evaluateCondition, Outcome } from "../condition/evaluate";
import { detailOf, finding, reasonOf } from "../finding";
import { clearFailures, firstFailure } from "../host/host";
import { inspecting, reportRule } from "../inspect";
import { takeLimits } from "../limit/limit";
import * as layout from "../policy/layout";
import { Policy, ruleAt } from "../policy/policy";
import { Reason } from "../reason";
import { addShadow, candidate, candidateBinding, request } from "../request/request";
import { RuleResult } from "../request/result";
import { hasScopes } from "../token/scopes";
import { tokenSlot } from "../token/slot";
import { adoptToken, checkToken } from "../token/token";

/** What becomes of the limits of a rule that is evaluated. */
const enum Charge {
  /** The rule does not decide any more, so that its limits do not matter. */
  NOTHING = 0,
  DRY,
  TAKE,
}

/** What came of the rule that is evaluated. */
const current = changetype<RuleResult>(memory.data(32, 16));
const result_bytes: u32 = 32;
if (!(offsetof<RuleResult>() == 32)) ERROR("a result is copied and cleared as a whole");

/** Evaluates the candidates in the request's slot, whose result becomes that of the rule that decided. */
export function evaluateRules(policy: Policy): Reason {
  let decision = evaluateDenyRules(policy);
  if (decision == Reason.NO_RULE || inspecting) decision = evaluateAllowRules(policy, decision);
  request.awaitedKeySets = request.unknownKeySets;
  adoptToken(policy, request);
  // A caller whose identity does not count could only have been admitted by a rule for anyone.
  if (decision != Reason.NO_RULE || request.callerReason == Reason.ALLOWED) return decision;
  request.finding = finding(request.callerReason, request.callerDetail);
  return request.callerReason;
}

/** A result is the decision's until another comes closer. */
function decideBy(result: RuleResult): Reason {
  copyBytes(changetype<usize>(request), changetype<usize>(result), result_bytes);
  return reasonOf(result.finding);
}

function evaluateDenyRules(policy: Policy): Reason {
  let decision = Reason.NO_RULE;
  for (let index: u32 = 0; index < request.candidateCount; index++) {
    const record = ruleAt(policy, candidate(index));
    if (!decides(record, layout.action_deny)) continue;
    const reason = evaluateRule(policy, index, record, Charge.NOTHING, current);
    // What a failure of ours hid is not known, so it ends the matter like a denial.
    if ((reason != Reason.RULE_DENIED && reason != Reason.INTERNAL) || decision != Reason.NO_RULE) continue;
    decision = decideBy(current);
    if (!inspecting) return decision;
  }
  return decision;
}

function evaluateAllowRules(policy: Policy, decided: Reason): Reason {
  let decision = decided;
  let isFinal = decided != Reason.NO_RULE;
  for (let index: u32 = 0; index < request.candidateCount; index++) {
    const record = ruleAt(policy, candidate(index));
    if (!decides(record, layout.action_allow)) continue;
    const reason = evaluateRule(policy, index, record, isFinal ? Charge.NOTHING : Charge.TAKE, current);
    if (isFinal) continue;
    // The reasons stand in the order of the checks. A failure of ours ends the matter: what it hid is not known.
    isFinal = reason == Reason.ALLOWED || reason == Reason.INTERNAL;
    if (isFinal || reason > decision) decision = decideBy(current);
    if (isFinal && !inspecting) return decision;
  }
  return decision;
}

/** Evaluates the candidates in shadow mode, once the others have decided. */
export function evaluateShadowRules(policy: Policy): void {
  for (let index: u32 = 0; index < request.candidateCount; index++) {
    const rule = candidate(index);
    const record = ruleAt(policy, rule);
    if (load<u32>(record, layout.rule_mode_at) != layout.mode_shadow) continue;
    const reason = evaluateRule(policy, index, record, Charge.DRY, current);
    // A deny rule that does not match would have done nothing.
    const isSilent = load<u32>(record, layout.rule_action_at) == layout.action_deny && reason < Reason.INTERNAL;
    if (!isSilent || reason == Reason.RULE_DENIED) addShadow(rule, reason);
  }
}

function decides(rule: usize, action: u32): bool {
  return (
    load<u32>(rule, layout.rule_mode_at) == layout.mode_enforce && load<u32>(rule, layout.rule_action_at) == action
  );
}

/** Evaluates the rule of a candidate; `result` is what came of it, and nothing else is left behind. */
function evaluateRule(policy: Policy, index: u32, record: usize, charge: Charge, result: RuleResult): Reason {
  clearBytes(changetype<usize>(result), result_bytes);
  clearFailures();
  const rule = candidate(index);
  result.rule = rule + 1;
  const reason = checkParts(policy, index, record, charge, result);
  result.finding = finding(reason, detailOf(result.finding));
  if (reason == Reason.INTERNAL) result.failure = firstFailure();
  if (inspecting) reportRule(rule, reason);
  return reason;
}

/** The parts of a rule, in the order of their reasons: ALLOWED, RULE_DENIED, or the part that does not hold. */
function checkParts(policy: Policy, index: u32, rule: usize, charge: Charge, result: RuleResult): Reason {
  if (!isActive(rule)) return Reason.GRANT_INACTIVE;
  const found = checkToken(policy, rule, result);
  const token = reasonOf(found);
  result.finding = found;
  if (token == Reason.INTERNAL) return token;
  const claims = claimsOf(result);
  if (load<u32>(rule, layout.rule_action_at) == layout.action_deny) return checkDenial(policy, index, rule, claims);
  if (token != Reason.ALLOWED) return token;
  if (!hasScopes(policy, rule, claims)) return Reason.SCOPE_MISSING;
  const condition = holds(policy, index, rule, claims);
  if (condition == Outcome.FALSE) return Reason.CONDITION_FALSE;
  if (condition == Outcome.ERROR) return Reason.CONDITION_ERROR;
  if (condition == Outcome.FAILED) return Reason.INTERNAL;
  return charge == Charge.NOTHING ? Reason.ALLOWED : takeLimits(policy, rule, claims, charge == Charge.DRY, result);
}

/** A deny rule fails closed: what cannot be evaluated matches, and without a good token there are no claims to evaluate. */
function checkDenial(policy: Policy, index: u32, rule: usize, claims: usize): Reason {
  const condition = holds(policy, index, rule, claims);
  if (condition == Outcome.FAILED) return Reason.INTERNAL;
  return condition == Outcome.FALSE ? Reason.CONDITION_FALSE : Reason.RULE_DENIED;
}

/** The claims of the token that a rule asked for, a record of their tape; `absent` where it asked for none, or found none that is good. */
function claimsOf(result: RuleResult): usize {
  return result.verifiedIssuer == 0 ? absent : tokenSlot(result.verifiedPlace).claims;
}

function holds(policy: Policy, index: u32, rule: usize, claims: usize): Outcome {
  if (load<u32>(rule, layout.rule_condition_at + 4) == 0) return Outcome.TRUE;
  return evaluateCondition(policy, candidate(index), candidateBinding(index), claims);
}

/** Just-in-time grants: from `starts` on, and before `expires`. */
function isActive(rule: usize): bool {
  const now = request.nowNanoseconds / 1000000000;
  const expires = load<u64>(rule, layout.rule_expires_seconds_at);
  return now >= load<u64>(rule, layout.rule_starts_seconds_at) && (expires == 0 || now < expires);
}
