/**
 * The room that a cache of tokens (token/cache.ts) has: a ring of entries, the oldest of which give way to new ones, and a table that
 * finds them by a hash.
 *
 *   +-------------------------+-------------------------------------------- ... -+
 *   | buckets of four entries |  ring:  … oldest | … | newest |  free  | …       |
 *   +-------------------------+-------------------------------------------- ... -+
 *
 *   entry   0           4      8            12             16        20
 *           +-----------+------+------------+--------------+---------+----------------------+
 *           | its bytes | hash | token size | payload size | tape    | algorithm, SVID << 8, |
 *           |           |      |            |              | bytes   | type << 16           |
 *           +-----------+------+------------+--------------+---------+----------------------+
 *           24                     48                              64       68             72
 *           +----------------------+-------------------------------+--------+--------------+-------+---------+------+
 *           | dates: exp, nbf, iat | where iss, sub, aud, cnf are  | bearer | moves it may | token | payload | tape |
 *           |                      |                               |        | still make   |       |         |      |
 *           +----------------------+-------------------------------+--------+--------------+-------+---------+------+
 *
 * What the request under way reads is pinned: a token's slot that took its claims from an entry names it (token/slot.ts). Such an entry
 * neither gives way nor moves. Where it is the oldest, it becomes the newest where it stands, and what was free before it is a gap: an
 * entry of which only the size is there, with its lowest bit set.
 *
 * Each entry knows who brought it, by a hash of the caller. Whoever holds a quarter of the ring may have what is free, but no longer
 * pushes out tokens of others that are in use: these go to the ring's front in place of giving way, and its own oldest do.
 */
import { poison } from "../bytes/poison";
import { copyTape } from "../bytes/tape";
import { KeySet } from "../keys/keyset";
import { known_tokens_bytes_min, leeway_seconds_max, token_moved_bytes_max, usual_token_bytes_max } from "../limits";
import { request } from "../request/request";
import { isPinned } from "./slot";

@unmanaged
export class Cache {
  /** The key set's epoch in which its tokens were verified; 0 for a cache that was never used. */
  epoch: u32;
  /** The table: buckets of four addresses each, and how many buckets less one. */
  table: usize;
  mask: u32;
  /** The ring: its first byte, the byte after it, the oldest entry, and where the next one goes. */
  start: usize;
  end: usize;
  oldest: usize;
  next: usize;
  /** Whether the newest entries stand before the oldest, and where those at the ring's end stop. */
  isWrapped: bool;
  stop: usize;
  /** The bytes that entries of each bearer take, bearers being told apart by eight bits of their hash. */
  held: usize;
}

export const entry_head_bytes: u32 = 72;
const expires_at: u32 = 24;
export const bearer_at: u32 = 64;
export const moves_at: u32 = 68;
const held_bytes: u32 = 4 * 256;
if (!(known_tokens_bytes_min / 4 >= entry_head_bytes + usual_token_bytes_max + (usual_token_bytes_max / 4) * 3 + 16))
  ERROR("the smallest cache keeps the largest token of a policy that allows for none larger, with few claims");
export const bucket_ways: u32 = 4;
/** Ring bytes for each bucket, so that the table has about twice as many cells as the ring has entries of common size. */
const bucket_share_bytes: u32 = 4096;

/** How many entries were pushed out and not yet counted. */
let evictions: u32 = 0;

/** Counts an entry that was pushed out. */
export function countEviction(): void {
  evictions++;
}

/** How many entries were pushed out since this was asked last. */
export function takeEvictions(): u32 {
  const count = evictions;
  evictions = 0;
  return count;
}

/** A key set's cache, emptied when its keys have changed since: they change between requests alone. */
export function cacheOf(set: KeySet): Cache {
  const cache = changetype<Cache>(set.tokens);
  if (cache.epoch != set.epoch) emptyCache(cache, set);
  return cache;
}

function emptyCache(cache: Cache, set: KeySet): void {
  let buckets: u32 = 1;
  while (buckets * 2 * bucket_share_bytes <= set.tokensBytes) buckets *= 2;
  cache.epoch = set.epoch;
  cache.table = set.tokens + ((<usize>offsetof<Cache>() + 15) & ~15);
  cache.mask = buckets - 1;
  cache.held = cache.table + <usize>buckets * bucket_ways * 4;
  cache.start = cache.held + held_bytes;
  cache.end = set.tokens + set.tokensBytes;
  memory.fill(cache.table, 0, cache.start - cache.table);
  poison(cache.start, cache.end - cache.start);
  cache.oldest = cache.start;
  cache.next = cache.start;
  cache.isWrapped = false;
}

/** The largest entry that a cache keeps. */
export function entryBytesMax(cache: Cache): u32 {
  return <u32>(cache.end - cache.start) / 4;
}

/** The four cells of a hash. */
export function bucketOf(cache: Cache, hash: u32): usize {
  return cache.table + ((<usize>(hash & cache.mask)) << 4);
}

