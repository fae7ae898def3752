/** assembly/keys/machine.ts alone in Node: states and views as values, so that a search can go back to any of them. */
import { compileModule } from "../support/compile.ts";

/** A set's shared state; times in nanoseconds since 1970. */
export interface State {
  generation: number;
  started: number;
  finished: number;
  failures: number;
  attemptAt: bigint;
  leaseUntil: bigint;
  nextAt: bigint;
  fetchedAt: bigint;
}

/** What one worker knows of it. */
export interface View {
  generation: number;
  attempt: number;
  calling: boolean;
  wanted: number;
}

export const nothingYet: State = {
  generation: 0,
  started: 0,
  finished: 0,
  failures: 0,
  attemptAt: 0n,
  leaseUntil: 0n,
  nextAt: 0n,
  fetchedAt: 0n,
};

export const newcomer: View = { generation: 0, attempt: 0, calling: false, wanted: 0 };

export type Event = "tick" | "fetched" | "failed" | "ended";
const events: readonly Event[] = ["tick", "fetched", "failed", "ended"];
export type Action = "nothing" | "write" | "fetch";
const actions: readonly Action[] = ["nothing", "write", "fetch"];

interface Exports {
  memory: WebAssembly.Memory;
  stateStart(): number;
  viewStart(): number;
  viewOffsets(): number;
  advance(event: number, now: bigint, refresh: number, next: bigint): number;
  behind(): number;
  answered(attempt: number): number;
  untilWantedAt(now: bigint): bigint;
}

export class Machine {
  readonly #exports: Exports;
  readonly #memory: DataView;
  readonly #state: number;
  readonly #view: number;
  readonly #offsets: readonly number[];

  private constructor(exports: Exports) {
    this.#exports = exports;
    this.#memory = new DataView(exports.memory.buffer);
    this.#state = exports.stateStart();
    this.#view = exports.viewStart();
    const packed = exports.viewOffsets();
    this.#offsets = [0, 8, 16, 24].map((shift) => (packed >>> shift) & 0xff);
  }

  static async compile(): Promise<Machine> {
    return new Machine((await compileModule("tests/unit/keys/module.ts")).instance.exports as unknown as Exports);
  }

  /** The step: what follows, and what is to be done. What is handed in stays as it is. */
  step(state: State, view: View, event: Event, now: bigint, refresh_seconds: number, next_nanoseconds: bigint) {
    this.#put(state, view);
    const number = this.#exports.advance(events.indexOf(event), now, refresh_seconds, next_nanoseconds);
    return { action: actions[number]!, ...this.#get() };
  }

  hasAnswered(state: State, view: View, attempt: number): boolean {
    this.#put(state, view);
    return this.#exports.answered(attempt) !== 0;
  }

  untilWanted(state: State, view: View, now: bigint): bigint {
    this.#put(state, view);
    return BigInt.asUintN(64, this.#exports.untilWantedAt(now));
  }

  #put(state: State, view: View): void {
    const { generation, started, finished, failures, attemptAt, leaseUntil, nextAt, fetchedAt } = state;
    [generation, started, finished, failures].forEach((word, index) => {
      this.#memory.setUint32(this.#state + 4 * index, word, true);
    });
    [attemptAt, leaseUntil, nextAt, fetchedAt].forEach((time, index) => {
      this.#memory.setBigUint64(this.#state + 16 + 8 * index, time, true);
    });
    const [generationAt, attempt, calling, wanted] = this.#offsets;
    this.#memory.setUint32(this.#view + generationAt!, view.generation, true);
    this.#memory.setUint32(this.#view + attempt!, view.attempt, true);
    this.#memory.setUint8(this.#view + calling!, view.calling ? 1 : 0);
    this.#memory.setUint32(this.#view + wanted!, view.wanted, true);
  }

  #get(): { state: State; view: View } {
    const word = (index: number) => this.#memory.getUint32(this.#state + 4 * index, true);
    const time = (index: number) => this.#memory.getBigUint64(this.#state + 16 + 8 * index, true);
    const [generation, attempt, calling, wanted] = this.#offsets;
    return {
      state: {
        generation: word(0),
        started: word(1),
        finished: word(2),
        failures: word(3),
        attemptAt: time(0),
        leaseUntil: time(1),
        nextAt: time(2),
        fetchedAt: time(3),
      },
      view: {
        generation: this.#memory.getUint32(this.#view + generation!, true),
        attempt: this.#memory.getUint32(this.#view + attempt!, true),
        calling: this.#memory.getUint8(this.#view + calling!) !== 0,
        wanted: this.#memory.getUint32(this.#view + wanted!, true),
      },
    };
  }
}
