/**
 * Tokens that this worker took from a shared bucket ahead of need: until they are spent, the key's requests cost no call to the
 * host. A bucket gives a thousandth of its burst ahead, so that small ones give nothing, and callers with large ones, who send
 * the most requests, are spared the most calls. What workers hold is the most by which a burst can be passed: a bucket may fill
 * up while they do.
 *
 * Each key has one place in a table, by bits of its fingerprint that name no set of the shared data. A place belongs to its key
 * for as long as an empty bucket takes to fill after the key was last seen; then the shared bucket is full, and what is dropped
 * with the lease has come back. Another key that meets it before goes without a lease.
 *
 *   0                  8            16     20      24       28
 *   +------------------+------------+------+-------+--------+---+
 *   | fingerprint u64  | its until  | seed | burst | tokens |   |
 *   +------------------+------------+------+-------+--------+---+
 */
import { lease_places, lease_share, lease_tokens } from "../limits";

if (!((lease_places & (lease_places - 1)) == 0))
  ERROR("lease_places is a power of two, since the fingerprint is masked with it");

const place_bytes: u32 = 32;
const places: usize = memory.data(lease_places * 32, 16);

/** Holds nothing any more, for tools that begin anew with empty shared data. */
export function forgetLeases(): void {
  memory.fill(places, 0, lease_places * place_bytes);
}

/** How many tokens a bucket of this burst gives ahead. */
export function tokensAhead(burst_tokens: u32): u32 {
  return min(burst_tokens / lease_share, lease_tokens);
}

/** The place of a key's lease; 0 where it belongs to another key. What was leased under another burst is dropped. */
export function placeOfLease(seed: u32, fingerprint: u64, burst_tokens: u32, now: u64): usize {
  const place = places + <usize>(<u32>(fingerprint >> 40) & (lease_places - 1)) * place_bytes;
  const isSame =
    load<u64>(place) == fingerprint && load<u32>(place, 16) == seed && load<u32>(place, 20) == burst_tokens;
  if (isSame) return place;
  if (load<u64>(place, 8) > now && (load<u64>(place) != fingerprint || load<u32>(place, 16) != seed)) return 0;
  store<u64>(place, fingerprint);
  store<u64>(place, 0, 8);
  store<u32>(place, seed, 16);
  store<u32>(place, burst_tokens, 20);
  store<u32>(place, 0, 24);
  return place;
}

/** The tokens held at a place. */
export function tokensHeld(place: usize): u32 {
  return load<u32>(place, 24);
}

/** Holds so many tokens from now on; the place is its key's until the bucket, empty now, would be full. */
export function holdTokens(place: usize, tokens: u32, until: u64): void {
  store<u64>(place, until, 8);
  store<u32>(place, tokens, 24);
}
