/** The records of the image by which a request finds rules: callers, hosts, and paths (see policy/layout.ts). */

/** CALLERS: kind, text, groups (first, count in WORDS; where there is one group, first is the group itself). */
export const caller_kind_at: u32 = 0;
export const caller_text_at: u32 = 4;
export const caller_groups_at: u32 = 12;
export const caller_record_bytes: u32 = 20;
/** The whole ID; the text and one more segment; the text and one or more segments. A segment `*` of the text is any one segment. */
export const caller_exact: u32 = 0;
export const caller_child: u32 = 1;
export const caller_descendants: u32 = 2;
/** Groups every request may belong to: an authenticated caller of a trusted domain; anyone at all. */
export const group_any: u32 = 0;
export const group_anonymous: u32 = 1;

/** HOSTS: kind, text. The host's number is its index + 1; number 0 is "any host". */
export const host_kind_at: u32 = 0;
export const host_text_at: u32 = 4;
export const host_record_bytes: u32 = 12;
export const host_exact: u32 = 0;
export const host_suffix: u32 = 1;
export const host_any: u32 = 0;

/** GROUPS: the root node for any host (its index + 1, or 0), and how many ROOTS the group has for hosts of their own. */
export const group_any_root_at: u32 = 0;
export const group_host_roots_at: u32 = 4;
export const group_record_bytes: u32 = 8;

/** ROOTS: group, host number (not 0), node. */
export const root_group_at: u32 = 0;
export const root_host_at: u32 = 4;
export const root_node_at: u32 = 8;
export const root_record_bytes: u32 = 12;

/**
 * NODES: wildcard child (its index + 1, or 0), entries that end here, entries that go on as `/**` (runs in ENTRIES), the
 * node's edges (run in EDGES), and what else leads on (its index in FORKS + 1, or 0). A child's index is greater than its
 * parent's. Edges are in the order of their nodes, then of SHAPES; only those of nodes and shapes with more than
 * `scanned_edges_max` are in the table, a few are looked at one by one.
 */
export const node_wildcard_at: u32 = 0;
export const node_ends_at: u32 = 4;
export const node_tails_at: u32 = 12;
export const node_edges_at: u32 = 20;
export const node_fork_at: u32 = 28;
export const node_record_bytes: u32 = 32;
export const scanned_edges_max: u32 = 8;

/**
 * FORKS, in the order of their nodes: the root of the segments after `/**`, which are read from the last on (its index + 1, or 0),
 * and shapes (run in SHAPES). Entries of those segments go on as `/**` does: what is left of the path may be any.
 */
export const fork_backward_at: u32 = 0;
export const fork_shapes_at: u32 = 4;
export const fork_record_bytes: u32 = 12;

/**
 * SHAPES, in the order of their forks: bytes of the text before and after a variable or a star, bytes of the shortest segment that fits,
 * and edges (run in EDGES), whose text is the text before and the text after, and whose parent is the number of nodes and the
 * shape's index.
 */
export const shape_prefix_bytes_at: u32 = 0;
export const shape_suffix_bytes_at: u32 = 4;
export const shape_least_bytes_at: u32 = 8;
export const shape_edges_at: u32 = 12;
export const shape_record_bytes: u32 = 20;

/** EDGES: parent node, segment text, child node. */
export const edge_parent_at: u32 = 0;
export const edge_text_at: u32 = 4;
export const edge_child_at: u32 = 12;
export const edge_record_bytes: u32 = 16;

/**
 * ENTRIES: rule, mask of methods (bit n: the policy's method n; bit 31: any method it does not name), and where the path
 * variables of the rule's condition are: so many WORDS as it has, from this one on, each `no_segment`, or
 * a segment's index with what of the segment is no part of the value.
 */
export const entry_rule_at: u32 = 0;
export const entry_methods_at: u32 = 4;
export const entry_binding_at: u32 = 8;
export const entry_record_bytes: u32 = 12;
/** The endpoint does not have the variable. */
export const no_segment: u32 = 0xffffffff;
/** With the index of a segment: one of the caller's ID, not of the path. */
export const caller_segment: u32 = 0x80000000;
/**
 * Where a variable stands: the segment's index in the bits below `variable_from_end`, which says that segments are counted from the
 * last; from the shifts on, the characters before and after the value, of eight bits each. Characters, since letters that
 * differ in case may differ in bytes.
 */
export const variable_index_mask: u32 = 0x7f;
export const variable_from_end: u32 = 0x80;
export const variable_prefix_shift: u32 = 8;
export const variable_suffix_shift: u32 = 16;
export const variable_text_mask: u32 = 0xff;
export const variable_bits: u32 = 0xffffff;
