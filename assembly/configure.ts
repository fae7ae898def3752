/**
 * From a plugin configuration to a policy in force. Whatever is invalid is refused with one line of log, and the host
 * keeps the configuration it had. The answer depends on the configuration alone, never on the worker: a worker that
 * refused what the main thread accepted would be left without the filter. A worker without memory accepts, and denies
 * every request (see `policyOfStream`).
 */

import { countersBytes, defineCounters } from "./audit/metrics";
import { openWriter, Writer, writeBytes, writeDecimal, writeHex, writeText } from "./bytes/writer";
import {
  imageSize,
  imageStart,
  mistake,
  mistakeAt,
  mode,
  mode_of_policy,
  readConfigurationText,
} from "./configuration";
import { LogLevel } from "./host/abi";
import { lendArena, resetArena } from "./host/arena";
import { log, Read, readConfiguration, setContext, startTicking, valueSize, valueStart } from "./host/host";
import { giveRegion, takeRegion } from "./host/region";
import { addPolicy, goneRoot, removePolicy } from "./host/root";
import { known_callers_bytes } from "./identity/known";
import { closeKeySets, openKeySets } from "./keys/keyset";
import { adoptKeySets, fetchesKeys } from "./keys/refresh";
import { key_tick_milliseconds, log_bytes } from "./limits";
import { draft, no_section, problem, problemRecord, problemSection } from "./policy/check";
import { isImage } from "./policy/image";
import * as layout from "./policy/layout";
import { head, Policy, sectionCount, textSize, textStart } from "./policy/policy";
import { hostCanVerify } from "./token/signature";

/** The last 16 bytes of the module's initial memory, where `sallyport build` leaves a trailer (policy/layout.ts). */
const trailer: usize = ((<usize>memory.size()) << 16) - layout.trailer_bytes;
// What the engine keeps in static memory must leave those bytes alone; if it did not, no module of it would load.
if (__heap_base > trailer) unreachable();

/** A policy's own bytes, behind which its tables are aligned. */
const policy_bytes: usize = 128;
if (!(offsetof<Policy>() <= 128)) ERROR("a policy fits its place");

/** The image found. */
let policyStart: usize = 0;
let policySize: u32 = 0;

const writer = changetype<Writer>(memory.data(32, 8));
const line: usize = memory.data(log_bytes);

/** Puts the configuration of a root context, `size` bytes of it, in force. False: refused. */
export function configure(rootContext: u32, size: u32): bool {
  forgetGone(rootContext);
  let region: usize = 0;
  if (size != 0) {
    region = takeRegion(<usize>size + 16);
    if (region == 0) return denyEverything();
  }
  const accepted = findImage(region, size) && putInForce(rootContext, region);
  if (!accepted) giveRegion(region);
  resetArena();
  return accepted;
}

/** Gives back what belonged to root contexts that are gone, before more is taken. */
function forgetGone(rootContext: u32): void {
  for (let gone = goneRoot(); gone != 0; gone = goneRoot()) forget(gone);
  setContext(rootContext);
}

/** Gives back what belonged to a root context. */
function forget(context: u32): void {
  const policy = removePolicy(context);
  if (policy == null) return;
  closeKeySets(policy);
  giveRegion(policy.configurationRegion);
  giveRegion(changetype<usize>(policy));
}

/** Finds the image: in the configuration, whose bytes go into `region`, or else in the module. */
function findImage(region: usize, size: u32): bool {
  if (size != 0) {
    lendArena(region, <usize>size + 16);
    if (readConfiguration(size) != Read.PRESENT) {
      return refuse("the host did not hand it over: is proxy_get_buffer_bytes allowed?");
    }
  }
  // The image is decoded to where the region begins, so that it is aligned.
  if (!readConfigurationText(valueStart, size == 0 ? 0 : valueSize, region)) return refuseAt(mistake, mistakeAt);
  policyStart = imageStart;
  policySize = imageSize;
  return policySize != 0 || findEmbedded();
}

