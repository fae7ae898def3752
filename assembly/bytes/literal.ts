/**
 * Texts the engine compares with or hands to the host, as bytes. AssemblyScript keeps string literals as UTF-16; each is
 * narrowed once, while the module initializes, into static memory. All are ASCII.
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

/** Narrows `text`. Only for the top level of a module: the room is sized for exactly those. */
export function literal(text: string): Literal {
  const size = text.length;
  const start = cursor;
  // Running out would be a mistake of ours, which the first test of any kind would meet: the module does not load.
  if (start + 4 + size > block + literals_bytes_max) unreachable();
  store<u32>(start, size);
  for (let index = 0; index < size; index++) {
    store<u8>(start + 4 + index, load<u16>(changetype<usize>(text) + ((<usize>index) << 1)));
  }
  cursor = (start + 4 + size + 3) & ~(<usize>3);
  return changetype<Literal>(start);
}
