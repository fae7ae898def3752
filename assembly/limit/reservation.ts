/**
 * What this worker knows of shared buckets, so that most requests need not ask for theirs (limit/store.ts): tokens that it took
 * ahead, and until when a bucket has too few.
 *
 * A bucket gives a thousandth of its burst ahead, so that small ones give nothing, and callers with large ones, who send the most
 * requests, are spared the most calls. What workers hold is the most by which a burst can be passed: a bucket may fill up while
 * they do. That a bucket is found empty holds until it has the tokens again, since nothing but time fills it; it is trusted for a
 * second at most, since clocks jump, and another worker may have seen that.
 *
 * Each key has one entry in a table, by bits of its fingerprint that name no set of the shared data; callers cannot tell which
 * (host/secret.ts). An entry with tokens belongs to its key for as long as an empty bucket takes to fill after the key last took
 * any here; then the shared bucket is full, unless the key took more elsewhere, and what is dropped with the entry has come back.
 * Another key that meets the entry before goes without: nobody pushes out anybody.
 *
 *   0                  8           16                 24       28
 *   +------------------+-----------+------------------+--------+--------------------------+
 *   | fingerprint u64  | its since | its for so long  | tokens | tokens that are not there |
 *   +------------------+-----------+------------------+--------+--------------------------+
 *   32            40                            48            56
 *   +-------------+-----------------------------+-------------+
 *   | empty since | the shared bucket's full at | empty until |
 *   +-------------+-----------------------------+-------------+
 */
import { empty_nanoseconds_max, reservation_divisor, reservation_entries_max, reservation_tokens_max } from "../limits";

if (!((reservation_entries_max & (reservation_entries_max - 1)) == 0))
  ERROR("reservation_entries_max is a power of two, since the fingerprint is masked with it");

const entry_bytes: u32 = 64;
const entries: usize = memory.data(reservation_entries_max * 64, 64);

/** Forgets everything, for tools that begin again with empty shared data. */
export function forgetReservations(): void {
  memory.fill(entries, 0, reservation_entries_max * entry_bytes);
}

/** How many tokens a bucket of this burst gives ahead. */
export function tokensAhead(burst_tokens: u32): u32 {
  return min(burst_tokens / reservation_divisor, reservation_tokens_max);
}

/** The entry of a key; 0 where it belongs to another one. */
export function entryOfKey(fingerprint: u64, now: u64): usize {
  const entry = entries + <usize>(<u32>(fingerprint >> 16) & (reservation_entries_max - 1)) * entry_bytes;
  if (load<u64>(entry) == fingerprint) return entry;
  // Where the clock stepped back to before its beginning, an entry has been its key's for longer than any.
  if (now - load<u64>(entry, 8) < load<u64>(entry, 16)) return 0;
  store<u64>(entry, fingerprint);
  store<u64>(entry, 0, 16);
  store<u32>(entry, 0, 24);
  store<u64>(entry, 0, 48);
  return entry;
}

/** The tokens held at an entry. */
export function tokensHeld(entry: usize): u32 {
  return load<u32>(entry, 24);
}

/** Holds so many tokens from now on for so long, and knows of no emptiness, since some were there; an entry with none is free. */
export function holdTokens(entry: usize, tokens: u32, now: u64, nanoseconds: u64): void {
  keepEntry(entry, now, tokens == 0 ? 0 : nanoseconds);
  store<u32>(entry, tokens, 24);
  store<u64>(entry, 0, 48);
}

/** When the shared bucket is full again, as it was when tokens were taken from it last. */
export function knownFullAt(entry: usize): u64 {
  return load<u64>(entry, 40);
}

export function keepFullAt(entry: usize, fullAt: u64): void {
  store<u64>(entry, fullAt, 40);
}

/** How long the bucket is known to have fewer tokens than these; 0 where it may have them. */
export function nanosecondsEmpty(entry: usize, tokens: u32, interval_nanoseconds: u64, now: u64): u64 {
  const until = load<u64>(entry, 48);
  const missing = load<u32>(entry, 28);
  // Before its beginning, where the clock stepped back, a memory is older than any.
  const isFresh = now - load<u64>(entry, 32) < <u64>empty_nanoseconds_max;
  if (!isFresh || now >= until || tokens < missing) return 0;
  return until - now + <u64>(tokens - missing) * interval_nanoseconds;
}

/** The bucket was found to have fewer than so many tokens until then. */
export function keepEmpty(entry: usize, tokens: u32, now: u64, until: u64): void {
  // Tokens held keep the entry for longer.
  if (tokensHeld(entry) == 0) keepEntry(entry, now, min(until - now, <u64>empty_nanoseconds_max));
  store<u32>(entry, tokens, 28);
  store<u64>(entry, now, 32);
  store<u64>(entry, until, 48);
}

function keepEntry(entry: usize, now: u64, nanoseconds: u64): void {
  store<u64>(entry, now, 8);
  store<u64>(entry, nanoseconds, 16);
}
