/**
 * Quarantine: who is denied too often is shut out for a while. A key, the caller that a request has proved to be from or else the address
 * that it comes from, is asked for before anything dear is done for the request; a denial of a kind that the policy names is counted once
 * it is decided. Neither is a reason to let a request wait.
 *
 * What a request claims and does not prove has no part in its key, so nobody can be shut out by another's requests: a token that is not
 * good counts against the address. A gateway's address is that of all behind it, and so is its ID where it names nobody: such requests have
 * no key, and are neither counted nor shut out.
 */
import { countFailures, countQuarantine } from "../audit/metrics";
import { spanSize, spanStart } from "../bytes/span";
import { openWriter, Writer, writeBytes, writeDecimal, writeText } from "../bytes/writer";
import { address, cutAddress } from "../condition/address";
import { isSourceForwarded, parseSource, sourceText } from "../condition/sources";
import { Failure } from "../failure";
import { LogLevel, Result } from "../host/abi";
import { giveBack, holdBack } from "../host/arena";
import { fail, log, readClock } from "../host/host";
import { keyedHash } from "../host/secret";
import { isForwarderId } from "../identity/forwarded";
import { blamed_bytes_max, log_bytes_max, quarantine_attempts_max, quarantine_times_max } from "../limits";
import * as layout from "../policy/layout";
import { head, Policy, recordAt, sectionCount, textAt, textSize, textStart } from "../policy/policy";
import { Reason } from "../reason";
import { isQuarantineShadow, QuarantineEvent, writeQuarantineEvent } from "../request/quarantine";
import { request } from "../request/request";
import { trust_domain_offset } from "../request/spiffe";
import {
  clearEntry,
  end_at,
  endOf,
  findEntry,
  last_at,
  lastOf,
  quarantine_room_bytes,
  readSet,
  seconds_at,
  shut_at,
  times_at,
  window_at,
  writeSet,
} from "./table";
import { addDenial } from "./window";

/** What kind of value goes into a key's hash. */
const kind_quarantine: u64 = 0x300;
const kind_part: u64 = 0x301;

/** The hash of a request without a key. */
const nobody: u64 = 0;
/** Whether the host failed when it was asked for the caller's address. */
let isSourceLost: bool = false;
/** What is hashed with the parts of a key. */
const mixed: usize = memory.data(8, 8);
/** A zero, and an address. */
const plain: usize = memory.data(24, 8);

const second_nanoseconds: u64 = 1000000000;
const writer = changetype<Writer>(memory.data(32, 8));
const line: usize = memory.data(log_bytes_max);

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
    const record = quarantineAt(policy, index);
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

function quarantineAt(policy: Policy, index: u32): usize {
  return recordAt(policy, layout.section_quarantines, index);
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
      event = addTo(entry, record, now, end + most <= now, most, within)
        ? QuarantineEvent.ENTER
        : QuarantineEvent.COUNT;
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
      tell(policy, index, event, load<u32>(entry, seconds_at));
    // Where the host refuses, it is for another request to write it.
    if (written != Result.CAS_MISMATCH) return isLetOut ? 0 : max(left, 0);
  }
  fail(Failure.SHARED_DATA_CONTENTION);
  return -1;
}

/** Adds a denial to an entry, and shuts it out when there are too many: true then. @param isQuiet what happened before is forgotten */
function addTo(entry: usize, record: usize, now: u64, isQuiet: bool, most: u64, within: u64): bool {
  const denials = load<u32>(record, layout.quarantine_denials_at);
  const last = lastOf(entry, now);
  if (last + within <= now) store<u32>(entry, 0, window_at);
  store<u64>(entry, max(last, now), last_at);
  const group = (denials + quarantine_times_max - 1) / quarantine_times_max;
  if (addDenial(entry + window_at, now / 1000000, <u32>(within / 1000000), group) < denials) return false;
  const times: u32 = isQuiet ? 0 : load<u8>(entry, times_at);
  const lasts = min((<u64>load<u32>(record, layout.quarantine_for_seconds_at) * second_nanoseconds) << times, most);
  store<u64>(entry, now + lasts, end_at);
  store<u32>(entry, <u32>(lasts / second_nanoseconds), seconds_at);
  // Doubled so often, any time is as long as the longest.
  store<u8>(entry, min(times + 1, 16), times_at);
  store<u8>(entry, 1, shut_at);
  store<u32>(entry, 0, window_at);
  return true;
}

