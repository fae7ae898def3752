/**
 * Buckets in shared data, one for all workers of a host. Shared data is never freed and cannot be listed, so a limit has
 * a fixed number of sets, each one shared value with room for a few buckets, and one for keys that find no room:
 *
 *   0                   8                         240            248
 *   +-------------------+-------------+---- ... --+--------------+-------------+
 *   | fingerprint u64   | full at u64 | 14 more   | capacity u64 | full at u64 |
 *   +-------------------+-------------+---- ... --+--------------+-------------+
 *
 * A key's fingerprint, a hash under a secret of this Envoy (host/secret.ts), names its set and the bucket there: whoever chooses keys
 * cannot tell which meet. A bucket that is full again is free for another key: no client comes back to more than it left.
 *
 * When all in a set are in use, newcomers share the last one, which errs towards denying them together, and never spend what is
 * another's. A newcomer that finds room later begins with what that one has left, since it may have been the one that spent it.
 *
 * Updates are compare-and-swap. A set that does not exist yet is created with a number no set can have: the host
 * ignores the number where there is no value (proxy-wasm-cpp-host, src/shared_data.cc), and refuses it where another
 * worker was first.
 */
import { literal } from "../bytes/literal";
import { copyBytes } from "../bytes/span";
import { Failure } from "../failure";
import { Result } from "../host/abi";
import { fail, readClock } from "../host/host";
import * as sharedvalue from "../host/sharedvalue";
import { bucket_attempts_max, bucket_sets, bucket_ways } from "../limits";
import { isBeyond, isForgettable, nanosecondsUntilTokens, takeTokens } from "./bucket";
import {
  entryOfKey,
  holdTokens,
  keepEmpty,
  keepFullAt,
  knownFullAt,
  nanosecondsEmpty,
  tokensAhead,
  tokensHeld,
} from "./reservation";

if (!((bucket_sets & (bucket_sets - 1)) == 0))
  ERROR("bucket_sets is a power of two, since the fingerprint is masked with it");

/** What came of asking a bucket for tokens: `taken`, `failed`, or else it has fewer, for how many seconds. */
export type Take = u64;
/** The tokens were taken, or could be. */
export const taken: Take = 0;
export const failed: Take = 0xffffffffffffffff;
/** Another worker wrote the set first; only in here. */
const contended: Take = 0xfffffffffffffffe;

/** What is known of the bucket that tokens were taken from last: when it is full again, and how many of its tokens this worker holds. */
export let leftFullAt: u64 = 0;
export let leftHeld: u32 = 0;

const way_bytes: u32 = 16;
const set_bytes: u32 = (bucket_ways + 1) * way_bytes;

const set: usize = memory.data((bucket_ways + 1) * 16, 16);
/** The bucket of newcomers. In place of a fingerprint it has the capacity of the set's largest bucket. */
const overflow: usize = set + bucket_ways * way_bytes;
/** The key of a set: a prefix that stays where it is, the limit's seed, the set's number. */
const prefix = literal("sallyport:bucket:2:");
const key_prefix_bytes: u32 = 19;
const key_bytes: u32 = key_prefix_bytes + 8;
const key: usize = memory.data(32, 8);
copyBytes(key, prefix.start, key_prefix_bytes);

/** What the last take took from shared data, and what this worker had of the bucket before: both are given back with it. */
export let tokensShared: u32 = 0;
export let tokensBefore: u32 = 0;

/** The bucket that a key takes from. */
@unmanaged
class Bucket {
  /** Where it is in the set, and when it is full. */
  way: usize;
  fullAt: u64;
  /** Whether it is the key's own already; and whether a clock's jump was corrected in the set on the way to it. */
  isOwn: bool;
  isCorrected: bool;
}

const chosen = changetype<Bucket>(memory.data(32, 8));
if (!(offsetof<Bucket>() <= 32)) ERROR("the slot holds what was chosen");

/**
 * Takes `cost_tokens` from the bucket of a key's `fingerprint` under a limit's `seed`, from what this worker has of it
 * (limit/reservation.ts) or from shared data; with `dry`, only says whether they could be taken.
 */
