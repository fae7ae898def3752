/** What a quarantine does, in words that the record and the metrics share. */
import { Writer, writeText } from "../bytes/writer";
import * as layout from "../policy/layout";
import { Policy, recordAt } from "../policy/policy";

export const enum QuarantineEvent {
  /** A key is shut out from now on; is let in again; was refused. */
  ENTER = 0,
  LEAVE,
  DENY,
  COUNT,
}

/** Whether a quarantine only tells what it would do. */
export function isQuarantineShadow(policy: Policy, index: u32): bool {
  if (policy.shadow) return true;
  const record = recordAt(policy, layout.section_quarantines, index);
  return load<u32>(record, layout.quarantine_mode_at) == layout.mode_shadow;
}

/** Writes the name of an event of a quarantine. */
export function writeQuarantineEvent(writer: Writer, policy: Policy, index: u32, event: QuarantineEvent): void {
  if (isQuarantineShadow(policy, index)) writeText(writer, "shadow_");
  writeText(writer, event == QuarantineEvent.ENTER ? "enter" : event == QuarantineEvent.LEAVE ? "leave" : "deny");
}
