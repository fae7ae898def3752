/**
 * The policy image, byte by byte: what the compiler writes (scripts/policy/image/image.ts) and the engine reads
 * (policy/image.ts). Both read this file, so it uses plain numbers only.
 *
 *   magic_at   version_at  size_at      checksum_at  sections_at              image_header_bytes
 *   0          4           8            12           16                       208
 *   +----------+-----------+------------+------------+------------------------+-----------------------+
 *   | "SPI1"   | version   | total size | checksum   | 24 x (offset, count)   | sections, 4-aligned   |
 *   +----------+-----------+------------+------------+------------------------+-----------------------+
 *                                                      section_rules: ------->  | rule | rule | rule |
 *                                                                               +------+------+------+
 *                                            rule_name_at, rule_action_at, ...:   rule_record_bytes each
 *
 * Every number is a little-endian u32 unless it says otherwise; offsets count from the image's first byte. A "text" is
 * two words, offset and size in bytes, inside the section STRINGS. "first, count" name a run in another section. The
 * checksum is hash32 with seed 0 over everything after it: it finds accidents, a signature finds attackers.
 *
 * The names say what a number is:
 *
 *   section_<records>            the number of a section
 *   <record>_<field>_at          where a field begins in its record, in bytes; without a record: in the image
 *   <record>_record_bytes        the size of a record; its fields leave no gap
 *   <field>_<value>              what a field may hold, listed below the record: `mode_shadow`, `action_deny`
 *   …_magic, …_version, …_count  what identifies the format
 *   …_max                        a bound of the format; those of the engine are in limits.ts
 *
 * The compiler derives the fields of each record from these names (scripts/policy/image/records.ts), so that a field of two
 * words is followed by an offset 8 bytes on.
 *
 * A table is a pair of sections. SLOTS holds a power of two of words, at least twice as many as records, each 0 for
 * empty or a record's index + 1; a lookup starts at hash & (slots - 1) and goes on, wrapping, until it meets the record
 * or an empty slot.
 *
 *   table    hash                                             record found when
 *   CALLERS  hash32(seed kind, ID or prefix)                  kind and text are equal
 *   HOSTS    hash32(seed kind, lower-case name or suffix)     kind and text are equal
 *   ROOTS    hash32(seed 0, the two words group, host)        both are equal
 *   EDGES    hash32(seed parent node, decoded path segment)   parent and text are equal
 *
 * A request's way: caller -> groups; host -> host numbers; group, or group and host -> root node; path segments along EDGES
 * or a node's wildcard -> entries at the end, or "tail" entries of `/**` on the way -> rules. Each step is a hash lookup or
 * less, so the number of rules does not show; what one request needs lies together where it can, for the memory caches' sake.
 */

export const image_magic: u32 = 0x31495053;
export const image_version: u32 = 3;
/** Ends an engine's memory when an image is embedded: "SPTR", version, the image's offset from the memory's end, its size. */
export const trailer_magic: u32 = 0x52545053;
export const trailer_bytes: u32 = 16;

export const magic_at: u32 = 0;
export const version_at: u32 = 4;
export const size_at: u32 = 8;
export const checksum_at: u32 = 12;
export const sections_at: u32 = 16;
export const section_count: u32 = 24;
export const image_header_bytes: u32 = sections_at + section_count * 8;

/** One record: what holds for the whole policy. */
export const section_policy: u32 = 0;
/** Bytes, not words: names, IDs, segments, keys. */
export const section_strings: u32 = 1;
/** Texts that others point at in runs: trust domains, methods, scopes, audiences, claim paths. */
export const section_texts: u32 = 2;
/** Words that others point at in runs: groups of a caller, issuers and limits of a rule. */
export const section_words: u32 = 3;
export const section_caller_slots: u32 = 4;
export const section_callers: u32 = 5;
export const section_host_slots: u32 = 6;
export const section_hosts: u32 = 7;
export const section_root_slots: u32 = 8;
export const section_roots: u32 = 9;
export const section_nodes: u32 = 10;
export const section_edge_slots: u32 = 11;
export const section_edges: u32 = 12;
export const section_entries: u32 = 13;
export const section_rules: u32 = 14;
export const section_issuers: u32 = 15;
export const section_keys: u32 = 16;
export const section_limits: u32 = 17;
export const section_selectors: u32 = 18;
/** The code of conditions (policy/instructions.ts). */
export const section_instructions: u32 = 19;
export const section_forwards: u32 = 20;
export const section_groups: u32 = 21;
/** Where keys come from: the image, an HTTP server, or both. */
export const section_key_sets: u32 = 22;
/** Where in a request tokens may stand. */
export const section_places: u32 = 23;

/**
 * POLICY: name text, mode, trust domains, methods (runs in TEXTS), masks, metrics, IDs of forwarders (run in TEXTS), what says
 * who the caller is, and whose JWT-SVIDs are believed (run in ISSUERS, whose name and `iss` are then a trust domain).
 */
