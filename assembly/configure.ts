/**
 * From a plugin configuration to a policy in force. Whatever is invalid is refused with one line of log, and the host
 * keeps the configuration it had. The answer depends on the configuration alone, never on the worker: a worker that
 * refused what the main thread accepted would be left without the filter. A worker without memory accepts, and denies
 * every request (see `policyOfStream`).
 */

import { countersBytes, defineCounters } from "./audit/metrics";
import { decodeBase64, malformed } from "./bytes/base64";
import * as json from "./bytes/json";
import { Kind } from "./bytes/json";
import { literal } from "./bytes/literal";
import { isLiteral } from "./bytes/span";
import { openWriter, Writer, writeDecimal, writeText } from "./bytes/writer";
import { LogLevel } from "./host/abi";
import { lendArena, resetArena } from "./host/arena";
import { log, Read, readConfiguration, valueSize, valueStart } from "./host/host";
import { giveRegion, takeRegion } from "./host/region";
import { addPolicy, removePolicy } from "./host/root";
import { log_bytes } from "./limits";
import { isImage, no_section, problem, problemRecord, problemSection } from "./policy/image";
import * as layout from "./policy/layout";
import { head, Policy, sectionCount } from "./policy/policy";
import { hostCanVerify } from "./token/signature";

const policy_key = literal("policy");
const mode_key = literal("mode");
const enforce_value = literal("enforce");
const shadow_value = literal("shadow");

/** The last 16 bytes of the module's initial memory, where `sallyport build` leaves a trailer (policy/layout.ts). */
const trailer: usize = ((<usize>memory.size()) << 16) - layout.trailer_bytes;
// What the engine keeps in static memory must leave those bytes alone; if it did not, no module of it would load.
if (__heap_base > trailer) unreachable();

/** What the configuration asks for. */
let imageStart: usize = 0;
let imageSize: u32 = 0;
let mode: i32 = 0;
const mode_of_policy: i32 = -1;

const writer = changetype<Writer>(memory.data(32, 8));
const line: usize = memory.data(log_bytes);

/** Puts the configuration of a root context, `size` bytes of it, in force. False: refused. */
export function configure(rootContext: u32, size: u32): bool {
  let region: usize = 0;
  if (size != 0) {
    region = takeRegion(<usize>size + 16);
    if (region == 0) return denyEverything();
  }
  const accepted = readParts(region, size) && putInForce(rootContext, region);
  if (!accepted) giveRegion(region);
  resetArena();
  return accepted;
}

/** Gives back what belonged to a root context that is gone. */
export function forget(rootContext: u32): void {
  const policy = removePolicy(rootContext);
  if (policy == null) return;
  giveRegion(policy.configurationRegion);
  giveRegion(changetype<usize>(policy));
}

function readParts(region: usize, size: u32): bool {
  imageStart = 0;
  imageSize = 0;
  mode = mode_of_policy;
  if (size != 0) {
    lendArena(region, <usize>size + 16);
    const read = readConfiguration(size);
    if (read != Read.PRESENT) return refuse("the host did not hand it over: is proxy_get_buffer_bytes allowed?");
    if (!readJson(valueStart, valueSize, region)) return false;
  }
  return imageSize != 0 || findEmbedded();
}

function readJson(start: usize, size: u32, region: usize): bool {
  if (!json.scanJson(start, size)) return refuseAt("no valid JSON", json.stoppedAt() - start);
  if (json.kindOf(0) != Kind.OBJECT) return refuse("not a JSON object");
  const end = json.after(0);
  for (let name = 1; name < end; name = json.after(name + 1)) {
    const value = name + 1;
    const at = json.startOf(name) - start;
    if (isLiteral(json.startOf(name), json.sizeOf(name), policy_key)) {
      if (json.kindOf(value) != Kind.STRING || json.sizeOf(value) == 0) {
        return refuseAt("`policy` is not the base64 of a policy image", at);
      }
      imageStart = json.startOf(value);
      imageSize = json.sizeOf(value);
    } else if (isLiteral(json.startOf(name), json.sizeOf(name), mode_key)) {
      if (json.isString(value, enforce_value.start, enforce_value.size)) mode = layout.mode_enforce;
      else if (json.isString(value, shadow_value.start, shadow_value.size)) mode = layout.mode_shadow;
      else return refuseAt("`mode` is neither `enforce` nor `shadow`", at);
    } else {
      return refuseAt("unknown key, only `policy` and `mode` are known", at);
    }
  }
  if (imageSize == 0) return true;
  // The image begins where the region does, so that it is aligned; what it overwrites has been read.
  const decoded = decodeBase64(imageStart, imageSize, region);
  if (decoded == malformed) return refuse("`policy` is not valid base64");
  imageStart = region;
  imageSize = decoded;
  return true;
}

function findEmbedded(): bool {
  if (load<u32>(trailer) != layout.trailer_magic) {
    return refuse("no policy: this module has none inside, so give `policy`, or make a module with `sallyport build`");
  }
  const end = trailer + layout.trailer_bytes;
  const distance = load<u32>(trailer, 8);
  imageSize = load<u32>(trailer, 12);
  imageStart = end - distance;
  const isInside = distance <= <u32>(end - __heap_base) && imageSize <= distance - layout.trailer_bytes;
  if (load<u32>(trailer, 4) != layout.image_version || !isInside || (imageStart & 7) != 0) {
    return refuse("the embedded policy image is not where its trailer says");
  }
  return true;
}

function putInForce(rootContext: u32, region: usize): bool {
  if (!isImage(imageStart, imageSize)) return refuseImage();
  const draft = changetype<Policy>(imageless);
  draft.image = imageStart;
  const bytes = takeRegion(offsetof<Policy>() + <usize>countersBytes(draft));
  if (bytes == 0) return denyEverything();
  const policy = changetype<Policy>(bytes);
  policy.image = imageStart;
  policy.imageBytes = imageSize;
  policy.configurationRegion = region;
  policy.counters = bytes + offsetof<Policy>();
  policy.rootContext = rootContext;
  policy.shadow = (mode == mode_of_policy ? load<u32>(head(policy), layout.policy_mode) : mode) == layout.mode_shadow;
  resetArena();
  if (!isServed(policy)) {
    giveRegion(bytes);
    return false;
  }
  forget(rootContext);
  addPolicy(policy);
  return true;
}

/** Room for a policy whose size is not known yet. */
const imageless: usize = memory.data(64, 8);
if (!(offsetof<Policy>() <= 64)) ERROR("a draft holds a policy");

/** Whether the host can do what the policy will ask of it. */
function isServed(policy: Policy): bool {
  if (!defineCounters(policy)) return refuse("the host refused a counter: is proxy_define_metric allowed?");
  if (sectionCount(policy, layout.section_issuers) != 0 && !hostCanVerify()) {
    return refuse("the host cannot verify signatures: is proxy_call_foreign_function allowed?");
  }
  return true;
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
