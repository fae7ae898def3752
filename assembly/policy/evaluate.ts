/**
 * The decision: a deny rule that matches wins; else any allow rule whose every part holds admits; else the reason is
 * that of the allow rule that came closest. Rules are judged in the order of their names, whatever their order in the
 * file was; of several that admit, the first is reported and its limits are charged.
 */
import { inspecting, reportRule } from "../audit/inspect";
import { takeLimits } from "../limit/limit";
import { Reason } from "../reason";
import { candidate, request } from "../request/request";
import { hasScopes } from "../token/scopes";
import { checkToken } from "../token/token";
import * as layout from "./layout";
import { Policy, ruleAt } from "./policy";

/** Judges the candidates in the request's slot and names the rule that decided there. */
export function evaluate(policy: Policy): Reason {
  const count = request.candidateCount;
  let decision = Reason.NO_RULE;
  for (let index: u32 = 0; index < count; index++) {
    const rule = candidate(index);
    if (load<u32>(ruleAt(policy, rule), layout.rule_action) != layout.action_deny) continue;
    if (inspecting) reportRule(rule, Reason.RULE_DENIED);
    if (decision == Reason.RULE_DENIED) continue;
    decision = Reason.RULE_DENIED;
    request.rule = rule + 1;
    if (!inspecting) return decision;
  }
  const denied = decision == Reason.RULE_DENIED;
  for (let index: u32 = 0; index < count; index++) {
    const rule = candidate(index);
    const record = ruleAt(policy, rule);
    if (load<u32>(record, layout.rule_action) != layout.action_allow) continue;
    const decided = denied || decision == Reason.ALLOWED || decision == Reason.INTERNAL;
    const reason = judge(policy, record, !decided);
    if (inspecting) reportRule(rule, reason);
    if (decided) continue;
    // The reasons stand in the order of the checks. A failure of ours ends the matter: what it hid is not known.
    if (reason == Reason.ALLOWED || reason > decision) {
      decision = reason;
      request.rule = rule + 1;
    }
    if ((reason == Reason.ALLOWED || reason == Reason.INTERNAL) && !inspecting) return decision;
  }
  // A caller whose identity does not count could only have been admitted by a rule for anyone.
  if (decision == Reason.NO_RULE && request.callerReason != Reason.ALLOWED) return request.callerReason;
  return decision;
}

/** The parts of an allow rule, cheapest first. Limits are charged only where the rule would decide. */
function judge(policy: Policy, rule: usize, charge: bool): Reason {
  const token = checkToken(policy, rule);
  if (token != Reason.ALLOWED) return token;
  if (!hasScopes(policy, rule)) return Reason.SCOPE_MISSING;
  return charge ? takeLimits(policy, rule) : Reason.ALLOWED;
}
