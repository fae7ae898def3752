/**
 * Quarantines of a fleet. Its rate limit service (fleet/question.ts) counts denials for all Envoys, and knows who is shut out. Nobody
 * waits for it: a worker asks in the background, for a key that sends requests every `quarantine_ask_seconds`, and for one that was
 * denied at once.
 *
 * The service knows numbers of this hour or day alone. So time is divided into periods, and who is shut out has been counted in each
 * period until the end. A count is all that matters there, so that it does no harm where several Envoys say the same. A key is shut out for
 * `for`, or twice, four times … as long: each such level has periods of its own, a quarter to an eighth of its time, so that few have to be
 * told and one of each level to be asked for.
 *
 *   level 0   |  |  |XX|XX|XX|XX|  |  |  |  |  |       X: counted for a key that is shut out. The service has no room
 *   level 1   |     |     |     |     |     |          for more than none, so it answers OVER_LIMIT to who asks with no
 *             └─ a period                              hits of its own.
 *
 * Asked for is the period a little ahead. An Envoy that is told so shuts the key out until the period's end, and asks for what comes
 * after it. One that knows better, since it has counted the denials itself or the service has lost what it knew, tells the service; of the
 * period in which its own time ends it believes nobody. While the service is away each Envoy's quarantines go on as its own.
 *
 * A worker has one entry for each key, by bits of its hash, until it may ask again. Another key that meets it waits for that, and is next.
 *
 *   0          8              16     20      24     28     32         36         40          44        48
 *   +----------+--------------+------+-------+------+------+----------+----------+-----------+---------+-----------+
 *   | hash u64 | asked at u64 | call | index | seed | owed | hits of  | statuses | 1: others | second  | digest 16 |
 *   |          |              |      |       |      |      | the call | to come  | wait      | asked   |           |
 *   +----------+--------------+------+-------+------+------+----------+----------+-----------+---------+-----------+
 */
import { countFleet, FleetAnswer } from "../audit/metrics";
import { copyBytes } from "../bytes/span";
import { Answer, failed, overs, statuses, unknown } from "../fleet/answer";
import { addDescriptor, mayAsk, noteFailure, openQuestion, own_hits_max, send } from "../fleet/question";
import { Result } from "../host/abi";
import { readClock } from "../host/host";
import {
  fleet_limit_bytes_max,
  fleet_question_bytes_max,
  name_bytes_max,
  quarantine_ask_seconds,
  quarantine_asks_max,
  quarantine_attempts_max,
  quarantine_fleet_factor_max,
} from "../limits";
import * as layout from "../policy/layout";
import { Policy, recordAt, sectionCount, textSize } from "../policy/policy";
import { isQuarantineShadow, QuarantineEvent } from "../request/quarantine";
import { clearRequest, request } from "../request/request";
import { digestKey, isReleased } from "./key";
import {
  endOf,
  findEntry,
  readSet,
  second_nanoseconds,
  shut_at,
  shutAgain,
  shutUntil,
  times_at,
  writeSet,
} from "./table";
import { tell } from "./tell";

if (!((quarantine_asks_max & (quarantine_asks_max - 1)) == 0)) ERROR("quarantine_asks_max is a power of two");
if (!(quarantine_fleet_factor_max == 32)) ERROR("six levels, the first of them once");

const asked_at: usize = 8;
const call_at: usize = 16;
const index_at: usize = 20;
const seed_at: usize = 24;
const owed_at: usize = 28;
const hits_at: usize = 32;
const statuses_at: usize = 36;
const wanted_at: usize = 40;
const ahead_at: usize = 44;
const digest_at: usize = 48;
const entry_bytes: u32 = 64;
const entries: usize = memory.data(quarantine_asks_max * 64, 8);
const entriesEnd: usize = entries + quarantine_asks_max * entry_bytes;
const ask_nanoseconds: u64 = <u64>quarantine_ask_seconds * second_nanoseconds;
/** How far ahead is asked for a period: until the next question, and for as long as another key may be before it. */
const ahead_nanoseconds: u64 = 2 * ask_nanoseconds;
/** The most that are told of at a time: of a level's time, eight, and those at both ends. */
const periods_max: u32 = 10;
const descriptor_bytes_max: u32 = fleet_limit_bytes_max + 59;
if (!(periods_max * descriptor_bytes_max + name_bytes_max + 8 <= fleet_question_bytes_max))
  ERROR("a question holds them all");
/** In an answer, of those that ask: the denials, a period in which nobody was shut out, and from the third on the levels. */
const over_count: u32 = 1;
const over_nobody: u32 = 2;
const levels_shift: u32 = 2;

