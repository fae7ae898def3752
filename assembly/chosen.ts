/**
 * Which image a configuration means: the one in it, or else the one in the module; whether it is sound, and one that this module may
 * take. A module with trust keys takes images that one of them has signed, of the name that its own policy has, and no older than
 * that wants. Its own needs no signature: whoever loads a module names its digest.
 */
import { no_number, refuse, refuseAt, refuseImage, refuseVersion } from "./announce";
import { sameBytes } from "./bytes/span";
import { imageSize, imageStart, mistake, mistakeAt, mode, readConfigurationText } from "./configuration";
import { isImage } from "./policy/image";
import * as layout from "./policy/layout";
import { envelope_image_at, envelope_signature_bytes, trust_key_bytes } from "./policy/layout-signed";
import { sectionIn } from "./policy/policy";
import { checkSignature, clearEnvelope, openEnvelope, Signature, version } from "./trust/envelope";

/** The last 16 bytes of the module's initial memory, where `sallyport build` leaves a trailer (policy/layout.ts). */
const trailer: usize = ((<usize>memory.size()) << 16) - layout.trailer_bytes;
// What the engine keeps in static memory must leave those bytes alone; if it did not, no module of it would load.
if (__heap_base > trailer) unreachable();

/** The trailer's word about the module; 0 in one that was not built for a policy. */
const built: u32 = load<u32>(trailer) == layout.trailer_magic ? load<u32>(trailer, 4) : 0;

/** The image that was chosen; its address is a multiple of 8. */
export let chosenStart: usize = 0;
let chosenSize: u32 = 0;
/** How many bytes of the configuration's region are its image, with what is around that; 0 where the image is the module's. */
export let ownedBytes: u32 = 0;

/** How many bytes the envelope around a sound image has. */
export function envelopeBytes(image: usize): u32 {
  return load<u32>(image, layout.size_at) + envelope_image_at + envelope_signature_bytes;
}

/** Chooses the signed image that another configuration brought: copies it to `target`, with its envelope. */
export function chooseCopy(image: usize, target: usize): void {
  ownedBytes = envelopeBytes(image);
  memory.copy(target, image - envelope_image_at, ownedBytes);
  openEnvelope(target, ownedBytes);
  chosenStart = target + envelope_image_at;
}

/** Whether the module was built with trust keys, which lie in front of the trailer. */
export function takesSigned(): bool {
  return built >> layout.trailer_keys_shift != 0;
}

function keysBytes(): u32 {
  return (built >> layout.trailer_keys_shift) * trust_key_bytes;
}

/** Chooses the image that the `size` bytes of configuration at `text` mean. False: it was refused, and the log says why. */
export function chooseImage(text: usize, size: u32): bool {
  // The image is decoded to where the configuration begins, so that it is aligned. In a short one there is room for none that is valid.
  if (!readConfigurationText(text, size, text)) return refuseAt(mistake, mistakeAt);
  ownedBytes = imageSize;
  clearEnvelope(0);
  let own: usize = 0;
  if (imageSize == 0 || takesSigned()) {
    if (built == 0) return refuse("no policy: give `policy`, or make a module with `sallyport build`");
    if (!findEmbedded() || !isSound()) return false;
    own = chosenStart;
  }
  // Nobody has signed the configuration, and in shadow mode no policy denies anything.
  if (takesSigned() && mode == layout.mode_shadow) return refuse("`mode: shadow` is not signed");
  if (imageSize == 0) {
    clearEnvelope(minimumVersion(own));
    return true;
  }
  chosenStart = imageStart;
  chosenSize = imageSize;
  const isSigned = openEnvelope(chosenStart, chosenSize);
  if (takesSigned()) {
    if (!isSigned) return refuse("the policy is not signed");
    const signature = checkSignature(trailer - keysBytes(), trailer);
    if (signature != Signature.GOOD) {
      return refuseVersion(
        signature == Signature.WRONG ? " has a wrong signature" : " is signed by no trusted key",
        no_number,
        "",
      );
    }
  }
  if (isSigned) {
    chosenStart += envelope_image_at;
    chosenSize -= envelope_image_at + envelope_signature_bytes;
  }
  if (!isSound()) return false;
  if (takesSigned()) return isFor(own);
  // What nobody has checked is said nowhere.
  clearEnvelope(0);
  return true;
}

/** Whether a sound image is a policy of the name of the module's own, and as new as both want. */
function isFor(own: usize): bool {
  const name = policyOf(chosenStart) + layout.policy_name_at;
  const ownName = policyOf(own) + layout.policy_name_at;
  const size = load<u32>(name, 4);
  if (size != load<u32>(ownName, 4) || !sameBytes(chosenStart + load<u32>(name), own + load<u32>(ownName), size)) {
    return refuseVersion(" is of another policy", no_number, "");
  }
  const minimum = max(minimumVersion(own), minimumVersion(chosenStart));
  return version() >= minimum || refuseVersion(" is older than ", minimum, ", the `minimumVersion`");
}

function minimumVersion(image: usize): u32 {
  return load<u32>(policyOf(image), layout.policy_minimum_version_at);
}

function policyOf(image: usize): usize {
  return sectionIn(image, layout.section_policy);
}

/** Whether the chosen image can be evaluated, by this engine, and with the callbacks that this module has. */
function isSound(): bool {
  if (!isImage(chosenStart, chosenSize)) return refuseImage();
  // What was left out when the module was made, for a policy that needs it not: callbacks, or all that reads bodies.
  const left = (built >> layout.trailer_callbacks_shift) | (isDefined(BODIES) ? 0 : layout.needs_hold);
  if ((left & load<u32>(policyOf(chosenStart), layout.policy_needs_at)) == 0) return true;
  return refuse("this module was built for a policy that reads, bounds and tells of less: build it anew with this one");
}

function findEmbedded(): bool {
  const end = trailer + layout.trailer_bytes;
  const distance = load<u32>(trailer, 8);
  const behind = layout.trailer_bytes + keysBytes();
  chosenSize = load<u32>(trailer, 12);
  chosenStart = end - distance;
  const isInside = distance >= behind && distance <= <u32>(end - __heap_base) && chosenSize <= distance - behind;
  const format = built & ((1 << layout.trailer_callbacks_shift) - 1);
  if (format != layout.image_version || !isInside || (chosenStart & 7) != 0) {
    return refuse("the embedded policy image is not where its trailer says");
  }
  return true;
}