function findEmbedded(): bool {
  if (load<u32>(trailer) != layout.trailer_magic) {
    return refuse("no policy: this module has none inside, so give `policy`, or make a module with `sallyport build`");
  }
  const end = trailer + layout.trailer_bytes;
  const distance = load<u32>(trailer, 8);
  policySize = load<u32>(trailer, 12);
  policyStart = end - distance;
  const isInside =
    distance >= layout.trailer_bytes &&
    distance <= <u32>(end - __heap_base) &&
    policySize <= distance - layout.trailer_bytes;
  if (load<u32>(trailer, 4) != layout.image_version || !isInside || (policyStart & 7) != 0) {
    return refuse("the embedded policy image is not where its trailer says");
  }
  return true;
}

function putInForce(rootContext: u32, region: usize): bool {
  if (!isImage(policyStart, policySize)) return refuseImage();
  const bytes = takeRegion(policy_bytes + <usize>known_callers_bytes + <usize>countersBytes(draft));
  if (bytes == 0) {
    giveRegion(region);
    return denyEverything();
  }
  const policy = changetype<Policy>(bytes);
  policy.image = policyStart;
  policy.configurationRegion = region;
  policy.knownCallers = bytes + policy_bytes;
  policy.counters = policy.knownCallers + known_callers_bytes;
  policy.rootContext = rootContext;
  policy.shadow = (mode == mode_of_policy ? load<u32>(head(policy), layout.policy_mode) : mode) == layout.mode_shadow;
  resetArena();
  if (!isServed(policy)) {
    giveRegion(bytes);
    return false;
  }
  if (!openKeySets(policy)) {
    giveRegion(region);
    giveRegion(bytes);
    return denyEverything();
  }
  forget(rootContext);
  addPolicy(policy);
  adoptKeySets(policy);
  announce(policy);
  return true;
}

/** Whether the host can do what the policy will ask of it. */
function isServed(policy: Policy): bool {
  if (!defineCounters(policy)) return refuse("the host refused a metric: is proxy_define_metric allowed?");
  if (fetchesKeys(policy) && !startTicking(key_tick_milliseconds)) {
    return refuse("keys are to be fetched, and the host will not tick: is proxy_set_tick_period_milliseconds allowed?");
  }
  if (sectionCount(policy, layout.section_issuers) != 0) chooseVerifier(policy);
  return true;
}

/** One choice for all signatures of a policy, so that the log tells by whom they were verified. */
function chooseVerifier(policy: Policy): void {
  policy.hostVerifies = hostCanVerify();
  if (policy.hostVerifies) return;
  openLine(
    "the host does not verify signatures (verify_signature), so the module verifies all of them, at a higher cost",
  );
  log(LogLevel.WARN, line, writer.size);
}

/** One line that says what is in force from now on; the image's checksum is the one `sallyport build` and `image` print. */
function announce(policy: Policy): void {
  openLine("policy ");
  const name = head(policy) + layout.policy_name;
  writeBytes(writer, textStart(policy, name), textSize(name));
  writeText(writer, " in force, ");
  writeDecimal(writer, sectionCount(policy, layout.section_rules));
  writeText(writer, " rules, image ");
  writeHex(writer, load<u32>(policy.image, layout.checksum_offset));
  writeText(writer, imageSize == 0 ? ", of the module" : ", of the configuration");
  writeText(writer, policy.shadow ? ", in shadow mode: every request passes" : ", enforced");
  log(policy.shadow ? LogLevel.WARN : LogLevel.INFO, line, writer.size);
}

function denyEverything(): bool {
  openLine("out of memory, every request will be denied");
  log(LogLevel.CRITICAL, line, writer.size);
  return true;
}

function refuse(phrase: string): bool {
  openLine("configuration refused: ");
  writeText(writer, phrase);
  return closeRefusal();
}

function refuseAt(phrase: string, offset: usize): bool {
  openLine("configuration refused: ");
  writeText(writer, phrase);
  writeText(writer, ", at byte ");
  writeDecimal(writer, offset);
  return closeRefusal();
}

function refuseImage(): bool {
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
  openWriter(writer, line, log_bytes);
  writeText(writer, "sallyport: ");
  writeText(writer, phrase);
}

function closeRefusal(): bool {
  log(LogLevel.ERROR, line, writer.size);
  return false;
}
