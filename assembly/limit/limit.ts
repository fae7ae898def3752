/**
 * The limits of an allow rule. All must have room; a request that is refused for one takes nothing from the others: where another
 * worker was first to take what was there, what the others have given goes back.
 */

import { absent, isRun, Span, sameBytes, spanOf, spanSize, spanStart } from "../bytes/span";
import * as json from "../bytes/tape";
import { address, cutAddress } from "../condition/address";
import { readNumber } from "../condition/number";
import { parseSource } from "../condition/sources";
import { doubleOf, kindOf, setInt, ValueKind } from "../condition/value";
import { namedVariable } from "../condition/variables";
import { Detail } from "../detail";
import { Failure } from "../failure";
import { finding } from "../finding";
import * as answers from "../fleet/answer";
import { finishDigest, hashPart, startDigest } from "../fleet/digest";
import { addDescriptor, hits_of_request, openQuestion } from "../fleet/question";
import { fail } from "../host/host";
import { keyedHash } from "../host/secret";
import { currentStream, isTicking } from "../keys/waiting";
import { rule_limits_max } from "../limits";
import * as layout from "../policy/layout";
import { limitAt, memberAt, Policy, recordAt, textAt, textSize, textStart, wordAt } from "../policy/policy";
import { Reason } from "../reason";
import { findHeader } from "../request/headers";
import { hopsBefore } from "../request/hops";
import { request } from "../request/request";
import { RuleResult } from "../request/result";
import { trust_domain_offset } from "../request/spiffe";
import * as fleet from "./fleet";
import { blockWanted, leaseOfKey, takeLeased } from "./lease";
import { keepQuota, noteQuota } from "./quota";
import { letGo, takeSlot } from "./slots";
import { failed, giveBack, Take, takeFrom, taken, tokensBefore, tokensShared } from "./store";

/**
 * Takes a cost from each of the rule's limits, or with `dry` only sees whether it could. LIMIT_EXCEEDED, INTERNAL, or ALLOWED. Limits in
 * shadow mode are taken from last, where they have room; that they have none is told, and denies nothing.
 * @param claims those of the rule's token: the first record of their tape, or `absent`
 * @param result what came of the rule, which is told of the limit without room
 */
export function takeLimits(
  policy: Policy,
  rule: usize,
  claims: usize,
  cost_tokens: u32,
  dry: bool,
  result: RuleResult,
): Reason {
  logged = 0;
  isAwaited = false;
  const reason = takeEnforced(policy, rule, claims, cost_tokens, dry, result);
  if (dry || isAwaited) return reason;
  if (reason == Reason.ALLOWED) {
    takeEach(policy, rule, claims, cost_tokens, Pass.SHADOW, result);
    return reason;
  }
  // A rule that does not admit keeps nothing: no slots, no tokens, and its answer tells of none of its limits.
  letGo(currentStream());
  giveBackLogged();
  request.quotaLimit = 0;
  return reason;
}

/**
 * What is done with limits: those that are enforced are looked at first and then taken from; then come those in shadow mode. Of a request
 * that has waited for its fleet, only slots are taken: nothing that a stream holds is kept while it is decided anew (filter.ts).
 */
const enum Pass {
  SEE = 0,
  TAKE,
  SLOTS,
  SHADOW,
}

function takeEnforced(
  policy: Policy,
  rule: usize,
  claims: usize,
  cost_tokens: u32,
  dry: bool,
  result: RuleResult,
): Reason {
  // Where the fleet was asked, the others were taken from before, but for what a stream holds.
  const answer = dry ? fleet.unasked : fleet.answerFor(result.rule);
  if (answer != fleet.unasked && answer != fleet.unheeded) {
    const reason = takeEach(policy, rule, claims, cost_tokens, Pass.SLOTS, result);
    return reason == Reason.ALLOWED ? takeFleet(policy, rule, claims, cost_tokens, result, answer) : reason;
  }
  const count = load<u32>(rule, layout.rule_limits_at + 4);
  if (dry || count > 1) {
    const reason = takeEach(policy, rule, claims, cost_tokens, Pass.SEE, result);
    if (dry || reason != Reason.ALLOWED) return reason;
  }
  fleetLimits = 0;
  const reason = takeEach(policy, rule, claims, cost_tokens, Pass.TAKE, result);
  if (reason == Reason.ALLOWED && fleetLimits != 0) return takeFleet(policy, rule, claims, cost_tokens, result, answer);
  return reason;
}

