/**
 * A model of two workers that keep one key set fresh: what the machine decides, done in every order. A worker is as keys/refresh.ts:
 * it takes over what is shared, steps, writes, calls out. A world is a value.
 */
import { type Machine, newcomer, nothingYet, type State, type View } from "./machine.ts";

export const second = 1_000_000_000n;
const refresh_seconds = 60;
const retry = 1n * second;

export interface Worker {
  view: View;
  /** Seconds, in tenths, since it last gave a sign of life. */
  silent: number;
  /** The first attempt that counts for the request that waits. */
  waiting: number | undefined;
}

export interface World {
  now: bigint;
  state: State;
  workers: readonly Worker[];
  /** No event so far has cut an attempt off or moved the clock, so that promises about time hold. */
  isCalm: boolean;
  /** Tenths of a second since an attempt last began, 1000 at most. */
  sinceAttempt: number;
  /** The last attempt that was answered, or given up. */
  ended: number;
}

const newWorker: Worker = { view: newcomer, silent: 0, waiting: undefined };

export const firstWorld: World = {
  now: 1_800_000_000n * second,
  state: nothingYet,
  workers: [newWorker, newWorker],
  isCalm: true,
  sinceAttempt: 1000,
  ended: 0,
};

/** What may happen next, by name: each leads to another world, or undefined where it cannot happen. */
export type Step = (machine: Machine, world: World) => World | undefined;

class Violation extends Error {}
const require = (holds: boolean, what: string): void => {
  if (!holds) throw new Violation(what);
};

function withWorker(world: World, index: number, change: Partial<Worker>): World {
  return { ...world, workers: world.workers.map((worker, at) => (at === index ? { ...worker, ...change } : worker)) };
}

/** A worker that is behind takes over what is shared. */
function adopted({ state, workers }: World, index: number): View {
  return { ...workers[index]!.view, generation: state.generation };
}

/** Requests of a worker that are answered by what it now knows are decided. */
function decided(machine: Machine, world: World, index: number): World {
  const { view, waiting } = world.workers[index]!;
  if (waiting === undefined || !machine.hasAnswered(world.state, view, waiting)) return world;
  require(world.ended >= waiting, "a request is decided by an attempt that began before it, or has not ended");
  return withWorker(world, index, { waiting: undefined });
}

export const tick =
  (index: number): Step =>
  (machine, world) => {
    const before = adopted(world, index);
    const { action, state, view } = machine.step(world.state, before, "tick", world.now, refresh_seconds, retry);
    let next = withWorker(world, index, { view, silent: 0 });
    if (action !== "nothing") next = { ...next, state };
    if (before.calling && !view.calling) next = { ...next, ended: state.started };
    if (action === "fetch") {
      require(!before.calling, "a worker has two callouts under way");
      const rival = world.workers.findIndex(
        ({ view: { calling, attempt }, silent }, at) =>
          at !== index && calling && attempt === world.state.started && world.state.finished !== attempt && silent <= 9,
      );
      if (world.isCalm) {
        require(rival < 0, "the lease is taken from a worker that lives");
        require(world.sinceAttempt >= 10, "two attempts within a second");
      }
      next = {
        ...withWorker(next, index, { view: { ...view, calling: true, attempt: state.started } }),
        sinceAttempt: 0,
      };
    }
    return decided(machine, next, index);
  };

export const answer =
  (index: number, kind: "new" | "same" | "none"): Step =>
  (machine, world) => {
    const { view } = world.workers[index]!;
    if (!view.calling) return undefined;
    const isOwner = world.state.started === view.attempt && world.state.finished !== view.attempt;
    let { state } = world;
    let known = view;
    if (
      isOwner &&
      kind !== "none" &&
      (kind === "new" || state.generation === 0 || state.generation !== view.generation)
    ) {
      state = { ...state, generation: view.attempt };
      known = { ...view, generation: view.attempt };
    }
    const event = kind === "none" ? "failed" : "fetched";
    const stepped = machine.step(
      state,
      known,
      event,
      world.now,
      refresh_seconds,
      kind === "none" ? retry : 60n * second,
    );
    require(!stepped.view.calling, "a callout that was answered is still under way");
    require(isOwner === (stepped.action === "write"), "an answer counts exactly where the attempt is the last one");
    const next = withWorker(world, index, {
      view: { ...stepped.view, generation: isOwner ? known.generation : view.generation },
    });
    return decided(machine, isOwner ? { ...next, state: stepped.state, ended: state.started } : next, index);
  };

