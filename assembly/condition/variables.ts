/** What a rule's variables stand for: segments of the request's path, and segments of the caller's ID. */
import { absent, Span, sameBytes, spanOf } from "../bytes/span";
import * as layout from "../policy/layout";
import { Policy, textAt, textSize, textStart, wordAt } from "../policy/policy";
import { Reason } from "../reason";
import { request, segmentCount, segmentSize, segmentStart } from "../request/request";
import { trust_domain_offset } from "../request/spiffe";

/**
 * The segment that a variable stands for, decoded; `absent` where it stands for none.
 * @param binding where the words of the rule's variables begin
 */
export function variableAt(policy: Policy, binding: u32, variable: u32): Span {
  const segment = wordAt(policy, binding + variable);
  if (segment == layout.no_segment) return absent;
  if ((segment & layout.caller_segment) != 0) return callerSegment(segment ^ layout.caller_segment);
  return pathSegment(segment);
}

/** The same by a text, the name of one of the rule's variables. */
export function namedVariable(policy: Policy, rule: usize, binding: u32, name: usize): Span {
  const first = load<u32>(rule, layout.rule_variable_names_at);
  const count = load<u32>(rule, layout.rule_variable_names_at + 4);
  const size = textSize(name);
  for (let index: u32 = 0; index < count; index++) {
    const own = textAt(policy, first + index);
    if (textSize(own) != size || !sameBytes(textStart(policy, own), textStart(policy, name), size)) continue;
    return variableAt(policy, binding, index);
  }
  return absent;
}

/** A segment of the path, without the text around what the variable stands for. */
function pathSegment(word: u32): Span {
  const place = word & layout.variable_index_mask;
  const index = (word & layout.variable_from_end) == 0 ? place : segmentCount() - 1 - place;
  if (index >= segmentCount()) return absent;
  const before = (word >> layout.variable_prefix_shift) & layout.variable_text_mask;
  const after = (word >> layout.variable_suffix_shift) & layout.variable_text_mask;
  let start = segmentStart(index);
  let end = start + segmentSize(index);
  for (let left = before; left != 0 && start < end; left--) {
    do start++;
    while (start < end && continues(start));
  }
  for (let left = after; left != 0 && start < end; left--) {
    do end--;
    while (start < end && continues(end));
  }
  return spanOf(start, <u32>(end - start));
}

/** Whether a byte continues a character (RFC 3629 §3). */
// @inline
function continues(at: usize): bool {
  return (load<u8>(at) & 0xc0) == 0x80;
}

/** A segment of the path of the caller's ID, counted from 0. */
function callerSegment(index: u32): Span {
  if (request.callerReason != Reason.ALLOWED) return absent;
  const end = request.callerStart + request.callerSize;
  let at = request.callerStart + trust_domain_offset + request.callerDomainSize;
  for (let segment: u32 = 0; at < end; segment++) {
    const start = ++at;
    while (at < end && load<u8>(at) != 0x2f) at++;
    if (segment == index) return spanOf(start, <u32>(at - start));
  }
  return absent;
}
