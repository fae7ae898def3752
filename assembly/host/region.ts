/**
 * Memory that outlives a callback: images, policies with their tables, known tokens, fetched keys, metric numbers. Regions are whole pages behind
 * the module's initial memory, kept in one list in address order, each with a header in its first bytes:
 *
 *   0         4               8       12      16
 *   +---------+---------------+-------+-------+----------------- ... -+
 *   | next    | size in bytes | taken | 0     | the owner's bytes     |
 *   +---------+---------------+-------+-------+----------------- ... -+
 *
 * A region is given back when its root context ends and taken again by a later one, joined with free neighbours
 * and split as needed, the smallest that will do, so a thousand reloads grow nothing. Nothing here runs on a request's path.
 */
import { poison } from "../bytes/poison";

const header_bytes: usize = 16;
const page_bytes: usize = 65536;
/** What a region of one page has for its owner. */
export const page_room_bytes: usize = page_bytes - header_bytes;

let first: usize = 0;

/** Takes a region for at least `size_bytes`, zeroed, 16-aligned; 0 when the host gives no more memory. */
export function takeRegion(size_bytes: usize): usize {
  if (size_bytes > 0x40000000) return 0;
  const wanted = wholePages(size_bytes);
  let last: usize = 0;
  let best: usize = 0;
  for (let region = first; region != 0; region = <usize>load<u32>(region)) {
    last = region;
    if (load<u32>(region, 8) != 0) continue;
    joinFreeNeighbours(region);
    if (<usize>load<u32>(region, 4) < wanted) continue;
    if (best == 0 || load<u32>(region, 4) < load<u32>(best, 4)) best = region;
  }
  if (best != 0) {
    const bytes = claim(best, wanted);
    memory.fill(bytes, 0, wanted - header_bytes);
    return bytes;
  }
  return growBy(wanted, last);
}

/** Takes a region at the end of memory, of which the last one is a part if it is free. */
function growBy(wanted: usize, last: usize): usize {
  const spare = last != 0 && load<u32>(last, 8) == 0 ? <usize>load<u32>(last, 4) : 0;
  const pages = memory.grow(<i32>((wanted - spare) / page_bytes));
  if (pages < 0) return 0;
  // New pages are zero as they are. To write that would have the host find memory for all of them at once.
  if (spare != 0) {
    store<u32>(last, <u32>wanted, 4);
    const bytes = claim(last, wanted);
    memory.fill(bytes, 0, spare - header_bytes);
    return bytes;
  }
  const grown = <usize>pages * page_bytes;
  store<u32>(grown, 0);
  store<u32>(grown, <u32>wanted, 4);
  if (last == 0) first = grown;
  else store<u32>(last, <u32>grown);
  return claim(grown, wanted);
}

/** Gives back what `takeRegion` returned; 0 is ignored. */
export function giveRegion(bytes: usize): void {
  if (bytes == 0) return;
  if (isDefined(POISON)) poison(bytes, <usize>load<u32>(bytes - header_bytes, 4) - header_bytes);
  store<u32>(bytes - header_bytes, 0, 8);
}

/** Gives back what lies behind the first `size_bytes` of a region. */
export function trimRegion(bytes: usize, size_bytes: usize): void {
  claim(bytes - header_bytes, wholePages(size_bytes));
}

/** The size of a region for so many bytes of its owner's. */
function wholePages(size_bytes: usize): usize {
  return (size_bytes + header_bytes + page_bytes - 1) & ~(page_bytes - 1);
}

function claim(region: usize, wanted: usize): usize {
  const size = <usize>load<u32>(region, 4);
  if (size > wanted) {
    const rest = region + wanted;
    store<u32>(rest, load<u32>(region));
    store<u32>(rest, <u32>(size - wanted), 4);
    store<u32>(rest, 0, 8);
    store<u32>(region, <u32>rest);
    store<u32>(region, <u32>wanted, 4);
  }
  store<u32>(region, 1, 8);
  return region + header_bytes;
}

function joinFreeNeighbours(region: usize): void {
  let next = <usize>load<u32>(region);
  while (next != 0 && load<u32>(next, 8) == 0 && next == region + <usize>load<u32>(region, 4)) {
    store<u32>(region, load<u32>(region, 4) + load<u32>(next, 4), 4);
    store<u32>(region, load<u32>(next));
    next = <usize>load<u32>(region);
  }
}
