/**
 * A policy's own literals and patterns: a deterministic automaton that the policy compiler makes of all of them
 * (scripts/policy/guard/). It is run from each byte that may begin one, for at most as many bytes as the longest can have.
 */
import { guard_pattern_bytes_max, guard_states_max, guard_table_bytes_max } from "../limits";
import { Detector } from "./detector";
import { pattern_accepts_at, pattern_magic } from "./table";
import { Answer, countSteps, end, isAlphanumeric, isInWord, peek, report, reportPattern, wantMore } from "./window";

const inside_state: u32 = 1;
const outside_state: u32 = 2;

/** Whether `size` bytes at a multiple of 16 are such a table, and none of its numbers leads out of it. */
export function isPatternTable(table: usize, size: u32): bool {
  if (size < pattern_accepts_at || size > guard_table_bytes_max) return false;
  if (load<u32>(table) != pattern_magic || <u32>load<u32>(table, 4) != size) return false;
  const states = <u32>load<u16>(table, 8);
  const classes = <u32>load<u16>(table, 10);
  if (states <= outside_state || states > guard_states_max || classes - 1 >= 256) return false;
  if (<u32>load<u16>(table, 12) > guard_pattern_bytes_max) return false;
  if (pattern_accepts_at + 2 * states + 2 * states * classes != size) return false;
  for (let byte: usize = 0; byte < 256; byte++) {
    if (<u32>load<u8>(table + byte, 80) >= classes) return false;
  }
  const last = table + size;
  for (let at = table + pattern_accepts_at + 2 * states; at < last; at += 2) {
    if (<u32>load<u16>(at) >= states) return false;
  }
  return true;
}

/** The longest match that begins here; of several patterns with it the first one's. */
export function patternAt(table: usize, start: usize): Answer {
  const classes = <u32>load<u16>(table, 10);
  const accepts = table + pattern_accepts_at;
  const next = accepts + ((<u32>load<u16>(table, 8)) << 1);
  let state = isInWord(start) ? inside_state : outside_state;
  let found: u32 = 0;
  let last: usize = 0;
  let at = start;
  for (let left = <u32>load<u16>(table, 12); left != 0; left--) {
    if (at >= end) {
      wantMore();
      break;
    }
    countSteps(1);
    state = load<u16>(next + ((state * classes + <u32>load<u8>(table + <usize>load<u8>(at), 80)) << 1));
    if (state == 0) break;
    at++;
    let accepted = <u32>load<u8>(accepts + (state << 1));
    const atEnd = <u32>load<u8>(accepts + (state << 1), 1);
    if (atEnd != 0 && (accepted == 0 || atEnd < accepted) && !isAlphanumeric(peek(at))) accepted = atEnd;
    if (accepted != 0) {
      found = accepted;
      last = at;
    }
  }
  if (found == 0 || !report(Detector.PATTERN, start, last)) return false;
  reportPattern(found - 1);
  return true;
}
