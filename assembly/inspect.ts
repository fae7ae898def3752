/**
 * Inspection: what the evaluator saw on its way, as lines of the host's trace log, for the tools that explain decisions
 * (scripts/commands/explain.ts). Off unless a tool turns it on; it never changes a decision.
 */
import { openWriter, Writer, writeByte, writeBytes, writeDecimal, writeNth, writeText } from "./bytes/writer";
import { Detail, detail_names } from "./detail";
import { LogLevel } from "./host/abi";
import { log } from "./host/host";
import { log_bytes_max } from "./limits";
import { Reason, reason_names } from "./reason";

/** What is known of a token's signature. */
export const enum Signature {
  VALID = 0,
  INVALID,
  UNSUPPORTED,
  MALFORMED,
  KEY_UNKNOWN,
}

export let inspecting: bool = false;

const writer = changetype<Writer>(memory.data(32, 8));
const line: usize = memory.data(log_bytes_max);

export function setInspecting(on: bool): void {
  inspecting = on;
}

/** The request is a member of a caller group. */
export function reportGroup(group: u32): void {
  openLine("group ");
  writeDecimal(writer, group);
  closeLine();
}

/** The request is for a host the policy knows by this number. */
export function reportHost(host: u32): void {
  openLine("host ");
  writeDecimal(writer, host);
  closeLine();
}

/** A rule's path matched, but none of its methods. */
export function reportEntry(rule: u32): void {
  openLine("entry ");
  writeDecimal(writer, rule);
  writeText(writer, " path");
  closeLine();
}

/** The condition of a rule was evaluated. */
export function reportCondition(rule: u32, outcome: u32): void {
  openLine("condition ");
  writeDecimal(writer, rule);
  writeText(writer, outcome == 0 ? " false" : outcome == 1 ? " true" : " error");
  closeLine();
}

/** How much a rule takes of its limits was calculated; 0: it could not be. */
export function reportCost(rule: u32, cost: u32): void {
  openLine("cost ");
  writeDecimal(writer, rule);
  writeByte(writer, 0x20);
  writeDecimal(writer, cost);
  closeLine();
}

/** A candidate rule was evaluated. */
export function reportRule(rule: u32, reason: Reason): void {
  openLine("rule ");
  writeDecimal(writer, rule);
  writeByte(writer, 0x20);
  writeNth(writer, reason_names, reason);
  closeLine();
}

/** What a signature came to. */
export function reportSignature(signature: Signature): void {
  openLine("signature ");
  switch (signature) {
    case Signature.VALID:
      writeText(writer, "valid");
      break;
    case Signature.INVALID:
      writeText(writer, "invalid");
      break;
    case Signature.UNSUPPORTED:
      writeText(writer, "unsupported");
      break;
    case Signature.KEY_UNKNOWN:
      writeText(writer, "key_unknown");
      break;
    default:
      writeText(writer, "malformed");
  }
  closeLine();
}

/** What exactly is wrong with the token that was inspected. */
export function reportDetail(detail: Detail): void {
  openLine("detail ");
  writeNth(writer, detail_names, detail);
  closeLine();
}

/** The claim that the token that was inspected is refused for. */
export function reportClaim(start: usize, size: u32): void {
  openLine("claim ");
  writeBytes(writer, start, size);
  closeLine();
}

/** Begins a line; what is written to the writer follows, and closeLine. */
export function openLine(kind: string): Writer {
  openWriter(writer, line, log_bytes_max);
  writeText(writer, "inspect ");
  writeText(writer, kind);
  return writer;
}

/** Hands the line to the host. */
export function closeLine(): void {
  log(LogLevel.TRACE, line, writer.size);
}