/** Whether the request waits for the fleet. */
let isAwaited: bool = false;

/** What was taken for the rule in hand: the key, the limit, and how it was taken (limit/store.ts). */
const log: usize = memory.data(rule_limits_max * 32, 8);
let logged: u32 = 0;

function logTake(limit: usize): void {
  const entry = log + ((<usize>logged) << 5);
  store<u64>(entry, key);
  store<usize>(entry, limit, 8);
  store<u32>(entry, tokensShared, 12);
  store<u32>(entry, tokensBefore, 16);
  logged++;
}

/** Another worker took the last tokens of a limit in between: those before it get theirs back. */
function giveBackLogged(): void {
  for (let entry = log; entry < log + ((<usize>logged) << 5); entry += 32) {
    const limit = load<usize>(entry, 8);
    giveBack(
      load<u32>(limit, layout.limit_seed_at),
      load<u64>(entry),
      request.nowNanoseconds,
      load<u64>(limit, layout.limit_interval_nanoseconds_at),
      load<u32>(limit, layout.limit_burst_tokens_at),
      load<u32>(entry, 12),
      load<u32>(entry, 16),
    );
  }
}

/** How many limits of the rule in hand are the fleet's. */
let fleetLimits: u32 = 0;
const digest: usize = memory.data(32, 8);

/**
 * What the fleet says of a rule's limits that are its own: it is asked last, so that it counts nothing that is denied here. ALLOWED also
 * where the request has to wait for the answer (keys/waiting.ts).
 */
function takeFleet(
  policy: Policy,
  rule: usize,
  claims: usize,
  cost_tokens: u32,
  result: RuleResult,
  before: answers.Answer,
): Reason {
  const count = load<u32>(rule, layout.rule_limits_at + 4);
  let answer = before;
  if (answer == fleet.unasked) {
    let most: u32 = 0;
    openQuestion(policy);
    for (let index: u32 = 0; index < count; index++) {
      const number = limitOf(policy, rule, index);
      const limit = limitAt(policy, number);
      if (!isOfFleet(limit)) continue;
      startDigest();
      const found = findKey(policy, rule, result.binding, limit, claims);
      finishDigest(digest);
      if (found != taken) return noRoom(result, number, found);
      addDescriptor(policy, limit + layout.limit_fleet_at, digest, hits_of_request);
      most = load<u32>(limit, layout.limit_lease_tokens_at);
    }
    // A question of several limits is answered for all of them, so that no block can be had of one.
    if (fleetLimits == 1 && most != 0 && hasLeased(policy, key, most, cost_tokens)) return Reason.ALLOWED;
    answer = fleet.ask(policy, result.rule, fleetLimits, cost_tokens);
    isAwaited = answer == answers.unheard;
  }
  if (answer == answers.unheard) return Reason.ALLOWED;
  const isGranted = (answer & 3) == answers.granted;
  let ofFleet: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const number = limitOf(policy, rule, index);
    const limit = limitAt(policy, number);
    if (!isOfFleet(limit)) continue;
    let take: Take = taken;
    if (answer != answers.failed) {
      if (answer == fleet.unheeded) take = 1;
      else if (((answer >> 2) & 63) == ofFleet) {
        if (isGranted) keepQuota(number, limit, fleet.leftOfFleet(), answer >> 8);
        else take = answer >> 8;
      }
      ofFleet++;
    } else {
      const onError = load<u32>(limit, layout.limit_error_at);
      if (onError == layout.error_local) {
        take = findKey(policy, rule, result.binding, limit, claims);
        if (take == taken) take = takeKey(policy, limit, cost_tokens, false);
        if (take == taken) noteQuota(number, limit);
      } else if (onError == layout.error_deny) {
        fail(Failure.RATE_LIMIT_SERVICE);
        take = failed;
      }
    }
    if (take != taken) return noRoom(result, number, take);
  }
  // A refusal that names none of the rule's limits is one all the same.
  return isGranted || answer == answers.failed ? Reason.ALLOWED : Reason.LIMIT_EXCEEDED;
}

