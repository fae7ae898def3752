/**
 * From a plugin configuration to a policy in force. Whatever is invalid is refused with one line of log, and the host
 * keeps the configuration it had. The answer depends on the configuration alone, never on the worker: a worker that
 * refused what the main thread accepted would be left without the filter. A worker without memory accepts, denies every
 * request, and tries again (shortage/shortage.ts). Whether a signed image is older than one that was in force is no worker's to refuse
 * either (trust/version.ts).
 */

import { announce, announceShortage, refuse, refuseStanding, refuseVersion, warn } from "./announce";
import { counters_bytes_max } from "./audit/metrics";
import { nameRecord, record_property_bytes } from "./audit/record";
import { bodyRegionBytes, openBody, roomForBody } from "./body/body";
import { answer_region_bytes, isAnswerOpen, openAnswer } from "./body/tools";
import { spanSize, spanStart } from "./bytes/span";
import { chooseCopy, chooseImage, chosenStart, envelopeBytes, ownedBytes, takesSigned } from "./chosen";
import { checksCertificateEnd, mode, mode_of_policy, recordName, recordNameSize } from "./configuration";
import { endedConfigurations, forget, forgetGone } from "./ending";
import { lendArena, resetArena, takeBytes } from "./host/arena";
import { readClock, readConfiguration, setContext, setTickPeriod } from "./host/host";
import { giveRegion, page_room_bytes, trimRegion } from "./host/region";
import { known_callers_bytes } from "./identity/known";
import { keySetsRegionBytes, openKeySets, paged_key_sets_bytes } from "./keys/keyset";
import { adoptKeySets } from "./keys/refresh";
import { holdsRequests } from "./keys/waiting";
import { short_configuration_bytes_max } from "./limits";
import * as layout from "./policy/layout";
import { head, needs, Policy } from "./policy/policy";
import { addPolicy, newestPolicy, policyOfRoot, rootOfStream, setHeir } from "./policy/root";
import { isServed } from "./requirements";
import { Parking } from "./shortage/parking";
import { shareTokenRoom, takeRoom } from "./shortage/room";
import {
  dueShortage,
  endShortage,
  hasShortages,
  loseShortage,
  noteShortage,
  readKept,
  Shortage,
  shortageOf,
} from "./shortage/shortage";
import { held_bytes, isHeldOpen, openHeld } from "./streams/held";
import { expires, identity } from "./trust/envelope";
import { heldIdentity, readStanding, Standing, wasInForce } from "./trust/version";

/** A policy's own bytes, behind which its tables are aligned. All of them lie in one region of one page, save the key sets of a policy with many. */
const policy_bytes: usize = 128;
if (!(offsetof<Policy>() <= 128)) ERROR("a policy fits its place");
if (
  !(
    policy_bytes + record_property_bytes + known_callers_bytes + counters_bytes_max + paged_key_sets_bytes + 16 <=
    page_room_bytes
  )
)
  ERROR("a page holds a policy with its tables");

/** The region that has what the host was given, the image among it if it is from there; 0 for what is in the arena. */
let region: usize = 0;

/** What became of a configuration. */
const enum Attempt {
  IN_FORCE = 0,
  REFUSED,
  /** It is older than what was in force, and the worker has nothing of that: every request is denied. */
  SUPERSEDED,
  /** There is no memory for it now. */
  NO_MEMORY,
  /** What was kept of it is there no more. */
  LOST,
}

/** Puts the configuration of a root context, `size` bytes of it, in force. False: refused. */
export function configure(rootContext: u32, size: u32): bool {
  forgetGone();
  setContext(rootContext);
  const before = shortageOf(rootContext);
  if (before != null) endShortage(before);
  const outcome = attempt(rootContext, size, null, true);
  if (outcome != Attempt.NO_MEMORY) return outcome != Attempt.REFUSED;
  // The host configures a root context again only with what it was configured with.
  if (policyOfRoot(rootContext) != null) return true;
  const shortage = noteShortage(rootContext, size);
  resetArena();
  if (shortage == null) return refuse(not_handed_over);
  shortage.endings = endedConfigurations();
  announceShortage(
    shortage.isLost
      ? "until it is configured anew, since its configuration could not be kept"
      : "until older configurations end",
  );
  return true;
}

const not_handed_over: string = "the host did not hand it over: is proxy_get_buffer_bytes allowed?";

