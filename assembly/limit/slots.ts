/**
 * Requests in flight, counted in shared data for all workers of a host. Keys have sets as buckets do (limit/store.ts), with one entry
 * for each worker that has requests of a key open, so that what a lost worker has left behind can be told from the rest:
 *
 *   0                 8            12
 *   +-----------------+------------+----------+
 *   | fingerprint u64 | worker u32 | open u32 |   128 of them
 *   +-----------------+------------+----------+
 *
 * A worker is a random number, drawn when its VM first takes a slot. From then on it beats once a second, with a tick or a request, in
 * one more shared value, which has the number and the beat of each. A worker whose beat has not changed for so many beats of another is
 * taken out of there, and what it holds counts no more. No clock has a part in that, save of workers that were there before the one that
 * looks: theirs counts only if it is of now.
 *
 * What finds no room is denied, and a number that nobody knows counts, so that whatever is amiss errs towards denying.
 */
import { noteEnd } from "../body/holds";
import { Failure } from "../failure";
import { Result } from "../host/abi";
import { fail, readClock, readRandom } from "../host/host";
import { cas } from "../host/sharedvalue";
import { bucket_attempts_max, lost_worker_beats, slot_sets, slot_workers_max } from "../limits";
import { addHeld, freeHeld, Held, hasSlot, takeOut } from "../streams/held";
import { failed, nameValue, readValue, Take, taken, writeValue } from "./store";

const way_bytes: usize = 16;
const set_bytes: u32 = slot_workers_max * 16;
const set: usize = memory.data(slot_workers_max * 16, 8);
/** The number and the beat of each worker as they were read last, as they were when this one beat last, and for how many beats the same. */
const workers_bytes: u32 = slot_workers_max * 8;
const workers: usize = memory.data(slot_workers_max * 8, 8);
const seen: usize = memory.data(slot_workers_max * 8, 8);
const beats: usize = memory.data(slot_workers_max * 8, 8);
const all_workers: u32 = 0xffffffff;

/** This worker; and whether the others know of it. */
const drawn: usize = memory.data(4, 4);
let isEnlisted: bool = false;
let beatAt: u64 = 0;

// @inline
function me(): u32 {
  return load<u32>(drawn);
}

/** Takes one of `most` slots of a key for a stream, or with `dry` only sees whether it could: one that it has already is no other's. */
export function takeSlot(seed: u32, key: u64, most: u32, stream: u32, now: u64, dry: bool): Take {
  if (!dry && !beat(now)) return failed;
  for (let attempt: u32 = 0; attempt < bucket_attempts_max; attempt++) {
    if (!readSet(seed, key)) return failed;
    isFresh = false;
    let own: usize = 0;
    let free: usize = 0;
    let open: u32 = 0;
    for (let way = set; way < set + set_bytes; way += way_bytes) {
      const count = load<u32>(way, 12);
      if (count == 0 || !isAlive(load<u32>(way, 8))) {
        free = way;
        continue;
      }
      if (load<u64>(way) != key) continue;
      open += count;
      if (load<u32>(way, 8) == me()) own = way;
    }
    if (dry && hasSlot(stream, seed, key)) return taken;
    if (open >= most || (own | free) == 0) return 1;
    if (dry) return taken;
    const held = addHeld(stream);
    if (held == null) {
      fail(Failure.HELD_STREAMS);
      return failed;
    }
    if (own == 0) {
      own = free;
      store<u64>(own, key);
      store<u32>(own, me(), 8);
      store<u32>(own, 0, 12);
    }
    store<u32>(own, load<u32>(own, 12) + 1, 12);
    held.root = me();
    held.rule = 0;
    held.amount = key;
    held.seed = seed;
    const result = writeSet(seed, key);
    if (result == Result.OK) return taken;
    freeHeld(takeOut(stream)!);
    if (result != Result.CAS_MISMATCH) return failed;
  }
  fail(Failure.SHARED_DATA_CONTENTION);
  return failed;
}

/**
 * A stream ends, or is denied: it holds nothing any more. What the host does not take back now is kept under the number of no stream,
 * and tried again with each tick.
 */
