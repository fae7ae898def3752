/**
 * From a plugin configuration to a policy in force. Whatever is invalid is refused with one line of log, and the host
 * keeps the configuration it had. The answer depends on the configuration alone, never on the worker: a worker that
 * refused what the main thread accepted would be left without the filter. A worker without memory accepts, and denies
 * every request (see `policyOfStream`).
 */

import { defineCounters, most_counters_bytes } from "./audit/metrics";
import { nameRecord, record_property_bytes } from "./audit/record";
import { openWriter, Writer, writeBytes, writeDecimal, writeHex, writeText } from "./bytes/writer";
import {
  checksCertificateEnd,
  imageSize,
  imageStart,
  mistake,
  mistakeAt,
  mode,
  mode_of_policy,
  readConfigurationText,
  recordName,
  recordNameSize,
} from "./configuration";
import { LogLevel } from "./host/abi";
import { lendArena, resetArena } from "./host/arena";
import { log, Read, readConfiguration, setContext, setTickPeriod, valueSize, valueStart } from "./host/host";
import { missingCall, missingFetchCall, missingHeaderCall } from "./host/probe";
import { giveRegion, page_room_bytes, takeRegion, trimRegion } from "./host/region";
import {
  addPolicy,
  areContextsAnnounced,
  goneRoot,
  isStream,
  newestPolicy,
  policyOfRoot,
  removePolicy,
} from "./host/root";
import { openSecret, secretProblem } from "./host/secret";
import { known_callers_bytes } from "./identity/known";
import { closeKeySets, giveUpTokens, holdTokens, most_key_sets_bytes, openKeySets } from "./keys/keyset";
import { adoptKeySets, endFetches, fetchesKeys } from "./keys/refresh";
import { key_tick_milliseconds, log_bytes, policies_with_known_tokens } from "./limits";
import { no_section, problem, problemRecord, problemSection } from "./policy/check";
import { isImage } from "./policy/image";
import * as layout from "./policy/layout";
import { head, Policy, placeAt, sectionCount, textSize, textStart } from "./policy/policy";
import { hostCanVerify } from "./token/signature";

/** The last 16 bytes of the module's initial memory, where `sallyport build` leaves a trailer (policy/layout.ts). */
const trailer: usize = ((<usize>memory.size()) << 16) - layout.trailer_bytes;
// What the engine keeps in static memory must leave those bytes alone; if it did not, no module of it would load.
if (__heap_base > trailer) unreachable();

/** A policy's own bytes, behind which its tables are aligned. All of them lie in one region of one page, the largest too. */
const policy_bytes: usize = 128;
if (!(offsetof<Policy>() <= 128)) ERROR("a policy fits its place");
if (
  !(
    policy_bytes + record_property_bytes + known_callers_bytes + most_counters_bytes + most_key_sets_bytes + 16 <=
    page_room_bytes
  )
)
  ERROR("a page holds a policy with its tables");

/** The image found. */
let policyStart: usize = 0;
let policySize: u32 = 0;

const writer = changetype<Writer>(memory.data(32, 8));
const line: usize = memory.data(log_bytes);

/** Puts the configuration of a root context, `size` bytes of it, in force. False: refused. */
export function configure(rootContext: u32, size: u32): bool {
  forgetGone(rootContext);
  const page = takeRoom(page_room_bytes);
  const region = page == 0 || size == 0 ? 0 : takeRoom(<usize>size + 16);
  const hasMemory = page != 0 && (size == 0 || region != 0);
  const accepted = hasMemory && findImage(region, size) && putInForce(rootContext, page, region);
  if (!accepted) {
    giveRegion(region);
    giveRegion(page);
  }
  shareTokenRoom();
  resetArena();
  return accepted || (!hasMemory && denyEverything());
}

/** A context ends: if it is a root context, what belonged to it is given back, and its timer ends. */
export function endConfiguration(context: u32): void {
  if (isStream(context)) return;
  const policy = policyOfRoot(context);
  if (policy == null) return;
  if (fetchesKeys(policy)) setTickPeriod(0);
  forget(context);
}

