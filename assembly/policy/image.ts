/**
 * Validates a policy image wholly, once, at configure time: every offset, count, index and number in it. Evaluation
 * then reads records without checking again. Layout: policy/layout.ts; the index: policy/image-index.ts; tokens: policy/image-issuers.ts.
 */
import { hash32 } from "../bytes/hash";
import * as limits from "../limits";
import {
  at,
  countOf,
  image,
  imageBytes,
  isHeaderName,
  isHeaderText,
  isName,
  isRun,
  isText,
  isWordRun,
  lookAt,
  offsetOf,
  openImage,
  refuse,
} from "./check";
import { hasSoundBodies } from "./image-bodies";
import { hasSoundInstructions, isSoundCondition } from "./image-conditions";
import { hasSoundIndex } from "./image-index";
import { hasSoundTokens } from "./image-issuers";
import { hasSoundQuarantines } from "./image-quarantines";
import * as layout from "./layout";

/** Whether the `size` bytes at `start` (8-aligned) are an image this engine can evaluate; if not, policy/check.ts has why. */
export function isImage(start: usize, size: u32): bool {
  openImage(start, size);
  return (
    hasSoundHead() &&
    hasSoundSections() &&
    hasSoundTexts() &&
    hasSoundPolicy() &&
    hasSoundInstructions() &&
    hasSoundRules() &&
    (!isDefined(BODIES) || hasSoundBodies()) &&
    hasSoundIndex()
  );
}

function hasSoundHead(): bool {
  if (imageBytes < layout.image_header_bytes || imageBytes > limits.image_bytes_max)
    return refuse("size out of bounds");
  if (load<u32>(image, layout.magic_at) != layout.image_magic) return refuse("not a policy image");
  if (load<u32>(image, layout.version_at) != layout.image_version)
    return refuse("image version not supported by this engine");
  if (load<u32>(image, layout.size_at) != imageBytes) return refuse("image cut short or too long");
  const body = layout.sections_at;
  if (load<u32>(image, layout.checksum_at) != hash32(0, image + body, imageBytes - body)) {
    return refuse("checksum does not match: image damaged");
  }
  return true;
}

