/**
 * Plugin configurations that found no memory, kept in shared data until there is some: the host hands a configuration over only
 * while it is being put in force. There are a few places, each with a head and the configuration in chunks; workers that keep the
 * same configuration share a place, and the last one to leave empties it.
 *
 *   head   0         4          8                16         48
 *          +---------+----------+----------------+----------+
 *          | size in | holders  | changed at, ns | SHA-256  |
 *          | bytes   |          | since 1970     |          |
 *          +---------+----------+----------------+----------+
 *
 * A place is claimed before its chunks are written, and every holder writes all of them, so that none depends on another. Who takes
 * the configuration back holds it against the hash it made itself.
 */
import { failed, Span, sameBytes, spanOf, spanSize, spanStart } from "../bytes/span";
import { openWriter, Writer, writeByte, writeDecimal, writeText } from "../bytes/writer";
import { finishHash, startHash, updateHash } from "../crypto/sha2";
import { Result } from "../host/abi";
import { lendArena, resetArena } from "../host/arena";
import { readClock, readConfiguration, readSharedData, writeSharedData } from "../host/host";
import {
  parked_bytes_max,
  parked_chunk_bytes_max,
  parking_attempts_max,
  parking_places_max,
  parking_quiet_seconds_min,
} from "../limits";

export const hash_bytes: u32 = 32;

@unmanaged
class Head {
  size: u32;
  holders: u32;
  changedAt: u64;
}

const hash_offset: usize = 16;
const head_bytes: u32 = 48;
if (!(offsetof<Head>() == 16)) ERROR("the hash follows the head");
const head = changetype<Head>(memory.data(48, 8));
/** The number that the head, or a chunk, was read under. */
const cas: usize = memory.data(4, 4);

const key_bytes: u32 = 64;
const key: usize = memory.data(64);
const writer = changetype<Writer>(memory.data(32, 8));

/** What became of a configuration that was to be kept, or taken back. */
export const enum Parking {
  DONE = 0,
  /** The host did not hand the configuration over. */
  UNREADABLE,
  /** It is too large, the host keeps no shared data, or what was kept is there no more. */
  LOST,
  /** The host failed at something that may work another time. */
  FAILED,
}

/** The place taken last. */
export let parkedAt: u32 = 0;

/** Keeps the configuration in hand, `size` bytes of it, in a place, and writes its hash to `hash`. */
export function park(size: u32, hash: usize): Parking {
  startHash(hash_bytes);
  for (let offset: u32 = 0; offset < size; offset += parked_chunk_bytes_max) {
    const chunk = readChunk(offset, size);
    if (chunk == failed) return Parking.UNREADABLE;
    updateHash(spanStart(chunk), spanSize(chunk));
  }
  finishHash(hash);
  if (size > parked_bytes_max || !takePlace(size, hash)) return Parking.LOST;
  for (let offset: u32 = 0; offset < size; offset += parked_chunk_bytes_max) {
    const chunk = readChunk(offset, size);
    if (chunk != failed && writeChunk(offset, spanStart(chunk), spanSize(chunk))) continue;
    leave(parkedAt, size, hash);
    return Parking.LOST;
  }
  return Parking.DONE;
}

/** Writes what was kept at a place to `target`, which has room for `size` bytes and sixteen more. */
export function takeBack(place: u32, size: u32, hash: usize, target: usize): Parking {
  if (!readHead(place)) return Parking.FAILED;
  if (!isHeld(size, hash)) return Parking.LOST;
  parkedAt = place;
  startHash(hash_bytes);
  for (let offset: u32 = 0; offset < size; offset += parked_chunk_bytes_max) {
    const wanted = min(size - offset, parked_chunk_bytes_max);
    nameChunk(offset);
    lendArena(target + offset, wanted + 8);
    const chunk = readSharedData(key, writer.size, cas);
    resetArena();
    if (chunk == failed) return Parking.FAILED;
    if (chunk != spanOf(target + offset, wanted)) return Parking.LOST;
    updateHash(target + offset, wanted);
  }
  finishHash(made);
  return sameBytes(made, hash, hash_bytes) ? Parking.DONE : Parking.LOST;
}

const made: usize = memory.data(32, 8);

/** Gives a place up; who is the last to do so empties it. */
export function leave(place: u32, size: u32, hash: usize): void {
  parkedAt = place;
  for (let attempt: u32 = 0; attempt < parking_attempts_max; attempt++) {
    if (!readHead(place) || !isHeld(size, hash)) return;
    head.holders--;
    head.changedAt = readClock();
    const result = writeHead(place);
    if (result == Result.CAS_MISMATCH) continue;
    if (result == Result.OK && head.holders == 0) empty(place, size, hash);
    return;
  }
}

