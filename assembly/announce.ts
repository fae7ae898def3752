/** What is logged of configurations: one line each, whatever became of it. */
import { raiseInfo } from "./audit/metrics";
import { openWriter, Writer, writeBytes, writeDecimal, writeHex, writeText } from "./bytes/writer";
import { imageSize } from "./configuration";
import { LogLevel } from "./host/abi";
import { log } from "./host/host";
import { log_bytes_max } from "./limits";
import { no_section, problem, problemRecord, problemSection } from "./policy/check";
import * as layout from "./policy/layout";
import { head, Policy, sectionCount, textSize, textStart } from "./policy/policy";

const writer = changetype<Writer>(memory.data(32, 8));
const line: usize = memory.data(log_bytes_max);

/**
 * One line that says what is in force from now on; the image's checksum is the one `sallyport build` and `image` print. `waited` is
 * for how many seconds there was no memory for it. The first worker of an Envoy that says so does it where an Envoy that logs warnings
 * alone has it, too: as Istio's and Envoy Gateway's do.
 */
export function announce(policy: Policy, waited: u64): void {
  openLine("policy ");
  const name = head(policy) + layout.policy_name_at;
  writeBytes(writer, textStart(policy, name), textSize(name));
  writeText(writer, " in force, ");
  writeDecimal(writer, sectionCount(policy, layout.section_rules));
  writeText(writer, " rules, image ");
  writeHex(writer, load<u32>(policy.image, layout.checksum_at));
  writeText(writer, imageSize == 0 ? ", of the module" : ", of the configuration");
  writeText(writer, policy.shadow ? ", in shadow mode: every request passes" : ", enforced");
  if (waited != 0) {
    writeText(writer, ", after ");
    writeDecimal(writer, waited);
    writeText(writer, " s without memory");
  }
  log(raiseInfo(policy) ? LogLevel.WARN : LogLevel.INFO, line, writer.size);
}

/** There is no memory, and for how long that will be so. */
export function announceShortage(phrase: string): void {
  openLine("out of memory: every request is denied ");
  writeText(writer, phrase);
  log(LogLevel.CRITICAL, line, writer.size);
}

/** What the host cannot do, at what cost. */
export function warn(phrase: string): void {
  openLine(phrase);
  log(LogLevel.WARN, line, writer.size);
}

/** A policy ends, and the host has not taken some of what was counted under it. */
export function announceLostCounts(policy: Policy, counts: u64): void {
  openLine("the host refused ");
  writeDecimal(writer, counts);
  writeText(writer, " counts of policy ");
  const name = head(policy) + layout.policy_name_at;
  writeBytes(writer, textStart(policy, name), textSize(name));
  writeText(writer, ", which is gone");
  log(LogLevel.ERROR, line, writer.size);
}

export function refuse(phrase: string): bool {
  openLine("configuration refused: ");
  writeText(writer, phrase);
  return closeRefusal();
}

/** The host does not allow what the policy needs. */
export function refuseWithout(capability: string): bool {
  openLine("configuration refused: the host does not allow ");
  writeText(writer, capability);
  return closeRefusal();
}

export function refuseAt(phrase: string, offset: usize): bool {
  openLine("configuration refused: ");
  writeText(writer, phrase);
  writeText(writer, ", at byte ");
  writeDecimal(writer, offset);
  return closeRefusal();
}

export function refuseImage(): bool {
  openLine("configuration refused: policy image: ");
  writeText(writer, problem);
  if (problemSection != no_section) {
    writeText(writer, ", in section ");
    writeDecimal(writer, problemSection);
    writeText(writer, ", record ");
    writeDecimal(writer, problemRecord);
  }
  return closeRefusal();
}

function openLine(phrase: string): void {
  openWriter(writer, line, log_bytes_max);
  writeText(writer, "sallyport: ");
  writeText(writer, phrase);
}

function closeRefusal(): bool {
  log(LogLevel.ERROR, line, writer.size);
  return false;
}
