/**
 * A configured policy: the image and what goes with it while it is in force. Each root context has one (host/root.ts),
 * so that two configurations can live side by side while old streams drain.
 */
import * as layout from "./layout";

@unmanaged
export class Policy {
  /** The image's first byte. */
  image: usize;
  shadow: bool;
  /** The region of a configuration that came from the host; 0 when the image is the embedded one. */
  configurationRegion: usize;
  /** Counter numbers, laid out by audit/metrics.ts. */
  counters: usize;
  next: usize;
  rootContext: u32;
  /** The key sets and what is known of their tokens (keys/keyset.ts), and the region they lie in; 0 for none. */
  keySets: usize;
  keySetsRegion: usize;
  /** Whether the host verifies the signatures it knows how to (token/signature.ts). */
  hostVerifies: bool;
}

/** The sizes of records (policy/layout.ts) in a table, since a request asks for them often. */
const record_bytes: usize = memory.data(layout.section_count * 4, 4);
for (let section: u32 = 0; section < layout.section_count; section++) {
  store<u32>(record_bytes + ((<usize>section) << 2), layout.sectionRecordBytes(section));
}

/** The address of a section's first record. */
export function sectionStart(policy: Policy, section: u32): usize {
  const entry = policy.image + layout.sections_offset + ((<usize>section) << 3);
  return policy.image + <usize>load<u32>(entry);
}

/** How many records a section has. */
export function sectionCount(policy: Policy, section: u32): u32 {
  return load<u32>(policy.image + layout.sections_offset + ((<usize>section) << 3), 4);
}

/** The address of record `index` of a section. */
export function recordAt(policy: Policy, section: u32, index: u32): usize {
  return sectionStart(policy, section) + <usize>index * <usize>load<u32>(record_bytes + ((<usize>section) << 2));
}

export function ruleAt(policy: Policy, rule: u32): usize {
  return recordAt(policy, layout.section_rules, rule);
}

export function issuerAt(policy: Policy, issuer: u32): usize {
  return recordAt(policy, layout.section_issuers, issuer);
}

/** The address of record `place` of PLACES. */
export function placeAt(policy: Policy, place: u32): usize {
  return recordAt(policy, layout.section_places, place);
}

export function limitAt(policy: Policy, limit: u32): usize {
  return recordAt(policy, layout.section_limits, limit);
}

/** The address of text `index` of TEXTS. */
export function textAt(policy: Policy, index: u32): usize {
  return recordAt(policy, layout.section_texts, index);
}

/** Word `index` of WORDS. */
export function wordAt(policy: Policy, index: u32): u32 {
  return load<u32>(recordAt(policy, layout.section_words, index));
}

/** The first byte of the text at `text`. */
export function textStart(policy: Policy, text: usize): usize {
  return policy.image + <usize>load<u32>(text);
}

/** The size in bytes of the text at `text`. */
export function textSize(text: usize): u32 {
  return load<u32>(text, 4);
}

/** The policy's own record. */
export function head(policy: Policy): usize {
  return sectionStart(policy, layout.section_policy);
}
