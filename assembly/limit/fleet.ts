/**
 * Limits of a fleet: `envoy.service.ratelimit.v3.RateLimitService` counts for all Envoys together. A request asks it once for all limits
 * of the rule that would admit it, with its cost for `hits_addend`, and waits for the answer (keys/waiting.ts). Then it is decided anew
 * with the answer at hand; what the rule's other limits have given by then is not taken twice. Where the service refuses, another rule
 * may admit that does not ask.
 *
 *   RateLimitRequest { domain, descriptors: [{ entries: [{ "limit", name and rate }, { "key", digest }] }, …], hits_addend }
 *   RateLimitResponse { overall_code, statuses: [{ code, current_limit, …, duration_until_reset }, …], … }
 *
 * The service answers OK for descriptors that it has no rule for. Each limit is named with its rate, so that a service whose configuration
 * is older or newer than the policy has no rule for it; and what has no `current_limit` in its answer counts as not answered.
 *
 * A service that fails so often in a row (`fleet_failures_max`) rests: nothing asks it but one request each `fleet_rest_milliseconds`,
 * until one is answered. Each worker finds that out by itself.
 */
import { countFleet, FleetAnswer } from "../audit/metrics";
import { literal } from "../bytes/literal";
import { isRun, spanSize, spanStart } from "../bytes/span";
import { openWriter, Writer, writeByte, writeBytes, writeHex, writeLiteral } from "../bytes/writer";
import { readClock, readGrpcMessage, startGrpcCall } from "../host/host";
import { age } from "../keys/machine";
import { answerOfCall, awaitCall, cancelWait, fleetAnswer, reserveWait } from "../keys/waiting";
import {
  cluster_name_bytes_max,
  fleet_failures_max,
  fleet_question_bytes_max,
  fleet_rest_milliseconds,
} from "../limits";
import * as layout from "../policy/layout";
import { fleetDeadline, head, Policy, textSize, textStart } from "../policy/policy";
import { request } from "../request/request";
import { awaitBlock, takeBlock } from "./lease";

/**
 * What the fleet said of a rule's limits: in the last two bits one of these. While it was not heard, how many limits it was asked for
 * lies above; where one has no room, its number among the rule's limits of the fleet, and from bit 8 on for how many seconds it has none.
 */
export type Answer = u32;
export const unheard: Answer = 0;
export const granted: Answer = 1;
/** No answer, or none that can be used. */
export const failed: Answer = 2;
export const refused: Answer = 3;
/** The rule has not asked; only in here and in limit/limit.ts. */
export const unasked: Answer = 0xffffffff;
/** It cannot ask, since another rule of the same request has. */
export const unheeded: Answer = 0xfffffffe;

const code_ok: u64 = 1;
const code_over_limit: u64 = 2;
const reset_seconds_max: u64 = 0xffffff;

const service = literal("envoy.service.ratelimit.v3.RateLimitService");
const method = literal("ShouldRateLimit");
/** The two entries' keys, each as its field with tag and size, and the tag of what follows; the second with its size. */
const limit_key = literal("\n\x05limit\x12");
const digest_key = literal("\n\x03key\x12\x20");
const digest_entry_bytes: u32 = 39;
const digest_words: u32 = 4;

const question: usize = memory.data(fleet_question_bytes_max);
const target: usize = memory.data(cluster_name_bytes_max + 8);
const writer = changetype<Writer>(memory.data(32, 8));

/** What the fleet has said for a rule (its number + 1) of the request that is decided; `unasked` where nothing was asked for it. */
export function answerFor(rule: u32): Answer {
  const at = fleetAnswer();
  if (at == 0) return unasked;
  if (load<u32>(at) != rule) return unheeded;
  // Decided anew without an answer: it is not waited for any longer.
  const answer = load<u32>(at, 4);
  return (answer & 3) == unheard ? failed : answer;
}

/** Whether the service is to be asked, which has not failed too often, or has rested. */
function mayAsk(policy: Policy): bool {
  if (policy.fleetFailures < fleet_failures_max) return true;
  const elapsed = age(policy.fleetAskedAt, request.nowNanoseconds);
  return elapsed >= <u64>fleet_rest_milliseconds * 1000000;
}

