/**
 * Takes the tools out of an answer that its caller may not call. The answer is one JSON text, or events of Server-Sent Events with one each
 * (WHATWG HTML, "Server-sent events"); what is left of it is as the server has written it. A text is read on a copy, since reading unescapes
 * it in place:
 *
 *   0                 answer_bytes_max  2 * answer_bytes_max
 *   +-----------------+-----------------+----------------+
 *   | the answer      | one text of it  | tape           |
 *   +-----------------+-----------------+----------------+
 */

import { scanJson, scanned } from "../bytes/json";
import { literal } from "../bytes/literal";
import { isRun, sameBytes, spanSize, spanStart } from "../bytes/span";
import { absent, after, firstOf, Kind, kindOf, member, sizeOf, startOf, tape_record_bytes } from "../bytes/tape";
import { arenaTail, holdBack, lendArena } from "../host/arena";
import { readAnswerBody, writeAnswerBody } from "../host/host";
import { answer_bytes_max, answer_nodes_max } from "../limits";
import { Policy } from "../policy/policy";
import { isOffered } from "./listing";

const result_name = literal("result");
const tools_name = literal("tools");
const name_name = literal("name");
const data_name = literal("data");

/** The room of all that is read here. */
export const answer_region_bytes: usize = 2 * answer_bytes_max + answer_nodes_max * tape_record_bytes;
let region: usize = 0;

/** Whether there is room. */
export function isAnswerOpen(): bool {
  return region != 0;
}

/** Gives `answer_region_bytes`. */
export function openAnswer(start: usize): void {
  region = start;
}

/** Where the next byte of what is left of the answer goes, and how far the answer is taken over. */
let output: usize = 0;
let taken: usize = 0;
/** What is kept for the stream in hand, and its policy. */
let listing: usize = 0;
let policyInHand: Policy = changetype<Policy>(0);

/**
 * Filters what the host holds of an answer. False where it cannot be read, and must not go on.
 * @param entry what is kept for the stream (body/listing.ts)
 */
export function filterTools(policy: Policy, entry: usize, size: u32, isEvents: bool): bool {
  if (size > answer_bytes_max || region == 0) return false;
  if (size == 0) return true;
  const tail = arenaTail();
  const end = holdBack(0);
  lendArena(region, answer_bytes_max);
  const answer = readAnswerBody(size);
  lendArena(tail, end - tail);
  if (!isRun(answer) || spanSize(answer) != size || spanStart(answer) != region) return false;
  listing = entry;
  policyInHand = policy;
  output = region;
  taken = region;
  const isRead = isEvents ? filterEvents(region + size) : filterText(region, region + size);
  if (!isRead) return false;
  take(region + size);
  const left = <u32>(output - region);
  return left == size || writeAnswerBody(region, left);
}

/** Takes the answer over as it is, as far as that. */
function take(until: usize): void {
  const bytes = <u32>(until - taken);
  if (output != taken) memory.copy(output, taken, bytes);
  output += bytes;
  taken = until;
}

/** Whether some bytes held of events end with a whole one. */
export function endsEvent(size: u32): bool {
  if (size > answer_bytes_max || size < 2 || region == 0) return false;
  const tail = arenaTail();
  const end = holdBack(0);
  lendArena(region, answer_bytes_max);
  const answer = readAnswerBody(size);
  lendArena(tail, end - tail);
  if (!isRun(answer) || spanSize(answer) != size) return false;
  const last = spanStart(answer) + size - 2;
  if (load<u16>(last) == 0x0a0a || load<u16>(last) == 0x0d0d) return true;
  return size >= 4 && load<u32>(last - 2) == 0x0a0d0a0d;
}

/** Each line that is data has one whole text; a text in several lines is none that is read here. */
function filterEvents(end: usize): bool {
  let line = region;
  let hasData = false;
  while (line < end) {
    let stop = line;
    while (stop < end && load<u8>(stop) != 0x0a && load<u8>(stop) != 0x0d) stop++;
    if (stop == line) {
      // An empty line ends an event. The two bytes of one end of a line are no empty line between them.
      if (line == region || load<u8>(line) != 0x0a || load<u8>(line - 1) != 0x0d) hasData = false;
    } else if (isData(line, <u32>(stop - line))) {
      if (hasData) return false;
      hasData = true;
      let start = line + data_name.size;
      if (start < stop) start++;
      if (start < stop && load<u8>(start) == 0x20) start++;
      if (start < stop && !filterText(start, stop)) return false;
    }
    line = stop + 1;
  }
  return true;
}

function isData(line: usize, size: u32): bool {
  if (size < data_name.size || !sameBytes(line, data_name.start, data_name.size)) return false;
  return size == data_name.size || load<u8>(line + data_name.size) == 0x3a;
}

/** Filters one text, a message of JSON-RPC or a list of some. */
function filterText(start: usize, end: usize): bool {
  const copy = region + answer_bytes_max;
  const size = <u32>(end - start);
  memory.copy(copy, start, size);
  const tape = region + 2 * answer_bytes_max;
  if (scanJson(copy, size, tape, answer_nodes_max) != scanned) return false;
  const distance = start - copy;
  if (kindOf(tape) == Kind.OBJECT) return filterMessage(tape, distance);
  if (kindOf(tape) != Kind.ARRAY) return true;
  const last = after(tape);
  for (let message = firstOf(tape); message < last; message = after(message)) {
    if (kindOf(message) == Kind.OBJECT && !filterMessage(message, distance)) return false;
  }
  return true;
}

/** Takes over what a message has but tools that are not offered. @param distance from the copy of a text to where it stands */
function filterMessage(message: usize, distance: usize): bool {
  const tools = member(member(message, result_name.start, result_name.size), tools_name.start, tools_name.size);
  if (tools == absent) return true;
  if (kindOf(tools) != Kind.ARRAY) return false;
  const end = after(tools);
  take(startOf(tools) + distance + 1);
  let isFirst = true;
  for (let tool = firstOf(tools); tool < end; tool = after(tool)) {
    const name = member(tool, name_name.start, name_name.size);
    if (name == absent || kindOf(name) != Kind.STRING) continue;
    if (!isOffered(policyInHand, listing, startOf(name), sizeOf(name))) continue;
    // Never ahead of what is read: before each tool there was a comma, or a bracket.
    if (!isFirst) store<u8>(output++, 0x2c);
    isFirst = false;
    taken = startOf(tool) + distance;
    take(taken + sizeOf(tool));
  }
  taken = startOf(tools) + distance + sizeOf(tools) - 1;
  return true;
}
