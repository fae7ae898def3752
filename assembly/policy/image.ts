/**
 * Validates a policy image wholly, once, at configure time: every offset, count, index and number in it. Evaluation
 * then reads records without checking again. Layout: policy/layout.ts.
 */
import { hash32 } from "../bytes/hash";
import * as limits from "../limits";
import { algorithm_count } from "../token/algorithms";
import * as layout from "./layout";

/** Where nothing in particular is to blame. */
export const no_section: u32 = 0xff;
/** What is wrong with the image last refused, for the log: a phrase, a section and a record in it. */
export let problem: string = "";
export let problemSection: u32 = no_section;
export let problemRecord: u32 = 0;

let image: usize = 0;
let imageBytes: u32 = 0;

/** Whether the `size` bytes at `start` (8-aligned) are an image this engine can evaluate. */
export function isImage(start: usize, size: u32): bool {
  image = start;
  imageBytes = size;
  problemSection = no_section;
  problemRecord = 0;
  return hasSoundHead() && hasSoundSections() && hasSoundPolicy() && hasSoundIndex() && hasSoundRules();
}

function refuse(phrase: string): bool {
  problem = phrase;
  return false;
}

function hasSoundHead(): bool {
  if (imageBytes < layout.image_header_bytes || imageBytes > limits.image_bytes) return refuse("size out of bounds");
  if (load<u32>(image) != layout.image_magic) return refuse("not a policy image");
  if (load<u32>(image, 4) != layout.image_version) return refuse("image version not supported by this engine");
  if (load<u32>(image, 8) != imageBytes) return refuse("image cut short or too long");
  const body = layout.sections_offset;
  if (load<u32>(image, layout.checksum_offset) != hash32(0, image + body, imageBytes - body)) {
    return refuse("checksum does not match: image damaged");
  }
  return true;
}

function hasSoundSections(): bool {
  for (let section: u32 = 0; section < layout.section_count; section++) {
    problemSection = section;
    const offset = offsetOf(section);
    const count = countOf(section);
    if ((offset & 3) != 0 || offset < layout.image_header_bytes || offset > imageBytes) {
      return refuse("section out of bounds");
    }
    const size = <u64>count * <u64>layout.sectionRecordBytes(section);
    if (size > <u64>(imageBytes - offset)) return refuse("section out of bounds");
  }
  return true;
}

function hasSoundPolicy(): bool {
  problemSection = layout.section_policy;
  if (countOf(layout.section_policy) != 1) return refuse("not exactly one policy record");
  const policy = at(layout.section_policy, 0);
  if (!isName(policy + layout.policy_name)) return refuse("policy name");
  if (load<u32>(policy, layout.policy_mode) > layout.mode_shadow) return refuse("mode");
  if (!isTextRun(policy + layout.policy_domains, limits.trust_domain_bytes)) return refuse("trust domains");
  if (!isTextRun(policy + layout.policy_methods_run, limits.method_bytes)) return refuse("methods");
  if (load<u32>(policy, layout.policy_methods_run + 4) > limits.policy_methods) return refuse("too many methods");
  const ruleMetrics = load<u32>(policy, layout.policy_rule_metrics);
  if (ruleMetrics > limits.rule_metrics || ruleMetrics > countOf(layout.section_rules)) return refuse("rule metrics");
  return true;
}

function hasSoundIndex(): bool {
  return (
    isTable(layout.section_caller_slots, layout.section_callers) &&
    isTable(layout.section_host_slots, layout.section_hosts) &&
    isTable(layout.section_root_slots, layout.section_roots) &&
    isTable(layout.section_edge_slots, layout.section_edges) &&
    hasSoundCallers() &&
    hasSoundRoots() &&
    hasSoundNodes() &&
    hasSoundEdges() &&
    hasSoundEntries()
  );
}

/** Each slot is empty or names a record, and at least half are empty, so that every lookup ends. */
function isTable(slotsSection: u32, recordsSection: u32): bool {
  problemSection = slotsSection;
  const slots = countOf(slotsSection);
  const records = countOf(recordsSection);
  if (slots == 0 || (slots & (slots - 1)) != 0 || records > slots >> 1) return refuse("slots are no table");
  let taken: u32 = 0;
  for (let slot: u32 = 0; slot < slots; slot++) {
    problemRecord = slot;
    const value = load<u32>(at(slotsSection, slot));
    if (value > records) return refuse("slot out of bounds");
    if (value != 0) taken++;
  }
  return taken == records ? true : refuse("slots and records differ in number");
}