/**
 * Tries again, newest first, to put in force what found no memory. `context` is the one in hand: a root context that ticks, or a
 * stream that has no policy. On a request this is the only way that leads to more memory.
 */
export function recover(context: u32): void {
  if (!hasShortages()) return;
  const now = readClock();
  if (now == 0) return;
  let shortage = dueShortage(0xffffffff, now);
  if (shortage == null) return;
  forgetGone();
  while (shortage != null) {
    const rootContext = shortage.rootContext;
    // A host that does not let us speak for others lets each speak for itself.
    if (setContext(rootContext) || rootContext == context || rootContext == rootOfStream(context))
      tryAgain(shortage, now);
    shortage = dueShortage(rootContext, now);
  }
  setContext(context);
  resetArena();
}

function tryAgain(shortage: Shortage, now: u64): void {
  shortage.tried = now;
  // What others can give up is not asked for over and over.
  const mayAskOthers = shortage.endings != endedConfigurations();
  shortage.endings = endedConfigurations();
  const outcome = attempt(shortage.rootContext, shortage.size, shortage, mayAskOthers);
  if (outcome == Attempt.NO_MEMORY) return;
  const policy = policyOfRoot(shortage.rootContext);
  // The period stays as it is for keys: a tick must not change its own.
  if (shortage.ticks && (policy == null || !holdsRequests(policy))) setTickPeriod(0);
  if (outcome == Attempt.LOST) {
    shortage.ticks = false;
    loseShortage(shortage);
    announceShortage("until it is configured anew, since its configuration had to give way to others");
  } else {
    endShortage(shortage);
  }
}

/** Puts a configuration in force that the host hands over, or that was kept. Others give up what they can if they may be asked. */
function attempt(rootContext: u32, size: u32, shortage: Shortage | null, mayAskOthers: bool): Attempt {
  resetArena();
  const isShort = size <= short_configuration_bytes_max;
  // The larger one first, so that the other does not take from where it would fit.
  region = isShort ? 0 : takeRoom(<usize>size + 16, mayAskOthers);
  const page = !isShort && region == 0 ? 0 : takeRoom(page_room_bytes, mayAskOthers);
  let outcome = Attempt.NO_MEMORY;
  if (page != 0) {
    outcome = readText(size, shortage);
    if (outcome == Attempt.IN_FORCE) outcome = putImageInForce(rootContext, size, page, shortage, mayAskOthers);
  }
  if (outcome != Attempt.IN_FORCE) {
    giveRegion(region);
    giveRegion(page);
  }
  shareTokenRoom();
  resetArena();
  return outcome;
}

/** Where the configuration in hand begins. */
let textStartAt: usize = 0;

/** Reads the configuration into its region, or into the arena where it is short. IN_FORCE: it is there. */
function readText(size: u32, shortage: Shortage | null): Attempt {
  textStartAt = region;
  if (shortage != null) {
    if (region == 0) textStartAt = takeBytes(short_configuration_bytes_max);
    if (textStartAt == 0) return Attempt.NO_MEMORY;
    const kept = readKept(shortage, textStartAt);
    if (kept == Parking.DONE) return Attempt.IN_FORCE;
    return kept == Parking.LOST ? Attempt.LOST : Attempt.NO_MEMORY;
  }
  if (size == 0) return Attempt.IN_FORCE;
  if (region != 0) lendArena(region, <usize>size + 16);
  const text = readConfiguration(0, size);
  textStartAt = spanStart(text);
  // A short one stays in the arena until it is in force.
  if (region != 0) resetArena();
  if (spanSize(text) == size) return Attempt.IN_FORCE;
  refuse(not_handed_over);
  return Attempt.REFUSED;
}

