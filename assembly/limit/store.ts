/**
 * Buckets in shared data, one for all workers of a host. Shared data is never freed and cannot be listed, so a limit has
 * a fixed number of sets, each one shared value with room for a few buckets:
 *
 *   0                   8             16
 *   +-------------------+-------------+------------------ ... -+
 *   | fingerprint u64   | full at u64 | 7 more buckets         |
 *   +-------------------+-------------+------------------ ... -+
 *
 * A key's hash names its set, its fingerprint the bucket there. A bucket that is full again is free for another key: no
 * client comes back to more than it left. When all in a set are in use, the newcomer shares one of them, always the same,
 * which errs towards denying.
 *
 * Updates are compare-and-swap. A set that does not exist yet is created with a number no set can have: the host
 * ignores the number where there is no value (proxy-wasm-cpp-host, src/shared_data.cc), and refuses it where another
 * worker was first.
 */
import { literal } from "../bytes/literal";
import { clearBytes, copyBytes } from "../bytes/span";
import { Failure } from "../failure";
import { Result } from "../host/abi";
import { create_cas, fail, Read, readSharedData, valueCas, valueSize, valueStart, writeSharedData } from "../host/host";
import { bucket_attempts, bucket_sets, bucket_ways } from "../limits";
import { clampedFullAt, nanosecondsUntilTokens, takeTokens } from "./bucket";
import { holdTokens, nanosecondsEmpty, placeOfKey, rememberEmpty, tokensAhead, tokensHeld } from "./lease";

if (!((bucket_sets & (bucket_sets - 1)) == 0))
  ERROR("bucket_sets is a power of two, since the fingerprint is masked with it");
if (!((bucket_ways & (bucket_ways - 1)) == 0))
  ERROR("bucket_ways is a power of two, since the fingerprint is masked with it");

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
const set_bytes: u32 = bucket_ways * way_bytes;

const set: usize = memory.data(bucket_ways * 16, 16);
/** The key of a set: a prefix that stays where it is, the limit's seed, the set's number. */
const prefix = literal("sallyport:bucket:1:");
const key_prefix_bytes: u32 = 19;
const key_bytes: u32 = key_prefix_bytes + 8;
const key: usize = memory.data(32, 8);
copyBytes(key, prefix.start, key_prefix_bytes);
let cas: u32 = 0;

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
  const place = placeOfKey(fingerprint, interval_nanoseconds, burst_tokens, now);
  const held: u32 = place == 0 ? 0 : tokensHeld(place);
  const heldUntil = now + interval_nanoseconds * <u64>burst_tokens;
  if (held >= cost_tokens) {
    if (!dry) holdTokens(place, held - cost_tokens, heldUntil);
    return Take.TAKEN;
  }
  const needed = cost_tokens - held;
  const empty: u64 = place == 0 ? 0 : nanosecondsEmpty(place, needed, now);
  if (empty != 0) return foundEmpty(empty);
  const mostAhead: u32 = place == 0 ? 0 : tokensAhead(burst_tokens);
  store<u32>(key, seed, key_prefix_bytes);
  store<u32>(key, <u32>fingerprint & (bucket_sets - 1), key_prefix_bytes + 4);
  for (let attempt: u32 = 0; attempt < bucket_attempts; attempt++) {
    if (!readSet()) return Take.FAILED;
    const way = chooseWay(fingerprint, now);
    const fullAt = load<u64>(way, 8);
    let ahead = mostAhead;
    let after = takeTokens(fullAt, now, interval_nanoseconds, burst_tokens, needed + ahead);
    if (after == 0 && ahead != 0) {
      ahead = 0;
      after = takeTokens(fullAt, now, interval_nanoseconds, burst_tokens, needed);
    }
    if (after == 0) {
      const wait = nanosecondsUntilTokens(fullAt, now, interval_nanoseconds, burst_tokens, needed);
      const kept = keepClamped(way, clampedFullAt(fullAt, now, interval_nanoseconds, burst_tokens));
      if (kept != Result.OK && kept != Result.CAS_MISMATCH) return Take.FAILED;
      // Of a bucket that it shares with another, the key may find one of its own before.
      if (kept == Result.OK && place != 0 && load<u64>(way) == fingerprint) {
        rememberEmpty(place, needed, now, now + wait);
      }
      return foundEmpty(wait);
    }
    if (dry) return Take.TAKEN;
    // A bucket in use keeps its owner's fingerprint, also where another key shares it.
    if (fullAt <= now) store<u64>(way, fingerprint);
    store<u64>(way, after, 8);
    const result = writeSharedData(key, key_bytes, set, set_bytes, cas);
    if (result == Result.OK) {
      if (place != 0) holdTokens(place, ahead, heldUntil);
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

/**
 * A bucket that was more than empty, after the clock stepped back or the limit was changed, is written back as just
 * empty: else it would be found so for as long as the clock was off. Where another worker wrote the set first, CAS_MISMATCH, it is
 * for the next request to see how the bucket is.
 */
function keepClamped(way: usize, clamped: u64): Result {
  if (load<u64>(way, 8) == clamped) return Result.OK;
  store<u64>(way, clamped, 8);
  return writeSharedData(key, key_bytes, set, set_bytes, cas);
}

function readSet(): bool {
  const read = readSharedData(key, key_bytes);
  if (read == Read.FAILED) return false;
  if (read == Read.ABSENT) {
    clearBytes(set, set_bytes);
    cas = create_cas;
    return true;
  }
  if (valueSize != set_bytes) {
    fail(Failure.GET_SHARED_DATA);
    return false;
  }
  copyBytes(set, valueStart, set_bytes);
  cas = valueCas;
  return true;
}

/** The key's own bucket, else a free one, else one that the fingerprint names. */
function chooseWay(fingerprint: u64, now: u64): usize {
  let free: usize = 0;
  const end = set + set_bytes;
  for (let way = set; way < end; way += way_bytes) {
    if (load<u64>(way, 8) <= now) free = way;
    else if (load<u64>(way) == fingerprint) return way;
  }
  return free != 0 ? free : set + <usize>(<u32>(fingerprint >> 32) & (bucket_ways - 1)) * way_bytes;
}
