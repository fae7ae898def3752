/**
 * What the workers of a host share about a key set, in shared data: its state (keys/state.ts), updated by compare-and-swap, and the
 * set itself, as its server sent it. Both keys end with the cluster and the URL, and where the URL is that of a discovery document
 * with the issuer, and the SHA-256 of the hosts that the set may be on, so that policies, and a policy before and after a
 * reload, share what they fetch, and nobody has keys from where its policy does not let them come from.
 *
 *   0            8
 *   +------------+----------- ... -+
 *   | generation | the set's JSON  |
 *   +------------+----------- ... -+
 */
import { absent, failed, Span, spanOf, spanSize, spanStart } from "../bytes/span";
import { openWriter, Writer, writeByte, writeBytes, writeHex, writeText } from "../bytes/writer";
import { finishHash, startHash, updateHash } from "../crypto/sha2";
import { Result } from "../host/abi";
import { readSharedData, writeSharedData } from "../host/host";
import { cluster_name_bytes_max, etag_bytes_max, key_url_bytes_max } from "../limits";
import * as layout from "../policy/layout";
import { sectionIn } from "../policy/policy";
import { KeySet } from "./keyset";
import { casOf, casStart, State, state_bytes } from "./state";

/** In front of the set itself. */
export const set_head_bytes: u32 = 8;

const shared_key_bytes: u32 = 128 + 2 * key_url_bytes_max + cluster_name_bytes_max;
const key: usize = memory.data(128 + 2 * 1024 + 256);
if (!(shared_key_bytes == 128 + 2 * 1024 + 256)) ERROR("the key has room for cluster, URL, issuer and hosts");
const hosts_hash_bytes: u32 = 32;
const hostsHash: usize = memory.data(32, 4);
const writer = changetype<Writer>(memory.data(32, 8));
/** A set is written whatever number it has: its key is that of its generation. */
const cas: usize = memory.data(4, 4);

/** Reads a set's state into `state`, all zero where there is none yet. False where the host fails. */
export function readState(set: KeySet, state: State): bool {
  writeKey(set, "sallyport:keys:state:1:");
  memory.fill(changetype<usize>(state), 0, state_bytes);
  const shared = readSharedData(key, writer.size, casStart(state));
  if (shared == absent) return true;
  if (spanSize(shared) != state_bytes) return false;
  memory.copy(changetype<usize>(state), spanStart(shared), state_bytes);
  if (state.etagSize > etag_bytes_max) state.etagSize = 0;
  return true;
}

/** Writes a state that was read, changed. False where another worker was first, or the host fails. */
export function writeState(set: KeySet, state: State): bool {
  writeKey(set, "sallyport:keys:state:1:");
  return writeSharedData(key, writer.size, changetype<usize>(state), state_bytes, casOf(state)) == Result.OK;
}

/** Reads the set of a generation into the arena. Its JSON, or `failed`. */
export function readSharedSet(set: KeySet, generation: u32): Span {
  writeSetKey(set, generation);
  const shared = readSharedData(key, writer.size, cas);
  const start = spanStart(shared);
  const size = spanSize(shared);
  if (size < set_head_bytes || load<u32>(start) != generation) return failed;
  return spanOf(start + set_head_bytes, size - set_head_bytes);
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
  writeImageText(set.record + layout.key_set_cluster_at, set.image);
  writeByte(writer, 0x20);
  writeImageText(set.record + layout.key_set_url_at, set.image);
  // Two policies may differ in what the document must say, and in where it may lead.
  if (load<u32>(set.record + layout.key_set_issuer_at, 4) == 0) return;
  writeByte(writer, 0x20);
  writeImageText(set.record + layout.key_set_issuer_at, set.image);
  writeByte(writer, 0x20);
  hashHosts(set);
  for (let at: u32 = 0; at < hosts_hash_bytes; at += 4) writeHex(writer, load<u32>(hostsHash + at));
}

/** The SHA-256 of the hosts that a set may be on and of their clusters, each with its size before it. */
function hashHosts(set: KeySet): void {
  const run = set.record + layout.key_set_hosts_at;
  const first = sectionIn(set.image, layout.section_texts) + <usize>load<u32>(run) * layout.text_record_bytes;
  const end = first + <usize>load<u32>(run, 4) * layout.text_record_bytes;
  startHash(hosts_hash_bytes);
  for (let text = first; text < end; text += layout.text_record_bytes) {
    updateHash(text + 4, 4);
    updateHash(set.image + load<u32>(text), load<u32>(text, 4));
  }
  finishHash(hostsHash);
}

function writeImageText(text: usize, image: usize): void {
  writeBytes(writer, image + load<u32>(text), load<u32>(text, 4));
}
