/**
 * What memory holds that was given up, in the build that fuzzers run (`poisoned` in asconfig.json): whoever reads it decides by it, or
 * meets an address that is none. In the release there is nothing of this.
 */

/** As an address, a size or a number of times, four of them are beyond everything. */
export const poison_byte: u8 = 0xdb;

/** `size` bytes at `start` are nobody's from now on. */
// @inline
export function poison(start: usize, size: usize): void {
  if (isDefined(POISON)) memory.fill(start, poison_byte, size);
}
