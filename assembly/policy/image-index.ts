/**
 * Validates the index of an image: callers, hosts, roots, nodes, edges and entries, each table complete, so that a rule the
 * image holds is a rule a lookup finds.
 */
import * as limits from "../limits";
import { at, countOf, draft, image, isRun, isText, isWordRun, lookAt, refuse } from "./check";
import * as layout from "./layout";
import { findCaller, findEdge, findHost, findRoot } from "./table";

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
    findsEveryRecord()
  );
}

/** How many edges are found by the table: those of nodes that have many. */
function countTabledEdges(): u32 {
  let tabled: u32 = 0;
  for (let index: u32 = 0; index < countOf(layout.section_nodes); index++) {
    const count = load<u32>(at(layout.section_nodes, index), layout.node_edges_at + 4);
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
  lookAt(layout.section_callers, 0);
  const count = countOf(layout.section_callers);
  for (let index: u32 = 0; index < count; index++) {
    lookAt(layout.section_callers, index);
    const caller = at(layout.section_callers, index);
    if (load<u32>(caller, layout.caller_kind_at) > layout.caller_descendants) return refuse("caller kind");
    if (!isText(caller + layout.caller_text_at, limits.spiffe_id_bytes_max)) return refuse("caller text");
    if (!isGroupRun(caller + layout.caller_groups_at)) return refuse("caller groups");
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
  for (let index: u32 = 0; index < nodes; index++) {
    lookAt(layout.section_nodes, index);
    const node = at(layout.section_nodes, index);
    const run = node + layout.node_edges_at;
    if (!isRun(run, layout.section_edges) || (load<u32>(run, 4) != 0 && load<u32>(run) != edges)) {
      return refuse("node's edges");
    }
    for (let edge: u32 = 0; edge < load<u32>(run, 4); edge++) {
      if (load<u32>(at(layout.section_edges, edges + edge), layout.edge_parent_at) != index)
        return refuse("node's edge");
    }
    edges += load<u32>(run, 4);
    const wildcard = load<u32>(node, layout.node_wildcard_at);
    if (wildcard != 0 && (wildcard > nodes || wildcard - 1 <= index)) return refuse("wildcard child");
    if (!isEntryRun(node + layout.node_ends_at)) return refuse("entries that end");
    if (!isEntryRun(node + layout.node_tails_at)) return refuse("entries that go on");
  }
  return edges == countOf(layout.section_edges) ? true : refuse("edges of no node");
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
    const parent = load<u32>(edge, layout.edge_parent_at);
    const child = load<u32>(edge, layout.edge_child_at);
    if (child >= nodes || parent >= child) return refuse("edge");
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

/** So many words, each of a segment that a request can have, or of none. */
function isBinding(first: u32, variables: u32): bool {
  const words = countOf(layout.section_words);
  if (first > words || variables > words - first) return false;
  for (let index: u32 = 0; index < variables; index++) {
    const segment = load<u32>(at(layout.section_words, first + index));
    if (segment >= limits.path_segments_max && segment != layout.no_segment) return false;
  }
  return true;
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
    if (findEdge(draft, load<u32>(edge, layout.edge_parent_at), startOf(text), load<u32>(text, 4)) != <i32>index)
      return refuse(lost);
  }
  return true;
}

const lost = "record that a lookup does not find";

function startOf(text: usize): usize {
  return image + <usize>load<u32>(text);
}
