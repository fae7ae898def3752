/**
 * Requests that wait for keys: they met a token whose `kid` no key of its sets has, which may be a key that was published a
 * moment ago. Each waits for a fetch that begins after it came, in a slot of its own, for a bounded time; when the slots are
 * taken, a request is answered at once.
 *
 *   0         4              8        12            16              24            32
 *   +---------+--------------+--------+-------------+---------------+-------------+
 *   | stream  | root context | caller | generations | key sets (one | since, in   |
 *   |         |              |        | added up    | bit each)     | nanoseconds |
 *   +---------+--------------+--------+-------------+---------------+-------------+
 */
import { hash32 } from "../bytes/hash";
import { isContextGone, setContext } from "../host/host";
import { key_fetch_milliseconds, key_floor_seconds, key_wait_seconds, waiting_streams } from "../limits";
import { section_key_sets } from "../policy/layout";
import { Policy, sectionCount } from "../policy/policy";
import { request } from "../request/request";
import { KeySet, keySetAt } from "./keyset";
import { nextWantedAt } from "./refresh";
import { readState, state } from "./state";

const slot_bytes: u32 = 32;
const slots: usize = memory.data(waiting_streams * 32, 8);
/** One caller may have a quarter of the slots, so that it cannot keep others from waiting. */
const caller_streams: u32 = waiting_streams / 4;
const wait_nanoseconds: u64 = <u64>key_wait_seconds * 1000000000;
/** No slot is beyond this one. */
let used: u32 = 0;

if (!(key_wait_seconds > key_floor_seconds)) ERROR("a request waits long enough for the next fetch to begin");
if (!(key_wait_seconds * 1000 >= key_fetch_milliseconds)) ERROR("a request waits as long as its fetch may take");

/** Has the fetched sets of a request fetched anew that lack the key its token names. */
export function askForKeys(policy: Policy): void {
  for (let sets = request.unknownKeySets; sets != 0; sets &= sets - 1) {
    keySetAt(policy, <u32>ctz(sets)).wantedAt = request.nowNanoseconds;
  }
}

/** Has a stream wait for those sets. False where no fetch could come in time, or where there is no room to wait. */
export function waitForKeys(policy: Policy, context: u32): bool {
  let generations: u32 = 0;
  let awaited: u64 = 0;
  for (let sets = request.awaitedKeySets; sets != 0; sets &= sets - 1) {
    const set = keySetAt(policy, <u32>ctz(sets));
    if (!readState(set)) continue;
    const isNewer = state.generation != set.generation;
    if (!isNewer && nextWantedAt(request.nowNanoseconds) > request.nowNanoseconds + wait_nanoseconds) continue;
    awaited |= sets & (0 - sets);
    generations += set.generation;
  }
  if (awaited == 0) return false;
  const caller = hash32(0, request.callerStart, request.callerSize);
  let slot = freeSlot(caller);
  if (slot == 0 && dropGone(context)) slot = freeSlot(caller);
  if (slot == 0) return false;
  store<u32>(slot, context);
  store<u32>(slot, policy.rootContext, 4);
  store<u32>(slot, generations, 12);
  store<u64>(slot, awaited, 16);
  store<u64>(slot, request.nowNanoseconds, 24);
  return true;
}

/** A free slot, marked with the caller; 0 where there is none for it. */
function freeSlot(caller: u32): usize {
  let free: usize = 0;
  let held: u32 = 0;
  for (let index: u32 = 0; index < used; index++) {
    const slot = slots + <usize>index * slot_bytes;
    if (load<u32>(slot) == 0) free = slot;
    else if (load<u32>(slot, 8) == caller) held++;
  }
  if (held >= caller_streams) return 0;
  if (free == 0) {
    if (used == waiting_streams) return 0;
    free = slots + <usize>used * slot_bytes;
    used++;
  }
  store<u32>(free, caller, 8);
  return free;
}

/** Whether streams that are gone were looked for since the last tick: a flood of requests must not have us look for each. */
let hasLooked: bool = false;

/** Frees the slots of streams that are gone, at most once a tick; then `context` is in hand again. False where it did not look. */
function dropGone(context: u32): bool {
  if (hasLooked) return false;
  hasLooked = true;
  for (let index: u32 = 0; index < used; index++) {
    const slot = slots + <usize>index * slot_bytes;
    const waiting = load<u32>(slot);
    if (waiting != 0 && isContextGone(waiting)) store<u32>(slot, 0);
  }
  setContext(context);
  return true;
}

/** A tick has come. */
export function allowLooking(): void {
  hasLooked = false;
}

/** A stream has been decided, or is gone. */
export function stopWaiting(context: u32): void {
  for (let index: u32 = 0; index < used; index++) {
    const slot = slots + <usize>index * slot_bytes;
    if (load<u32>(slot) == context) store<u32>(slot, 0);
  }
  while (used != 0 && load<u32>(slots + <usize>(used - 1) * slot_bytes) == 0) used--;
}

/** How many slots there are to look at. */
export function waitingSlots(): u32 {
  return used;
}

/** Whether the stream found due last is to be decided for good: its fetches are over, or its time is. */
export let isFinal: bool = false;

/** The stream in a slot if it belongs to a policy and is to be decided now; else 0. */
export function dueStream(policy: Policy, index: u32, now: u64): u32 {
  const slot = slots + <usize>index * slot_bytes;
  if (index >= used || load<u32>(slot) == 0 || load<u32>(slot, 4) != policy.rootContext) return 0;
  const since = load<u64>(slot, 24);
  let generations: u32 = 0;
  let isAnswered = true;
  for (let sets = load<u64>(slot, 16); sets != 0; sets &= sets - 1) {
    const number = <u32>ctz(sets);
    // Another configuration of the same root context may have fewer.
    if (number >= sectionCount(policy, section_key_sets)) break;
    const set = keySetAt(policy, number);
    generations += set.generation;
    if (!hasAnswered(set, since)) isAnswered = false;
  }
  // A clock that stepped back would have it wait for as long as it was wrong.
  const isLate = now < since || now - since >= wait_nanoseconds;
  if (!isLate && !isAnswered && generations == load<u32>(slot, 12)) return 0;
  isFinal = isLate || isAnswered;
  store<u32>(slot, generations, 12);
  return load<u32>(slot);
}

/** Whether an attempt that began since then is over, and what it brought is here. */
function hasAnswered(set: KeySet, since: u64): bool {
  if (!readState(set)) return false;
  return state.attemptAt >= since && state.finished == state.started && state.generation == set.generation;
}
