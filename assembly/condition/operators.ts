/** Operators of two values. */
import * as json from "../bytes/tape";
import * as code from "../policy/instructions";
import { addTimes, subtractTimes } from "./clock";
import { equality, listHolds, Order, orderOf, readIndex, Same } from "./compare";
import { holdsText, memberOf } from "./functions";
import { endsWith, startsWith } from "./text";
import { isFalse, isTrue, kindOf, setBool, setError, sizeOf, startOf, ValueKind } from "./value";

/** Applies an operator to two values, neither an error; the outcome is left in the left cell. */
export function applyToTwo(left: usize, right: usize, op: u32): void {
  switch (op) {
    case code.op_equal:
    case code.op_not_equal:
      setSame(left, equality(left, right), op == code.op_equal);
      return;
    case code.op_less:
    case code.op_less_equal:
    case code.op_greater:
    case code.op_greater_equal:
      compare(left, orderOf(left, right), op);
      return;
    case code.op_in:
      findIn(left, right);
      return;
    case code.op_index:
      readIndex(left, left, right);
      return;
    case code.op_add:
      addTimes(left, right);
      return;
    case code.op_subtract:
      subtractTimes(left, right);
      return;
    default:
      applyToTexts(left, right, op);
  }
}

function applyToTexts(left: usize, right: usize, op: u32): void {
  if (kindOf(left) != ValueKind.STRING || kindOf(right) != ValueKind.STRING) {
    setError(left);
  } else if (op == code.op_starts_with) {
    setBool(left, startsWith(startOf(left), sizeOf(left), startOf(right), sizeOf(right)));
  } else if (op == code.op_ends_with) {
    setBool(left, endsWith(startOf(left), sizeOf(left), startOf(right), sizeOf(right)));
  } else {
    holdsText(left, right);
  }
}

function compare(cell: usize, order: Order, op: u32): void {
  if (order == Order.ERROR) {
    setError(cell);
    return;
  }
  const isLess = order == Order.LESS;
  const isGreater = order == Order.GREATER;
  const isSame = order == Order.EQUAL;
  switch (op) {
    case code.op_less:
      setBool(cell, isLess);
      return;
    case code.op_less_equal:
      setBool(cell, isLess || isSame);
      return;
    case code.op_greater:
      setBool(cell, isGreater);
      return;
    default:
      setBool(cell, isGreater || isSame);
  }
}

/** @param wanted what the outcome is where the values are the same */
function setSame(cell: usize, same: Same, wanted: bool): void {
  if (same == Same.ERROR) setError(cell);
  else setBool(cell, (same == Same.YES) == wanted);
}

function findIn(value: usize, container: usize): void {
  switch (kindOf(container)) {
    case ValueKind.LIST:
    case ValueKind.TAPE_LIST:
      setSame(value, listHolds(container, value), true);
      return;
    case ValueKind.TAPE_MAP: {
      const isName = kindOf(value) == ValueKind.STRING;
      setBool(value, isName && memberOf(container, startOf(value), sizeOf(value)) != json.absent);
      return;
    }
    default:
      setError(value);
  }
}

/** `&&` and `||`. The value that decides wins over an error on the other side (langdef.md, "Logical operators"). */
export function combine(left: usize, right: usize, op: u32): void {
  const isAnd = op == code.op_and;
  const isDecided = isAnd ? isFalse(left) || isFalse(right) : isTrue(left) || isTrue(right);
  if (isDecided) setBool(left, !isAnd);
  else if (kindOf(left) == ValueKind.BOOL && kindOf(right) == ValueKind.BOOL) setBool(left, isAnd);
  else setError(left);
}
