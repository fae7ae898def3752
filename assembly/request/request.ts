/**
 * What is known of the request in hand. One callback decides one request from start to end, so there is one slot; the
 * stages fill it from top to bottom, and nothing in it outlives the callback.
 */

import { poison } from "../bytes/poison";
import { clearBytes, copyBytes } from "../bytes/span";
import { Detail } from "../detail";
import { Finding } from "../finding";
import { no_pairs } from "../host/pairs";
import {
  caller_groups_max,
  candidate_rules_max,
  path_segments_max,
  policy_issuers_max,
  shadow_rules_max,
} from "../limits";
import { Reason } from "../reason";
import { RuleResult } from "./result";

/** The result that it begins with is the decision's: that of the rule that decided or came closest. */
@unmanaged
export class Request extends RuleResult {
  /** request/headers.ts: as received, or size 0 where the header is not there. */
  methodStart: usize;
  methodSize: u32;
  pathStart: usize;
  pathSize: u32;
  /** Lower-case, without port and trailing dot. */
  hostStart: usize;
  hostSize: u32;
  isGrpc: bool;
  /** All header pairs (host/pairs.ts), `no_pairs` where they were not read; forwarded client certificates, and how often that header stands. */
  pairsStart: usize;
  pairsSize: u32;
  forwardedStart: usize;
  forwardedSize: u32;
  forwardedCount: u32;
  /** decision/match.ts: the bits of the method as it is and in capitals; 0 until asked for. */
  methodBit: u32;
  capitalMethodBit: u32;

  /** request/path.ts: the decoded segments, and the path they make, of size 0 for `/`; as received where it cannot be decoded. */
  segmentCount: u32;
  decodedPathStart: usize;
  decodedPathSize: u32;

  nowNanoseconds: u64;

  /** identity/identity.ts: the caller's ID as the connection has it, and why it does not count, if it does not. */
  callerStart: usize;
  callerSize: u32;
  callerReason: Reason;
  callerDetail: Detail;
  callerDomainSize: u32;
  /** identity/known.ts: where it is kept; 0 for nowhere. */
  callerPlace: usize;
  /** identity/forwarded.ts: the gateway that told us of the caller; size 0 where none did. */
  forwarderStart: usize;
  forwarderSize: u32;
  /** The digest of the caller's certificate in hexadecimal, as that gateway has it. */
  forwardedHashStart: usize;
  forwardedHashSize: u32;

  /** decision/match.ts */
  groupCount: u32;
  candidateCount: u32;

  /** token/token.ts: tokens that were known, and that were not. */
  cacheHits: u32;
  cacheMisses: u32;
  /** Bit n: key set n is fetched, and lacks the key that a token names. */
  unknownKeySets: u64;
  /** Those of them that the decision hangs on; rules in shadow mode have no part in it. */
  awaitedKeySets: u64;

  /** condition/sources.ts: whether the peer's address was read. */
  sourceRead: bool;

  /** How many rules in shadow mode were evaluated and kept. */
  shadowCount: u32;
}

/** The slot. */
export const request: Request = changetype<Request>(memory.data(256, 16));
const request_bytes: u32 = 256;
if (!(offsetof<Request>() <= 256)) ERROR("the slot holds a request");

const segmentStarts: usize = memory.data(path_segments_max * 4, 4);
const segmentSizes: usize = memory.data(path_segments_max * 4, 4);
const groups: usize = memory.data(caller_groups_max * 4, 4);
/** A rule, and where its path variables are (policy/layout.ts, ENTRIES). */
const candidates: usize = memory.data(candidate_rules_max * 8, 4);
/** A rule and a reason each. */
const shadows: usize = memory.data(shadow_rules_max * 8, 4);
/** One for each issuer; `not_checked` until a token has been held against it. */
const findings: usize = memory.data(policy_issuers_max * 4, 16);
export const not_checked: Finding = 0xffffffff;

