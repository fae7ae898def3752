/**
 * From the request to the rules that can match it: caller → groups, host → host numbers, and for each pair of them one
 * walk down the path's segments. Hash lookups all the way (policy/layout.ts), so the number of rules does not show.
 */

import { inspecting, reportEntry, reportGroup, reportHost } from "../audit/inspect";
import { hash32 } from "../bytes/hash";
import { sameBytes } from "../bytes/span";
import { Failure } from "../failure";
import { fail } from "../host/host";
import { trust_domain_offset } from "../identity/spiffe";
import { index_visits, path_segments, pattern_segments } from "../limits";
import { Reason } from "../reason";
import { addCandidate, addGroup, group, request, segmentSize, segmentStart } from "../request/request";
import * as layout from "./layout";
import { head, Policy, recordAt, sectionCount, sectionStart, textAt, textSize, textStart } from "./policy";

/** Nodes still to be visited on one walk, each with the number of segments that lead to it. */
const pending: usize = memory.data((path_segments + 2) * 8, 4);
const pair: usize = memory.data(8, 4);
let visits: u32 = 0;

/** Collects the candidate rules in the request's slot. INTERNAL where a bound was met, else ALLOWED. */
export function findCandidates(policy: Policy): Reason {
  visits = 0;
  const complete = findGroups(policy) && walkHosts(policy);
  return complete ? Reason.ALLOWED : Reason.INTERNAL;
}

