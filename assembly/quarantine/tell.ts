/** Says that a key of a quarantine comes or goes: in the record, the metrics and the log. */
import { countQuarantine } from "../audit/metrics";
import { spanSize, spanStart } from "../bytes/span";
import { openWriter, Writer, writeBytes, writeDecimal, writeText } from "../bytes/writer";
import { sourceText } from "../condition/sources";
import { LogLevel } from "../host/abi";
import { log } from "../host/host";
import { blamed_bytes_max, log_bytes_max } from "../limits";
import * as layout from "../policy/layout";
import { head, Policy, recordAt, textSize, textStart } from "../policy/policy";
import { Reason } from "../reason";
import { QuarantineEvent, writeQuarantineEvent } from "../request/quarantine";
import { request } from "../request/request";

const writer = changetype<Writer>(memory.data(32, 8));
const line: usize = memory.data(log_bytes_max);

/** Keeps what happened, for the record. */
export function note(index: u32, event: QuarantineEvent): void {
  request.quarantine = index + 1;
  request.quarantineEvent = event;
}

/** Tells of an event. @param seconds for how long a key comes @param isOfFleet another Envoy has said so: for how long is yet to be heard, and there is no request to tell of */
export function tell(policy: Policy, index: u32, event: QuarantineEvent, seconds: u32, isOfFleet: bool): void {
  note(index, event);
  countQuarantine(policy, index, event);
  openWriter(writer, line, log_bytes_max);
  writeText(writer, "sallyport: policy ");
  writeName(policy, head(policy) + layout.policy_name_at);
  writeText(writer, ", quarantine ");
  writeName(policy, recordAt(policy, layout.section_quarantines, index) + layout.quarantine_name_at);
  writeText(writer, ": ");
  writeQuarantineEvent(writer, policy, index, event);
  if (event == QuarantineEvent.ENTER && !isOfFleet) {
    writeText(writer, " for ");
    writeDecimal(writer, seconds);
    writeText(writer, " s");
  }
  if (isOfFleet) writeText(writer, ", as the fleet says");
  else if (request.callerReason == Reason.ALLOWED) {
    writeText(writer, ", ");
    writeBytes(writer, request.callerStart, min(request.callerSize, blamed_bytes_max));
  }
  if (request.sourceRead) {
    const source = sourceText();
    writeText(writer, ", from ");
    writeBytes(writer, spanStart(source), spanSize(source));
  }
  log(LogLevel.WARN, line, writer.size);
}

function writeName(policy: Policy, text: usize): void {
  writeBytes(writer, textStart(policy, text), textSize(text));
}
