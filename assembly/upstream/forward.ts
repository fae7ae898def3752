/**
 * Headers that tell the upstream what the engine knows of the caller (`forward` in a policy). Whatever a request carries
 * under such a name comes from outside and is removed, also where `_` stands for `-`, which many upstreams read alike.
 */
import { absent, indexOfByte, Span, spanOf, spanSize, spanStart } from "../bytes/span";
import * as json from "../bytes/tape";
import { openWriter, Writer, writeBytes, writeDecimal, writeText } from "../bytes/writer";
import { namedVariable } from "../condition/variables";
import { LogLevel } from "../host/abi";
import { log, removeRequestHeader, replaceRequestHeader } from "../host/host";
import { firstPair, isPair, nextPair, no_pairs, pairName, pairNameSize } from "../host/pairs";
import { log_bytes_max } from "../limits";
import * as layout from "../policy/layout";
import {
  limitAt,
  memberAt,
  needs,
  Policy,
  recordAt,
  ruleAt,
  sectionCount,
  textAt,
  textSize,
  textStart,
} from "../policy/policy";
import { Reason } from "../reason";
import { isSameName } from "../request/headers";
import { hopsBefore } from "../request/hops";
import { request } from "../request/request";
import { trust_domain_offset } from "../request/spiffe";
import { verifiedToken } from "../token/slot";
import { claimValue } from "./claimvalue";

const writer = changetype<Writer>(memory.data(32, 8));
const line: usize = memory.data(log_bytes_max);

/** Sets the headers of a request that goes on, and of one that goes on only in shadow mode removes them. False where the host refuses. */
export function forwardHeaders(policy: Policy, admitted: bool): bool {
  if (needs(policy, layout.needs_hops) && !countHops(policy)) return false;
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

/** Sets the headers that count hops to one more, whichever rule admits, and also in shadow mode: a loop may lead by any. */
function countHops(policy: Policy): bool {
  if (request.pairsStart == no_pairs) return false;
  for (let index: u32 = 0; index < sectionCount(policy, layout.section_limits); index++) {
    const limit = limitAt(policy, index);
    if (load<u32>(limit, layout.limit_kind_at) != layout.limit_hops) continue;
    const name = limit + layout.limit_header_at;
    if (!removeAlike(textStart(policy, name), textSize(name))) return false;
    openWriter(writer, line, log_bytes_max);
    writeDecimal(writer, hopsBefore(policy, limit) + 1);
    if (!replaceRequestHeader(textStart(policy, name), textSize(name), line, writer.size)) return false;
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
  if (kind == layout.forward_capture) return findCapture(policy, forward);
  const caller = request.callerStart;
  const path = trust_domain_offset + request.callerDomainSize;
  if (kind == layout.forward_trust_domain) return spanOf(caller + trust_domain_offset, request.callerDomainSize);
  if (kind == layout.forward_caller_path) return spanOf(caller + path, request.callerSize - path);
  return spanOf(caller, request.callerSize);
}

/** A segment of the caller's ID that the rule which admits has a name for; all its bytes may stand in a header (SPIFFE-ID §2.2). */
function findCapture(policy: Policy, forward: usize): Span {
  if (request.rule == 0) return absent;
  const name = textAt(policy, load<u32>(forward, layout.forward_path_at));
  return namedVariable(policy, ruleAt(policy, request.rule - 1), request.binding, name);
}

/** A claim of the token that the rule asked for, in the form that the policy says; all of them in base64url are as the token has them. */
function findClaim(policy: Policy, forward: usize): Span {
  if (!request.hasOwnToken) return absent;
  const token = verifiedToken();
  const path = forward + layout.forward_path_at;
  const form = load<u32>(forward, layout.forward_as_at);
  if (load<u32>(path, 4) == 0 && form == layout.as_base64url) {
    const start = token.start + indexOfByte(token.start, token.size, 0x2e) + 1;
    return spanOf(start, indexOfByte(start, <u32>(token.start + token.size - start), 0x2e));
  }
  const claim = memberAt(policy, path, token.claims);
  if (claim == json.absent) return absent;
  const value = claimValue(claim, form);
  const isEmpty = json.after(claim) == json.firstOf(claim) && json.sizeOf(claim) <= 2;
  if (spanSize(value) == 0 && !isEmpty && !policy.isForwardTold) {
    policy.isForwardTold = true;
    const name = forward + layout.forward_name_at;
    tellLeftOut(textStart(policy, name), textSize(name));
  }
  return value;
}

function tellLeftOut(name: usize, size: u32): void {
  openWriter(writer, line, log_bytes_max);
  writeText(
    writer,
    "sallyport: no header holds the claim that is to be forwarded, a list without `as` or a text with a comma or control characters in it: left out ",
  );
  writeBytes(writer, name, size);
  log(LogLevel.WARN, line, writer.size);
}
