/**
 * Counters, under names that only the policy's author can choose and only so many of (rule_metrics_max). All are defined at
 * configure time; on a request they are numbers. The dots part names and values for Envoy's stats_tags
 * (envoy/inbound.yaml):
 *
 *   sallyport_requests.policy.<policy>.decision.<allow | deny | shadow_deny | gone>
 *   sallyport_denials.policy.<policy>.reason.<reason>
 *   sallyport_rules.policy.<policy>.rule.<rule>.decision.<allow | deny | shadow_allow | shadow_deny>
 *   sallyport_failures.policy.<policy>.cause.<failure>
 *   sallyport_token_cache.policy.<policy>.result.<hit | miss | eviction>
 *   sallyport_key_set_<refreshes | failures>.policy.<policy>.set.<key set>
 *   sallyport_key_set_<age_seconds | keys>.policy.<policy>.set.<key set>          gauges
 *
 * They lie beside the policy (audit/counts.ts):
 *
 *   +-----------+---------+----------+-------+------------------------+---------------------------+
 *   | decisions | reasons | failures | cache | four for each key set  | allow, deny for each rule |
 *   +-----------+---------+----------+-------+------------------------+---------------------------+
 */
import { openWriter, Writer, writeBytes, writeText } from "../bytes/writer";
import { Failure, failureName } from "../failure";
import { recordGauge, takeFailures } from "../host/host";
import { policy_key_sets_max, rule_metrics_max } from "../limits";
import * as layout from "../policy/layout";
import { head, Policy, recordAt, ruleAt, sectionCount, textSize, textStart } from "../policy/policy";
import { Reason, reasonName } from "../reason";
import { request, shadowReason, shadowRule } from "../request/request";
import { count, counter_bytes, numberAt, setNumber } from "./counts";
import { numberOfMetric } from "./numbers";

const decisions: u32 = 4;
const decision_allow: u32 = 0;
const decision_deny: u32 = 1;
const decision_shadow_deny: u32 = 2;
/** The stream ended before it was decided. */
const decision_gone: u32 = 3;
const reasons_at: u32 = decisions;
const failures_at: u32 = reasons_at + Reason.COUNT;
const cache_at: u32 = failures_at + Failure.COUNT;
const sets_at: u32 = cache_at + 3;

/** What becomes of a look into the cache of tokens. */
const enum CacheEvent {
  HIT = 0,
  MISS,
  EVICTION,
}

/** What is counted, or measured, of a key set that is fetched. */
export const enum KeySetMetric {
  REFRESHES = 0,
  FAILURES,
  AGE_SECONDS,
  KEYS,
  COUNT,
}

const metric_name_bytes: u32 = 512;
const name: usize = memory.data(512);
const writer = changetype<Writer>(memory.data(32, 8));

/** The bytes of the counters of the largest policy. */
export const counters_bytes_max: u32 =
  (sets_at + KeySetMetric.COUNT * policy_key_sets_max + 2 * (rule_metrics_max + 1)) * counter_bytes;

function rulesAt(policy: Policy): u32 {
  return sets_at + KeySetMetric.COUNT * sectionCount(policy, layout.section_key_sets);
}

/** Defines every counter of a policy; false when the host refuses one. */
export function defineCounters(policy: Policy): bool {
  if (!define(policy, decision_allow, "requests", "decision", "allow")) return false;
  if (!define(policy, decision_deny, "requests", "decision", "deny")) return false;
  if (!define(policy, decision_shadow_deny, "requests", "decision", "shadow_deny")) return false;
  if (!define(policy, decision_gone, "requests", "decision", "gone")) return false;
  for (let reason: i32 = Reason.ALLOWED + 1; reason < Reason.COUNT; reason++) {
    if (!define(policy, reasons_at + reason, "denials", "reason", reasonName(<Reason>reason))) return false;
  }
  for (let failure: i32 = Failure.NONE + 1; failure < Failure.COUNT; failure++) {
    if (!define(policy, failures_at + failure, "failures", "cause", failureName(<Failure>failure))) return false;
  }
  if (!define(policy, cache_at + CacheEvent.HIT, "token_cache", "result", "hit")) return false;
  if (!define(policy, cache_at + CacheEvent.MISS, "token_cache", "result", "miss")) return false;
  if (!define(policy, cache_at + CacheEvent.EVICTION, "token_cache", "result", "eviction")) return false;
  const sets = sectionCount(policy, layout.section_key_sets);
  for (let set: u32 = 0; set < sets; set++) {
    if (!defineKeySet(policy, set)) return false;
  }
  const rules = load<u32>(head(policy), layout.policy_rule_metrics_at);
  for (let rule: u32 = 0; rule <= rules; rule++) {
    if (!defineRule(policy, rule, rule == rules, true) || !defineRule(policy, rule, rule == rules, false)) return false;
  }
  policy.counterCount = rulesAt(policy) + 2 * (rules + 1);
  return true;
}

/**
 * Counts the decision; false when the host refuses, unless what it refuses is to be kept. The decision itself comes last, so that none is
 * counted by half.
 */