export function letGo(stream: u32): void {
  for (let held = takeOut(stream); held != null; held = takeOut(stream)) {
    if (held.rule != 0 || giveBack(held)) {
      if (isDefined(BODIES)) noteEnd(held);
      freeHeld(held);
      continue;
    }
    held.context = 0;
    addHeld(0, held);
    if (stream == 0) return;
  }
}

function giveBack(held: Held): bool {
  for (let attempt: u32 = 0; attempt < bucket_attempts_max; attempt++) {
    if (!readSet(held.seed, held.amount)) return false;
    let own: usize = 0;
    for (let way = set; way < set + set_bytes; way += way_bytes) {
      // One that nobody has any more may still have the key's name.
      const isOpen = load<u32>(way, 12) != 0;
      if (isOpen && load<u64>(way) == held.amount && load<u32>(way, 8) == held.root) own = way;
    }
    // Taken for lost, and given to another.
    if (own == 0) return true;
    store<u32>(own, load<u32>(own, 12) - 1, 12);
    const result = writeSet(held.seed, held.amount);
    if (result != Result.CAS_MISMATCH) return result == Result.OK;
  }
  return false;
}

function nameSet(seed: u32, key: u64): void {
  // Beside the sets of buckets.
  nameValue(seed, (<u32>key & (slot_sets - 1)) | 0x80000000);
}

function readSet(seed: u32, key: u64): bool {
  nameSet(seed, key);
  return readValue(set, set_bytes);
}

function writeSet(seed: u32, key: u64): Result {
  nameSet(seed, key);
  return writeValue(set, set_bytes);
}

/** Whether `workers` was read after the set in hand, so that whoever stands there and not here is lost. */
let isFresh: bool = false;

function isAlive(worker: u32): bool {
  if (worker == me() || isKnown(worker)) return true;
  if (isFresh) return false;
  const number = load<u32>(cas);
  isFresh = readWorkers();
  store<u32>(cas, number);
  return !isFresh || isKnown(worker);
}

function isKnown(worker: u32): bool {
  for (let place = workers; place < workers + workers_bytes; place += 8) if (load<u32>(place) == worker) return true;
  return false;
}

function readWorkers(): bool {
  nameValue(0, all_workers);
  return readValue(workers, workers_bytes);
}

/** Beats, and takes workers out that are lost, at most once a second. False where it could not. */
export function beat(now: u64): bool {
  // A clock that stepped back is no reason to wait.
  if (isEnlisted && now - beatAt < 1000000000) return true;
  if (now == 0 || (me() == 0 && !readRandom(drawn, 4))) return false;
  store<u32>(drawn, me() | 1);
  const seconds = <u32>(now / 1000000000);
  for (let attempt: u32 = 0; attempt < bucket_attempts_max; attempt++) {
    if (!readWorkers()) return false;
    let own: usize = 0;
    for (let at: usize = 0; at < workers_bytes; at += 8) {
      const place = workers + at;
      const isSame = load<u64>(place) == load<u64>(seen + at);
      const isLost = isEnlisted
        ? isSame && load<u32>(beats + at) >= lost_worker_beats
        : seconds - load<u32>(place, 4) + lost_worker_beats > 2 * lost_worker_beats;
      if (isLost && load<u32>(place) != me()) store<u64>(place, 0);
      if (load<u32>(place) == me() || (load<u32>(place) == 0 && own == 0)) own = place;
    }
    if (own == 0) break;
    store<u32>(own, me());
    store<u32>(own, seconds, 4);
    const result = writeValue(workers, workers_bytes);
    if (result == Result.CAS_MISMATCH) continue;
    if (result != Result.OK) return false;
    for (let at: usize = 0; at < workers_bytes; at += 8) {
      const isSame = load<u64>(workers + at) == load<u64>(seen + at);
      store<u32>(beats + at, isSame ? load<u32>(beats + at) + 1 : 0);
      store<u64>(seen + at, load<u64>(workers + at));
    }
    isEnlisted = true;
    beatAt = now;
    return true;
  }
  fail(Failure.HELD_STREAMS);
  return false;
}

/** Once a tick: beats where this worker is known, and gives back what could not be given back before. */
export function keepSlots(): void {
  if (!isEnlisted) return;
  beat(readClock());
  letGo(0);
}
