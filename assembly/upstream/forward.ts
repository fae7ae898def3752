/**
 * Headers that tell the upstream what the engine knows of the caller (`forward` in a policy). Whatever a request carries
 * under such a name comes from outside and is removed, also where `_` stands for `-`, which many upstreams read alike.
 */
import { absent, Span, spanOf, spanSize, spanStart } from "../bytes/span";
import * as json from "../bytes/tape";
import { Kind } from "../bytes/tape";
import { removeRequestHeader, replaceRequestHeader } from "../host/host";
import { firstPair, isPair, nextPair, no_pairs, pairName, pairNameSize } from "../host/pairs";
import { trust_domain_offset } from "../identity/spiffe";
import * as layout from "../policy/layout";
import { memberAt, Policy, recordAt, ruleAt, sectionCount, textSize, textStart } from "../policy/policy";
import { Reason } from "../reason";
import { isSameName } from "../request/headers";
import { request } from "../request/request";
import { verifiedToken } from "../token/slot";

/** Sets the headers of a request that goes on, and of one that goes on only in shadow mode removes them. False where the host refuses. */
export function forwardHeaders(policy: Policy, admitted: bool): bool {
  const count = sectionCount(policy, layout.section_forwards);
  // Headers that could not be read cannot be cleaned.
  if (count != 0 && request.pairsStart == no_pairs) return false;
  for (let index: u32 = 0; index < count; index++) {
    const forward = recordAt(policy, layout.section_forwards, index);
    const name = forward + layout.forward_name_at;
    if (!removeAlike(textStart(policy, name), textSize(name))) return false;
    const value = admitted ? findValue(policy, forward) : absent;
    if (spanSize(value) == 0) continue;
    if (!replaceRequestHeader(textStart(policy, name), textSize(name), spanStart(value), spanSize(value))) return false;
  }
  return true;
}

/** Removes every header of that name (RFC 9110 §5.1: names have no case; Envoy hands them over in lower case). */
function removeAlike(name: usize, size: u32): bool {
  const map = request.pairsStart;
  for (let pair = firstPair(map); isPair(map, pair); pair = nextPair(pair)) {
    if (pairNameSize(pair) != size || !isSameName(pairName(pair), name, size)) continue;
    if (!removeRequestHeader(pairName(pair), size)) return false;
  }
  return true;
}

/** What a header is set to; without bytes where it is set to nothing. */
function findValue(policy: Policy, forward: usize): Span {
  const kind = load<u32>(forward, layout.forward_kind_at);
  if (kind == layout.forward_claim) return findClaim(policy, forward);
  if (request.callerReason != Reason.ALLOWED) return absent;
  const caller = request.callerStart;
  const path = trust_domain_offset + request.callerDomainSize;
  if (kind == layout.forward_trust_domain) return spanOf(caller + trust_domain_offset, request.callerDomainSize);
  if (kind == layout.forward_caller_path) return spanOf(caller + path, request.callerSize - path);
  return spanOf(caller, request.callerSize);
}

/** A claim of the token that the rule asked for: a string that a header can hold, a number or a bool as JSON writes it. */
function findClaim(policy: Policy, forward: usize): Span {
  if (request.rule == 0 || load<u32>(ruleAt(policy, request.rule - 1), layout.rule_issuers_at + 4) == 0) return absent;
  if (request.verifiedIssuer == 0) return absent;
  const claim = memberAt(policy, forward + layout.forward_path_at, verifiedToken().claims);
  if (claim == json.absent) return absent;
  const kind = json.kindOf(claim);
  const isScalar = kind == Kind.STRING || kind == Kind.NUMBER || kind == Kind.TRUE || kind == Kind.FALSE;
  if (!isScalar || !isFieldValue(json.startOf(claim), json.sizeOf(claim))) return absent;
  return spanOf(json.startOf(claim), json.sizeOf(claim));
}

/** Without control characters, and without space at its ends (RFC 9110 §5.5). */
function isFieldValue(start: usize, size: u32): bool {
  if (size == 0 || load<u8>(start) == 0x20 || load<u8>(start + size - 1) == 0x20) return false;
  for (let index: u32 = 0; index < size; index++) {
    const byte = load<u8>(start + index);
    if (byte < 0x20 || byte == 0x7f) return false;
  }
  return true;
}