export function countDecision(policy: Policy, reason: Reason, keeps: bool): bool {
  const allowed = reason == Reason.ALLOWED;
  if (!allowed && !count(policy, reasons_at + reason, 1, keeps)) return false;
  for (let index: u32 = 0; index < request.shadowCount; index++) {
    if (!countRule(policy, shadowRule(index), shadowReason(index), keeps)) return false;
  }
  if (request.rule != 0 && !countRule(policy, request.rule - 1, reason, keeps)) return false;
  if (!countCache(policy, keeps)) return false;
  return count(policy, allowed ? decision_allow : policy.shadow ? decision_shadow_deny : decision_deny, 1, keeps);
}

/** Counts a request whose stream ended while it waited. */
export function countGone(policy: Policy): void {
  count(policy, decision_gone, 1, true);
}

function countRule(policy: Policy, rule: u32, reason: Reason, keeps: bool): bool {
  const counted = min(rule, load<u32>(head(policy), layout.policy_rule_metrics_at));
  return count(policy, rulesAt(policy) + 2 * counted + (reason == Reason.ALLOWED ? 0 : 1), 1, keeps);
}

/** Counts what failed, each by name. */
export function countFailures(policy: Policy): void {
  for (let failures = takeFailures(); failures != 0; failures &= failures - 1) {
    count(policy, failures_at + <u32>ctz(failures), 1, true);
  }
}

/** Counts looks into the caches of tokens, each once. */
function countCache(policy: Policy, keeps: bool): bool {
  if (request.cacheHits != 0 && !count(policy, cache_at + CacheEvent.HIT, request.cacheHits, keeps)) return false;
  request.cacheHits = 0;
  if (request.cacheMisses != 0 && !count(policy, cache_at + CacheEvent.MISS, request.cacheMisses, keeps)) return false;
  request.cacheMisses = 0;
  return true;
}

/** Counts tokens that gave way in the caches of a policy. */
export function countEvictions(policy: Policy, evictions: u32): void {
  if (evictions != 0) count(policy, cache_at + CacheEvent.EVICTION, evictions, true);
}

/** Counts one event of a key set. */
export function countKeySet(policy: Policy, set: u32, metric: KeySetMetric): void {
  count(policy, sets_at + KeySetMetric.COUNT * set + metric, 1, true);
}

/** Sets a gauge of a key set. */
export function recordKeySet(policy: Policy, set: u32, metric: KeySetMetric, value: u64): void {
  recordGauge(numberAt(policy, sets_at + KeySetMetric.COUNT * set + metric), value);
}

function define(policy: Policy, counter: u32, metric: string, label: string, value: string): bool {
  openName(policy, metric, label);
  writeText(writer, value);
  return defineNamed(policy, counter, false);
}

/** Only sets that are fetched have something to tell. */
function defineKeySet(policy: Policy, set: u32): bool {
  const record = recordAt(policy, layout.section_key_sets, set);
  if (textSize(record + layout.key_set_url_at) == 0) return true;
  for (let metric: i32 = 0; metric < KeySetMetric.COUNT; metric++) {
    openName(policy, keySetMetric(metric), "set");
    const text = record + layout.key_set_name_at;
    writeBytes(writer, textStart(policy, text), textSize(text));
    const isGauge = metric == KeySetMetric.AGE_SECONDS || metric == KeySetMetric.KEYS;
    if (!defineNamed(policy, sets_at + KeySetMetric.COUNT * set + metric, isGauge)) return false;
  }
  return true;
}

function keySetMetric(metric: i32): string {
  switch (metric) {
    case KeySetMetric.REFRESHES:
      return "key_set_refreshes";
    case KeySetMetric.FAILURES:
      return "key_set_failures";
    case KeySetMetric.AGE_SECONDS:
      return "key_set_age_seconds";
    default:
      return "key_set_keys";
  }
}

/** Rules past the last with a metric of its own share one, named `_other`. */
function defineRule(policy: Policy, rule: u32, isOther: bool, allows: bool): bool {
  openName(policy, "rules", "rule");
  if (isOther) {
    writeText(writer, "_other");
  } else {
    const text = ruleAt(policy, rule) + layout.rule_name_at;
    writeBytes(writer, textStart(policy, text), textSize(text));
  }
  writeText(writer, ".decision.");
  if (!isOther && load<u32>(ruleAt(policy, rule), layout.rule_mode_at) == layout.mode_shadow)
    writeText(writer, "shadow_");
  writeText(writer, allows ? "allow" : "deny");
  return defineNamed(policy, rulesAt(policy) + 2 * rule + (allows ? 0 : 1), false);
}

function openName(policy: Policy, metric: string, label: string): void {
  openWriter(writer, name, metric_name_bytes);
  writeText(writer, "sallyport_");
  writeText(writer, metric);
  writeText(writer, ".policy.");
  const text = head(policy) + layout.policy_name_at;
  writeBytes(writer, textStart(policy, text), textSize(text));
  writeText(writer, ".");
  writeText(writer, label);
  writeText(writer, ".");
}

function defineNamed(policy: Policy, counter: u32, isGauge: bool): bool {
  const number = numberOfMetric(isGauge, name, writer.size);
  if (number < 0) return false;
  setNumber(policy, counter, <u32>number);
  return true;
}
