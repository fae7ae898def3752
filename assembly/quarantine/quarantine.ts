/**
 * Quarantine: who is denied too often is shut out for a while. A key (quarantine/key.ts) is
 * asked for before anything dear is done for the request; a denial of a kind that the policy names is counted once
 * it is decided. Neither is a reason to let a request wait.
 */
import { countFailures, countQuarantine } from "../audit/metrics";
import { Failure } from "../failure";
import { Result } from "../host/abi";
import { giveBack, holdBack } from "../host/arena";
import { fail, readClock } from "../host/host";
import { quarantine_attempts_max, quarantine_times_max } from "../limits";
import * as layout from "../policy/layout";
import { Policy, recordAt, sectionCount } from "../policy/policy";
import { Reason } from "../reason";
import { QuarantineEvent } from "../request/quarantine";
import { request } from "../request/request";
import { hear, isOfFleet } from "./fleet";
import { hashOfKey, isReleased, isSourceLost, nobody } from "./key";
import {
  clearEntry,
  end_at,
  endOf,
  findEntry,
  last_at,
  lastOf,
  quarantine_room_bytes,
  readSet,
  second_nanoseconds,
  seconds_at,
  shut_at,
  shutAgain,
  window_at,
  writeSet,
} from "./table";
import { note, tell } from "./tell";
import { addDenial } from "./window";

/** Where the arena ends without what is kept to count a denial. */
let arenaEnd: usize = 0;

/** Keeps room to count the request in hand when it is denied, however much it fills: what fills everything is denied, and counts. */
export function keepRoom(policy: Policy): void {
  if (sectionCount(policy, layout.section_quarantines) != 0) arenaEnd = holdBack(quarantine_room_bytes);
}

/** Whether the request in hand is shut out. QUARANTINED, INTERNAL where that cannot be found out, or ALLOWED. */
export function checkQuarantines(policy: Policy): Reason {
  return askAll(policy, false, Reason.ALLOWED);
}

/**
 * Counts the request in hand, once it is decided: as refused where it was, else as denied where a quarantine is for its reason. What fails
 * here changes no decision.
 */
export function countDenial(policy: Policy, reason: Reason): void {
  if (sectionCount(policy, layout.section_quarantines) == 0) return;
  giveBack(arenaEnd);
  askAll(policy, true, reason);
  // None of them is to blame for what fails after this.
  countFailures(policy);
}

/** One way through all quarantines for both, so that each part of it is in the engine once. */
function askAll(policy: Policy, isDecided: bool, decided: Reason): Reason {
  let reason = Reason.ALLOWED;
  const count = sectionCount(policy, layout.section_quarantines);
  for (let index: u32 = 0; index < count; index++) {
    const record = recordAt(policy, layout.section_quarantines, index);
    if (isDecided) {
      const isShut = (request.quarantinesShut >> index) & 1;
      if (isShut) countQuarantine(policy, index, QuarantineEvent.DENY);
      if (isShut || ((load<u64>(record, layout.quarantine_reasons_at) >> decided) & 1) == 0) continue;
      // A request that was refused for its form was so before its time was read.
      if (request.nowNanoseconds == 0) request.nowNanoseconds = readClock();
      if (request.nowNanoseconds == 0) continue;
    }
    const hash = hashOfKey(policy, index, record);
    const left = hash == nobody ? 0 : ask(policy, index, record, hash, isDecided);
    if (hash != nobody && !isSourceLost && isOfFleet(record)) hear(policy, index, record, hash, isDecided ? 1 : 0);
    const denies = load<u32>(record, layout.quarantine_mode_at) != layout.mode_shadow;
    if (isDecided) continue;
    if (left < 0 || isSourceLost) {
      if (denies) return Reason.INTERNAL;
    } else if (left > 0) {
      request.quarantinesShut |= 1 << index;
      note(index, QuarantineEvent.DENY);
      if (!denies) continue;
      reason = Reason.QUARANTINED;
      request.retryAfterSeconds = max(
        request.retryAfterSeconds,
        (<u64>left + second_nanoseconds - 1) / second_nanoseconds,
      );
      // Nothing is fetched, and nobody waits, for a request that is refused whatever its token is worth.
      request.unknownKeySets = 0;
      request.doubtedKeySets = 0;
    }
  }
  return reason;
}

/**
 * Asks for how long a key is shut out, or adds a denial to it; -1 where the host fails. A key whose time is over is let in again, and one
 * that was denied too often is shut out; either is told once.
 */
function ask(policy: Policy, index: u32, record: usize, hash: u64, isDenied: bool): i64 {
  const now = request.nowNanoseconds;
  const most = <u64>load<u32>(record, layout.quarantine_max_seconds_at) * second_nanoseconds;
  const within = <u64>load<u32>(record, layout.quarantine_within_seconds_at) * second_nanoseconds;
  for (let attempt: u32 = 0; attempt < quarantine_attempts_max; attempt++) {
    if (!readSet(load<u32>(record, layout.quarantine_seed_at), hash)) return -1;
    const entry = findEntry(hash, isDenied, now, most, within);
    if (entry == 0 || (!isDenied && load<u8>(entry, shut_at) == 0)) return 0;
    const isLetOut = isReleased(policy, record);
    const before = load<u64>(entry, end_at);
    const end = endOf(entry, now);
    const left = <i64>(end - now);
    let event = QuarantineEvent.LEAVE;
    if (isDenied) {
      // Where it is shut out already, another request was first.
      if (isLetOut || left > 0) return 0;
      event = addTo(entry, record, now, end + most <= now, within) ? QuarantineEvent.ENTER : QuarantineEvent.COUNT;
    } else if (isLetOut) {
      clearEntry(entry);
    } else if (left > 0) {
      if (end == before) return left;
      event = QuarantineEvent.COUNT;
    } else {
      store<u8>(entry, 0, shut_at);
    }
    const written = writeSet();
    if (written == Result.OK && event != QuarantineEvent.COUNT)
      tell(policy, index, event, load<u32>(entry, seconds_at), false);
    // Where the host refuses, it is for another request to write it.
    if (written != Result.CAS_MISMATCH) return isLetOut ? 0 : max(left, 0);
  }
  fail(Failure.SHARED_DATA_CONTENTION);
  return -1;
}

/** Adds a denial to an entry, and shuts it out when there are too many: true then. @param isQuiet what happened before is forgotten */
function addTo(entry: usize, record: usize, now: u64, isQuiet: bool, within: u64): bool {
  const denials = load<u32>(record, layout.quarantine_denials_at);
  const last = lastOf(entry, now);
  if (last + within <= now) store<u32>(entry, 0, window_at);
  store<u64>(entry, max(last, now), last_at);
  const group = (denials + quarantine_times_max - 1) / quarantine_times_max;
  if (addDenial(entry + window_at, now / 1000000, <u32>(within / 1000000), group) < denials) return false;
  shutAgain(entry, record, now, isQuiet);
  return true;
}
