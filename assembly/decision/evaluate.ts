/**
 * The decision: a deny rule that matches wins; else any allow rule whose every part holds admits; else the reason is
 * that of the allow rule that came closest. Rules are evaluated in the order of their names, whatever their order in the
 * file was, and those that take a token before those that admit without one; of several that admit, the first is reported, its
 * limits are charged, and the token it verified is the one that the upstream is told of. A token that an optional one would have
 * been, and that is not good, keeps rules from admitting without one. Rules in shadow mode are evaluated when all is decided, and
 * take no part in it.
 */

import { awaitBody, isToCome, readBody } from "../body/body";
import { clearBytes, copyBytes } from "../bytes/span";
import { absent, empty_object } from "../bytes/tape";
import { cost_failed, evaluateCondition, evaluateCost, no_cost, Outcome } from "../condition/evaluate";
import { takeSourceRefused } from "../condition/sources";
import { Detail } from "../detail";
import { Finding, finding, good, internal, isGood, reasonOf, withReason } from "../finding";
import { clearFailures, firstFailure } from "../host/host";
import { inspecting, reportRule } from "../inspect";
import { takeLimits } from "../limit/limit";
import * as layout from "../policy/layout";
import { head, Policy, ruleAt } from "../policy/policy";
import { Reason } from "../reason";
import { as_sent, readAs } from "../request/forms";
import { addShadow, candidate, candidateBinding, candidateReading, request } from "../request/request";
import { RuleResult, result_bytes } from "../request/result";
import { hasScopes } from "../token/scopes";
import { tokenSlot } from "../token/slot";
import { adoptToken, checkToken } from "../token/token";
import { bodyBytesMax, checkSizes } from "./sizes";

/** What becomes of the limits of a rule that is evaluated. */
const enum Charge {
  /** The rule does not decide any more, so that its limits do not matter. */
  NOTHING = 0,
  DRY,
  TAKE,
}

/** Which rules are evaluated: those that have a good token, those that need none, whether or not they would take one, or both. */
const enum Among {
  WITH_TOKEN = 0,
  WITHOUT_TOKEN,
  ALL,
}

/** What came of the rule that is evaluated. */
const current = changetype<RuleResult>(memory.data(40, 16));
/** What came of the rule whose optional token is there and not good; of rule 0 where there is none. */
const refused = changetype<RuleResult>(memory.data(40, 16));

/** What becomes of the limits of the rule that decides. */
let chargeInHand: Charge = Charge.TAKE;

/** As `evaluateRules`, but that nothing is taken from limits, nor are they looked at. */
export function judgeRules(policy: Policy): Reason {
  chargeInHand = Charge.NOTHING;
  const decision = evaluateRules(policy);
  chargeInHand = Charge.TAKE;
  return decision;
}

/** Evaluates the candidates in the request's slot, whose result becomes that of the rule that decided. */
export function evaluateRules(policy: Policy): Reason {
  let decision = evaluateDenyRules(policy);
  if (decision == Reason.NO_RULE || inspecting) decision = evaluateAllowRules(policy, decision);
  request.awaitedKeySets = request.unknownKeySets;
  request.hasOwnToken = request.verifiedIssuer != 0;
  adoptToken(policy, request);
  if (decision == Reason.NO_RULE && isAmbiguous(policy)) {
    request.finding = finding(Reason.PATH_AMBIGUOUS, Detail.NONE);
    return Reason.PATH_AMBIGUOUS;
  }
  // A caller whose identity does not count could only have been admitted by a rule for anyone.
  if (decision != Reason.NO_RULE || request.callerReason == Reason.ALLOWED) return decision;
  request.finding = finding(request.callerReason, request.callerDetail);
  return request.callerReason;
}

/** Whether a path that no rule matches has a form that the policy as a whole does not take, or an allow rule that fits does not. */
function isAmbiguous(policy: Policy): bool {
  const own = load<u32>(head(policy), layout.policy_own_forms_at);
  return request.isFormRefused || (request.forms & ~own) != 0;
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
    const reason = evaluateRule(policy, index, record, Among.ALL, Charge.NOTHING, current);
    // What a failure of ours hid is not known, so it ends the matter like a denial.
    if ((reason != Reason.RULE_DENIED && reason != Reason.INTERNAL) || decision != Reason.NO_RULE) continue;
    decision = decideBy(current);
    if (!inspecting) return decision;
  }
  return decision;
}

function evaluateAllowRules(policy: Policy, decided: Reason): Reason {
  refused.rule = 0;
  let decision = evaluateAmong(policy, Among.WITH_TOKEN, decided, decided != Reason.NO_RULE);
  let isFinal = decided != Reason.NO_RULE || isEnd(decision);
  // Where keys are lacking, what the token is worth is not known.
  if (!isFinal && refused.rule != 0) {
    if (decision < Reason.KEYS_UNAVAILABLE) decision = decideBy(refused);
    isFinal = true;
  }
  if (isFinal && !inspecting) return decision;
  return evaluateAmong(policy, Among.WITHOUT_TOKEN, decision, isFinal);
}

