/**
 * Tokens whose signature was found good, with their claims taken apart: a token seen before costs a comparison. Each key set
 * has a cache of its own, so that one issuer's tokens do not push out another's, and so that keys and what they verified go
 * together. Nothing else is remembered: time, audience, binding and policy are judged on every request, and a signature that
 * is not good never enters.
 *
 * A cache is a ring of entries, the oldest of which give way to new ones, and a table that finds them by the last bytes of
 * the token, which are of its signature, hashed under a secret (host/secret.ts). The table only proposes; all bytes are compared.
 *
 * Each entry knows who brought it, by a hash of the caller. Whoever holds a quarter of the ring may have what is free, but no longer
 * pushes out tokens of others that are in use: these go to the ring's front in place of giving way, and its own oldest do.
 *
 *   +-------------------------+-------------------------------------------- ... -+
 *   | buckets of four entries |  ring:  … oldest | … | newest |  free  | …       |
 *   +-------------------------+-------------------------------------------- ... -+
 *
 *   entry   0           4      8            12             16        20
 *           +-----------+------+------------+--------------+---------+----------------------+
 *           | its bytes | hash | token size | payload size | tape    | algorithm, typ << 8  |
 *           |           |      |            |              | bytes   |                      |
 *           +-----------+------+------------+--------------+---------+----------------------+
 *           24                     48                              64       68             72
 *           +----------------------+-------------------------------+--------+--------------+-------+---------+------+
 *           | dates: exp, nbf, iat | where iss, sub, aud, cnf are  | bearer | moves it may | token | payload | tape |
 *           |                      |                               |        | still make   |       |         |      |
 *           +----------------------+-------------------------------+--------+--------------+-------+---------+------+
 */
import { copyBytes, sameBytes } from "../bytes/span";
import { copyTape } from "../bytes/tape";
import { keyedHash, mix } from "../host/secret";
import { KeySet } from "../keys/keyset";
import { known_tokens_bytes_min, leeway_seconds_max, token_bytes_max } from "../limits";
import { Reason } from "../reason";
import { request } from "../request/request";
import { Token } from "./slot";

