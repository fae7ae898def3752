/**
 * Issuers with many tenants: `iss` is made of texts and of claims of the token, as in `https://login.example.com/{tid}/v2.0`. All of
 * it is compared exactly. A claim stands for one whole segment of the path or label of the host, in characters that mean nothing
 * in a URL (RFC 3986 §2.3), so that no claim makes another host or path of it.
 */
import { sameBytes } from "../bytes/span";
import * as json from "../bytes/tape";
import { Kind } from "../bytes/tape";
import { Detail } from "../detail";
import { Finding, finding, good } from "../finding";
import * as layout from "../policy/layout";
import { Policy, recordAt, textSize, textStart } from "../policy/policy";
import { findMember } from "../policy/table";
import { Reason } from "../reason";

/** RFC 1035 §2.3.4. */
const label_bytes: u32 = 63;

/** Whether `iss`, a record of the token's tape, is made as the issuer's template says, for a tenant of the issuer's. */
export function matchTemplate(policy: Policy, issuer: usize, claims: usize, iss: usize): Finding {
  const other = finding(Reason.TOKEN_ISSUER, Detail.NONE);
  if (json.kindOf(iss) != Kind.STRING) return other;
  const first = load<u32>(issuer, layout.issuer_template_at);
  const count = load<u32>(issuer, layout.issuer_template_at + 4);
  const tenants = load<u32>(issuer, layout.issuer_tenants_at);
  const end = json.startOf(iss) + json.sizeOf(iss);
  let cursor = json.startOf(iss);
  let isTenant = true;
  for (let index = first; index < first + count; index++) {
    const part = recordAt(policy, layout.section_template_parts, index);
    const text = part + layout.template_part_text_at;
    if (!begins(cursor, end, textStart(policy, text), textSize(text))) return other;
    cursor += textSize(text);
    const name = part + layout.template_part_claim_at;
    if (textSize(name) == 0) continue;
    const claim = json.member(claims, textStart(policy, name), textSize(name));
    if (claim == json.absent || json.kindOf(claim) != Kind.STRING) return other;
    const start = json.startOf(claim);
    const size = json.sizeOf(claim);
    if (!begins(cursor, end, start, size)) return other;
    if (!isWhole(start, size, load<u32>(part, layout.template_part_kind_at) == layout.part_label)) return other;
    if (tenants != 0 && findMember(policy, tenants - 1, start, size) < 0) isTenant = false;
    cursor += size;
  }
  if (cursor != end) return other;
  return isTenant ? good : finding(Reason.TOKEN_ISSUER, Detail.TENANT);
}

function begins(cursor: usize, end: usize, start: usize, size: u32): bool {
  return size <= <u32>(end - cursor) && sameBytes(cursor, start, size);
}

/** A label has letters, digits and `-`, not at its ends; a segment has `.`, `_` and `~` too, and is neither `.` nor `..`. */
function isWhole(start: usize, size: u32, isLabel: bool): bool {
  let dots: u32 = 0;
  for (let index: u32 = 0; index < size; index++) {
    const byte = <u32>load<u8>(start + index);
    if ((byte | 0x20) - 0x61 < 26 || byte - 0x30 < 10) continue;
    if (byte == 0x2d) {
      if (isLabel && (index == 0 || index + 1 == size)) return false;
    } else if (isLabel || (byte != 0x2e && byte != 0x5f && byte != 0x7e)) {
      return false;
    } else if (byte == 0x2e) {
      dots++;
    }
  }
  if (size == 0 || (isLabel && size > label_bytes)) return false;
  return dots != size || size > 2;
}