/** A token names a key that the set lacks; the request waits. */
export const ask =
  (index: number): Step =>
  (_machine, world) => {
    const { view } = world.workers[index]!;
    const waiting = world.state.started + 1;
    return withWorker(world, index, { view: { ...view, wanted: waiting }, waiting });
  };

/** The client of the request that waits goes away. */
export const reset =
  (index: number): Step =>
  (_machine, world) =>
    world.workers[index]!.waiting === undefined ? undefined : withWorker(world, index, { waiting: undefined });

/** The configuration of a worker ends and another takes its place. */
export const reload =
  (index: number): Step =>
  (machine, world) => {
    const { view } = world.workers[index]!;
    const { action, state } = machine.step(world.state, view, "ended", world.now, refresh_seconds, 0n);
    const next = withWorker(world, index, newWorker);
    return action === "write" ? { ...next, state, isCalm: false } : next;
  };

/** A worker is lost with all it held, and built anew. */
export const lose =
  (index: number): Step =>
  (_machine, world) => ({ ...withWorker(world, index, newWorker), isCalm: false });

/** Time passes, in tenths of a second. */
export const pass =
  (tenths: number): Step =>
  (_machine, world) => ({
    ...world,
    now: world.now + (BigInt(tenths) * second) / 10n,
    sinceAttempt: Math.min(1000, world.sinceAttempt + tenths),
    workers: world.workers.map((worker) => ({ ...worker, silent: Math.min(1000, worker.silent + tenths) })),
  });

/** The clock steps, by seconds, while no time passes. */
export const jump =
  (seconds: number): Step =>
  (_machine, world) => ({ ...world, now: world.now + BigInt(seconds) * second, isCalm: false });

/** What tells one world from another: times as distances from now, those that make no difference any more as one. */
export function fingerprint({ now, state, workers, isCalm, sinceAttempt, ended }: World): string {
  const distance = (time: bigint) => {
    if (time === 0n) return "-";
    const tenths = Number((time - now) / 100_000_000n);
    return Math.max(-1000, Math.min(1000, tenths));
  };
  // Numbers of attempts only ever compare as equal or not, and as later.
  const attempt = (number: number) => state.started - number;
  const shared = [attempt(state.generation), attempt(state.finished), Math.min(state.failures, 8), attempt(ended)];
  const times = [state.attemptAt, state.leaseUntil, state.nextAt].map(distance);
  const each = workers.map(({ view, silent, waiting }) => [
    attempt(view.generation),
    view.calling ? attempt(view.attempt) : "-",
    attempt(view.wanted),
    Math.min(silent, 30),
    waiting === undefined ? "-" : attempt(waiting),
  ]);
  return JSON.stringify([shared, times, each, isCalm, isCalm ? Math.min(sinceAttempt, 20) : 0]);
}

/** All that may happen, by name. */
export const steps: Readonly<Record<string, Step>> = {
  ...Object.fromEntries(
    [0, 1].flatMap((index) => [
      [`tick ${index}`, tick(index)],
      [`new set for ${index}`, answer(index, "new")],
      [`same set for ${index}`, answer(index, "same")],
      [`no answer for ${index}`, answer(index, "none")],
      [`unknown key on ${index}`, ask(index)],
      [`reset on ${index}`, reset(index)],
      [`reload of ${index}`, reload(index)],
      [`loss of ${index}`, lose(index)],
    ]),
  ),
  "0.5 s": pass(5),
  "2.1 s": pass(21),
  "61 s": pass(610),
  "clock 1 h back": jump(-3600),
  "clock 3 s back": jump(-3),
  "clock 1 h on": jump(3600),
};

/**
 * From any world on, with a server that answers and workers that tick every fifth of a second, a key that is asked for is fetched in
 * time, and nobody waits for ever.
 * @returns what is wrong, if something is
 */
export function wedged(machine: Machine, from: World): string | undefined {
  let world = from;
  const begun = world.state.started;
  world = ask(1)(machine, world)!;
  let ticks = 0;
  // A server that has failed is asked every eight seconds; a callout that the host has lost is given up after as many.
  const most = 5 * 18;
  while (world.workers[1]!.waiting !== undefined) {
    if (++ticks > most)
      return `a request still waits after ${most / 5} seconds; ${world.state.started - begun} attempts began`;
    world = pass(2)(machine, world)!;
    for (const index of [0, 1]) {
      world = tick(index)(machine, world)!;
      world = answer(index, "same")(machine, world) ?? world;
    }
  }
  return undefined;
}
