/**
 * The decision: a deny rule that matches wins; else any allow rule whose every part holds admits; else the reason is
 * that of the allow rule that came closest. Rules are judged in the order of their names, whatever their order in the
 * file was; of several that admit, the first is reported and its limits are charged. Rules in shadow mode are judged
 * when all is decided, and take no part in it.
 */

import { absent } from "../bytes/tape";
import { evaluateCondition, Outcome } from "../condition/evaluate";
import { Flaw } from "../detail";
import { Finding, finding, flawOf, isGood, placeOf, reasonOf } from "../finding";
import { inspecting, reportRule } from "../inspect";
import { takeLimits } from "../limit/limit";
import * as layout from "../policy/layout";
import { Policy, ruleAt } from "../policy/policy";
import { Reason } from "../reason";
import { addShadow, candidate, candidateBinding, request } from "../request/request";
import { hasScopes } from "../token/scopes";
import { tokenSlot } from "../token/slot";
import { checkToken, selectToken } from "../token/token";

/** What becomes of the limits of a rule that is judged. */
const enum Charge {
  /** The rule does not decide any more, so that its limits do not matter. */
  NOTHING = 0,
  DRY,
  TAKE,
}

/** Evaluates the candidates in the request's slot and names the rule that decided there. */
export function evaluateRules(policy: Policy): Reason {
  issuerKept = 0;
  let decision = judgeDenyRules(policy);
  if (decision == Reason.NO_RULE || inspecting) decision = judgeAllowRules(policy, decision);
  request.awaitedKeySets = request.unknownKeySets;
  if (request.rule == 0) keepToken();
  // A caller whose identity does not count could only have been admitted by a rule for anyone.
  if (decision != Reason.NO_RULE || request.callerReason == Reason.ALLOWED) return decision;
  request.finding = finding(request.callerReason, request.callerFlaw);
  return request.callerReason;
}

/** The issuer, and the place, of the token that belongs to the rule in `request.rule`. */
let issuerKept: u32 = 0;
let placeKept: u32 = 0;

/** A rule has the say until another comes closer: it, its token, and what is wrong with that. */
function nameRule(rule: u32, decision: Reason): void {
  request.rule = rule + 1;
  request.finding = finding(decision, request.tokenFlaw);
  keepToken();
}

function keepToken(): void {
  issuerKept = request.verifiedIssuer;
  placeKept = request.verifiedPlace;
}

/** The record, the limits and the headers for the upstream read the claims of the rule that decided. */
function restoreToken(): void {
  request.verifiedIssuer = issuerKept;
  if (issuerKept != 0) selectToken(placeKept, issuerKept - 1);
}

function judgeDenyRules(policy: Policy): Reason {
  let decision = Reason.NO_RULE;
  for (let index: u32 = 0; index < request.candidateCount; index++) {
    const rule = candidate(index);
    const record = ruleAt(policy, rule);
    if (!decides(record, layout.action_deny)) continue;
    const reason = judge(policy, index, record, Charge.NOTHING);
    if (inspecting) reportRule(rule, reason);
    // What a failure of ours hid is not known, so it ends the matter like a denial.
    if ((reason != Reason.RULE_DENIED && reason != Reason.INTERNAL) || decision != Reason.NO_RULE) continue;
    decision = reason;
    nameRule(rule, decision);
    if (!inspecting) return decision;
  }
  return decision;
}

function judgeAllowRules(policy: Policy, decided: Reason): Reason {
  let decision = decided;
  let isFinal = decided != Reason.NO_RULE;
  for (let index: u32 = 0; index < request.candidateCount; index++) {
    const rule = candidate(index);
    const record = ruleAt(policy, rule);
    if (!decides(record, layout.action_allow)) continue;
    const reason = judge(policy, index, record, isFinal ? Charge.NOTHING : Charge.TAKE);
    if (inspecting) reportRule(rule, reason);
    if (isFinal) continue;
    // The reasons stand in the order of the checks. A failure of ours ends the matter: what it hid is not known.
    isFinal = reason == Reason.ALLOWED || reason == Reason.INTERNAL;
    if (isFinal || reason > decision) {
      decision = reason;
      nameRule(rule, decision);
    }
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
    const limit = request.fullLimit;
    const wait = request.retryAfterSeconds;
    const reason = judge(policy, index, record, Charge.DRY);
    request.fullLimit = limit;
    request.retryAfterSeconds = wait;
    if (inspecting) reportRule(rule, reason);
    // A deny rule that does not match would have done nothing.
    const isSilent = load<u32>(record, layout.rule_action_at) == layout.action_deny && reason < Reason.INTERNAL;
    if (!isSilent || reason == Reason.RULE_DENIED) addShadow(rule, reason);
  }
  restoreToken();
}

function decides(rule: usize, action: u32): bool {
  return (
    load<u32>(rule, layout.rule_mode_at) == layout.mode_enforce && load<u32>(rule, layout.rule_action_at) == action
  );
}

/** The parts of a candidate's rule, in the order of their reasons: ALLOWED, RULE_DENIED, or the part that does not hold. */
function judge(policy: Policy, index: u32, rule: usize, charge: Charge): Reason {
  request.tokenFlaw = Flaw.NONE;
  if (!isActive(rule)) return Reason.GRANT_INACTIVE;
  const found = checkToken(policy, rule);
  const token = reasonOf(found);
  request.tokenFlaw = flawOf(found);
  if (token == Reason.INTERNAL) return token;
  const claims = claimsOf(rule, found);
  if (load<u32>(rule, layout.rule_action_at) == layout.action_deny) return judgeDenial(policy, index, rule, claims);
  if (token != Reason.ALLOWED) return token;
  if (!hasScopes(policy, rule, claims)) return Reason.SCOPE_MISSING;
  const condition = holds(policy, index, rule, claims);
  if (condition == Outcome.FALSE) return Reason.CONDITION_FALSE;
  if (condition == Outcome.ERROR) return Reason.CONDITION_ERROR;
  if (condition == Outcome.FAILED) return Reason.INTERNAL;
  return charge == Charge.NOTHING ? Reason.ALLOWED : takeLimits(policy, rule, claims, charge == Charge.DRY);
}

/** A deny rule fails closed: what cannot be evaluated matches, and without a good token there are no claims to evaluate. */
function judgeDenial(policy: Policy, index: u32, rule: usize, claims: usize): Reason {
  const condition = holds(policy, index, rule, claims);
  if (condition == Outcome.FAILED) return Reason.INTERNAL;
  return condition == Outcome.FALSE ? Reason.CONDITION_FALSE : Reason.RULE_DENIED;
}

/** The claims of the token that a rule asked for, a record of their tape; `absent` where it asked for none, or found none that is good. */
function claimsOf(rule: usize, found: Finding): usize {
  const asks = load<u32>(rule, layout.rule_issuers_at + 4) != 0;
  return asks && isGood(found) ? tokenSlot(placeOf(found)).claims : absent;
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
