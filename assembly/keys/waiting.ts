/**
 * Requests that wait for keys: they met a token whose `kid` no key of its sets has, which may be a key that was published a
 * moment ago. Each waits for a fetch that begins after it came, in a slot of its own, for a bounded time; when the slots are
 * taken, a request is answered at once.
 *
 *   0         4              8               16            20      24              32            40                     56
 *   +---------+--------------+---------------+-------------+-------+---------------+-------------+----------------------+
 *   | stream  | root context | client it     | generations | final | key sets (one | since, in   | the attempt that     |
 *   |         |              | counts for    | added up    |       | bit each)     | nanoseconds | counts, of each set  |
 *   +---------+--------------+---------------+-------------+-------+---------------+-------------+----------------------+
 *
 * Envoy tears a stream down at once and deletes its context later: in between the context can still be addressed, and answering or
 * continuing it crashes Envoy (source/extensions/common/wasm/context.cc: both act on the stream's callbacks, unasked). So a slot is
 * freed by `proxy_on_delete`, which Envoy calls as it tears the stream down; where it is not called, filter.ts sees by a property that a
 * stream is over.
 */

import { literal } from "../bytes/literal";
import { poison } from "../bytes/poison";
import { copyBytes, isRun, spanSize, spanStart } from "../bytes/span";
import { LogLevel } from "../host/abi";
import { log, readProperty } from "../host/host";
import { keyedHash } from "../host/secret";
import {
  awaited_key_sets_max,
  client_streams_max,
  key_fetch_milliseconds_max,
  key_interval_seconds_min,
  key_tick_milliseconds,
  key_wait_seconds_max,
  unidentified_streams_max,
  untold_streams_max,
  waiting_streams_max,
} from "../limits";
import { section_key_sets } from "../policy/layout";
import { Policy, sectionCount } from "../policy/policy";
import { areEndsAnnounced } from "../policy/root";
import { Reason } from "../reason";
import { request } from "../request/request";
import { keySetAt } from "./keyset";
import { age, hasAnswered, isBehind, never, nextAttempt, second, untilWanted } from "./machine";
import { readState } from "./shared";
import { State } from "./state";

const slot_bytes: u32 = 56;
const slots: usize = memory.data(waiting_streams_max * 56, 8);
const attempts_at: usize = 40;
if (!(awaited_key_sets_max == 4)) ERROR("a slot has room for an attempt of each set");
const first_tick_nanoseconds: u64 = <u64>10 * key_tick_milliseconds * 1000000;
const wait_nanoseconds: u64 = <u64>key_wait_seconds_max * second;
/** No slot is beyond this one. */
let used: u32 = 0;

if (!(key_wait_seconds_max > key_interval_seconds_min))
  ERROR("a request waits long enough for the next fetch to begin");
if (!(key_wait_seconds_max * 1000 >= key_fetch_milliseconds_max))
  ERROR("a request waits as long as its fetch may take");
if (!(client_streams_max < unidentified_streams_max && unidentified_streams_max < waiting_streams_max))
  ERROR("no client, and not all that have no identity together, can keep others from waiting");

const current = changetype<State>(memory.data(200, 8));

/** The attempts that count for the request in hand, of the sets that it awaits, in their order. */
const attempts: usize = memory.data(16, 8);

/**
 * Has the fetched sets of a request fetched anew that lack the key its token names; and where the request is to be held, has its
 * stream wait for those that it hangs on, the first `awaited_key_sets_max` of them. False where it does not wait: it is not to be held, no
 * fetch could come in time, or there is no room.
 */
export function awaitKeys(policy: Policy, context: u32, isHeld: bool): bool {
  let generations: u32 = 0;
  let awaited: u64 = 0;
  for (let sets = request.unknownKeySets; sets != 0; sets &= sets - 1) {
    const set = keySetAt(policy, <u32>ctz(sets));
    if (!readState(set, current)) continue;
    set.wanted = nextAttempt(current);
    const bit = sets & (0 - sets);
    if ((request.awaitedKeySets & bit) == 0 || popcnt(awaited) == awaited_key_sets_max) continue;
    if (!isBehind(current, set) && untilWanted(current, request.nowNanoseconds) > wait_nanoseconds) continue;
    store<u32>(attempts + ((<usize>popcnt(awaited)) << 2), nextAttempt(current));
    awaited |= bit;
    generations += set.generation;
  }
  if (!isTicking(policy) || !isHeld || awaited == 0 || !mayWait()) return false;
  const slot = freeSlot(clientOf());
  if (slot == 0) return false;
  store<u32>(slot, context);
  store<u32>(slot, policy.rootContext, 4);
  store<u32>(slot, generations, 16);
  store<u32>(slot, 0, 20);
  store<u64>(slot, awaited, 24);
  store<u64>(slot, request.nowNanoseconds, 32);
  copyBytes(slot + attempts_at, attempts, awaited_key_sets_max * 4);
  return true;
}

/** Whether a stream must have ended already; how many have begun to wait before the host told of any end. */
let isEndDue: bool = false;
let untoldWaits: u32 = 0;
let hasWarned: bool = false;

const untold = literal(
  "sallyport: requests do not wait for keys: the host does not tell of the end of streams. Is proxy_on_delete allowed?",
);

/**
 * A host that does not call `proxy_on_delete` would have us act on streams that are gone. Whether it does shows with the first stream
 * that ends; until then few may wait (`untold_streams_max`), and a callback acts on one of them at most (`mayAct`).
 */
