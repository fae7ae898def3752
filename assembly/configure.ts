/**
 * From a plugin configuration to a policy in force. Whatever is invalid is refused with one line of log, and the host
 * keeps the configuration it had. The answer depends on the configuration alone, never on the worker: a worker that
 * refused what the main thread accepted would be left without the filter. A worker without memory accepts, denies every
 * request, and tries again (shortage/shortage.ts). Whether a signed image is older than one that was in force is no worker's to refuse
 * either (trust/version.ts).
 */

import { announce, announceLostCounts, announceShortage, refuse, refuseVersion, refuseWithout, warn } from "./announce";
import { gatheredCounts, handOverCounts } from "./audit/counts";
import { counters_bytes_max, defineCounters, lowerInfo } from "./audit/metrics";
import { nameRecord, record_property_bytes } from "./audit/record";
import { spanSize, spanStart } from "./bytes/span";
import { chooseCopy, chooseImage, chosenStart, envelopeBytes, ownedBytes, takesSigned } from "./chosen";
import { checksCertificateEnd, mode, mode_of_policy, recordName, recordNameSize } from "./configuration";
import { lendArena, resetArena, takeBytes } from "./host/arena";
import { isContextGone, readClock, readConfiguration, setContext, setTickPeriod } from "./host/host";
import { missingCall, missingFetchCall, missingFleetCall, missingHeaderCall, missingHoldCall } from "./host/probe";
import { giveRegion, page_room_bytes, trimRegion } from "./host/region";
import { no_shared_data, openSecret, secretProblem } from "./host/secret";
import { known_callers_bytes } from "./identity/known";
import { closeKeySets, keySetsRegionBytes, openKeySets, paged_key_sets_bytes } from "./keys/keyset";
import { adoptKeySets, endFetches, fetchesKeys } from "./keys/refresh";
import { holdsRequests, moveWaiting } from "./keys/waiting";
import { key_tick_milliseconds, short_configuration_bytes_max, shortages_max } from "./limits";
import * as layout from "./policy/layout";
import { hasFleet, head, needs, Policy, placeAt, sectionCount } from "./policy/policy";
import {
  addPolicy,
  areContextsAnnounced,
  goneRoot,
  isHeir,
  isStream,
  newestPolicy,
  policyOfRoot,
  removePolicy,
  rootOfStream,
  setHeir,
} from "./policy/root";
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
  shortageAt,
  shortageOf,
} from "./shortage/shortage";
import { held_bytes, isHeldOpen, openHeld } from "./streams/held";
import { hostCanVerify } from "./token/signature";
import { expires, identity } from "./trust/envelope";
import { heldIdentity, heldVersion, keepVersion, readStanding, Standing, wasInForce } from "./trust/version";

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

/** How many configurations have ended, whose memory others may have since. */
let endings: u32 = 0;

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
  shortage.endings = endings;
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
  const mayAskOthers = shortage.endings != endings;
  shortage.endings = endings;
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

