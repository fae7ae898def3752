/**
 * Counters, under names that only the policy's author can choose and only so many of (rule_metrics_max). All are defined at
 * configure time; on a request they are numbers. Names and values are parted for Envoy's stats_tags
 * (envoy/inbound.yaml). A name that a policy chooses ends with a semicolon, and no name of ours with `cache`, `component` or `tag`: what
 * stands between such a word and the next dots, Istio takes for tags of its own (tests/wasm/metrics.test.ts).
 *
 *   sallyport_requests.policy.<policy>;.decision.<allow | deny | shadow_deny | gone>
 *   sallyport_denials.policy.<policy>;.reason.<reason>
 *   sallyport_rules.policy.<policy>;.rule.<rule>;.decision.<allow | deny | shadow_allow | shadow_deny>
 *   sallyport_failures.policy.<policy>;.cause.<failure>
 *   sallyport_cached_tokens.policy.<policy>;.result.<hit | miss | eviction>
 *   sallyport_quarantine.policy.<policy>;.quarantine.<quarantine>;.event.<enter | leave | deny, with shadow_ before it in shadow mode>
 *   sallyport_key_set_<refreshes | failures>.policy.<policy>;.set.<key set>
 *   sallyport_key_set_<age_seconds | keys>.policy.<policy>;.set.<key set>          gauges
 *   sallyport_key_set_left_out.policy.<policy>;.reason.<reason>.set.<key set>
 *   sallyport_fleet_answers.policy.<policy>;.result.<granted | refused | unknown | failed | skipped | leased>   with limits of a fleet
 *   sallyport_limits.policy.<policy>;.decision.shadow_deny
 *   sallyport_policy_info.policy.<policy>;.image.<checksum>[.version.<of the image>].mode.<enforce | shadow>.engine.<version>      gauge
 *
 * They lie beside the policy (audit/counts.ts):
 *
 *   +-----------+---------+----------+-------+---------------------+-----------------------+---------------------------+
 *   | decisions | reasons | failures | cache | limits, in force, quarantines | some for each key set | allow, deny for each rule |
 *   +-----------+---------+----------+-------+---------------------+-----------------------+---------------------------+
 */
import { openWriter, Writer, writeBytes, writeDecimal, writeHex, writeNth, writeText } from "../bytes/writer";
import { Failure, failure_names } from "../failure";
import { readGauge, recordGauge, takeFailures } from "../host/host";
import { fetched_key_sets_max, policy_quarantines_max, rule_metrics_max } from "../limits";
import * as layout from "../policy/layout";
import { hasFleet, head, Policy, recordAt, ruleAt, sectionCount, textSize, textStart } from "../policy/policy";
import { newestPolicy } from "../policy/root";
import { Reason, reason_names } from "../reason";
import { QuarantineEvent, writeQuarantineEvent } from "../request/quarantine";
import { request, shadowReason, shadowRule } from "../request/request";
import { version } from "../trust/envelope";
import { count, counter_bytes, numberAt, setNumber } from "./counts";
import { numberOfMetric } from "./numbers";

/** What becomes of a look into the cache of tokens. */
const enum CacheEvent {
  HIT = 0,
  MISS,
  EVICTION,
  COUNT,
}

const decisions: u32 = 4;
const decision_allow: u32 = 0;
const decision_deny: u32 = 1;
const decision_shadow_deny: u32 = 2;
/** The stream ended before it was decided. */
const decision_gone: u32 = 3;
const reasons_at: u32 = decisions;
const failures_at: u32 = reasons_at + Reason.COUNT;
const cache_at: u32 = failures_at + Failure.COUNT;
const limits_at: u32 = cache_at + CacheEvent.COUNT;
const info_at: u32 = limits_at + 1;
const quarantines_at: u32 = info_at + 1;
const sets_at: u32 = quarantines_at + policy_quarantines_max * QuarantineEvent.COUNT;

/** What is counted, or measured, of a key set that is fetched. */
export const enum KeySetMetric {
  REFRESHES = 0,
  FAILURES,
  AGE_SECONDS,
  KEYS,
  /** The first of those that count what is left out, one for each reason. */
  LEFT_OUT,
}

/** Why a key of a fetched set does not count. */
export const enum LeftOut {
  NONE = 0,
  SECRET,
  USE,
  KID,
  TYPE,
  ALG,
  CERTIFICATE,
  WEAK,
  MALFORMED,
  COUNT,
  /** It is none of ours, which nobody needs to be told. */
  FOREIGN,
}

