/**
 * The whole request, top to bottom: identity → headers → caller a gateway or a JWT-SVID told of → quarantine → path → rules → token, scopes,
 * condition, limits → headers for the upstream → record → counters → answer → known tokens. Stages
 * answer with a reason and write into the request's slot; only this file acts on it. Whatever goes wrong denies, and
 * every way leads past the record and the counters.
 */
import { handOverCounts } from "./audit/counts";
import { countDecision, countEvictions, countFailures, countGone } from "./audit/metrics";
import { amendRecord, writeRecord, writeWaiting } from "./audit/record";
import { awaitedBytes, beginBody, forgetAwaited, isAwaited, Phase } from "./body/body";
import { clearCalls } from "./body/calls";
import { addHold, countHeld, endHold, Hold, isLate, isUnproved, takeHold } from "./body/holds";
import { clearListing, dropListing, isListing, keepListing } from "./body/listing";
import { literal } from "./bytes/literal";
import { isRun } from "./bytes/span";
import { recover } from "./configure";
import { evaluateRules, evaluateShadowRules } from "./decision/evaluate";
import { evaluateRequest } from "./decision/inside";
import { findCandidates, openForms } from "./decision/match";
import { bodyBytesMax } from "./decision/sizes";
import { Failure } from "./failure";
import { readAnswer } from "./fleet/answer";
import { Action, BodyAction, LogLevel } from "./host/abi";
import { giveBack, holdBack, resetArena } from "./host/arena";
import {
  clearFailures,
  continueRequest,
  fail,
  firstFailure,
  log,
  readClock,
  readProperty,
  replaceRequestHeader,
  setContext,
  setTickPeriod,
} from "./host/host";
import { checkExpiry } from "./identity/expiry";
import { readForwarded } from "./identity/forwarded";
import { readIdentity } from "./identity/identity";
import { readSvid } from "./identity/svid";
import { inspecting } from "./inspect";
import { refreshKeySets, takeAnswer } from "./keys/refresh";
import {
  answerOfCall,
  awaitKeys,
  awaitsFleet,
  beginStream,
  clientOf,
  dueStream,
  expectEnd,
  holdsRequests,
  isFinal,
  mayAct,
  resumeStream,
  rootOfAnswer,
  stopWaiting,
  waitingSlots,
} from "./keys/waiting";
import { takeFleetAnswer } from "./limit/fleet";
import { keepSlots, letGo } from "./limit/slots";
import {
  needs_hold,
  policy_body_bytes_at,
  section_limits,
  section_places,
  section_rules,
  size_any,
} from "./policy/layout";
import { head, needs, Policy, ruleAt, sectionCount } from "./policy/policy";
import { policyInForce, policyOfRoot, policyOfStream, rootOfStream } from "./policy/root";
import { takeNews } from "./quarantine/fleet";
import { checkQuarantines, countDenial, keepRoom } from "./quarantine/quarantine";
import { Reason } from "./reason";
import { readForms } from "./request/forms";
import { readHeaders } from "./request/headers";
import { readPath } from "./request/path";
import { clearRequest, request } from "./request/request";
import { respond, respondPlainly, tellOfLimit } from "./response/respond";
import { shortageOf } from "./shortage/shortage";
import { addHeld, any_body, bodyOf, freeHeld, Held, hasRoomToSpare, heldAt, takeOut } from "./streams/held";
import { clearTokens } from "./token/slot";
import { rememberTokens } from "./token/token";
import { denyUnserved } from "./unserved";
import { forwardHeaders } from "./upstream/forward";
import { stripTokens } from "./upstream/strip";

