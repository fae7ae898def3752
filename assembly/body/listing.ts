/**
 * Requests that list the tools of a server of MCP (`tools/list`): for each the rules by which its caller may call tools, kept until the answer
 * is there, since what the decision was made of is gone by then. An entry is freed by the event that ends its stream.
 *
 *   0         4              8       12     16            20
 *   +---------+--------------+-------+------+-------------+----------------------------- ... -+
 *   | stream  | root context | count | all, | bytes held  | rules, the last bit set: denies   |
 *   |         |              |       | kind | of an answer|                                   |
 *   +---------+--------------+-------+------+-------------+----------------------------- ... -+
 */
import { sameBytes } from "../bytes/span";
import { listing_rules_max, listing_streams_max } from "../limits";
import * as layout from "../policy/layout";
import { Policy, ruleAt, sectionCount, textAt, textSize, textStart } from "../policy/policy";

const rules_at: usize = 20;
const held_at: usize = 16;
const entry_bytes: u32 = 256;
if (!(listing_rules_max * 4 + 20 <= 256)) ERROR("an entry holds its rules");
const entries: usize = memory.data(listing_streams_max * 256, 4);
/** What is known of the request in hand. */
const draft: usize = memory.data(256, 4);
const denies: u32 = 1 << 31;
let isDrafted: bool = false;
let used: u32 = 0;

/** The request in hand lists no tools. */
export function clearListing(): void {
  isDrafted = false;
}

/** It does: its rules follow. */
export function beginListing(): void {
  isDrafted = true;
  store<u32>(draft, 0, 8);
  store<u32>(draft, 0, 12);
}

/** Its caller may call every tool that no rule denies. */
export function offerAll(): void {
  store<u32>(draft, 1, 12);
}

/** A rule that admits tools, or denies some. Where there is no room an allow rule offers nothing, and a deny rule has all denied. */
export function addToListing(rule: u32, isDenial: bool): void {
  const count = load<u32>(draft, 8);
  if (count == listing_rules_max) {
    if (isDenial) {
      store<u32>(draft, 0, 8);
      store<u32>(draft, 0, 12);
    }
    return;
  }
  store<u32>(draft + rules_at + ((<usize>count) << 2), isDenial ? rule | denies : rule);
  store<u32>(draft, count + 1, 8);
}

/** Whether the request in hand lists tools. */
export function isListing(): bool {
  return isDrafted;
}

/** Keeps it for the answer. False where there is no room. */
export function keepListing(context: u32, root: u32): bool {
  for (let index: u32 = 0; index < listing_streams_max; index++) {
    const entry = entries + <usize>index * entry_bytes;
    if (load<u32>(entry) != 0) continue;
    memory.copy(entry, draft, entry_bytes);
    store<u32>(entry, context);
    store<u32>(entry, root, 4);
    if (index >= used) used = index + 1;
    return true;
  }
  return false;
}

/** What is kept for a stream; 0 for nothing. */
export function listingOf(context: u32): usize {
  for (let index: u32 = 0; index < used; index++) {
    const entry = entries + <usize>index * entry_bytes;
    if (load<u32>(entry) == context) return entry;
  }
  return 0;
}

/** Says how the answer's body is read, a number of the caller's. */
export function noteKind(entry: usize, kind: u32): void {
  store<u32>(entry, (load<u32>(entry, 12) & 1) | (kind << 1), 12);
}

export function kindOfListing(entry: usize): u32 {
  return load<u32>(entry, 12) >> 1;
}

/** Says how many bytes of the answer the host holds. */
export function noteHeld(entry: usize, bytes: u32): void {
  store<u32>(entry, bytes, held_at);
}

export function heldOfListing(entry: usize): u32 {
  return load<u32>(entry, held_at);
}

export function rootOfListing(entry: usize): u32 {
  return load<u32>(entry, 4);
}

/** A stream has ended, or its answer is none that lists tools. */
export function dropListing(context: u32): void {
  const entry = listingOf(context);
  if (entry != 0) store<u32>(entry, 0);
  while (used != 0 && load<u32>(entries + <usize>(used - 1) * entry_bytes) == 0) used--;
}

/** Whether the caller may call a tool, as far as it is known without what it is called with. */
export function isOffered(policy: Policy, entry: usize, name: usize, size: u32): bool {
  let isIn = (load<u32>(entry, 12) & 1) != 0;
  const count = load<u32>(entry, 8);
  for (let index: u32 = 0; index < count; index++) {
    const word = load<u32>(entry + rules_at + ((<usize>index) << 2));
    const rule = word & ~denies;
    if (rule >= sectionCount(policy, layout.section_rules)) return false;
    if (!names(policy, ruleAt(policy, rule) + layout.rule_tools_at, name, size)) continue;
    if ((word & denies) != 0) return false;
    isIn = true;
  }
  return isIn;
}

/** Whether one of a run of names is that of a tool, or ends in `*` and begins as it does. */
function names(policy: Policy, run: usize, name: usize, size: u32): bool {
  const first = load<u32>(run);
  const count = load<u32>(run, 4);
  for (let index: u32 = 0; index < count; index++) {
    const text = textAt(policy, first + index);
    const start = textStart(policy, text);
    const bytes = textSize(text);
    const isOpen = bytes != 0 && load<u8>(start + bytes - 1) == 0x2a;
    const fixed = isOpen ? bytes - 1 : bytes;
    if ((isOpen ? fixed <= size : fixed == size) && sameBytes(start, name, fixed)) return true;
  }
  return false;
}
