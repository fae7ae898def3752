/**
 * A configured policy: the image and what goes with it while it is in force. Each root context has one (policy/root.ts),
 * so that two configurations can live side by side while old streams drain.
 */
import * as json from "../bytes/tape";
import * as layout from "./layout";

@unmanaged
export class Policy {
  /** The image's first byte. */
  image: usize;
  shadow: bool;
  /** The property its record is written to (audit/record.ts). */
  recordProperty: usize;
  recordPropertySize: u32;
  /** Whether a caller whose certificate has ended meanwhile has no identity any more (identity/expiry.ts). */
  checksCertificateEnd: bool;
  /** The region of an image that came with the configuration; 0 when the image is the embedded one. */
  configurationRegion: usize;
  /** What is known of callers (identity/known.ts). */
  knownCallers: usize;
  /** Counters, laid out by audit/metrics.ts and audit/counts.ts. */
  counters: usize;
  counterCount: u32;
  /** Whether counts wait to be handed over, and whether the host refused the last one. */
  hasCounts: bool;
  areCountsRefused: bool;
  /** Whether its root context ticks, and whether the host refused that. */
  isTicking: bool;
  isTickRefused: bool;
  next: usize;
  rootContext: u32;
  /** The key sets (keys/keyset.ts), and their region; 0 where they lie beside the policy. */
  keySets: usize;
  keySetsRegion: usize;
  /** The region of the tokens they verified; 0 while the policy holds none. */
  tokensRegion: usize;
  /** Whether the host verifies the signatures it knows how to (token/signature.ts). */
  hostVerifies: bool;
  /** Whether its root context has ticked; and since when requests have wanted to wait while it had not (keys/waiting.ts). */
  hasTicked: bool;
  /** Whether the log was told that conditions do not take the caller's address, which is not the connection's (condition/sources.ts). */
  isSourceTold: bool;
  /** The same of a claim that no header holds (upstream/forward.ts). */
  isForwardTold: bool;
  waitedAt: u64;
  /** How often in a row the rate limit service of the fleet has not answered, and when it was asked last since (limit/fleet.ts). */
  fleetFailures: u32;
  fleetAskedAt: u64;
  /** What kind of answer of its was composed last (response/respond.ts); 0 for none. */
  answered: u32;
  /** What its image is told from others by where it was signed, and the module has trust keys (trust/envelope.ts); else 0. */
  identity: u64;
  /** Of one that reads bodies: whether the host has handed one over while it held the headers, and whether the log was told that it does not. */
  provesBodies: bool;
  areBodiesTold: bool;
}

/** The sizes of records (policy/layout.ts) in a table, since a request asks for them often. */
const record_bytes: usize = memory.data(layout.section_count * 4, 4);
for (let section: u32 = 0; section < layout.section_count; section++) {
  store<u32>(record_bytes + ((<usize>section) << 2), layout.sectionRecordBytes(section));
}

/** The address of an image's section. */
// @inline
export function sectionIn(image: usize, section: u32): usize {
  return image + <usize>load<u32>(image + layout.sections_at + ((<usize>section) << 3));
}

/** The address of a section's first record. */
// @inline
export function sectionStart(policy: Policy, section: u32): usize {
  return sectionIn(policy.image, section);
}

/** How many records a section has. */
// @inline
export function sectionCount(policy: Policy, section: u32): u32 {
  return load<u32>(policy.image + layout.sections_at + ((<usize>section) << 3), 4);
}

/** The address of record `index` of a section. */
// @inline
export function recordAt(policy: Policy, section: u32, index: u32): usize {
  return sectionStart(policy, section) + <usize>index * <usize>load<u32>(record_bytes + ((<usize>section) << 2));
}

/** The same with the size of the section's records at hand, for what every request looks at. */
// @inline
function at(policy: Policy, section: u32, index: u32, record_bytes: u32): usize {
  return sectionStart(policy, section) + <usize>index * <usize>record_bytes;
}

// @inline
export function ruleAt(policy: Policy, rule: u32): usize {
  return at(policy, layout.section_rules, rule, layout.rule_record_bytes);
}

// @inline
export function nodeAt(policy: Policy, node: u32): usize {
  return at(policy, layout.section_nodes, node, layout.node_record_bytes);
}

// @inline
export function edgeAt(policy: Policy, edge: u32): usize {
  return at(policy, layout.section_edges, edge, layout.edge_record_bytes);
}

// @inline
export function issuerAt(policy: Policy, issuer: u32): usize {
  return at(policy, layout.section_issuers, issuer, layout.issuer_record_bytes);
}

/** The address of record `place` of PLACES. */
// @inline
export function placeAt(policy: Policy, place: u32): usize {
  return at(policy, layout.section_places, place, layout.place_record_bytes);
}

// @inline
export function limitAt(policy: Policy, limit: u32): usize {
  return at(policy, layout.section_limits, limit, layout.limit_record_bytes);
}

/** The address of text `index` of TEXTS. */
// @inline
export function textAt(policy: Policy, index: u32): usize {
  return at(policy, layout.section_texts, index, layout.text_record_bytes);
}

/** Word `index` of WORDS. */
// @inline
export function wordAt(policy: Policy, index: u32): u32 {
  return load<u32>(at(policy, layout.section_words, index, layout.word_record_bytes));
}

/** The first byte of the text at `text`. */
// @inline
export function textStart(policy: Policy, text: usize): usize {
  return policy.image + <usize>load<u32>(text);
}

/** The size in bytes of the text at `text`. */
// @inline
export function textSize(text: usize): u32 {
  return load<u32>(text, 4);
}

/** The member of a JSON record at the end of a path, a run of TEXTS at `path`; `absent` where there is none (bytes/tape.ts). */
export function memberAt(policy: Policy, path: usize, record: usize): usize {
  const first = load<u32>(path);
  const count = load<u32>(path, 4);
  let member = record;
  for (let index: u32 = 0; index < count; index++) {
    const text = textAt(policy, first + index);
    member = json.member(member, textStart(policy, text), textSize(text));
  }
  return member;
}

/** How long the fleet's rate limit service may take; 0 where no limit is one of the fleet. */
// @inline
export function fleetDeadline(policy: Policy): u32 {
  return load<u32>(head(policy), layout.policy_fleet_deadline_milliseconds_at);
}

/** Whether any limit is one of the fleet. */
export function hasFleet(policy: Policy): bool {
  return fleetDeadline(policy) != 0;
}

/** The policy's own record. */
// @inline
export function head(policy: Policy): usize {
  return sectionStart(policy, layout.section_policy);
}

/** Whether the policy needs any of what only some do. */
export function needs(policy: Policy, what: u32): bool {
  return (load<u32>(head(policy), layout.policy_needs_at) & what) != 0;
}