function hasSoundSections(): bool {
  for (let section: u32 = 0; section < layout.section_count; section++) {
    lookAt(section, 0);
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

/** All of TEXTS, once, so that runs of them need no second look. */
function hasSoundTexts(): bool {
  lookAt(layout.section_texts, 0);
  const count = countOf(layout.section_texts);
  for (let index: u32 = 0; index < count; index++) {
    lookAt(layout.section_texts, index);
    if (!isText(at(layout.section_texts, index), limits.policy_text_bytes_max)) return refuse("text");
  }
  return true;
}

function hasSoundPolicy(): bool {
  lookAt(layout.section_policy, 0);
  if (countOf(layout.section_policy) != 1) return refuse("not exactly one policy record");
  const policy = at(layout.section_policy, 0);
  if (!isName(policy + layout.policy_name_at)) return refuse("policy name");
  if (load<u32>(policy, layout.policy_mode_at) > layout.mode_shadow) return refuse("mode");
  if (!isRun(policy + layout.policy_domains_at, layout.section_texts)) return refuse("trust domains");
  if (!isRun(policy + layout.policy_methods_at, layout.section_texts)) return refuse("methods");
  if (load<u32>(policy, layout.policy_source_at) > layout.source_forwarded) return refuse("source of addresses");
  if (!isRun(policy + layout.policy_forwarders_at, layout.section_texts)) return refuse("forwarders");
  const aliases = policy + layout.policy_aliases_at;
  if (!isRun(aliases, layout.section_texts) || (load<u32>(aliases, 4) & 1) != 0) return refuse("aliases");
  if (load<u32>(aliases, 4) > 2 * limits.trust_aliases_max) return refuse("too many aliases");
  const tokenBytes = load<u32>(policy, layout.policy_token_bytes_at);
  if (tokenBytes == 0 || tokenBytes > limits.token_bytes_max) return refuse("bytes of a token");
  const types = policy + layout.policy_types_at;
  if (!isRun(types, layout.section_texts) || load<u32>(types, 4) > limits.policy_types_max)
    return refuse("types of tokens");
  if (load<u32>(policy, layout.policy_methods_at + 4) > limits.policy_methods_max) return refuse("too many methods");
  const ruleMetrics = load<u32>(policy, layout.policy_rule_metrics_at);
  if (ruleMetrics > limits.rule_metrics_max || ruleMetrics > countOf(layout.section_rules))
    return refuse("rule metrics");
  return true;
}

function hasSoundRules(): bool {
  lookAt(layout.section_rules, 0);
  const count = countOf(layout.section_rules);
  if (count > limits.policy_rules_max) return refuse("too many rules");
  for (let index: u32 = 0; index < count; index++) {
    lookAt(layout.section_rules, index);
    const rule = at(layout.section_rules, index);
    if (!isName(rule + layout.rule_name_at)) return refuse("rule name");
    if (load<u32>(rule, layout.rule_action_at) > layout.action_deny) return refuse("rule action");
    if (load<u32>(rule, layout.rule_mode_at) > layout.mode_shadow) return refuse("rule mode");
    const cost = load<u32>(rule, layout.rule_cost_at);
    if (cost == 0 || cost > limits.limit_burst_tokens_max) return refuse("rule cost");
    if (load<u32>(rule, layout.rule_issuers_at + 4) > limits.policy_issuers_max) return refuse("too many issuers");
    if (!isWordRun(rule + layout.rule_issuers_at, issuersOfRules())) return refuse("rule issuers");
    if (!isRun(rule + layout.rule_scopes_at, layout.section_texts)) return refuse("rule scopes");
    if (load<u32>(rule, layout.rule_held_at) > layout.held_any) return refuse("rule scopes");
    const challenge = rule + layout.rule_challenge_at;
    if (!isText(challenge, limits.response_bytes_max / 2) || !isHeaderText(challenge, true))
      return refuse("rule challenge");
    if (load<u32>(rule, layout.rule_limits_at + 4) > limits.rule_limits_max) return refuse("too many limits");
    if (!isWordRun(rule + layout.rule_limits_at, countOf(layout.section_limits))) return refuse("rule limits");
    if (!isWithinLimits(rule, cost)) return refuse("cost of more than a limit holds");
    // Scopes are read from claims, and claims only from a token that was verified.
    if (load<u32>(rule, layout.rule_scopes_at + 4) != 0 && load<u32>(rule, layout.rule_issuers_at + 4) == 0) {
      return refuse("scopes without an issuer");
    }
    if (load<u32>(rule, layout.rule_token_at) > layout.token_optional) return refuse("rule token");
    if (load<u32>(rule, layout.rule_token_at) == layout.token_optional) {
      if (load<u32>(rule, layout.rule_issuers_at + 4) == 0) return refuse("an optional token without an issuer");
      if (load<u32>(rule, layout.rule_scopes_at + 4) != 0) return refuse("scopes of an optional token");
    }
    const names = load<u32>(rule, layout.rule_variable_names_at + 4);
    if (!isRun(rule + layout.rule_variable_names_at, layout.section_texts)) return refuse("names of variables");
    if (names != 0 && names != load<u32>(rule, layout.rule_variables_at)) return refuse("names of variables");
    if (!hasSoundSizes(rule)) return refuse("rule sizes");
    if (!isSoundCondition(rule, rule + layout.rule_condition_at)) return false;
    if (!isSoundCondition(rule, rule + layout.rule_cost_condition_at)) return false;
  }
  return hasSoundTokens() && hasSoundLimits() && hasSoundQuarantines() && hasSoundForwards();
}

/** Bounds on sizes are an allow rule's, or of a deny rule that reads bodies, and all its words are there; to bound a body takes its callback. */
function hasSoundSizes(rule: usize): bool {
  const first = load<u32>(rule, layout.rule_sizes_at);
  if (first == 0) return true;
  const words = countOf(layout.section_words);
  const isAllow = load<u32>(rule, layout.rule_action_at) == layout.action_allow;
  const reads = load<u32>(rule, layout.rule_reads_at);
  if ((!isAllow && reads == 0) || first > words || layout.sizes_words > words - first + 1) return false;
  const callbacks = load<u32>(at(layout.section_policy, 0), layout.policy_needs_at);
  const body = load<u32>(at(layout.section_words, first - 1 + layout.sizes_body));
  return body == layout.size_any || (callbacks & layout.needs_body) != 0;
}

/** No limit ever holds more than its burst, which bounds what is added to a time (limit/bucket.ts). */
function isWithinLimits(rule: usize, cost_tokens: u32): bool {
  const run = rule + layout.rule_limits_at;
  for (let index: u32 = 0; index < load<u32>(run, 4); index++) {
    const limit = at(layout.section_limits, load<u32>(at(layout.section_words, load<u32>(run) + index)));
    const isOfRate = load<u32>(limit, layout.limit_kind_at) == layout.limit_rate;
    if (isOfRate && cost_tokens > load<u32>(limit, layout.limit_burst_tokens_at)) return false;
    const tiers = limit + layout.limit_tiers_at;
    if (!isRun(tiers, layout.section_tiers) || load<u32>(tiers, 4) > limits.limit_tiers_max) return false;
    for (let tier: u32 = 0; tier < load<u32>(tiers, 4); tier++) {
      const other = load<u32>(at(layout.section_tiers, load<u32>(tiers) + tier), layout.tier_limit_at);
      if (other >= countOf(layout.section_limits)) return false;
      if (cost_tokens > load<u32>(at(layout.section_limits, other), layout.limit_burst_tokens_at)) return false;
    }
  }
  return true;
}

/** A tier is chosen by one text, and is a limit of this Envoy without tiers. */
function hasSoundTiers(limit: usize, isOfFleet: bool): bool {
  const run = limit + layout.limit_tiers_at;
  const count = load<u32>(run, 4);
  const chooser = load<u32>(limit, layout.limit_tier_at);
  if (!isRun(run, layout.section_tiers) || count > limits.limit_tiers_max) return false;
  if (count == 0) return chooser == 0;
  if (isOfFleet || chooser == 0 || chooser > countOf(layout.section_selectors)) return false;
  if (load<u32>(at(layout.section_selectors, chooser - 1), layout.selector_kind_at) == layout.selector_source)
    return false;
  for (let index: u32 = 0; index < count; index++) {
    const tier = at(layout.section_tiers, load<u32>(run) + index);
    const other = load<u32>(tier, layout.tier_limit_at);
    if (!isText(tier + layout.tier_name_at, limits.tier_name_bytes_max)) return false;
    if (other >= countOf(layout.section_limits)) return false;
    const held = at(layout.section_limits, other);
    if (load<u32>(held, layout.limit_tier_at) != 0 || load<u32>(held, layout.limit_fleet_at + 4) != 0) return false;
  }
  return true;
}

/** No rule asks for a JWT-SVID: it says who the caller is. */
function issuersOfRules(): u32 {
  const svids = load<u32>(at(layout.section_policy, 0) + layout.policy_svids_at, 4);
  return countOf(layout.section_issuers) - min(svids, countOf(layout.section_issuers));
}

function hasSoundLimits(): bool {
  const policy = at(layout.section_policy, 0);
  const deadline = load<u32>(policy, layout.policy_fleet_deadline_milliseconds_at);
  const domain = policy + layout.policy_fleet_domain_at;
  if (
    deadline > limits.fleet_deadline_milliseconds_max ||
    !isText(policy + layout.policy_fleet_cluster_at, limits.cluster_name_bytes_max) ||
    !isText(domain, limits.name_bytes_max) ||
    !isHeaderText(domain, false)
  )
    return refuse("fleet");
  const needs = load<u32>(policy, layout.policy_needs_at);
  lookAt(layout.section_limits, 0);
  const count = countOf(layout.section_limits);
  for (let index: u32 = 0; index < count; index++) {
    lookAt(layout.section_limits, index);
    const limit = at(layout.section_limits, index);
    if (!isName(limit + layout.limit_name_at)) return refuse("limit name");
    const interval = load<u64>(limit, layout.limit_interval_nanoseconds_at);
    if (interval < 1000000000 / limits.limit_rate_per_second_max) return refuse("limit rate");
    const burst = load<u32>(limit, layout.limit_burst_tokens_at);
    if (burst == 0 || burst > limits.limit_burst_tokens_max) return refuse("limit burst");
    // Times are added to what an empty bucket takes to fill: together they must not pass 64 bits.
    if (<f64>interval * <f64>burst > limits.limit_fill_nanoseconds_max) return refuse("limit rate");
    const per = limit + layout.limit_per_at;
    if (!isRun(per, layout.section_selectors)) return refuse("limit selectors");
    if (load<u32>(per, 4) > limits.limit_parts_max) return refuse("too many selectors");
    const header = limit + layout.limit_header_at;
    if (!isText(header, limits.response_bytes_max / 4) || !isHeaderText(header, false)) return refuse("limit header");
    const fleet = limit + layout.limit_fleet_at;
    if (!isText(fleet, limits.fleet_limit_bytes_max) || !isHeaderText(fleet, false)) return refuse("limit of a fleet");
    if (load<u32>(fleet, 4) != 0 && deadline == 0) return refuse("limit of a fleet");
    if (load<u32>(limit, layout.limit_error_at) > layout.error_allow) return refuse("limit of a fleet");
    if (load<u32>(limit, layout.limit_lease_tokens_at) > limits.limit_burst_tokens_max)
      return refuse("limit of a fleet");
    // The fleet's limits are asked about before anything is taken.
    const mode = load<u32>(limit, layout.limit_mode_at);
    if (mode > layout.mode_shadow || (mode == layout.mode_shadow && load<u32>(fleet, 4) != 0))
      return refuse("limit mode");
    if (load<u32>(limit, layout.limit_absent_at) > layout.absent_deny) return refuse("limit without its parts");
    if (load<u32>(limit, layout.limit_headers_at) > layout.headers_always) return refuse("headers of a limit");
    if (!hasSoundTiers(limit, load<u32>(fleet, 4) != 0)) return refuse("tiers of a limit");
    const kind = load<u32>(limit, layout.limit_kind_at);
    if (kind > layout.limit_hops || (kind != layout.limit_rate && load<u32>(fleet, 4) != 0))
      return refuse("limit kind");
    if (kind == layout.limit_concurrency && (needs & layout.needs_ticks) == 0) return refuse("limit kind");
    if (kind == layout.limit_hops && ((needs & layout.needs_hops) == 0 || !isHeaderName(header)))
      return refuse("limit kind");
  }
  lookAt(layout.section_selectors, 0);
  const selectors = countOf(layout.section_selectors);
  for (let index: u32 = 0; index < selectors; index++) {
    lookAt(layout.section_selectors, index);
    const selector = at(layout.section_selectors, index);
    const kind = load<u32>(selector, layout.selector_kind_at);
    if (kind > layout.selector_method) return refuse("selector kind");
    if (!isRun(selector + layout.selector_path_at, layout.section_texts)) return refuse("selector path");
    // Without a path a claim would be all of them, and every token a client of its own.
    const names = load<u32>(selector, layout.selector_path_at + 4);
    if (kind == layout.selector_claim && names == 0) return refuse("selector without a claim");
    if ((kind == layout.selector_variable || kind == layout.selector_header) && names != 1)
      return refuse("selector without a name");
    if (
      load<u32>(selector, layout.selector_four_bits_at) > 32 ||
      load<u32>(selector, layout.selector_six_bits_at) > 128
    )
      return refuse("bits of an address");
  }
  return true;
}

function hasSoundForwards(): bool {
  lookAt(layout.section_forwards, 0);
  const count = countOf(layout.section_forwards);
  if (count > limits.policy_forwards_max) return refuse("too many headers to set");
  for (let index: u32 = 0; index < count; index++) {
    lookAt(layout.section_forwards, index);
    const forward = at(layout.section_forwards, index);
    const name = forward + layout.forward_name_at;
    if (!isText(name, limits.header_name_bytes_max) || !isHeaderName(name)) return refuse("header name");
    const kind = load<u32>(forward, layout.forward_kind_at);
    if (kind > layout.forward_capture) return refuse("kind of header value");
    if (!isRun(forward + layout.forward_path_at, layout.section_texts)) return refuse("claim of a header");
    const form = load<u32>(forward, layout.forward_as_at);
    if (form > layout.as_base64url) return refuse("form of a header value");
    const isWhole = load<u32>(forward, layout.forward_path_at + 4) == 0;
    if (kind == layout.forward_capture && isWhole) return refuse("header without a variable");
    if (kind == layout.forward_claim && isWhole && form < layout.as_json) {
      return refuse("header without a claim");
    }
  }
  return true;
}
