/**
 * What the answer to an admitted request may tell of its limits (`headers: always`): of several the one with the least left of its
 * burst. It is what this worker knows when it takes from the bucket, with the tokens that it holds of it (limit/reservation.ts): others
 * may have taken since.
 */
import { limit_burst_tokens_max } from "../limits";
import * as layout from "../policy/layout";
import { request } from "../request/request";
import { leftFullAt, leftHeld } from "./store";

/** The number of the highest bit that a burst may have. */
const burst_bits: u32 = 19;
if (!(limit_burst_tokens_max < 1 << 20)) ERROR("tokensIn looks at every bit of a burst");

/** Notes what a limit has left that was just taken from. */
export function noteQuota(number: u32, limit: usize): void {
  const interval = load<u64>(limit, layout.limit_interval_nanoseconds_at);
  const burst = load<u32>(limit, layout.limit_burst_tokens_at);
  const now = request.nowNanoseconds;
  const missing = leftFullAt > now ? leftFullAt - now : 0;
  const capacity = interval * <u64>burst;
  const there = missing < capacity ? tokensIn(capacity - missing, interval, burst) : 0;
  keepQuota(number, limit, min(there + leftHeld, burst), (missing + 999999999) / 1000000000);
}

/** Keeps what a limit has left for the answer, where that tells of it and no other limit of the rule has less. */
export function keepQuota(number: u32, limit: usize, left: u32, seconds: u64): void {
  if (load<u32>(limit, layout.limit_headers_at) == layout.headers_denied) return;
  const burst = load<u32>(limit, layout.limit_burst_tokens_at);
  const isLess = <u64>left * <u64>request.quotaBurst < <u64>request.quotaLeft * <u64>burst;
  if (request.quotaLimit != 0 && !isLess) return;
  request.quotaLimit = number + 1;
  request.quotaBurst = burst;
  request.quotaLeft = left;
  request.quotaSeconds = <u32>min(seconds, <u64>u32.MAX_VALUE);
}

/** How many whole tokens come in a time; no more than the burst. It is found bit by bit: to divide by what an image has could trap. */
function tokensIn(nanoseconds: u64, interval_nanoseconds: u64, burst_tokens: u32): u32 {
  let tokens: u32 = 0;
  for (let bit: u32 = 1 << burst_bits; bit != 0; bit >>= 1) {
    const more = tokens | bit;
    if (more <= burst_tokens && <u64>more * interval_nanoseconds <= nanoseconds) tokens = more;
  }
  return tokens;
}
