/**
 * What this worker knows of shared buckets, so that most requests need not ask for theirs (limit/store.ts): tokens that it took
 * ahead, and until when a bucket has too few.
 *
 * A bucket gives a thousandth of its burst ahead, so that small ones give nothing, and callers with large ones, who send the most
 * requests, are spared the most calls. What workers hold is the most by which a burst can be passed: a bucket may fill up while
 * they do. That a bucket is found empty holds for as long as it takes to have the tokens again, since nothing but time fills it.
 *
 * Each key has one place in a table, by bits of its fingerprint that name no set of the shared data. A place belongs to its key
 * for as long as an empty bucket takes to fill after the key was last seen; then the shared bucket is full, and what is dropped
 * with the lease has come back. Another key that meets it before goes without.
 *
 *   0                  8            16     20      24             32
 *   +------------------+------------+------+-------+--------------+
 *   | fingerprint u64  | its until  | seed | burst | interval     |
 *   +------------------+------------+------+-------+--------------+
 *   32            36                          40            48            56    64
 *   +-------------+---------------------------+-------------+-------------+------+
 *   | tokens held | tokens that are not there | empty since | empty until |      |
 *   +-------------+---------------------------+-------------+-------------+------+
 */
import { lease_places, lease_share, lease_tokens } from "../limits";

if (!((lease_places & (lease_places - 1)) == 0))
  ERROR("lease_places is a power of two, since the fingerprint is masked with it");

const place_bytes: u32 = 64;
const places: usize = memory.data(lease_places * 64, 64);

/** Knows nothing any more, for tools that begin anew with empty shared data. */
export function forgetLeases(): void {
  memory.fill(places, 0, lease_places * place_bytes);
}

/** How many tokens a bucket of this burst gives ahead. */
export function tokensAhead(burst_tokens: u32): u32 {
  return min(burst_tokens / lease_share, lease_tokens);
}

/** The place of a key; 0 where it belongs to another one. What is known of the key under another limit is dropped. */
export function placeOfKey(seed: u32, fingerprint: u64, interval_nanoseconds: u64, burst_tokens: u32, now: u64): usize {
  const place = places + <usize>(<u32>(fingerprint >> 40) & (lease_places - 1)) * place_bytes;
  const isKeys = load<u64>(place) == fingerprint && load<u32>(place, 16) == seed;
  if (isKeys && load<u32>(place, 20) == burst_tokens && load<u64>(place, 24) == interval_nanoseconds) return place;
  if (!isKeys && load<u64>(place, 8) > now) return 0;
  store<u64>(place, fingerprint);
  store<u64>(place, 0, 8);
  store<u32>(place, seed, 16);
  store<u32>(place, burst_tokens, 20);
  store<u64>(place, interval_nanoseconds, 24);
  store<u32>(place, 0, 32);
  store<u64>(place, 0, 48);
  return place;
}

/** The tokens held at a place. */
export function tokensHeld(place: usize): u32 {
  return load<u32>(place, 32);
}

/** Holds so many tokens from now on; the place is its key's until the bucket, were it empty now, would be full. */
export function holdTokens(place: usize, tokens: u32, until: u64): void {
  store<u64>(place, until, 8);
  store<u32>(place, tokens, 32);
}

/** How long the bucket is known to have fewer tokens than these; 0 where it may have them. A clock that stepped back knows nothing. */
export function nanosecondsEmpty(place: usize, tokens: u32, now: u64): u64 {
  const until = load<u64>(place, 48);
  return now < until && now >= load<u64>(place, 40) && tokens >= load<u32>(place, 36) ? until - now : 0;
}

/** The bucket was found to have fewer than so many tokens until then. */
export function rememberEmpty(place: usize, tokens: u32, now: u64, until: u64): void {
  store<u64>(place, max(load<u64>(place, 8), until), 8);
  store<u32>(place, tokens, 36);
  store<u64>(place, now, 40);
  store<u64>(place, until, 48);
}
