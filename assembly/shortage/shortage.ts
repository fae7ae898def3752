/**
 * Root contexts whose configuration found no memory. Each is remembered with what it takes to try again: a short configuration
 * itself, of a longer one where it is parked (shortage/parking.ts). The table is of fixed size, since it is needed where there is no
 * memory; when it is full, the one that has waited longest is forgotten, and denies until it is configured anew.
 */
import { absent, spanSize, spanStart } from "../bytes/span";
import { resetArena } from "../host/arena";
import { readClock, readConfiguration, setTickPeriod } from "../host/host";
import { key_tick_milliseconds, short_configuration_bytes_max, shortage_retry_seconds, shortages_max } from "../limits";
import { hash_bytes, leave, Parking, park, parkedAt, takeBack } from "./parking";

const second: u64 = 1000000000;

/** A root context without memory. */
@unmanaged
export class Shortage {
  /** The root context; 0 for a free slot. */
  rootContext: u32;
  /** Bytes of its configuration, and the place it is parked at, + 1; 0 for one that is short. */
  size: u32;
  place: u32;
  /** Whether there is nothing left to try again with. */
  isLost: bool;
  /** Whether it has ticks. */
  ticks: bool;
  /** How many configurations had ended when it was tried last with all that others could give up (configure.ts). */
  endings: u32;
  /** When it began, and when it was tried last, in nanoseconds since 1970. */
  since: u64;
  tried: u64;
}

const hash_offset: usize = 48;
const text_offset: usize = hash_offset + hash_bytes;
const slot_bytes: usize = 384;
if (!(offsetof<Shortage>() <= 48)) ERROR("the hash follows");
if (!(text_offset + short_configuration_bytes_max <= 384)) ERROR("a slot holds a short configuration");
const slots: usize = memory.data(shortages_max * 384, 8);

/** How many slots are taken: what every request without a policy asks first. */
let count: u32 = 0;

/** The number `index` of the table; its root context is 0 where the slot is free. */
export function shortageAt(index: u32): Shortage {
  return changetype<Shortage>(slots + <usize>index * slot_bytes);
}

/** Whether any root context is without memory. */
export function hasShortages(): bool {
  return count != 0;
}

/** What is known of a root context without memory; null where it is none. */
export function shortageOf(rootContext: u32): Shortage | null {
  if (count == 0 || rootContext == 0) return null;
  for (let index: u32 = 0; index < shortages_max; index++) {
    if (shortageAt(index).rootContext == rootContext) return shortageAt(index);
  }
  return null;
}

/** The newest root context below a number that is to be tried again now; null for none. */
export function dueShortage(below: u32, now: u64): Shortage | null {
  let due: Shortage | null = null;
  for (let index: u32 = 0; index < shortages_max; index++) {
    const shortage = shortageAt(index);
    if (shortage.rootContext == 0 || shortage.rootContext >= below || shortage.isLost) continue;
    // A clock that stepped back must not have it wait until it has caught up.
    if (now >= shortage.tried && now - shortage.tried < <u64>shortage_retry_seconds * second) continue;
    if (due == null || shortage.rootContext > due.rootContext) due = shortage;
  }
  return due;
}

/**
 * Remembers that the configuration in hand, `size` bytes of it, found no memory, and has its root context tick: as often as for
 * keys, so that its period need not be changed once the policy is there. Null where the host does not hand the configuration over.
 */
export function noteShortage(rootContext: u32, size: u32): Shortage | null {
  const shortage = takeSlot();
  const start = changetype<usize>(shortage);
  shortage.size = size;
  if (size <= short_configuration_bytes_max) {
    resetArena();
    const text = size == 0 ? absent : readConfiguration(0, size);
    if (spanSize(text) != size) return null;
    memory.copy(start + text_offset, spanStart(text), size);
  } else {
    const parking = park(size, start + hash_offset);
    if (parking == Parking.UNREADABLE) return null;
    if (parking == Parking.DONE) shortage.place = parkedAt + 1;
    else shortage.isLost = true;
  }
  shortage.rootContext = rootContext;
  count++;
  shortage.since = readClock();
  shortage.tried = shortage.since;
  shortage.ticks = !shortage.isLost && setTickPeriod(key_tick_milliseconds);
  return shortage;
}

/** A free slot, or that of the root context that has waited longest. */
function takeSlot(): Shortage {
  let chosen = shortageAt(0);
  for (let index: u32 = 0; index < shortages_max; index++) {
    if (shortageAt(index).rootContext < chosen.rootContext) chosen = shortageAt(index);
  }
  if (chosen.rootContext != 0) endShortage(chosen);
  memory.fill(changetype<usize>(chosen), 0, slot_bytes);
  return chosen;
}

/** Forgets a root context without memory, and what was kept of it. */
export function endShortage(shortage: Shortage): void {
  forgetText(shortage);
  shortage.rootContext = 0;
  count--;
}

function forgetText(shortage: Shortage): void {
  const place = shortage.place;
  shortage.place = 0;
  if (place != 0) leave(place - 1, shortage.size, changetype<usize>(shortage) + hash_offset);
}

/** There is nothing left to try again with. */
export function loseShortage(shortage: Shortage): void {
  forgetText(shortage);
  shortage.isLost = true;
}

/** Writes a configuration that was kept to `target`, which has room for it and sixteen bytes more. */
export function readKept(shortage: Shortage, target: usize): Parking {
  const size = shortage.size;
  const start = changetype<usize>(shortage);
  if (size > short_configuration_bytes_max) return takeBack(shortage.place - 1, size, start + hash_offset, target);
  memory.copy(target, start + text_offset, size);
  return Parking.DONE;
}