/** Decides the request of a stream. */
export function onRequestHeaders(context: u32, hasBody: bool): Action {
  resetArena();
  if (isDefined(BODIES)) forgetInside();
  let policy = policyOfStream(context);
  if (policy == null) {
    recover(context);
    policy = policyOfStream(context);
  }
  if (policy == null) {
    denyUnserved(shortageOf(rootOfStream(context)) != null ? Failure.OUT_OF_MEMORY : Failure.NO_POLICY);
    return Action.STOP;
  }
  beginStream(context);
  if (isDefined(BODIES)) beginBody(hasBody ? Phase.AWAITED : Phase.NONE, 0);
  const reason = decide(policy);
  if (isDefined(BODIES) && isAwaited) {
    // What was found so far says nothing: a deny rule may hang on the body.
    if (!holdStream(policy, context, Hold.BODY)) return denyUnheld(policy, context);
    // Keys that lack are fetched meanwhile.
    awaitKeys(policy, context, false);
    writeWaiting(policy, reason);
    return Action.STOP;
  }
  if (awaitsFleet()) {
    // Keys that lack are fetched all the same, for those that come after.
    awaitKeys(policy, context, false);
    writeWaiting(policy, reason);
    return waitAction(policy, context, hasBody);
  }
  if ((request.unknownKeySets | request.doubtedKeySets) != 0 && !inspecting) {
    // A request in shadow mode goes on anyway, so nothing is gained by holding it up.
    const isHeld = reason != Reason.ALLOWED && reason != Reason.INTERNAL && !policy.shadow;
    if (awaitKeys(policy, context, isHeld)) {
      writeWaiting(policy, reason);
      return waitAction(policy, context, hasBody);
    }
    // What failed on the way to waiting is not why anything fails from here on.
    countFailures(policy);
  }
  const action = act(policy, context, reason, hasBody);
  keepTokens(policy);
  return action;
}

/**
 * Counts a body whose rule bounds it, while it passes. What would pass the bound does not go on, and ends the stream: with an answer of
 * ours, or where the upstream's has begun, by a reset, as Envoy has it (source/common/http/filter_manager.cc, `sendLocalReply`).
 */
export function onRequestBody(context: u32, size_bytes: u32, isEnd: bool): BodyAction {
  const held = bodyOf(context);
  if (held == null) return BodyAction.CONTINUE;
  if (isDefined(BODIES) && held.hold != Hold.NONE) return onHeldBody(context, held, size_bytes, isEnd);
  if (held.isOver) return BodyAction.STOP;
  if (held.amount == any_body) return BodyAction.CONTINUE;
  if (size_bytes <= held.amount) {
    held.amount -= size_bytes;
    return BodyAction.CONTINUE;
  }
  resetArena();
  clearRequest();
  clearFailures();
  if (isDefined(BODIES)) forgetInside();
  const policy = policyOfRoot(held.root);
  request.rule = held.rule;
  request.isGrpc = held.isGrpc;
  // Told once; what else the stream holds, it holds until it ends.
  held.amount = any_body;
  held.quotaLimit = 0;
  if (policy == null || request.rule > sectionCount(policy, section_rules)) {
    held.isOver = true;
    respondPlainly(Failure.NO_POLICY);
    return BodyAction.STOP;
  }
  held.isOver = !policy.shadow;
  amendRecord(policy, Reason.BODY_TOO_LARGE, policy.shadow);
  countDecision(policy, Reason.BODY_TOO_LARGE, true);
  if (!policy.shadow) answer(policy, Reason.BODY_TOO_LARGE);
  countFailures(policy);
  return policy.shadow ? BodyAction.CONTINUE : BodyAction.STOP;
}

/** Trailers come, behind a body of which no callback was the last: what is held of it is all. */
export function onRequestTrailers(context: u32): BodyAction {
  const held = bodyOf(context);
  if (held == null || held.hold == Hold.NONE) return BodyAction.CONTINUE;
  return onHeldBody(context, held, <u32>held.amount, true);
}

/** Has a stream wait with what is still to come; in a policy that reads bodies, with what comes of its body meanwhile. */
function waitAction(policy: Policy, context: u32, hasBody: bool): Action {
  if (!isDefined(BODIES) || !hasBody || !needs(policy, needs_hold)) return Action.WAIT;
  if (holdStream(policy, context, Hold.OTHER)) return Action.STOP;
  stopWaiting(context);
  return denyUnheld(policy, context);
}

/** Denies a request that there is no room to hold: without its body it would be decided as one that has none. */
function denyUnheld(policy: Policy, context: u32): Action {
  fail(Failure.HELD_STREAMS);
  const action = act(policy, context, fixFailure(Reason.INTERNAL), true);
  keepTokens(policy);
  return action;
}

/**
 * Holds the headers of the stream in hand while its body comes. False where there is no room.
 */
