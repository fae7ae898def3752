/**
 * The scan of a stream for what the guard looks for. The chunks of a stream are fed one after the other; what is found does not depend
 * on where they are cut.
 *
 *   startStream(stream, detectors, table)      once
 *   feedChunk(stream, start, size, isLast)     for each chunk, with room before it (state.ts)
 *     while (nextFinding(stream)) …            the caller may overwrite the bytes of the finding, and no others
 *   endChunk(stream)                           afterwards `decidedStart` and `decidedSize` are what may go on its way
 *
 * Held bytes of the chunk before stand in front of the new one, so what is decided is always one run of bytes.
 *
 * One pass over sixteen bytes at a time finds where something may begin (triggers.ts); detectors look at that, each at a bounded
 * number of bytes. The first finding wins: none begins before the end of another.
 */
import { clearBytes } from "../bytes/span";
import { guard_held_bytes_max } from "../limits";
import { Detector } from "./detector";
import { email_back_bytes, startOfLocal } from "./email";
import { loadNames, storeNames } from "./nearby";
import { isPemByte } from "./pem";
import * as layout from "./state";
import { beginTriggers, findTriggers, tryTriggers } from "./triggers";
import * as window from "./window";
import { Rest } from "./window";

/** Where the scan goes on; the first byte that is not decided; and whether no chunk follows. */
let cursor: usize = 0;
let base: usize = 0;
let isLast: bool = false;
let table: usize = 0;

/** What is decided of the chunk, once all its findings have been told. */
export let decidedStart: usize = 0;
export let decidedSize: u32 = 0;

/** Whether the finding goes on from the last chunk, or the last finding: it is no new one. */
export let isContinued: bool = false;

/** Begins a stream: `detectors` has a bit for each detector that is asked for, `patterns` is a sound table or 0. */
export function startStream(stream: usize, detectors: u64, patterns: usize): void {
  clearBytes(stream, layout.stream_bytes);
  store<u64>(stream, detectors, layout.wanted_at);
  store<u32>(stream, <u32>patterns, layout.table_at);
}

/** Takes the next chunk of a stream, which may be empty. */
export function feedChunk(stream: usize, start: usize, size: u32, last: bool): void {
  const held = <u32>load<u32>(stream, layout.held_size_at);
  base = start - held;
  memory.copy(base, stream + layout.held_at, held);
  cursor = base + <usize>load<u32>(stream, layout.ahead_at);
  isLast = last;
  table = load<u32>(stream, layout.table_at);
  window.openWindow(
    start + size,
    cursor - <usize>load<u32>(stream, layout.floor_at),
    load<u64>(stream, layout.wanted_at),
  );
  decidedStart = base;
  decidedSize = 0;
}

/** The next finding, as window.ts tells it. */
export function nextFinding(stream: usize): bool {
  const from = cursor;
  swapContext(stream, from);
  loadNames(stream + layout.names_at, from);
  const isFound = goOn(stream) || search(stream);
  storeNames(stream + layout.names_at, cursor);
  memory.copy(kept, cursor - layout.context_bytes, layout.context_bytes);
  swapContext(stream, from);
  memory.copy(stream + layout.context_at, kept, layout.context_bytes);
  return isFound;
}

const kept: usize = memory.data(layout.context_bytes, 16);

/** Puts the context where it stood, and what stands there now in its place. */
function swapContext(stream: usize, at: usize): void {
  let context = stream + layout.context_at;
  for (let target = at - layout.context_bytes; target < at; target += 16) {
    const now = v128.load(target);
    v128.store(target, v128.load(context));
    v128.store(context, now);
    context += 16;
  }
}

/** The rest of a finding whose head was told before. */
function goOn(stream: usize): bool {
  const rest: Rest = load<u32>(stream, layout.rest_at);
  if (rest == Rest.NONE) return false;
  const last = rest == Rest.TOKEN ? endOfToken(stream) : endOfPem(stream, rest);
  const start = cursor;
  cursor = last;
  window.setFloor(cursor);
  isContinued = true;
  return start != last && window.report(<Detector>load<u32>(stream, layout.rest_detector_at), start, last);
}