/** Whether this worker has tokens of a key. Asks for more where it has few. */
function hasLeased(policy: Policy, key: u64, most_tokens: u32, cost_tokens: u32): bool {
  const entry = leaseOfKey(key, request.nowNanoseconds);
  if (entry == 0) return false;
  const isTaken = takeLeased(entry, cost_tokens);
  const block = blockWanted(entry, most_tokens, !isTaken, request.nowNanoseconds);
  if (block != 0) fleet.askBlock(policy, entry, block);
  if (isTaken) fleet.noteLeased(policy);
  return isTaken;
}

/** The number of one of a rule's limits. */
function limitOf(policy: Policy, rule: usize, index: u32): u32 {
  return wordAt(policy, load<u32>(rule, layout.rule_limits_at) + index);
}

/** The number of the limit that holds for the request: one of a limit's tiers, or where it has none that fits, itself. */
function tierOf(policy: Policy, rule: usize, binding: u32, number: u32, claims: usize): u32 {
  const limit = limitAt(policy, number);
  const count = load<u32>(limit, layout.limit_tiers_at + 4);
  if (count == 0) return number;
  const selector = recordAt(policy, layout.section_selectors, load<u32>(limit, layout.limit_tier_at) - 1);
  const text = textOf(policy, rule, binding, selector, load<u32>(selector, layout.selector_kind_at), claims);
  if (!isRun(text)) return number;
  for (let index: u32 = 0; index < count; index++) {
    const tier = recordAt(policy, layout.section_tiers, load<u32>(limit, layout.limit_tiers_at) + index);
    const name = tier + layout.tier_name_at;
    if (textSize(name) == spanSize(text) && sameBytes(textStart(policy, name), spanStart(text), spanSize(text)))
      return load<u32>(tier, layout.tier_limit_at);
  }
  return number;
}

function isOfFleet(limit: usize): bool {
  return textSize(limit + layout.limit_fleet_at) != 0;
}

function noRoom(result: RuleResult, number: u32, take: Take): Reason {
  if (take == failed) return Reason.INTERNAL;
  result.fullLimit = number + 1;
  // The reason is put to the detail once it is known.
  if (take == keyless) result.finding = finding(Reason.ALLOWED, Detail.LIMIT_KEY_ABSENT);
  if (take == looped) result.finding = finding(Reason.ALLOWED, Detail.HOPS);
  result.retryAfterSeconds = take >= keyless ? 0 : take;
  return Reason.LIMIT_EXCEEDED;
}

function takeEach(
  policy: Policy,
  rule: usize,
  claims: usize,
  cost_tokens: u32,
  pass: Pass,
  result: RuleResult,
): Reason {
  const count = load<u32>(rule, layout.rule_limits_at + 4);
  let reason = Reason.ALLOWED;
  for (let index: u32 = 0; index < count; index++) {
    const number = tierOf(policy, rule, result.binding, limitOf(policy, rule, index), claims);
    const limit = limitAt(policy, number);
    const isShadow = load<u32>(limit, layout.limit_mode_at) == layout.mode_shadow;
    if (isShadow != (pass == Pass.SHADOW)) continue;
    const kind = load<u32>(limit, layout.limit_kind_at);
    if (pass == Pass.SLOTS && kind != layout.limit_concurrency) continue;
    let take = findKey(policy, rule, result.binding, limit, claims);
    if (take == taken) {
      if (isOfFleet(limit)) {
        fleetLimits++;
        continue;
      }
      // From empty it has the cost after so long: where another one takes longer, it need not be asked.
      const longest = load<u64>(limit, layout.limit_interval_nanoseconds_at) * <u64>cost_tokens;
      if (reason != Reason.ALLOWED && longest <= result.retryAfterSeconds * 1000000000) continue;
      take = takeKey(policy, limit, cost_tokens, pass == Pass.SEE);
      if (take == taken && pass == Pass.TAKE && kind == layout.limit_rate) noteQuota(number, limit);
    }
    if (take == taken) continue;
    if (isShadow) {
      // A failure of ours hides whether there was room.
      if (take != failed) result.shadowLimits |= 1 << index;
      continue;
    }
    // Of several the one that has room last: who waits as long is admitted. Where something is lacking, no wait helps.
    if (reason == Reason.ALLOWED || take > result.retryAfterSeconds) reason = noRoom(result, number, take);
    if (pass != Pass.SEE || take >= keyless) break;
  }
  return reason;
}

