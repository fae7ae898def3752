/** What is logged of configurations: one line each, whatever became of it. */
import { raiseInfo } from "./audit/metrics";
import { openWriter, Writer, writeByte, writeBytes, writeDecimal, writeHex, writeText } from "./bytes/writer";
import { LogLevel } from "./host/abi";
import { log } from "./host/host";
import { no_shared_data } from "./host/secret";
import { log_bytes_max } from "./limits";
import { no_section, problem, problemRecord, problemSection } from "./policy/check";
import * as layout from "./policy/layout";
import { head, Policy, sectionCount, textSize, textStart } from "./policy/policy";
import { expires, keyId, version } from "./trust/envelope";
import { heldVersion, Standing } from "./trust/version";

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
  writeText(writer, policy.configurationRegion == 0 ? ", of the module" : ", of the configuration");
  if (version() != 0) {
    writeText(writer, ", ");
    writeVersion();
  }
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
  openRefusal(phrase);
  return closeRefusal();
}

/** The host does not allow what the policy needs. */
export function refuseWithout(capability: string): bool {
  openRefusal("the host does not allow ");
  writeText(writer, capability);
  return closeRefusal();
}

export function refuseAt(phrase: string, offset: usize): bool {
  openRefusal(phrase);
  writeText(writer, ", at byte ");
  writeDecimal(writer, offset);
  return closeRefusal();
}

export function refuseImage(): bool {
  openRefusal("policy image: ");
  writeText(writer, problem);
  if (problemSection != no_section) {
    writeText(writer, ", in section ");
    writeDecimal(writer, problemSection);
    writeText(writer, ", record ");
    writeDecimal(writer, problemRecord);
  }
  return closeRefusal();
}

/** Where `refuseVersion` has none to tell. */
export const no_number: u64 = 0xffffffffffffffff;

/** Of an image that a module with trust keys was given: the version, key and end that it says, a phrase, and maybe a number in it. */
export function refuseVersion(phrase: string, number: u64, rest: string): bool {
  openRefusal("image ");
  writeVersion();
  writeText(writer, phrase);
  if (number != no_number) writeDecimal(writer, number);
  writeText(writer, rest);
  return closeRefusal();
}

/** Of an image that may not come in force as it stands to what was. */
export function refuseStanding(standing: Standing): bool {
  if (standing == Standing.UNKNOWN) return refuse(no_shared_data);
  return refuseVersion(
    standing == Standing.OLDER ? " is older than " : " is not the ",
    heldVersion(),
    ", which was in force in this Envoy",
  );
}

/** Such as `version 7 (key 8a88e3dd7409f195, expires 1767225600)`; a module's own policy has no key, and many no end. */
function writeVersion(): void {
  writeText(writer, "version ");
  writeDecimal(writer, version());
  if (keyId(0) == 0) return;
  writeText(writer, " (key ");
  writeHex(writer, keyId(0));
  writeHex(writer, keyId(4));
  if (expires() != 0) {
    writeText(writer, ", expires ");
    writeDecimal(writer, expires());
  }
  writeByte(writer, 0x29);
}

function openLine(phrase: string): void {
  openWriter(writer, line, log_bytes_max);
  writeText(writer, "sallyport: ");
  writeText(writer, phrase);
}

function openRefusal(phrase: string): void {
  openLine("configuration refused: ");
  writeText(writer, phrase);
}

function closeRefusal(): bool {
  log(LogLevel.ERROR, line, writer.size);
  return false;
}