/** Puts the configuration that was read in force, with its tables in `page`. */
function putImageInForce(
  rootContext: u32,
  size: u32,
  page: usize,
  shortage: Shortage | null,
  mayAskOthers: bool,
): Attempt {
  if (!chooseImage(textStartAt, size)) return Attempt.REFUSED;
  const outcome = holdAgainstVersion(mayAskOthers);
  if (outcome != Attempt.IN_FORCE) return outcome;
  const policy = changetype<Policy>(page);
  policy.image = chosenStart;
  const body = load<u32>(head(policy), layout.policy_body_bytes_at);
  if (isDefined(BODIES) && body > roomForBody()) {
    const room = takeRoom(bodyRegionBytes(body), mayAskOthers);
    if (room == 0) return Attempt.NO_MEMORY;
    giveRegion(openBody(room, body));
  }
  if (isDefined(BODIES) && needs(policy, layout.needs_answers) && !isAnswerOpen()) {
    const room = takeRoom(answer_region_bytes, mayAskOthers);
    if (room == 0) return Attempt.NO_MEMORY;
    openAnswer(room);
  }
  if (needs(policy, layout.needs_body | layout.needs_response | layout.needs_ticks) && !isHeldOpen()) {
    const held = takeRoom(held_bytes, mayAskOthers);
    if (held == 0) return Attempt.NO_MEMORY;
    openHeld(held);
  }
  const bytes = keySetsRegionBytes(policy);
  if (bytes != 0) policy.keySetsRegion = takeRoom(bytes, mayAskOthers);
  if (bytes != 0 && policy.keySetsRegion == 0) return Attempt.NO_MEMORY;
  if (putPolicyInForce(rootContext, policy, shortage)) return Attempt.IN_FORCE;
  giveRegion(policy.keySetsRegion);
  return Attempt.REFUSED;
}

/**
 * Holds the chosen image against what was in force in this Envoy. One that may not come in force again, and did not go through the main
 * thread either, is refused. To refuse one that did would leave this worker without the filter (trust/version.ts): a copy of what
 * is in force here takes its place, or nothing does.
 */
function holdAgainstVersion(mayAskOthers: bool): Attempt {
  if (!takesSigned()) return Attempt.IN_FORCE;
  const standing = readStanding(chosenStart);
  if (standing == Standing.CURRENT) return Attempt.IN_FORCE;
  let isRefused = standing == Standing.UNKNOWN;
  if (standing == Standing.NEWER) {
    const now = readClock() / 1000000000;
    // A host that tells no time has it be 0.
    if (expires() == 0 || (now != 0 && now < <u64>expires())) return Attempt.IN_FORCE;
    isRefused = true;
    refuseVersion(" has expired: now is ", now, "");
  } else {
    isRefused = isRefused || (newestPolicy() == 0 && !wasInForce());
    refuseStanding(standing);
  }
  if (isRefused) return Attempt.REFUSED;
  for (let each = newestPolicy(); each != 0; each = changetype<Policy>(each).next) {
    const policy = changetype<Policy>(each);
    // A module's own has no identity.
    if (policy.identity == 0 || policy.identity != heldIdentity()) continue;
    giveRegion(region);
    region = takeRoom(envelopeBytes(policy.image), mayAskOthers);
    if (region == 0) return Attempt.NO_MEMORY;
    chooseCopy(policy.image, region);
    return Attempt.IN_FORCE;
  }
  warn("every request is denied");
  return Attempt.SUPERSEDED;
}

/** Puts a policy in force whose image is sound, and which has room for its key sets. */
function putPolicyInForce(rootContext: u32, policy: Policy, shortage: Shortage | null): bool {
  const page = changetype<usize>(policy);
  policy.configurationRegion = ownedBytes == 0 ? 0 : region;
  policy.recordProperty = page + policy_bytes;
  policy.knownCallers = policy.recordProperty + record_property_bytes;
  policy.counters = policy.knownCallers + known_callers_bytes;
  policy.keySets = policy.keySetsRegion == 0 ? (policy.counters + counters_bytes_max + 15) & ~15 : policy.keySetsRegion;
  policy.rootContext = rootContext;
  policy.identity = identity();
  policy.shadow =
    (mode == mode_of_policy ? load<u32>(head(policy), layout.policy_mode_at) : mode) == layout.mode_shadow;
  nameRecord(policy, recordName, recordNameSize);
  policy.checksCertificateEnd = checksCertificateEnd;
  resetArena();
  if (!isServed(policy, shortage == null ? false : shortage.ticks)) return false;
  openKeySets(policy);
  forget(rootContext);
  if (ownedBytes == 0) giveRegion(region);
  else trimRegion(region, ownedBytes);
  addPolicy(policy);
  if (takesSigned()) setHeir(rootContext);
  adoptKeySets(policy);
  announce(policy, shortage == null ? 0 : max(secondsSince(shortage.since), 1));
  return true;
}

function secondsSince(time: u64): u64 {
  const now = readClock();
  return now > time ? (now - time) / 1000000000 : 0;
}
