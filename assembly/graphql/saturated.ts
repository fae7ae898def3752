/** Counts that stay where 32 bits end: fragments that spread others twice double them at each step. */

/** `sum` + `left` × `right`, or the largest number where that is more. */
export function saturated(sum: u32, left: u32, right: u32): u32 {
  const total = <u64>sum + <u64>left * <u64>right;
  return total > u32.MAX_VALUE ? u32.MAX_VALUE : <u32>total;
}
