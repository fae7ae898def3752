/**
 * Where the host puts what it hands us. The host calls `malloc` for every buffer it returns (proxy-wasm ABI 0.2.1,
 * "Memory ownership"); ours takes from one fixed block, reset at the start of every callback, and answers 0 when the
 * block is full. The host call then fails and the request is denied, with 431: an oversized request cannot grow memory.
 *
 * A plugin configuration may be far larger than a request, so on_configure lends a region of its own for the time of
 * one call.
 */
import { poison } from "../bytes/poison";
import { tape_record_bytes } from "../bytes/tape";
import { arena_bytes_max, claims_nodes_max, header_pairs_bytes_max, path_bytes_max, token_bytes_max } from "../limits";

const block: usize = memory.data(arena_bytes_max, 16);

// One request may take: its header pairs, its decoded path and query, its tokens decoded, the signing input of one inside the argument
// of verify_signature at a time, the tape of its claims, its cookies once more where one is taken away, and what shared data hands
// back. Several tokens share the room: all of them stood in the header pairs, but the tapes of more than one that is full of
// values may not fit, and then the request is denied.
if (
  !(
    arena_bytes_max >=
    2 * header_pairs_bytes_max + 2 * path_bytes_max + 2 * token_bytes_max + claims_nodes_max * tape_record_bytes + 32768
  )
)
  ERROR("arena_bytes_max holds a whole request");

/** Whether something was asked for since the last `resetArena` that did not fit. */
export let isOverfull: bool = false;

/** Where what is taken next begins, and where the arena ends: multiples of eight, the first of them never past the second. */
let cursor: usize = block;
let end: usize = block + arena_bytes_max;
if (!((arena_bytes_max & 7) == 0)) ERROR("the arena ends at a multiple of eight");

/** Starts a callback: everything handed out before is free again. */
export function resetArena(): void {
  poison(block, arena_bytes_max);
  cursor = block;
  end = block + arena_bytes_max;
  isOverfull = false;
}

/** Takes allocations from `start`, 8-aligned, to the last multiple of eight before `start + size_bytes` until the next `resetArena`. */
export function lendArena(start: usize, size_bytes: usize): void {
  cursor = start;
  end = start + (size_bytes & ~(<usize>7));
}

/** Keeps so many bytes, or what is left, for what comes after `giveBack`, which is to be told what this returns: where the arena ended. */
export function holdBack(size_bytes: usize): usize {
  const before = end;
  end -= min((size_bytes + 7) & ~(<usize>7), end - cursor);
  return before;
}

/** Ends what `holdBack` began. What did not fit meanwhile is no reason for what fails later. */
export function giveBack(before: usize): void {
  end = max(end, before);
  isOverfull = false;
}

/** Where what is taken next begins; for `rewindArena`, too. */
export function arenaTail(): usize {
  return cursor;
}

/** Frees what was taken since the arena's tail was `tail`. */
export function rewindArena(tail: usize): void {
  poison(tail, cursor - tail);
  cursor = tail;
}

/** How many bytes could be taken at once. */
export function roomBytes(): u32 {
  return <u32>(end - cursor);
}

/** Takes `size_bytes`, 8-aligned; 0 when the arena is full. */
export function takeBytes(size_bytes: usize): usize {
  const start = cursor;
  // What is taken ends before `end`, and so does what it is rounded up to.
  if (size_bytes > end - start) {
    isOverfull = true;
    return 0;
  }
  cursor = start + ((size_bytes + 7) & ~(<usize>7));
  return start;
}
