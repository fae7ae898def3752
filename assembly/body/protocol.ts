/** Which protocol is spoken on the request's path, if the policy names it. */
import { lower, sameBytes } from "../bytes/span";
import * as layout from "../policy/layout";
import { Policy, recordAt, sectionCount, textSize, textStart } from "../policy/policy";
import { request } from "../request/request";

/** The path is none of a protocol's, but some upstream may take it for one. */
export const near_protocol: usize = 1;

/**
 * The record of PROTOCOLS for the path of the request in hand; 0 where none is spoken there; `near_protocol` where the path differs in
 * case, slashes or parameters alone, so that its calls would pass unread. Few paths are compared.
 */
export function findProtocol(policy: Policy): usize {
  const count = sectionCount(policy, layout.section_protocols);
  const start = request.decodedPathStart;
  const size = request.decodedPathSize;
  let found: usize = 0;
  for (let index: u32 = 0; index < count; index++) {
    const record = recordAt(policy, layout.section_protocols, index);
    const path = record + layout.protocol_path_at;
    if (textSize(path) == size && sameBytes(textStart(policy, path), start, size)) return record;
    if (isNear(start, size, textStart(policy, path), textSize(path))) found = near_protocol;
  }
  return found;
}

/** Whether two paths are one to a reader that minds neither case, empty segments, nor what stands behind `;` in a segment. */
function isNear(left: usize, leftSize: u32, right: usize, rightSize: u32): bool {
  const leftEnd = left + leftSize;
  const rightEnd = right + rightSize;
  while (true) {
    left = skipSlashes(left, leftEnd);
    right = skipSlashes(right, rightEnd);
    if (left == leftEnd || right == rightEnd) return left == leftEnd && right == rightEnd;
    while (isPart(left, leftEnd) && isPart(right, rightEnd)) {
      if (lower(load<u8>(left)) != lower(load<u8>(right))) return false;
      left++;
      right++;
    }
    if (isPart(left, leftEnd) || isPart(right, rightEnd)) return false;
    left = skipParameters(left, leftEnd);
    right = skipParameters(right, rightEnd);
  }
}

function skipSlashes(at: usize, end: usize): usize {
  while (at < end && load<u8>(at) == 0x2f) at++;
  return at;
}

function isPart(at: usize, end: usize): bool {
  return at < end && load<u8>(at) != 0x2f && load<u8>(at) != 0x3b;
}

function skipParameters(at: usize, end: usize): usize {
  while (at < end && load<u8>(at) != 0x2f) at++;
  return at;
}