function holdStream(policy: Policy, context: u32, hold: Hold): bool {
  const held = addHold(policy, context, hold, clientOf(), request.nowNanoseconds);
  if (held == null) return false;
  held.mostBytes = hold == Hold.BODY ? awaitedBytes : load<u32>(head(policy), policy_body_bytes_at);
  held.isGrpc = request.isGrpc;
  return true;
}

/** Some of a body comes whose headers are held. The host tells of all that it holds (Envoy's source/extensions/common/wasm/context.cc, `getBuffer`). */
function onHeldBody(context: u32, held: Held, total_bytes: u32, isEnd: bool): BodyAction {
  const policy = policyOfRoot(held.root);
  if (policy == null) {
    letGo(context);
    respondPlainly(Failure.NO_POLICY);
    return BodyAction.HOLD;
  }
  policy.provesBodies = true;
  if (held.seed != Phase.AWAITED) return BodyAction.HOLD;
  const hasRoom = countHeld(held, total_bytes);
  if (total_bytes > held.mostBytes) held.seed = Phase.OVER;
  else if (!hasRoom) held.seed = Phase.CROWDED;
  else if (isEnd) held.seed = Phase.WHOLE;
  else return BodyAction.HOLD;
  if (held.hold == Hold.OTHER) return BodyAction.HOLD;
  resetArena();
  const isLet = decideHeld(policy, context, held);
  return isLet ? BodyAction.CONTINUE : BodyAction.HOLD;
}

/** Decides a stream that is held, as far as its body has come. True where it goes on; false where it was answered, or waits on. */
function decideHeld(policy: Policy, context: u32, held: Held): bool {
  beginStream(context);
  beginBody(<Phase>held.seed, <u32>held.amount);
  const reason = decide(policy);
  if (awaitsFleet()) {
    awaitKeys(policy, context, false);
    writeWaiting(policy, reason);
    held.hold = Hold.OTHER;
    return false;
  }
  if ((request.unknownKeySets | request.doubtedKeySets) != 0 && !inspecting) {
    const isHeld = reason != Reason.ALLOWED && reason != Reason.INTERNAL && !policy.shadow;
    if (awaitKeys(policy, context, isHeld)) {
      writeWaiting(policy, reason);
      held.hold = Hold.OTHER;
      return false;
    }
    countFailures(policy);
  }
  return actHeld(policy, context, held, reason);
}

/** Begins with a stream anew, and with what has come of its body, if that is held. */
function resumeBody(context: u32, held: Held | null): void {
  if (held == null) {
    beginBody(Phase.NONE, 0);
    return;
  }
  addHeld(context, held);
  beginBody(<Phase>held.seed, <u32>held.amount);
}

/** Acts on a stream that is held no longer. */
function actHeld(policy: Policy, context: u32, held: Held, reason: Reason): bool {
  const bytes = held.amount;
  const isMore = held.seed != Phase.WHOLE;
  endHold(context, held);
  const isLet = act(policy, context, reason, isMore) == Action.CONTINUE;
  const watched = isLet && isMore ? bodyOf(context) : null;
  // What has come counts as well: its rule was held against so much (decision/sizes.ts).
  if (watched != null && watched.amount != any_body) watched.amount -= min(watched.amount, bytes);
  keepTokens(policy);
  return isLet;
}

const no_bodies = literal(
  "sallyport: the host hands over no bodies while their headers are held, so that requests of which a rule reads the body are denied (body_unavailable). Set allow_on_headers_stop_iteration: true in the plugin's configuration (envoy.extensions.wasm.v3.PluginConfig)",
);

/** Ends what is held for too long, or by a host that hands over no bodies. */
function tendHolds(policy: Policy): void {
  const now = readClock();
  let acted: u32 = 0;
  let index: u32 = 0;
  for (let held = heldAt(0); held != null && mayAct(acted); held = heldAt(++index)) {
    if (held.hold != Hold.BODY || held.root != policy.rootContext) continue;
    const isUnproven = !policy.provesBodies && isUnproved(held, now);
    if (!isUnproven && !isLate(held, now)) continue;
    const context = held.context;
    resetArena();
    if (!setContext(context) || isOver()) {
      letGo(context);
      countGone(policy);
      continue;
    }
    if (isUnproven && !policy.areBodiesTold) log(LogLevel.ERROR, no_bodies.start, no_bodies.size);
    if (isUnproven) policy.areBodiesTold = true;
    held.seed = isUnproven ? Phase.UNAVAILABLE : Phase.LATE;
    acted++;
    if (decideHeld(policy, context, held) && !continueRequest()) takeBack(policy, context);
  }
  setContext(policy.rootContext);
}