/** Writes the name of such a reason, as the log and metrics have it. */
export function writeLeftOut(target: Writer, why: LeftOut): void {
  writeNth(target, "secret,use,kid,type,alg,certificate,weak,malformed", why - LeftOut.NONE - 1);
}

/** What came of asking the fleet's rate limit service for a request. */
export const enum FleetAnswer {
  GRANTED = 0,
  REFUSED,
  /** It has no rule for a limit of this policy. */
  UNKNOWN,
  FAILED,
  /** It was not asked: it has failed too often, or there was no room to wait. */
  SKIPPED,
  /** It was not asked: the worker had tokens of a block (limit/lease.ts). */
  LEASED,
  COUNT,
}

const left_out_reasons: u32 = LeftOut.COUNT - LeftOut.NONE - 1;
/** The metrics of one key set. */
const key_set_metrics: u32 = KeySetMetric.LEFT_OUT + left_out_reasons;

const metric_name_bytes: u32 = 512;
const name: usize = memory.data(512);
const writer = changetype<Writer>(memory.data(32, 8));

/** The bytes of the counters of the largest policy. */
export const counters_bytes_max: u32 =
  (sets_at + key_set_metrics * fetched_key_sets_max + 2 * (rule_metrics_max + 1) + FleetAnswer.COUNT) * counter_bytes;

/** How many key sets have room for metrics: those that are fetched are among them. */
function metricSets(policy: Policy): u32 {
  return min(sectionCount(policy, layout.section_key_sets), fetched_key_sets_max);
}

function rulesAt(policy: Policy): u32 {
  return sets_at + key_set_metrics * metricSets(policy);
}

/** Defines every counter of a policy; false when the host refuses one. */
export function defineCounters(policy: Policy): bool {
  if (!defineAll(policy, 0, "requests", "decision", "allow,deny,shadow_deny,gone", decisions)) return false;
  for (let reason: i32 = Reason.ALLOWED + 1; reason < Reason.COUNT; reason++) {
    if (!define(policy, reasons_at + reason, "denials", "reason", reason_names, reason)) return false;
  }
  for (let failure: i32 = Failure.NONE + 1; failure < Failure.COUNT; failure++) {
    if (!define(policy, failures_at + failure, "failures", "cause", failure_names, failure)) return false;
  }
  if (!defineAll(policy, cache_at, "cached_tokens", "result", "hit,miss,eviction", CacheEvent.COUNT)) return false;
  if (!defineAll(policy, limits_at, "limits", "decision", "shadow_deny", 1)) return false;
  if (!defineInfo(policy)) return false;
  const quarantines = sectionCount(policy, layout.section_quarantines);
  for (let counter: u32 = 0; counter < quarantines * QuarantineEvent.COUNT; counter++) {
    if (!defineQuarantine(policy, counter)) return false;
  }
  const sets = metricSets(policy);
  for (let set: u32 = 0; set < sets; set++) {
    if (!defineKeySet(policy, set)) return false;
  }
  const rules = load<u32>(head(policy), layout.policy_rule_metrics_at);
  for (let rule: u32 = 0; rule <= rules; rule++) {
    if (!defineRule(policy, rule, rule == rules, true) || !defineRule(policy, rule, rule == rules, false)) return false;
  }
  policy.counterCount = fleetAt(policy);
  if (!hasFleet(policy)) return true;
  policy.counterCount += FleetAnswer.COUNT;
  const results = "granted,refused,unknown,failed,skipped,leased";
  return defineAll(policy, fleetAt(policy), "fleet_answers", "result", results, FleetAnswer.COUNT);
}

function fleetAt(policy: Policy): u32 {
  return rulesAt(policy) + 2 * (load<u32>(head(policy), layout.policy_rule_metrics_at) + 1);
}

