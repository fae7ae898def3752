/**
 * Who fetches a key set, and when: one function from a set's state, a worker's view of it, the time and an event, to the state
 * that follows and what has to be done. It calls no host and keeps nothing, so that tests explore it in every order of events
 * (tests/keys/model.test.ts). keys/refresh.ts does what it says.
 *
 *           TICK and due: the lease is this worker's            FETCHED: a new generation, or the same set again
 *   idle ────────────────────────────────────────────► leased ─────────────────────────────────────────────────► idle, due after `refresh`
 *                                                      │  ▲ │
 *                                TICK: put the lease off └──┘ ├── FAILED, or its answer is lost ────────────────► idle, due after a backoff
 *                                                           ├── ENDED: the configuration that fetches is no more ► idle, due now
 *                                                           └── the lease runs out, as its worker is no more ────► idle, another may begin
 *
 * A set is due when its time has come, or when a token named a key it lacks, the latter at most every few seconds, and less
 * often while its server fails.
 *
 * Clocks jump, and those of two threads are read at different moments. A time of ours that lies ahead by more than a
 * second was written before the clock stepped back: it counts as long ago.
 */
import * as limits from "../limits";
import { State, View } from "./state";

export const second: u64 = 1000000000;
/** The age of what never was, or was by another clock; as a time, one that never comes. */
export const never: u64 = 0xffffffffffffffff;

/** What happened to a set on this worker. */
export const enum Event {
  /** Time has passed. */
  TICK = 0,
  /** The answer to this worker's attempt is a key set: that of the state's generation. */
  FETCHED,
  /** There is no answer, or none that is a key set. */
  FAILED,
  /** The configuration that this worker's attempt belongs to ends. */
  ENDED,
}

/** What is to be done. */
export const enum Action {
  NOTHING = 0,
  /** Share the state. */
  WRITE,
  /** Share the state; where that succeeds the lease is ours: begin the callout. */
  FETCH,
}

/** How long ago `time` was, in nanoseconds: 0 where it lies ahead by no more than clocks differ, `never` where it lies ahead by more, or is 0. */
export function age(time: u64, now: u64): u64 {
  if (time == 0) return never;
  if (time <= now) return now - time;
  return time - now <= <u64>limits.clock_skew_milliseconds_max * 1000000 ? 0 : never;
}

/** Whether a deadline that was set at most `furthest` nanoseconds ahead has come; one that lies further ahead was set by another clock. */
export function isReached(deadline: u64, now: u64, furthest: u64): bool {
  return now >= deadline || deadline - now > furthest;
}

/** Whether another set than this worker's is in force. */
export function isBehind(state: State, view: View): bool {
  return state.generation != view.generation;
}

/** The attempt to begin next: the first that counts for a request that comes now, whatever clocks do. */
export function nextAttempt(state: State): u32 {
  return state.started + 1;
}

/** Whether an attempt has begun and ended, or a later one, and what it brought is this worker's. */
export function hasAnswered(state: State, view: View, attempt: u32): bool {
  return state.started >= attempt && state.finished == state.started && !isBehind(state, view);
}

/** How many nanoseconds remain until an attempt may begin that a token's unknown key asks for; 0 where one may at once. */
export function untilWanted(state: State, now: u64): u64 {
  const elapsed = age(state.attemptAt, now);
  const floor = <u64>limits.key_interval_seconds_min * second;
  const rest = elapsed >= floor ? 0 : floor - elapsed;
  if (state.failures == 0) return rest;
  // A server that fails is asked less often, but one that is there again should not wait for the end of a long backoff.
  const failing = <u64>limits.key_failing_interval_seconds_min * second;
  const restFailing = elapsed >= failing ? 0 : failing - elapsed;
  const restBackoff = isReached(state.nextAt, now, furthest(0)) ? 0 : state.nextAt - now;
  return max(rest, min(restFailing, restBackoff));
}

/**
 * The step of one set. Changes `state` to what follows and `view` to what this worker then knows. `refresh_seconds` is how often
 * the policy wants the set; `next_nanoseconds` after how long it is due again where this event ends an attempt.
 */
export function step(
  state: State,
  view: View,
  event: Event,
  now: u64,
  refresh_seconds: u32,
  next_nanoseconds: u64,
): Action {
  const isOwner = view.calling && state.started == view.attempt && state.finished != state.started;
  if (event == Event.TICK) {
    if (isOwner) return keepLease(state, view, now, next_nanoseconds);
    // A callout whose lease another worker took over is still to be answered: there is never a second one.
    if (view.calling || isLeased(state, now) || !isDue(state, view, now, refresh_seconds)) return Action.NOTHING;
    state.started++;
    state.attemptAt = now;
    state.leaseUntil = now + lease();
    return Action.FETCH;
  }
  view.calling = false;
  // Another worker took over: what this attempt came to is of no account.
  if (!isOwner) return Action.NOTHING;
  state.leaseUntil = 0;
  if (event == Event.ENDED) {
    state.nextAt = now;
    return Action.WRITE;
  }
  state.finished = state.started;
  state.nextAt = now + next_nanoseconds;
  if (event == Event.FETCHED) {
    state.failures = 0;
    state.fetchedAt = now;
  } else {
    state.failures = min(state.failures + 1, 1000);
  }
  return Action.WRITE;
}

/** Seconds after which a set is asked for again whose server has failed so many times in a row before. */
export function backoffSeconds(failures: u32, refresh_seconds: u32): u32 {
  const doubled = limits.backoff_seconds_min << min(failures, backoff_doublings);
  return min(doubled, max(refresh_seconds, limits.backoff_seconds_min));
}

const backoff_doublings: u32 = 6;
if (!(limits.backoff_seconds_max == limits.backoff_seconds_min << 6))
  ERROR("the longest backoff is so many doublings away");
if (!(limits.key_callout_seconds_max * 1000 > limits.key_fetch_milliseconds_max))
  ERROR("an answer counts as lost only after the host has given up on it");
if (!(limits.key_lease_seconds_max * 1000 >= 4 * limits.key_tick_milliseconds))
  ERROR("a lease outlasts several ticks of its owner");

/** The owner's tick: half way through, the lease is put off. An answer that the host owes us no more counts as a failure. */
function keepLease(state: State, view: View, now: u64, next_nanoseconds: u64): Action {
  if (age(state.attemptAt, now) > <u64>limits.key_callout_seconds_max * second) {
    return step(state, view, Event.FAILED, now, 0, next_nanoseconds);
  }
  if (isLeased(state, now) && state.leaseUntil - now > lease() / 2) return Action.NOTHING;
  state.leaseUntil = now + lease();
  return Action.WRITE;
}

function lease(): u64 {
  return <u64>limits.key_lease_seconds_max * second;
}

function isLeased(state: State, now: u64): bool {
  return state.finished != state.started && !isReached(state.leaseUntil, now, 2 * lease());
}

function isDue(state: State, view: View, now: u64, refresh_seconds: u32): bool {
  const isWanted = view.wanted == nextAttempt(state);
  return (isWanted && untilWanted(state, now) == 0) || isReached(state.nextAt, now, furthest(refresh_seconds));
}

/** The furthest ahead that a set's next attempt is ever planned. */
function furthest(refresh_seconds: u32): u64 {
  return <u64>max(refresh_seconds, limits.backoff_seconds_max) * second;
}