/**
 * Makes room for an entry of `bytes`, at most `entryBytesMax`, and gives it to a bearer. The oldest entries give way; but for a bearer
 * that holds much, those of others in use are moved to the front, up to a bound. 0 where too much of the ring is pinned.
 */
export function takeRing(cache: Cache, bytes: u32, bearer: u32): usize {
  const holdsMuch = heldBy(cache, bearer) + bytes > entryBytesMax(cache);
  let movable: u32 = holdsMuch ? token_moved_bytes_max : 0;
  let passable: u32 = 2 * entryBytesMax(cache);
  while (true) {
    if (!cache.isWrapped) {
      if (cache.end - cache.next >= bytes) break;
      cache.stop = cache.next;
      cache.next = cache.start;
      cache.isWrapped = true;
    }
    if (cache.oldest - cache.next >= bytes) break;
    const entry = cache.oldest;
    const size = load<u32>(entry);
    if ((size & 1) != 0) {
      passOldest(cache, size & ~1);
      continue;
    }
    if (isPinned(entry)) {
      const passed = <u32>(entry - cache.next) + size;
      if (passed > passable) return 0;
      passable -= passed;
      passPinned(cache, size);
      continue;
    }
    const cell = cellOfEntry(cache, entry);
    if (size <= movable && cell != 0 && isInUse(entry, bearer)) {
      movable -= size;
      moveOldest(cache, cell);
    } else {
      evictOldest(cache, cell);
    }
  }
  const entry = cache.next;
  cache.next += bytes;
  store<u32>(entry, bytes);
  store<u32>(entry, bearer, bearer_at);
  hold(cache, bearer, bytes);
  return entry;
}

/** Whether an entry is another bearer's, was used lately, and may be used again. */
function isInUse(entry: usize, bearer: u32): bool {
  if (load<u32>(entry, bearer_at) == bearer || load<u32>(entry, moves_at) == 0) return false;
  const seconds = <i64>(request.nowNanoseconds / 1000000000);
  return load<i64>(entry, expires_at) + <i64>leeway_seconds_max > seconds;
}

/** Moves the oldest entry, which the table has in a cell, to where the next one goes: it gives up the room that this takes. */
function moveOldest(cache: Cache, cell: usize): void {
  const entry = cache.oldest;
  const bytes = load<u32>(entry);
  passOldest(cache, bytes);
  memory.copy(cache.next, entry, bytes);
  const tape = cache.next + entry_head_bytes + padded(load<u32>(cache.next, 8)) + padded(load<u32>(cache.next, 12));
  // The tape is where it belongs; its records still speak of where the payload was.
  copyTape(tape, load<u32>(cache.next, 16), tape, cache.next - entry);
  store<u32>(cache.next, load<u32>(cache.next, moves_at) - 1, moves_at);
  store<u32>(cell, <u32>cache.next);
  cache.next += bytes;
  if (isDefined(POISON)) {
    // Where it went to the front, both places may overlap.
    const given = cache.next - bytes < entry ? max(entry, cache.next) : entry;
    poison(given, entry + bytes - given);
  }
}

/** Makes the oldest entry the newest where it stands. */
function passPinned(cache: Cache, bytes: u32): void {
  const gap = <u32>(cache.oldest - cache.next);
  if (gap != 0) store<u32>(cache.next, gap | 1);
  cache.next = cache.oldest + bytes;
  passOldest(cache, bytes);
}

/** Drops the oldest entry, and the table's cell if it still has one. */
function evictOldest(cache: Cache, cell: usize): void {
  const bytes = load<u32>(cache.oldest);
  if (cell != 0) {
    store<u32>(cell, 0);
    evictions++;
  }
  hold(cache, load<u32>(cache.oldest, bearer_at), 0 - bytes);
  poison(cache.oldest, bytes);
  passOldest(cache, bytes);
}

function passOldest(cache: Cache, bytes: u32): void {
  cache.oldest += bytes;
  if (cache.oldest < cache.stop) return;
  cache.oldest = cache.start;
  cache.isWrapped = false;
}

/** Where the table has an entry; 0 where another one took its cell. */
function cellOfEntry(cache: Cache, entry: usize): usize {
  let cell = bucketOf(cache, load<u32>(entry, 4));
  const end = cell + 4 * bucket_ways;
  for (; cell < end; cell += 4) {
    if (<usize>load<u32>(cell) == entry) return cell;
  }
  return 0;
}

function heldBy(cache: Cache, bearer: u32): u32 {
  return load<u32>(cache.held + ((<usize>(bearer & 0xff)) << 2));
}

function hold(cache: Cache, bearer: u32, bytes: u32): void {
  store<u32>(cache.held + ((<usize>(bearer & 0xff)) << 2), heldBy(cache, bearer) + bytes);
}

/** Entries, and what they are made of, are 8-aligned. */
export function padded(size: u32): u32 {
  return (size + 7) & ~7;
}
