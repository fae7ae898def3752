/**
 * The audit record of a decision: one line of JSON in the property `sallyport`, or `sallyport.NAME` where the configuration
 * names it, which Envoy keeps as filter state `wasm.sallyport` and access logs print with %FILTER_STATE(wasm.sallyport:PLAIN)%.
 *
 *   {"admit":false,"policy":"shop","decision":"deny","reason":"scope_missing","rule":"checkout-orders","method":"POST",
 *    "host":"orders.example.org","path":"/orders","caller":"spiffe://example.org/checkout-service","issuer":"corp","sub":"alice"}
 *
 * The first two members are what the enforcement check behind the filter looks for, so they always stand first and as they
 * stand here: nothing that a caller sends comes before them. `admit` says whether the request goes on.
 *
 * Method, host and path are those that the decision is about: the host in lower case and without its port, the path decoded and without its
 * query, either as received where it was refused for its form. `path_bytes` is there where the path is cut.
 *
 * `decision` is `allow` or `deny`, or `wait` while a request waits for keys: it stays so where somebody else ends the request meanwhile.
 *
 * Members that do not apply are left out. `forwarder` is the gateway that told us of the caller. `mode` is there in shadow
 * mode, `limit` where a limit denied, `quarantine` where one did something, and what, with `shadow_` before it in shadow mode, `detail` where a token or a condition did (detail.ts; for `token_claims` the name of the claim), `shadow` where rules in shadow mode matched
 * (each with what it would have said), `cause` where the failure was ours.
 */

import { callKind, currentCall } from "../body/calls";
import { literal } from "../bytes/literal";
import { indexOfByte, sameBytes, spanSize, spanStart } from "../bytes/span";
import * as json from "../bytes/tape";
import { Kind } from "../bytes/tape";
import {
  openWriter,
  Writer,
  writeByte,
  writeBytes,
  writeDecimal,
  writeJsonString,
  writeLiteral,
  writeNth,
  writeText,
} from "../bytes/writer";
import { Detail, detail_names } from "../detail";
import { Failure, failure_names } from "../failure";
import { claimOf, detailOf, reasonOf } from "../finding";
import { readPropertyAt, writeProperty } from "../host/host";
import {
  claim_name_bytes_max,
  host_bytes_max,
  method_bytes_max,
  name_bytes_max,
  record_bytes_max,
  record_call_bytes_max,
  record_path_bytes_max,
  rule_limits_max,
  shadow_rules_max,
  spiffe_id_bytes_max,
  subject_bytes_max,
} from "../limits";
import * as layout from "../policy/layout";
import { head, issuerAt, limitAt, Policy, recordAt, ruleAt, textSize, textStart, wordAt } from "../policy/policy";
import { Reason, reason_names } from "../reason";
import { writeQuarantineEvent } from "../request/quarantine";
import { request, shadowReason, shadowRule } from "../request/request";
import { subjectClaim } from "../token/claims";
import { verifiedToken } from "../token/slot";

const property_name = literal("sallyport");
const record: usize = memory.data(record_bytes_max);
const writer = changetype<Writer>(memory.data(32, 8));
const callWriter = changetype<Writer>(memory.data(isDefined(BODIES) ? 32 : 8, 8));
const callBlock: usize = memory.data(isDefined(BODIES) ? 2 * record_call_bytes_max : 8);

// A caller under two IDs and a gateway, the caller's own texts, of which escaping may make a byte six, rules in shadow mode, and all the rest.
if (
  !(
    record_bytes_max >=
    3 * spiffe_id_bytes_max +
      6 * (subject_bytes_max + method_bytes_max + host_bytes_max + record_path_bytes_max + claim_name_bytes_max) +
      shadow_rules_max * 128 +
      rule_limits_max * 216 +
      12 * record_call_bytes_max +
      1024
  )
)
  ERROR("record_bytes_max holds a whole record");

/** The room for a record's property: `sallyport.`, and a name. */
export const record_property_bytes: u32 = 80;
if (!(record_property_bytes >= name_bytes_max + 10)) ERROR("record_property_bytes holds a property");

/** Says what the record of a policy is kept as, a name of size 0 for none. */
export function nameRecord(policy: Policy, name: usize, size: u32): void {
  openWriter(writer, policy.recordProperty, record_property_bytes);
  writeLiteral(writer, property_name);
  if (size != 0) {
    writeByte(writer, 0x2e);
    writeBytes(writer, name, size);
  }
  policy.recordPropertySize = writer.size;
}

/** Writes the record of a request that goes on, or does not; false when the host refuses it. */
export function writeRecord(policy: Policy, reason: Reason, admits: bool): bool {
  return writeDecision(policy, reason, admits, reason == Reason.ALLOWED ? "allow" : "deny");
}

