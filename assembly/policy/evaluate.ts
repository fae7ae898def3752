/**
 * The decision: a deny rule that matches wins; else any allow rule whose every part holds admits; else the reason is
 * that of the allow rule that came closest. Rules are judged in the order of their names, whatever their order in the
 * file was; of several that admit, the first is reported and its limits are charged. Rules in shadow mode are judged
 * when all is decided, and take no part in it.
 */
import { inspecting, reportRule } from "../audit/inspect";
import { takeLimits } from "../limit/limit";
import { Reason } from "../reason";
import { addShadow, candidate, request } from "../request/request";
import { hasScopes } from "../token/scopes";
import { checkToken } from "../token/token";
import * as layout from "./layout";
import { Policy, ruleAt } from "./policy";

/** What becomes of the limits of a rule that is judged. */
const enum Charge {
  /** The rule does not decide any more, so that its limits do not matter. */
  NOTHING = 0,
  DRY,
  TAKE,
}

/** Judges the candidates in the request's slot and names the rule that decided there. */
export function evaluate(policy: Policy): Reason {
  let decision = judgeDenyRules(policy);
  if (decision != Reason.RULE_DENIED || inspecting) decision = judgeAllowRules(policy, decision);
  judgeShadowRules(policy);
  // A caller whose identity does not count could only have been admitted by a rule for anyone.
  if (decision == Reason.NO_RULE && request.callerReason != Reason.ALLOWED) return request.callerReason;
  return decision;
}

function judgeDenyRules(policy: Policy): Reason {
  let decision = Reason.NO_RULE;
  for (let index: u32 = 0; index < request.candidateCount; index++) {
    const rule = candidate(index);
    const record = ruleAt(policy, rule);
    if (!decides(record, layout.action_deny)) continue;
    const reason = judge(policy, record, Charge.NOTHING);
    if (inspecting) reportRule(rule, reason);
    if (reason != Reason.RULE_DENIED || decision == Reason.RULE_DENIED) continue;
    decision = reason;
    request.rule = rule + 1;
    if (!inspecting) return decision;
  }
  return decision;
}

function judgeAllowRules(policy: Policy, decided: Reason): Reason {
  let decision = decided;
  let isFinal = decided == Reason.RULE_DENIED;
  for (let index: u32 = 0; index < request.candidateCount; index++) {
    const rule = candidate(index);
    const record = ruleAt(policy, rule);
    if (!decides(record, layout.action_allow)) continue;
    const reason = judge(policy, record, isFinal ? Charge.NOTHING : Charge.TAKE);
    if (inspecting) reportRule(rule, reason);
    if (isFinal) continue;
    // The reasons stand in the order of the checks. A failure of ours ends the matter: what it hid is not known.
    isFinal = reason == Reason.ALLOWED || reason == Reason.INTERNAL;
    if (isFinal || reason > decision) {
      decision = reason;
      request.rule = rule + 1;
    }
    if (isFinal && !inspecting) return decision;
  }
  return decision;
}

function judgeShadowRules(policy: Policy): void {
  for (let index: u32 = 0; index < request.candidateCount; index++) {
    const rule = candidate(index);
    const record = ruleAt(policy, rule);
    if (load<u32>(record, layout.rule_mode) != layout.mode_shadow) continue;
    const limit = request.fullLimit;
    const wait = request.retryAfterSeconds;
    const reason = judge(policy, record, Charge.DRY);
    request.fullLimit = limit;
    request.retryAfterSeconds = wait;
    if (inspecting) reportRule(rule, reason);
    addShadow(rule, reason);
  }
}

function decides(rule: usize, action: u32): bool {
  return load<u32>(rule, layout.rule_mode) == layout.mode_enforce && load<u32>(rule, layout.rule_action) == action;
}

/** The parts of a rule, cheapest first: ALLOWED, RULE_DENIED, or the part that does not hold. */
function judge(policy: Policy, rule: usize, charge: Charge): Reason {
  if (!isActive(rule)) return Reason.GRANT_INACTIVE;
  if (load<u32>(rule, layout.rule_action) == layout.action_deny) return Reason.RULE_DENIED;
  const token = checkToken(policy, rule);
  if (token != Reason.ALLOWED) return token;
  if (!hasScopes(policy, rule)) return Reason.SCOPE_MISSING;
  return charge == Charge.NOTHING ? Reason.ALLOWED : takeLimits(policy, rule, charge == Charge.DRY);
}

/** Just-in-time grants: from `starts` on, and before `expires`. */
function isActive(rule: usize): bool {
  const now = request.nowNanoseconds / 1000000000;
  const expires = load<u64>(rule, layout.rule_expires_seconds);
  return now >= load<u64>(rule, layout.rule_starts_seconds) && (expires == 0 || now < expires);
}