/** Begins a question. */
export function openQuestion(policy: Policy): void {
  openWriter(writer, question, fleet_question_bytes_max);
  writeField(0x0a, head(policy) + layout.policy_fleet_domain_at, policy);
}

/** Adds a limit, with the digest of what it counts by. */
export function addLimit(policy: Policy, limit: usize, digest: usize): void {
  const text = limit + layout.limit_fleet_at;
  const entry_bytes = limit_key.size + 1 + textSize(text);
  writeByte(writer, 0x12);
  writeVarint(2 + entry_bytes + 2 + digest_entry_bytes);
  writeByte(writer, 0x0a);
  writeByte(writer, entry_bytes);
  writeLiteral(writer, limit_key);
  writeByte(writer, textSize(text));
  writeBytes(writer, textStart(policy, text), textSize(text));
  writeByte(writer, 0x0a);
  writeByte(writer, digest_entry_bytes);
  writeLiteral(writer, digest_key);
  for (let word: u32 = 0; word < digest_words; word++)
    writeHex(writer, bswap(load<u32>(digest + ((<usize>word) << 2))));
}

/**
 * Asks, for a rule (its number + 1) and so many limits, and has the request wait for the answer. `failed` where the service cannot be
 * asked, or the request cannot wait.
 */
export function ask(policy: Policy, rule: u32, limits: u32, cost_tokens: u32): Answer {
  if (writer.full || !mayAsk(policy) || !reserveWait(policy)) {
    countFleet(policy, FleetAnswer.SKIPPED);
    return failed;
  }
  const call = send(policy, cost_tokens);
  if (call < 0) {
    cancelWait();
    return failed;
  }
  awaitCall(<u32>call, rule, limits << 2);
  return unheard;
}

/** Asks for a block of tokens of the one limit in the question, for which nobody waits; the question can then be asked for more. */
export function askBlock(policy: Policy, entry: usize, tokens: u32): void {
  if (writer.full || policy.fleetFailures >= fleet_failures_max) return;
  const call = send(policy, tokens);
  if (call >= 0) awaitBlock(entry, <u32>call);
}

/** The question, for so many tokens, goes to `GrpcService { envoy_grpc { cluster_name } }`. Its number, or -1. */
function send(policy: Policy, tokens: u32): i64 {
  const end = writer.cursor;
  writeByte(writer, 0x18);
  writeVarint(tokens);
  const size = writer.size;
  const cluster = head(policy) + layout.policy_fleet_cluster_at;
  openWriter(writer, target, cluster_name_bytes_max + 8);
  writeByte(writer, 0x0a);
  writeVarint(textSize(cluster) + (textSize(cluster) < 128 ? 2 : 3));
  writeField(0x0a, cluster, policy);
  policy.fleetAskedAt = request.nowNanoseconds;
  const call = startGrpcCall(target, writer.size, service, method, question, size, fleetDeadline(policy));
  openWriter(writer, question, fleet_question_bytes_max);
  writer.cursor = end;
  if (call < 0) noteFailure(policy);
  return call;
}

/** The answer to a call, `size_bytes` of it, or that there is none: -1. What waits for it is due. */
export function takeFleetAnswer(policy: Policy, call: u32, size_bytes: i32): void {
  const at = answerOfCall(policy.rootContext, call);
  const message = size_bytes <= 0 ? 0 : readGrpcMessage(size_bytes);
  let answer = failed;
  if (size_bytes > 0 && isRun(message)) answer = readAnswer(spanStart(message), spanSize(message));
  // An answer to another question than ours: of so many limits, or for a block of one.
  const isOther = statuses != (at == 0 ? 1 : load<u32>(at, 4) >> 2);
  // What nobody waits for any more says nothing against the service.
  if (answer == failed || (isOther && at != 0)) noteFailure(policy);
  else policy.fleetFailures = 0;
  if (isOther) answer = failed;
  if (at == 0) {
    takeBlock(
      call,
      answer == granted,
      (answer & 3) == refused,
      readClock(),
      min(max(reset, 1), reset_seconds_max) * 1000000000,
    );
    return;
  }
  if (answer != failed)
    countFleet(
      policy,
      answer == granted ? FleetAnswer.GRANTED : answer == unknown ? FleetAnswer.UNKNOWN : FleetAnswer.REFUSED,
    );
  store<u32>(at, answer == unknown ? failed : answer, 4);
}

