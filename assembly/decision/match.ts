/**
 * From the request to the rules that can match it: caller → groups, host → host numbers, and for each pair of them one
 * walk down the path's segments. Hash lookups all the way (policy/layout.ts), so the number of rules does not show.
 */

import { Call } from "../body/calls";
import { call_method, offer_method } from "../body/methods";
import { Literal } from "../bytes/literal";
import { copyBytes, sameBytes } from "../bytes/span";
import { Failure } from "../failure";
import { fail } from "../host/host";
import { inspecting, reportEntry, reportHost } from "../inspect";
import {
  index_visits_max,
  method_bytes_max,
  node_shapes_max,
  path_segments_max,
  pattern_segments_max,
} from "../limits";
import * as layout from "../policy/layout";
import {
  edgeAt,
  head,
  nodeAt,
  Policy,
  recordAt,
  ruleAt,
  sectionCount,
  textAt,
  textSize,
  textStart,
} from "../policy/policy";
import { findAffix, findEdge, findHost, findRoot } from "../policy/table";
import { Reason } from "../reason";
import { foldSegments, mayFold } from "../request/fold";
import { as_sent, isReading, other_slash, readAs, readings_end } from "../request/forms";
import { addCandidate, group, request } from "../request/request";
import { addTo, Segments, segments_bytes, sizeOf, startOf } from "../request/segments";
import { findGroups } from "./groups";

/** Nodes still to be visited on one walk, each with its place in the path. */
const pending: usize = memory.data((index_visits_max + node_shapes_max + 3) * 8, 4);
const capitals: usize = memory.data(method_bytes_max);
let visits: u32 = 0;

/** What a walk collects: all rules, or some of them. Above these bits stands the reading of the path that is walked (request/forms.ts). */
const want_all: u32 = 0;
/** Rules whose endpoints are matched as they are, or folded. */
const want_exact: u32 = 1;
const want_folded: u32 = 2;
/** Allow rules, of which those count that take the path's forms; or deny rules. */
const want_allow: u32 = 4;
const want_deny: u32 = 8;
const want_reading_shift: u32 = 8;

const foldedSegments = changetype<Segments>(memory.data(segments_bytes, 8));

/** The forms of paths that some rule takes. */
export function openForms(policy: Policy): u32 {
  return load<u32>(head(policy), layout.policy_open_forms_at) & ~layout.form_case;
}

/** Collects the candidate rules in the request's slot. INTERNAL where a bound was met, REQUEST_MALFORMED, or ALLOWED. */
export function findCandidates(policy: Policy): Reason {
  if (!findGroups(policy)) return Reason.INTERNAL;
  const folds = (load<u32>(head(policy), layout.policy_open_forms_at) & layout.form_case) != 0;
  const isFolded = folds && mayFold(request.decodedPathStart, request.decodedPathSize);
  if (request.forms != 0) return findByReadings(policy, isFolded);
  if (!isFolded) return walkHosts(policy, request.segments, want_all) ? Reason.ALLOWED : Reason.INTERNAL;
  const complete = walkHosts(policy, request.segments, want_exact) && walkFolded(policy, want_folded);
  return complete ? Reason.ALLOWED : Reason.INTERNAL;
}

/** Allow rules are matched with the path as sent, if they take its forms; deny rules with every reading of it. */
function findByReadings(policy: Policy, isFolded: bool): Reason {
  let complete = walkHosts(policy, request.segments, want_allow | (isFolded ? want_exact : want_all));
  if (isFolded) complete = complete && walkFolded(policy, want_allow | want_folded);
  for (let reading: u32 = as_sent; complete && reading < readings_end; reading++) {
    if (!isReading(reading)) continue;
    if (!readAs(reading)) {
      readAs(as_sent);
      return Reason.REQUEST_MALFORMED;
    }
    const wanted = want_deny | (reading << want_reading_shift);
    complete = isFolded ? walkFolded(policy, wanted) : walkHosts(policy, request.segments, wanted);
  }
  readAs(as_sent);
  return complete ? Reason.ALLOWED : Reason.INTERNAL;
}

const callSegments = changetype<Segments>(memory.data(isDefined(BODIES) ? segments_bytes : 8, 8));

/**
 * Adds the rules that can admit a call, or deny it: by its own segments behind the path's. Without one, those that can admit or deny some
 * call on this path. INTERNAL where a bound was met, REQUEST_MALFORMED where there are too many segments, or ALLOWED.
 */