const digest: usize = memory.data(32, 8);

/** Whether a quarantine is one of the fleet. */
export function isOfFleet(record: usize): bool {
  return textSize(record + layout.quarantine_count_at) != 0;
}

/**
 * Asks the fleet of the key of the request in hand, unless that was done a moment ago.
 * @param denials of it that the fleet has not been told of: 1 or 0
 */
export function hear(policy: Policy, index: u32, record: usize, hash: u64, denials: u32): void {
  const now = request.nowNanoseconds;
  const seed = load<u32>(record, layout.quarantine_seed_at);
  const place = (<u32>(hash >> 16) ^ seed) & (quarantine_asks_max - 1);
  const entry = entries + <usize>place * entry_bytes;
  // Where the clock stepped back to before it, an entry is older than any.
  const age = now - load<u64>(entry, asked_at);
  const isRecent = age < ask_nanoseconds;
  const isWanted = load<u32>(entry, wanted_at) != 0;
  if (load<u64>(entry) == hash && load<u32>(entry, seed_at) == seed) {
    // Of two keys that send requests all the time, neither waits for ever.
    if (isWanted && !isRecent && age < 2 * ask_nanoseconds) return;
  } else {
    store<u32>(entry, 1, wanted_at);
    if (isRecent) return;
    store<u64>(entry, hash);
    store<u32>(entry, seed, seed_at);
    store<u32>(entry, 0, call_at);
  }
  // What could not be told at once is not told late: it would count in another minute than it was in.
  const owed = min((isRecent ? load<u32>(entry, owed_at) : 0) + denials, own_hits_max);
  store<u32>(entry, owed, owed_at);
  if ((isRecent && (owed == 0 || load<u32>(entry, call_at) != 0)) || isReleased(policy, record)) return;
  store<u32>(entry, index, index_at);
  digestKey(policy, index, record, digest);
  // Where only is told what would be, that is counted and told apart.
  store<u64>(digest, load<u64>(digest) ^ (isQuarantineShadow(policy, index) ? 8 : 0));
  copyBytes(entry + digest_at, digest, 16);
  ask(policy, record, entry, (now + ahead_nanoseconds) / second_nanoseconds);
}

/** Asks the fleet whether the key of an entry is out in a second to come, unless the service rests. */
function ask(policy: Policy, record: usize, entry: usize, ahead: u64): void {
  if (!mayAsk(policy)) return;
  store<u64>(entry, request.nowNanoseconds, asked_at);
  store<u32>(entry, 0, wanted_at);
  const owed = load<u32>(entry, owed_at);
  store<u32>(entry, 0, owed_at);
  openQuestion(policy);
  addDescriptor(policy, record + layout.quarantine_count_at, entry + digest_at, owed);
  store<u32>(entry, <u32>ahead, ahead_at);
  // Nobody has told of 1970. A service that knows somebody to be out then does not heed a descriptor's own hits: it counts all questions.
  addPeriod(policy, record, entry, 0, 0, 0);
  let level: u32 = 0;
  for (; isLevel(record, level); level++) {
    addPeriod(policy, record, entry, level, ahead >> periodBits(record, level), 0);
  }
  const number = send(policy, 1);
  store<u32>(entry, number < 0 ? 0 : <u32>number, call_at);
  store<u32>(entry, owed, hits_at);
  store<u32>(entry, level + levels_shift, statuses_at);
}

/** Whether a quarantine has that level. */
function isLevel(record: usize, level: u32): bool {
  const first = load<u32>(record, layout.quarantine_for_seconds_at);
  return level == 0 || (level < 6 && first << (level - 1) < load<u32>(record, layout.quarantine_max_seconds_at));
}

/** A level's period is 2 to this power of seconds. */
function periodBits(record: usize, level: u32): u32 {
  return 31 - clz((load<u32>(record, layout.quarantine_for_seconds_at) >> 2) | 1) + level;
}

/** Adds a period to the question. */
function addPeriod(policy: Policy, record: usize, entry: usize, level: u32, period: u64, hits: u32): void {
  copyBytes(digest, entry + digest_at, 16);
  store<u64>(digest, load<u64>(digest) ^ ((period << 4) | <u64>level));
  addDescriptor(policy, record + layout.quarantine_shut_at, digest, hits);
}

