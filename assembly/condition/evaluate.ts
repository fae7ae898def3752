/**
 * Evaluates the condition of a rule: a stack of values and one loop, nothing allocated, every step bounded by the image that
 * was validated (condition/check.ts). What an instruction means stands in policy/instructions.ts.
 */
import { inspecting, reportCondition, reportValue } from "../audit/inspect";
import * as json from "../bytes/json";
import { arenaMark, rewindArena } from "../host/arena";
import { condition_values } from "../limits";
import * as code from "../policy/instructions";
import * as layout from "../policy/layout";
import { Policy, recordAt } from "../policy/policy";
import { request } from "../request/request";
import { addTimes, subtractTimes, toTimestamp } from "./clock";
import { isEqual, listHolds, Order, orderOf, readIndex } from "./compare";
import { containsAddress, holdsText, memberOf, readSize } from "./functions";
import { beginLoop, clearLoop, endLoop, loopElement, loopPool, nextElement } from "./loop";
import * as sources from "./sources";
import { endsWith, startsWith } from "./text";
import {
  cell_bytes,
  copyCell,
  isFalse,
  isTrue,
  kindOf,
  setBool,
  setDouble,
  setError,
  setInt,
  setList,
  setNull,
  setRecord,
  setString,
  setTime,
  sizeOf,
  startOf,
  ValueKind,
} from "./value";

/** How a condition came out. */
export const enum Outcome {
  FALSE = 0,
  TRUE,
  ERROR,
  /** The host failed; what the condition would have been is not known. */
  FAILED,
}

const stack: usize = memory.data(condition_values * 16, 8);
/** Elements of lists the condition writes out. */
const pool: usize = memory.data(condition_values * 16, 8);
let poolUsed: u32 = 0;
let policyInHand: Policy = changetype<Policy>(0);
let bindingInHand: u32 = 0;
let hasClaims: bool = false;

/**
 * Evaluates the condition of a rule that has one.
 * @param binding where the words of its path variables begin
 * @param tokenHolds whether the rule's token is good, so that there are claims
 */
export function evaluateCondition(policy: Policy, rule: u32, binding: u32, tokenHolds: bool): Outcome {
  const record = recordAt(policy, layout.section_rules, rule) + layout.rule_condition;
  const first = recordAt(policy, layout.section_instructions, load<u32>(record));
  policyInHand = policy;
  bindingInHand = binding;
  hasClaims = tokenHolds;
  poolUsed = 0;
  clearLoop();
  const mark = arenaMark();
  const finished = run(first, load<u32>(record, 4));
  rewindArena(mark);
  const outcome = !finished
    ? Outcome.FAILED
    : isTrue(stack)
      ? Outcome.TRUE
      : isFalse(stack)
        ? Outcome.FALSE
        : Outcome.ERROR;
  if (inspecting) reportCondition(rule, outcome);
  return outcome;
}

/** Leaves the value in the first cell of the stack. False where the host failed. */
function run(first: usize, count: u32): bool {
  let at: u32 = 0;
  let top = stack - cell_bytes;
  while (at < count) {
    const instruction = first + <usize>(at * layout.instruction_bytes);
    const op = load<u32>(instruction);
    const here = at++;
    if (op <= code.op_duration) {
      top += cell_bytes;
      pushConstant(top, instruction, op);
    } else if (op == code.op_list) {
      const elements = load<u32>(instruction, 4);
      top -= <usize>elements * cell_bytes;
      top += cell_bytes;
      makeList(top, elements);
    } else if (op <= code.op_element) {
      top += cell_bytes;
      if (!pushSource(top, instruction, op)) return false;
    } else if (op <= code.op_contains_ip) {
      if (kindOf(top) != ValueKind.ERROR) applyToOne(top, instruction, op);
    } else if (op <= code.op_subtract) {
      top -= cell_bytes;
      if (kindOf(top) == ValueKind.ERROR || kindOf(top + cell_bytes) == ValueKind.ERROR) setError(top);
      else applyToTwo(top, top + cell_bytes, op);
    } else if (op == code.op_and || op == code.op_or) {
      top -= cell_bytes;
      combine(top, top + cell_bytes, op);
    } else if (op == code.op_jump_if_false) {
      if (isFalse(top)) at = load<u32>(instruction, 4);
      continue;
    } else if (op == code.op_jump_if_true) {
      if (isTrue(top)) at = load<u32>(instruction, 4);
      continue;
    } else if (op == code.op_choose) {
      if (isTrue(top)) top -= cell_bytes;
      else if (isFalse(top)) {
        top -= cell_bytes;
        at = load<u32>(instruction, 4);
      } else {
        setError(top);
        at = load<u32>(instruction, 8);
      }
      continue;
    } else if (op == code.op_jump) {
      at = load<u32>(instruction, 4);
      continue;
    } else if (op == code.op_loop) {
      if (beginLoop(top, load<u32>(instruction, 8), poolUsed)) top -= cell_bytes;
      else at = load<u32>(instruction, 4);
      continue;
    } else {
      poolUsed = loopPool();
      if (nextElement(top)) {
        top -= cell_bytes;
        at = load<u32>(instruction, 4);
        continue;
      }
      endLoop(top);
    }
    if (inspecting) reportValue(here, top);
  }
  return true;
}

