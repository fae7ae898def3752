/**
 * What is known of the request in hand. One callback decides one request from start to end, so there is one slot; the
 * stages fill it from top to bottom, and nothing in it outlives the callback.
 */

import { poison } from "../bytes/poison";
import { clearBytes, copyBytes } from "../bytes/span";
import { Detail } from "../detail";
import { Finding } from "../finding";
import { no_pairs } from "../host/pairs";
import { caller_groups_max, candidate_rules_max, policy_issuers_max, shadow_rules_max } from "../limits";
import { Reason } from "../reason";
import { QuarantineEvent } from "./quarantine";
import { RuleResult } from "./result";
import { clearSegments, Segments, segments_bytes, sizeOf, startOf } from "./segments";

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
  segments: Segments;
  decodedPathStart: usize;
  decodedPathSize: u32;
  /** request/forms.ts: in which forms that can be read in several ways the path is; and whether an allow rule that fits does not take one. */
  forms: u32;
  isFormRefused: bool;

  nowNanoseconds: u64;

  /** limit/quota.ts: the limit that the answer tells of, + 1, or 0 for none; its burst, the tokens that it has left, and the seconds until it is full. */
  quotaLimit: u32;
  quotaBurst: u32;
  quotaLeft: u32;
  quotaSeconds: u32;

  /** identity/identity.ts: the caller's ID as the connection has it, and why it does not count, if it does not. */
  callerStart: usize;
  callerSize: u32;
  callerReason: Reason;
  callerDetail: Detail;
  callerDomainSize: u32;
  /** request/alias.ts: the ID that the caller has shown, where it is an alias of that one; else size 0. */
  presentedStart: usize;
  presentedSize: u32;
  /** identity/known.ts: where it is kept; 0 for nowhere. */
  callerPlace: usize;
  /** identity/svid.ts: a token says who the caller is, and not the connection. */
  isBySvid: bool;
  /** identity/forwarded.ts: the gateway that told us of the caller; size 0 where none did. */
  forwarderStart: usize;
  forwarderSize: u32;
  /** The digest of the caller's certificate in hexadecimal, as that gateway has it. */
  forwardedHashStart: usize;
  forwardedHashSize: u32;

  /** decision/match.ts */
  groupCount: u32;
  candidateCount: u32;

  /** decision/evaluate.ts: whether the token that the result tells of is one that its rule asked for. */
  hasOwnToken: bool;

  /** token/token.ts: tokens that were known, and that were not. */
  cacheHits: u32;
  cacheMisses: u32;
  /** Bit n: key set n is fetched, and lacks the key that a token names. */
  unknownKeySets: u64;
  /** The same of sets none of whose keys verifies a token that names no key: nothing waits for them. */
  doubtedKeySets: u64;
  /** Those of them that the decision hangs on; rules in shadow mode have no part in it. */
  awaitedKeySets: u64;

  /** condition/sources.ts: whether the peer's address was read. */
  sourceRead: bool;

  /** quarantine/quarantine.ts: the quarantine that did something, + 1, and what; bit n: quarantine n shuts the caller out, or would. */
  quarantine: u32;
  quarantineEvent: QuarantineEvent;
  quarantinesShut: u32;

  /** How many rules in shadow mode were evaluated and kept. */
  shadowCount: u32;
}

/** The slot. */
export const request: Request = changetype<Request>(memory.data(288, 16));
const request_bytes: u32 = 288;
if (!(offsetof<Request>() <= 288)) ERROR("the slot holds a request");

/** The segments of the path as sent. */
export const sentSegments = changetype<Segments>(memory.data(segments_bytes, 8));
const groups: usize = memory.data(caller_groups_max * 4, 4);
/** A rule, with the reading of the path that it matched in the bits above; and where its path variables are (policy/layout.ts, ENTRIES). */
const rule_mask: u32 = 0xffffff;
const reading_shift: u32 = 24;
const candidates: usize = memory.data(candidate_rules_max * 8, 4);
/** A rule and a reason each. */
const shadows: usize = memory.data(shadow_rules_max * 8, 4);
/** One for each issuer; `not_checked` until a token has been held against it. */
const findings: usize = memory.data(policy_issuers_max * 4, 16);
export const not_checked: Finding = 0xffffffff;
for (let place = findings; place < findings + policy_issuers_max * 4; place += 4) store<u32>(place, not_checked);
/** After the last of them that was kept: what lies behind it needs no clearing. */
let findingsEnd: usize = findings;

/** Empties the slot for a new request. */
export function clearRequest(): void {
  clearBytes(changetype<usize>(request), request_bytes);
  request.pairsStart = no_pairs;
  request.segments = sentSegments;
  clearSegments(sentSegments);
  poison(groups, caller_groups_max * 4);
  poison(candidates, candidate_rules_max * 8);
  poison(shadows, shadow_rules_max * 8);
  const nothing = i32x4.splat(not_checked);
  for (let place = findings; place < findingsEnd; place += 16) v128.store(place, nothing);
  findingsEnd = findings;
}

export function segmentCount(): u32 {
  return request.segments.count;
}

export function segmentStart(index: u32): usize {
  return startOf(request.segments, index);
}

export function segmentSize(index: u32): u32 {
  return sizeOf(request.segments, index);
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
  return load<u32>(candidates + ((<usize>index) << 3)) & rule_mask;
}

/** The reading of the path that it matched (request/forms.ts). */
export function candidateReading(index: u32): u32 {
  return load<u32>(candidates + ((<usize>index) << 3)) >> reading_shift;
}

export function candidateBinding(index: u32): u32 {
  return load<u32>(candidates + ((<usize>index) << 3), 4);
}

/**
 * Adds a rule to those to be evaluated, in the order of their numbers, each once for every way its path variables can be
 * bound, and for every reading of the path that makes a difference to it; false when full.
 */
export function addCandidate(rule: u32, binding: u32, reading: u32): bool {
  let index = request.candidateCount;
  while (index > 0 && candidate(index - 1) > rule) index--;
  for (let same = index; same > 0 && candidate(same - 1) == rule; same--) {
    if (candidateBinding(same - 1) == binding && candidateReading(same - 1) == reading) return true;
  }
  if (request.candidateCount == candidate_rules_max) return false;
  const place = candidates + ((<usize>index) << 3);
  memory.copy(place + 8, place, (<usize>(request.candidateCount - index)) << 3);
  store<u32>(place, rule | (reading << reading_shift));
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
  const place = findings + ((<usize>issuer) << 2);
  store<u32>(place, found);
  if (place >= findingsEnd) findingsEnd = place + 4;
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
