/**
 * The policy image, byte by byte: what the compiler writes (scripts/policy/image/image.ts) and the engine reads
 * (policy/image.ts). Both read this file, so it uses plain numbers only.
 *
 *   magic_at   version_at  size_at      checksum_at  sections_at              image_header_bytes
 *   0          4           8            12           16                       312
 *   +----------+-----------+------------+------------+------------------------+-----------------------+
 *   | "SPI1"   | version   | total size | checksum   | 37 x (offset, count)   | sections, 4-aligned   |
 *   +----------+-----------+------------+------------+------------------------+-----------------------+
 *                                                      section_rules: ------->  | rule | rule | rule |
 *                                                                               +------+------+------+
 *                                            rule_name_at, rule_action_at, ...:   rule_record_bytes each
 *
 * Every number is a little-endian u32 unless it says otherwise; offsets count from the image's first byte. A "text" is
 * two words, offset and size in bytes, inside the section STRINGS. "first, count" name a run in another section. The
 * checksum is hash32 with seed 0 over everything after it: it finds accidents, a signature finds attackers.
 *
 * The records of sections are in files of their own: what a request finds rules by (layout-index.ts), the rules (layout-rules.ts), their
 * conditions (layout-conditions.ts), tokens (layout-issuers.ts), and quarantines (layout-quarantines.ts), and what requests
 * have inside (layout-bodies.ts). This file has them all by one name.
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
 *   MEMBERS  hash32(seed text set, text)                      set and text are equal
 *
 * A request's way: caller -> groups; host -> host numbers; group, or group and host -> root node; path segments along EDGES
 * or a node's wildcard -> entries at the end, or "tail" entries of `/**` on the way -> rules. Each step is a hash lookup or
 * less, so the number of rules does not show; what one request needs lies together where it can, for the memory caches' sake.
 */

import { persisted_record_bytes, protocol_record_bytes } from "./layout-bodies";
import {
  instruction_record_bytes,
  member_record_bytes,
  network_set_record_bytes,
  range_record_bytes,
  text_set_record_bytes,
} from "./layout-conditions";
import {
  caller_record_bytes,
  edge_record_bytes,
  entry_record_bytes,
  fork_record_bytes,
  group_record_bytes,
  host_record_bytes,
  node_record_bytes,
  root_record_bytes,
  shape_record_bytes,
} from "./layout-index";
import {
  claim_record_bytes,
  issuer_record_bytes,
  key_record_bytes,
  key_set_record_bytes,
  place_record_bytes,
  template_part_record_bytes,
} from "./layout-issuers";
import { quarantine_record_bytes } from "./layout-quarantines";
import {
  forward_record_bytes,
  limit_record_bytes,
  rule_record_bytes,
  selector_record_bytes,
  tier_record_bytes,
} from "./layout-rules";

export * from "./layout-bodies";
export * from "./layout-conditions";
export * from "./layout-index";
export * from "./layout-issuers";
export * from "./layout-quarantines";
export * from "./layout-rules";

export const image_magic: u32 = 0x31495053;
export const image_version: u32 = 6;
/**
 * Ends an engine's memory when an image is embedded: "SPTR", version with the callbacks that were left out in the bits above, and how many
 * trust keys stand in front (layout-signed.ts) in the uppermost ones; the image's offset from the memory's end, its size.
 */
export const trailer_magic: u32 = 0x52545053;
export const trailer_bytes: u32 = 16;
export const trailer_callbacks_shift: u32 = 16;
export const trailer_keys_shift: u32 = 24;

export const magic_at: u32 = 0;
export const version_at: u32 = 4;
export const size_at: u32 = 8;
export const checksum_at: u32 = 12;
export const sections_at: u32 = 16;
export const section_count: u32 = 37;
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
/** Sets of texts that something is looked up in: the tenants of an issuer. All their members are in one table. */
export const section_text_sets: u32 = 24;
export const section_member_slots: u32 = 25;
export const section_members: u32 = 26;
/** Sets of networks that addresses are looked up in, and the ranges that they are made of. */
export const section_network_sets: u32 = 27;
export const section_ranges: u32 = 28;
/** What claims of an issuer's tokens are declared to be. */
export const section_claims: u32 = 29;
/** Where more than one name leads on from a node: `/**` in a path, and text around variables and stars. */
export const section_forks: u32 = 30;
export const section_shapes: u32 = 31;
/** What the `iss` of issuers with many tenants is made of. */
export const section_template_parts: u32 = 32;
/** Who is shut out for a while. */
export const section_quarantines: u32 = 33;
/** What limits give instead, by a text of the request. */
export const section_tiers: u32 = 34;
/** Paths on which requests are calls of a protocol, and GraphQL documents that are known by their hash. */
export const section_protocols: u32 = 35;
export const section_persisted: u32 = 36;