function pushConstant(cell: usize, instruction: usize, op: u32): void {
  switch (op) {
    case code.op_null:
      setNull(cell);
      return;
    case code.op_bool:
      setBool(cell, load<u32>(instruction, 4) != 0);
      return;
    case code.op_int:
      setInt(cell, load<i64>(instruction, 4));
      return;
    case code.op_double:
      setDouble(cell, load<f64>(instruction, 4));
      return;
    case code.op_text:
      setString(cell, policyInHand.image + <usize>load<u32>(instruction, 4), load<u32>(instruction, 8));
      return;
    case code.op_timestamp:
      setTime(cell, ValueKind.TIMESTAMP, load<i64>(instruction, 4), load<u32>(instruction, 12));
      return;
    default:
      setTime(cell, ValueKind.DURATION, load<i64>(instruction, 4), load<u32>(instruction, 12));
  }
}

/** Moves elements from the stack into the pool; an error where one of them is, or the pool is full. */
function makeList(first: usize, count: u32): void {
  if (count > condition_values - poolUsed) {
    setError(first);
    return;
  }
  const start = pool + <usize>(poolUsed * cell_bytes);
  for (let index: u32 = 0; index < count; index++) {
    const element = first + <usize>(index * cell_bytes);
    if (kindOf(element) == ValueKind.ERROR) {
      setError(first);
      return;
    }
    copyCell(start + <usize>(index * cell_bytes), element);
  }
  poolUsed += count;
  setList(first, start, count);
}

function pushSource(cell: usize, instruction: usize, op: u32): bool {
  const part = load<u32>(instruction, 4);
  const text = policyInHand.image + <usize>part;
  const size = load<u32>(instruction, 8);
  switch (op) {
    case code.op_caller:
      sources.readCaller(cell, part);
      return true;
    case code.op_claims:
      setRecord(cell, hasClaims ? 0 : json.absent);
      return true;
    case code.op_variable:
      sources.readVariable(cell, policyInHand, bindingInHand, part);
      return true;
    case code.op_has_variable:
      setBool(cell, sources.hasVariable(policyInHand, bindingInHand, part));
      return true;
    case code.op_request:
      sources.readRequest(cell, part);
      return true;
    case code.op_header:
      sources.readHeader(cell, text, size);
      return true;
    case code.op_has_header:
      setBool(cell, sources.hasHeader(text, size));
      return true;
    case code.op_query:
      sources.readParameter(cell, text, size);
      return true;
    case code.op_has_query:
      sources.hasParameter(cell, text, size);
      return true;
    case code.op_source_ip:
      return sources.readSourceIp(cell);
    case code.op_source_port:
      return sources.readSourcePort(cell);
    case code.op_now: {
      const now = request.nowNanoseconds;
      setTime(cell, ValueKind.TIMESTAMP, <i64>(now / 1000000000), <u32>(now % 1000000000));
      return true;
    }
    default:
      copyCell(cell, loopElement);
      return true;
  }
}

function applyToOne(cell: usize, instruction: usize, op: u32): void {
  const text = policyInHand.image + <usize>load<u32>(instruction, 4);
  const size = load<u32>(instruction, 8);
  switch (op) {
    case code.op_select:
      setRecord(cell, memberOf(cell, text, size));
      return;
    case code.op_has:
      if (kindOf(cell) == ValueKind.TAPE_MAP) setBool(cell, memberOf(cell, text, size) != json.absent);
      else setError(cell);
      return;
    case code.op_not:
      if (kindOf(cell) == ValueKind.BOOL) setBool(cell, isFalse(cell));
      else setError(cell);
      return;
    case code.op_size:
      readSize(cell);
      return;
    case code.op_to_timestamp:
      toTimestamp(cell);
      return;
    default:
      containsAddress(cell, text, size, load<u32>(instruction, 12));
  }
}

function applyToTwo(left: usize, right: usize, op: u32): void {
  if (op == code.op_equal || op == code.op_not_equal) {
    setBool(left, isEqual(left, right) == (op == code.op_equal));
  } else if (op <= code.op_greater_equal) {
    compare(left, orderOf(left, right), op);
  } else if (op == code.op_in) {
    findIn(left, right);
  } else if (op == code.op_index) {
    readIndex(left, left, right);
  } else if (op == code.op_add) {
    addTimes(left, right);
  } else if (op == code.op_subtract) {
    subtractTimes(left, right);
  } else if (kindOf(left) != ValueKind.STRING || kindOf(right) != ValueKind.STRING) {
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

function findIn(value: usize, container: usize): void {
  switch (kindOf(container)) {
    case ValueKind.LIST:
    case ValueKind.TAPE_LIST:
      setBool(value, listHolds(container, value));
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

/** The value that decides wins over an error on the other side (langdef.md, "Logical operators"). */
function combine(left: usize, right: usize, op: u32): void {
  const isAnd = op == code.op_and;
  const isDecided = isAnd ? isFalse(left) || isFalse(right) : isTrue(left) || isTrue(right);
  if (isDecided) setBool(left, !isAnd);
  else if (kindOf(left) == ValueKind.BOOL && kindOf(right) == ValueKind.BOOL) setBool(left, isAnd);
  else setError(left);
}