export const policy_name_at: u32 = 0;
export const policy_mode_at: u32 = 8;
export const policy_domains_at: u32 = 12;
export const policy_methods_at: u32 = 20;
/** Bit n: some `/*` pattern, or some `/**` pattern, has a prefix of n path segments. */
export const policy_child_depths_at: u32 = 28;
export const policy_descendant_depths_at: u32 = 32;
/** Bit n: some `*.` host pattern has a suffix of n labels. */
export const policy_host_depths_at: u32 = 36;
/** How many rules, counted from the first, have a metric of their own. */
export const policy_rule_metrics_at: u32 = 40;
export const policy_forwarders_at: u32 = 44;
export const policy_identity_at: u32 = 52;
export const policy_svids_at: u32 = 56;
export const policy_record_bytes: u32 = 64;

/** The client's certificate; the JWT-SVID; the certificate or, where the connection has none, the JWT-SVID. */
export const identity_mtls: u32 = 0;
export const identity_jwt_svid: u32 = 1;
export const identity_either: u32 = 2;

export const mode_enforce: u32 = 0;
export const mode_shadow: u32 = 1;

/** TEXTS: offset and size. */
export const text_start_at: u32 = 0;
export const text_size_at: u32 = 4;
export const text_record_bytes: u32 = 8;
/** WORDS, and each section of slots. */
export const word_value_at: u32 = 0;
export const word_record_bytes: u32 = 4;

/** CALLERS: kind, text, groups (first, count in WORDS; where there is one group, first is the group itself). */
export const caller_kind_at: u32 = 0;
export const caller_text_at: u32 = 4;
export const caller_groups_at: u32 = 12;
export const caller_record_bytes: u32 = 20;
/** The whole ID; the text and one more segment; the text and one or more segments. */
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
 * NODES: wildcard child (its index + 1, or 0), entries that end here, entries that go on as `/**` (runs in ENTRIES), and the
 * node's edges (run in EDGES). A child's index is greater than its parent's. Edges are in the order of their nodes; only
 * those of nodes with more than `scanned_edges_max` are in the table, a few are looked at one by one.
 */
export const node_wildcard_at: u32 = 0;
export const node_ends_at: u32 = 4;
export const node_tails_at: u32 = 12;
export const node_edges_at: u32 = 20;
export const node_record_bytes: u32 = 28;
export const scanned_edges_max: u32 = 8;

/** EDGES: parent node, segment text, child node. */
export const edge_parent_at: u32 = 0;
export const edge_text_at: u32 = 4;
export const edge_child_at: u32 = 12;
export const edge_record_bytes: u32 = 16;

/**
 * ENTRIES: rule, mask of methods (bit n: the policy's method n; bit 31: any method it does not name), and where the path
 * variables of the rule's condition are: so many WORDS as it has, from this one on, each a segment's index or `no_segment`.
 */
export const entry_rule_at: u32 = 0;
export const entry_methods_at: u32 = 4;
export const entry_binding_at: u32 = 8;
export const entry_record_bytes: u32 = 12;
/** The endpoint does not have the variable. */
export const no_segment: u32 = 0xffffffff;

/**
 * RULES, in the order of their names: name, action, issuers (run in WORDS), scopes (run in TEXTS), the scopes joined by spaces,
 * limits (run in WORDS), mode, tokens taken from each limit, and the seconds since 1970 from which and before which the
 * rule holds, each a u64; 0 for always and for ever; the condition (run in INSTRUCTIONS, empty for none) and how many path
 * variables it reads.
 */
export const rule_name_at: u32 = 0;
export const rule_action_at: u32 = 8;
export const rule_issuers_at: u32 = 12;
export const rule_scopes_at: u32 = 20;
export const rule_challenge_at: u32 = 28;
export const rule_limits_at: u32 = 36;
export const rule_mode_at: u32 = 44;
export const rule_cost_at: u32 = 48;
export const rule_starts_seconds_at: u32 = 52;
export const rule_expires_seconds_at: u32 = 60;
export const rule_condition_at: u32 = 68;
export const rule_variables_at: u32 = 76;
export const rule_record_bytes: u32 = 80;
export const action_allow: u32 = 0;
export const action_deny: u32 = 1;

/**
 * ISSUERS: name, `iss`, algorithms (mask of crypto/algorithms.ts), leeway, longest lifetime (0: unbounded), audiences (run in
 * TEXTS), key set, places its tokens may stand in (run in WORDS, each an index in PLACES), and what they are bound to. Those
 * of JWT-SVIDs come last, and no rule names them.
 */
export const issuer_name_at: u32 = 0;
export const issuer_iss_at: u32 = 8;
export const issuer_algorithms_at: u32 = 16;
export const issuer_leeway_seconds_at: u32 = 20;
export const issuer_lifetime_seconds_at: u32 = 24;
export const issuer_audiences_at: u32 = 28;
export const issuer_key_set_at: u32 = 36;
export const issuer_places_at: u32 = 40;
export const issuer_bind_at: u32 = 48;
export const issuer_record_bytes: u32 = 52;

