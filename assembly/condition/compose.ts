/**
 * Texts and lists that a condition makes out of others. They lie in the arena until the condition, or this round of its loop,
 * ends. Each function leaves its outcome in the cell of its first operand, and is false where the arena has no room.
 */
import { lower } from "../bytes/span";
import { Failure } from "../failure";
import { rewindArena, takeBytes } from "../host/arena";
import { fail } from "../host/host";
import { search_bytes_max, split_elements_max } from "../limits";
import * as code from "../policy/instructions";
import { findOverlaps, matchedAfter } from "./text";
import { cell_bytes, isList, kindOf, setError, setList, setString, sizeOf, startOf, ValueKind } from "./value";

const blank: u32 = 0x20;

/** Makes something of one value that is no error. */
export function composeOne(cell: usize, op: u32): bool {
  if (op == code.op_words && isList(cell)) return true;
  if (kindOf(cell) != ValueKind.STRING) {
    setError(cell);
    return true;
  }
  return op == code.op_words ? takeWords(cell) : lowerCase(cell);
}

/** Makes something of two values that are no errors. @param limit of `split`: how many parts at the most; negative for any number */
export function composeTwo(left: usize, right: usize, op: u32, limit: i32): bool {
  if (kindOf(left) != ValueKind.STRING || kindOf(right) != ValueKind.STRING) {
    setError(left);
    return true;
  }
  return op == code.op_join ? joinTexts(left, right) : split(left, startOf(right), sizeOf(right), limit);
}

function take(size_bytes: usize): usize {
  const start = takeBytes(size_bytes);
  if (start == 0) fail(Failure.ARENA_FULL);
  return start;
}

function joinTexts(left: usize, right: usize): bool {
  const size = sizeOf(left) + sizeOf(right);
  const start = take(size);
  if (start == 0) return false;
  memory.copy(start, startOf(left), sizeOf(left));
  memory.copy(start + <usize>sizeOf(left), startOf(right), sizeOf(right));
  setString(left, start, size);
  return true;
}

function lowerCase(cell: usize): bool {
  const size = sizeOf(cell);
  const start = take(size);
  if (start == 0) return false;
  for (let index: u32 = 0; index < size; index++) store<u8>(start + index, lower(load<u8>(startOf(cell) + index)));
  setString(cell, start, size);
  return true;
}

/** The words between blanks, of which there may be several. */
function takeWords(cell: usize): bool {
  const start = startOf(cell);
  const size = sizeOf(cell);
  const first = take(split_elements_max * cell_bytes);
  if (first == 0) return false;
  let count: u32 = 0;
  let begin: u32 = 0;
  for (let index: u32 = 0; index <= size; index++) {
    if (index < size && load<u8>(start + index) != blank) continue;
    if (index > begin && !addPart(first, count++, start + begin, index - begin)) break;
    begin = index + 1;
  }
  setParts(cell, first, count);
  return true;
}

/** As CEL's strings extension has it: without a separator each character is a part; the last of `limit` parts has the rest. */
function split(cell: usize, separator: usize, separatorSize: u32, limit: i32): bool {
  if (separatorSize > search_bytes_max) {
    setError(cell);
    return true;
  }
  const start = startOf(cell);
  const size = sizeOf(cell);
  const first = take(split_elements_max * cell_bytes);
  if (first == 0) return false;
  const most: u32 = limit < 0 ? u32.MAX_VALUE : <u32>limit;
  if (separatorSize > 0) findOverlaps(separator, separatorSize);
  let count: u32 = 0;
  let begin: u32 = 0;
  let matched: u32 = 0;
  for (let index: u32 = 0; index < size && count + 1 < most; index++) {
    const byte = load<u8>(start + index);
    let end: u32 = index;
    if (separatorSize == 0) {
      // A character ends where the next one begins.
      if (index == 0 || (byte & 0xc0) == 0x80) continue;
    } else {
      matched = matchedAfter(separator, matched, byte);
      if (matched < separatorSize) continue;
      matched = 0;
      end = index + 1 - separatorSize;
    }
    if (!addPart(first, count++, start + begin, end - begin)) break;
    begin = separatorSize == 0 ? index : index + 1;
  }
  // Nothing has no characters, and one part that is nothing.
  if (most > 0 && (separatorSize > 0 || size > 0)) addPart(first, count++, start + begin, size - begin);
  setParts(cell, first, count);
  return true;
}

/** False where there is no room for one more. */
function addPart(first: usize, index: u32, start: usize, size: u32): bool {
  if (index >= split_elements_max) return false;
  setString(first + <usize>(index * cell_bytes), start, size);
  return true;
}

/** Gives back the room that the parts did not take. Too many are an error. */
function setParts(cell: usize, first: usize, count: u32): void {
  const isTooMany = count > split_elements_max;
  rewindArena(first + <usize>((isTooMany ? 0 : count) * cell_bytes));
  if (isTooMany) setError(cell);
  else setList(cell, first, count);
}