export function addCallCandidates(policy: Policy, call: Call | null): Reason {
  copyBytes(changetype<usize>(callSegments), changetype<usize>(request.segments), segments_bytes);
  // What answers a call of the server's goes to whom some call is open here, if no rule denies all of them.
  let isResponse = false;
  if (call != null) isResponse = call.isResponse;
  if (isResponse && !walkAs(policy, offer_method, want_allow)) return Reason.INTERNAL;
  if (call != null) {
    if (!addTo(callSegments, call.methodStart, call.methodSize)) return Reason.REQUEST_MALFORMED;
    if (call.hasName && !addTo(callSegments, call.nameStart, call.nameSize)) return Reason.REQUEST_MALFORMED;
  }
  const complete = walkAs(policy, call == null ? offer_method : call_method, isResponse ? want_deny : want_all);
  return complete ? Reason.ALLOWED : Reason.INTERNAL;
}

/** Walks a call's segments by a method that no request has. */
function walkAs(policy: Policy, method: Literal, wanted: u32): bool {
  const own = request.methodBit;
  const capital = request.capitalMethodBit;
  request.methodBit = bitOf(policy, method.start, method.size);
  request.capitalMethodBit = request.methodBit;
  // A policy without such endpoints has no bit for them: that of all other methods would be those of plain ones.
  const complete = request.methodBit == other_methods || walkHosts(policy, callSegments, wanted);
  request.methodBit = own;
  request.capitalMethodBit = capital;
  return complete;
}

function walkFolded(policy: Policy, wanted: u32): bool {
  foldSegments(foldedSegments, request.segments);
  return walkHosts(policy, foldedSegments, wanted);
}

function walkHosts(policy: Policy, segments: Segments, wanted: u32): bool {
  visits = 0;
  if (!walkGroups(policy, layout.host_any, segments, wanted)) return false;
  if (sectionCount(policy, layout.section_hosts) == 0) return true;
  const start = request.hostStart;
  const size = request.hostSize;
  if (!walkHost(policy, layout.host_exact, start, size, segments, wanted)) return false;
  const depths = load<u32>(head(policy), layout.policy_host_depths_at);
  let labels: u32 = 0;
  for (let cursor = size; cursor > 1; cursor--) {
    if (load<u8>(start + cursor - 1) != 0x2e) continue;
    labels++;
    if (labels > pattern_segments_max) return true;
    if ((depths & (1 << labels)) == 0) continue;
    if (!walkHost(policy, layout.host_suffix, start + cursor, size - cursor, segments, wanted)) return false;
  }
  return true;
}

function walkHost(policy: Policy, kind: u32, start: usize, size: u32, segments: Segments, wanted: u32): bool {
  const place = findHost(policy, kind, start, size);
  return place < 0 || walkGroups(policy, place + 1, segments, wanted);
}

