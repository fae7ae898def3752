/** Scopes of a verified token: `scope`, space-separated (RFC 8693 §4.2), or else `scp`, a string or a list. */

import { literal } from "../bytes/literal";
import { sameBytes } from "../bytes/span";
import * as json from "../bytes/tape";
import { Kind } from "../bytes/tape";
import * as layout from "../policy/layout";
import { Policy, textAt, textSize, textStart } from "../policy/policy";

const scope_name = literal("scope");
const scp_name = literal("scp");

/** Whether the claims, a record of a tape or `absent`, hold every scope of a rule. */
export function hasScopes(policy: Policy, rule: usize, claims: usize): bool {
  const first = load<u32>(rule, layout.rule_scopes_at);
  const count = load<u32>(rule, layout.rule_scopes_at + 4);
  if (count == 0) return true;
  let claim = json.member(claims, scope_name.start, scope_name.size);
  const isList = claim == json.absent;
  if (isList) claim = json.member(claims, scp_name.start, scp_name.size);
  if (claim == json.absent) return false;
  for (let index: u32 = 0; index < count; index++) {
    const text = textAt(policy, first + index);
    const start = textStart(policy, text);
    const size = textSize(text);
    const held =
      isList && json.kindOf(claim) == Kind.ARRAY ? listHolds(claim, start, size) : textHolds(claim, start, size);
    if (!held) return false;
  }
  return true;
}

function listHolds(list: usize, start: usize, size: u32): bool {
  const end = json.after(list);
  for (let element = json.firstOf(list); element < end; element = json.after(element)) {
    if (json.isString(element, start, size)) return true;
  }
  return false;
}

function textHolds(claim: usize, start: usize, size: u32): bool {
  if (json.kindOf(claim) != Kind.STRING) return false;
  let cursor = json.startOf(claim);
  const end = cursor + json.sizeOf(claim);
  while (cursor < end) {
    let wordEnd = cursor;
    while (wordEnd < end && load<u8>(wordEnd) != 0x20) wordEnd++;
    if (<u32>(wordEnd - cursor) == size && sameBytes(cursor, start, size)) return true;
    cursor = wordEnd + 1;
  }
  return false;
}
