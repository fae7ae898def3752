/**
 * Decides a request that may have to be looked into: by rules that read its body, or call by call where a protocol is spoken on its path.
 *
 *   no rule in question reads the body ───────────────────► decided, as any request
 *   the body is to come, and some rule hangs on it ───────► `isAwaited`: it is decided anew with the body
 *   calls ──► each is decided by its own rules ───────────► all are admitted, or the request is denied for the first that is not
 *
 * Limits are taken from at the end, once for each rule, by what all of its calls cost.
 */
import { bodyRecord, forgetAwaited, isAwaited, isToCome, Phase, phaseOf, readBody } from "../body/body";
import { beginCalls, callAt, callCount, callKind, chooseCall, clearCalls, leaveCalls } from "../body/calls";
import { hasGraphqlQuery, readGraphqlBody, readGraphqlQuery } from "../body/graphql";
import { isMethod, readJsonRpc } from "../body/jsonrpc";
import { addToListing, beginListing, offerAll } from "../body/listing";
import { findProtocol, near_protocol } from "../body/protocol";
import { literal } from "../bytes/literal";
import { clearBytes } from "../bytes/span";
import { cost_failed, evaluateCost, no_cost } from "../condition/evaluate";
import { Detail } from "../detail";
import { Finding, finding, good, isGood, reasonOf } from "../finding";
import { clearFailures } from "../host/host";
import { inspecting, setInspecting } from "../inspect";
import { awaitsFleet } from "../keys/waiting";
import { takeLimits } from "../limit/limit";
import { calls_max } from "../limits";
import * as layout from "../policy/layout";
import { limitAt, Policy, recordAt, ruleAt, sectionCount, textSize, wordAt } from "../policy/policy";
import { Reason } from "../reason";
import { candidate, request } from "../request/request";
import { result_bytes } from "../request/result";
import { claimsOf, evaluateRules, judgeCandidate, judgeRules, setOfCalls, setUnread } from "./evaluate";
import { addCallCandidates, findCandidates } from "./match";

/** Rules that admit calls, + 1; what these cost together; and the number of one of them. */
const bills: usize = memory.data(isDefined(BODIES) ? calls_max * 12 : 4, 4);
let billCount: u32 = 0;

/** Decides the request in hand, whose candidates for its plain endpoints are there. */
export function evaluateRequest(policy: Policy): Reason {
  setOfCalls(false);
  if (sectionCount(policy, layout.section_protocols) == 0) return evaluatePlain(policy);
  const protocol = findProtocol(policy);
  if (protocol == 0) return evaluatePlain(policy);
  if (protocol == near_protocol) return Reason.PATH_AMBIGUOUS;
  const kind = load<u32>(protocol, layout.protocol_kind_at);
  const isGraphql = kind == layout.protocol_graphql;
  if (phaseOf() != Phase.AWAITED) beginCalls(kind);
  if (phaseOf() == Phase.NONE) {
    if (!isGraphql || !hasGraphqlQuery()) {
      clearCalls();
      return evaluatePlain(policy);
    }
    setOfCalls(true);
    const found = readGraphqlQuery(protocol);
    return isGood(found) ? evaluateCalls(policy) : evaluateUnread(policy, found);
  }
  setOfCalls(true);
  if (isToCome()) {
    const offered = addCallCandidates(policy, null);
    return offered == Reason.ALLOWED ? evaluatePlain(policy) : offered;
  }
  const body = readBody();
  if (!isGood(body)) return evaluateUnread(policy, body);
  const most = load<u32>(protocol, layout.protocol_calls_at);
  const found = isGraphql
    ? readGraphqlBody(policy, protocol, bodyRecord())
    : readJsonRpc(bodyRecord(), kind, min(most, calls_max));
  return isGood(found) ? evaluateCalls(policy) : evaluateUnread(policy, found);
}

/** Forgets what came of rules that were evaluated before. */
function clearResult(): void {
  clearBytes(changetype<usize>(request), result_bytes);
}

