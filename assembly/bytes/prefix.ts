/** What stands before a token in a header, as liberal readers find it. */
import { indexOfByte, isBlank, lower } from "./span";

/**
 * Whether a prefix begins a header's value, or what follows a comma in it: Envoy joins several headers of a name so. What upstreams may read alike
 * is one: the prefix in any case, any white space after it.
 */
export function hasPrefix(start: usize, size: u32, prefix: usize, prefixSize: u32): bool {
  const end = start + size;
  let cursor = start;
  while (true) {
    if (beginsWith(cursor, <u32>(end - cursor), prefix, prefixSize)) return true;
    cursor += indexOfByte(cursor, <u32>(end - cursor), 0x2c);
    if (cursor >= end) return false;
    cursor = skipBlanks(cursor + 1, end);
  }
}

function beginsWith(start: usize, size: u32, prefix: usize, prefixSize: u32): bool {
  let word = prefixSize;
  while (word != 0 && load<u8>(prefix + word - 1) == 0x20) word--;
  if (size < word) return false;
  for (let index: u32 = 0; index < word; index++) {
    if (lower(load<u8>(start + index)) != lower(load<u8>(prefix + index))) return false;
  }
  return word == prefixSize || size == word || isBlank(load<u8>(start + word));
}

/** The first byte from `cursor` on that is no blank. */
export function skipBlanks(start: usize, end: usize): usize {
  while (start < end && isBlank(load<u8>(start))) start++;
  return start;
}
