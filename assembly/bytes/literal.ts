/**
 * Texts the engine compares with or hands to the host, as bytes. Each is copied once, while the module initializes, into static
 * memory. All are ASCII.
 *
 * AssemblyScript keeps string literals as UTF-16. In the engine each character of one is two of the text, packed by
 * scripts/build/sources.ts; where that has not been done, as in unit tests, it is one.
 */
import { literals_bytes_max } from "../limits";

const block: usize = memory.data(literals_bytes_max, 8);
let cursor: usize = block;

/** A text in static memory: its size in bytes, then the bytes. */
@unmanaged
export class Literal {
  size: u32;

  get start(): usize {
    return changetype<usize>(this) + 4;
  }
}

/** From one character of a string literal's text to the next, in bytes. */
export const text_stride: u32 = isDefined(PACKED) ? 1 : 2;

/** How many bytes the text of a string literal has. */
export function textBytes(text: string): u32 {
  const units = <u32>text.length;
  if (!isDefined(PACKED)) return units;
  // A last character alone has zero above it.
  return units == 0 ? 0 : units * 2 - u32(load<u16>(changetype<usize>(text) + ((<usize>units - 1) << 1)) < 0x100);
}

/** Keeps `text`. Only for the top level of a module: the room is sized for exactly those. */
export function literal(text: string): Literal {
  const size = textBytes(text);
  const start = cursor;
  // Running out would be a mistake of ours, which the first test of any kind would meet: the module does not load.
  if (start + 4 + size > block + literals_bytes_max) unreachable();
  store<u32>(start, size);
  for (let index: u32 = 0; index < size; index++) {
    store<u8>(start + 4 + index, load<u8>(changetype<usize>(text) + <usize>(index * text_stride)));
  }
  cursor = (start + 4 + size + 3) & ~(<usize>3);
  return changetype<Literal>(start);
}
