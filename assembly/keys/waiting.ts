/**
 * Requests that wait: for keys, since they met a token whose `kid` no key of its sets has, which may be a key that was published a
 * moment ago; or for the rate limit service of their fleet (limit/fleet.ts). Each waits for a fetch that begins after it came, or for the
 * answer to its call, in a slot of its own, for a bounded time; when the slots are taken, a request is answered at once.
 *
 *   0         4              8               16            20      24              32            40                     56      72
 *   +---------+--------------+---------------+-------------+-------+---------------+-------------+----------------------+-------+
 *   | stream  | root context | client it     | generations | final | key sets (one | since, in   | the attempt that     | quota |
 *   |         |              | counts for    | added up    |       | bit each)     | nanoseconds | counts, of each set  |       |
 *   +---------+--------------+---------------+-------------+-------+---------------+-------------+----------------------+-------+
 *
 * One that waits for its fleet has no key sets; the call takes the place of the generations, and the rule with the answer that of the
 * attempts. It keeps what its other limits had left (limit/quota.ts), which are not taken from again.
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
  fleet_lateness_milliseconds_max,
  key_fetch_milliseconds_max,
  key_interval_seconds_min,
  key_tick_milliseconds,
  key_wait_seconds_max,
  unidentified_streams_max,
  untold_streams_max,
  waiting_streams_max,
} from "../limits";
import { needs_ticks, section_key_sets } from "../policy/layout";
import { fleetDeadline, hasFleet, needs, Policy, sectionCount } from "../policy/policy";
import { areEndsAnnounced } from "../policy/root";
import { Reason } from "../reason";
import { Request, request } from "../request/request";
import { keySetAt } from "./keyset";
import { age, hasAnswered, isBehind, never, nextAttempt, second, untilWanted } from "./machine";
import { fetchesKeys } from "./refresh";
import { readState } from "./shared";
import { State } from "./state";

const slot_bytes: u32 = 72;
const slots: usize = memory.data(waiting_streams_max * 72, 8);
const call_at: usize = 16;
const final_at: usize = 20;
const sets_at: usize = 24;
const since_at: usize = 32;
const attempts_at: usize = 40;
const quota_at: usize = 56;
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
 * Has the fetched sets of a request fetched anew that lack the key of its token; and where the request is to be held, has its
 * stream wait for those that it hangs on, the first `awaited_key_sets_max` of them. False where it does not wait: it is not to be held, no
 * fetch could come in time, or there is no room.
 */