/** A failure of ours ends the matter: what it hid is not known. */
// @inline
function isEnd(reason: Reason): bool {
  return reason == Reason.ALLOWED || reason == Reason.INTERNAL;
}

/** @param isFinal whether `decided` stands, so that rules are evaluated for those who look on alone */
function evaluateAmong(policy: Policy, among: Among, decided: Reason, isFinal: bool): Reason {
  let decision = decided;
  let isOver = isFinal;
  for (let index: u32 = 0; index < request.candidateCount; index++) {
    const record = ruleAt(policy, candidate(index));
    if (!decides(record, layout.action_allow) || !isAmong(record, among)) continue;
    const reason = evaluateRule(
      policy,
      index,
      record,
      among,
      isOver ? Charge.NOTHING : isDefined(BODIES) ? chargeInHand : Charge.TAKE,
      current,
    );
    if (isOver) continue;
    isOver = isEnd(reason);
    if (isOver || isCloser(reason, decision)) decision = decideBy(current);
    if (isOver && !inspecting) return decision;
  }
  return decision;
}

/** The reasons stand in the order of the checks. Of two rules that came as close, the first by its name tells why. */
function isCloser(reason: Reason, decision: Reason): bool {
  return reason > decision || (reason == decision && reason != Reason.NO_RULE && current.rule < request.rule);
}

/** Whether a rule may be one of those; one with an optional token is one or the other. */
function isAmong(rule: usize, among: Among): bool {
  if (load<u32>(rule, layout.rule_token_at) == layout.token_optional) return true;
  return (load<u32>(rule, layout.rule_issuers_at + 4) == 0) == (among == Among.WITHOUT_TOKEN);
}

/** Whether a candidate that decides denies or admits; what would come of it alone. Nothing is taken from limits, and nothing else is left behind. */
export function judgeCandidate(policy: Policy, index: u32): Reason {
  const record = ruleAt(policy, candidate(index));
  if (load<u32>(record, layout.rule_mode_at) != layout.mode_enforce) return Reason.NO_RULE;
  return evaluateRule(policy, index, record, Among.ALL, Charge.NOTHING, current);
}

