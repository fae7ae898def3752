/**
 * What docs/limits.md promises of one key's bucket, whatever workers, clocks and reloads do: what may be admitted at the most, and what
 * must be at the least. In units of nanoseconds, a token's worth of which is its interval.
 */

/** What a limit is known by, and what its workers may have reserved of a bucket, together. */
export interface Bounds {
  intervalNanoseconds: bigint;
  burst: bigint;
  reserved: bigint;
}

/** By so much a clock may step back without a bucket being told that it is less than empty. */
const tolerated_nanoseconds = 2_000_000_000n;
/** So long a worker remembers that it found a bucket empty. */
const memory_nanoseconds = 1_000_000_000n;

export class BoundedBucket {
  readonly #bounds: Bounds;
  readonly #capacity: bigint;
  /** What is left of burst, rate × time and what is reserved. Time is what the clock went forward, by steps, too. */
  #most: bigint;
  /** When a bucket would be full that every admitted request was charged to. */
  #fullAt = 0n;
  /** Times at which it was found empty, and those of them from before the clock stepped back. */
  #denials: bigint[] = [];
  #doubts: bigint[] = [];
  /** The clock stepped back, and nobody has seen yet how empty the bucket is. */
  #isUncertain = false;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
    this.#capacity = bounds.burst * bounds.intervalNanoseconds;
    this.#most = this.#capacity;
  }

  /** The clock has moved, to `now`. */
  move(by: bigint, now: bigint): void {
    const { burst, reserved, intervalNanoseconds } = this.#bounds;
    if (by > 0n) this.#most = least(this.#most + by, (burst + reserved) * intervalNanoseconds);
    // A step, or several small ones: never worse than empty, as of when the bucket is asked.
    if (by < 0n) this.#doubts.push(...this.#denials.splice(0));
    if (by < 0n && this.#fullAt > now + this.#capacity + tolerated_nanoseconds) this.#isUncertain = true;
  }

  mayAdmit(cost: bigint): boolean {
    return this.#most >= cost * this.#bounds.intervalNanoseconds;
  }

  mustAdmit(cost: bigint, now: bigint): boolean {
    const { reserved, intervalNanoseconds } = this.#bounds;
    const after = most(this.#fullAt, now) + (cost + reserved) * intervalNanoseconds;
    // A clock that comes by again finds workers that remember how they found the bucket then, for a second.
    if (this.#doubts.some((time) => now >= time && now < time + memory_nanoseconds)) return false;
    return !this.#isUncertain && after <= now + this.#capacity;
  }

  admit(cost: bigint, now: bigint): void {
    this.#most -= cost * this.#bounds.intervalNanoseconds;
    this.#fullAt = most(this.#fullAt, now) + cost * this.#bounds.intervalNanoseconds;
  }

  /**
   * It was seen to lack tokens: after a step back it is closed for its own window from then on, and what is tolerated, at the most. Of
   * several limits of a rule it is not told which one had no room; what was taken of the others then and given back is given back now, so that a
   * clock that steps back finds it missing.
   */
  deny(now: bigint, isAlone: boolean): void {
    this.#denials.push(now);
    if (!isAlone) {
      this.#fullAt = most(this.#fullAt, now);
      return;
    }
    if (this.#isUncertain) this.#fullAt = least(this.#fullAt, now + this.#capacity + tolerated_nanoseconds);
    this.#isUncertain = false;
  }

  /** What a worker found then may have been given back since, which it does not know. */
  doubt(now: bigint): void {
    this.#doubts.push(now);
  }

  /** What a worker had reserved is gone with its VM. */
  lose(tokens: bigint, now: bigint): void {
    const after = most(this.#fullAt, now) + tokens * this.#bounds.intervalNanoseconds;
    if (!this.#isUncertain) this.#fullAt = least(after, now + this.#capacity + tolerated_nanoseconds);
  }
}

function least(one: bigint, other: bigint): bigint {
  return one < other ? one : other;
}

function most(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