function evaluatePlain(policy: Policy): Reason {
  if (!hasReaders(policy)) return evaluateRules(policy);
  const reason = judgeRules(policy);
  // A deny rule that needs no body has denied; or nobody knows what a failure hides.
  if (reason == Reason.RULE_DENIED || reason == Reason.INTERNAL) forgetAwaited();
  if (isAwaited || reason == Reason.RULE_DENIED || reason == Reason.INTERNAL) return reason;
  clearResult();
  return evaluateRules(policy);
}

/** Whether one of the candidates may hang on a body that is to come. */
function hasReaders(policy: Policy): bool {
  if (!isToCome()) return false;
  for (let index: u32 = 0; index < request.candidateCount; index++) {
    if (load<u32>(ruleAt(policy, candidate(index)), layout.rule_reads_at) != 0) return true;
  }
  return false;
}

/** Rules for calls cannot be told where calls cannot be read: all that could admit or deny some call here end with that finding. */
function evaluateUnread(policy: Policy, found: Finding): Reason {
  leaveCalls();
  const offered = addCallCandidates(policy, null);
  if (offered != Reason.ALLOWED) return offered;
  setUnread(found);
  const reason = evaluateRules(policy);
  setUnread(good);
  // A deny rule that hangs on the call denies; why is told by what is wrong.
  if (reason != Reason.RULE_DENIED || load<u32>(ruleAt(policy, request.rule - 1), layout.rule_reads_at) == 0)
    return reason;
  request.finding = found;
  return reasonOf(found);
}

/** The candidates of one call: those of the request's own endpoint, and of the call's. */
function findForCall(policy: Policy, index: u32): Reason {
  clearResult();
  request.candidateCount = 0;
  const call = chooseCall(index);
  const found = findCandidates(policy);
  return found == Reason.ALLOWED ? addCallCandidates(policy, call) : found;
}

function evaluateCalls(policy: Policy): Reason {
  const reason = evaluateEach(policy);
  if (reason != Reason.ALLOWED || callKind != layout.protocol_mcp || !listsTools() || awaitsFleet()) return reason;
  // What `explain` is told is the decision, not what is looked up for the answer.
  const wasInspecting = inspecting;
  setInspecting(false);
  const collected = collectTools(policy);
  setInspecting(wasInspecting);
  if (callCount() == 1) chooseCall(0);
  return collected;
}

function evaluateEach(policy: Policy): Reason {
  const count = callCount();
  if (count == 1 && callAt(0).times == 1) {
    const found = findForCall(policy, 0);
    return found == Reason.ALLOWED ? evaluateRules(policy) : found;
  }
  billCount = 0;
  for (let index: u32 = 0; index < count; index++) {
    const found = findForCall(policy, index);
    if (found != Reason.ALLOWED) return found;
    const reason = judgeRules(policy);
    if (reason != Reason.ALLOWED) return reason;
    const cost = evaluateCost(policy, request.rule - 1, request.binding, claimsOf(request));
    if (cost == cost_failed) return Reason.INTERNAL;
    if (cost == no_cost) return Reason.CONDITION_ERROR;
    addBill(request.rule, <u64>cost * callAt(index).times, index);
  }
  const reason = takeBills(policy);
  if (reason == Reason.ALLOWED) leaveCalls();
  return reason;
}

const tools_list = literal("tools/list");

/** Whether one of the calls lists the tools of a server. */
function listsTools(): bool {
  for (let index: u32 = 0; index < callCount(); index++) {
    const call = callAt(index);
    if (isMethod(call, tools_list.start, tools_list.size)) return true;
  }
  return false;
}

