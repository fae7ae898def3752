/** envoyproxy/ratelimit as tests of the engine have it: its configuration, its fixed windows, and its counters (src/redis/fixed_cache_impl.go). */
import type { RateLimitConfiguration } from "../../scripts/policy/fleet.ts";
import { unitSeconds } from "../../scripts/policy/language/rate.ts";
import { readQuestion, type Status, writeAnswer } from "./ratelimit.ts";

/** A service, whose clock is the caller's. */
export class RateLimitService {
  readonly #limits: ReadonlyMap<string, { seconds: number; most: number }>;
  readonly #counters = new Map<string, number>();
  readonly #seconds: () => number;
  /** How many descriptors it was asked for. */
  asked = 0;
  /** Whether it knows the hits of a descriptor; those before 2024-12-27 count the request's for each (envoyproxy/ratelimit#802). */
  heedsOwnHits = true;

  constructor(configuration: RateLimitConfiguration, seconds: () => number) {
    this.#seconds = seconds;
    this.#limits = new Map(
      configuration.descriptors.map(({ value, descriptors: [{ rate_limit }] }) => [
        value,
        { seconds: unitSeconds[rate_limit.unit], most: rate_limit.requests_per_unit },
      ]),
    );
  }

  /** What it answers to a question: OK for what it has no rule for. */
  answer(message: Uint8Array): Uint8Array {
    const { descriptors, ownHits, hits } = readQuestion(message);
    return writeAnswer(
      descriptors.map(({ limit, key }, index): Status => {
        this.asked++;
        const rule = this.#limits.get(limit!);
        if (rule === undefined) return { code: 1, hasLimit: false };
        const now = Math.floor(this.#seconds());
        const window = now - (now % rule.seconds);
        const name = `${limit}|${key}|${window}`;
        const count =
          (this.#counters.get(name) ?? 0) + ((this.heedsOwnHits ? ownHits[index] : undefined) ?? Math.max(1, hits));
        this.#counters.set(name, count);
        return { code: count > rule.most ? 2 : 1, resetSeconds: window + rule.seconds - now };
      }),
    );
  }

  /** Redis is restarted with nothing in it. */
  forget(): void {
    this.#counters.clear();
  }
}
