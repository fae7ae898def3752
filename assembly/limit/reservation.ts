/**
 * What this worker knows of shared buckets, so that most requests need not ask for theirs (limit/store.ts): tokens that it took
 * ahead, and until when a bucket has too few.
 *
 * A bucket gives a thousandth of its burst ahead, so that small ones give nothing, and callers with large ones, who send the most
 * requests, are spared the most calls. What workers hold is the most by which a burst can be passed: a bucket may fill up while
 * they do. That a bucket is found empty holds until it has the tokens again, since nothing but time fills it; it is believed for a
 * second at most, since clocks jump, and another worker may have seen that.
 *
 * Each key has one place in a table, by bits of its fingerprint that name no set of the shared data; callers cannot tell which
 * (host/secret.ts). A place with tokens belongs to its key for as long as an empty bucket takes to fill after the key last took
 * any here; then the shared bucket is full, unless the key took more elsewhere, and what is dropped with the place has come back.
 * Another key that meets the place before goes without: nobody pushes out anybody.
 *
 *   0                  8           16                 24       28
 *   +------------------+-----------+------------------+--------+--------------------------+
 *   | fingerprint u64  | its since | its for so long  | tokens | tokens that are not there |
 *   +------------------+-----------+------------------+--------+--------------------------+
 *   32            40            48
 *   +-------------+-------------+
 *   | empty since | empty until |
 *   +-------------+-------------+
 */
import { lease_believed_nanoseconds_max, lease_divisor, lease_places_max, lease_tokens_max } from "../limits";

if (!((lease_places_max & (lease_places_max - 1)) == 0))
  ERROR("lease_places_max is a power of two, since the fingerprint is masked with it");

const place_bytes: u32 = 64;
const places: usize = memory.data(lease_places_max * 64, 64);

/** Knows nothing any more, for tools that begin anew with empty shared data. */
export function forgetLeases(): void {
  memory.fill(places, 0, lease_places_max * place_bytes);
}

/** How many tokens a bucket of this burst gives ahead. */
export function tokensAhead(burst_tokens: u32): u32 {
  return min(burst_tokens / lease_divisor, lease_tokens_max);
}

/** The place of a key; 0 where it belongs to another one. */
export function placeOfKey(fingerprint: u64, now: u64): usize {
  const place = places + <usize>(<u32>(fingerprint >> 16) & (lease_places_max - 1)) * place_bytes;
  if (load<u64>(place) == fingerprint) return place;
  // Where the clock stepped back to before its beginning, a place has been its key's for longer than any.
  if (now - load<u64>(place, 8) < load<u64>(place, 16)) return 0;
  store<u64>(place, fingerprint);
  store<u64>(place, 0, 16);
  store<u32>(place, 0, 24);
  store<u64>(place, 0, 48);
  return place;
}

/** The tokens held at a place. */
export function tokensHeld(place: usize): u32 {
  return load<u32>(place, 24);
}

/** Holds so many tokens from now on for so long, and knows of no emptiness, since some were there; a place with none is free. */
export function holdTokens(place: usize, tokens: u32, now: u64, nanoseconds: u64): void {
  keepPlace(place, now, tokens == 0 ? 0 : nanoseconds);
  store<u32>(place, tokens, 24);
  store<u64>(place, 0, 48);
}

/** How long the bucket is known to have fewer tokens than these; 0 where it may have them. */
export function nanosecondsEmpty(place: usize, tokens: u32, interval_nanoseconds: u64, now: u64): u64 {
  const until = load<u64>(place, 48);
  const missing = load<u32>(place, 28);
  // Before its beginning, where the clock stepped back, a memory is older than any.
  const isFresh = now - load<u64>(place, 32) < <u64>lease_believed_nanoseconds_max;
  if (!isFresh || now >= until || tokens < missing) return 0;
  return until - now + <u64>(tokens - missing) * interval_nanoseconds;
}

/** The bucket was found to have fewer than so many tokens until then. */
export function rememberEmpty(place: usize, tokens: u32, now: u64, until: u64): void {
  // Tokens held keep the place for longer.
  if (tokensHeld(place) == 0) keepPlace(place, now, min(until - now, <u64>lease_believed_nanoseconds_max));
  store<u32>(place, tokens, 28);
  store<u64>(place, now, 32);
  store<u64>(place, until, 48);
}

function keepPlace(place: usize, now: u64, nanoseconds: u64): void {
  store<u64>(place, now, 8);
  store<u64>(place, nanoseconds, 16);
}