function hasSoundCallers(): bool {
  problemSection = layout.section_callers;
  const count = countOf(layout.section_callers);
  for (let index: u32 = 0; index < count; index++) {
    problemRecord = index;
    const caller = at(layout.section_callers, index);
    if (load<u32>(caller) > layout.caller_descendants) return refuse("caller kind");
    if (!isText(caller + layout.caller_text, limits.spiffe_id_bytes)) return refuse("caller text");
    if (!isRun(caller + layout.caller_groups_run, layout.section_words)) return refuse("caller groups");
  }
  problemSection = layout.section_hosts;
  const hosts = countOf(layout.section_hosts);
  for (let index: u32 = 0; index < hosts; index++) {
    problemRecord = index;
    const host = at(layout.section_hosts, index);
    if (load<u32>(host) > layout.host_suffix) return refuse("host kind");
    if (!isText(host + layout.host_text, limits.host_bytes)) return refuse("host text");
  }
  return true;
}

function hasSoundRoots(): bool {
  problemSection = layout.section_roots;
  const count = countOf(layout.section_roots);
  const nodes = countOf(layout.section_nodes);
  for (let index: u32 = 0; index < count; index++) {
    problemRecord = index;
    if (load<u32>(at(layout.section_roots, index), layout.root_node) >= nodes) return refuse("root node");
  }
  return true;
}

/** A child comes after its parent, so that no walk can turn in circles. */
function hasSoundNodes(): bool {
  problemSection = layout.section_nodes;
  const nodes = countOf(layout.section_nodes);
  for (let index: u32 = 0; index < nodes; index++) {
    problemRecord = index;
    const node = at(layout.section_nodes, index);
    const wildcard = load<u32>(node, layout.node_wildcard);
    if (wildcard != 0 && (wildcard > nodes || wildcard - 1 <= index)) return refuse("wildcard child");
    if (!isRun(node + layout.node_ends, layout.section_entries)) return refuse("entries that end");
    if (!isRun(node + layout.node_tails, layout.section_entries)) return refuse("entries that go on");
  }
  return true;
}

function hasSoundEdges(): bool {
  problemSection = layout.section_edges;
  const nodes = countOf(layout.section_nodes);
  const count = countOf(layout.section_edges);
  for (let index: u32 = 0; index < count; index++) {
    problemRecord = index;
    const edge = at(layout.section_edges, index);
    const parent = load<u32>(edge, layout.edge_parent);
    const child = load<u32>(edge, layout.edge_child);
    if (child >= nodes || parent >= child) return refuse("edge");
    if (!isText(edge + layout.edge_text, limits.path_bytes)) return refuse("edge text");
  }
  return true;
}

function hasSoundEntries(): bool {
  problemSection = layout.section_entries;
  const rules = countOf(layout.section_rules);
  const count = countOf(layout.section_entries);
  for (let index: u32 = 0; index < count; index++) {
    problemRecord = index;
    if (load<u32>(at(layout.section_entries, index)) >= rules) return refuse("entry's rule");
  }
  return true;
}

function hasSoundRules(): bool {
  problemSection = layout.section_rules;
  const count = countOf(layout.section_rules);
  if (count > limits.policy_rules) return refuse("too many rules");
  for (let index: u32 = 0; index < count; index++) {
    problemRecord = index;
    const rule = at(layout.section_rules, index);
    if (!isName(rule + layout.rule_name)) return refuse("rule name");
    if (load<u32>(rule, layout.rule_action) > layout.action_deny) return refuse("rule action");
    if (!isWordRun(rule + layout.rule_issuers, countOf(layout.section_issuers))) return refuse("rule issuers");
    if (!isTextRun(rule + layout.rule_scopes, limits.token_bytes)) return refuse("rule scopes");
    if (!isText(rule + layout.rule_challenge, limits.token_bytes)) return refuse("rule challenge");
    if (!isWordRun(rule + layout.rule_limits_run, countOf(layout.section_limits))) return refuse("rule limits");
    if (load<u32>(rule, layout.rule_limits_run + 4) > limits.rule_limits) return refuse("too many limits");
    // Scopes are read from claims, and claims only from a token that was verified.
    if (load<u32>(rule, layout.rule_scopes + 4) != 0 && load<u32>(rule, layout.rule_issuers + 4) == 0) {
      return refuse("scopes without an issuer");
    }
  }
  return hasSoundIssuers() && hasSoundLimits();
}