/** The hash of what a limit counts by. */
let key: u64 = 0;
/** What the limit counts by is not all there, and the policy says that such a request is denied. */
const keyless: Take = 0xfffffffffffffffd;
/** The request has made more hops than it may. */
const looped: Take = 0xfffffffffffffffe;

/** Finds the bucket of the request in hand: `taken`, `failed` or `keyless`. */
function findKey(policy: Policy, rule: usize, binding: u32, limit: usize, claims: usize): Take {
  isSourceLost = false;
  isPartAbsent = false;
  key = fingerprint(policy, rule, binding, limit, claims);
  if (isSourceLost) return failed;
  return isPartAbsent && load<u32>(limit, layout.limit_absent_at) == layout.absent_deny ? keyless : taken;
}

function takeKey(policy: Policy, limit: usize, cost_tokens: u32, dry: bool): Take {
  const kind = load<u32>(limit, layout.limit_kind_at);
  const most = load<u32>(limit, layout.limit_burst_tokens_at);
  if (kind == layout.limit_hops) return hopsBefore(policy, limit) > most ? looped : taken;
  if (kind == layout.limit_concurrency) {
    if (isTicking(policy))
      return takeSlot(load<u32>(limit, layout.limit_seed_at), key, most, currentStream(), request.nowNanoseconds, dry);
    fail(Failure.NO_TICK);
    return failed;
  }
  const take = takeFrom(
    load<u32>(limit, layout.limit_seed_at),
    key,
    request.nowNanoseconds,
    load<u64>(limit, layout.limit_interval_nanoseconds_at),
    load<u32>(limit, layout.limit_burst_tokens_at),
    cost_tokens,
    dry,
  );
  if (take == taken && !dry) logTake(limit);
  return take;
}

/** What kind of value goes into a fingerprint: the string "1" and the number 1 are two clients, and so are "" and none. */
const kind_absent: u64 = 0x100;
const kind_caller: u64 = 0x101;
const kind_int: u64 = 0x102;
const kind_double: u64 = 0x103;
const kind_limit: u64 = 0x104;
const kind_text: u64 = 0x105;
/** Of an IPv4 address, or by its size of an IPv6 one. */
const kind_source: u64 = 0x106;

/** Whether the host failed when it was asked for the caller's address. */
let isSourceLost: bool = false;
/** Whether something is not there that the limit counts by, or stands twice. */
let isPartAbsent: bool = false;

/** A claim that is a number, as a value. */
const number: usize = memory.data(16, 8);

/** What tells limits apart: its seed, burst and interval. One that was changed counts anew, in buckets of its own. */
const identity: usize = memory.data(16, 8);

/**
 * The hash of what the limit counts by, under the secret of this Envoy. Each value's own hash ends with its size, so no two lists
 * run together.
 */
