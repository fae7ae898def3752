/**
 * Validates the index of an image: callers, hosts, roots, nodes, edges and entries, its text sets and its network sets; each table complete, so
 * that a rule or a member the image holds is one that a lookup finds.
 */
import * as limits from "../limits";
import { at, countOf, draft, image, isRun, isText, isWordRun, lookAt, refuse } from "./check";
import * as layout from "./layout";
import { findAffixText, findCaller, findEdge, findHost, findMember, findRoot } from "./table";

/** Whether the index is sound. */
export function hasSoundIndex(): bool {
  return (
    hasSoundNodes() &&
    isTable(layout.section_caller_slots, layout.section_callers, countOf(layout.section_callers)) &&
    isTable(layout.section_host_slots, layout.section_hosts, countOf(layout.section_hosts)) &&
    isTable(layout.section_root_slots, layout.section_roots, countOf(layout.section_roots)) &&
    isTable(layout.section_edge_slots, layout.section_edges, countTabledEdges()) &&
    hasSoundCallers() &&
    hasSoundRoots() &&
    hasSoundEdges() &&
    hasSoundEntries() &&
    isTable(layout.section_member_slots, layout.section_members, countOf(layout.section_members)) &&
    hasSoundTextSets() &&
    hasSoundNetworkSets() &&
    findsEveryRecord()
  );
}

/** How many edges are found by the table: those of nodes and shapes that have many. */
function countTabledEdges(): u32 {
  let tabled: u32 = 0;
  for (let index: u32 = 0; index < countOf(layout.section_nodes); index++) {
    const count = load<u32>(at(layout.section_nodes, index), layout.node_edges_at + 4);
    if (count > layout.scanned_edges_max) tabled += count;
  }
  for (let index: u32 = 0; index < countOf(layout.section_shapes); index++) {
    const count = load<u32>(at(layout.section_shapes, index), layout.shape_edges_at + 4);
    if (count > layout.scanned_edges_max) tabled += count;
  }
  return tabled;
}

/** Each slot is empty or names one of the records that the table holds, and at least half are empty, so that every lookup ends. */
function isTable(slotsSection: u32, recordsSection: u32, tabled: u32): bool {
  lookAt(slotsSection, 0);
  const slots = countOf(slotsSection);
  const records = countOf(recordsSection);
  if (slots == 0 || (slots & (slots - 1)) != 0 || tabled > slots >> 1) return refuse("slots are no table");
  let taken: u32 = 0;
  for (let slot: u32 = 0; slot < slots; slot++) {
    lookAt(slotsSection, slot);
    const value = load<u32>(at(slotsSection, slot));
    if (value > records) return refuse("slot out of bounds");
    if (value != 0) taken++;
  }
  return taken == tabled ? true : refuse("slots and records differ in number");
}

function hasSoundCallers(): bool {
  if (!hasSoundCallerShapes()) return refuse("shapes of callers");
  lookAt(layout.section_callers, 0);
  const count = countOf(layout.section_callers);
  for (let index: u32 = 0; index < count; index++) {
    lookAt(layout.section_callers, index);
    const caller = at(layout.section_callers, index);
    if (load<u32>(caller, layout.caller_kind_at) > layout.caller_descendants) return refuse("caller kind");
    if (!isText(caller + layout.caller_text_at, limits.spiffe_id_bytes_max)) return refuse("caller text");
    if (!isGroupRun(caller + layout.caller_groups_at)) return refuse("caller groups");
    if (!hasCallerShape(caller)) return refuse("caller without a shape");
  }
  lookAt(layout.section_hosts, 0);
  const hosts = countOf(layout.section_hosts);
  for (let index: u32 = 0; index < hosts; index++) {
    lookAt(layout.section_hosts, index);
    const host = at(layout.section_hosts, index);
    if (load<u32>(host, layout.host_kind_at) > layout.host_suffix) return refuse("host kind");
    if (!isText(host + layout.host_text_at, limits.host_bytes_max)) return refuse("host text");
  }
  return true;
}

/** What IDs are looked up as. */
function hasSoundCallerShapes(): bool {
  const run = at(layout.section_policy, 0) + layout.policy_caller_shapes_at;
  const count = load<u32>(run, 4);
  if (!isRun(run, layout.section_words)) return false;
  if (count % layout.caller_shape_words != 0 || count > limits.caller_shapes_max * layout.caller_shape_words)
    return false;
  for (let index: u32 = 0; index < count; index += layout.caller_shape_words) {
    const shape = load<u32>(at(layout.section_words, load<u32>(run) + index));
    if ((shape & shape_kind_mask) > layout.caller_descendants) return false;
    if (shape >> layout.caller_shape_segments_shift > limits.pattern_segments_max) return false;
  }
  return true;
}