function mayWait(): bool {
  if (areEndsAnnounced()) return true;
  if (!isEndDue && untoldWaits < untold_streams_max) {
    untoldWaits++;
    return true;
  }
  if (!hasWarned) log(LogLevel.WARN, untold.start, untold.size);
  hasWarned = true;
  return false;
}

/** A request was answered by us: Envoy ends its stream once the callback has returned, and tells of it then. */
export function expectEnd(): void {
  isEndDue = true;
}

/**
 * Whether a callback that has acted on so many streams may act on another: the end of the first shows whether ends are told. Where one
 * was due and was not told, nothing acts on streams any more; those that wait are left to the timeouts of the host.
 */
export function mayAct(acted: u32): bool {
  return areEndsAnnounced() || (acted == 0 && !isEndDue);
}

const unticked = literal(
  "sallyport: requests do not wait for keys, and none are fetched: the host does not tick. Is proxy_on_tick allowed?",
);

/** Without ticks nothing is fetched, and nobody would end a wait. The first comes a moment after the policy is in force. */
function isTicking(policy: Policy): bool {
  if (policy.hasTicked) return true;
  if (policy.waitedAt == 0) policy.waitedAt = request.nowNanoseconds;
  if (age(policy.waitedAt, request.nowNanoseconds) < first_tick_nanoseconds) return true;
  if (policy.waitedAt != never) log(LogLevel.ERROR, unticked.start, unticked.size);
  policy.waitedAt = never;
  return false;
}

const source_address = literal("source\0address");
const unidentified_bit: u64 = 1;

/**
 * The client that a waiting request counts for: a caller by its ID; a request without an identity that counts by its address,
 * since it may claim any name. Hashed under the secret of this Envoy, so that nobody can choose to count as another. The last bit tells
 * the two apart.
 */
function clientOf(): u64 {
  if (request.callerReason == Reason.ALLOWED) {
    return keyedHash(0, 0, request.callerStart, request.callerSize) & ~unidentified_bit;
  }
  const peer = readProperty(source_address);
  if (!isRun(peer)) return unidentified_bit;
  const start = spanStart(peer);
  let size = spanSize(peer);
  while (size > 0 && load<u8>(start + size - 1) != 0x3a) size--;
  return keyedHash(0, 0, start, size) | unidentified_bit;
}

/** A free slot, marked with the client; 0 where there is none for it. */
function freeSlot(client: u64): usize {
  let free: usize = 0;
  let held: u32 = 0;
  let unidentified: u32 = 0;
  for (let index: u32 = 0; index < used; index++) {
    const slot = slots + <usize>index * slot_bytes;
    if (load<u32>(slot) == 0) {
      free = slot;
      continue;
    }
    const other = load<u64>(slot, 8);
    if (other == client) held++;
    unidentified += <u32>(other & unidentified_bit);
  }
  const isFull = (client & unidentified_bit) != 0 && unidentified >= unidentified_streams_max;
  if (held >= client_streams_max || isFull) return 0;
  if (free == 0) {
    if (used == waiting_streams_max) return 0;
    free = slots + <usize>used * slot_bytes;
    used++;
  }
  store<u64>(free, client, 8);
  return free;
}

/** A stream is decided, or has ended, and waits no more. The root context it waited under, 0 where it did not wait. */
export function stopWaiting(context: u32): u32 {
  let root: u32 = 0;
  for (let index: u32 = 0; index < used; index++) {
    const slot = slots + <usize>index * slot_bytes;
    if (load<u32>(slot) != context) continue;
    root = load<u32>(slot, 4);
    store<u32>(slot, 0);
    poison(slot + 4, slot_bytes - 4);
    break;
  }
  while (used != 0 && load<u32>(slots + <usize>(used - 1) * slot_bytes) == 0) used--;
  return root;
}

/** How many slots there are to look at. */
export function waitingSlots(): u32 {
  return used;
}

/** Whether the stream in a slot that is due is to be decided for good: its fetches are over, or its time is. */
export function isFinal(index: u32): bool {
  return load<u32>(slots + <usize>index * slot_bytes, 20) != 0;
}

/** The stream in a slot if it belongs to a policy and is to be decided now; else 0. */
export function dueStream(policy: Policy, index: u32, now: u64): u32 {
  const slot = slots + <usize>index * slot_bytes;
  if (index >= used || load<u32>(slot) == 0 || load<u32>(slot, 4) != policy.rootContext) return 0;
  const since = load<u64>(slot, 32);
  let generations: u32 = 0;
  let isAnswered = true;
  let attempt = slot + attempts_at;
  for (let sets = load<u64>(slot, 24); sets != 0; sets &= sets - 1) {
    const number = <u32>ctz(sets);
    // Another configuration of the same root context may have fewer.
    if (number >= sectionCount(policy, section_key_sets)) break;
    const set = keySetAt(policy, number);
    generations += set.generation;
    if (!readState(set, current) || !hasAnswered(current, set, load<u32>(attempt))) isAnswered = false;
    attempt += 4;
  }
  // A clock that stepped back would have it wait for as long as it was wrong: a future time counts as long ago.
  const isLate = age(since, now) >= wait_nanoseconds;
  if (!isLate && !isAnswered && generations == load<u32>(slot, 16)) return 0;
  store<u32>(slot, isLate || isAnswered ? 1 : 0, 20);
  store<u32>(slot, generations, 16);
  return load<u32>(slot);
}