/** Takes the answer to a call, the last one that was read (fleet/answer.ts), where the call is one of ours; else false. */
export function takeNews(policy: Policy, number: u32, answer: Answer): bool {
  let entry = entries;
  while (entry < entriesEnd && load<u32>(entry, call_at) != number) entry += entry_bytes;
  if (entry == entriesEnd || number == 0) return false;
  store<u32>(entry, 0, call_at);
  if (answer == failed || statuses != load<u32>(entry, statuses_at)) {
    noteFailure(policy);
    return true;
  }
  policy.fleetFailures = 0;
  const index = load<u32>(entry, index_at);
  if (answer == unknown || (overs & over_nobody) != 0) {
    countFleet(policy, FleetAnswer.UNKNOWN);
    return true;
  }
  // Another configuration of the same root context may have other quarantines.
  if (index >= sectionCount(policy, layout.section_quarantines)) return true;
  const record = recordAt(policy, layout.section_quarantines, index);
  if (load<u32>(record, layout.quarantine_seed_at) != load<u32>(entry, seed_at)) return true;
  clearRequest();
  request.nowNanoseconds = readClock();
  if (request.nowNanoseconds == 0) return true;
  const next = learn(policy, index, record, entry, load<u32>(entry, hits_at) != 0 && (overs & over_count) != 0);
  // What comes after a period that is news; or denials since then.
  if (next != 0 || (load<u32>(entry, call_at) == 0 && load<u32>(entry, owed_at) != 0))
    ask(policy, record, entry, max(next, load<u32>(entry, ahead_at)));
  return true;
}

/**
 * Shuts a key out that the fleet says is, or has had too many denials; or tells the fleet of one that is. The second after the period that
 * the fleet has told of, where that was news; else 0.
 */
function learn(policy: Policy, index: u32, record: usize, entry: usize, isTooMany: bool): u64 {
  const now = request.nowNanoseconds;
  const ahead = <u64>load<u32>(entry, ahead_at);
  let since: u64 = 0;
  let until: u64 = 0;
  let times: u32 = 0;
  for (let level: u32 = 0; isLevel(record, level); level++) {
    const bits = periodBits(record, level);
    const period = ahead >> bits;
    const end = ((period + 1) << bits) * second_nanoseconds;
    if (((overs >> (level + levels_shift)) & 1) == 0 || end <= until) continue;
    since = (period << bits) * second_nanoseconds;
    until = end;
    times = level + 1;
  }
  const most = <u64>load<u32>(record, layout.quarantine_max_seconds_at) * second_nanoseconds;
  const within = <u64>load<u32>(record, layout.quarantine_within_seconds_at) * second_nanoseconds;
  // The fleet has no say in how long that may be.
  if (until > now + most + most) return 0;
  let end: u64 = 0;
  let isNews = false;
  for (let attempt: u32 = 0; attempt < quarantine_attempts_max; attempt++) {
    if (!readSet(load<u32>(record, layout.quarantine_seed_at), load<u64>(entry))) return 0;
    const kept = findEntry(load<u64>(entry), isTooMany || until > now, now, most, within);
    if (kept == 0) return 0;
    end = endOf(kept, now);
    const isIn = load<u8>(kept, shut_at) != 0 && end > now;
    const isQuiet = end + most <= now;
    // In the period of the end that is known here the key was to be let in: who told of it may have been us.
    isNews = until > now && since >= end;
    if (isNews) shutUntil(kept, now, until, max<u32>(isQuiet ? 0 : load<u8>(kept, times_at), times));
    else if (isTooMany && !isIn) shutAgain(kept, record, now, isQuiet);
    else break;
    end = endOf(kept, now);
    const written = writeSet();
    if (written == Result.OK && !isIn) tell(policy, index, QuarantineEvent.ENTER, 0, true);
    if (written != Result.CAS_MISMATCH) break;
  }
  if (until == 0 && end > ahead * second_nanoseconds) announce(policy, record, entry, end);
  return isNews ? until / second_nanoseconds : 0;
}

/** Tells the fleet that a key is shut out until a time. */
function announce(policy: Policy, record: usize, entry: usize, end: u64): void {
  const now = request.nowNanoseconds;
  let level: u32 = 0;
  const first = <u64>load<u32>(record, layout.quarantine_for_seconds_at) * second_nanoseconds;
  while (isLevel(record, level + 1) && first << level < end - now) level++;
  const bits = periodBits(record, level);
  const last = ((end - 1) / second_nanoseconds) >> bits;
  openQuestion(policy);
  let told: u32 = 0;
  for (let period = (now / second_nanoseconds) >> bits; period <= last && told < periods_max; period++) {
    addPeriod(policy, record, entry, level, period, 1);
    told++;
  }
  // Whether that was heard shows when the key is asked for again.
  send(policy, 1);
}