/**
 * POLICY: name text, mode, trust domains, methods (runs in TEXTS), masks, metrics, IDs of forwarders (run in TEXTS), what says
 * who the caller is, whose JWT-SVIDs are believed where that says nobody (run in ISSUERS, whose name and `iss` are then a trust
 * domain), shapes of caller patterns, aliases of trust domains, and where the caller's address may come
 * from.
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
/** The host's property that has the caller's SPIFFE ID, its path joined by NUL; empty: none has. */
export const policy_identity_at: u32 = 52;
export const policy_svids_at: u32 = 60;
/** The shapes of CALLERS' texts that have a `*` in them (run in WORDS, two for each: the kind and how many segments, then bit n: segment n is `*`). */
export const policy_caller_shapes_at: u32 = 68;
/** IDs of one trust domain that are IDs of another: pairs of trust domains (run in TEXTS). */
export const policy_aliases_at: u32 = 76;
/** The values of `typ` that issuers name and that have no number of their own, without `application/` and in lower case (run in TEXTS). */
export const policy_types_at: u32 = 84;
export const policy_source_at: u32 = 92;
/** The forms of paths that some allow rule takes, and those that the policy's own `paths` does; `form_case`: some rule folds. */
export const policy_open_forms_at: u32 = 96;
export const policy_own_forms_at: u32 = 100;
/** The bytes that a token may have. */
export const policy_token_bytes_at: u32 = 104;
/** The cluster of the fleet's rate limit service, the domain it is asked about, and how long it may take: 0 where no limit is the fleet's. */
export const policy_fleet_cluster_at: u32 = 108;
export const policy_fleet_domain_at: u32 = 116;
export const policy_fleet_deadline_milliseconds_at: u32 = 124;
/** What only some policies need, a bit each. A module whose own policy needs no callback for bodies is built without it. */
export const policy_needs_at: u32 = 128;
/** The version that images of this policy have at least, in modules with trust keys; 0 for any. */
export const policy_minimum_version_at: u32 = 132;
/** The bytes of the largest body that some rule reads; 0 where none reads any. */
export const policy_body_bytes_at: u32 = 136;
export const policy_record_bytes: u32 = 140;

/**
 * The callbacks for bodies and for answers; to tick all the time, since streams hold slots of limits; headers that count hops; the engine
 * that reads bodies, with the host's leave to hold headers meanwhile; and the callbacks for the bodies of answers.
 */
export const needs_body: u32 = 1;
export const needs_response: u32 = 2;
export const needs_ticks: u32 = 4;
export const needs_hops: u32 = 8;
export const needs_hold: u32 = 16;
export const needs_answers: u32 = 32;

/** A shape's first word: the kind in CALLERS in the bits below this one, and the number of segments from it on. */
export const caller_shape_segments_shift: u32 = 8;
export const caller_shape_words: u32 = 2;

/** The caller's address is that of the connection; it may be what a header says, where Envoy takes it from there. */
export const source_connection: u32 = 0;
export const source_forwarded: u32 = 1;

export const mode_enforce: u32 = 0;
export const mode_shadow: u32 = 1;

/** TEXTS: offset and size. */
export const text_start_at: u32 = 0;
export const text_size_at: u32 = 4;
export const text_record_bytes: u32 = 8;
/** WORDS, and each section of slots. */
export const word_value_at: u32 = 0;
export const word_record_bytes: u32 = 4;

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
    case section_tiers:
      return tier_record_bytes;
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
    case section_claims:
      return claim_record_bytes;
    case section_forks:
      return fork_record_bytes;
    case section_shapes:
      return shape_record_bytes;
    case section_quarantines:
      return quarantine_record_bytes;
    case section_template_parts:
      return template_part_record_bytes;
    case section_text_sets:
      return text_set_record_bytes;
    case section_members:
      return member_record_bytes;
    case section_network_sets:
      return network_set_record_bytes;
    case section_ranges:
      return range_record_bytes;
    case section_protocols:
      return protocol_record_bytes;
    case section_persisted:
      return persisted_record_bytes;
    default:
      return word_record_bytes;
  }
}