function findGroups(policy: Policy): bool {
  addMembership(layout.group_anonymous);
  if (request.callerReason != Reason.ALLOWED) return true;
  addMembership(layout.group_any);
  const start = request.callerStart;
  const size = request.callerSize;
  if (!addGroupsOf(policy, layout.caller_exact, start, size)) return false;
  const record = head(policy);
  const children = load<u32>(record, layout.policy_child_depths);
  const descendants = load<u32>(record, layout.policy_descendant_depths);
  if ((children | descendants) == 0) return true;
  const segments = countSegments(start, size);
  let depth: u32 = 0;
  for (let cursor = trust_domain_offset; cursor < size && depth < pattern_segments; cursor++) {
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

function countSegments(start: usize, size: u32): u32 {
  let segments: u32 = 0;
  for (let cursor = trust_domain_offset; cursor < size; cursor++) {
    if (load<u8>(start + cursor) == 0x2f) segments++;
  }
  return segments;
}

function addGroupsOf(policy: Policy, kind: u32, start: usize, size: u32): bool {
  const caller = find(policy, layout.section_caller_slots, layout.section_callers, kind, start, size);
  if (caller == 0) return true;
  const first = load<u32>(caller, layout.caller_groups_run);
  const count = load<u32>(caller, layout.caller_groups_run + 4);
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

function walkHosts(policy: Policy): bool {
  if (!walkGroups(policy, layout.host_any)) return false;
  if (sectionCount(policy, layout.section_hosts) == 0) return true;
  const start = request.hostStart;
  const size = request.hostSize;
  if (!walkHost(policy, layout.host_exact, start, size)) return false;
  const depths = load<u32>(head(policy), layout.policy_host_depths);
  let labels: u32 = 0;
  for (let cursor = size; cursor > 1; cursor--) {
    if (load<u8>(start + cursor - 1) != 0x2e) continue;
    labels++;
    if (labels > pattern_segments) return true;
    if ((depths & (1 << labels)) == 0) continue;
    if (!walkHost(policy, layout.host_suffix, start + cursor, size - cursor)) return false;
  }
  return true;
}

function walkHost(policy: Policy, kind: u32, start: usize, size: u32): bool {
  const host = find(policy, layout.section_host_slots, layout.section_hosts, kind, start, size);
  if (host == 0) return true;
  const index = <u32>(host - sectionStart(policy, layout.section_hosts)) / layout.host_record_bytes;
  return walkGroups(policy, index + 1);
}

function walkGroups(policy: Policy, host: u32): bool {
  if (inspecting) reportHost(host);
  for (let index: u32 = 0; index < request.groupCount; index++) {
    const root = findRoot(policy, group(index), host);
    if (root >= 0 && !walk(policy, root)) return false;
  }
  return true;
}

/** Visits every node the path leads to: at each segment the edge of that name and the wildcard. */
function walk(policy: Policy, root: u32): bool {
  let waiting: u32 = 1;
  push(0, root, 0);
  while (waiting > 0) {
    waiting--;
    const node = load<u32>(pending + ((<usize>waiting) << 3));
    const depth = load<u32>(pending + ((<usize>waiting) << 3), 4);
    if (++visits > index_visits) {
      fail(Failure.INDEX_VISITS);
      return false;
    }
    const record = recordAt(policy, layout.section_nodes, node);
    if (!addEntries(policy, record + layout.node_tails)) return false;
    if (depth == request.segmentCount) {
      if (!addEntries(policy, record + layout.node_ends)) return false;
      continue;
    }
    const wildcard = load<u32>(record, layout.node_wildcard);
    if (wildcard != 0) push(waiting++, wildcard - 1, depth + 1);
    const child = findChild(policy, node, depth);
    if (child >= 0) push(waiting++, child, depth + 1);
  }
  return true;
}

/** Depth first, so that at most one branch a segment is left waiting, and one more is in hand. */
function push(place: u32, node: u32, depth: u32): void {
  store<u32>(pending + ((<usize>place) << 3), node);
  store<u32>(pending + ((<usize>place) << 3), depth, 4);
}

function addEntries(policy: Policy, run: usize): bool {
  const first = load<u32>(run);
  const count = load<u32>(run, 4);
  if (count == 0) return true;
  const method = methodBit(policy);
  let entry = recordAt(policy, layout.section_entries, first);
  for (let index: u32 = 0; index < count; index++) {
    const rule = load<u32>(entry);
    if ((load<u32>(entry, layout.entry_methods) & method) == 0) {
      if (inspecting) reportEntry(rule);
    } else if (!addCandidate(rule)) {
      fail(Failure.CANDIDATE_RULES);
      return false;
    }
    entry += layout.entry_bytes;
  }
  return true;
}

/** The bit of the request's method: its place among those the policy names, or the last bit for all others. */
function methodBit(policy: Policy): u32 {
  const record = head(policy);
  const first = load<u32>(record, layout.policy_methods_run);
  const count = load<u32>(record, layout.policy_methods_run + 4);
  for (let index: u32 = 0; index < count; index++) {
    const text = textAt(policy, first + index);
    if (
      textSize(text) == request.methodSize &&
      sameBytes(textStart(policy, text), request.methodStart, request.methodSize)
    ) {
      return 1 << index;
    }
  }
  return 1 << 31;
}

/** The record of a table of kinds and texts, or 0. CALLERS and HOSTS begin alike. */
function find(policy: Policy, slotsSection: u32, section: u32, kind: u32, start: usize, size: u32): usize {
  const slots = sectionStart(policy, slotsSection);
  const mask = sectionCount(policy, slotsSection) - 1;
  let slot = hash32(kind, start, size) & mask;
  while (true) {
    const value = load<u32>(slots + ((<usize>slot) << 2));
    if (value == 0) return 0;
    const record = recordAt(policy, section, value - 1);
    const text = record + layout.caller_text;
    if (load<u32>(record) == kind && textSize(text) == size && sameBytes(textStart(policy, text), start, size)) {
      return record;
    }
    slot = (slot + 1) & mask;
  }
}

/** The root node of a group and a host number, or -1. */
function findRoot(policy: Policy, groupNumber: u32, host: u32): i32 {
  store<u32>(pair, groupNumber);
  store<u32>(pair, host, 4);
  const slots = sectionStart(policy, layout.section_root_slots);
  const mask = sectionCount(policy, layout.section_root_slots) - 1;
  let slot = hash32(0, pair, 8) & mask;
  while (true) {
    const value = load<u32>(slots + ((<usize>slot) << 2));
    if (value == 0) return -1;
    const root = recordAt(policy, layout.section_roots, value - 1);
    if (load<u32>(root) == groupNumber && load<u32>(root, layout.root_host) == host) {
      return <i32>load<u32>(root, layout.root_node);
    }
    slot = (slot + 1) & mask;
  }
}

/** The child node along the edge of segment `depth`, or -1. */
function findChild(policy: Policy, node: u32, depth: u32): i32 {
  const start = segmentStart(depth);
  const size = segmentSize(depth);
  const slots = sectionStart(policy, layout.section_edge_slots);
  const mask = sectionCount(policy, layout.section_edge_slots) - 1;
  let slot = hash32(node, start, size) & mask;
  while (true) {
    const value = load<u32>(slots + ((<usize>slot) << 2));
    if (value == 0) return -1;
    const edge = recordAt(policy, layout.section_edges, value - 1);
    const text = edge + layout.edge_text;
    if (load<u32>(edge) == node && textSize(text) == size && sameBytes(textStart(policy, text), start, size)) {
      return <i32>load<u32>(edge, layout.edge_child);
    }
    slot = (slot + 1) & mask;
  }
}
