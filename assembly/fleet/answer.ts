/**
 * What the rate limit service of a fleet answers.
 *
 *   RateLimitResponse { overall_code, statuses: [{ code, current_limit, limit_remaining, duration_until_reset }, …], … }
 *
 * The service answers OK for descriptors that it has no rule for. Each is named with its numbers, so that a service whose configuration
 * is older or newer than the policy has no rule for it; and what has no `current_limit` in its answer counts as not answered.
 */
import { isRun, spanSize, spanStart } from "../bytes/span";
import { readGrpcMessage } from "../host/host";

/**
 * What the fleet said: in the last two bits one of these. While it was not heard, how many limits it was asked for
 * lies above; else the number among them of the one without room, or of that with the least left, and from bit 8 on in how many seconds it
 * is new.
 */
export type Answer = u32;
export const unheard: Answer = 0;
export const granted: Answer = 1;
/** No answer, or none that can be used. */
export const failed: Answer = 2;
export const refused: Answer = 3;
/** An answer for descriptors of which the service does not have them all. */
export const unknown: Answer = 6;

const code_ok: u64 = 1;
const code_over_limit: u64 = 2;
export const reset_seconds_max: u64 = 0xffffff;

/** How many descriptors the last answer spoke of. */
export let statuses: u32 = 0;
/** Bit n: the nth of them has no room; of the first 32. */
export let overs: u32 = 0;
/** In how many seconds the last of them is new. */
export let reset: u64 = 0;
/** Where all have room, how much the one with the least has left. */
export let least: u32 = 0;

/** Reads the answer that has come, `size_bytes` of it, or -1 where none has: `granted`, `failed`, `unknown`, or which limit has no room. */
export function readAnswer(size_bytes: i32): Answer {
  statuses = 0;
  overs = 0;
  reset = 0;
  least = 0xffffffff;
  const message = size_bytes <= 0 ? 0 : readGrpcMessage(size_bytes);
  if (size_bytes <= 0 || !isRun(message)) return failed;
  const end = spanStart(message) + spanSize(message);
  let overall: u64 = 0;
  let isKnown = true;
  let isOver = false;
  let number: u32 = 0;
  let seconds: u64 = 1;
  for (let at = spanStart(message); at < end; ) {
    at = readField(at, end);
    if (at == 0) return failed;
    if (tag == 0x08) overall = value;
    if (tag != 0x12) continue;
    if (!readStatus(fieldStart, at)) return failed;
    if (code == code_over_limit) {
      if (!isOver) number = statuses;
      seconds = isOver ? max(seconds, reset) : max(reset, 1);
      isOver = true;
      if (statuses < 32) overs |= 1 << statuses;
    } else if (code != code_ok || !hasLimit) isKnown = false;
    else if (!isOver && remaining < least) {
      least = remaining;
      number = statuses;
      seconds = reset;
    }
    statuses++;
  }
  const said = ((number & 63) << 2) | ((<u32>min(seconds, reset_seconds_max)) << 8);
  if (isOver) return refused | said;
  if (overall != code_ok) return failed;
  return isKnown ? granted | said : unknown;
}

/** Of the status that was read last: its code, whether there is a limit behind it, and what that has left. */
let code: u64 = 0;
let hasLimit: bool = false;
let remaining: u32 = 0;

function readStatus(start: usize, end: usize): bool {
  code = 0;
  hasLimit = false;
  remaining = 0;
  reset = 0;
  for (let at = start; at < end; ) {
    at = readField(at, end);
    if (at == 0) return false;
    if (tag == 0x08) code = value;
    else if (tag == 0x12) hasLimit = true;
    else if (tag == 0x18) remaining = <u32>value;
    else if (tag == 0x22) {
      // A Duration, whose first field are the seconds.
      if (fieldStart == at) continue;
      if (readField(fieldStart, at) == 0) return false;
      if (tag == 0x08) reset = value;
    }
  }
  return true;
}

/** Of the field that was read last: number and type in one, what it says where it is a number, and where it begins. */
let tag: u32 = 0;
let value: u64 = 0;
let fieldStart: usize = 0;

/** Reads a field; where the next one begins, or 0 where it is none. */
function readField(start: usize, end: usize): usize {
  let at = readVarint(start, end);
  tag = <u32>value;
  if (at == 0) return 0;
  const type = tag & 7;
  if (type == 0) return readVarint(at, end);
  if (type == 2) at = readVarint(at, end);
  else value = type == 1 ? 8 : type == 5 ? 4 : 0xffffffff;
  if (at == 0 || value > <u64>(end - at)) return 0;
  fieldStart = at;
  return at + <usize>value;
}

function readVarint(start: usize, end: usize): usize {
  value = 0;
  let at = start;
  for (let shift: u64 = 0; at < end && shift < 64; shift += 7) {
    const byte = <u64>load<u8>(at++);
    value |= (byte & 127) << shift;
    if (byte < 128) return at;
  }
  return 0;
}
