/**
 * Evaluates the condition of a rule: a stack of values and one loop, nothing allocated, every step bounded by the image that
 * was validated (policy/image-conditions.ts). What an instruction means stands in policy/instructions.ts.
 */

import { bodyRecord } from "../body/body";
import * as json from "../bytes/tape";
import { arenaTail, rewindArena } from "../host/arena";
import { inspecting, reportCondition, reportCost } from "../inspect";
import { condition_elements_max, condition_values_max } from "../limits";
import * as code from "../policy/instructions";
import { Form } from "../policy/instructions";
import * as layout from "../policy/layout";
import { Policy, recordAt } from "../policy/policy";
import { request } from "../request/request";
import { readCall } from "./call";
import { setRecord } from "./claims";
import { toTimestamp } from "./clock";
import { composeOne, composeTwo } from "./compose";
import { containsAddress, memberOf, readSize } from "./functions";
import { isInNetworks, isInTexts } from "./lists";
import { beginLoop, clearLoop, endLoop, loopElement, loopPool, loopTail, nextElement } from "./loop";
import { toInt } from "./number";
import { applyToTwo, combine } from "./operators";
import * as sources from "./sources";
import { reportValue } from "./trace";
import {
  cell_bytes,
  copyCell,
  isFalse,
  isTrue,
  kindOf,
  longOf,
  setBool,
  setDouble,
  setError,
  setInt,
  setList,
  setNull,
  setString,
  setTime,
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

/** The forms of all instructions in a table, since each that is evaluated is asked for. */
const forms: usize = memory.data(code.op_count);
for (let op: u32 = 0; op < code.op_count; op++) store<u8>(forms + op, code.formOf(op));

const stack: usize = memory.data(condition_values_max * 16, 8);
/** Elements of lists the condition writes out. */
const pool: usize = memory.data(condition_elements_max * 16, 8);
let poolUsed: u32 = 0;
let policyInHand: Policy = changetype<Policy>(0);
let bindingInHand: u32 = 0;
let claimsInHand: usize = 0;

/**
 * Evaluates the condition of a rule that has one.
 * @param binding where the words of its path variables begin
 * @param claims those of the rule's token, if that is good: the first record of their tape, or `absent`
 */
export function evaluateCondition(policy: Policy, rule: u32, binding: u32, claims: usize): Outcome {
  const outcome = !evaluate(policy, rule, layout.rule_condition_at, binding, claims)
    ? Outcome.FAILED
    : isTrue(stack)
      ? Outcome.TRUE
      : isFalse(stack)
        ? Outcome.FALSE
        : Outcome.ERROR;
  if (inspecting) reportCondition(rule, outcome);
  return outcome;
}

/** What a rule costs cannot be told. Every cost is at least 1. */
export const no_cost: u32 = 0;
/** The host failed; what the rule would have cost is not known. */
export const cost_failed: u32 = 0xffffffff;

/** How many tokens a rule takes of each of its limits: what its policy says, or up to that, what comes of its CEL. Parameters as above. */
export function evaluateCost(policy: Policy, rule: u32, binding: u32, claims: usize): u32 {
  const record = recordAt(policy, layout.section_rules, rule);
  const most = load<u32>(record, layout.rule_cost_at);
  if (load<u32>(record, layout.rule_cost_condition_at + 4) == 0) return most;
  if (!evaluate(policy, rule, layout.rule_cost_condition_at, binding, claims)) return cost_failed;
  const cost = kindOf(stack) == ValueKind.INT ? <u32>min(max(longOf(stack), 1), <i64>most) : no_cost;
  if (inspecting) reportCost(rule, cost);
  return cost;
}

/** Evaluates the instructions of a rule whose run is so far from its beginning, into the first cell of the stack. False where the host failed. */
function evaluate(policy: Policy, rule: u32, runAt: u32, binding: u32, claims: usize): bool {
  const record = recordAt(policy, layout.section_rules, rule) + runAt;
  const first = recordAt(policy, layout.section_instructions, load<u32>(record));
  policyInHand = policy;
  bindingInHand = binding;
  claimsInHand = claims;
  poolUsed = 0;
  clearLoop();
  const tail = arenaTail();
  const finished = run(first, load<u32>(record, 4));
  rewindArena(tail);
  return finished;
}

/** Leaves the value in the first cell of the stack. False where the host failed. */
function run(first: usize, count: u32): bool {
  let at: u32 = 0;
  let top = stack - cell_bytes;
  while (at < count) {
    const instruction = first + <usize>(at * layout.instruction_record_bytes);
    const op = load<u32>(instruction);
    const here = at++;
    switch (<u32>load<u8>(forms + op)) {
      case Form.CONSTANT:
        top += cell_bytes;
        pushConstant(top, instruction, op);
        break;
      case Form.SOURCE:
        top += cell_bytes;
        if (!pushSource(top, instruction, op)) return false;
        break;
      case Form.UNARY:
        if (kindOf(top) != ValueKind.ERROR) applyToOne(top, instruction, op);
        break;
      case Form.BINARY:
        top -= cell_bytes;
        if (kindOf(top) == ValueKind.ERROR || kindOf(top + cell_bytes) == ValueKind.ERROR) setError(top);
        else applyToTwo(top, top + cell_bytes, op);
        break;
      case Form.COMPOSE_ONE:
        if (kindOf(top) != ValueKind.ERROR && !composeOne(top, op)) return false;
        break;
      case Form.COMPOSE_TWO:
        top -= cell_bytes;
        if (kindOf(top) == ValueKind.ERROR || kindOf(top + cell_bytes) == ValueKind.ERROR) setError(top);
        else if (!composeTwo(top, top + cell_bytes, op, load<i32>(instruction, 4))) return false;
        break;
      case Form.LOGIC:
        top -= cell_bytes;
        combine(top, top + cell_bytes, op);
        break;
      case Form.LIST: {
        const elements = load<u32>(instruction, 4);
        top -= <usize>elements * cell_bytes;
        top += cell_bytes;
        makeList(top, elements);
        break;
      }
      default:
        switch (op) {
          case code.op_jump_if_false:
            if (isFalse(top)) at = load<u32>(instruction, 4);
            continue;
          case code.op_jump_if_true:
            if (isTrue(top)) at = load<u32>(instruction, 4);
            continue;
          case code.op_choose:
            if (isTrue(top)) {
              top -= cell_bytes;
            } else if (isFalse(top)) {
              top -= cell_bytes;
              at = load<u32>(instruction, 4);
            } else {
              setError(top);
              at = load<u32>(instruction, 8);
            }
            continue;
          case code.op_jump:
            at = load<u32>(instruction, 4);
            continue;
          case code.op_loop:
            if (beginLoop(top, load<u32>(instruction, 8), poolUsed)) top -= cell_bytes;
            else at = load<u32>(instruction, 4);
            continue;
          default:
            poolUsed = loopPool();
            rewindArena(loopTail());
            if (nextElement(top)) {
              top -= cell_bytes;
              at = load<u32>(instruction, 4);
              continue;
            }
            endLoop(top);
        }
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
  if (count > condition_elements_max - poolUsed) {
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
      setRecord(cell, claimsInHand);
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
      return sources.readParameter(cell, text, size);
    case code.op_has_query:
      return sources.hasParameter(cell, text, size);
    case code.op_source_ip:
      return sources.readSourceIp(cell, policyInHand);
    case code.op_source_port:
      return sources.readSourcePort(cell, policyInHand);
    case code.op_destination_port:
      return sources.readDestinationPort(cell);
    case code.op_now: {
      const now = request.nowNanoseconds;
      setTime(cell, ValueKind.TIMESTAMP, <i64>(now / 1000000000), <u32>(now % 1000000000));
      return true;
    }
    case code.op_body:
      if (isDefined(BODIES)) setRecord(cell, bodyRecord());
      return true;
    case code.op_call:
      if (isDefined(BODIES)) readCall(cell, part);
      return true;
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
    case code.op_to_int:
      toInt(cell);
      return;
    case code.op_in_texts:
      isInTexts(cell, policyInHand, load<u32>(instruction, 4));
      return;
    case code.op_in_networks:
      isInNetworks(cell, policyInHand, load<u32>(instruction, 4));
      return;
    default:
      containsAddress(cell, text, size, load<u32>(instruction, 12));
  }
}
