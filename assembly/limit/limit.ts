/**
 * The limits of an allow rule. All must have room; a request that is refused for one takes nothing from the others,
 * short of a race between workers, which errs towards denying.
 */

import * as json from "../bytes/tape";
import { readNumber } from "../condition/number";
import { doubleOf, kindOf, setInt, ValueKind } from "../condition/value";
import { keyedHash } from "../host/secret";
import * as layout from "../policy/layout";
import { limitAt, memberAt, Policy, recordAt, wordAt } from "../policy/policy";
import { Reason } from "../reason";
import { request } from "../request/request";
import { RuleResult } from "../request/result";
import { failed, Take, takeFrom, taken } from "./store";

/**
 * Takes the rule's cost from each of its limits, or with `dry` only sees whether it could. LIMIT_EXCEEDED, INTERNAL, or ALLOWED.
 * @param claims those of the rule's token: the first record of their tape, or `absent`
 * @param result what came of the rule, which is told of the limit without room
 */
export function takeLimits(policy: Policy, rule: usize, claims: usize, dry: bool, result: RuleResult): Reason {
  const count = load<u32>(rule, layout.rule_limits_at + 4);
  if (dry || count > 1) {
    const reason = takeEach(policy, rule, claims, true, result);
    if (dry || reason != Reason.ALLOWED) return reason;
  }
  return takeEach(policy, rule, claims, false, result);
}

function takeEach(policy: Policy, rule: usize, claims: usize, dry: bool, result: RuleResult): Reason {
  const first = load<u32>(rule, layout.rule_limits_at);
  const count = load<u32>(rule, layout.rule_limits_at + 4);
  const cost = load<u32>(rule, layout.rule_cost_at);
  for (let index: u32 = 0; index < count; index++) {
    const number = wordAt(policy, first + index);
    const take = takeOne(policy, number, claims, cost, dry);
    if (take == taken) continue;
    if (take == failed) return Reason.INTERNAL;
    result.fullLimit = number + 1;
    result.retryAfterSeconds = take;
    return Reason.LIMIT_EXCEEDED;
  }
  return Reason.ALLOWED;
}

function takeOne(policy: Policy, number: u32, claims: usize, cost_tokens: u32, dry: bool): Take {
  const limit = limitAt(policy, number);
  return takeFrom(
    load<u32>(limit, layout.limit_seed_at),
    fingerprint(policy, limit, claims),
    request.nowNanoseconds,
    load<u64>(limit, layout.limit_interval_nanoseconds_at),
    load<u32>(limit, layout.limit_burst_tokens_at),
    cost_tokens,
    dry,
  );
}

/** What kind of value goes into a fingerprint: the string "1" and the number 1 are two clients, and so are "" and none. */
const kind_absent: u64 = 0x100;
const kind_caller: u64 = 0x101;
const kind_int: u64 = 0x102;
const kind_double: u64 = 0x103;
const kind_limit: u64 = 0x104;

/** A claim that is a number, as a value. */
const number: usize = memory.data(16, 8);

/** What tells limits apart: its seed, burst and interval. One that was changed counts anew, in buckets of its own. */
const identity: usize = memory.data(16, 8);

/**
 * The hash of what the limit counts by, under the secret of this Envoy. Each value's own hash ends with its size, so no two lists
 * run together.
 */
function fingerprint(policy: Policy, limit: usize, claims: usize): u64 {
  const first = load<u32>(limit, layout.limit_per_at);
  const count = load<u32>(limit, layout.limit_per_at + 4);
  store<u32>(identity, load<u32>(limit, layout.limit_seed_at));
  store<u32>(identity, load<u32>(limit, layout.limit_burst_tokens_at), 4);
  store<u64>(identity, load<u64>(limit, layout.limit_interval_nanoseconds_at), 8);
  let hash = keyedHash(0, kind_limit, identity, 16);
  for (let index: u32 = 0; index < count; index++) {
    const selector = recordAt(policy, layout.section_selectors, first + index);
    if (load<u32>(selector, layout.selector_kind_at) == layout.selector_caller) {
      const known = request.callerReason == Reason.ALLOWED;
      hash = keyedHash(hash, kind_caller, request.callerStart, known ? request.callerSize : 0);
      continue;
    }
    const claim = memberAt(policy, selector + layout.selector_path_at, claims);
    if (claim == json.absent) hash = keyedHash(hash, kind_absent, 0, 0);
    else if (json.kindOf(claim) == json.Kind.NUMBER) hash = hashNumber(hash, json.startOf(claim), json.sizeOf(claim));
    else hash = keyedHash(hash, <u64>json.kindOf(claim), json.startOf(claim), json.sizeOf(claim));
  }
  return hash;
}

/** Numbers count by value, as CEL compares them: 1, 1.0 and 1e0 are one client. One without a value counts by its text. */
function hashNumber(before: u64, start: usize, size: u32): u64 {
  readNumber(number, start, size);
  if (kindOf(number) == ValueKind.ERROR) return keyedHash(before, <u64>json.Kind.NUMBER, start, size);
  if (kindOf(number) == ValueKind.DOUBLE) {
    const value = doubleOf(number);
    const isInt = Math.trunc(value) == value && value >= -9223372036854775808.0 && value < 9223372036854775808.0;
    if (!isInt) return keyedHash(before, kind_double, number + 8, 8);
    setInt(number, <i64>value);
  }
  return keyedHash(before, kind_int, number + 8, 8);
}