const shape_kind_mask: u32 = (1 << layout.caller_shape_segments_shift) - 1;
/** Of `spiffe://`, which are no segment's. */
const scheme_slashes: u32 = 2;

/** Whether a caller with a `*` for a segment has a shape that finds it. */
function hasCallerShape(caller: usize): bool {
  const start = startOf(caller + layout.caller_text_at);
  const size = load<u32>(caller, layout.caller_text_at + 4);
  let slashes: u32 = 0;
  let wildcards: u32 = 0;
  for (let index: u32 = 0; index < size; index++) {
    const byte = load<u8>(start + index);
    if (byte == 0x2f) slashes++;
    else if (byte == 0x2a && slashes <= scheme_slashes + limits.pattern_segments_max && slashes > scheme_slashes)
      wildcards |= 1 << (slashes - scheme_slashes - 1);
  }
  if (wildcards == 0) return true;
  const shape =
    load<u32>(caller, layout.caller_kind_at) | ((slashes - scheme_slashes) << layout.caller_shape_segments_shift);
  const run = at(layout.section_policy, 0) + layout.policy_caller_shapes_at;
  for (let index: u32 = 0; index < load<u32>(run, 4); index += layout.caller_shape_words) {
    const word = load<u32>(run) + index;
    const isSame = load<u32>(at(layout.section_words, word)) == shape;
    if (isSame && load<u32>(at(layout.section_words, word + 1)) == wildcards) return true;
  }
  return false;
}

/** One group, or a run of words that are groups. */
function isGroupRun(run: usize): bool {
  const groups = countOf(layout.section_groups);
  return load<u32>(run, 4) == 1 ? load<u32>(run) < groups : isWordRun(run, groups);
}

function hasSoundRoots(): bool {
  lookAt(layout.section_groups, 0);
  const groups = countOf(layout.section_groups);
  const nodes = countOf(layout.section_nodes);
  // Every request is a member of these two.
  if (groups <= max(layout.group_any, layout.group_anonymous)) return refuse("groups of everybody");
  let hostRoots: u64 = 0;
  for (let index: u32 = 0; index < groups; index++) {
    lookAt(layout.section_groups, index);
    const group = at(layout.section_groups, index);
    if (load<u32>(group, layout.group_any_root_at) > nodes) return refuse("group's root");
    hostRoots += load<u32>(group, layout.group_host_roots_at);
  }
  lookAt(layout.section_roots, 0);
  const count = countOf(layout.section_roots);
  if (hostRoots != count) return refuse("roots of groups");
  for (let index: u32 = 0; index < count; index++) {
    lookAt(layout.section_roots, index);
    const root = at(layout.section_roots, index);
    if (load<u32>(root, layout.root_node_at) >= nodes) return refuse("root node");
    const group = load<u32>(root, layout.root_group_at);
    // A root that its group does not count would not be looked for.
    if (group >= groups || load<u32>(at(layout.section_groups, group), layout.group_host_roots_at) == 0) {
      return refuse("root's group");
    }
    if (load<u32>(root, layout.root_host_at) == layout.host_any) return refuse("root's host");
  }
  return true;
}

/** A child comes after its parent, so that no walk can turn in circles. */
function hasSoundNodes(): bool {
  lookAt(layout.section_nodes, 0);
  const nodes = countOf(layout.section_nodes);
  let edges: u32 = 0;
  let forks: u32 = 0;
  for (let index: u32 = 0; index < nodes; index++) {
    lookAt(layout.section_nodes, index);
    const node = at(layout.section_nodes, index);
    if (!hasEdges(node + layout.node_edges_at, edges, index, index)) return refuse("node's edges");
    edges += load<u32>(node + layout.node_edges_at, 4);
    const wildcard = load<u32>(node, layout.node_wildcard_at);
    if (wildcard != 0 && (wildcard > nodes || wildcard - 1 <= index)) return refuse("wildcard child");
    if (!isEntryRun(node + layout.node_ends_at)) return refuse("entries that end");
    if (!isEntryRun(node + layout.node_tails_at)) return refuse("entries that go on");
    const fork = load<u32>(node, layout.node_fork_at);
    if (fork != 0 && fork != ++forks) return refuse("node's fork");
  }
  return hasSoundForks(forks, edges);
}

