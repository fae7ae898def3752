/** Equality and order as CEL has them: numbers compare by value whatever their types, other kinds only with their own. */

import { sameBytes } from "../bytes/span";
import * as json from "../bytes/tape";
import { compared_depth_max } from "../limits";
import { setRecord } from "./claims";
import {
  cell_bytes,
  copyCell,
  doubleOf,
  isList,
  isNumber,
  kindOf,
  longOf,
  recordOf,
  setError,
  sizeOf,
  startOf,
  ValueKind,
} from "./value";

/** What comparing two values gives. */
export const enum Order {
  LESS = -1,
  EQUAL = 0,
  GREATER = 1,
  /** One is not a number. */
  NONE = 2,
  /** Of kinds that have no order between them. */
  ERROR = 3,
}

/** Whether two values are the same. ERROR: nothing shows that they differ, and a part of one cannot be read. */
export const enum Same {
  NO = 0,
  YES = 1,
  ERROR = 2,
}

/** Lists and maps nest as deep as JSON does, and a list written out a level deeper for each pair of brackets. */
if (!(compared_depth_max == 32)) ERROR("the cells below are for so many levels");
/** Two cells a level, for elements under comparison. */
const elements: usize = memory.data(33 * 2 * 16, 8);
let depth: u32 = 0;

/** Whether two values are equal (langdef.md, "Equality"). */
export function equality(left: usize, right: usize): Same {
  depth = 0;
  return sameness(left, right);
}

/** The order of two values (langdef.md, "Ordering"). */
export function orderOf(left: usize, right: usize): Order {
  if (isNumber(left) && isNumber(right)) return orderOfNumbers(left, right);
  if (kindOf(left) != kindOf(right)) return Order.ERROR;
  switch (kindOf(left)) {
    case ValueKind.BOOL:
      return orderOfLongs(load<u8>(left, 8), load<u8>(right, 8));
    case ValueKind.STRING:
      return orderOfStrings(left, right);
    case ValueKind.TIMESTAMP:
    case ValueKind.DURATION: {
      const seconds = orderOfLongs(longOf(left), longOf(right));
      return seconds == Order.EQUAL ? orderOfLongs(sizeOf(left), sizeOf(right)) : seconds;
    }
    default:
      return Order.ERROR;
  }
}

/** Whether a list holds a value: that it does wins over an element that cannot be read, as with `||`. */
export function listHolds(list: usize, value: usize): Same {
  depth = 0;
  let held = Same.NO;
  const element = levelCells();
  const count = listSize(list);
  let record = firstElement(list);
  for (let index: u32 = 0; index < count; index++) {
    record = readElement(element, list, index, record);
    depth = 1;
    const same = sameness(element, value);
    depth = 0;
    if (same == Same.YES) return Same.YES;
    if (same == Same.ERROR) held = Same.ERROR;
  }
  return held;
}

/** How many elements a list has. */
export function listSize(list: usize): u32 {
  if (kindOf(list) == ValueKind.LIST) return sizeOf(list);
  let count: u32 = 0;
  const end = json.after(recordOf(list));
  for (let record = json.firstOf(recordOf(list)); record < end; record = json.after(record)) count++;
  return count;
}

/** How many members a map has. */
export function mapSize(map: usize): u32 {
  let count: u32 = 0;
  const end = json.after(recordOf(map));
  for (let name = json.firstOf(recordOf(map)); name < end; name = json.after(json.valueAfter(name))) count++;
  return count;
}

/** The tape record of a list's first element; of no use for a list written out. */
export function firstElement(list: usize): usize {
  return kindOf(list) == ValueKind.LIST ? json.absent : json.firstOf(recordOf(list));
}

/** Puts element `index`, at `record` on the tape, into a cell; the record of the next one. */
export function readElement(cell: usize, list: usize, index: u32, record: usize): usize {
  if (kindOf(list) == ValueKind.LIST) {
    copyCell(cell, startOf(list) + <usize>(index * cell_bytes));
    return json.absent;
  }
  setRecord(cell, record);
  return json.after(record);
}

function sameness(left: usize, right: usize): Same {
  if (isNumber(left) && isNumber(right)) return <Same>(orderOfNumbers(left, right) == Order.EQUAL);
  if (isList(left) && isList(right)) return samenessOfLists(left, right);
  const kind = kindOf(left);
  if (kind == ValueKind.ERROR || kindOf(right) == ValueKind.ERROR) return Same.ERROR;
  if (kind != kindOf(right)) return Same.NO;
  switch (kind) {
    case ValueKind.NULL:
      return Same.YES;
    case ValueKind.STRING:
      return <Same>(sizeOf(left) == sizeOf(right) && sameBytes(startOf(left), startOf(right), sizeOf(left)));
    case ValueKind.TAPE_MAP:
      return samenessOfMaps(left, right);
    default:
      return <Same>(orderOf(left, right) == Order.EQUAL);
  }
}

function levelCells(): usize {
  return elements + <usize>depth * (2 * cell_bytes);
}