/**
 * Writes the record of a request that waits, and would be denied for this reason now. It stays where the request ends otherwise than
 * by a decision of ours: its client goes away, a timeout of the host answers it. Where the host refuses it, nothing is lost yet.
 */
export function writeWaiting(policy: Policy, reason: Reason): void {
  writeDecision(policy, reason, false, "wait");
}

/**
 * Has the record of a stream that went on say that it was denied later, for this reason. All else in it stays as it is. False where the
 * host does not hand it over, or does not take it back.
 */
export function amendRecord(policy: Policy, reason: Reason, admits: bool): bool {
  const old = readPropertyAt(policy.recordProperty, policy.recordPropertySize);
  writeHead(policy, Reason.ALLOWED, true, "allow");
  const head = writer.size;
  if (spanSize(old) < head || !sameBytes(spanStart(old), record, head)) return false;
  writeHead(policy, reason, admits, "deny");
  writeBytes(writer, spanStart(old) + head, spanSize(old) - head);
  return writeProperty(policy.recordProperty, policy.recordPropertySize, record, writer.size);
}

/** Begins a record: what is to be known of a decision before anything of the request is. */
function writeHead(policy: Policy, reason: Reason, admits: bool, decision: string): void {
  openWriter(writer, record, record_bytes_max);
  writeText(writer, admits ? '{"admit":true,"policy":' : '{"admit":false,"policy":');
  writeName(policy, head(policy) + layout.policy_name_at);
  if (policy.shadow) writeText(writer, ',"mode":"shadow"');
  writeText(writer, ',"decision":"');
  writeText(writer, decision);
  writeByte(writer, 0x22);
  writeText(writer, ',"reason":"');
  writeNth(writer, reason_names, reason);
  writeByte(writer, 0x22);
}

function writeDecision(policy: Policy, reason: Reason, admits: bool, decision: string): bool {
  writeHead(policy, reason, admits, decision);
  if (request.rule != 0) writeMember(policy, ',"rule":', ruleAt(policy, request.rule - 1) + layout.rule_name_at);
  writeRequest();
  writeCaller();
  writeForwarder();
  writeToken(policy);
  if (reason == Reason.LIMIT_EXCEEDED) {
    writeMember(policy, ',"limit":', limitAt(policy, request.fullLimit - 1) + layout.limit_name_at);
  }
  writeQuarantine(policy);
  const detail = detailOf(request.finding);
  const isExplained = reason != Reason.ALLOWED && reason == reasonOf(request.finding);
  // What came instead of the decision, a failure of ours, has nothing to do with what was found.
  if (isExplained && reason == Reason.TOKEN_CLAIMS) {
    const claim = recordAt(policy, layout.section_claims, claimOf(request.finding));
    writeMember(policy, ',"detail":', claim + layout.claim_name_at);
  } else if (isExplained && detail != Detail.NONE) {
    writeText(writer, ',"detail":"');
    writeNth(writer, detail_names, detail);
    writeByte(writer, 0x22);
  }
  writeShadows(policy);
  if (reason == Reason.INTERNAL && request.failure != Failure.NONE) {
    writeText(writer, ',"cause":"');
    writeNth(writer, failure_names, request.failure);
    writeByte(writer, 0x22);
  }
  writeByte(writer, 0x7d);
  return writeProperty(policy.recordProperty, policy.recordPropertySize, record, writer.size);
}

/** Writes the record of a request that there is no policy for; where the host refuses it, nothing is left to do. */
export function writeRecordWithoutPolicy(failure: Failure): void {
  openWriter(writer, record, record_bytes_max);
  writeText(writer, '{"admit":false,"policy":"","decision":"deny","reason":"internal"');
  writeRequest();
  writeText(writer, ',"cause":"');
  writeNth(writer, failure_names, failure);
  writeText(writer, '"}');
  writeProperty(property_name.start, property_name.size, record, writer.size);
}

/** What the decision is about, as far as it was read. */
function writeRequest(): void {
  writeCut(',"method":', request.methodStart, request.methodSize, method_bytes_max);
  writeCut(',"host":', request.hostStart, request.hostSize, host_bytes_max);
  let start = request.decodedPathStart;
  let size = request.decodedPathSize;
  if (size == 0) {
    start = request.pathStart;
    size = indexOfByte(start, request.pathSize, 0x3f);
  }
  writeCut(',"path":', start, size, record_path_bytes_max);
  if (size > record_path_bytes_max) {
    writeText(writer, ',"path_bytes":');
    writeDecimal(writer, size);
  }
  if (isDefined(BODIES)) writeCallMember();
}