/** The hash of what the quarantine keeps its counts per; `nobody` where the request has no key. */
function hashOfKey(policy: Policy, index: u32, record: usize): u64 {
  isSourceLost = false;
  const per = record + layout.quarantine_per_at;
  // What was counted in shadow mode shuts nobody out.
  let hash: u64 = isQuarantineShadow(policy, index) ? 1 : 0;
  for (let part: u32 = 0; part < load<u32>(per, 4); part++) {
    const value = hashOfPart(policy, recordAt(policy, layout.section_selectors, load<u32>(per) + part));
    if (value == nobody) return nobody;
    store<u64>(mixed, value);
    hash = keyedHash(hash, kind_quarantine, mixed, 8);
  }
  return hash | 1;
}

/** The hash of one part of a key: of the caller where it is known, else of its address, which is told from a text by a zero before it. */
function hashOfPart(policy: Policy, selector: usize): u64 {
  const kind = load<u32>(selector, layout.selector_kind_at);
  const isGateway = isForwarderId(policy);
  if (kind != layout.selector_source && request.callerReason == Reason.ALLOWED) {
    const start = request.callerStart;
    if (isGateway) return nobody;
    return kind == layout.selector_caller
      ? hashOfText(start, request.callerSize)
      : hashOfText(start + trust_domain_offset, request.callerDomainSize);
  }
  const size = parseSource(policy);
  if (size < 0) isSourceLost = true;
  // Behind a gateway, the connection is the gateway's.
  if (size <= 0 || ((isGateway || request.forwarderSize != 0) && !isSourceForwarded())) return nobody;
  const bits =
    size == 4 ? load<u32>(selector, layout.selector_four_bits_at) : load<u32>(selector, layout.selector_six_bits_at);
  cutAddress(size, bits);
  memory.copy(plain + 1, address, size);
  return hashOfText(plain, size + 1);
}

// @inline
function hashOfText(start: usize, size: u32): u64 {
  return keyedHash(0, kind_part, start, size);
}

/** Whether the policy lets out what a part of the key is. Its addresses are as those of requests are hashed. */
function isReleased(policy: Policy, record: usize): bool {
  const per = record + layout.quarantine_per_at;
  const releases = record + layout.quarantine_releases_at;
  const count = load<u32>(releases, 4);
  for (let part: u32 = 0; count != 0 && part < load<u32>(per, 4); part++) {
    const hash = hashOfPart(policy, recordAt(policy, layout.section_selectors, load<u32>(per) + part));
    for (let index: u32 = 0; index < count; index++) {
      const text = textAt(policy, load<u32>(releases) + index);
      if (hash == hashOfText(textStart(policy, text), textSize(text))) return true;
    }
  }
  return false;
}

/** Keeps what happened, for the record. */
function note(index: u32, event: QuarantineEvent): void {
  request.quarantine = index + 1;
  request.quarantineEvent = event;
}

/** Says that a key comes or goes: in the record, the metrics and the log. @param seconds for how long it comes */
function tell(policy: Policy, index: u32, event: QuarantineEvent, seconds: u32): void {
  note(index, event);
  countQuarantine(policy, index, event);
  openWriter(writer, line, log_bytes_max);
  writeText(writer, "sallyport: policy ");
  writeName(policy, head(policy) + layout.policy_name_at);
  writeText(writer, ", quarantine ");
  writeName(policy, quarantineAt(policy, index) + layout.quarantine_name_at);
  writeText(writer, ": ");
  writeQuarantineEvent(writer, policy, index, event);
  if (event == QuarantineEvent.ENTER) {
    writeText(writer, " for ");
    writeDecimal(writer, seconds);
    writeText(writer, " s");
  }
  if (request.callerReason == Reason.ALLOWED) {
    writeText(writer, ", ");
    writeBytes(writer, request.callerStart, min(request.callerSize, blamed_bytes_max));
  }
  if (request.sourceRead) {
    const source = sourceText();
    writeText(writer, ", from ");
    writeBytes(writer, spanStart(source), spanSize(source));
  }
  log(LogLevel.WARN, line, writer.size);
}

function writeName(policy: Policy, text: usize): void {
  writeBytes(writer, textStart(policy, text), textSize(text));
}