function samenessOfLists(left: usize, right: usize): Same {
  const count = listSize(left);
  if (count != listSize(right)) return Same.NO;
  if (depth >= compared_depth_max) return Same.ERROR;
  const mine = levelCells();
  const theirs = mine + cell_bytes;
  let leftRecord = firstElement(left);
  let rightRecord = firstElement(right);
  depth++;
  let same = Same.YES;
  for (let index: u32 = 0; index < count && same != Same.NO; index++) {
    leftRecord = readElement(mine, left, index, leftRecord);
    rightRecord = readElement(theirs, right, index, rightRecord);
    same = both(same, sameness(mine, theirs));
  }
  depth--;
  return same;
}

function samenessOfMaps(left: usize, right: usize): Same {
  if (mapSize(left) != mapSize(right)) return Same.NO;
  if (depth >= compared_depth_max) return Same.ERROR;
  const mine = levelCells();
  const theirs = mine + cell_bytes;
  const end = json.after(recordOf(left));
  depth++;
  let same = Same.YES;
  for (
    let name = json.firstOf(recordOf(left));
    name < end && same != Same.NO;
    name = json.after(json.valueAfter(name))
  ) {
    const other = json.member(recordOf(right), json.startOf(name), json.sizeOf(name));
    setRecord(mine, json.valueAfter(name));
    setRecord(theirs, other);
    same = other == json.absent ? Same.NO : both(same, sameness(mine, theirs));
  }
  depth--;
  return same;
}

/** What two parts make of the whole: one that differs decides, as a false side does for `&&`. */
function both(one: Same, other: Same): Same {
  if (one == Same.NO || other == Same.NO) return Same.NO;
  return one == Same.ERROR || other == Same.ERROR ? Same.ERROR : Same.YES;
}

function orderOfNumbers(left: usize, right: usize): Order {
  const leftIsInt = kindOf(left) == ValueKind.INT;
  const rightIsInt = kindOf(right) == ValueKind.INT;
  if (leftIsInt && rightIsInt) return orderOfLongs(longOf(left), longOf(right));
  if (!leftIsInt && !rightIsInt) return orderOfDoubles(doubleOf(left), doubleOf(right));
  if (leftIsInt) return orderOfMixed(longOf(left), doubleOf(right));
  const order = orderOfMixed(longOf(right), doubleOf(left));
  if (order == Order.LESS) return Order.GREATER;
  return order == Order.GREATER ? Order.LESS : order;
}

/** Exactly: not every int is a double. */
function orderOfMixed(left: i64, right: f64): Order {
  if (right >= 9223372036854775808.0) return Order.LESS;
  if (right < -9223372036854775808.0) return Order.GREATER;
  // What is on neither side of a number is none.
  if (!(right < 0 || right >= 0)) return Order.NONE;
  const whole = Math.trunc(right);
  const order = orderOfLongs(left, <i64>whole);
  return order == Order.EQUAL ? orderOfDoubles(whole, right) : order;
}

function orderOfDoubles(left: f64, right: f64): Order {
  if (left < right) return Order.LESS;
  if (left > right) return Order.GREATER;
  return left == right ? Order.EQUAL : Order.NONE;
}

function orderOfLongs(left: i64, right: i64): Order {
  if (left == right) return Order.EQUAL;
  return left < right ? Order.LESS : Order.GREATER;
}

/** By code points, which is the order of UTF-8's bytes. */
function orderOfStrings(left: usize, right: usize): Order {
  const shared = min(sizeOf(left), sizeOf(right));
  for (let index: u32 = 0; index < shared; index++) {
    const mine = load<u8>(startOf(left) + index);
    const theirs = load<u8>(startOf(right) + index);
    if (mine != theirs) return mine < theirs ? Order.LESS : Order.GREATER;
  }
  return orderOfLongs(sizeOf(left), sizeOf(right));
}

/** Puts what a map or a list has under a key into a cell: an error where there is none. */
export function readIndex(cell: usize, container: usize, key: usize): void {
  if (kindOf(container) == ValueKind.TAPE_MAP && kindOf(key) == ValueKind.STRING) {
    setRecord(cell, json.member(recordOf(container), startOf(key), sizeOf(key)));
    return;
  }
  if (!isList(container)) {
    setError(cell);
    return;
  }
  const index = indexOf(key);
  if (index < 0 || index >= <i64>listSize(container)) {
    setError(cell);
    return;
  }
  let record = firstElement(container);
  if (kindOf(container) == ValueKind.TAPE_LIST) {
    for (let step: i64 = 0; step < index; step++) record = json.after(record);
  }
  readElement(cell, container, <u32>index, record);
}

/** A list is indexed by an int, or by a double that is one. */
function indexOf(key: usize): i64 {
  if (kindOf(key) == ValueKind.INT) return longOf(key);
  if (kindOf(key) != ValueKind.DOUBLE) return -1;
  const value = doubleOf(key);
  return value >= 0 && value < 4294967296.0 && Math.trunc(value) == value ? <i64>value : -1;
}