function hasSoundIssuers(): bool {
  problemSection = layout.section_issuers;
  const count = countOf(layout.section_issuers);
  if (count > limits.policy_issuers) return refuse("too many issuers");
  const known = ((<u32>1) << algorithm_count) - 1;
  for (let index: u32 = 0; index < count; index++) {
    problemRecord = index;
    const issuer = at(layout.section_issuers, index);
    if (!isName(issuer + layout.issuer_name)) return refuse("issuer name");
    if (!isText(issuer + layout.issuer_iss, limits.token_bytes)) return refuse("issuer");
    if ((load<u32>(issuer, layout.issuer_algorithms) & ~known) != 0) return refuse("issuer algorithms");
    if (load<u32>(issuer, layout.issuer_leeway_seconds) > limits.leeway_seconds) return refuse("issuer leeway");
    if (!isTextRun(issuer + layout.issuer_audiences, limits.token_bytes)) return refuse("issuer audiences");
    if (!isRun(issuer + layout.issuer_keys_run, layout.section_keys)) return refuse("issuer keys");
    if (load<u32>(issuer, layout.issuer_keys_run + 4) > limits.issuer_keys) return refuse("too many keys");
  }
  problemSection = layout.section_keys;
  const keys = countOf(layout.section_keys);
  for (let index: u32 = 0; index < keys; index++) {
    problemRecord = index;
    const key = at(layout.section_keys, index);
    if (!isText(key + layout.key_kid, limits.token_bytes)) return refuse("key ID");
    if ((load<u32>(key, layout.key_algorithms) & ~known) != 0) return refuse("key algorithms");
    if (!isText(key + layout.key_spki, limits.key_bytes)) return refuse("key");
  }
  return true;
}

function hasSoundLimits(): bool {
  problemSection = layout.section_limits;
  const count = countOf(layout.section_limits);
  for (let index: u32 = 0; index < count; index++) {
    problemRecord = index;
    const limit = at(layout.section_limits, index);
    if (!isName(limit + layout.limit_name)) return refuse("limit name");
    const interval = load<u64>(limit, layout.limit_interval_nanoseconds);
    if (interval < 1000000000 / limits.limit_rate_per_second || interval > 3600000000000) return refuse("limit rate");
    const burst = load<u32>(limit, layout.limit_burst_tokens);
    if (burst == 0 || burst > limits.limit_burst) return refuse("limit burst");
    if (!isRun(limit + layout.limit_per, layout.section_selectors)) return refuse("limit selectors");
    if (!isText(limit + layout.limit_header, limits.response_bytes / 4)) return refuse("limit header");
  }
  problemSection = layout.section_selectors;
  const selectors = countOf(layout.section_selectors);
  for (let index: u32 = 0; index < selectors; index++) {
    problemRecord = index;
    const selector = at(layout.section_selectors, index);
    if (load<u32>(selector) > layout.selector_claim) return refuse("selector kind");
    if (!isTextRun(selector + layout.selector_path, limits.token_bytes)) return refuse("selector path");
    // Without a path a claim would be all of them, and every token a client of its own.
    const isClaim = load<u32>(selector) == layout.selector_claim;
    if (isClaim && load<u32>(selector, layout.selector_path + 4) == 0) return refuse("selector without a claim");
  }
  return true;
}

function offsetOf(section: u32): u32 {
  return load<u32>(image + layout.sections_offset + ((<usize>section) << 3));
}

function countOf(section: u32): u32 {
  return load<u32>(image + layout.sections_offset + ((<usize>section) << 3), 4);
}

function at(section: u32, index: u32): usize {
  return image + <usize>offsetOf(section) + <usize>index * <usize>layout.sectionRecordBytes(section);
}

/** A text lies inside STRINGS and is at most `size_bytes` long. */
function isText(text: usize, size_bytes: u32): bool {
  const start = load<u32>(text);
  const size = load<u32>(text, 4);
  const strings = offsetOf(layout.section_strings);
  const stringsBytes = countOf(layout.section_strings);
  if (size > size_bytes || start < strings) return false;
  return start - strings <= stringsBytes && size <= stringsBytes - (start - strings);
}

/** Names stand in metrics and logs, so they hold nothing that either would read as its own. */
function isName(text: usize): bool {
  if (!isText(text, limits.name_bytes)) return false;
  const start = image + <usize>load<u32>(text);
  const size = load<u32>(text, 4);
  for (let index: u32 = 0; index < size; index++) {
    const byte = <u32>load<u8>(start + index);
    if ((byte | 0x20) - 0x61 >= 26 && byte - 0x30 >= 10 && byte != 0x2d && byte != 0x5f) return false;
  }
  return size != 0;
}

/** A run lies inside its section. */
function isRun(run: usize, section: u32): bool {
  const first = load<u32>(run);
  const count = load<u32>(run, 4);
  const all = countOf(section);
  return first <= all && count <= all - first;
}

function isTextRun(run: usize, size_bytes: u32): bool {
  if (!isRun(run, layout.section_texts)) return false;
  const first = load<u32>(run);
  const count = load<u32>(run, 4);
  for (let index: u32 = 0; index < count; index++) {
    if (!isText(at(layout.section_texts, first + index), size_bytes)) return false;
  }
  return true;
}

/** A run of WORDS each of which is less than `bound`. */
function isWordRun(run: usize, bound: u32): bool {
  if (!isRun(run, layout.section_words)) return false;
  const first = load<u32>(run);
  const count = load<u32>(run, 4);
  for (let index: u32 = 0; index < count; index++) {
    if (load<u32>(at(layout.section_words, first + index)) >= bound) return false;
  }
  return true;
}
