/**
 * What the workers of a host share about a key set, in shared data: its state, updated by compare-and-swap, and the set itself,
 * as its server sent it. Both keys end with the cluster and the URL, so that policies, and a policy before and after a reload,
 * share what they fetch.
 *
 *   0            4         8          12         16        24           32       40        48        56     60     64
 *   +------------+---------+----------+----------+---------+------------+--------+---------+---------+------+------+------+
 *   | generation | started | finished | failures | attempt | lease ends | next   | fetched | hash of | ETag | size | ETag |
 *   |            |         |          |          | began   |            | due    |         | the set | size |      |      |
 *   +------------+---------+----------+----------+---------+------------+--------+---------+---------+------+------+------+
 *
 *   0            8
 *   +------------+----------- ... -+
 *   | generation | the set's JSON  |
 *   +------------+----------- ... -+
 *
 * Times are nanoseconds since 1970.
 */
import { openWriter, Writer, writeByte, writeBytes, writeText } from "../bytes/writer";
import { Result } from "../host/abi";
import { create_cas, Read, readSharedData, valueCas, valueSize, valueStart, writeSharedData } from "../host/host";
import { cluster_name_bytes, etag_bytes, key_fetch_milliseconds, key_lease_seconds, key_url_bytes } from "../limits";
import * as layout from "../policy/layout";
import { KeySet } from "./keyset";

/** A set's state, as it is in shared data. */
@unmanaged
export class State {
  /** The attempt that brought the set that is in force; 0 for none yet. */
  generation: u32;
  /** Attempts at fetching that began, and the last that ended. */
  started: u32;
  finished: u32;
  /** How many failed in a row. */
  failures: u32;
  attemptAt: u64;
  leaseUntil: u64;
  nextAt: u64;
  fetchedAt: u64;
  hash: u64;
  etagSize: u32;
  /** Bytes of the set's JSON. */
  size: u32;
}

if (!(key_lease_seconds * 1000 > key_fetch_milliseconds)) ERROR("a lease lasts longer than a fetch");

const etag_offset: u32 = 64;
const state_bytes: u32 = 64 + etag_bytes;
if (!(offsetof<State>() == 64)) ERROR("the ETag follows the state");
/** In front of the set itself. */
export const set_head_bytes: u32 = 8;

/** The state read last. */
export const state = changetype<State>(memory.data(64 + 128, 8));
if (!(etag_bytes == 128)) ERROR("the state has room for the ETag");
let cas: u32 = 0;

const shared_key_bytes: u32 = 32 + key_url_bytes + cluster_name_bytes;
const key: usize = memory.data(32 + 1024 + 256);
if (!(shared_key_bytes == 32 + 1024 + 256)) ERROR("the key has room for cluster and URL");
const writer = changetype<Writer>(memory.data(32, 8));

/** Where the state's ETag is. */
export function etagStart(): usize {
  return changetype<usize>(state) + etag_offset;
}

/** Reads a set's state, all zero where there is none yet. False where the host fails. */
export function readState(set: KeySet): bool {
  writeKey(set, "sallyport:keys:state:1:");
  memory.fill(changetype<usize>(state), 0, state_bytes);
  const read = readSharedData(key, writer.size);
  cas = create_cas;
  if (read == Read.ABSENT) return true;
  if (read == Read.FAILED || valueSize != state_bytes) return false;
  memory.copy(changetype<usize>(state), valueStart, state_bytes);
  if (state.etagSize > etag_bytes) state.etagSize = 0;
  cas = valueCas;
  return true;
}

/** Writes the state that was read back, changed. False where another worker was first, or the host fails. */
export function writeState(set: KeySet): bool {
  writeKey(set, "sallyport:keys:state:1:");
  return writeSharedData(key, writer.size, changetype<usize>(state), state_bytes, cas) == Result.OK;
}

/** Reads the set of the generation that the state in hand tells of into the arena; it is the value read. */
export function readSharedSet(set: KeySet): bool {
  writeSetKey(set, state.generation);
  if (readSharedData(key, writer.size) != Read.PRESENT || valueSize < set_head_bytes) return false;
  return load<u32>(valueStart) == state.generation;
}

/** Writes the set: `size` bytes that begin with room for its generation. */
export function writeSharedSet(set: KeySet, start: usize, size: u32, generation: u32): bool {
  store<u32>(start, generation);
  store<u32>(start, 0, 4);
  writeSetKey(set, generation);
  return writeSharedData(key, writer.size, start, size, 0) == Result.OK;
}

/** Two sets have room, in turns, so that a worker that comes late does not write over what the one that replaced it wrote. */
function writeSetKey(set: KeySet, generation: u32): void {
  writeKey(set, (generation & 1) == 0 ? "sallyport:keys:set:1:0:" : "sallyport:keys:set:1:1:");
}

function writeKey(set: KeySet, prefix: string): void {
  openWriter(writer, key, shared_key_bytes);
  writeText(writer, prefix);
  writeImageText(set.record + layout.key_set_cluster, set.image);
  writeByte(writer, 0x20);
  writeImageText(set.record + layout.key_set_url, set.image);
}

function writeImageText(text: usize, image: usize): void {
  writeBytes(writer, image + load<u32>(text), load<u32>(text, 4));
}
