/**
 * The audit record of a decision: one line of JSON in the property `sallyport`, which Envoy keeps as filter state
 * `wasm.sallyport` and access logs print with %FILTER_STATE(wasm.sallyport:PLAIN)%.
 *
 *   {"policy":"shop","decision":"deny","reason":"scope_missing","rule":"checkout-orders",
 *    "caller":"spiffe://example.org/checkout-service","issuer":"corp","sub":"alice"}
 *
 * Members that do not apply are left out. `forwarder` is the gateway that told us of the caller. `mode` is there in shadow
 * mode, `limit` where a limit denied, `detail` where a token did (token/flaw.ts), `shadow` where rules in shadow mode matched
 * (each with what it would have said), `cause` where the failure was ours.
 */

import { literal } from "../bytes/literal";
import * as json from "../bytes/tape";
import { Kind } from "../bytes/tape";
import { openWriter, Writer, writeByte, writeJsonString, writeText } from "../bytes/writer";
import { Failure, failureName } from "../failure";
import { lastFailure, writeProperty } from "../host/host";
import { record_bytes, shadow_rules, spiffe_id_bytes } from "../limits";
import * as layout from "../policy/layout";
import { head, issuerAt, limitAt, Policy, ruleAt, textSize, textStart } from "../policy/policy";
import { Reason, reasonName } from "../reason";
import { request, shadowReason, shadowRule } from "../request/request";
import { subjectClaim } from "../token/claims";
import { Flaw, flawName } from "../token/flaw";

const property_name = literal("sallyport");
const subject_bytes: u32 = 256;
const record: usize = memory.data(record_bytes);
const writer = changetype<Writer>(memory.data(32, 8));

// The caller and the subject are the long members; escaping may make a byte six.
if (!(record_bytes >= 2 * spiffe_id_bytes + 6 * 256 + shadow_rules * 128 + 1024))
  ERROR("record_bytes holds a whole record");

/** Writes the record; false when the host refuses it. */
export function writeRecord(policy: Policy, reason: Reason): bool {
  openWriter(writer, record, record_bytes);
  writeText(writer, '{"policy":');
  writeName(policy, head(policy) + layout.policy_name);
  if (policy.shadow) writeText(writer, ',"mode":"shadow"');
  writeText(writer, ',"decision":');
  writeText(writer, reason == Reason.ALLOWED ? '"allow"' : '"deny"');
  writeText(writer, ',"reason":"');
  writeText(writer, reasonName(reason));
  writeByte(writer, 0x22);
  if (request.rule != 0) writeMember(policy, ',"rule":', ruleAt(policy, request.rule - 1) + layout.rule_name);
  writeCaller();
  writeForwarder();
  writeToken(policy);
  if (reason == Reason.LIMIT_EXCEEDED) {
    writeMember(policy, ',"limit":', limitAt(policy, request.fullLimit - 1) + layout.limit_name);
  }
  if (reason != Reason.ALLOWED && request.flaw != Flaw.NONE) {
    writeText(writer, ',"detail":"');
    writeText(writer, flawName(request.flaw));
    writeByte(writer, 0x22);
  }
  writeShadows(policy);
  if (reason == Reason.INTERNAL && lastFailure != Failure.NONE) {
    writeText(writer, ',"cause":"');
    writeText(writer, failureName(lastFailure));
    writeByte(writer, 0x22);
  }
  writeByte(writer, 0x7d);
  return writeProperty(property_name, record, writer.size);
}

/** A valid ID has nothing to escape; of another the first part is enough to find where it came from. */
function writeCaller(): void {
  if (request.callerSize == 0) return;
  const isValid = request.callerReason == Reason.ALLOWED || request.callerReason == Reason.IDENTITY_UNTRUSTED;
  writeText(writer, ',"caller":');
  writeJsonString(writer, request.callerStart, request.callerSize, isValid ? spiffe_id_bytes : subject_bytes);
}

/** The gateway that told us of the caller: a valid ID, or its word would not have been taken. */
function writeForwarder(): void {
  if (request.forwarderSize == 0) return;
  writeText(writer, ',"forwarder":');
  writeJsonString(writer, request.forwarderStart, request.forwarderSize, spiffe_id_bytes);
}

/** Only what a verified token says is worth recording. */
function writeToken(policy: Policy): void {
  if (request.verifiedIssuer == 0) return;
  writeMember(policy, ',"issuer":', issuerAt(policy, request.verifiedIssuer - 1) + layout.issuer_name);
  const subject = subjectClaim();
  if (subject == json.absent || json.kindOf(subject) != Kind.STRING) return;
  writeText(writer, ',"sub":');
  writeJsonString(writer, json.startOf(subject), json.sizeOf(subject), subject_bytes);
}

/** What rules in shadow mode would have done. */
function writeShadows(policy: Policy): void {
  if (request.shadowCount == 0) return;
  writeText(writer, ',"shadow":[');
  for (let index: u32 = 0; index < request.shadowCount; index++) {
    if (index != 0) writeByte(writer, 0x2c);
    const reason = shadowReason(index);
    writeMember(policy, '{"rule":', ruleAt(policy, shadowRule(index)) + layout.rule_name);
    writeText(writer, reason == Reason.ALLOWED ? ',"decision":"allow","reason":"' : ',"decision":"deny","reason":"');
    writeText(writer, reasonName(reason));
    writeText(writer, '"}');
  }
  writeByte(writer, 0x5d);
}

function writeMember(policy: Policy, member: string, name: usize): void {
  writeText(writer, member);
  writeName(policy, name);
}

function writeName(policy: Policy, name: usize): void {
  writeJsonString(writer, textStart(policy, name), textSize(name), textSize(name));
}
