/**
 * Validates the conditions of an image: operands in bounds, jumps inside, and at every instruction one depth of the
 * stack whichever way led there, so that evaluation need not look.
 */
import { condition_instructions_max, condition_values_max, path_segments_max, policy_text_bytes_max } from "../limits";
import { at, countOf, isRun, isText, lookAt, refuse } from "./check";
import * as code from "./instructions";
import { Form } from "./instructions";
import * as layout from "./layout";

const unknown_depth: u32 = 0xffff;
/** The depth before each instruction, and at the end. */
const depths: usize = memory.data((condition_instructions_max + 1) * 2, 2);
let count: u32 = 0;
/** The loop that is open: its first instruction, 0 for none, the one after it, and how deep the stack is at both ends. */
let loopStart: u32 = 0;
let loopEnd: u32 = 0;
let loopDepth: u32 = 0;

/** Whether every instruction's own operands are sound. */
export function hasSoundInstructions(): bool {
  lookAt(layout.section_instructions, 0);
  const all = countOf(layout.section_instructions);
  for (let index: u32 = 0; index < all; index++) {
    lookAt(layout.section_instructions, index);
    if (!isSoundInstruction(at(layout.section_instructions, index))) return refuse("instruction");
  }
  return true;
}

function isSoundInstruction(instruction: usize): bool {
  const op = load<u32>(instruction);
  const a = load<u32>(instruction, 4);
  const b = load<u32>(instruction, 8);
  const c = load<u32>(instruction, 12);
  switch (op) {
    case code.op_text:
    case code.op_header:
    case code.op_has_header:
    case code.op_query:
    case code.op_has_query:
    case code.op_select:
    case code.op_has:
      return isText(instruction + 4, policy_text_bytes_max);
    case code.op_contains_ip:
      return isText(instruction + 4, 16) && (b == 4 || b == 16) && c <= b * 8;
    case code.op_in_texts:
      return a < countOf(layout.section_text_sets);
    case code.op_in_networks:
      return a < countOf(layout.section_network_sets);
    case code.op_bool:
      return a <= 1;
    case code.op_timestamp:
    case code.op_duration:
      return c < 1000000000;
    case code.op_caller:
      return a <= code.caller_path;
    case code.op_request:
      return a <= code.request_scheme;
    case code.op_variable:
    case code.op_has_variable:
      return a < path_segments_max;
    case code.op_loop:
      return b <= code.loop_all;
    case code.op_call:
      return a < code.call_parts;
    default:
      return code.formOf(op) != Form.NONE;
  }
}

/** Whether a run of instructions of the rule at `rule`, its condition or its cost, if it has one, is sound as a whole. */
export function isSoundCondition(rule: usize, run: usize): bool {
  const variables = load<u32>(rule, layout.rule_variables_at);
  if (!isRun(run, layout.section_instructions)) return refuse("condition");
  count = load<u32>(run, 4);
  if (variables > path_segments_max) return refuse("too many variables");
  if (count == 0) return true;
  if (count > condition_instructions_max) return refuse("condition too long");
  memory.fill(depths, 0xff, (<usize>count + 1) << 1);
  loopStart = 0;
  let depth: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const known = depthAt(index);
    if (depth == unknown_depth) depth = known;
    else if (known != unknown_depth && known != depth) return refuse("condition's stack");
    if (depth == unknown_depth) return refuse("condition's dead end");
    depth = step(at(layout.section_instructions, load<u32>(run) + index), index, depth, variables);
    if (depth == no_step) return refuse("condition's step");
  }
  const ends = depthAt(count);
  const isWhole = depth == 1 && loopStart == 0 && (ends == unknown_depth || ends == 1);
  return isWhole ? true : refuse("condition's end");
}

const no_step: u32 = 0xfffe;

function depthAt(index: u32): u32 {
  return <u32>load<u16>(depths + ((<usize>index) << 1));
}

/** The depth after an instruction; `unknown_depth` after one that never goes on; `no_step` where it is unsound. */
function step(instruction: usize, index: u32, depth: u32, variables: u32): u32 {
  const op = load<u32>(instruction);
  const a = load<u32>(instruction, 4);
  const form = code.formOf(op);
  if (form == Form.LIST) return depth >= a ? push(depth - a) : no_step;
  if (form == Form.CONSTANT) return push(depth);
  if (form == Form.SOURCE) {
    const isVariable = op == code.op_variable || op == code.op_has_variable;
    return isVariable && a >= variables ? no_step : push(depth);
  }
  if (depth == 0) return no_step;
  if (form == Form.UNARY || form == Form.COMPOSE_ONE) return depth;
  if (form == Form.BINARY || form == Form.COMPOSE_TWO || form == Form.LOGIC) return depth > 1 ? depth - 1 : no_step;
  switch (op) {
    case code.op_jump_if_false:
    case code.op_jump_if_true:
      return joins(index, a, depth) ? depth : no_step;
    case code.op_choose:
      return joins(index, a, depth - 1) && joins(index, load<u32>(instruction, 8), depth) ? depth - 1 : no_step;
    case code.op_jump:
      return joins(index, a, depth) ? unknown_depth : no_step;
    case code.op_loop:
      if (loopStart != 0 || !joins(index, a, depth)) return no_step;
      loopStart = index + 1;
      loopEnd = a;
      loopDepth = depth;
      return depth - 1;
    default:
      // A round leaves the stack as deep as it was, or rounds would add up.
      if (loopStart == 0 || a != loopStart || loopEnd != index + 1 || depth != loopDepth) return no_step;
      loopStart = 0;
      return depth;
  }
}

function push(depth: u32): u32 {
  return depth < condition_values_max ? depth + 1 : no_step;
}

/** Whether a jump goes forward, inside, to where the stack is or will be as deep; remembers how deep. */
function joins(index: u32, target: u32, depth: u32): bool {
  if (target <= index || target > count) return false;
  const known = depthAt(target);
  if (known != unknown_depth) return known == depth;
  store<u16>(depths + ((<usize>target) << 1), <u16>depth);
  return true;
}
