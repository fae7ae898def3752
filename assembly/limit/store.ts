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
import { absent, clearBytes, copyBytes, failed, spanSize, spanStart } from "../bytes/span";
import { Failure } from "../failure";
import { Result } from "../host/abi";
import { fail, readClock, readSharedData, writeSharedData } from "../host/host";
import { bucket_attempts_max, bucket_sets, bucket_ways } from "../limits";
import { isBeyond, isForgettable, nanosecondsUntilTokens, takeTokens } from "./bucket";
import { holdTokens, nanosecondsEmpty, placeOfKey, rememberEmpty, tokensAhead, tokensHeld } from "./lease";

if (!((bucket_sets & (bucket_sets - 1)) == 0))
  ERROR("bucket_sets is a power of two, since the fingerprint is masked with it");

export const enum Take {
  /** The tokens were taken, or could be. */
  TAKEN = 0,
  /** The bucket has fewer; `waitSeconds` says for how long. */
  EMPTY,
  FAILED,
}

/** How long until the bucket found EMPTY last has as many. */
export let waitSeconds: u64 = 0;

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
/** The number that the set was read under. */
const cas: usize = memory.data(4, 4);

/** When the bucket that `chooseWay` found is full, whether it is the key's own, and whether a clock's jump was corrected in the set. */
let chosenFullAt: u64 = 0;
let isOwn: bool = false;
let isCorrected: bool = false;

/**
 * Takes `cost_tokens` from the bucket of a key's `fingerprint` under a limit's `seed`, from what this worker has of it
 * (limit/lease.ts) or from shared data; with `dry`, only says whether they could be taken.
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
  const capacity = interval_nanoseconds * <u64>burst_tokens;
  const place = placeOfKey(fingerprint, now);
  const held: u32 = place == 0 ? 0 : tokensHeld(place);
  if (held >= cost_tokens) {
    if (!dry) holdTokens(place, held - cost_tokens, now, capacity);
    return Take.TAKEN;
  }
  const needed = cost_tokens - held;
  const empty: u64 = place == 0 ? 0 : nanosecondsEmpty(place, needed, interval_nanoseconds, now);
  if (empty != 0) return foundEmpty(empty);
  store<u32>(key, seed, key_prefix_bytes);
  store<u32>(key, <u32>fingerprint & (bucket_sets - 1), key_prefix_bytes + 4);
  for (let attempt: u32 = 0; attempt < bucket_attempts_max; attempt++) {
    if (!readSet()) return Take.FAILED;
    const way = chooseWay(fingerprint, now, capacity);
    const fullAt = chosenFullAt;
    let ahead: u32 = place == 0 || way == overflow ? 0 : tokensAhead(burst_tokens);
    let after = takeTokens(fullAt, now, interval_nanoseconds, burst_tokens, needed + ahead);
    if (after == 0 && ahead != 0) {
      ahead = 0;
      after = takeTokens(fullAt, now, interval_nanoseconds, burst_tokens, needed);
    }
    if (after == 0) {
      const wait = nanosecondsUntilTokens(fullAt, now, interval_nanoseconds, burst_tokens, needed);
      const kept = isCorrected ? writeSharedData(key, key_bytes, set, set_bytes, load<u32>(cas)) : Result.OK;
      // Where another worker wrote the set first, it is for the next request to see how the bucket is.
      if (kept != Result.OK && kept != Result.CAS_MISMATCH) return Take.FAILED;
      // Where it shares a bucket, the key may find one of its own before.
      if (kept == Result.OK && place != 0 && isOwn) rememberEmpty(place, needed, now, now + wait);
      return foundEmpty(wait);
    }
    if (dry) return Take.TAKEN;
    if (way != overflow) store<u64>(way, fingerprint);
    store<u64>(way, after, 8);
    store<u64>(overflow, max(load<u64>(overflow), capacity));
    const result = writeSharedData(key, key_bytes, set, set_bytes, load<u32>(cas));
    if (result == Result.OK) {
      if (place != 0) holdTokens(place, ahead, now, capacity);
      return Take.TAKEN;
    }
    if (result != Result.CAS_MISMATCH) return Take.FAILED;
  }
  fail(Failure.SHARED_DATA_CONTENTION);
  return Take.FAILED;
}

function foundEmpty(wait_nanoseconds: u64): Take {
  waitSeconds = (wait_nanoseconds + 999999999) / 1000000000;
  return Take.EMPTY;
}

function readSet(): bool {
  const shared = readSharedData(key, key_bytes, cas);
  if (shared == failed) return false;
  if (shared == absent) {
    clearBytes(set, set_bytes);
    return true;
  }
  if (spanSize(shared) != set_bytes) {
    fail(Failure.GET_SHARED_DATA);
    return false;
  }
  copyBytes(set, spanStart(shared), set_bytes);
  return true;
}

/** The key's own bucket, else a free one, else that of newcomers. */
function chooseWay(fingerprint: u64, now: u64, capacity_nanoseconds: u64): usize {
  isCorrected = false;
  isOwn = false;
  // Other keys may be limited otherwise: buckets of a limit that was changed stay until they are full.
  const largest = load<u64>(overflow);
  let free: usize = 0;
  let used: u32 = 0;
  for (let way = set; way < overflow; way += way_bytes) {
    if (load<u64>(way) == fingerprint && load<u64>(way, 8) != 0) {
      isOwn = true;
      chosenFullAt = fullAtOf(way, now, capacity_nanoseconds);
      return way;
    }
    if (isForgettable(fullAtOf(way, now, largest), now)) free = way;
    else used++;
  }
  chosenFullAt = fullAtOf(overflow, now, largest);
  if (free == 0) return overflow;
  if (used == 0 && isForgettable(chosenFullAt, now)) store<u64>(overflow, 0);
  chosenFullAt = min(chosenFullAt, now + capacity_nanoseconds);
  return free;
}

/**
 * When a bucket is full. One that a clock left behind that stepped back since is corrected in the set, by the time that it is now: the
 * request may have waited for its turn since it read the clock, and a time that is old must not move a bucket's back.
 */
function fullAtOf(way: usize, now: u64, capacity_nanoseconds: u64): u64 {
  const fullAt = load<u64>(way, 8);
  return isBeyond(fullAt, now, capacity_nanoseconds) ? correct(way, capacity_nanoseconds) : fullAt;
}

function correct(way: usize, capacity_nanoseconds: u64): u64 {
  const fullAt = load<u64>(way, 8);
  const now = readClock();
  if (now == 0 || !isBeyond(fullAt, now, capacity_nanoseconds)) return fullAt;
  store<u64>(way, now + capacity_nanoseconds, 8);
  isCorrected = true;
  return now + capacity_nanoseconds;
}