@unmanaged
class Cache {
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

const entry_head_bytes: u32 = 72;
/** What token/claims.ts found, which stands in an entry as it does in a slot. */
const found_at: u32 = 24;
const found_bytes: u32 = 40;
const found_in_slot: usize = offsetof<Token>("expiresSeconds");
if (!(offsetof<Token>("confirmationAt") + 4 == offsetof<Token>("expiresSeconds") + 40))
  ERROR("what was found stands together in a slot");
const expires_at: u32 = 24;
const bearer_at: u32 = 64;
const moves_at: u32 = 68;
const held_bytes: u32 = 4 * 256;
const kind_bearer: u64 = 0x201;
/** How often an entry goes to the front before it must have been used again; one that was never used does so once. */
const moves_max: u32 = 8;
/** How many bytes of entries are moved at the most to make room for one. */
const moved_bytes_max: u32 = 131072;
if (!(known_tokens_bytes_min / 4 >= entry_head_bytes + token_bytes_max + (token_bytes_max / 4) * 3 + 16))
  ERROR("the smallest cache keeps the largest token, with few claims");
const bucket_ways: u32 = 4;
/** Ring bytes for each bucket, so that the table has about twice as many places as the ring has entries of common size. */
const bucket_share_bytes: u32 = 4096;

/** How many entries were pushed out and not yet counted. */
let evictions: u32 = 0;

/** How many entries were pushed out since this was asked last. */
export function takeEvictions(): u32 {
  const count = evictions;
  evictions = 0;
  return count;
}

/** A key set's cache, emptied when its keys have changed since. */
function cacheOf(set: KeySet): Cache {
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
  cache.oldest = cache.start;
  cache.next = cache.start;
  cache.isWrapped = false;
}

/** The hash of a token, of its last 16 bytes. */
export function tokenHash(start: usize, size: u32): u32 {
  if (size < 16) return 0;
  const tail = start + size - 16;
  return <u32>(mix(load<u64>(tail), load<u64>(tail, 8)) >> 32);
}

/** Fills the slot of a token, whose bytes and hash are there, with its claims. False where it is not known. */
export function recallToken(set: KeySet, token: Token): bool {
  if (set.tokens == 0) return false;
  const entry = findEntry(cacheOf(set), token);
  if (entry == 0) return false;
  store<u32>(entry, moves_max, moves_at);
  const text = entry + entry_head_bytes;
  token.payloadStart = text + padded(token.size);
  token.payloadSize = load<u32>(entry, 12);
  token.claimsBytes = load<u32>(entry, 16);
  token.claims = token.payloadStart + padded(token.payloadSize);
  const flags = load<u32>(entry, 20);
  token.algorithm = flags & 0xff;
  token.isSvidType = flags >> 8 != 0;
  copyBytes(changetype<usize>(token) + found_in_slot, entry + found_at, found_bytes);
  return true;
}

/** Whether a token is known. */
export function knowsToken(set: KeySet, token: Token): bool {
  return set.tokens != 0 && findEntry(cacheOf(set), token) != 0;
}

function findEntry(cache: Cache, token: Token): usize {
  let place = bucketOf(cache, token.hash);
  const end = place + 4 * bucket_ways;
  for (; place < end; place += 4) {
    const entry = <usize>load<u32>(place);
    if (entry == 0 || load<u32>(entry, 4) != token.hash || load<u32>(entry, 8) != token.size) continue;
    if (sameBytes(entry + entry_head_bytes, token.start, token.size)) return entry;
  }
  return 0;
}

/**
 * Keeps a token that the cache's key set verified, as one that the request's caller brought. One that takes more than a quarter of the
 * ring is not kept.
 */
export function rememberToken(set: KeySet, token: Token): void {
  if (set.tokens == 0) return;
  const cache = cacheOf(set);
  const bytes = entry_head_bytes + padded(token.size) + padded(token.payloadSize) + padded(token.claimsBytes);
  if (bytes > <u32>(cache.end - cache.start) / 4 || findEntry(cache, token) != 0) return;
  const named = request.callerReason == Reason.ALLOWED;
  const bearer = <u32>keyedHash(0, kind_bearer, request.callerStart, named ? request.callerSize : 0);
  const entry = takeRing(cache, bytes, bearer);
  store<u32>(entry, bytes);
  store<u32>(entry, token.hash, 4);
  store<u32>(entry, token.size, 8);
  store<u32>(entry, token.payloadSize, 12);
  store<u32>(entry, token.claimsBytes, 16);
  store<u32>(entry, token.algorithm | (token.isSvidType ? 0x100 : 0), 20);
  copyBytes(entry + found_at, changetype<usize>(token) + found_in_slot, found_bytes);
  store<u32>(entry, bearer, bearer_at);
  store<u32>(entry, 1, moves_at);
  hold(cache, bearer, bytes);
  const text = entry + entry_head_bytes;
  memory.copy(text, token.start, token.size);
  const payload = text + padded(token.size);
  memory.copy(payload, token.payloadStart, token.payloadSize);
  copyTape(token.claims, token.claimsBytes, payload + padded(token.payloadSize), payload - token.payloadStart);
  store<u32>(placeFor(cache, token.hash, bearer), <u32>entry);
}

/** A free place in the hash's bucket, or else that of an entry of the same bearer, or one of the four, as good as by chance. */
function placeFor(cache: Cache, hash: u32, bearer: u32): usize {
  const bucket = bucketOf(cache, hash);
  let chosen = bucket + 4 * <usize>(hash >> 30);
  for (let place = bucket; place < bucket + 4 * bucket_ways; place += 4) {
    const entry = <usize>load<u32>(place);
    if (entry == 0) return place;
    if (load<u32>(entry, bearer_at) == bearer) chosen = place;
  }
  evictions++;
  return chosen;
}

function bucketOf(cache: Cache, hash: u32): usize {
  return cache.table + ((<usize>(hash & cache.mask)) << 4);
}

/**
 * Makes room for `bytes`, at most a quarter of the ring, where the next entry goes. The oldest entries give way; but for a bearer that
 * holds much, those of others in use are moved to the front, up to a bound.
 */
function takeRing(cache: Cache, bytes: u32, bearer: u32): usize {
  const holdsMuch = heldBy(cache, bearer) + bytes > <u32>(cache.end - cache.start) / 4;
  let movable: u32 = holdsMuch ? moved_bytes_max : 0;
  while (true) {
    if (!cache.isWrapped) {
      if (cache.end - cache.next >= bytes) break;
      cache.stop = cache.next;
      cache.next = cache.start;
      cache.isWrapped = true;
    }
    if (cache.oldest - cache.next >= bytes) break;
    const place = placeOfEntry(cache, cache.oldest);
    const size = load<u32>(cache.oldest);
    if (size <= movable && place != 0 && isInUse(cache.oldest, bearer)) {
      movable -= size;
      moveOldest(cache, place);
    } else {
      evictOldest(cache, place);
    }
  }
  const entry = cache.next;
  cache.next += bytes;
  return entry;
}

/** Whether an entry is another bearer's, was used lately, and may be used again. */
function isInUse(entry: usize, bearer: u32): bool {
  if (load<u32>(entry, bearer_at) == bearer || load<u32>(entry, moves_at) == 0) return false;
  const seconds = <i64>(request.nowNanoseconds / 1000000000);
  return load<i64>(entry, expires_at) + <i64>leeway_seconds_max > seconds;
}

/** Moves the oldest entry, which stands at a place of the table, to where the next one goes: it gives up the room that this takes. */
function moveOldest(cache: Cache, place: usize): void {
  const entry = cache.oldest;
  const bytes = load<u32>(entry);
  passOldest(cache, bytes);
  memory.copy(cache.next, entry, bytes);
  const tape = cache.next + entry_head_bytes + padded(load<u32>(cache.next, 8)) + padded(load<u32>(cache.next, 12));
  // The tape is where it belongs; its records still speak of where the payload was.
  copyTape(tape, load<u32>(cache.next, 16), tape, cache.next - entry);
  store<u32>(cache.next, load<u32>(cache.next, moves_at) - 1, moves_at);
  store<u32>(place, <u32>cache.next);
  cache.next += bytes;
}

/** Drops the oldest entry, and its place in the table if it still has one. */
function evictOldest(cache: Cache, place: usize): void {
  const bytes = load<u32>(cache.oldest);
  if (place != 0) {
    store<u32>(place, 0);
    evictions++;
  }
  hold(cache, load<u32>(cache.oldest, bearer_at), 0 - bytes);
  passOldest(cache, bytes);
}

function passOldest(cache: Cache, bytes: u32): void {
  cache.oldest += bytes;
  if (cache.oldest < cache.stop) return;
  cache.oldest = cache.start;
  cache.isWrapped = false;
}

/** Where the table has an entry; 0 where another one took its place. */
function placeOfEntry(cache: Cache, entry: usize): usize {
  let place = bucketOf(cache, load<u32>(entry, 4));
  const end = place + 4 * bucket_ways;
  for (; place < end; place += 4) {
    if (<usize>load<u32>(place) == entry) return place;
  }
  return 0;
}

function heldBy(cache: Cache, bearer: u32): u32 {
  return load<u32>(cache.held + ((<usize>(bearer & 0xff)) << 2));
}

function hold(cache: Cache, bearer: u32, bytes: u32): void {
  store<u32>(cache.held + ((<usize>(bearer & 0xff)) << 2), heldBy(cache, bearer) + bytes);
}

function padded(size: u32): u32 {
  return (size + 7) & ~7;
}