export const bind_none: u32 = 0;
/** `cnf.x5t#S256` is the digest of the caller's certificate (RFC 8705 §3.1). */
export const bind_certificate: u32 = 1;
/** `sub` is the caller's SPIFFE ID. */
export const bind_caller: u32 = 2;

/**
 * KEY_SETS: name for metrics, the embedded keys (run in KEYS), the `use` its keys have, and where it is fetched from: URL (size
 * 0: nowhere), authority and path of the URL, the cluster that leads there, and how often.
 */
export const key_set_name_at: u32 = 0;
export const key_set_keys_at: u32 = 8;
export const key_set_use_at: u32 = 16;
export const key_set_url_at: u32 = 20;
export const key_set_authority_at: u32 = 28;
export const key_set_path_at: u32 = 36;
export const key_set_cluster_at: u32 = 44;
export const key_set_refresh_seconds_at: u32 = 52;
export const key_set_record_bytes: u32 = 56;

/** Keys whose `use` is `sig`, or that have none (RFC 7517 §4.2); keys whose `use` is `jwt-svid` (SPIFFE JWT-SVID §5.2). */
export const use_signature: u32 = 0;
export const use_jwt_svid: u32 = 1;

/**
 * KEYS: `kid` (size 0: the key has none), algorithms it fits (mask), SubjectPublicKeyInfo (RFC 5280 §4.1.2.7, DER) for the
 * host, and for our own arithmetic the RSA modulus without leading zeros, the EC point x‖y, or the Ed25519 key; with the
 * exponent for RSA.
 */
export const key_kid_at: u32 = 0;
export const key_algorithms_at: u32 = 8;
export const key_spki_at: u32 = 12;
export const key_public_at: u32 = 20;
export const key_exponent_at: u32 = 28;
export const key_record_bytes: u32 = 32;

/**
 * PLACES: kind, the name of the header (in lower case), cookie or query parameter, what stands before the token in a header,
 * and whether the token is taken away before the upstream sees it.
 */
export const place_kind_at: u32 = 0;
export const place_name_at: u32 = 4;
export const place_prefix_at: u32 = 12;
export const place_strip_at: u32 = 20;
export const place_record_bytes: u32 = 24;
export const place_header: u32 = 0;
export const place_cookie: u32 = 1;
export const place_query: u32 = 2;

/**
 * LIMITS: name, nanoseconds between two tokens (low and high word of a u64), burst, `per` (run in SELECTORS),
 * the value of `RateLimit-Policy`, and the seed of its bucket keys (hash32 seed 0 of policy name, NUL, limit name).
 */
export const limit_name_at: u32 = 0;
export const limit_interval_nanoseconds_at: u32 = 8;
export const limit_burst_tokens_at: u32 = 16;
export const limit_per_at: u32 = 20;
export const limit_header_at: u32 = 28;
export const limit_seed_at: u32 = 36;
export const limit_record_bytes: u32 = 40;

/** SELECTORS: what a bucket is kept for: kind, and for a claim the names that lead to it (run in TEXTS). */
export const selector_kind_at: u32 = 0;
export const selector_path_at: u32 = 4;
export const selector_record_bytes: u32 = 12;
export const selector_caller: u32 = 0;
export const selector_claim: u32 = 1;

/** FORWARDS: header name in lower case, where its value comes from, and for a claim the names that lead to it (run in TEXTS). */
export const forward_name_at: u32 = 0;
export const forward_kind_at: u32 = 8;
export const forward_path_at: u32 = 12;
export const forward_record_bytes: u32 = 20;
export const forward_caller_id: u32 = 0;
export const forward_trust_domain: u32 = 1;
export const forward_caller_path: u32 = 2;
export const forward_claim: u32 = 3;

/** INSTRUCTIONS: see policy/instructions.ts. */
export const instruction_opcode_at: u32 = 0;
export const instruction_a_at: u32 = 4;
export const instruction_b_at: u32 = 8;
export const instruction_c_at: u32 = 12;
export const instruction_record_bytes: u32 = 16;

/** Record sizes by section, for reader and writer alike. */
export function sectionRecordBytes(section: u32): u32 {
  switch (section) {
    case section_policy:
      return policy_record_bytes;
    case section_strings:
      return 1;
    case section_texts:
      return text_record_bytes;
    case section_callers:
      return caller_record_bytes;
    case section_hosts:
      return host_record_bytes;
    case section_roots:
      return root_record_bytes;
    case section_nodes:
      return node_record_bytes;
    case section_edges:
      return edge_record_bytes;
    case section_entries:
      return entry_record_bytes;
    case section_rules:
      return rule_record_bytes;
    case section_issuers:
      return issuer_record_bytes;
    case section_keys:
      return key_record_bytes;
    case section_limits:
      return limit_record_bytes;
    case section_selectors:
      return selector_record_bytes;
    case section_instructions:
      return instruction_record_bytes;
    case section_forwards:
      return forward_record_bytes;
    case section_groups:
      return group_record_bytes;
    case section_key_sets:
      return key_set_record_bytes;
    case section_places:
      return place_record_bytes;
    default:
      return word_record_bytes;
  }
}