/** The call that was decided, of several the one that is denied: `mcp tools/call get_weather`, `graphql query orders`. */
function writeCallMember(): void {
  const call = currentCall();
  if (call == null || call.isResponse) return;
  openWriter(callWriter, callBlock, 2 * record_call_bytes_max);
  writeNth(callWriter, "mcp,jsonrpc,a2a,graphql", callKind);
  writeByte(callWriter, 0x20);
  writeBytes(callWriter, call.methodStart, min(call.methodSize, record_call_bytes_max / 2));
  if (call.hasName) {
    writeByte(callWriter, 0x20);
    writeBytes(callWriter, call.nameStart, min(call.nameSize, record_call_bytes_max));
  }
  writeCut(',"operation":', callWriter.start, callWriter.size, 2 * record_call_bytes_max);
}

/** A member of at most so many bytes of a text, left out where there is none. */
function writeCut(member: string, start: usize, size: u32, limit_bytes: u32): void {
  if (size == 0) return;
  writeText(writer, member);
  writeJsonString(writer, start, size, limit_bytes);
}

/** A valid ID has nothing to escape; of another the first part is enough to find where it came from. */
function writeCaller(): void {
  const reason = request.callerReason;
  const isValid = reason == Reason.ALLOWED || reason == Reason.IDENTITY_UNTRUSTED || reason == Reason.IDENTITY_EXPIRED;
  writeCut(',"caller":', request.callerStart, request.callerSize, isValid ? spiffe_id_bytes_max : subject_bytes_max);
  writeCut(',"presented":', request.presentedStart, request.presentedSize, spiffe_id_bytes_max);
}

/** The gateway that told us of the caller: a valid ID, or its word would not have been taken. */
function writeForwarder(): void {
  writeCut(',"forwarder":', request.forwarderStart, request.forwarderSize, spiffe_id_bytes_max);
}

/** Only what a verified token says is worth recording. */
function writeToken(policy: Policy): void {
  if (request.verifiedIssuer == 0) return;
  writeMember(policy, ',"issuer":', issuerAt(policy, request.verifiedIssuer - 1) + layout.issuer_name_at);
  const subject = subjectClaim(verifiedToken());
  if (subject == json.absent || json.kindOf(subject) != Kind.STRING) return;
  writeText(writer, ',"sub":');
  writeJsonString(writer, json.startOf(subject), json.sizeOf(subject), subject_bytes_max);
}

/** The quarantine that denied, or that a key entered or left by this request. */
function writeQuarantine(policy: Policy): void {
  if (request.quarantine == 0) return;
  const quarantine = recordAt(policy, layout.section_quarantines, request.quarantine - 1);
  writeMember(policy, ',"quarantine":', quarantine + layout.quarantine_name_at);
  writeText(writer, ',"quarantine_event":"');
  writeQuarantineEvent(writer, policy, request.quarantine - 1, request.quarantineEvent);
  writeByte(writer, 0x22);
}

/** What rules in shadow mode would have done. */
function writeShadows(policy: Policy): void {
  if ((request.shadowCount | request.shadowLimits) == 0) return;
  writeText(writer, ',"shadow":[');
  for (let index: u32 = 0; index < request.shadowCount; index++) {
    if (index != 0) writeByte(writer, 0x2c);
    writeShadow(policy, shadowRule(index), 0, shadowReason(index));
  }
  let isFirst = request.shadowCount == 0;
  for (let limits = request.shadowLimits; limits != 0; limits &= limits - 1) {
    if (!isFirst) writeByte(writer, 0x2c);
    isFirst = false;
    const rule = request.rule - 1;
    const number = wordAt(policy, load<u32>(ruleAt(policy, rule), layout.rule_limits_at) + <u32>ctz(limits));
    writeShadow(policy, rule, limitAt(policy, number), Reason.LIMIT_EXCEEDED);
  }
  writeByte(writer, 0x5d);
}

/** What a rule would have done, or one of its limits, a record, where there is one. */
function writeShadow(policy: Policy, rule: u32, limit: usize, reason: Reason): void {
  writeMember(policy, '{"rule":', ruleAt(policy, rule) + layout.rule_name_at);
  if (limit != 0) writeMember(policy, ',"limit":', limit + layout.limit_name_at);
  writeText(writer, reason == Reason.ALLOWED ? ',"decision":"allow","reason":"' : ',"decision":"deny","reason":"');
  writeNth(writer, reason_names, reason);
  writeText(writer, '"}');
}

function writeMember(policy: Policy, member: string, name: usize): void {
  writeText(writer, member);
  writeName(policy, name);
}

function writeName(policy: Policy, name: usize): void {
  writeJsonString(writer, textStart(policy, name), textSize(name), textSize(name));
}
