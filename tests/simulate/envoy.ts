/**
 * One worker of an Envoy whose policy has one limit: how it asks the service, and what it does without (assembly/limit/fleet.ts), around
 * the engine's own leases. tests/simulate/engine.test.ts holds it to the whole engine.
 */
import {
  client_streams_max,
  fleet_failures_max,
  fleet_rest_milliseconds,
  waiting_streams_max,
} from "../../assembly/limits.ts";
import type { Leases } from "./leases.ts";
import type { Verdict } from "./service.ts";

export const modes = ["exact", "leased", "local"] as const;
/** How a limit is counted: by the service for each request, by the service for blocks, or by each Envoy, a share of it. */
export type Mode = (typeof modes)[number];

export interface EnvoyOptions {
  mode: Mode;
  /** What one Envoy has in a period by itself, and how long the period takes. */
  share: number;
  period_ms: number;
  /** Tokens of a block at the most; 0 for a limit that has too few. */
  leaseTokens: number;
}

/** What a worker sends: for one request, or a block of tokens. */
export interface Question {
  key: number;
  hits: number;
  isBlock: boolean;
}

/** What came of a request: admitted or denied at once, or it waits for the answer to its question. */
export type Outcome = "admitted" | "denied" | "waits";

export class Envoy {
  readonly #options: EnvoyOptions;
  readonly #leases: Leases | undefined;
  readonly #secret: number;
  /** When the buckets are full that this Envoy has by itself. */
  readonly #fullAt = new Map<number, number>();
  readonly #waiting = new Map<number, number>();
  #waitingAll = 0;
  #failures = 0;
  #askedAt = Number.NEGATIVE_INFINITY;
  #calls = 0;
  /** What it asks. */
  readonly #send: (call: number, question: Question) => void;

  constructor(options: EnvoyOptions, secret: number, send: Envoy["send"], leases?: Leases) {
    this.#options = options;
    this.#secret = secret;
    this.#send = send;
    this.#leases = options.mode === "leased" && options.leaseTokens > 0 ? leases : undefined;
  }

  /** A question goes out under the number of its call. */
  send(_call: number, _question: Question): void {}

  request(key: number, now_ms: number): Outcome {
    if (this.#options.mode === "local") return this.#decideAlone(key, now_ms);
    if (this.#takeLeased(key, now_ms)) return "admitted";
    const isWaiting = this.#mayAsk(now_ms) && this.#reserve(key);
    if (!isWaiting) return this.#decideAlone(key, now_ms);
    this.#ask(key, 1, false, now_ms);
    return "waits";
  }

  /** An answer, or that there is none in time: what becomes of the request that waited for it, if one did. */
  answer(call: number, question: Question, verdict: Verdict | undefined, now_ms: number): Outcome | undefined {
    this.#failures = verdict === undefined ? Math.min(this.#failures + 1, fleet_failures_max) : 0;
    if (question.isBlock) {
      const rest_ms = verdict === undefined ? 1000 : Math.max(verdict.resetSeconds, 1) * 1000;
      const isRefused = verdict !== undefined && !verdict.isGranted;
      this.#leases!.takeBlock(call, verdict?.isGranted ?? false, isRefused, now_ms, rest_ms);
      return undefined;
    }
    this.#waitingAll--;
    this.#waiting.set(question.key, this.#waiting.get(question.key)! - 1);
    if (verdict === undefined) return this.#decideAlone(question.key, now_ms);
    return verdict.isGranted ? "admitted" : "denied";
  }

  #takeLeased(key: number, now_ms: number): boolean {
    const leases = this.#leases;
    if (leases === undefined) return false;
    const low = mix(key ^ this.#secret);
    const entry = leases.leaseOfKey(low, mix(low ^ key), now_ms);
    if (entry === 0) return false;
    const isTaken = leases.takeLeased(entry, 1) !== 0;
    const block = leases.blockWanted(entry, this.#options.leaseTokens, !isTaken, now_ms);
    if (block !== 0 && this.#failures < fleet_failures_max)
      leases.awaitBlock(entry, this.#ask(key, block, true, now_ms));
    return isTaken;
  }

  #mayAsk(now_ms: number): boolean {
    return this.#failures < fleet_failures_max || now_ms - this.#askedAt >= fleet_rest_milliseconds;
  }

  #reserve(key: number): boolean {
    const held = this.#waiting.get(key) ?? 0;
    if (held >= client_streams_max || this.#waitingAll >= waiting_streams_max) return false;
    this.#waiting.set(key, held + 1);
    this.#waitingAll++;
    return true;
  }

  #ask(key: number, hits: number, isBlock: boolean, now_ms: number): number {
    this.#askedAt = now_ms;
    const call = ++this.#calls;
    this.#send(call, { key, hits, isBlock });
    return call;
  }

  /** A bucket of this Envoy's share, with as many tokens as the share has. */
  #decideAlone(key: number, now_ms: number): Outcome {
    const { share, period_ms } = this.#options;
    const burst = Math.max(1, Math.floor(share));
    const interval_ms = period_ms / share;
    const after = Math.max(this.#fullAt.get(key) ?? 0, now_ms) + interval_ms;
    // A millionth of a token is what the times of a long run may be off.
    if (after > now_ms + (burst + 1e-6) * interval_ms) return "denied";
    this.#fullAt.set(key, after);
    return "admitted";
  }
}

/** Spreads the bits of a number (the finalizer of splitmix32). */
export function mix(number: number): number {
  let word = (number + 0x9e3779b9) | 0;
  word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
  word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
  return (word ^ (word >>> 15)) >>> 0;
}