/** Takes a region; where there is no memory, policies give up what tokens they know. */
function takeRoom(size_bytes: usize): usize {
  const region = takeRegion(size_bytes);
  if (region != 0) return region;
  giveUpTokensFrom(newestPolicy());
  return takeRegion(size_bytes);
}

function giveUpTokensFrom(policy: usize): void {
  for (let each = policy; each != 0; each = changetype<Policy>(each).next) giveUpTokens(changetype<Policy>(each));
}

/** Has the newest policies that verify tokens keep them, and no others. Where memory is short, the newest of those goes first. */
function shareTokenRoom(): void {
  let holders: u32 = 0;
  let last = newestPolicy();
  for (; last != 0 && holders < policies_with_known_tokens; last = changetype<Policy>(last).next) {
    if (verifiesTokens(changetype<Policy>(last))) holders++;
  }
  giveUpTokensFrom(last);
  for (let each = newestPolicy(); each != last; each = changetype<Policy>(each).next) {
    const policy = changetype<Policy>(each);
    if (!verifiesTokens(policy) || holdTokens(policy)) continue;
    giveUpTokensFrom(policy.next);
    holdTokens(policy);
  }
}

function verifiesTokens(policy: Policy): bool {
  return sectionCount(policy, layout.section_key_sets) != 0;
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
  endFetches(policy);
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

/** Puts the image found in force, with its tables in `page`. `region` has what the host was given, the image among it if it is from there. */
function putInForce(rootContext: u32, page: usize, region: usize): bool {
  if (!isImage(policyStart, policySize)) return refuseImage();
  const policy = changetype<Policy>(page);
  policy.image = policyStart;
  policy.configurationRegion = imageSize == 0 ? 0 : region;
  policy.recordProperty = page + policy_bytes;
  policy.knownCallers = policy.recordProperty + record_property_bytes;
  policy.counters = policy.knownCallers + known_callers_bytes;
  policy.keySets = (policy.counters + most_counters_bytes + 15) & ~15;
  policy.rootContext = rootContext;
  policy.shadow = (mode == mode_of_policy ? load<u32>(head(policy), layout.policy_mode) : mode) == layout.mode_shadow;
  nameRecord(policy, recordName, recordNameSize);
  policy.checksCertificateEnd = checksCertificateEnd;
  resetArena();
  if (!isServed(policy)) return false;
  openKeySets(policy);
  forget(rootContext);
  if (imageSize == 0) giveRegion(region);
  else trimRegion(region, imageSize);
  addPolicy(policy);
  adoptKeySets(policy);
  announce(policy);
  return true;
}

/** Whether the host can do what the policy will ask of it. */
function isServed(policy: Policy): bool {
  if (!areContextsAnnounced()) return refuseWithout("proxy_on_context_create");
  let missing = missingCall();
  if (missing.length == 0 && changesHeaders(policy)) missing = missingHeaderCall();
  if (missing.length == 0 && fetchesKeys(policy)) missing = missingFetchCall(policy.rootContext);
  if (missing.length != 0) return refuseWithout(missing);
  if (!openSecret()) return refuse(secretProblem);
  if (!defineCounters(policy)) return refuse("the host refused a metric: is proxy_define_metric allowed?");
  if (fetchesKeys(policy) && !setTickPeriod(key_tick_milliseconds)) {
    return refuse("keys are to be fetched, and the host will not tick: is proxy_set_tick_period_milliseconds allowed?");
  }
  if (sectionCount(policy, layout.section_issuers) != 0) chooseVerifier(policy);
  return true;
}

/** Whether requests may go on with other headers than they came with. */
function changesHeaders(policy: Policy): bool {
  if (sectionCount(policy, layout.section_forwards) != 0) return true;
  const places = sectionCount(policy, layout.section_places);
  for (let index: u32 = 0; index < places; index++) {
    if (load<u32>(placeAt(policy, index), layout.place_strip) != 0) return true;
  }
  return false;
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

function refuseWithout(capability: string): bool {
  openLine("configuration refused: the host does not allow ");
  writeText(writer, capability);
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
