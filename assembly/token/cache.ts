/**
 * Tokens whose signature was found good, with their claims taken apart: a token seen before costs a comparison. Each key set
 * has a cache of its own, so that one issuer's tokens do not push out another's, and so that keys and what they verified go
 * together. Nothing else is remembered: time, audience, binding and policy are judged on every request, and a signature that
 * is not good never enters.
 *
 * A cache is a ring of entries, the oldest of which give way to new ones, and a table that finds them by the last bytes of
 * the token, which are of its signature. The table only proposes; all bytes are compared.
 *
 *   +-------------------------+-------------------------------------------- ... -+
 *   | buckets of four entries |  ring:  … oldest | … | newest |  free  | …       |
 *   +-------------------------+-------------------------------------------- ... -+
 *
 *   entry   0           4      8            12             16        20
 *           +-----------+------+------------+--------------+---------+----------------------+
 *           | its bytes | hash | token size | payload size | records | algorithm, typ << 8  |
 *           +-----------+------+------------+--------------+---------+----------------------+
 *           24                               40                       64
 *           +-------------------------------+-------------------------+-------+---------+------+
 *           | records of iss, sub, aud, cnf | dates: exp, nbf, iat    | token | payload | tape |
 *           +-------------------------------+-------------------------+-------+---------+------+
 */
import { sameBytes } from "../bytes/span";
import { copyTape, tape_record_bytes } from "../bytes/tape";
import { KeySet } from "../keys/keyset";
import { least_known_tokens_bytes, token_bytes } from "../limits";
import { Reason } from "../reason";
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
}

const entry_head_bytes: u32 = 64;
if (!(least_known_tokens_bytes / 4 >= entry_head_bytes + token_bytes + (token_bytes / 4) * 3 + 16))
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
  cache.start = cache.table + <usize>buckets * bucket_ways * 4;
  cache.end = set.tokens + set.tokensBytes;
  memory.fill(cache.table, 0, cache.start - cache.table);
  cache.oldest = cache.start;
  cache.next = cache.start;
  cache.isWrapped = false;
}

/** The hash of a token, of its last 16 bytes: whoever cannot sign cannot choose them. */
export function tokenHash(start: usize, size: u32): u32 {
  if (size < 16) return 0;
  const tail = start + size - 16;
  const mixed = (load<u64>(tail) ^ rotl<u64>(load<u64>(tail, 8), 31)) * 0x9e3779b97f4a7c15;
  return <u32>(mixed >> 32);
}

/** Fills the slot of a token, whose bytes and hash are there, with its claims. False where it is not known. */
export function recallToken(set: KeySet, token: Token): bool {
  if (set.tokens == 0) return false;
  const entry = findEntry(cacheOf(set), token);
  if (entry == 0) return false;
  const text = entry + entry_head_bytes;
  token.payloadStart = text + padded(token.size);
  token.payloadSize = load<u32>(entry, 12);
  token.records = load<u32>(entry, 16);
  token.tape = token.payloadStart + padded(token.payloadSize);
  const flags = load<u32>(entry, 20);
  token.algorithm = flags & 0xff;
  token.isSvidType = flags >> 8 != 0;
  token.issuerRecord = load<i32>(entry, 24);
  token.subjectRecord = load<i32>(entry, 28);
  token.audienceRecord = load<i32>(entry, 32);
  token.confirmationRecord = load<i32>(entry, 36);
  token.expiresSeconds = load<i64>(entry, 40);
  token.notBeforeSeconds = load<i64>(entry, 48);
  token.issuedAtSeconds = load<i64>(entry, 56);
  token.reason = Reason.ALLOWED;
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

/** Keeps a token that the cache's key set verified. One that takes more than a quarter of the ring is not kept. */
export function rememberToken(set: KeySet, token: Token): void {
  if (set.tokens == 0) return;
  const cache = cacheOf(set);
  const bytes =
    entry_head_bytes + padded(token.size) + padded(token.payloadSize) + padded(token.records * tape_record_bytes);
  if (bytes > <u32>(cache.end - cache.start) / 4 || findEntry(cache, token) != 0) return;
  const entry = takeRing(cache, bytes);
  store<u32>(entry, bytes);
  store<u32>(entry, token.hash, 4);
  store<u32>(entry, token.size, 8);
  store<u32>(entry, token.payloadSize, 12);
  store<u32>(entry, token.records, 16);
  store<u32>(entry, token.algorithm | (token.isSvidType ? 0x100 : 0), 20);
  store<i32>(entry, token.issuerRecord, 24);
  store<i32>(entry, token.subjectRecord, 28);
  store<i32>(entry, token.audienceRecord, 32);
  store<i32>(entry, token.confirmationRecord, 36);
  store<i64>(entry, token.expiresSeconds, 40);
  store<i64>(entry, token.notBeforeSeconds, 48);
  store<i64>(entry, token.issuedAtSeconds, 56);
  const text = entry + entry_head_bytes;
  memory.copy(text, token.start, token.size);
  const payload = text + padded(token.size);
  memory.copy(payload, token.payloadStart, token.payloadSize);
  copyTape(token.tape, token.records, payload + padded(token.payloadSize), payload - token.payloadStart);
  store<u32>(placeFor(cache, token.hash), <u32>entry);
}

/** A free place in the hash's bucket, or else one of the four, as good as by chance. */
function placeFor(cache: Cache, hash: u32): usize {
  const bucket = bucketOf(cache, hash);
  for (let place = bucket; place < bucket + 4 * bucket_ways; place += 4) {
    if (load<u32>(place) == 0) return place;
  }
  evictions++;
  return bucket + 4 * <usize>(hash >> 30);
}

function bucketOf(cache: Cache, hash: u32): usize {
  return cache.table + ((<usize>(hash & cache.mask)) << 4);
}

/** Makes room for `bytes`, at most a quarter of the ring, where the next entry goes; the oldest entries give way. */
function takeRing(cache: Cache, bytes: u32): usize {
  while (true) {
    if (!cache.isWrapped) {
      if (cache.end - cache.next >= bytes) break;
      cache.stop = cache.next;
      cache.next = cache.start;
      cache.isWrapped = true;
    }
    if (cache.oldest - cache.next >= bytes) break;
    evictOldest(cache);
  }
  const entry = cache.next;
  cache.next += bytes;
  return entry;
}

function evictOldest(cache: Cache): void {
  const entry = cache.oldest;
  let place = bucketOf(cache, load<u32>(entry, 4));
  const end = place + 4 * bucket_ways;
  for (; place < end; place += 4) {
    if (<usize>load<u32>(place) != entry) continue;
    store<u32>(place, 0);
    evictions++;
  }
  cache.oldest += load<u32>(entry);
  if (cache.oldest < cache.stop) return;
  cache.oldest = cache.start;
  cache.isWrapped = false;
}

function padded(size: u32): u32 {
  return (size + 7) & ~7;
}