/** Looks after the key sets of a root context's policy, decides what waited for them, and hands over what was counted. */
export function onTick(rootContext: u32): void {
  const policy = policyOfRoot(rootContext);
  if (policy == null) {
    recover(rootContext);
    return;
  }
  policy.hasTicked = true;
  const holds = holdsRequests(policy);
  clearFailures();
  if (holds) {
    resetArena();
    keepSlots();
    refreshKeySets(policy);
    countFailures(policy);
    decideWaiting(policy);
    if (isDefined(BODIES) && needs(policy, needs_hold)) tendHolds(policy);
  }
  if (handOver(policy) && !holds) policy.isTicking = !setTickPeriod(0);
}

/** Takes the answer to a callout, decides what waited for it, and hands over what was counted. */
export function onCallResponse(rootContext: u32, call: u32, body_bytes: u32): void {
  resetArena();
  const policy = policyOfRoot(rootContext);
  if (policy == null) return;
  clearFailures();
  takeAnswer(policy, call, body_bytes);
  countFailures(policy);
  decideWaiting(policy);
  handOver(policy);
}

/** Takes the answer of the fleet's rate limit service, `size_bytes` of it, or -1 where there is none, and decides what waited for it. */
export function onFleetAnswer(rootContext: u32, call: u32, size_bytes: i32): void {
  resetArena();
  const at = answerOfCall(call);
  // A stream goes on under the policy that it waits under, whatever has come in force since.
  const policy = at == 0 ? policyInForce(rootContext) : policyOfRoot(rootOfAnswer(at));
  if (policy == null) return;
  clearFailures();
  const answer = readAnswer(size_bytes);
  if (at != 0 || !takeNews(policy, call, answer)) takeFleetAnswer(policy, at, call, answer);
  clearFailures();
  decideWaiting(policy);
}

/** Hands over what was counted. False where the host refuses, which is counted too, for when it does not. */
function handOver(policy: Policy): bool {
  if (handOverCounts(policy)) return true;
  countFailures(policy);
  return false;
}

/** A stream ends, or another context, which is none of ours here: it waits no more. */
export function onStreamEnd(context: u32): void {
  resetArena();
  if (isDefined(BODIES)) dropListing(context);
  letGo(context);
  const root = stopWaiting(context);
  if (root == 0) return;
  const policy = policyOfRoot(root);
  if (policy != null) countGone(policy);
}

/**
 * Decides anew, from the first stage on, the requests whose keys have come or that have waited long enough.
 */
function decideWaiting(policy: Policy): void {
  const now = readClock();
  let acted: u32 = 0;
  // From the last slot: what is decided leaves its slot behind.
  for (let index = <i32>waitingSlots() - 1; index >= 0 && mayAct(acted); index--) {
    resetArena();
    const context = dueStream(policy, index, now);
    if (context == 0) continue;
    if (!setContext(context) || isOver()) {
      stopWaiting(context);
      countGone(policy);
      continue;
    }
    resumeStream(index);
    // What it has taken slots of is not what it will be decided by: it takes them anew. Its body stays.
    let held: Held | null = null;
    if (isDefined(BODIES)) held = takeHold(context);
    letGo(context);
    if (isDefined(BODIES)) resumeBody(context, held);
    const reason = decide(policy);
    if (isDefined(BODIES) && held != null && isAwaited) {
      stopWaiting(context);
      held.hold = Hold.BODY;
      held.mostBytes = min(held.mostBytes, awaitedBytes);
      continue;
    }
    if (awaitsFleet()) continue;
    if (reason != Reason.ALLOWED && request.awaitedKeySets != 0 && !isFinal(index)) continue;
    stopWaiting(context);
    acted++;
    if (isDefined(BODIES) && held != null) {
      if (actHeld(policy, context, held, reason) && !continueRequest()) takeBack(policy, context);
      continue;
    }
    // Whether a body is to come is not known any more.
    if (act(policy, context, reason, true) == Action.CONTINUE && !continueRequest()) takeBack(policy, context);
    keepTokens(policy);
  }
  setContext(policy.rootContext);
}