function fingerprint(policy: Policy, rule: usize, binding: u32, limit: usize, claims: usize): u64 {
  const first = load<u32>(limit, layout.limit_per_at);
  const count = load<u32>(limit, layout.limit_per_at + 4);
  store<u32>(identity, load<u32>(limit, layout.limit_seed_at));
  // What is in flight stays so, however many may be.
  const isOfRate = load<u32>(limit, layout.limit_kind_at) == layout.limit_rate;
  store<u32>(identity, isOfRate ? load<u32>(limit, layout.limit_burst_tokens_at) : 0, 4);
  store<u64>(identity, load<u64>(limit, layout.limit_interval_nanoseconds_at), 8);
  // The fleet is told of the limit by name: what its share is on this Envoy is no part of it.
  let hash = keyedHash(0, kind_limit, identity, 16);
  for (let index: u32 = 0; index < count; index++) {
    const selector = recordAt(policy, layout.section_selectors, first + index);
    const kind = load<u32>(selector, layout.selector_kind_at);
    if (kind == layout.selector_source) hash = hashSource(hash, policy, selector);
    else if (kind == layout.selector_claim)
      hash = hashClaim(hash, memberAt(policy, selector + layout.selector_path_at, claims));
    else {
      const text = textOf(policy, rule, binding, selector, kind, claims);
      hash = isRun(text)
        ? hashPart(hash, kind == layout.selector_caller ? kind_caller : kind_text, spanStart(text), spanSize(text))
        : hashAbsent(hash);
    }
  }
  return hash;
}

/** What a selector names that is a text; no run where it is not there, or stands twice. */
function textOf(policy: Policy, rule: usize, binding: u32, selector: usize, kind: u32, claims: usize): Span {
  const path = selector + layout.selector_path_at;
  switch (kind) {
    case layout.selector_claim: {
      const claim = memberAt(policy, path, claims);
      if (claim == json.absent || json.kindOf(claim) != json.Kind.STRING) return absent;
      return spanOf(json.startOf(claim), json.sizeOf(claim));
    }
    case layout.selector_variable:
      return namedVariable(policy, rule, binding, textAt(policy, load<u32>(path)));
    case layout.selector_header: {
      const name = textAt(policy, load<u32>(path));
      return findHeader(textStart(policy, name), textSize(name));
    }
    case layout.selector_rule: {
      const name = rule + layout.rule_name_at;
      return spanOf(textStart(policy, name), textSize(name));
    }
    case layout.selector_host:
      return spanOf(request.hostStart, request.hostSize);
    case layout.selector_method:
      return spanOf(request.methodStart, request.methodSize);
    default:
      if (request.callerReason != Reason.ALLOWED) return absent;
      return kind == layout.selector_caller
        ? spanOf(request.callerStart, request.callerSize)
        : spanOf(request.callerStart + trust_domain_offset, request.callerDomainSize);
  }
}

/** What is not there is one client. */
function hashAbsent(before: u64): u64 {
  isPartAbsent = true;
  return hashPart(before, kind_absent, 0, 0);
}

function hashClaim(before: u64, claim: usize): u64 {
  if (claim == json.absent) return hashAbsent(before);
  if (json.kindOf(claim) == json.Kind.NUMBER) return hashNumber(before, json.startOf(claim), json.sizeOf(claim));
  return hashPart(before, <u64>json.kindOf(claim), json.startOf(claim), json.sizeOf(claim));
}

/** The bits of the caller's address that count. */
function hashSource(before: u64, policy: Policy, selector: usize): u64 {
  const size = parseSource(policy);
  if (size < 0) isSourceLost = true;
  if (size <= 0) return hashAbsent(before);
  const bits =
    size == 4 ? load<u32>(selector, layout.selector_four_bits_at) : load<u32>(selector, layout.selector_six_bits_at);
  cutAddress(size, bits);
  return hashPart(before, kind_source, address, size);
}

/** Numbers count by value, as CEL compares them: 1, 1.0 and 1e0 are one client. One without a value counts by its text. */
function hashNumber(before: u64, start: usize, size: u32): u64 {
  readNumber(number, start, size);
  if (kindOf(number) == ValueKind.ERROR) return hashPart(before, <u64>json.Kind.NUMBER, start, size);
  if (kindOf(number) == ValueKind.DOUBLE) {
    const value = doubleOf(number);
    const isInt = Math.trunc(value) == value && value >= -9223372036854775808.0 && value < 9223372036854775808.0;
    if (!isInt) return hashPart(before, kind_double, number + 8, 8);
    setInt(number, <i64>value);
  }
  return hashPart(before, kind_int, number + 8, 8);
}
