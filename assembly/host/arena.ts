/**
 * Where the host puts what it hands us. The host calls `malloc` for every buffer it returns (proxy-wasm ABI 0.2.1,
 * "Memory ownership"); ours takes from one fixed block, reset at the start of every callback, and answers 0 when the
 * block is full. The host call then fails and the request is denied, with 431: an oversized request cannot grow memory.
 *
 * A plugin configuration may be far larger than a request, so on_configure lends a region of its own for the time of
 * one call.
 */
import { tape_record_bytes } from "../bytes/tape";
import { arena_bytes_max, header_pairs_bytes_max, json_nodes_max, path_bytes_max, token_bytes_max } from "../limits";

const block: usize = memory.data(arena_bytes_max, 16);

// One request may take: its header pairs, its decoded path and query, its token three times over (decoded parts, the signing
// input inside the argument of verify_signature, and slack for keys and signatures), the tape of its claims, its cookies once
// more where one is taken away, and what shared data hands back. Several tokens share the room: all of them stood in the
// header pairs, but the tapes of more than one that is full of values may not fit, and then the request is denied.
if (
  !(
    arena_bytes_max >=
    2 * header_pairs_bytes_max + 2 * path_bytes_max + 4 * token_bytes_max + json_nodes_max * tape_record_bytes + 16384
  )
)
  ERROR("arena_bytes_max holds a whole request");

/** Whether something was asked for since the last `resetArena` that did not fit. */
export let isOverfull: bool = false;

let cursor: usize = block;
let end: usize = block + arena_bytes_max;

/** Starts a callback: everything handed out before is free again. */
export function resetArena(): void {
  cursor = block;
  end = block + arena_bytes_max;
  isOverfull = false;
}

/** Takes allocations from `start` to `start + size_bytes` until the next `resetArena`. */
export function lendArena(start: usize, size_bytes: usize): void {
  cursor = start;
  end = start + size_bytes;
}

/** Where the arena stands, for `rewindArena`. */
export function arenaMark(): usize {
  return cursor;
}

/** Frees what was taken since `mark`. */
export function rewindArena(mark: usize): void {
  cursor = mark;
}

/** Whether `size_bytes` more could be taken at once. */
export function hasRoom(size_bytes: usize): bool {
  const start = (cursor + 7) & ~(<usize>7);
  return start <= end && size_bytes <= end - start;
}

/** How many bytes could be taken at once. */
export function roomBytes(): u32 {
  const start = (cursor + 7) & ~(<usize>7);
  return start <= end ? <u32>(end - start) : 0;
}

/** Takes `size_bytes`, 8-aligned; 0 when the arena is full. */
export function takeBytes(size_bytes: usize): usize {
  const start = (cursor + 7) & ~(<usize>7);
  if (!hasRoom(size_bytes)) {
    isOverfull = true;
    return 0;
  }
  cursor = start + size_bytes;
  return start;
}
