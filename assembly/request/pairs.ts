/**
 * Walking over the request's header pairs, which are in the slot as the ABI has them and were found sound when they were read
 * (request/headers.ts). One walk at a time:
 *
 *   beginPairs();
 *   while (nextPair()) …
 */
import { request } from "./request";

/** The pair in hand: its name, as Envoy has it in lower case, and its value. */
export let pairName: usize = 0;
export let pairNameSize: u32 = 0;
export let pairValue: usize = 0;
export let pairValueSize: u32 = 0;

/** The sizes of the next pair, its first byte, and how many are left. */
let sizes: usize = 0;
let cursor: usize = 0;
let left: u32 = 0;

/** Begins before the first pair; there is none where the headers were not read. */
export function beginPairs(): void {
  left = request.pairsSize == 0 ? 0 : load<u32>(request.pairsStart);
  sizes = request.pairsStart + 4;
  cursor = sizes + ((<usize>left) << 3);
}

/** Goes to the next pair; false after the last. */
// @inline
export function nextPair(): bool {
  if (left == 0) return false;
  left--;
  pairNameSize = load<u32>(sizes);
  pairValueSize = load<u32>(sizes, 4);
  sizes += 8;
  pairName = cursor;
  pairValue = cursor + pairNameSize + 1;
  cursor = pairValue + pairValueSize + 1;
  return true;
}