export function awaitKeys(policy: Policy, context: u32, isHeld: bool): bool {
  let generations: u32 = 0;
  let awaited: u64 = 0;
  for (let sets = request.unknownKeySets | request.doubtedKeySets; sets != 0; sets &= sets - 1) {
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
  const isWaiting = isTicking(policy) && isHeld && awaited != 0 && mayWait();
  const slot = isWaiting ? takeSlot(policy, context) : 0;
  if (slot == 0) return false;
  store<u32>(slot, generations, 16);
  store<u64>(slot, awaited, 24);
  copyBytes(slot + attempts_at, attempts, awaited_key_sets_max * 4);
  return true;
}

function takeSlot(policy: Policy, context: u32): usize {
  const slot = freeSlot(clientOf());
  if (slot == 0) return 0;
  store<u32>(slot, context);
  store<u32>(slot, policy.rootContext, 4);
  store<u32>(slot, 0, 20);
  store<u64>(slot, request.nowNanoseconds, 32);
  return slot;
}

/** A policy is another root context's from now on, and so are the streams that wait under it. */
export function moveWaiting(from: u32, to: u32): void {
  for (let index: u32 = 0; index < used; index++) {
    const slot = slots + <usize>index * slot_bytes;
    if (load<u32>(slot, 4) == from) store<u32>(slot, to, 4);
  }
}

/** Whether requests of a policy may be held, or hold something, so that its root context needs ticks. */
export function holdsRequests(policy: Policy): bool {
  return fetchesKeys(policy) || hasFleet(policy) || needs(policy, needs_ticks);
}

const quota: usize = changetype<usize>(request) + offsetof<Request>("quotaLimit");
const quota_bytes: u32 = 16;
if (!(offsetof<Request>("quotaSeconds") == offsetof<Request>("quotaLimit") + 12))
  ERROR("what is kept of limits is one run");

/** The stream that is decided, its slot where it has one, and whether that is new. */
let stream: u32 = 0;
let held: usize = 0;
let isNew: bool = false;

/** The stream that is decided. */
export function currentStream(): u32 {
  return stream;
}

/** Begins to decide a stream that has just come. */
export function beginStream(context: u32): void {
  stream = context;
  held = 0;
}

/** Begins to decide the stream in a slot anew. */
export function resumeStream(index: u32): void {
  held = slots + <usize>index * slot_bytes;
  stream = load<u32>(held);
  isNew = false;
}

/** Whether the stream that is decided waits for its fleet. */
export function awaitsFleet(): bool {
  return held != 0 && load<u64>(held, sets_at) == 0 && load<u32>(held, final_at) == 0;
}

/** Where the rule stands that the fleet was asked for, and its answer (limit/fleet.ts), of the stream that is decided; 0 where it was not asked. */
export function fleetAnswer(): usize {
  return held != 0 && load<u64>(held, sets_at) == 0 ? held + attempts_at : 0;
}

/** Has room for the stream that is decided to wait for its fleet. False where there is none. */
export function reserveWait(policy: Policy): bool {
  if (held == 0 && isTicking(policy) && mayWait()) {
    held = takeSlot(policy, stream);
    isNew = held != 0;
  }
  return held != 0;
}

/** Gives the room back, since nothing was asked. */
export function cancelWait(): void {
  if (!isNew) return;
  stopWaiting(stream);
  held = 0;
}

/** The stream that is decided waits for the answer to a call; where it waited for keys, no longer for those. */
export function awaitCall(call: u32, rule: u32, answer: u32): void {
  store<u32>(held, call, call_at);
  store<u32>(held, 0, final_at);
  store<u64>(held, 0, sets_at);
  store<u64>(held, request.nowNanoseconds, since_at);
  store<u32>(held, rule, attempts_at);
  store<u32>(held, answer, attempts_at + 4);
  copyBytes(held + quota_at, quota, quota_bytes);
}

/** What limits of the stream that is decided had left when they were taken from, before it waited for its fleet. */
export function recallQuota(): void {
  copyBytes(quota, held + quota_at, quota_bytes);
}

/**
 * An answer to a call has come: where the stream that waits for it has room for it, or 0 where none does any more. The host numbers calls
 * for all root contexts of a VM together (proxy-wasm-cpp-host, include/proxy-wasm/wasm.h, `nextGrpcCallId`).
 */
export function answerOfCall(call: u32): usize {
  for (let index: u32 = 0; index < used; index++) {
    const slot = slots + <usize>index * slot_bytes;
    if (load<u32>(slot) == 0 || load<u64>(slot, sets_at) != 0) continue;
    if (load<u32>(slot, call_at) != call || load<u32>(slot, final_at) != 0) continue;
    store<u32>(slot, 1, final_at);
    return slot + attempts_at;
  }
  return 0;
}

/** The root context whose policy the stream waits under that has this room. */
export function rootOfAnswer(at: usize): u32 {
  return load<u32>(at - attempts_at, 4);
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
  "sallyport: the host does not tick: no keys are fetched, no requests wait, and none in flight can be counted. Is proxy_on_tick allowed?",
);

/**
 * Without ticks nothing is fetched, nobody would end a wait, and no worker would say that it lives (limit/slots.ts). The first comes a
 * moment after the policy is in force.
 */
export function isTicking(policy: Policy): bool {
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
export function clientOf(): u64 {
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
  const since = load<u64>(slot, since_at);
  if (load<u64>(slot, sets_at) == 0) {
    const late = <u64>(fleetDeadline(policy) + fleet_lateness_milliseconds_max) * 1000000;
    if (age(since, now) >= late) store<u32>(slot, 1, final_at);
    return load<u32>(slot, final_at) != 0 ? load<u32>(slot) : 0;
  }
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