export function takeFrom(
  seed: u32,
  fingerprint: u64,
  now: u64,
  interval_nanoseconds: u64,
  burst_tokens: u32,
  cost_tokens: u32,
  dry: bool,
): Take {
  const reserved = entryOfKey(fingerprint, now);
  const held: u32 = reserved == 0 ? 0 : tokensHeld(reserved);
  tokensBefore = held;
  tokensShared = 0;
  if (held >= cost_tokens) {
    if (dry) return taken;
    holdTokens(reserved, held - cost_tokens, now, interval_nanoseconds * <u64>burst_tokens);
    leftFullAt = knownFullAt(reserved);
    leftHeld = held - cost_tokens;
    return taken;
  }
  const needed = cost_tokens - held;
  const empty: u64 = reserved == 0 ? 0 : nanosecondsEmpty(reserved, needed, interval_nanoseconds, now);
  // Held by this worker: another one that is asked next needs them, too.
  const heldNanoseconds = interval_nanoseconds * <u64>held;
  if (empty != 0) return emptyFor(empty + heldNanoseconds);
  nameValue(seed, <u32>fingerprint & (bucket_sets - 1));
  for (let attempt: u32 = 0; attempt < bucket_attempts_max; attempt++) {
    const take = takeShared(fingerprint, reserved, now, interval_nanoseconds, burst_tokens, needed, dry);
    if (take == taken || take == failed) return take;
    if (take != contended) return emptyFor(take + heldNanoseconds);
  }
  fail(Failure.SHARED_DATA_CONTENTION);
  return failed;
}

/** Takes so many tokens, and some ahead where there is an entry for them, from the bucket in shared data; or else in nanoseconds. */
function takeShared(
  fingerprint: u64,
  reserved: usize,
  now: u64,
  interval_nanoseconds: u64,
  burst_tokens: u32,
  needed_tokens: u32,
  dry: bool,
): Take {
  const capacity = interval_nanoseconds * <u64>burst_tokens;
  if (!readSet()) return failed;
  chooseBucket(chosen, fingerprint, now, capacity);
  let ahead: u32 = reserved == 0 || chosen.way == overflow ? 0 : tokensAhead(burst_tokens);
  let after = takeTokens(chosen.fullAt, now, interval_nanoseconds, burst_tokens, needed_tokens + ahead);
  if (after == 0 && ahead != 0) {
    ahead = 0;
    after = takeTokens(chosen.fullAt, now, interval_nanoseconds, burst_tokens, needed_tokens);
  }
  if (after == 0) {
    const wait = nanosecondsUntilTokens(chosen.fullAt, now, interval_nanoseconds, burst_tokens, needed_tokens);
    return leaveEmpty(chosen, reserved, now, needed_tokens, wait);
  }
  if (dry) return taken;
  fillBucket(chosen.way, fingerprint, after, capacity);
  const written = writeSet();
  if (written != Result.OK) return written == Result.CAS_MISMATCH ? contended : failed;
  tokensShared = needed_tokens + ahead;
  leftFullAt = after;
  leftHeld = ahead;
  if (reserved == 0) return taken;
  holdTokens(reserved, ahead, now, capacity);
  keepFullAt(reserved, after);
  return taken;
}

/**
 * Undoes a take of the request in hand. As much time as has passed since is not given back, since the bucket may have been full before
 * that was over: so it never gets more than was taken. What cannot be given back is missing until time fills it.
 * @param shared_tokens what was taken from shared data
 * @param held_tokens what this worker had of it before
 */
export function giveBack(
  seed: u32,
  fingerprint: u64,
  now: u64,
  interval_nanoseconds: u64,
  burst_tokens: u32,
  shared_tokens: u32,
  held_tokens: u32,
): void {
  const capacity = interval_nanoseconds * <u64>burst_tokens;
  const reserved = entryOfKey(fingerprint, now);
  if (reserved != 0) holdTokens(reserved, held_tokens, now, capacity);
  const later = readClock();
  const taken_nanoseconds = interval_nanoseconds * <u64>shared_tokens;
  // Also where the clock stepped back, or failed.
  if (later - now >= taken_nanoseconds) return;
  const back = taken_nanoseconds - (later - now);
  nameValue(seed, <u32>fingerprint & (bucket_sets - 1));
  for (let attempt: u32 = 0; attempt < bucket_attempts_max; attempt++) {
    if (!readSet()) return;
    chooseBucket(chosen, fingerprint, now, capacity);
    if (!chosen.isOwn && chosen.way != overflow) return;
    if (chosen.fullAt < back) return;
    fillBucket(chosen.way, fingerprint, chosen.fullAt - back, capacity);
    if (writeSet() != Result.CAS_MISMATCH) return;
  }
}

