/**
 * Token buckets, in integers only. A bucket is one number, as in the generic cell rate algorithm (ITU-T I.371 §A): the
 * time at which it will be full again. Full is any time up to now, empty is `burst` intervals ahead, and taking a token
 * moves the time one interval on. A bucket that is full is the same as one that was never used, so forgetting it
 * forgets nothing.
 *
 *   now                full at              now + burst × interval
 *   |------------------|--------------------|
 *    tokens missing      tokens left
 *
 * Workers read the clock before they read the bucket, so one of them may find it more than empty: another read the clock a
 * little later, and was first to write. The bucket is right then, and the time is old: nothing moves a bucket's time back but
 * a clock that jumped (`isBeyond`).
 *
 * Nothing overflows: an empty bucket fills within `limit_fill_nanoseconds_max`, no cost is above a burst (policy/image.ts), and twice that
 * from now on ends before nanoseconds since 1970 do.
 */
import { clock_skew_nanoseconds_max } from "../limits";

/** The time at which the bucket is full after `cost_tokens` are taken; 0 when it has fewer. */
export function takeTokens(fullAt: u64, now: u64, interval_nanoseconds: u64, burst_tokens: u32, cost_tokens: u32): u64 {
  const emptyAt = now + interval_nanoseconds * <u64>burst_tokens;
  // Asked first, so that a time of all ones cannot wrap around.
  if (fullAt > emptyAt) return 0;
  const after = max(fullAt, now) + interval_nanoseconds * <u64>cost_tokens;
  return after <= emptyAt ? after : 0;
}

/** How long until the bucket has `cost_tokens` again, of which it has fewer now. */
export function nanosecondsUntilTokens(
  fullAt: u64,
  now: u64,
  interval_nanoseconds: u64,
  burst_tokens: u32,
  cost_tokens: u32,
): u64 {
  const emptyAt = now + interval_nanoseconds * <u64>burst_tokens;
  return max(fullAt, now) + interval_nanoseconds * <u64>cost_tokens - emptyAt;
}

/**
 * Whether a bucket of that capacity is more than empty by more than workers' clocks differ: a clock stepped back since. Such a
 * bucket counts as just empty, or it would shut its key out for as long as the clock was off.
 */
export function isBeyond(fullAt: u64, now: u64, capacity_nanoseconds: u64): bool {
  return fullAt > now + capacity_nanoseconds + <u64>clock_skew_nanoseconds_max;
}

/**
 * Whether a bucket may be given to another key: it has been full for so long that it was so by every worker's clock. Earlier, a
 * worker with an older time would find nothing of its key, and take for full what was not.
 */
export function isForgettable(fullAt: u64, now: u64): bool {
  return fullAt + <u64>clock_skew_nanoseconds_max <= now && fullAt <= now;
}
