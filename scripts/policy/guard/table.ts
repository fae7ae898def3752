/** A policy's literals and patterns → the table that the engine runs (assembly/guard/pattern.ts). */
import * as layout from "../../../assembly/guard/table.ts";
import { guard_patterns_max, guard_table_bytes_max } from "../../../assembly/limits.ts";
import { type Automaton, makeAutomaton } from "./automaton.ts";
import { parseLiteral, parsePattern } from "./expression.ts";

/** What a policy looks for: a text as it stands, or a pattern. */
export type Wanted = { literal: string; ignoreCase?: boolean } | { pattern: string };

/** Compiles them; of two that match the same bytes the first is told. @throws with what is wrong, and where in a pattern */
export function compilePatterns(wanted: readonly Wanted[]): Uint8Array {
  if (wanted.length === 0 || wanted.length > guard_patterns_max)
    throw new Error(`there are 1 to ${guard_patterns_max} patterns`);
  const expressions = wanted.map((one) =>
    "literal" in one ? parseLiteral(one.literal, one.ignoreCase) : parsePattern(one.pattern),
  );
  return writeTable(makeAutomaton(expressions));
}

function writeTable(automaton: Automaton): Uint8Array {
  const { states, classes, classCount, longest } = automaton;
  const nextAt = layout.pattern_accepts_at + 2 * states.length;
  const size = nextAt + 2 * states.length * classCount;
  if (size > guard_table_bytes_max)
    throw new Error(`the patterns take ${size} bytes; at most ${guard_table_bytes_max} may be`);
  const table = Buffer.alloc(size);
  table.writeUInt32LE(layout.pattern_magic, 0);
  table.writeUInt32LE(size, layout.pattern_size_at);
  table.writeUInt16LE(states.length, layout.pattern_states_at);
  table.writeUInt16LE(classCount, layout.pattern_classes_at);
  table.writeUInt16LE(longest, layout.pattern_longest_at);
  writeFilter(automaton, table.subarray(layout.pattern_filter_at));
  for (const [byte, one] of classes.entries()) table.writeUInt8(one, layout.pattern_classes_of_bytes_at + byte);
  for (const [index, { next, accepts, acceptsAtEnd }] of states.entries()) {
    table.writeUInt8(accepts + 1, layout.pattern_accepts_at + 2 * index);
    table.writeUInt8(acceptsAtEnd + 1, layout.pattern_accepts_at + 2 * index + 1);
    for (const [one, to] of next.entries()) table.writeUInt16LE(to, nextAt + 2 * (index * classCount + one));
  }
  return table;
}

/** For the first two bytes of matches: classes by the lower half of a byte, then by its upper half. A class is a first byte's. */
function writeFilter({ states, classes }: Automaton, filter: Uint8Array): void {
  const allow = (place: number, byte: number, bit: number): void => {
    filter[32 * place + (byte & 15)]! |= bit;
    filter[32 * place + 16 + (byte >> 4)]! |= bit;
  };
  for (let first = 0; first < 256; first++) {
    const next = states[2]!.next[classes[first]!]!;
    if (next === 0) continue;
    const bit = 1 << (first & 7);
    allow(0, first, bit);
    for (let second = 0; second < 256; second++) {
      if (states[next]!.next[classes[second]!] !== 0) allow(1, second, bit);
    }
  }
}
