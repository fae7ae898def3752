/** Sets of small numbers, as bits. */
export class Bits {
  readonly #words: Uint32Array;

  /** @param size numbers are below it */
  constructor(size: number) {
    this.#words = new Uint32Array((size + 31) >>> 5);
  }

  add(number: number): void {
    this.#words[number >>> 5]! |= 1 << (number & 31);
  }

  addAll(other: Bits): void {
    for (let at = 0; at < this.#words.length; at++) this.#words[at]! |= other.#words[at]!;
  }

  /** How many there are, and how many of them are in another set. */
  count(within?: Bits): number {
    let count = 0;
    for (let at = 0; at < this.#words.length; at++) {
      let word = within === undefined ? this.#words[at]! : this.#words[at]! & within.#words[at]!;
      for (; word !== 0; word &= word - 1) count++;
    }
    return count;
  }
}
