/**
 * Requests that wait for keys: they met a token whose `kid` no key of the set has, which may be a key that was published a
 * moment ago. Each waits for one fetch that begins after it came, in a slot of its own, for a bounded time; when the slots
 * are taken, a request is answered at once.
 *
 *   0         4              8         12        16           20        24
 *   +---------+--------------+---------+---------+------------+---------+-----------------+
 *   | stream  | root context | key set | attempt | generation | caller  | deadline u64    |
 *   +---------+--------------+---------+---------+------------+---------+-----------------+
 */
import { hash32 } from "../bytes/hash";
import { key_wait_seconds, waiting_streams } from "../limits";
import { Policy } from "../policy/policy";
import { request } from "../request/request";
import { isFetched, KeySet, keySetAt } from "./keyset";
import { nextWantedAt } from "./refresh";
import { readState, state } from "./state";

const slot_bytes: u32 = 32;
const slots: usize = memory.data(waiting_streams * 32, 8);
/** One caller may have a quarter of the slots, so that it cannot keep others from waiting. */
const caller_streams: u32 = waiting_streams / 4;
/** No slot is beyond this one. */
let used: u32 = 0;

/** Has a stream wait for a key set. False where there is nothing to wait for, or no room to. */
export function waitForKeys(policy: Policy, context: u32, setIndex: u32): bool {
  const set = keySetAt(policy, setIndex);
  if (!isFetched(set) || !readState(set)) return false;
  const now = request.nowNanoseconds;
  const deadline = now + <u64>key_wait_seconds * 1000000000;
  const isNewer = state.generation != set.generation;
  if (!isNewer && nextWantedAt() > deadline) return false;
  const slot = freeSlot(hash32(0, request.callerStart, request.callerSize));
  if (slot == 0) return false;
  set.wanted = state.started + 1;
  store<u32>(slot, context);
  store<u32>(slot, policy.rootContext, 4);
  store<u32>(slot, setIndex, 8);
  store<u32>(slot, state.started + 1, 12);
  store<u32>(slot, set.generation, 16);
  store<u64>(slot, deadline, 24);
  return true;
}

/** A free slot, marked with the caller; 0 where there is none for it. */
function freeSlot(caller: u32): usize {
  let free: usize = 0;
  let held: u32 = 0;
  for (let index: u32 = 0; index < used; index++) {
    const slot = slots + <usize>index * slot_bytes;
    if (load<u32>(slot) == 0) free = slot;
    else if (load<u32>(slot, 20) == caller) held++;
  }
  if (held >= caller_streams) return 0;
  if (free == 0) {
    if (used == waiting_streams) return 0;
    free = slots + <usize>used * slot_bytes;
    used++;
  }
  store<u32>(free, caller, 20);
  return free;
}

/** A stream is gone, or has been decided. */
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

/** Whether the keys a stream waits for have come, so that it is worth deciding again, and whether that is for the last time. */
export let isFinal: bool = false;

/** The stream in a slot if it belongs to a policy and is to be decided now; else 0. */
export function dueStream(policy: Policy, index: u32, now: u64): u32 {
  const slot = slots + <usize>index * slot_bytes;
  if (index >= used || load<u32>(slot) == 0 || load<u32>(slot, 4) != policy.rootContext) return 0;
  const set = keySetAt(policy, load<u32>(slot, 8));
  const deadline = load<u64>(slot, 24);
  const isLate = now >= deadline || deadline - now > <u64>key_wait_seconds * 1000000000;
  const isNewer = set.generation != load<u32>(slot, 16);
  const isAnswered = hasAnswered(set, load<u32>(slot, 12));
  if (!isLate && !isNewer && !isAnswered) return 0;
  isFinal = isLate || isAnswered;
  store<u32>(slot, set.generation, 16);
  return load<u32>(slot);
}

/** Whether an attempt is over, and what it brought is here. Counts wrap, so they are compared by their difference. */
function hasAnswered(set: KeySet, attempt: u32): bool {
  return readState(set) && <i32>(state.finished - attempt) >= 0 && state.generation == set.generation;
}
