/**
 * Token buckets, in integers only. A bucket is one number, as in the generic cell rate algorithm (ITU-T I.371 §A): the
 * time at which it will be full again. Full is any time up to now, empty is `burst` intervals ahead, and taking a token
 * moves the time one interval on. A bucket that is full is the same as one that was never used, so forgetting it
 * forgets nothing.
 *
 *   now                full at              now + burst × interval
 *   |------------------|--------------------|
 *    tokens missing      tokens left
 */

/** The time at which the bucket is full after `cost_tokens` are taken; 0 when it has fewer. */
export function takeTokens(fullAt: u64, now: u64, interval_nanoseconds: u64, burst_tokens: u32, cost_tokens: u32): u64 {
  const from = clampedFullAt(fullAt, now, interval_nanoseconds, burst_tokens);
  const after = from + interval_nanoseconds * <u64>cost_tokens;
  return after - now <= capacity(interval_nanoseconds, burst_tokens) ? after : 0;
}

/** How long until the bucket has `cost_tokens` again, of which it has fewer now. */
export function nanosecondsUntilTokens(
  fullAt: u64,
  now: u64,
  interval_nanoseconds: u64,
  burst_tokens: u32,
  cost_tokens: u32,
): u64 {
  const from = clampedFullAt(fullAt, now, interval_nanoseconds, burst_tokens);
  return from + interval_nanoseconds * <u64>cost_tokens - now - capacity(interval_nanoseconds, burst_tokens);
}

/** A bucket is never more than empty: a clock that stepped back, or a limit that was lowered, must not shut anyone out for longer. */
export function clampedFullAt(fullAt: u64, now: u64, interval_nanoseconds: u64, burst_tokens: u32): u64 {
  const emptyAt = now + capacity(interval_nanoseconds, burst_tokens);
  return min(max(fullAt, now), emptyAt);
}

function capacity(interval_nanoseconds: u64, burst_tokens: u32): u64 {
  return interval_nanoseconds * <u64>burst_tokens;
}
