/**
 * envoyproxy/ratelimit with Redis, as the filter meets it: a count for each key and period of its clock, which a question adds to whether
 * it is granted or not (src/limiter/base_limiter.go, `GetResponseDescriptorStatus`), and an answer that comes after a while, or never.
 */
import type { Random } from "../support/random.ts";
import { fraction } from "./zipf.ts";

export interface ServiceOptions {
  /** What each key has in a period. */
  limit: number;
  period_ms: number;
  /** The median time that a question and its answer take, and how far times spread around it (sigma of a log-normal distribution). */
  latency_ms: number;
  spread: number;
  /** The share of questions that are lost on the way there, and of answers on the way back. */
  loss: number;
  /** From when to when nobody hears it. */
  outage_ms?: readonly [number, number];
}

/** What the service says of a key, and until when it counts. */
export interface Verdict {
  isGranted: boolean;
  /** Whole seconds until its period is over. */
  resetSeconds: number;
}

export class Service {
  readonly #options: ServiceOptions;
  readonly #random: Random;
  #counts = new Map<number, number>();
  #period = -1;
  /** How many questions have reached it. */
  questions = 0;

  constructor(options: ServiceOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  /** When a question that is sent now is there, and when its answer is back; Infinity where it never is. */
  travel(now_ms: number): { there_ms: number; back_ms: number } {
    const { latency_ms, spread, loss, outage_ms } = this.#options;
    const half = (latency_ms / 2) * Math.exp(spread * this.#normal());
    const there_ms = fraction(this.#random) < loss ? Number.POSITIVE_INFINITY : now_ms + half;
    const back_ms = fraction(this.#random) < loss ? Number.POSITIVE_INFINITY : there_ms + half;
    const isOut = (time: number): boolean => outage_ms !== undefined && time >= outage_ms[0] && time < outage_ms[1];
    return isOut(now_ms) || isOut(there_ms) || isOut(back_ms)
      ? { there_ms: Number.POSITIVE_INFINITY, back_ms: Number.POSITIVE_INFINITY }
      : { there_ms, back_ms };
  }

  /** A question has come. */
  count(key: number, hits: number, now_ms: number): Verdict {
    const { limit, period_ms } = this.#options;
    const period = Math.floor(now_ms / period_ms);
    if (period !== this.#period) this.#counts = new Map();
    this.#period = period;
    this.questions++;
    const after = (this.#counts.get(key) ?? 0) + hits;
    this.#counts.set(key, after);
    // utils.CalculateReset: the unit less the seconds that are over.
    const resetSeconds = period_ms / 1000 - (Math.floor(now_ms / 1000) % (period_ms / 1000));
    return { isGranted: after <= limit, resetSeconds };
  }

  /** Box and Muller's way from two even numbers to a normal one. */
  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - fraction(this.#random))) * Math.cos(2 * Math.PI * fraction(this.#random));
  }
}