/** Nothing is taken from a bucket that has too few tokens for so long. What was corrected in its set is written all the same. */
function leaveEmpty(bucket: Bucket, reserved: usize, now: u64, needed_tokens: u32, wait_nanoseconds: u64): Take {
  const written = bucket.isCorrected ? writeSet() : Result.OK;
  // Where another worker wrote the set first, it is for the next request to see how the bucket is.
  if (written != Result.OK && written != Result.CAS_MISMATCH) return failed;
  // Where it shares a bucket, the key may find one of its own before.
  const isKnown = written == Result.OK && reserved != 0 && bucket.isOwn;
  if (isKnown) keepEmpty(reserved, needed_tokens, now, now + wait_nanoseconds);
  return wait_nanoseconds;
}

/** In whole seconds, so that they are over when the tokens are there. */
function emptyFor(wait_nanoseconds: u64): Take {
  return (wait_nanoseconds + 999999999) / 1000000000;
}

/** Names the shared value in hand: one of so many of a limit. */
export function nameValue(seed: u32, number: u32): void {
  store<u32>(key, seed, key_prefix_bytes);
  store<u32>(key, number, key_prefix_bytes + 4);
}

function fillBucket(way: usize, fingerprint: u64, fullAt: u64, capacity_nanoseconds: u64): void {
  if (way != overflow) store<u64>(way, fingerprint);
  store<u64>(way, fullAt, 8);
  store<u64>(overflow, max(load<u64>(overflow), capacity_nanoseconds));
}

function writeSet(): Result {
  return writeValue(set, set_bytes);
}

function readSet(): bool {
  return readValue(set, set_bytes);
}

/** Writes the value in hand, unless another worker has written it since it was read. */
export function writeValue(start: usize, size_bytes: u32): Result {
  return sharedvalue.writeValue(key, key_bytes, start, size_bytes);
}

/** Reads the value in hand; one that is not there is all zero. */
export function readValue(start: usize, size_bytes: u32): bool {
  return sharedvalue.readValue(key, key_bytes, start, size_bytes);
}

/** The key's own bucket, else a free one, else that of newcomers. */
function chooseBucket(bucket: Bucket, fingerprint: u64, now: u64, capacity_nanoseconds: u64): void {
  bucket.isCorrected = false;
  bucket.isOwn = false;
  // Other keys may be limited otherwise: buckets of a limit that was changed stay until they are full.
  const largest = load<u64>(overflow);
  let free: usize = 0;
  let used: u32 = 0;
  for (let way = set; way < overflow; way += way_bytes) {
    if (load<u64>(way) == fingerprint && load<u64>(way, 8) != 0) {
      bucket.isOwn = true;
      bucket.way = way;
      bucket.fullAt = fullAtOf(bucket, way, now, capacity_nanoseconds);
      return;
    }
    if (isForgettable(fullAtOf(bucket, way, now, largest), now)) free = way;
    else used++;
  }
  const sharedFullAt = fullAtOf(bucket, overflow, now, largest);
  bucket.way = free == 0 ? overflow : free;
  bucket.fullAt = free == 0 ? sharedFullAt : min(sharedFullAt, now + capacity_nanoseconds);
  if (free != 0 && used == 0 && isForgettable(sharedFullAt, now)) store<u64>(overflow, 0);
}

/**
 * When a bucket is full. One that a clock left behind that stepped back since is corrected in the set, by the time that it is now: the
 * request may have waited for its turn since it read the clock, and a time that is old must not move a bucket's back.
 */
function fullAtOf(bucket: Bucket, way: usize, now: u64, capacity_nanoseconds: u64): u64 {
  const fullAt = load<u64>(way, 8);
  return isBeyond(fullAt, now, capacity_nanoseconds) ? correct(bucket, way, capacity_nanoseconds) : fullAt;
}

function correct(bucket: Bucket, way: usize, capacity_nanoseconds: u64): u64 {
  const fullAt = load<u64>(way, 8);
  const now = readClock();
  if (now == 0 || !isBeyond(fullAt, now, capacity_nanoseconds)) return fullAt;
  store<u64>(way, now + capacity_nanoseconds, 8);
  bucket.isCorrected = true;
  return now + capacity_nanoseconds;
}
