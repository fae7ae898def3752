/**
 * From the request to the rules that can match it: caller → groups, host → host numbers, and for each pair of them one
 * walk down the path's segments. Hash lookups all the way (policy/layout.ts), so the number of rules does not show.
 */

import { sameBytes } from "../bytes/span";
import { Failure } from "../failure";
import { fail } from "../host/host";
import { recallGroups, rememberGroups } from "../identity/known";
import { trust_domain_offset } from "../identity/spiffe";
import { inspecting, reportEntry, reportGroup, reportHost } from "../inspect";
import { index_visits_max, method_bytes_max, path_segments_max, pattern_segments_max } from "../limits";
import * as layout from "../policy/layout";
import {
  edgeAt,
  head,
  nodeAt,
  Policy,
  recordAt,
  ruleAt,
  sectionCount,
  sectionStart,
  textAt,
  textSize,
  textStart,
} from "../policy/policy";
import { findCaller, findEdge, findHost, findRoot } from "../policy/table";
import { Reason } from "../reason";
import { addCandidate, addGroup, group, request, segmentSize, segmentStart } from "../request/request";

/** Nodes still to be visited on one walk, each with the number of segments that lead to it. */
const pending: usize = memory.data((path_segments_max + 2) * 8, 4);
const capitals: usize = memory.data(method_bytes_max);
let visits: u32 = 0;

/** Collects the candidate rules in the request's slot. INTERNAL where a bound was met, else ALLOWED. */
export function findCandidates(policy: Policy): Reason {
  visits = 0;
  const complete = findGroups(policy) && walkHosts(policy);
  return complete ? Reason.ALLOWED : Reason.INTERNAL;
}

/** The groups of a caller follow from its ID, so those of a caller seen before are known. */
function findGroups(policy: Policy): bool {
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
  if ((children | descendants) == 0) return true;
  const segments = countSegments(start, size);
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

function walkHosts(policy: Policy): bool {
  if (!walkGroups(policy, layout.host_any)) return false;
  if (sectionCount(policy, layout.section_hosts) == 0) return true;
  const start = request.hostStart;
  const size = request.hostSize;
  if (!walkHost(policy, layout.host_exact, start, size)) return false;
  const depths = load<u32>(head(policy), layout.policy_host_depths_at);
  let labels: u32 = 0;
  for (let cursor = size; cursor > 1; cursor--) {
    if (load<u8>(start + cursor - 1) != 0x2e) continue;
    labels++;
    if (labels > pattern_segments_max) return true;
    if ((depths & (1 << labels)) == 0) continue;
    if (!walkHost(policy, layout.host_suffix, start + cursor, size - cursor)) return false;
  }
  return true;
}

function walkHost(policy: Policy, kind: u32, start: usize, size: u32): bool {
  const place = findHost(policy, kind, start, size);
  return place < 0 || walkGroups(policy, place + 1);
}

function walkGroups(policy: Policy, host: u32): bool {
  if (inspecting) reportHost(host);
  for (let index: u32 = 0; index < request.groupCount; index++) {
    const node = rootOf(policy, group(index), host);
    if (node != 0 && !walk(policy, node - 1)) return false;
  }
  return true;
}

/** The root node of a group for a host, + 1; 0 for none. */
function rootOf(policy: Policy, number: u32, host: u32): u32 {
  const record = recordAt(policy, layout.section_groups, number);
  if (host == layout.host_any) return load<u32>(record, layout.group_any_root_at);
  if (load<u32>(record, layout.group_host_roots_at) == 0) return 0;
  const root = findRoot(policy, number, host);
  return root < 0 ? 0 : load<u32>(recordAt(policy, layout.section_roots, root), layout.root_node_at) + 1;
}

/** Visits every node the path leads to: at each segment the edge of that name and the wildcard. */
function walk(policy: Policy, root: u32): bool {
  let waiting: u32 = 1;
  push(0, root, 0);
  while (waiting > 0) {
    waiting--;
    const node = load<u32>(pending + ((<usize>waiting) << 3));
    const depth = load<u32>(pending + ((<usize>waiting) << 3), 4);
    if (++visits > index_visits_max) {
      fail(Failure.INDEX_VISITS);
      return false;
    }
    const record = nodeAt(policy, node);
    if (!addEntries(policy, record + layout.node_tails_at)) return false;
    if (depth == request.segmentCount) {
      if (!addEntries(policy, record + layout.node_ends_at)) return false;
      continue;
    }
    const wildcard = load<u32>(record, layout.node_wildcard_at);
    if (wildcard != 0) push(waiting++, wildcard - 1, depth + 1);
    const edge = findEdge(policy, node, segmentStart(depth), segmentSize(depth));
    if (edge >= 0) {
      push(waiting++, load<u32>(edgeAt(policy, edge), layout.edge_child_at), depth + 1);
    }
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
  let entry = recordAt(policy, layout.section_entries, first);
  for (let index: u32 = 0; index < count; index++) {
    const rule = load<u32>(entry, layout.entry_rule_at);
    if (!hasMethod(policy, rule, load<u32>(entry, layout.entry_methods_at))) {
      if (inspecting) reportEntry(rule);
    } else if (!addCandidate(rule, load<u32>(entry, layout.entry_binding_at))) {
      fail(Failure.CANDIDATE_RULES);
      return false;
    }
    entry += layout.entry_record_bytes;
  }
  return true;
}

/**
 * Methods are case-sensitive (RFC 9110 §9.1), and so are allow rules. There are upstreams that read `delete` as `DELETE` all
 * the same, so a deny rule for the one is for the other.
 */
function hasMethod(policy: Policy, rule: u32, methods: u32): bool {
  if ((methods & methodBit(policy)) != 0) return true;
  if ((methods & capitalMethodBit(policy)) == 0) return false;
  return load<u32>(ruleAt(policy, rule), layout.rule_action_at) == layout.action_deny;
}

const bit_unknown: u32 = 0;

/** The bit of the request's method: its place among those the policy names, or the last bit for all others. */
function methodBit(policy: Policy): u32 {
  if (request.methodBit == bit_unknown) {
    request.methodBit = bitOf(policy, request.methodStart, request.methodSize);
  }
  return request.methodBit;
}

/** The bit of the request's method in capitals. */
function capitalMethodBit(policy: Policy): u32 {
  if (request.capitalMethodBit != bit_unknown) return request.capitalMethodBit;
  for (let index: u32 = 0; index < request.methodSize; index++) {
    const byte = <u32>load<u8>(request.methodStart + index);
    store<u8>(capitals + index, byte - 0x61 < 26 ? byte ^ 0x20 : byte);
  }
  request.capitalMethodBit = bitOf(policy, capitals, request.methodSize);
  return request.capitalMethodBit;
}

function bitOf(policy: Policy, start: usize, size: u32): u32 {
  const record = head(policy);
  const first = load<u32>(record, layout.policy_methods_at);
  const count = load<u32>(record, layout.policy_methods_at + 4);
  for (let index: u32 = 0; index < count; index++) {
    const text = textAt(policy, first + index);
    if (textSize(text) == size && sameBytes(textStart(policy, text), start, size)) return 1 << index;
  }
  return 1 << 31;
}
