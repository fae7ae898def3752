/** Keys as callers have them: few ask for much, and many for little. */
import type { Random } from "../support/random.ts";

/** A number from 0 up to 1, without 1, with 32 random bits. */
export const fraction = (random: Random): number => random.word() / 0x1_0000_0000;

/** Draws keys 0 to `count` - 1, the n-th of them with a weight of 1/(n+1)^`exponent`. Takes 8 bytes a key. */
export class Zipf {
  readonly #sums: Float64Array;

  constructor(count: number, exponent = 1) {
    this.#sums = new Float64Array(count);
    let sum = 0;
    for (let key = 0; key < count; key++) {
      sum += (key + 1) ** -exponent;
      this.#sums[key] = sum;
    }
  }

  /** The share of all draws that a key has. */
  share(key: number): number {
    return (this.#sums[key]! - (key === 0 ? 0 : this.#sums[key - 1]!)) / this.#sums.at(-1)!;
  }

  draw(random: Random): number {
    const wanted = fraction(random) * this.#sums.at(-1)!;
    let [low, high] = [0, this.#sums.length - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sums[middle]! > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