/** A context ends: if it is a root context, what belonged to it is given back, and its timer ends. */
export function endConfiguration(context: u32): void {
  if (isStream(context)) return;
  const shortage = shortageOf(context);
  if (shortage != null) {
    if (shortage.ticks) setTickPeriod(0);
    endShortage(shortage);
  }
  const policy = policyOfRoot(context);
  if (policy == null) return;
  if (policy.isTicking) setTickPeriod(0);
  end(context);
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

/** Gives back what belonged to root contexts that are gone, before more is taken. Another context is in hand afterwards. */
function forgetGone(): void {
  for (let gone = goneRoot(); gone != 0; gone = goneRoot()) end(gone);
  if (!hasShortages()) return;
  for (let index: u32 = 0; index < shortages_max; index++) {
    const shortage = shortageAt(index);
    if (shortage.rootContext != 0 && isContextGone(shortage.rootContext)) endShortage(shortage);
  }
}

/**
 * A root context that has a policy ends. If that decides for others too, one with the same image does so from now on. Where there is none,
 * but one with an older image, the policy is that root context's from now on, in place of its own.
 */
function end(context: u32): void {
  if (isHeir(context)) {
    const policy = policyOfRoot(context)!;
    let heir: u32 = 0;
    let isSame = false;
    for (let each = newestPolicy(); each != 0 && !isSame; each = changetype<Policy>(each).next) {
      const other = changetype<Policy>(each);
      if (other == policy) continue;
      isSame = other.identity == policy.identity;
      if (isSame || heir == 0) heir = other.rootContext;
    }
    setHeir(heir);
    if (heir != 0 && !isSame) {
      forget(heir);
      removePolicy(context);
      moveWaiting(context, heir);
      policy.rootContext = heir;
      addPolicy(policy);
      if (policy.isTicking && setContext(heir)) setTickPeriod(key_tick_milliseconds);
      return;
    }
  }
  forget(context);
}

/** Gives back what belonged to a root context. */
function forget(context: u32): void {
  const policy = removePolicy(context);
  if (policy == null) return;
  lowerInfo(policy);
  if (!handOverCounts(policy)) announceLostCounts(policy, gatheredCounts(policy));
  endFetches(policy);
  closeKeySets(policy);
  giveRegion(policy.keySetsRegion);
  giveRegion(policy.configurationRegion);
  giveRegion(changetype<usize>(policy));
  endings++;
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
  if (isRefused) refuse(no_shared_data);
  else if (standing == Standing.NEWER) {
    const now = readClock() / 1000000000;
    // A host that tells no time has it be 0.
    if (expires() == 0 || (now != 0 && now < <u64>expires())) return Attempt.IN_FORCE;
    isRefused = true;
    refuseVersion(" has expired: now is ", now, "");
  } else {
    isRefused = newestPolicy() == 0 && !wasInForce();
    refuseVersion(
      standing == Standing.OLDER ? " is older than " : " is not the ",
      heldVersion(),
      ", which was in force in this Envoy",
    );
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

/** Whether the host can do what the policy will ask of it. */
function isServed(policy: Policy, isTicking: bool): bool {
  if (!areContextsAnnounced()) return refuseWithout("proxy_on_context_create");
  let missing = missingCall();
  if (missing.length == 0 && changesHeaders(policy)) missing = missingHeaderCall();
  const fetches = fetchesKeys(policy);
  const isHolding = holdsRequests(policy);
  if (missing.length == 0 && isHolding) missing = missingHoldCall(policy.rootContext);
  if (missing.length == 0 && fetches) missing = missingFetchCall();
  if (missing.length == 0 && hasFleet(policy)) missing = missingFleetCall();
  if (missing.length != 0) return refuseWithout(missing);
  if (!openSecret()) return refuse(secretProblem);
  if (!defineCounters(policy)) return refuse("the host refused a metric: is proxy_define_metric allowed?");
  policy.isTicking = isHolding && (isTicking || setTickPeriod(key_tick_milliseconds));
  if (isHolding && !policy.isTicking) {
    return refuse("the host will not tick, which the policy needs: is proxy_set_tick_period_milliseconds allowed?");
  }
  if (sectionCount(policy, layout.section_issuers) != 0) chooseVerifier(policy);
  if (!takesSigned() || keepVersion(policy.image)) return true;
  setTickPeriod(0);
  return refuse(no_shared_data);
}

/** Whether requests may go on with other headers than they came with. */
function changesHeaders(policy: Policy): bool {
  if (sectionCount(policy, layout.section_forwards) != 0 || needs(policy, layout.needs_hops)) return true;
  const places = sectionCount(policy, layout.section_places);
  for (let index: u32 = 0; index < places; index++) {
    if (load<u32>(placeAt(policy, index), layout.place_strip_at) != 0) return true;
  }
  return false;
}

/** One choice for all signatures of a policy, so that the log tells by whom they were verified. */
function chooseVerifier(policy: Policy): void {
  policy.hostVerifies = hostCanVerify();
  if (policy.hostVerifies) return;
  warn("the host does not verify signatures (verify_signature): the module verifies all of them, at a higher cost");
}