/** Nobody joins a place without holders, and nobody claims it for a while. */
function empty(place: u32, size: u32, hash: usize): void {
  emptyChunks(0, size);
  if (!readHead(place) || head.size != size || head.holders != 0 || !hasHash(hash)) return;
  memory.fill(changetype<usize>(head), 0, head_bytes);
  writeHead(place);
}

function emptyChunks(from: u32, size: u32): void {
  for (let offset = from; offset < size; offset += parked_chunk_bytes_max) writeChunk(offset, 0, 0);
}

/** Joins those who keep the same configuration, or else claims a place: a free one, or the one that changed longest ago. */
function takePlace(size: u32, hash: usize): bool {
  for (let attempt: u32 = 0; attempt < parking_attempts_max; attempt++) {
    const result = joinPlace(size, hash);
    if (result == Result.OK) return true;
    if (result == Result.NOT_FOUND && claimPlace(size, hash)) return true;
  }
  return false;
}

function joinPlace(size: u32, hash: usize): Result {
  for (let place: u32 = 0; place < parking_places_max; place++) {
    if (!readHead(place) || !isHeld(size, hash)) continue;
    parkedAt = place;
    head.holders++;
    return writeHead(place);
  }
  return Result.NOT_FOUND;
}

function claimPlace(size: u32, hash: usize): bool {
  const now = readClock();
  let chosen: u32 = parking_places_max;
  let chosenAt: u64 = 0;
  for (let place: u32 = 0; place < parking_places_max; place++) {
    if (!readHead(place)) continue;
    // Whoever left last may still be emptying it.
    if (head.size != 0 && head.holders == 0 && isRecent(now)) continue;
    const changedAt = head.size == 0 ? 0 : head.changedAt;
    if (chosen != parking_places_max && changedAt >= chosenAt) continue;
    chosen = place;
    chosenAt = changedAt;
  }
  if (chosen == parking_places_max || !readHead(chosen)) return false;
  if ((head.size == 0 ? 0 : head.changedAt) != chosenAt) return false;
  const before = min(head.size, parked_bytes_max);
  head.size = size;
  head.holders = 1;
  head.changedAt = now;
  memory.copy(changetype<usize>(head) + hash_offset, hash, hash_bytes);
  if (writeHead(chosen) != Result.OK) return false;
  parkedAt = chosen;
  const end = (size + parked_chunk_bytes_max - 1) & ~(parked_chunk_bytes_max - 1);
  emptyChunks(end, before);
  return true;
}

/** A time of the future is one before the clock stepped back. */
function isRecent(now: u64): bool {
  return now >= head.changedAt && now - head.changedAt < <u64>parking_quiet_seconds_min * 1000000000;
}

function isHeld(size: u32, hash: usize): bool {
  return head.holders != 0 && head.size == size && hasHash(hash);
}

function hasHash(hash: usize): bool {
  return sameBytes(changetype<usize>(head) + hash_offset, hash, hash_bytes);
}

/** Reads a place's head, all zero where it was never taken. False where the host fails. */
function readHead(place: u32): bool {
  memory.fill(changetype<usize>(head), 0, head_bytes);
  nameHead(place);
  resetArena();
  const kept = readSharedData(key, writer.size, cas);
  if (kept == failed) return false;
  if (spanSize(kept) == head_bytes) memory.copy(changetype<usize>(head), spanStart(kept), head_bytes);
  return true;
}

function writeHead(place: u32): Result {
  nameHead(place);
  return writeSharedData(key, writer.size, changetype<usize>(head), head_bytes, load<u32>(cas));
}

/** A chunk of the configuration in hand, whole, or `failed`. */
function readChunk(offset: u32, size: u32): Span {
  const wanted = min(size - offset, parked_chunk_bytes_max);
  resetArena();
  const chunk = readConfiguration(offset, wanted);
  return spanSize(chunk) == wanted ? chunk : failed;
}

function writeChunk(offset: u32, start: usize, size: u32): bool {
  nameChunk(offset);
  return writeSharedData(key, writer.size, start, size, 0) == Result.OK;
}

function nameHead(place: u32): void {
  openWriter(writer, key, key_bytes);
  writeText(writer, "sallyport:parked:1:");
  writeDecimal(writer, place);
}

function nameChunk(offset: u32): void {
  nameHead(parkedAt);
  writeByte(writer, 0x3a);
  writeDecimal(writer, offset / parked_chunk_bytes_max);
}
