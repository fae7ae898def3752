/**
 * Requests whose headers are held while their bodies come: entries of streams/held.ts, which the end of the stream frees as it does the
 * others. What the host holds for them in bytes is counted for the worker, and for each caller, so that none takes the room of all.
 */
import { body_proof_milliseconds_max, body_seconds_max, client_body_bytes_max, held_body_bytes_max } from "../limits";
import { Policy } from "../policy/policy";
import { addHeld, bodyOf, freeHeld, Held, heldAt, takeOut } from "../streams/held";
import { Phase } from "./body";

/** What a held request waits for; 0 in entries of other things. */
export const enum Hold {
  NONE = 0,
  /** Its body, by which it is decided. */
  BODY,
  /** Keys or its fleet: the body comes meanwhile. */
  OTHER,
}

/** In the place of a rule: no rule has admitted the request yet. */
const no_rule: u32 = 0xffffffff;
/** Bytes of bodies under way, for the worker. What has ended is taken off with its entry. */
let heldBytes: u64 = 0;

/** Holds a stream. Null where there is no room. */
export function addHold(policy: Policy, context: u32, hold: Hold, client: u64, now: u64): Held | null {
  const held = addHeld(context);
  if (held == null) return null;
  held.root = policy.rootContext;
  held.rule = no_rule;
  held.amount = 0;
  held.seed = Phase.AWAITED;
  held.hold = hold;
  held.mostBytes = 0;
  held.client = client;
  held.since = now;
  return held;
}

/** Counts what has come of a body; false where there is no room for more of it. */
export function countHeld(held: Held, total_bytes: u32): bool {
  heldBytes += <u64>total_bytes - held.amount;
  held.amount = total_bytes;
  if (heldBytes <= held_body_bytes_max / 2) return true;
  if (heldBytes > held_body_bytes_max) return false;
  let own: u64 = 0;
  let index: u32 = 0;
  for (let other = heldAt(0); other != null; other = heldAt(++index)) {
    if (other.hold != Hold.NONE && other.client == held.client) own += other.amount;
  }
  return own <= client_body_bytes_max;
}

/** A request is held no longer. */
export function endHold(context: u32, held: Held): void {
  noteEnd(held);
  freeHeld(takeOut(context, held)!);
}

/** Takes what an entry holds off the count. */
export function noteEnd(held: Held): void {
  if (held.hold == Hold.NONE) return;
  heldBytes -= held.amount;
  held.hold = Hold.NONE;
}

/** The entry of a held stream, taken out; null where it is not held. */
export function takeHold(context: u32): Held | null {
  const held = bodyOf(context);
  return held == null || held.hold == Hold.NONE ? null : takeOut(context, held);
}

/** Whether a host that has never handed over a body should have done so by now. */
export function isUnproved(held: Held, now: u64): bool {
  return now < held.since || now - held.since >= <u64>body_proof_milliseconds_max * 1000000;
}

/** Whether it is too late for the body. A clock that stepped back ends a wait as well. */
export function isLate(held: Held, now: u64): bool {
  const seconds = <u64>body_seconds_max * 1000000000;
  return now < held.since || now - held.since >= seconds;
}
