/**
 * Scopes of a verified token: words of a text, separated by spaces (RFC 8693 §4.2), or elements of a list, each taken whole. Of the
 * claims that an issuer names for them, `scope` and `scp` by default, the first that the token has counts.
 */

import { sameBytes } from "../bytes/span";
import * as json from "../bytes/tape";
import { Kind } from "../bytes/tape";
import * as layout from "../policy/layout";
import { issuerAt, memberAt, Policy, recordAt, textAt, textSize, textStart } from "../policy/policy";

/**
 * Whether the claims of a token hold every scope of a rule, or one of them where that is enough.
 * @param verifiedIssuer the issuer of the token, + 1; 0 where there is none
 */
export function hasScopes(policy: Policy, rule: usize, verifiedIssuer: u32, claims: usize): bool {
  const first = load<u32>(rule, layout.rule_scopes_at);
  const count = load<u32>(rule, layout.rule_scopes_at + 4);
  if (count == 0) return true;
  if (verifiedIssuer == 0) return false;
  const claim = scopesClaim(policy, issuerAt(policy, verifiedIssuer - 1), claims);
  if (claim == json.absent) return false;
  const isAny = load<u32>(rule, layout.rule_held_at) == layout.held_any;
  for (let index: u32 = 0; index < count; index++) {
    const text = textAt(policy, first + index);
    if (holds(claim, textStart(policy, text), textSize(text)) == isAny) return isAny;
  }
  return !isAny;
}

function scopesClaim(policy: Policy, issuer: usize, claims: usize): usize {
  const first = load<u32>(issuer, layout.issuer_scope_claims_at);
  const count = load<u32>(issuer, layout.issuer_scope_claims_at + 4);
  for (let index: u32 = 0; index < count; index++) {
    const selector = recordAt(policy, layout.section_selectors, first + index);
    const claim = memberAt(policy, selector + layout.selector_path_at, claims);
    if (claim != json.absent) return claim;
  }
  return json.absent;
}

function holds(claim: usize, start: usize, size: u32): bool {
  const kind = json.kindOf(claim);
  if (kind == Kind.ARRAY) return listHolds(claim, start, size);
  return kind == Kind.STRING && textHolds(claim, start, size);
}

function listHolds(list: usize, start: usize, size: u32): bool {
  const end = json.after(list);
  for (let element = json.firstOf(list); element < end; element = json.after(element)) {
    if (json.isString(element, start, size)) return true;
  }
  return false;
}

function textHolds(claim: usize, start: usize, size: u32): bool {
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