const request_duration = literal("request\0duration");
const response_code = literal("response\0code");

/**
 * Whether a stream is none of ours any more: it has ended, and is torn down already where its context is still there, or somebody
 * else has answered while it waited, a timeout or another filter. Envoy knows how long a request took once that is over
 * (source/common/http/conn_manager_impl.cc, `doDeferredStreamDestroy`), so this does not hang on our being told of ends.
 */
function isOver(): bool {
  return isRun(readProperty(request_duration)) || isRun(readProperty(response_code));
}

/** The host did not let a request go on that was admitted: it is denied after all, and the record says so. */
function takeBack(policy: Policy, context: u32): void {
  letGo(context);
  const reason = fixFailure(Reason.INTERNAL);
  writeRecord(policy, reason, false);
  countFailures(policy);
  answer(policy, reason);
}

/** Has the body of an admitted request counted, where its rule bounds that. False where there is no room to. */
function watchBody(policy: Policy, context: u32): bool {
  const most_bytes = bodyBytesMax(policy, ruleAt(policy, request.rule - 1));
  if (most_bytes == size_any) return true;
  const held = addHeld(context);
  if (held == null) {
    fail(Failure.HELD_STREAMS);
    return false;
  }
  held.root = policy.rootContext;
  held.rule = request.rule;
  held.amount = most_bytes;
  held.isGrpc = request.isGrpc;
  return true;
}

const accept_encoding = literal("accept-encoding");
const identity_coding = literal("identity");

/** Has the answer to a request that lists tools filtered, for which it has to come as it is. False where there is no room, or the host refuses. */
function watchListing(policy: Policy, context: u32): bool {
  if (!keepListing(context, policy.rootContext)) {
    fail(Failure.HELD_STREAMS);
    return false;
  }
  return replaceRequestHeader(accept_encoding.start, accept_encoding.size, identity_coding.start, identity_coding.size);
}

/** Keeps what the answer to an admitted request tells of a limit, where there is room; else it tells nothing. */
function keepQuota(policy: Policy, context: u32): void {
  let held = bodyOf(context);
  if (held == null) {
    held = hasRoomToSpare() ? addHeld(context) : null;
    if (held == null) return;
    held.root = policy.rootContext;
    held.rule = request.rule;
    held.amount = any_body;
  }
  held.quotaLimit = request.quotaLimit;
  held.quotaLeft = request.quotaLeft;
  held.quotaSeconds = request.quotaSeconds;
}

/** Tells of a limit in the headers of an answer, once: ours, Envoy's or the upstream's. A denial of ours has its own. */
export function onResponseHeaders(context: u32): void {
  const held = bodyOf(context);
  if (held == null || held.quotaLimit == 0) return;
  const number = held.quotaLimit - 1;
  const policy = policyOfRoot(held.root);
  held.quotaLimit = 0;
  clearFailures();
  if (policy != null && number < sectionCount(policy, section_limits)) {
    tellOfLimit(policy, number, held.quotaLeft, held.quotaSeconds);
    countFailures(policy);
  }
  if (held.amount == any_body) freeHeld(takeOut(context, held)!);
}

/** Answers a request that is denied. */
function answer(policy: Policy, reason: Reason): void {
  if (!respond(policy, reason)) respondPlainly(Failure.NONE);
  expectEnd();
}

/** Keeps the tokens that were verified, last, since nothing asks for claims any more; and counts whose room they took. */
function keepTokens(policy: Policy): void {
  countEvictions(policy, rememberTokens(policy));
  countFailures(policy);
}

/**
 * The decision. What failed otherwise than for its sake, before it, for a rule in shadow mode or on the way to a decision that stands
 * without, is no failure of the request's.
 */
function decide(policy: Policy): Reason {
  if (isDefined(BODIES)) forgetInside();
  countFailures(policy);
  const reason = fixFailure(runStages(policy));
  clearFailures();
  fail(request.failure);
  return reason;
}

/** Forgets what the request before had inside: its calls are in no record and no answer but its own. */
function forgetInside(): void {
  clearCalls();
  clearListing();
}

