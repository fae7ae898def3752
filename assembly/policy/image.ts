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
import { hasSoundInstructions, isSoundCondition } from "./image-conditions";
import { hasSoundIndex } from "./image-index";
import { hasSoundTokens } from "./image-issuers";
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
    if (!isText(at(layout.section_texts, index), limits.token_bytes_max)) return refuse("text");
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
  if (!isRun(policy + layout.policy_forwarders_at, layout.section_texts)) return refuse("forwarders");
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
    const challenge = rule + layout.rule_challenge_at;
    if (!isText(challenge, limits.response_bytes_max / 2) || !isHeaderText(challenge, true))
      return refuse("rule challenge");
    if (load<u32>(rule, layout.rule_limits_at + 4) > limits.rule_limits_max) return refuse("too many limits");
    if (!isWordRun(rule + layout.rule_limits_at, countOf(layout.section_limits))) return refuse("rule limits");
    // Scopes are read from claims, and claims only from a token that was verified.
    if (load<u32>(rule, layout.rule_scopes_at + 4) != 0 && load<u32>(rule, layout.rule_issuers_at + 4) == 0) {
      return refuse("scopes without an issuer");
    }
    if (!isSoundCondition(rule)) return false;
  }
  return hasSoundTokens() && hasSoundLimits() && hasSoundForwards();
}

/** No rule asks for a JWT-SVID: it says who the caller is. */
function issuersOfRules(): u32 {
  const svids = load<u32>(at(layout.section_policy, 0) + layout.policy_svids_at, 4);
  return countOf(layout.section_issuers) - min(svids, countOf(layout.section_issuers));
}

function hasSoundLimits(): bool {
  lookAt(layout.section_limits, 0);
  const count = countOf(layout.section_limits);
  for (let index: u32 = 0; index < count; index++) {
    lookAt(layout.section_limits, index);
    const limit = at(layout.section_limits, index);
    if (!isName(limit + layout.limit_name_at)) return refuse("limit name");
    const interval = load<u64>(limit, layout.limit_interval_nanoseconds_at);
    if (interval < 1000000000 / limits.limit_rate_per_second_max || interval > 3600000000000)
      return refuse("limit rate");
    const burst = load<u32>(limit, layout.limit_burst_tokens_at);
    if (burst == 0 || burst > limits.limit_burst_tokens_max) return refuse("limit burst");
    if (!isRun(limit + layout.limit_per_at, layout.section_selectors)) return refuse("limit selectors");
    const header = limit + layout.limit_header_at;
    if (!isText(header, limits.response_bytes_max / 4) || !isHeaderText(header, false)) return refuse("limit header");
  }
  lookAt(layout.section_selectors, 0);
  const selectors = countOf(layout.section_selectors);
  for (let index: u32 = 0; index < selectors; index++) {
    lookAt(layout.section_selectors, index);
    const selector = at(layout.section_selectors, index);
    if (load<u32>(selector, layout.selector_kind_at) > layout.selector_claim) return refuse("selector kind");
    if (!isRun(selector + layout.selector_path_at, layout.section_texts)) return refuse("selector path");
    // Without a path a claim would be all of them, and every token a client of its own.
    const isClaim = load<u32>(selector, layout.selector_kind_at) == layout.selector_claim;
    if (isClaim && load<u32>(selector, layout.selector_path_at + 4) == 0) return refuse("selector without a claim");
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
    if (kind > layout.forward_claim) return refuse("kind of header value");
    if (!isRun(forward + layout.forward_path_at, layout.section_texts)) return refuse("claim of a header");
    if (kind == layout.forward_claim && load<u32>(forward, layout.forward_path_at + 4) == 0) {
      return refuse("header without a claim");
    }
  }
  return true;
}