/** By which rules the caller may call tools, for the answer to a list of them. What hangs on a tool's arguments is left to the call. */
function collectTools(policy: Policy): Reason {
  leaveCalls();
  request.candidateCount = 0;
  let found = findCandidates(policy);
  if (found == Reason.ALLOWED) found = addCallCandidates(policy, null);
  if (found != Reason.ALLOWED) return found;
  beginListing();
  for (let index: u32 = 0; index < request.candidateCount; index++) {
    const rule = candidate(index);
    const record = ruleAt(policy, rule);
    const reads = load<u32>(record, layout.rule_reads_at);
    const names = load<u32>(record, layout.rule_tools_at + 4);
    const reason = judgeCandidate(policy, index);
    if (reason == Reason.INTERNAL) return reason;
    const isUnknown = (reads & (layout.reads_call | layout.reads_body)) != 0;
    if (load<u32>(record, layout.rule_action_at) == layout.action_deny) {
      if (names != 0 && reason == Reason.RULE_DENIED && !isUnknown) addToListing(rule, true);
    } else if (reason == Reason.ALLOWED || (reason == Reason.CONDITION_ERROR && isUnknown)) {
      if (reads == 0) offerAll();
      else if (names != 0) addToListing(rule, false);
    }
  }
  clearFailures();
  return Reason.ALLOWED;
}

function addBill(rule: u32, cost: u64, call: u32): void {
  let bill = bills;
  const end = bills + <usize>billCount * 12;
  while (bill < end && load<u32>(bill) != rule) bill += 12;
  if (bill == end) {
    billCount++;
    store<u32>(bill, rule);
    store<u32>(bill, 0, 4);
    store<u32>(bill, call, 8);
  }
  store<u32>(bill, <u32>min<u64>(<u64>load<u32>(bill, 4) + cost, <u64>u32.MAX_VALUE), 4);
}

/** Takes from the limits of each rule. What the rules before one without room have given is not given back. */
function takeBills(policy: Policy): Reason {
  let ofFleet: u32 = 0;
  for (let index: u32 = 0; index < billCount; index++)
    ofFleet += u32(hasFleetLimit(policy, load<u32>(bills + index * 12)));
  if (ofFleet > 1) {
    // A request asks its fleet once.
    request.finding = finding(Reason.CALL_REFUSED, Detail.FLEET_LIMITS);
    return Reason.CALL_REFUSED;
  }
  for (let index: u32 = 0; index < billCount; index++) {
    const bill = bills + <usize>index * 12;
    const found = findForCall(policy, load<u32>(bill, 8));
    if (found != Reason.ALLOWED) return found;
    const judged = judgeRules(policy);
    if (judged != Reason.ALLOWED) return judged;
    const rule = ruleAt(policy, request.rule - 1);
    const cost = load<u32>(bill, 4);
    const tooSmall = limitBelow(policy, rule, cost);
    if (tooSmall != 0) {
      request.fullLimit = tooSmall;
      return Reason.LIMIT_EXCEEDED;
    }
    const reason = takeLimits(policy, rule, claimsOf(request), cost, false, request);
    if (reason != Reason.ALLOWED || awaitsFleet()) return reason;
  }
  return Reason.ALLOWED;
}

function hasFleetLimit(policy: Policy, rule: u32): bool {
  const run = ruleAt(policy, rule - 1) + layout.rule_limits_at;
  for (let index: u32 = 0; index < load<u32>(run, 4); index++) {
    const limit = limitAt(policy, wordAt(policy, load<u32>(run) + index));
    if (textSize(limit + layout.limit_fleet_at) != 0) return true;
  }
  return false;
}

/** A limit of the rule that never holds so many tokens, + 1; 0 for none. */
function limitBelow(policy: Policy, rule: usize, cost: u32): u32 {
  const run = rule + layout.rule_limits_at;
  for (let index: u32 = 0; index < load<u32>(run, 4); index++) {
    const number = wordAt(policy, load<u32>(run) + index);
    const limit = limitAt(policy, number);
    if (load<u32>(limit, layout.limit_kind_at) != layout.limit_rate) continue;
    if (cost > load<u32>(limit, layout.limit_burst_tokens_at)) return number + 1;
    const tiers = limit + layout.limit_tiers_at;
    for (let tier: u32 = 0; tier < load<u32>(tiers, 4); tier++) {
      const other = load<u32>(recordAt(policy, layout.section_tiers, load<u32>(tiers) + tier), layout.tier_limit_at);
      if (cost > load<u32>(limitAt(policy, other), layout.limit_burst_tokens_at)) return number + 1;
    }
  }
  return 0;
}