/** A request has tokens of a block. */
export function noteLeased(policy: Policy): void {
  countFleet(policy, FleetAnswer.LEASED);
}

/** An answer for limits of which the service does not have them all. */
const unknown: Answer = 6;

function noteFailure(policy: Policy): void {
  countFleet(policy, FleetAnswer.FAILED);
  policy.fleetFailures = min(policy.fleetFailures + 1, fleet_failures_max);
}

function writeVarint(value: u32): void {
  for (; value > 127; value >>= 7) writeByte(writer, (value & 127) | 128);
  writeByte(writer, value);
}

/** A text of the policy as a field. */
function writeField(tag: u32, text: usize, policy: Policy): void {
  writeByte(writer, tag);
  writeVarint(textSize(text));
  writeBytes(writer, textStart(policy, text), textSize(text));
}

/** How many limits an answer speaks of. */
let statuses: u32 = 0;

/** What a RateLimitResponse says: `granted`, `failed`, `unknown`, or which limit has no room. */
function readAnswer(start: usize, size: u32): Answer {
  const end = start + size;
  let overall: u64 = 0;
  let isKnown = true;
  let isOver = false;
  let full: u32 = 0;
  let seconds: u64 = 1;
  statuses = 0;
  for (let at = start; at < end; ) {
    at = readField(at, end);
    if (at == 0) return failed;
    if (tag == 0x08) overall = value;
    if (tag != 0x12) continue;
    if (!readStatus(fieldStart, at)) return failed;
    if (code == code_over_limit) {
      if (!isOver) full = statuses;
      isOver = true;
      seconds = max(seconds, reset);
    } else if (code != code_ok || !hasLimit) isKnown = false;
    statuses++;
  }
  if (isOver) return refused | ((full & 63) << 2) | ((<u32>min(seconds, reset_seconds_max)) << 8);
  if (overall != code_ok) return failed;
  return isKnown ? granted : unknown;
}

/** Of the status that was read last: its code, whether there is a limit behind it, and when that is new. */
let code: u64 = 0;
let hasLimit: bool = false;
let reset: u64 = 0;

function readStatus(start: usize, end: usize): bool {
  code = 0;
  hasLimit = false;
  reset = 0;
  for (let at = start; at < end; ) {
    at = readField(at, end);
    if (at == 0) return false;
    if (tag == 0x08) code = value;
    else if (tag == 0x12) hasLimit = true;
    else if (tag == 0x22) {
      // A Duration, whose first field are the seconds.
      if (fieldStart == at) continue;
      if (readField(fieldStart, at) == 0) return false;
      if (tag == 0x08) reset = value;
    }
  }
  return true;
}

/** Of the field that was read last: number and type in one, what it says where it is a number, and where it begins. */
let tag: u32 = 0;
let value: u64 = 0;
let fieldStart: usize = 0;

/** Reads a field; where the next one begins, or 0 where it is none. */
function readField(start: usize, end: usize): usize {
  let at = readVarint(start, end);
  tag = <u32>value;
  if (at == 0) return 0;
  const type = tag & 7;
  if (type == 0) return readVarint(at, end);
  if (type == 2) at = readVarint(at, end);
  else value = type == 1 ? 8 : type == 5 ? 4 : 0xffffffff;
  if (at == 0 || value > <u64>(end - at)) return 0;
  fieldStart = at;
  return at + <usize>value;
}

function readVarint(start: usize, end: usize): usize {
  value = 0;
  let at = start;
  for (let shift: u64 = 0; at < end && shift < 64; shift += 7) {
    const byte = <u64>load<u8>(at++);
    value |= (byte & 127) << shift;
    if (byte < 128) return at;
  }
  return 0;
}
