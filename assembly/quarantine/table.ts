/**
 * Keys in shared data, for all workers of a host: those with denials of late, and those that are shut out. Shared data is never freed, so a
 * quarantine has a fixed number of sets, each one shared value with room for a few keys. A key's hash, under a secret of this Envoy
 * (host/secret.ts), names its set, so that nobody can choose whom to meet there.
 *
 *   0          8                16                24                 28             29        32        36
 *   +----------+----------------+-----------------+------------------+--------------+---------+---------+--------- ... ---+
 *   | hash u64 | its end u64    | last denial u64 | seconds it takes | how often it | 1: shut | a window (window.ts)        |
 *   |          | 0: never       |                 |                  | has happened | out     |         |                 |
 *   +----------+----------------+-----------------+------------------+--------------+---------+---------+--------- ... ---+
 *
 * An entry is free once its key has no denials in the window and nothing is left of its time in quarantine that matters. Until then it is
 * its key's: nobody pushes out anybody. A newcomer to a set without a free entry is not counted, so it errs towards admitting.
 */
import { literal } from "../bytes/literal";
import { clearBytes, copyBytes } from "../bytes/span";
import { Result } from "../host/abi";
import { readValue, writeValue } from "../host/sharedvalue";
import { clock_skew_nanoseconds_max, quarantine_sets, quarantine_ways } from "../limits";
import * as layout from "../policy/layout";
import { window_bytes } from "./window";

if (!((quarantine_sets & (quarantine_sets - 1)) == 0)) ERROR("quarantine_sets is a power of two");

export const end_at: usize = 8;
export const last_at: usize = 16;
export const seconds_at: usize = 24;
export const times_at: usize = 28;
export const shut_at: usize = 29;
export const window_at: usize = 32;
const entry_bytes: u32 = 168;
if (!(window_at + window_bytes <= entry_bytes)) ERROR("an entry holds a window");

export const second_nanoseconds: u64 = 1000000000;

const set_bytes: u32 = quarantine_ways * entry_bytes;
/** What asking one set takes of the arena at a time, with the address of the connection. */
export const quarantine_room_bytes: u32 = set_bytes + 256;
/** The set in hand. */
const set: usize = memory.data(quarantine_ways * 168, 8);

/** The key of a set: a prefix that stays where it is, the quarantine's seed, the set's number. */
const prefix = literal("sallyport:quarantine:1:");
const key_prefix_bytes: u32 = 23;
const key_bytes: u32 = key_prefix_bytes + 8;
const key: usize = memory.data(32, 8);
copyBytes(key, prefix.start, key_prefix_bytes);

/** Has the set of a hash in hand. False where the host fails. */
export function readSet(seed: u32, hash: u64): bool {
  store<u32>(key, seed, key_prefix_bytes);
  store<u32>(key, <u32>hash & (quarantine_sets - 1), key_prefix_bytes + 4);
  return readValue(key, key_bytes, set, set_bytes);
}

/** Writes the set in hand. OK, CAS_MISMATCH where another worker was first, or a failure. */
export function writeSet(): Result {
  return writeValue(key, key_bytes, set, set_bytes);
}

/**
 * The entry of a hash in the set in hand, or where it is to have one, one that is free; 0 where there is none.
 * @param most_nanoseconds for how long after its end an entry matters @param within_nanoseconds the same after its last denial
 */
export function findEntry(hash: u64, isNew: bool, now: u64, most_nanoseconds: u64, within_nanoseconds: u64): usize {
  const passed = now - <u64>clock_skew_nanoseconds_max;
  let free: usize = 0;
  for (let entry = set; entry < set + set_bytes; entry += entry_bytes) {
    const other = load<u64>(entry);
    if (other == hash) return entry;
    const isPast = endOf(entry, now) + most_nanoseconds <= passed && lastOf(entry, now) + within_nanoseconds <= passed;
    if (isNew && (other == 0 || isPast)) free = entry;
  }
  if (free != 0) {
    clearEntry(free);
    store<u64>(free, hash);
  }
  return free;
}

/**
 * When an entry's key was let in again, or will be; 0 for never shut out. One further ahead than it lasts was left behind by a clock that
 * stepped back since, and is corrected.
 */
export function endOf(entry: usize, now: u64): u64 {
  const most = <u64>load<u32>(entry, seconds_at) * second_nanoseconds + <u64>clock_skew_nanoseconds_max;
  const end = min(load<u64>(entry, end_at), now + most);
  store<u64>(entry, end, end_at);
  return end;
}

/** When its key was denied last; 0 for never, or by a clock that stepped back since. */
export function lastOf(entry: usize, now: u64): u64 {
  const last = load<u64>(entry, last_at);
  return last > now + <u64>clock_skew_nanoseconds_max ? 0 : last;
}

/** Leaves nothing of what an entry has but whose it is. */
export function clearEntry(entry: usize): void {
  clearBytes(entry + 8, entry_bytes - 8);
}

/**
 * Shuts an entry's key out from now on, for twice as long as before where that has not been forgotten.
 * @param isQuiet what happened before is forgotten
 */
export function shutAgain(entry: usize, record: usize, now: u64, isQuiet: bool): void {
  const times: u32 = isQuiet ? 0 : load<u8>(entry, times_at);
  const most = <u64>load<u32>(record, layout.quarantine_max_seconds_at) * second_nanoseconds;
  const first = <u64>load<u32>(record, layout.quarantine_for_seconds_at) * second_nanoseconds;
  shutUntil(entry, now, now + min(first << times, most), times + 1);
}

/** Shuts an entry's key out until a time, for the so manieth time. */
export function shutUntil(entry: usize, now: u64, end: u64, times: u32): void {
  store<u64>(entry, end, end_at);
  store<u32>(entry, <u32>((end - now + second_nanoseconds - 1) / second_nanoseconds), seconds_at);
  // Doubled so often, any time is as long as the longest.
  store<u8>(entry, min(times, 16), times_at);
  store<u8>(entry, 1, shut_at);
  store<u32>(entry, 0, window_at);
}