function endOfToken(stream: usize): usize {
  let at = cursor;
  while (at < window.end && window.isTokenByte(load<u8>(at))) at++;
  window.countSteps(<u32>(at - cursor));
  if (at < window.end) store<u32>(stream, Rest.NONE, layout.rest_at);
  return at;
}

function endOfPem(stream: usize, rest: Rest): usize {
  let hyphens = <u32>load<u32>(stream, layout.hyphens_at);
  let at = cursor;
  while (at < window.end && rest != Rest.NONE) {
    const byte = <u32>load<u8>(at);
    if (!isPemByte(byte)) {
      rest = Rest.NONE;
      break;
    }
    at++;
    if (byte != 0x2d) hyphens = 0;
    else if (++hyphens == 5) {
      hyphens = 0;
      rest = rest == Rest.PEM ? Rest.PEM_END : Rest.NONE;
    }
  }
  window.countSteps(<u32>(at - cursor));
  store<u32>(stream, hyphens, layout.hyphens_at);
  store<u32>(stream, rest, layout.rest_at);
  return at;
}

/** Looks for the next finding from the cursor on; at the end of what is there, or where a detector waits, the cursor stands there. */
function search(stream: usize): bool {
  // The block before is looked at for what words and numbers before the cursor are.
  beginTriggers(cursor - 16);
  for (let block = cursor; block < window.end; block += 16) {
    window.countSteps(16);
    let bits = findTriggers(block, table);
    const there = window.end - block;
    if (there < 16) bits &= ((<u32>1) << (<u32>there)) - 1;
    for (; bits != 0; bits &= bits - 1) {
      const index = <u32>ctz(bits);
      const at = block + index;
      window.clearShort();
      const isFound = tryTriggers(index, at, table);
      if (window.isShort && !isLast && window.end - at <= waiting_bytes_max) {
        cursor = at;
        return false;
      }
      if (isFound) {
        take(stream, at);
        return true;
      }
    }
  }
  cursor = window.end;
  return false;
}

/** Goes on behind a finding. */
function take(stream: usize, trigger: usize): void {
  cursor = max(window.foundStart + window.foundSize, trigger + 1);
  window.setFloor(cursor);
  isContinued = false;
  store<u32>(stream, window.foundRest, layout.rest_at);
  store<u32>(stream, window.foundDetector, layout.rest_detector_at);
  store<u32>(stream, 0, layout.hyphens_at);
}

/** Ends a chunk, whose findings have been told: keeps what is held, and says what is decided. */
export function endChunk(stream: usize): void {
  let held = window.end;
  if (!isLast) {
    // What may be of something that is found by a later byte: the word here, and the first byte of a pattern.
    const low = max(window.floor, cursor - email_back_bytes);
    held = startOfLocal(cursor, low);
    if (table != 0 && held == cursor && cursor > window.floor) held--;
    held = max(held, base);
  }
  const size = <u32>(window.end - held);
  memory.copy(stream + layout.held_at, held, size);
  store<u32>(stream, size, layout.held_size_at);
  store<u32>(stream, <u32>(cursor - held), layout.ahead_at);
  store<u32>(stream, <u32>min(cursor - window.floor, <usize>layout.context_bytes), layout.floor_at);
  decidedStart = base;
  decidedSize = <u32>(held - base);
  store<u64>(stream, load<u64>(stream, layout.offset_at) + <u64>decidedSize, layout.offset_at);
}

/** Where in the stream the finding begins, in bytes from its start. */
export function foundOffset(stream: usize): u64 {
  return load<u64>(stream, layout.offset_at) + <u64>(window.foundStart - base);
}

/** Behind a trigger a detector waits for no more than what can be held with the longest start before it. */
const waiting_bytes_max: usize = guard_held_bytes_max - email_back_bytes;