/** Counts what came of asking the fleet. */
export function countFleet(policy: Policy, answer: FleetAnswer): void {
  count(policy, fleetAt(policy) + answer, 1, true);
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
  const full = <u32>popcnt(request.shadowLimits);
  if (full != 0 && !count(policy, limits_at, full, keeps)) return false;
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

/** Counts what a quarantine did, or would have done. */
export function countQuarantine(policy: Policy, quarantine: u32, event: QuarantineEvent): void {
  count(policy, quarantines_at + QuarantineEvent.COUNT * quarantine + event, 1, true);
}

/** Counts one event of a key set. */
export function countKeySet(policy: Policy, set: u32, metric: KeySetMetric): void {
  count(policy, sets_at + key_set_metrics * set + metric, 1, true);
}

/** Counts keys that a set has left out for one reason. */
export function countLeftOut(policy: Policy, set: u32, why: LeftOut, keys: u32): void {
  count(policy, leftOutAt(set, why), keys, true);
}

function leftOutAt(set: u32, why: u32): u32 {
  return sets_at + key_set_metrics * set + KeySetMetric.LEFT_OUT + why - LeftOut.NONE - 1;
}

/** Sets a gauge of a key set. */
export function recordKeySet(policy: Policy, set: u32, metric: KeySetMetric, value: u64): void {
  recordGauge(numberAt(policy, sets_at + key_set_metrics * set + metric), value);
}

/** Defines one counter for each value of a label, `count` of them, in the order of their numbers. */
function defineAll(policy: Policy, first: u32, metric: string, label: string, values: string, count: u32): bool {
  for (let index: u32 = 0; index < count; index++) {
    if (!define(policy, first + index, metric, label, values, index)) return false;
  }
  return true;
}

function define(policy: Policy, counter: u32, metric: string, label: string, list: string, index: u32): bool {
  openName(policy, metric, label);
  writeNth(writer, list, index);
  return defineNamed(policy, counter, false);
}

/** For the policy in hand. The version of the image is there if it is signed. The engine's version is last, since it has dots. It is that of package.json (scripts/build/sources.ts). */
function defineInfo(policy: Policy): bool {
  openName(policy, "policy_info", "image");
  writeHex(writer, load<u32>(policy.image, layout.checksum_at));
  if (version() != 0) {
    writeText(writer, ".version.");
    writeDecimal(writer, version());
  }
  writeText(writer, policy.shadow ? ".mode.shadow" : ".mode.enforce");
  writeText(writer, ".engine.@version@");
  return defineNamed(policy, info_at, true);
}

/** Says that a policy is in force. True: no worker of this Envoy has said so, or all that had have ended it since. */
export function raiseInfo(policy: Policy): bool {
  const gauge = numberAt(policy, info_at);
  const isFirst = readGauge(gauge) == 0;
  recordGauge(gauge, 1);
  return isFirst;
}

/**
 * Says that a policy, which was taken out of force, is so no more. Others may be the same policy: a configuration that came again, or
 * that of another listener.
 */
export function lowerInfo(policy: Policy): void {
  recordGauge(numberAt(policy, info_at), 0);
  for (let other = newestPolicy(); other != 0; other = changetype<Policy>(other).next) {
    recordGauge(numberAt(changetype<Policy>(other), info_at), 1);
  }
}

/** Only sets that are fetched have something to tell. */
function defineKeySet(policy: Policy, set: u32): bool {
  const record = recordAt(policy, layout.section_key_sets, set);
  if (textSize(record + layout.key_set_url_at) == 0) return true;
  const text = record + layout.key_set_name_at;
  for (let metric: i32 = 0; metric < KeySetMetric.LEFT_OUT; metric++) {
    openName(policy, keySetMetric(metric), "set");
    writeBytes(writer, textStart(policy, text), textSize(text));
    const isGauge = metric == KeySetMetric.AGE_SECONDS || metric == KeySetMetric.KEYS;
    if (!defineNamed(policy, sets_at + key_set_metrics * set + metric, isGauge)) return false;
  }
  for (let why: i32 = LeftOut.NONE + 1; why < LeftOut.COUNT; why++) {
    // The set last: its name may have dots.
    openName(policy, "key_set_left_out", "reason");
    writeLeftOut(writer, <LeftOut>why);
    writeText(writer, ".set.");
    writeBytes(writer, textStart(policy, text), textSize(text));
    if (!defineNamed(policy, leftOutAt(set, why), false)) return false;
  }
  return true;
}

function defineQuarantine(policy: Policy, counter: u32): bool {
  const index = counter / QuarantineEvent.COUNT;
  openName(policy, "quarantine", "quarantine");
  const text = recordAt(policy, layout.section_quarantines, index) + layout.quarantine_name_at;
  writeBytes(writer, textStart(policy, text), textSize(text));
  writeText(writer, ";.event.");
  writeQuarantineEvent(writer, policy, index, <QuarantineEvent>(counter % QuarantineEvent.COUNT));
  return defineNamed(policy, quarantines_at + counter, false);
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
  writeText(writer, ";.decision.");
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
  writeText(writer, ";.");
  writeText(writer, label);
  writeText(writer, ".");
}

function defineNamed(policy: Policy, counter: u32, isGauge: bool): bool {
  const number = numberOfMetric(isGauge, name, writer.size);
  if (number < 0) return false;
  setNumber(policy, counter, <u32>number);
  return true;
}
