/**
 * What is known of a key set that is fetched, as values: what the workers of a host share (`State`, kept in shared data by
 * keys/shared.ts), and what one worker adds to it (`View`). Nothing here calls the host.
 *
 *   State   0            4         8          12         16        24           32       40        48        56     60     64
 *           +------------+---------+----------+----------+---------+------------+--------+---------+---------+------+------+------+
 *           | generation | started | finished | failures | attempt | lease ends | next   | fetched | hash of | ETag | size | ETag |
 *           |            |         |          |          | began   |            | due    |         | the set | size |      |      |
 *           +------------+---------+----------+----------+---------+------------+--------+---------+---------+------+------+------+
 *
 * Times are nanoseconds since 1970.
 */
import { etag_bytes_max } from "../limits";

/** A set's state, as it is in shared data, and the number under which it was read. */
@unmanaged
export class State {
  /** The attempt that brought the set that is in force; 0 for none yet. */
  generation: u32;
  /** Attempts at fetching that began, and the last that ended. An attempt's number is its owner's: no other has it. */
  started: u32;
  finished: u32;
  /** How many failed in a row. */
  failures: u32;
  attemptAt: u64;
  /** Until when the attempt that began last keeps others from beginning one; its owner puts it off while it lives. */
  leaseUntil: u64;
  nextAt: u64;
  fetchedAt: u64;
  hash: u64;
  etagSize: u32;
  /** Bytes of the set's JSON. */
  size: u32;
}

const etag_offset: u32 = 64;
if (!(offsetof<State>() == 64)) ERROR("the ETag follows the state");

/** The bytes of a state in shared data. */
export const state_bytes: u32 = 64 + etag_bytes_max;
const cas_offset: u32 = state_bytes;
/** The bytes a state takes in memory: the compare-and-swap number it was read under follows it. */
export const state_room_bytes: u32 = state_bytes + 8;
if (!(state_room_bytes == 200)) ERROR("whoever keeps a state has room for it: memory.data(200, 8)");

/** Where a state's ETag is. */
export function etagStart(state: State): usize {
  return changetype<usize>(state) + etag_offset;
}

/** The compare-and-swap number that a state was read under. */
export function casOf(state: State): u32 {
  return load<u32>(casStart(state));
}

/** Where a state has that number. */
export function casStart(state: State): usize {
  return changetype<usize>(state) + cas_offset;
}

/** What one worker knows of a set. */
@unmanaged
export class View {
  /** The generation of the keys that this worker has; 0 for those of the image. */
  generation: u32;
  /** The attempt of this worker's own that began last, and whether its callout is under way. */
  attempt: u32;
  calling: bool;
  /** Which attempt a token last asked for that named a key the set lacks: the one to begin next then; 0 for none. */
  wanted: u32;
}