/**
 * Fixes what INTERNAL stands for: what failed first, whatever fails after it. What does not fit the arena is no failure of ours: the
 * request is too large, by its headers or by what they hold, since nothing else goes there.
 */
function fixFailure(reason: Reason): Reason {
  if (reason != Reason.INTERNAL) return reason;
  if (request.failure == Failure.NONE) request.failure = firstFailure();
  if (request.failure != Failure.ARENA_FULL) return reason;
  request.failure = Failure.NONE;
  clearFailures();
  return Reason.HEADERS_TOO_LARGE;
}

/** The caller comes first, so that the record of a malformed request says who sent it. */
function runStages(policy: Policy): Reason {
  clearRequest();
  clearTokens(sectionCount(policy, section_places));
  clearFailures();
  keepRoom(policy);
  let reason = readIdentity(policy);
  if (reason != Reason.ALLOWED) return reason;
  reason = checkExpiry(policy);
  if (reason != Reason.ALLOWED) return reason;
  reason = readHeaders();
  if (reason != Reason.ALLOWED) return reason;
  reason = readForwarded(policy);
  if (reason != Reason.ALLOWED) return reason;
  request.nowNanoseconds = readClock();
  if (request.nowNanoseconds == 0) return Reason.INTERNAL;
  reason = readSvid(policy);
  if (reason != Reason.ALLOWED) return reason;
  reason = checkQuarantines(policy);
  if (reason != Reason.ALLOWED) return reason;
  reason = readPath();
  if (reason == Reason.PATH_AMBIGUOUS) reason = readForms(openForms(policy));
  if (reason != Reason.ALLOWED) return reason;
  reason = findCandidates(policy);
  if (reason != Reason.ALLOWED) return reason;
  reason = fixFailure(isDefined(BODIES) ? evaluateRequest(policy) : evaluateRules(policy));
  // Room for cookies and path without their tokens (upstream/strip.ts), which are no larger than the headers they came in.
  const end = holdBack(request.pairsSize);
  const isHeld = isDefined(BODIES) && isAwaited;
  evaluateShadowRules(policy);
  // A rule in shadow mode that reads the body has no request held: it would be denied where no body comes.
  if (isDefined(BODIES) && !isHeld) forgetAwaited();
  giveBack(end);
  return reason;
}

/**
 * Admits only after the decision was recorded and counted. The record is the mark that the enforcement check behind the filter
 * looks for, so without one nothing passes; what is not counted passes in shadow mode alone. Where a trace cannot be left, the
 * record and the counters are told of the answer there is now.
 */
function act(policy: Policy, context: u32, decided: Reason, hasBody: bool): Action {
  let reason = decided;
  let admits = reason == Reason.ALLOWED || policy.shadow;
  if (admits && !(stripTokens(policy) && forwardHeaders(policy, reason == Reason.ALLOWED))) {
    // Also in shadow mode: an upstream must not take for ours what came from outside.
    if (reason != Reason.HEADERS_TOO_LARGE) reason = fixFailure(Reason.INTERNAL);
    admits = false;
  }
  if (reason == Reason.ALLOWED && hasBody && !watchBody(policy, context)) {
    reason = fixFailure(Reason.INTERNAL);
    admits = policy.shadow;
  }
  if (
    isDefined(BODIES) &&
    reason == Reason.ALLOWED &&
    isListing() &&
    !policy.shadow &&
    !watchListing(policy, context)
  ) {
    reason = fixFailure(Reason.INTERNAL);
    admits = false;
  }
  if (reason == Reason.ALLOWED && request.quotaLimit != 0) keepQuota(policy, context);
  countDenial(policy, reason);
  const isRecorded = writeRecord(policy, reason, admits);
  if (!isRecorded || !countDecision(policy, reason, false)) {
    reason = fixFailure(Reason.INTERNAL);
    admits = admits && isRecorded && policy.shadow;
    admits = writeRecord(policy, reason, admits) && admits;
    countDecision(policy, reason, true);
  }
  if (!admits) {
    letGo(context);
    answer(policy, reason);
  }
  // Last, since a call may have failed at any step.
  countFailures(policy);
  return admits ? Action.CONTINUE : Action.STOP;
}
