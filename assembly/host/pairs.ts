/**
 * Walking over header pairs. The ABI serializes a header map of n pairs as
 *
 *   0         4           8            12            4 + 8n
 *   +---------+-----------+------------+-------------+-----------+------------+---- ... -+
 *   | n       | name size | value size | n - 1 more  | name, NUL | value, NUL | n - 1 more |
 *   +---------+-----------+------------+-------------+-----------+------------+---- ... -+
 *
 * A walk is a value of its caller's, and several may be under way:
 *
 *   for (let pair = firstPair(map); isPair(map, pair); pair = nextPair(pair)) …
 *
 * Whoever reads a map first asks of each pair whether it is sound.
 */

/** Where a pair's sizes are in the lower half, where its name is in the upper one. */
export type Pair = u64;

/** A map without pairs: that of headers that were not read. */
export const no_pairs: usize = memory.data(4, 4);

/** Whether `size` bytes have room for the sizes of all the pairs they are said to hold. */
export function arePairsSound(map: usize, size: u32): bool {
  return size >= 4 && load<u32>(map) <= (size - 4) >> 3;
}

/** The bytes of all names and values of a sound map that takes `size` bytes: what is left without their number, their sizes and the NULs. */
export function pairsTextBytes(map: usize, size: u32): u32 {
  return size - 4 - 10 * load<u32>(map);
}

// @inline
export function firstPair(map: usize): Pair {
  return ((<u64>endOfSizes(map)) << 32) | (<u64>map + 4);
}

// @inline
function endOfSizes(map: usize): u32 {
  return <u32>map + 4 + (load<u32>(map) << 3);
}

/** Whether the walk is not over. */
// @inline
export function isPair(map: usize, pair: Pair): bool {
  return <u32>pair != endOfSizes(map);
}

/** Whether a pair's name and value, each with its NUL, end before `end`, which its name begins before. */
// @inline
export function isPairSound(pair: Pair, end: usize): bool {
  const bytes = <u32>end - <u32>pairName(pair);
  const name = pairNameSize(pair);
  return name < bytes && pairValueSize(pair) < bytes - name - 1;
}

/** The pair after a sound one. */
// @inline
export function nextPair(pair: Pair): Pair {
  return pair + ((<u64>pairNameSize(pair) + <u64>pairValueSize(pair) + 2) << 32) + 8;
}

/** A pair's name, as Envoy has it in lower case. */
// @inline
export function pairName(pair: Pair): usize {
  return <usize>(pair >> 32);
}

// @inline
export function pairNameSize(pair: Pair): u32 {
  return load<u32>(<usize>(<u32>pair));
}

// @inline
export function pairValue(pair: Pair): usize {
  return pairName(pair) + pairNameSize(pair) + 1;
}

// @inline
export function pairValueSize(pair: Pair): u32 {
  return load<u32>(<usize>(<u32>pair), 4);
}
