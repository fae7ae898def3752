/**
 * Tokens that this worker has of limits of the fleet (limit/fleet.ts), where a policy has them leased: blocks that the rate limit service
 * has counted already, so that most requests need not ask. Nothing is admitted of a block that the service has not counted, or after the
 * period is over in which it did.
 *
 *   0                  8           16                 24       28      32
 *   +------------------+-----------+------------------+--------+-------+------+
 *   | fingerprint u64  | its since | its for so long  | tokens | block | call |
 *   +------------------+-----------+------------------+--------+-------+------+
 *
 * The block is what is asked for next, in the background, when half of the last is left: about what the key takes in a second or two. It
 * doubles where a request found too few tokens or half a block lasted for less than a second, up to what the policy allows, and is halved
 * where that lasted for four, or more than half was left over. Each key has one entry, by
 * bits of its fingerprint, for as long as its tokens are good, or a second; another key that meets it asks for each request.
 */
import { lease_entries_max, lease_nanoseconds_min } from "../limits";

if (!((lease_entries_max & (lease_entries_max - 1)) == 0))
  ERROR("lease_entries_max is a power of two, since the fingerprint is masked with it");

const entry_bytes: u32 = 40;
const entries: usize = memory.data(lease_entries_max * 40, 8);
/** In place of a call: the service has refused a block of this period, so that none is asked for until it is over. */
const refused_call: u32 = 0xffffffff;

/** The entry of a key; 0 where it belongs to another one. */
export function leaseOfKey(fingerprint: u64, now: u64): usize {
  const entry = entries + <usize>(<u32>(fingerprint >> 16) & (lease_entries_max - 1)) * entry_bytes;
  const isOwn = load<u64>(entry) == fingerprint;
  // Where the clock stepped back to before its beginning, an entry is older than any.
  if (now - load<u64>(entry, 8) < load<u64>(entry, 16)) return isOwn ? entry : 0;
  const block = load<u32>(entry, 28);
  const isLeftOver = load<u32>(entry, 24) << 1 > block;
  store<u64>(entry, fingerprint);
  store<u32>(entry, !isOwn ? 0 : isLeftOver ? block >> 1 : block, 28);
  store<u32>(entry, 0, 32);
  keepLease(entry, 0, now, lease_nanoseconds_min);
  return entry;
}

/** Takes so many tokens of an entry; false where there are fewer. */
export function takeLeased(entry: usize, tokens: u32): bool {
  const held = load<u32>(entry, 24);
  if (held < tokens) return false;
  store<u32>(entry, held - tokens, 24);
  return true;
}

/** How many tokens are to be asked for now; 0 for none. A key that came but once has no block yet. @param isShort a request found too few */
export function blockWanted(entry: usize, most_tokens: u32, isShort: bool, now: u64): u32 {
  const block = load<u32>(entry, 28);
  // What is under way, or was refused, is of this size.
  if (load<u32>(entry, 32) != 0 || (!isShort && load<u32>(entry, 24) << 1 > block)) return 0;
  const elapsed = now - load<u64>(entry, 8);
  const grows = isShort || elapsed < lease_nanoseconds_min;
  const next = grows ? block << 1 : elapsed > 4 * <u64>lease_nanoseconds_min ? block >> 1 : block;
  store<u32>(entry, min(max(1, next), most_tokens), 28);
  return block == 0 ? 0 : load<u32>(entry, 28);
}

/** The block was asked for. */
export function awaitBlock(entry: usize, call: u32): void {
  store<u32>(entry, call, 32);
}

/** The answer to a call for a block, if it is one: it was granted, or refused, until the period is over. */
export function takeBlock(call: u32, isGranted: bool, isRefused: bool, now: u64, nanoseconds: u64): void {
  for (let entry = entries; entry < entries + lease_entries_max * entry_bytes; entry += entry_bytes) {
    if (load<u32>(entry, 32) != call || call == refused_call) continue;
    store<u32>(entry, isRefused ? refused_call : 0, 32);
    if (isRefused) store<u32>(entry, 1, 28);
    if (!isGranted && !isRefused) return;
    // What was granted in the period before is not good in this one.
    const rest = load<u64>(entry, 16) - (now - load<u64>(entry, 8));
    const isSamePeriod = max(rest, nanoseconds) - min(rest, nanoseconds) <= lease_nanoseconds_min;
    const held = isSamePeriod ? load<u32>(entry, 24) : 0;
    keepLease(entry, held + (isGranted ? load<u32>(entry, 28) : 0), now, nanoseconds);
    return;
  }
}

function keepLease(entry: usize, tokens: u32, now: u64, nanoseconds: u64): void {
  store<u64>(entry, now, 8);
  store<u64>(entry, nanoseconds, 16);
  store<u32>(entry, tokens, 24);
}
