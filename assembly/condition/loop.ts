/** The loop of `exists` and `all`: one at a time, over the elements of a list or the keys of a map. */
import * as json from "../bytes/tape";
import { arenaTail } from "../host/arena";
import { loop_all } from "../policy/instructions";
import { setRecord } from "./claims";
import { firstElement, listSize, mapSize, readElement } from "./compare";
import { copyCell, isFalse, isList, isTrue, kindOf, recordOf, setBool, setError, ValueKind } from "./value";

/** The element the loop is at. */
export const loopElement: usize = memory.data(16, 8);
const container: usize = memory.data(16, 8);
let isAll: bool = false;
let isMap: bool = false;
let index: u32 = 0;
let count: u32 = 0;
let record: usize = 0;
let metError: bool = false;
let isDecided: bool = false;
let poolMark: u32 = 0;
let tail: usize = 0;

/** Forgets the loop of another condition. */
export function clearLoop(): void {
  setError(loopElement);
  index = 0;
  count = 0;
}

/** Begins over what is in the cell. False where there is no element to begin with: the outcome is left in the cell. */
export function beginLoop(cell: usize, kind: u32, poolUsed: u32): bool {
  isAll = kind == loop_all;
  isMap = kindOf(cell) == ValueKind.TAPE_MAP;
  if (!isMap && !isList(cell)) {
    setError(cell);
    return false;
  }
  copyCell(container, cell);
  index = 0;
  count = isMap ? mapSize(cell) : listSize(cell);
  record = isMap ? json.firstOf(recordOf(cell)) : firstElement(cell);
  metError = false;
  isDecided = false;
  poolMark = poolUsed;
  tail = arenaTail();
  if (count == 0) {
    setBool(cell, isAll);
    return false;
  }
  readNext();
  return true;
}

/** What was used of the pool of list elements when the loop began: each round starts there again. */
export function loopPool(): u32 {
  return poolMark;
}

/** The arena's tail when the loop began: what a round takes is free for the next one. */
export function loopTail(): usize {
  return tail;
}

/** Takes the outcome for the element in hand, and goes to the next. False where there is none, or the loop is decided. */
export function nextElement(cell: usize): bool {
  if (isAll ? isFalse(cell) : isTrue(cell)) isDecided = true;
  else if (kindOf(cell) != ValueKind.BOOL) metError = true;
  if (isDecided || index == count) return false;
  readNext();
  return true;
}

/** Leaves the loop's outcome in a cell. */
export function endLoop(cell: usize): void {
  if (isDecided) setBool(cell, !isAll);
  else if (metError) setError(cell);
  else setBool(cell, isAll);
}

function readNext(): void {
  if (isMap) {
    setRecord(loopElement, record);
    record = json.after(json.valueAfter(record));
  } else {
    record = readElement(loopElement, container, index, record);
  }
  index++;
}