/** What leads on from the nodes that have forks, one after the other: shapes, and their edges behind those of all nodes. */
function hasSoundForks(forks: u32, edges: u32): bool {
  if (forks != countOf(layout.section_forks)) return refuse("forks of no node");
  let shapes: u32 = 0;
  for (let index: u32 = 0; index < countOf(layout.section_nodes); index++) {
    lookAt(layout.section_nodes, index);
    const place = load<u32>(at(layout.section_nodes, index), layout.node_fork_at);
    if (place == 0) continue;
    const fork = at(layout.section_forks, place - 1);
    const backward = load<u32>(fork, layout.fork_backward_at);
    if (backward != 0 && (backward > countOf(layout.section_nodes) || backward - 1 <= index)) return refuse("way back");
    const run = fork + layout.fork_shapes_at;
    const count = load<u32>(run, 4);
    if (!isRun(run, layout.section_shapes) || count > limits.node_shapes_max) return refuse("fork's shapes");
    if (count != 0 && load<u32>(run) != shapes) return refuse("fork's shapes");
    for (const end = shapes + count; shapes < end; shapes++) {
      const shape = at(layout.section_shapes, shapes);
      if (!isShape(shape)) return refuse("shape");
      const parent = countOf(layout.section_nodes) + shapes;
      if (!hasEdges(shape + layout.shape_edges_at, edges, parent, index)) return refuse("shape's edges");
      edges += load<u32>(shape + layout.shape_edges_at, 4);
    }
  }
  if (shapes != countOf(layout.section_shapes)) return refuse("shapes of no node");
  return edges == countOf(layout.section_edges) ? true : refuse("edges of no node");
}

function isShape(shape: usize): bool {
  const prefix = load<u32>(shape, layout.shape_prefix_bytes_at);
  const suffix = load<u32>(shape, layout.shape_suffix_bytes_at);
  if (max(prefix, suffix) > limits.affix_bytes_max || prefix + suffix == 0) return false;
  const open = load<u32>(shape, layout.shape_least_bytes_at) - prefix - suffix;
  return open <= 1;
}

/** Whether a run begins at an edge, and all its edges are of a parent and lead to nodes behind one. */
function hasEdges(run: usize, first: u32, parent: u32, node: u32): bool {
  if (!isRun(run, layout.section_edges) || (load<u32>(run, 4) != 0 && load<u32>(run) != first)) return false;
  for (let index: u32 = 0; index < load<u32>(run, 4); index++) {
    const edge = at(layout.section_edges, first + index);
    if (load<u32>(edge, layout.edge_parent_at) != parent || load<u32>(edge, layout.edge_child_at) <= node) return false;
  }
  return true;
}

/** More rules at one place than a request may have to evaluate would only ever deny. */
function isEntryRun(run: usize): bool {
  return isRun(run, layout.section_entries) && load<u32>(run, 4) <= limits.candidate_rules_max;
}

function hasSoundEdges(): bool {
  lookAt(layout.section_edges, 0);
  const nodes = countOf(layout.section_nodes);
  const count = countOf(layout.section_edges);
  for (let index: u32 = 0; index < count; index++) {
    lookAt(layout.section_edges, index);
    const edge = at(layout.section_edges, index);
    if (load<u32>(edge, layout.edge_child_at) >= nodes) return refuse("edge");
    if (!isText(edge + layout.edge_text_at, limits.path_bytes_max)) return refuse("edge text");
  }
  return true;
}

function hasSoundEntries(): bool {
  lookAt(layout.section_entries, 0);
  const rules = countOf(layout.section_rules);
  const count = countOf(layout.section_entries);
  for (let index: u32 = 0; index < count; index++) {
    lookAt(layout.section_entries, index);
    const entry = at(layout.section_entries, index);
    const rule = load<u32>(entry, layout.entry_rule_at);
    if (rule >= rules) return refuse("entry's rule");
    const variables = load<u32>(at(layout.section_rules, rule), layout.rule_variables_at);
    if (!isBinding(load<u32>(entry, layout.entry_binding_at), variables)) return refuse("entry's path variables");
  }
  return true;
}

/** So many words, each of a segment that a request's path or its caller's ID can have, or of none. */
function isBinding(first: u32, variables: u32): bool {
  const words = countOf(layout.section_words);
  if (first > words || variables > words - first) return false;
  for (let index: u32 = 0; index < variables; index++) {
    const segment = load<u32>(at(layout.section_words, first + index));
    if ((segment & ~layout.variable_bits) == 0 || segment == layout.no_segment) continue;
    if ((segment ^ layout.caller_segment) >= limits.pattern_segments_max) return false;
  }
  return true;
}

