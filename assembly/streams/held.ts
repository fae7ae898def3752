/**
 * What streams under way have to their account, by the number of their context: how much more of its body one may send, slots of limits,
 * and what its answer tells of one. An entry is freed by the event that ends its stream (`proxy_on_delete`). Where a host does not tell
 * of that, the table fills; a full one denies.
 *
 * Entries are chained from a head that the last bits of the number choose. Envoy numbers contexts upwards, so chains are even. They lie
 * in a region of their own, which is taken with the first policy that holds anything and serves all of them, since streams outlive
 * policies.
 */
import { held_entries_max } from "../limits";

/** What a stream has to its account. */
@unmanaged
export class Held {
  /** The stream's context; 0 for one that is owed by none any more. */
  context: u32;
  /** The next entry of its chain, or the next free one; null for none. */
  next: Held | null;
  /** Of a body: the root context whose policy the stream is under, and the rule that admitted it, + 1. Of a slot: the worker, and 0. */
  root: u32;
  rule: u32;
  /** Bytes of the body that may still come, `any_body` where nobody counts them; or the key whose slot it is. */
  amount: u64;
  isGrpc: bool;
  /** Its body has passed the bound, and nothing more of it goes on. */
  isOver: bool;
  /** That of the slot's limit. */
  seed: u32;
  /** What its answer tells of a limit: its number + 1, or 0 for nothing; tokens left, and seconds until it is full. */
  quotaLimit: u32;
  quotaLeft: u32;
  quotaSeconds: u32;
  /** Of a request whose body is held (body/holds.ts): whether it is one, what it waits for, the bound, who counts for it, and since when. */
  hold: u32;
  mostBytes: u32;
  client: u64;
  since: u64;
}

export const any_body: u64 = u64.MAX_VALUE;

/** What the engine that reads no bodies has no use for stands last, and takes no room in it. */
const entry_bytes: usize = isDefined(BODIES) ? 72 : 48;
if (!(offsetof<Held>("hold") <= 48 && offsetof<Held>() <= 72)) ERROR("an entry holds what is held");
const heads_count: u32 = 4096;
/** What the region has: heads, then entries. */
export const held_bytes: usize = <usize>heads_count * 4 + <usize>held_entries_max * entry_bytes;
let heads: usize = 0;

/** The first of those that were given back; behind `used` of them none was ever taken. */
let free: Held | null = null;
let used: u32 = 0;
/** How many are taken, so that a stream that holds nothing costs nothing. */
let taken: u32 = 0;

/** Whether there is a region for what streams hold. */
export function isHeldOpen(): bool {
  return heads != 0;
}

/** Gives it a region of `held_bytes`, zeroed. */
export function openHeld(region: usize): void {
  heads = region;
}

/** Where the address of a chain's first entry stands. */
function headOf(context: u32): usize {
  return heads + ((<usize>(context & (heads_count - 1))) << 2);
}

/** Whether so many entries are free that some may go to what is only told: the others are for what must be counted. */
export function hasRoomToSpare(): bool {
  return taken < held_entries_max / 2;
}

/** An entry more for a stream: a new one, or one that was taken out; null where all are taken. */
export function addHeld(context: u32, entry: Held | null = null): Held | null {
  let held = entry != null ? entry : free;
  if (held == null) {
    if (used == held_entries_max || heads == 0) return null;
    held = changetype<Held>(heads + <usize>heads_count * 4 + <usize>used * entry_bytes);
    used++;
  } else if (entry == null) {
    free = held.next;
  }
  const head = headOf(context);
  held.context = context;
  held.quotaLimit = 0;
  held.isOver = false;
  if (isDefined(BODIES) && entry == null) held.hold = 0;
  held.next = changetype<Held | null>(<usize>load<u32>(head));
  store<u32>(head, <u32>changetype<usize>(held));
  taken++;
  return held;
}

/** What a stream may still send of its body, and what its answer tells; null where nothing is kept of either. */
export function bodyOf(context: u32): Held | null {
  if (taken == 0) return null;
  let held = changetype<Held | null>(<usize>load<u32>(headOf(context)));
  while (held != null && (held.context != context || held.rule == 0)) held = held.next;
  return held;
}

/** One of the entries there may be, by its number; null behind the last that was ever taken. For the tick, which looks at all. */
export function heldAt(index: u32): Held | null {
  if (index >= used) return null;
  return changetype<Held>(heads + <usize>heads_count * 4 + <usize>index * entry_bytes);
}

/** Whether a stream has a slot of that key of a limit. */
export function hasSlot(context: u32, seed: u32, key: u64): bool {
  if (taken == 0) return false;
  let held = changetype<Held | null>(<usize>load<u32>(headOf(context)));
  while (held != null && (held.context != context || held.rule != 0 || held.amount != key || held.seed != seed))
    held = held.next;
  return held != null;
}

/** Takes an entry of a stream out, without one given that which was added last; null where there is none. */
export function takeOut(context: u32, entry: Held | null = null): Held | null {
  if (taken == 0) return null;
  let link = headOf(context);
  let held = changetype<Held | null>(<usize>load<u32>(link));
  while (held != null && (held.context != context || (entry != null && held != entry))) {
    link = changetype<usize>(held) + offsetof<Held>("next");
    held = held.next;
  }
  if (held == null) return null;
  store<u32>(link, <u32>changetype<usize>(held.next));
  taken--;
  return held;
}

/** Makes room of an entry that was taken out. */
export function freeHeld(held: Held): void {
  if (isDefined(BODIES)) held.hold = 0;
  held.next = free;
  free = held;
}
