/**
 * Tokens whose signature was found good, with their claims parsed: a token seen before costs a comparison. Each key set
 * has a cache of its own (token/ring.ts), so that one issuer's tokens do not push out another's, and so that keys and what they
 * verified go together. Nothing else is cached: time, audience, binding and policy are checked on every request, and a signature that
 * is not good never enters.
 *
 * An entry is found by the last bytes of the token, which are of its signature, hashed under a secret (host/secret.ts). The table only
 * proposes; all bytes are compared. A slot that took its claims from an entry reads them there until the request ends.
 */
import { copyBytes, sameBytes } from "../bytes/span";
import { copyTape } from "../bytes/tape";
import { keyedHash, mix } from "../host/secret";
import { KeySet } from "../keys/keyset";
import { token_moves_max } from "../limits";
import { Reason } from "../reason";
import { request } from "../request/request";
import {
  bearer_at,
  bucket_ways,
  bucketOf,
  Cache,
  cacheOf,
  countEviction,
  entry_head_bytes,
  entryBytesMax,
  moves_at,
  padded,
  takeRing,
} from "./ring";
import { Token } from "./slot";

/** What token/claims.ts found, which stands in an entry as it does in a slot. */
const found_at: u32 = 24;
const found_bytes: u32 = 40;
const found_in_slot: usize = offsetof<Token>("expiresSeconds");
if (!(offsetof<Token>("confirmationAt") + 4 == offsetof<Token>("expiresSeconds") + 40))
  ERROR("what was found stands together in a slot");
const kind_bearer: u64 = 0x201;

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
  store<u32>(entry, token_moves_max, moves_at);
  token.entry = entry;
  const text = entry + entry_head_bytes;
  token.payloadStart = text + padded(token.size);
  token.payloadSize = load<u32>(entry, 12);
  token.claimsBytes = load<u32>(entry, 16);
  token.claims = token.payloadStart + padded(token.payloadSize);
  const flags = load<u32>(entry, 20);
  token.algorithm = flags & 0xff;
  token.isSvidType = ((flags >> 8) & 1) != 0;
  token.type = flags >> 16;
  copyBytes(changetype<usize>(token) + found_in_slot, entry + found_at, found_bytes);
  return true;
}

/** Whether a token is known. */
export function knowsToken(set: KeySet, token: Token): bool {
  return set.tokens != 0 && findEntry(cacheOf(set), token) != 0;
}

function findEntry(cache: Cache, token: Token): usize {
  let cell = bucketOf(cache, token.hash);
  const end = cell + 4 * bucket_ways;
  for (; cell < end; cell += 4) {
    const entry = <usize>load<u32>(cell);
    if (entry == 0 || load<u32>(entry, 4) != token.hash || load<u32>(entry, 8) != token.size) continue;
    if (sameBytes(entry + entry_head_bytes, token.start, token.size)) return entry;
  }
  return 0;
}

/**
 * Keeps a token that the cache's key set verified, as one that the request's caller brought. One that takes more than a quarter of the
 * ring is not kept, nor one for which only what the request reads could give way.
 */
export function rememberToken(set: KeySet, token: Token): void {
  if (set.tokens == 0) return;
  const cache = cacheOf(set);
  const bytes = entry_head_bytes + padded(token.size) + padded(token.payloadSize) + padded(token.claimsBytes);
  if (bytes > entryBytesMax(cache) || findEntry(cache, token) != 0) return;
  const named = request.callerReason == Reason.ALLOWED;
  const bearer = <u32>keyedHash(0, kind_bearer, request.callerStart, named ? request.callerSize : 0);
  const entry = takeRing(cache, bytes, bearer);
  if (entry == 0) return;
  store<u32>(entry, token.hash, 4);
  store<u32>(entry, token.size, 8);
  store<u32>(entry, token.payloadSize, 12);
  store<u32>(entry, token.claimsBytes, 16);
  store<u32>(entry, token.algorithm | (token.isSvidType ? 0x100 : 0) | (token.type << 16), 20);
  copyBytes(entry + found_at, changetype<usize>(token) + found_in_slot, found_bytes);
  store<u32>(entry, 1, moves_at);
  const text = entry + entry_head_bytes;
  memory.copy(text, token.start, token.size);
  const payload = text + padded(token.size);
  memory.copy(payload, token.payloadStart, token.payloadSize);
  copyTape(token.claims, token.claimsBytes, payload + padded(token.payloadSize), payload - token.payloadStart);
  store<u32>(cellFor(cache, token.hash, bearer), <u32>entry);
}

/** A free cell of the hash's bucket, or else that of an entry of the same bearer, or one of the four, as good as by chance. */
function cellFor(cache: Cache, hash: u32, bearer: u32): usize {
  const bucket = bucketOf(cache, hash);
  let chosen = bucket + 4 * <usize>(hash >> 30);
  for (let cell = bucket; cell < bucket + 4 * bucket_ways; cell += 4) {
    const entry = <usize>load<u32>(cell);
    if (entry == 0) return cell;
    if (load<u32>(entry, bearer_at) == bearer) chosen = cell;
  }
  countEviction();
  return chosen;
}
