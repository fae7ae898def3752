/**
 * Looking records up in the image's tables (policy/layout.ts): start at the hash's slot and go on until the record or an
 * empty slot. Half of the slots are empty, and no record is further from its place than `slot_probes_max`, so a search is short.
 */
import { hash32 } from "../bytes/hash";
import { copyBytes, sameBytes } from "../bytes/span";
import { affix_bytes_max, slot_probes_max } from "../limits";
import * as layout from "./layout";
import { edgeAt, nodeAt, Policy, recordAt, sectionCount, sectionStart, textSize, textStart } from "./policy";

/** No such record. */
export const not_found: i32 = -1;

const pair: usize = memory.data(8, 4);
const affix: usize = memory.data(2 * affix_bytes_max);

/** The place in CALLERS of an ID or prefix of a kind, or `not_found`. */
export function findCaller(policy: Policy, kind: u32, start: usize, size: u32): i32 {
  return findText(policy, layout.section_caller_slots, layout.section_callers, kind, start, size);
}

/** The place in HOSTS of a name or suffix of a kind, or `not_found`. */
export function findHost(policy: Policy, kind: u32, start: usize, size: u32): i32 {
  return findText(policy, layout.section_host_slots, layout.section_hosts, kind, start, size);
}

/** The place in MEMBERS of a text of a text set, or `not_found`. */
export function findMember(policy: Policy, set: u32, start: usize, size: u32): i32 {
  return findText(policy, layout.section_member_slots, layout.section_members, set, start, size);
}

/** The place in EDGES of a segment below a parent node, or `not_found`. */
export function findEdge(policy: Policy, parent: u32, start: usize, size: u32): i32 {
  return findEdgeIn(policy, nodeAt(policy, parent) + layout.node_edges_at, parent, start, size);
}

/** The place in EDGES of an edge of a shape whose text a segment has, or `not_found`. */
export function findAffix(policy: Policy, place: u32, start: usize, size: u32): i32 {
  const shape = recordAt(policy, layout.section_shapes, place);
  if (size < load<u32>(shape, layout.shape_least_bytes_at)) return not_found;
  const prefix = load<u32>(shape, layout.shape_prefix_bytes_at);
  const suffix = load<u32>(shape, layout.shape_suffix_bytes_at);
  let text = start;
  if (suffix != 0) {
    text = affix;
    copyBytes(affix, start, prefix);
    copyBytes(affix + prefix, start + (size - suffix), suffix);
  }
  return findAffixText(policy, place, text, prefix + suffix);
}

/** The same by the text before and the text after, as one. */
export function findAffixText(policy: Policy, place: u32, start: usize, size: u32): i32 {
  const edges = recordAt(policy, layout.section_shapes, place) + layout.shape_edges_at;
  return findEdgeIn(policy, edges, sectionCount(policy, layout.section_nodes) + place, start, size);
}

/** The place of a text in a run of EDGES of one parent. */
function findEdgeIn(policy: Policy, run: usize, parent: u32, start: usize, size: u32): i32 {
  const count = load<u32>(run, 4);
  if (count > layout.scanned_edges_max) {
    return findText(policy, layout.section_edge_slots, layout.section_edges, parent, start, size);
  }
  const first = load<u32>(run);
  for (let place = first; place < first + count; place++) {
    const text = edgeAt(policy, place) + layout.edge_text_at;
    if (textSize(text) == size && sameBytes(textStart(policy, text), start, size)) return <i32>place;
  }
  return not_found;
}

/** The place in ROOTS of a group and a host number, or `not_found`. */
export function findRoot(policy: Policy, group: u32, host: u32): i32 {
  store<u32>(pair, group);
  store<u32>(pair, host, 4);
  const slots = sectionStart(policy, layout.section_root_slots);
  const mask = sectionCount(policy, layout.section_root_slots) - 1;
  let slot = hash32(0, pair, 8) & mask;
  for (let probe: u32 = 0; probe < slot_probes_max; probe++) {
    const place = <i32>load<u32>(slots + ((<usize>slot) << 2)) - 1;
    if (place < 0) return not_found;
    const root = recordAt(policy, layout.section_roots, place);
    if (load<u32>(root, layout.root_group_at) == group && load<u32>(root, layout.root_host_at) == host) return place;
    slot = (slot + 1) & mask;
  }
  return not_found;
}

if (
  !(
    layout.caller_kind_at == layout.host_kind_at &&
    layout.caller_kind_at == layout.edge_parent_at &&
    layout.caller_kind_at == layout.member_set_at &&
    layout.caller_text_at == layout.host_text_at &&
    layout.caller_text_at == layout.edge_text_at &&
    layout.caller_text_at == layout.member_text_at
  )
)
  ERROR("callers, hosts, edges and members begin alike");

/** Looks in CALLERS, HOSTS, EDGES or MEMBERS, which begin alike: a word that also seeds the hash, then a text. */
function findText(policy: Policy, slotsSection: u32, section: u32, word: u32, start: usize, size: u32): i32 {
  const slots = sectionStart(policy, slotsSection);
  const mask = sectionCount(policy, slotsSection) - 1;
  let slot = hash32(word, start, size) & mask;
  for (let probe: u32 = 0; probe < slot_probes_max; probe++) {
    const place = <i32>load<u32>(slots + ((<usize>slot) << 2)) - 1;
    if (place < 0) return not_found;
    const record = recordAt(policy, section, place);
    const text = record + layout.caller_text_at;
    const isWord = load<u32>(record, layout.caller_kind_at) == word;
    if (isWord && textSize(text) == size && sameBytes(textStart(policy, text), start, size)) return place;
    slot = (slot + 1) & mask;
  }
  return not_found;
}