function walkGroups(policy: Policy, host: u32, segments: Segments, wanted: u32): bool {
  if (inspecting) reportHost(host);
  for (let index: u32 = 0; index < request.groupCount; index++) {
    const node = rootOf(policy, group(index), host);
    if (node != 0 && !walk(policy, node - 1, segments, wanted)) return false;
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

/** Set in a place of a walk that goes from the last segment on, with the segments that it may not take above the bits of `place_mask`. */
const backward_place: u32 = 1 << 16;
const floor_shift: u32 = 8;
const place_mask: u32 = 0xff;
if (!(path_segments_max <= place_mask)) ERROR("the place of a walk holds a path's segments");

/**
 * Visits every node the path leads to: at each segment the edge of that name, the wildcard, and edges by the text around a
 * variable or a star. Behind `/**` the segments that follow it are looked for from the path's last one on.
 */
function walk(policy: Policy, root: u32, segments: Segments, wanted: u32): bool {
  let waiting = push(0, root, 0);
  while (waiting > 0) {
    waiting--;
    const node = load<u32>(pending + ((<usize>waiting) << 3));
    const place = load<u32>(pending + ((<usize>waiting) << 3), 4);
    // Each node that waits will be visited. One visit adds no more than there is room for beyond the bound.
    if (++visits > index_visits_max || waiting > index_visits_max) {
      fail(Failure.INDEX_VISITS);
      return false;
    }
    const record = nodeAt(policy, node);
    const isBackward = (place & backward_place) != 0;
    // Only where `/**` is the end does it hold a slash at the end.
    const distinct = isBackward ? 0 : layout.form_distinct;
    if (!addEntries(policy, record + layout.node_tails_at, wanted, distinct)) return false;
    const passed = place & place_mask;
    const fork = load<u32>(record, layout.node_fork_at);
    if (isBackward) {
      if (passed == ((place >> floor_shift) & place_mask)) continue;
    } else if (passed == segments.count) {
      if (!addEntries(policy, record + layout.node_ends_at, wanted, 0)) return false;
      if ((wanted & want_allow) != 0 && !addDistinct(policy, node, wanted)) return false;
      continue;
    }
    const index = isBackward ? passed - 1 : passed;
    const next = isBackward ? place - 1 : place + 1;
    const start = startOf(segments, index);
    const size = sizeOf(segments, index);
    const wildcard = load<u32>(record, layout.node_wildcard_at);
    // An empty segment is none that an allow rule's variable stands for.
    if (wildcard != 0 && (size != 0 || (wanted & want_deny) != 0)) waiting = push(waiting, wildcard - 1, next);
    if (fork != 0) {
      const found = recordAt(policy, layout.section_forks, fork - 1);
      const backward = load<u32>(found, layout.fork_backward_at);
      if (backward != 0 && !isBackward) {
        waiting = push(waiting, backward - 1, backward_place | (passed << floor_shift) | segments.count);
      }
      waiting = pushShapes(policy, found + layout.fork_shapes_at, waiting, start, size, next);
    }
    const edge = findEdge(policy, node, start, size);
    if (edge >= 0) waiting = push(waiting, load<u32>(edgeAt(policy, edge), layout.edge_child_at), next);
  }
  return true;
}

/** Endpoints with a slash at their end, for a path that has one: the segment behind it is empty. */
function addDistinct(policy: Policy, node: u32, wanted: u32): bool {
  if ((request.forms & layout.form_slash) == 0) return true;
  const edge = findEdge(policy, node, request.pathStart, 0);
  if (edge < 0) return true;
  const child = nodeAt(policy, load<u32>(edgeAt(policy, edge), layout.edge_child_at));
  return addEntries(policy, child + layout.node_ends_at, wanted, layout.form_distinct);
}

function pushShapes(policy: Policy, run: usize, waiting: u32, start: usize, size: u32, next: u32): u32 {
  const first = load<u32>(run);
  const end = first + load<u32>(run, 4);
  for (let shape = first; shape < end; shape++) {
    const edge = findAffix(policy, shape, start, size);
    if (edge >= 0) waiting = push(waiting, load<u32>(edgeAt(policy, edge), layout.edge_child_at), next);
  }
  return waiting;
}

/** Depth first, so that few nodes wait at a time. Answers how many do. */
function push(waiting: u32, node: u32, place: u32): u32 {
  store<u32>(pending + ((<usize>waiting) << 3), node);
  store<u32>(pending + ((<usize>waiting) << 3), place, 4);
  return waiting + 1;
}

/** @param distinct `form_distinct` where rules that tell paths with a slash at the end from others match those with one */
function addEntries(policy: Policy, run: usize, wanted: u32, distinct: u32): bool {
  const first = load<u32>(run);
  const count = load<u32>(run, 4);
  if (count == 0) return true;
  let entry = recordAt(policy, layout.section_entries, first);
  for (let index: u32 = 0; index < count; index++, entry += layout.entry_record_bytes) {
    const rule = load<u32>(entry, layout.entry_rule_at);
    if (wanted != want_all && !isWanted(policy, rule, wanted)) continue;
    if (!hasMethod(policy, rule, load<u32>(entry, layout.entry_methods_at))) {
      if (inspecting) reportEntry(rule);
      continue;
    }
    if ((wanted & want_allow) != 0 && !takesForms(ruleAt(policy, rule), distinct)) continue;
    const binding = load<u32>(entry, layout.entry_binding_at);
    // Where its condition does not read the path, it is all the same which reading a deny rule matches.
    const isRead = (wanted & want_deny) != 0 && readsPath(policy, rule);
    const reading = isRead ? wanted >> want_reading_shift : as_sent;
    if (!addCandidate(rule, binding, reading) || (isRead && !addCandidate(rule, binding, reading | other_slash))) {
      fail(Failure.CANDIDATE_RULES);
      return false;
    }
  }
  return true;
}

function readsPath(policy: Policy, rule: u32): bool {
  return (load<u32>(ruleAt(policy, rule), layout.rule_forms_at) & layout.form_read) != 0;
}

function isWanted(policy: Policy, rule: u32, wanted: u32): bool {
  const record = ruleAt(policy, rule);
  const isFolded = (load<u32>(record, layout.rule_forms_at) & layout.form_case) != 0;
  if ((wanted & (isFolded ? want_exact : want_folded)) != 0) return false;
  const isDenied = load<u32>(record, layout.rule_action_at) == layout.action_deny;
  return (wanted & (isDenied ? want_allow : want_deny)) == 0;
}

/** Whether an allow rule takes the forms that the path has. The answer to a request that one does not is that its path is ambiguous. */
function takesForms(rule: usize, distinct: u32): bool {
  const takes = load<u32>(rule, layout.rule_forms_at);
  const forms = request.forms;
  if ((forms & ~takes) != 0) {
    if (load<u32>(rule, layout.rule_mode_at) == layout.mode_enforce) request.isFormRefused = true;
    return false;
  }
  return (forms & layout.form_slash) == 0 || (takes & layout.form_distinct) == 0 || distinct != 0;
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
/** That of all methods that the policy does not name. */
const other_methods: u32 = 1 << 31;

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
  return other_methods;
}