/** Empties the slot for a new request. */
export function clearRequest(): void {
  clearBytes(changetype<usize>(request), request_bytes);
  request.pairsStart = no_pairs;
  poison(segmentStarts, path_segments_max * 4);
  poison(segmentSizes, path_segments_max * 4);
  poison(groups, caller_groups_max * 4);
  poison(candidates, candidate_rules_max * 8);
  poison(shadows, shadow_rules_max * 8);
  const nothing = i32x4.splat(not_checked);
  for (let place = findings; place < findings + policy_issuers_max * 4; place += 16) v128.store(place, nothing);
}

export function segmentStart(index: u32): usize {
  return <usize>load<u32>(segmentStarts + ((<usize>index) << 2));
}

export function segmentSize(index: u32): u32 {
  return load<u32>(segmentSizes + ((<usize>index) << 2));
}

/** Adds a path segment; false when there is no room for one more. */
export function addSegment(start: usize, size: u32): bool {
  const index = request.segmentCount;
  if (index == path_segments_max) return false;
  store<u32>(segmentStarts + ((<usize>index) << 2), <u32>start);
  store<u32>(segmentSizes + ((<usize>index) << 2), size);
  request.segmentCount = index + 1;
  return true;
}

export function group(index: u32): u32 {
  return load<u32>(groups + ((<usize>index) << 2));
}

export function addGroup(number: u32): bool {
  if (request.groupCount == caller_groups_max) return false;
  store<u32>(groups + ((<usize>request.groupCount) << 2), number);
  request.groupCount++;
  return true;
}

/** Puts groups, `count` words at `start`, in place of those that were there. */
export function setGroups(start: usize, count: u32): void {
  copyBytes(groups, start, count << 2);
  request.groupCount = count;
}

export function candidate(index: u32): u32 {
  return load<u32>(candidates + ((<usize>index) << 3));
}

export function candidateBinding(index: u32): u32 {
  return load<u32>(candidates + ((<usize>index) << 3), 4);
}

/**
 * Adds a rule to those to be evaluated, in the order of their numbers, each once for every way its path variables can be
 * bound; false when full.
 */
export function addCandidate(rule: u32, binding: u32): bool {
  let index = request.candidateCount;
  while (index > 0 && candidate(index - 1) > rule) index--;
  for (let same = index; same > 0 && candidate(same - 1) == rule; same--) {
    if (candidateBinding(same - 1) == binding) return true;
  }
  if (request.candidateCount == candidate_rules_max) return false;
  const place = candidates + ((<usize>index) << 3);
  memory.copy(place + 8, place, (<usize>(request.candidateCount - index)) << 3);
  store<u32>(place, rule);
  store<u32>(place, binding, 4);
  request.candidateCount++;
  return true;
}

/** How the request's token fared with an issuer. */
export function issuerFinding(issuer: u32): Finding {
  return load<u32>(findings + ((<usize>issuer) << 2));
}

/** Keeps how it fared: each issuer is asked once. */
export function setIssuerFinding(issuer: u32, found: Finding): void {
  store<u32>(findings + ((<usize>issuer) << 2), found);
}

/**
 * Keeps what a rule in shadow mode would have done; past `shadow_rules_max` of them the record is full. A rule that is evaluated for
 * several bindings of its path variables, one after the other, would have done what it does for the one that got furthest.
 */
export function addShadow(rule: u32, reason: Reason): void {
  if (request.shadowCount != 0 && shadowRule(request.shadowCount - 1) == rule) {
    const known = shadowReason(request.shadowCount - 1);
    const decides = reason == Reason.ALLOWED || reason == Reason.RULE_DENIED;
    if (known == Reason.ALLOWED || known == Reason.RULE_DENIED || (!decides && reason <= known)) return;
    request.shadowCount--;
  }
  if (request.shadowCount == shadow_rules_max) return;
  const place = shadows + ((<usize>request.shadowCount) << 3);
  store<u32>(place, rule);
  store<u32>(place, reason, 4);
  request.shadowCount++;
}

export function shadowRule(index: u32): u32 {
  return load<u32>(shadows + ((<usize>index) << 3));
}

export function shadowReason(index: u32): Reason {
  return <Reason>load<u32>(shadows + ((<usize>index) << 3), 4);
}
