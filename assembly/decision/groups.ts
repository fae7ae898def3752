/**
 * Which groups of callers the caller is in (policy/layout.ts, CALLERS): by its whole ID, by what it begins with, and with `*` for
 * some of its segments.
 */
import { copyBytes } from "../bytes/span";
import { Failure } from "../failure";
import { fail } from "../host/host";
import { recallGroups, rememberGroups } from "../identity/known";
import { inspecting, reportGroup } from "../inspect";
import { pattern_segments_max, spiffe_id_bytes_max } from "../limits";
import * as layout from "../policy/layout";
import { head, Policy, recordAt, sectionStart, wordAt } from "../policy/policy";
import { findCaller } from "../policy/table";
import { Reason } from "../reason";
import { addGroup, request } from "../request/request";
import { trust_domain_offset } from "../request/spiffe";

/** A valid ID, in which no segment is empty, gets no longer by `*` for its segments. */
const masked: usize = memory.data(spiffe_id_bytes_max);

/** Collects the caller's groups; false where a bound was met. They follow from its ID, so those of a caller seen before are known. */
export function findGroups(policy: Policy): bool {
  const place = request.callerPlace;
  if (place == 0 || inspecting) return collectGroups(policy);
  if (recallGroups(place)) return true;
  if (!collectGroups(policy)) return false;
  rememberGroups(place);
  return true;
}

function collectGroups(policy: Policy): bool {
  addMembership(layout.group_anonymous);
  if (request.callerReason != Reason.ALLOWED) return true;
  addMembership(layout.group_any);
  const start = request.callerStart;
  const size = request.callerSize;
  if (!addGroupsOf(policy, layout.caller_exact, start, size)) return false;
  const record = head(policy);
  const children = load<u32>(record, layout.policy_child_depths_at);
  const descendants = load<u32>(record, layout.policy_descendant_depths_at);
  const shapes = load<u32>(record, layout.policy_caller_shapes_at + 4);
  if ((children | descendants | shapes) == 0) return true;
  const segments = countSegments(start, size);
  if (shapes != 0 && !addGroupsOfShapes(policy, segments)) return false;
  let depth: u32 = 0;
  for (let cursor = trust_domain_offset; cursor < size && depth < pattern_segments_max; cursor++) {
    if (load<u8>(start + cursor) != 0x2f) continue;
    const bit: u32 = 1 << depth;
    if ((descendants & bit) != 0 && !addGroupsOf(policy, layout.caller_descendants, start, cursor)) return false;
    if ((children & bit) != 0 && depth + 1 == segments) {
      if (!addGroupsOf(policy, layout.caller_child, start, cursor)) return false;
    }
    depth++;
  }
  return true;
}

/** Looks the ID up as each shape of a pattern that it fits: with `*` for the segments that may be any. */
function addGroupsOfShapes(policy: Policy, segments: u32): bool {
  const run = head(policy) + layout.policy_caller_shapes_at;
  const first = load<u32>(run);
  const end = first + load<u32>(run, 4);
  for (let word = first; word < end; word += layout.caller_shape_words) {
    const shape = wordAt(policy, word);
    const kind = shape & ((1 << layout.caller_shape_segments_shift) - 1);
    const own = shape >> layout.caller_shape_segments_shift;
    const fits =
      kind == layout.caller_exact
        ? segments == own
        : kind == layout.caller_child
          ? segments == own + 1
          : segments > own;
    if (fits && !addGroupsOf(policy, kind, masked, mask(own, wordAt(policy, word + 1)))) return false;
  }
  return true;
}

/**
 * Writes the ID's first segments into `masked`.
 * @param wildcards bit n: `*` for segment n
 * @returns how many bytes; none where the ID has fewer segments
 */
function mask(segments: u32, wildcards: u32): u32 {
  const id = request.callerStart;
  const end = id + request.callerSize;
  let from = id + trust_domain_offset + request.callerDomainSize;
  let to = masked + (from - id);
  copyBytes(masked, id, <u32>(from - id));
  for (let segment: u32 = 0; segment < segments; segment++) {
    if (from == end) return 0;
    const start = from++;
    while (from < end && load<u8>(from) != 0x2f) from++;
    const isWildcard = (wildcards & (1 << segment)) != 0;
    store<u8>(to, 0x2f);
    if (isWildcard) store<u8>(to, 0x2a, 1);
    else copyBytes(to + 1, start + 1, <u32>(from - start) - 1);
    to += isWildcard ? 2 : from - start;
  }
  return <u32>(to - masked);
}

function countSegments(start: usize, size: u32): u32 {
  let segments: u32 = 0;
  for (let cursor = trust_domain_offset; cursor < size; cursor++) {
    if (load<u8>(start + cursor) == 0x2f) segments++;
  }
  return segments;
}

function addGroupsOf(policy: Policy, kind: u32, start: usize, size: u32): bool {
  const place = findCaller(policy, kind, start, size);
  if (place < 0) return true;
  const caller = recordAt(policy, layout.section_callers, place);
  const first = load<u32>(caller, layout.caller_groups_at);
  const count = load<u32>(caller, layout.caller_groups_at + 4);
  if (count == 1) return addMembership(first);
  const words = sectionStart(policy, layout.section_words);
  for (let index: u32 = 0; index < count; index++) {
    const number = load<u32>(words + ((<usize>(first + index)) << 2));
    if (!addMembership(number)) return false;
  }
  return true;
}

function addMembership(number: u32): bool {
  if (inspecting) reportGroup(number);
  if (addGroup(number)) return true;
  fail(Failure.CALLER_GROUPS);
  return false;
}