/** Evaluates the candidates in shadow mode, once the others have decided. */
export function evaluateShadowRules(policy: Policy): void {
  for (let index: u32 = 0; index < request.candidateCount; index++) {
    const rule = candidate(index);
    const record = ruleAt(policy, rule);
    if (load<u32>(record, layout.rule_mode_at) != layout.mode_shadow) continue;
    const reason = evaluateRule(policy, index, record, Among.ALL, Charge.DRY, current);
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

/**
 * Evaluates the rule of a candidate; `result` is what came of it, and nothing else is left behind. NO_RULE where it turns out to be
 * none of those that are evaluated.
 */
function evaluateRule(
  policy: Policy,
  index: u32,
  record: usize,
  among: Among,
  charge: Charge,
  result: RuleResult,
): Reason {
  clearBytes(changetype<usize>(result), result_bytes);
  clearFailures();
  const rule = candidate(index);
  result.rule = rule + 1;
  result.binding = candidateBinding(index);
  const reading = candidateReading(index);
  if (reading != as_sent) readAs(reading);
  const reason = checkParts(policy, index, record, among, charge, result);
  if (reading != as_sent) readAs(as_sent);
  result.finding = withReason(result.finding, reason);
  if (reason == Reason.INTERNAL) result.failure = firstFailure();
  if (inspecting && reason != Reason.NO_RULE) reportRule(rule, reason);
  return reason;
}

/** The parts of a rule, in the order of their reasons: ALLOWED, RULE_DENIED, or the part that does not hold. */
function checkParts(policy: Policy, index: u32, rule: usize, among: Among, charge: Charge, result: RuleResult): Reason {
  const isDenial = load<u32>(rule, layout.rule_action_at) == layout.action_deny;
  result.finding = checkSizes(policy, rule);
  // A deny rule has bounds for what it reads, and denies what it cannot read.
  if (!isGood(result.finding)) return isDenial ? Reason.RULE_DENIED : reasonOf(result.finding);
  if (!isActive(rule)) return Reason.GRANT_INACTIVE;
  const found = checkToken(policy, rule, result);
  const token = reasonOf(found);
  if (token == Reason.INTERNAL) return token;
  const isOptional = load<u32>(rule, layout.rule_token_at) == layout.token_optional;
  const isLeftOut = isOptional && token == Reason.TOKEN_MISSING;
  if (isOptional && isLeftOut != (among == Among.WITHOUT_TOKEN) && among != Among.ALL) return Reason.NO_RULE;
  result.finding = isLeftOut ? good : found;
  const claims = isLeftOut ? empty_object : claimsOf(result);
  if (isDenial && isDefined(BODIES)) {
    const body = findBody(policy, rule);
    if (body == body_awaited) return Reason.CONDITION_FALSE;
    if (!isGood(body)) return reasonOf(body) == Reason.INTERNAL ? Reason.INTERNAL : Reason.RULE_DENIED;
  }
  if (isDenial) return checkDenial(policy, index, rule, claims, result);
  if (token != Reason.ALLOWED && !isLeftOut) {
    if (isOptional && among == Among.WITH_TOKEN) refuse(result);
    return token;
  }
  if (!hasScopes(policy, rule, result.verifiedIssuer, claims)) return Reason.SCOPE_MISSING;
  if (isDefined(BODIES)) {
    const body = findBody(policy, rule);
    if (body == body_awaited) return Reason.NO_RULE;
    if (!isGood(body)) {
      result.finding = body;
      return reasonOf(body);
    }
  }
  const condition = holds(policy, index, rule, claims, result);
  if (condition == Outcome.FALSE) return Reason.CONDITION_FALSE;
  if (condition == Outcome.ERROR) return Reason.CONDITION_ERROR;
  if (condition == Outcome.FAILED) return Reason.INTERNAL;
  const cost = evaluateCost(policy, candidate(index), candidateBinding(index), claims);
  noteRefusedSource(cost == no_cost, result);
  if (cost == cost_failed) return Reason.INTERNAL;
  if (cost == no_cost) return Reason.CONDITION_ERROR;
  if (charge == Charge.NOTHING) return Reason.ALLOWED;
  return takeLimits(policy, rule, claims, cost, charge == Charge.DRY, result);
}

/** Keeps what is wrong with the token of a rule that would do without: of several that of the one that came closest. */
function refuse(result: RuleResult): void {
  if (refused.rule != 0 && reasonOf(refused.finding) >= reasonOf(result.finding)) return;
  copyBytes(changetype<usize>(refused), changetype<usize>(result), result_bytes);
}

/** A deny rule fails closed: what cannot be evaluated matches, and without a good token there are no claims to evaluate. */
function checkDenial(policy: Policy, index: u32, rule: usize, claims: usize, result: RuleResult): Reason {
  const condition = holds(policy, index, rule, claims, result);
  if (condition == Outcome.FAILED) return Reason.INTERNAL;
  return condition == Outcome.FALSE ? Reason.CONDITION_FALSE : Reason.RULE_DENIED;
}

/** The rule cannot be told before the body is there. */
const body_awaited: Finding = 0xffffffff;

/** What stands in the way of a rule that reads the body, or the calls in it; `good` for others. */
function findBody(policy: Policy, rule: usize): Finding {
  const reads = load<u32>(rule, layout.rule_reads_at);
  if (reads == 0 || ((reads & layout.reads_body) == 0 && !isOfCalls)) return good;
  if (isOfCalls && !isGood(unread)) return unread == internal ? readBody() : unread;
  if (!isToCome() && (reads & layout.reads_body) == 0) return good;
  const found = readBody();
  if (!isGood(found) || !isToCome()) return found;
  // No more than there is room for.
  awaitBody(min(bodyBytesMax(policy, rule), load<u32>(head(policy), layout.policy_body_bytes_at)));
  return body_awaited;
}

/** Whether the path of the request in hand is a protocol's. */
let isOfCalls: bool = false;

/** Why the calls of the request in hand cannot be read, if they cannot. */
let unread: Finding = good;

/** Says why. */
export function setUnread(found: Finding): void {
  unread = found;
}

/** Says whether it is. */
export function setOfCalls(is: bool): void {
  isOfCalls = is;
}

/** The claims of the token that a rule asked for, a record of their tape; `absent` where it asked for none, or found none that is good. */
export function claimsOf(result: RuleResult): usize {
  return result.verifiedIssuer == 0 ? absent : tokenSlot(result.verifiedPlace).claims;
}

function holds(policy: Policy, index: u32, rule: usize, claims: usize, result: RuleResult): Outcome {
  if (load<u32>(rule, layout.rule_condition_at + 4) == 0) return Outcome.TRUE;
  const outcome = evaluateCondition(policy, candidate(index), candidateBinding(index), claims);
  noteRefusedSource(outcome == Outcome.ERROR, result);
  return outcome;
}

/** What could not be evaluated may have asked for the caller's address. The reason is put to the detail once it is known. */
function noteRefusedSource(isError: bool, result: RuleResult): void {
  const isRefused = takeSourceRefused();
  if (isError && isRefused) result.finding = finding(Reason.ALLOWED, Detail.SOURCE_FORWARDED);
}

/** Just-in-time grants: from `starts` on, and before `expires`. */
function isActive(rule: usize): bool {
  const now = request.nowNanoseconds / 1000000000;
  const expires = load<u64>(rule, layout.rule_expires_seconds_at);
  return now >= load<u64>(rule, layout.rule_starts_seconds_at) && (expires == 0 || now < expires);
}
