/** A module of nothing but assembly/keys/machine.ts, for tests/keys/model.test.ts: a state and a view in memory, and the step. */
import { Event, hasAnswered, isBehind, step, untilWanted } from "../../../assembly/keys/machine";
import { State, View } from "../../../assembly/keys/state";

const state = changetype<State>(memory.data(200, 8));
const view = changetype<View>(memory.data(64, 8));

export function stateStart(): usize {
  return changetype<usize>(state);
}

export function viewStart(): usize {
  return changetype<usize>(view);
}

/** Where a view's fields are: generation, attempt, calling, wanted; eight bits each. */
export function viewOffsets(): u32 {
  return (
    <u32>offsetof<View>("generation") |
    ((<u32>offsetof<View>("attempt")) << 8) |
    ((<u32>offsetof<View>("calling")) << 16) |
    ((<u32>offsetof<View>("wanted")) << 24)
  );
}

export function advance(event: u32, now: u64, refresh_seconds: u32, next_nanoseconds: u64): u32 {
  return step(state, view, <Event>event, now, refresh_seconds, next_nanoseconds);
}

export function behind(): bool {
  return isBehind(state, view);
}

export function answered(attempt: u32): bool {
  return hasAnswered(state, view, attempt);
}

export function untilWantedAt(now: u64): u64 {
  return untilWanted(state, now);
}