/** Each set has members, and all of MEMBERS are of the set that they stand in. */
function hasSoundTextSets(): bool {
  lookAt(layout.section_text_sets, 0);
  const sets = countOf(layout.section_text_sets);
  let members: u32 = 0;
  for (let index: u32 = 0; index < sets; index++) {
    lookAt(layout.section_text_sets, index);
    const run = at(layout.section_text_sets, index) + layout.text_set_members_at;
    const count = load<u32>(run, 4);
    if (!isRun(run, layout.section_members) || load<u32>(run) != members || count == 0)
      return refuse("members of a set");
    for (let place = members; place < members + count; place++) {
      const member = at(layout.section_members, place);
      if (load<u32>(member, layout.member_set_at) != index) return refuse("member of a set");
      if (!isText(member + layout.member_text_at, limits.set_text_bytes_max)) return refuse("text of a set");
    }
    members += count;
  }
  return members == countOf(layout.section_members) ? true : refuse("members of no set");
}

/** Each set has ranges in ascending order, and all of RANGES are of the set that they stand in. */
function hasSoundNetworkSets(): bool {
  lookAt(layout.section_network_sets, 0);
  const sets = countOf(layout.section_network_sets);
  let ranges: u32 = 0;
  for (let index: u32 = 0; index < sets; index++) {
    lookAt(layout.section_network_sets, index);
    const run = at(layout.section_network_sets, index) + layout.network_set_ranges_at;
    const count = load<u32>(run, 4);
    if (!isRun(run, layout.section_ranges) || load<u32>(run) != ranges || count == 0) return refuse("ranges of a set");
    for (let place: u32 = 0; place < count; place++) {
      const range = at(layout.section_ranges, ranges + place);
      if (isBelow(range + layout.range_last_high_at, range + layout.range_first_high_at)) return refuse("range");
      const before = range - layout.range_record_bytes + layout.range_last_high_at;
      if (place > 0 && !isBelow(before, range + layout.range_first_high_at)) return refuse("order of ranges");
    }
    ranges += count;
  }
  return ranges == countOf(layout.section_ranges) ? true : refuse("ranges of no set");
}

/** Whether the address at `left` is less than the one at `right`, each a high and a low u64. */
function isBelow(left: usize, right: usize): bool {
  const high = load<u64>(left);
  if (high != load<u64>(right)) return high < load<u64>(right);
  return load<u64>(left, 8) < load<u64>(right, 8);
}

/** Looks every record up by its own key. One that is not found, or of which there are two, would be a rule that is not seen. */
function findsEveryRecord(): bool {
  for (let index: u32 = 0; index < countOf(layout.section_callers); index++) {
    lookAt(layout.section_callers, index);
    const caller = at(layout.section_callers, index);
    const text = caller + layout.caller_text_at;
    if (findCaller(draft, load<u32>(caller, layout.caller_kind_at), startOf(text), load<u32>(text, 4)) != <i32>index)
      return refuse(lost);
  }
  for (let index: u32 = 0; index < countOf(layout.section_hosts); index++) {
    lookAt(layout.section_hosts, index);
    const host = at(layout.section_hosts, index);
    const text = host + layout.host_text_at;
    if (findHost(draft, load<u32>(host, layout.host_kind_at), startOf(text), load<u32>(text, 4)) != <i32>index)
      return refuse(lost);
  }
  for (let index: u32 = 0; index < countOf(layout.section_roots); index++) {
    lookAt(layout.section_roots, index);
    const root = at(layout.section_roots, index);
    if (findRoot(draft, load<u32>(root, layout.root_group_at), load<u32>(root, layout.root_host_at)) != <i32>index)
      return refuse(lost);
  }
  for (let index: u32 = 0; index < countOf(layout.section_edges); index++) {
    lookAt(layout.section_edges, index);
    const edge = at(layout.section_edges, index);
    const text = edge + layout.edge_text_at;
    if (!findsEdge(load<u32>(edge, layout.edge_parent_at), startOf(text), load<u32>(text, 4), index))
      return refuse(lost);
  }
  for (let index: u32 = 0; index < countOf(layout.section_members); index++) {
    lookAt(layout.section_members, index);
    const member = at(layout.section_members, index);
    const text = member + layout.member_text_at;
    if (findMember(draft, load<u32>(member, layout.member_set_at), startOf(text), load<u32>(text, 4)) != <i32>index)
      return refuse(lost);
  }
  return true;
}

/** Whether an edge is found below its parent: a node, or a shape that fits its text. */
function findsEdge(parent: u32, start: usize, size: u32, edge: u32): bool {
  const nodes = countOf(layout.section_nodes);
  if (parent < nodes) return findEdge(draft, parent, start, size) == <i32>edge;
  const shape = at(layout.section_shapes, parent - nodes);
  const bytes = load<u32>(shape, layout.shape_prefix_bytes_at) + load<u32>(shape, layout.shape_suffix_bytes_at);
  return bytes == size && findAffixText(draft, parent - nodes, start, size) == <i32>edge;
}

const lost = "record that a lookup does not find";

function startOf(text: usize): usize {
  return image + <usize>load<u32>(text);
}
