/**
 * Whether tests/policy/cases/conditions.yaml, and bodyconditions.yaml beside it, would notice an engine that evaluates conditions wrongly: for each instruction,
 * the compiled policy is changed as if the engine did something else there, and some case must then fail. These cases
 * run in a real Envoy too, so that nothing here is only known of the Node host.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as code from "../../assembly/policy/instructions.ts";
import * as layout from "../../assembly/policy/layout.ts";
import { Engine } from "../../scripts/evaluate/engine.ts";
import { loadEngineFor } from "../../scripts/policy/build.ts";
import { hash32 } from "../../scripts/policy/image/hash.ts";
import { concreteTests } from "../../scripts/policytest/cases.ts";
import { readTestFile } from "../../scripts/policytest/file.ts";
import { loadTestPolicy } from "../../scripts/policytest/policy.ts";
import { runTest } from "../../scripts/policytest/run.ts";

/** The words of one instruction, and its index within its condition. */
interface Instruction {
  words: Uint32Array;
  index: number;
  /** The one so many places further. */
  at(offset: number): Uint32Array;
}

type Mutate = (instruction: Instruction) => void;
/** Which instructions of a kind are changed. */
type Where = (words: Uint32Array) => boolean;

/** Becomes another instruction with these words, and keeps the others. */
const to =
  (...words: number[]): Mutate =>
  (instruction) =>
    instruction.words.set(words);
const operand =
  (place: number, change: (value: number) => number): Mutate =>
  ({ words }) => {
    words[place] = change(words[place]!);
  };
/** Becomes a jump to the next instruction, which leaves the stack as it is. */
const nothing: Mutate = ({ words, index }) => words.set([code.op_jump_if_false, index + 1]);
/** Swaps the two constants of `x ? y : z`, which is: x, choose, y, jump, z. */
const swapChoice: Mutate = ({ at }) => {
  const [yes, no] = [Uint32Array.from(at(1)), Uint32Array.from(at(3))];
  at(1).set(no);
  at(3).set(yes);
};
const more = operand(1, (value) => value + 1);
const nextPart = operand(1, (value) => (value + 1) % 3);
const otherVariable = operand(1, (value) => 1 - value);
const shorterText = operand(2, (value) => value - 1);
const isLongText: Where = (words) => words[2]! > 1;
const longerPrefix = operand(3, (value) => value + 1);
const shorterPrefix = operand(3, (value) => value - 1);
const isIpv4: Where = (words) => words[2] === 4;
const isIpv6: Where = (words) => words[2] === 16;

/** Of parts. */
const any_number = 0xffffffff;

/** What each instruction could be mistaken for. */
const mutants: [op: string, as: string, mutate: Mutate, where?: Where][] = [
  ["op_null", "false", to(code.op_bool, 0)],
  ["op_bool", "the other one", operand(1, (value) => 1 - value)],
  ["op_int", "one more", more],
  ["op_int", "its low half", operand(2, () => 0), (words) => words[2] !== 0],
  ["op_double", "a double near by", operand(2, (value) => value ^ 0x40000)],
  ["op_text", "a text that is cut", shorterText, isLongText],
  ["op_timestamp", "a second later", more],
  ["op_duration", "a second more", more],
  ["op_list", "whether its two elements are equal", to(code.op_equal)],
  ["op_caller", "another part of it", nextPart],
  ["op_claims", "null", to(code.op_null)],
  ["op_variable", "the other variable", otherVariable],
  ["op_has_variable", "true", to(code.op_bool, 1)],
  ["op_has_variable", "the other variable", otherVariable],
  ["op_request", "another part of it", nextPart],
  ["op_header", "a parameter", to(code.op_query)],
  ["op_has_header", "a parameter", to(code.op_has_query)],
  ["op_query", "a header", to(code.op_header)],
  ["op_has_query", "a header", to(code.op_has_header)],
  ["op_source_ip", "the host", to(code.op_request, code.request_host)],
  ["op_source_port", "zero", to(code.op_int, 0, 0)],
  ["op_now", "1970", to(code.op_timestamp, 0, 0, 0)],
  ["op_element", "null", to(code.op_null)],
  ["op_select", "a member of a shorter name", shorterText, isLongText],
  ["op_has", "the member itself", to(code.op_select)],
  ["op_not", "nothing", nothing],
  ["op_size", "nothing", nothing],
  ["op_to_timestamp", "nothing", nothing],
  ["op_to_int", "nothing", nothing],
  ["op_to_int", "its size", to(code.op_size)],
  ["op_contains_ip", "an IPv4 network of half the size", longerPrefix, isIpv4],
  ["op_contains_ip", "an IPv4 network of twice the size", shorterPrefix, isIpv4],
  ["op_contains_ip", "an IPv6 network of half the size", longerPrefix, isIpv6],
  ["op_contains_ip", "an IPv6 network of twice the size", shorterPrefix, isIpv6],
  ["op_equal", "!=", to(code.op_not_equal)],
  ["op_not_equal", "==", to(code.op_equal)],
  ["op_less", "<=", to(code.op_less_equal)],
  ["op_less", ">", to(code.op_greater)],
  ["op_less_equal", "<", to(code.op_less)],
  ["op_less_equal", ">=", to(code.op_greater_equal)],
  ["op_greater", ">=", to(code.op_greater_equal)],
  ["op_greater", "<", to(code.op_less)],
  ["op_greater_equal", ">", to(code.op_greater)],
  ["op_greater_equal", "<=", to(code.op_less_equal)],
  ["op_in", "==", to(code.op_equal)],
  ["op_in", "contains", to(code.op_contains)],
  ["op_index", "in", to(code.op_in)],
  ["op_starts_with", "contains", to(code.op_contains)],
  ["op_starts_with", "endsWith", to(code.op_ends_with)],
  ["op_ends_with", "contains", to(code.op_contains)],
  ["op_ends_with", "startsWith", to(code.op_starts_with)],
  ["op_contains", "startsWith", to(code.op_starts_with)],
  ["op_contains", "endsWith", to(code.op_ends_with)],
  ["op_contains", "==", to(code.op_equal)],
  ["op_add", "-", to(code.op_subtract)],
  ["op_subtract", "+", to(code.op_add)],
  ["op_and", "||", to(code.op_or)],
  ["op_or", "&&", to(code.op_and)],
  ["op_jump_if_false", "a jump on true", to(code.op_jump_if_true)],
  ["op_jump_if_true", "a jump on false", to(code.op_jump_if_false)],
  ["op_choose", "the other choice", swapChoice],
  ["op_loop", "all", operand(2, () => code.loop_all), (words) => words[2] === code.loop_exists],
  ["op_lower", "nothing", nothing],
  ["op_words", "nothing", nothing],
  ["op_words", "lower case", to(code.op_lower)],
  ["op_join", "==", to(code.op_equal)],
  ["op_split", "the text and the separator, joined", to(code.op_join)],
  ["op_split", "all parts", operand(1, () => any_number), (words) => words[1] !== any_number],
  ["op_destination_port", "zero", to(code.op_int, 0, 0)],
  ["op_in_texts", "another list", operand(1, (value) => 1 - value)],
  ["op_in_texts", "its size", to(code.op_size)],
  ["op_in_networks", "another list", operand(1, (value) => 1 - value)],
  ["op_in_networks", "its size", to(code.op_size)],
  ["op_body", "the claims", to(code.op_claims)],
  ["op_call", "the method", operand(1, () => code.call_method_name), (words) => words[1] !== code.call_method_name],
  ["op_loop", "exists", operand(2, () => code.loop_exists), (words) => words[2] === code.loop_all],
];
/** Ends of `op_choose` and `op_loop`, which are mistaken with them. */
const ends = ["op_jump", "op_next"];
const numbers: Record<string, number> = Object.fromEntries(
  Object.entries(code).flatMap(([name, value]) => (typeof value === "number" ? [[name, value]] : [])),
);

/** Every instruction of every condition, in a copy of the image. */
function instructionsOf(image: Uint8Array): Instruction[] {
  const words = new Uint32Array(image.buffer, image.byteOffset, image.byteLength / 4);
  const section = (number: number) => ({
    start: words[layout.sections_at / 4 + number * 2]! / 4,
    count: words[layout.sections_at / 4 + number * 2 + 1]!,
  });
  const [rules, code_section] = [section(layout.section_rules), section(layout.section_instructions)];
  const size = layout.instruction_record_bytes / 4;
  return Array.from({ length: rules.count }, (_, rule) => {
    const run = rules.start + (rule * layout.rule_record_bytes + layout.rule_condition_at) / 4;
    const [first, count] = [words[run]!, words[run + 1]!];
    const wordsAt = (index: number): Uint32Array => {
      const at = code_section.start + (first + index) * size;
      return words.subarray(at, at + size);
    };
    return Array.from({ length: count }, (_, index) => ({
      words: wordsAt(index),
      index,
      at: (offset: number) => wordsAt(index + offset),
    }));
  }).flat();
}

function seal(image: Uint8Array): void {
  const checksum = hash32(0, image, layout.sections_at);
  new DataView(image.buffer, image.byteOffset).setUint32(layout.checksum_at, checksum, true);
}

const paths = ["tests/policy/cases/conditions.yaml", "tests/policy/cases/bodyconditions.yaml"];
const tests = paths.flatMap((path) => {
  const file = readTestFile(path);
  return concreteTests(file, loadTestPolicy(file.policy)).tests;
});
const engine = new Engine(loadEngineFor);

test("the cases hold for the engine as it is", () => {
  for (const one of tests) assert.ok(runTest(engine, one).ok, one.name);
});

test("every instruction has a mutant", () => {
  const all = Object.keys(numbers).filter((name) => name.startsWith("op_") && name !== "op_count");
  const mutated = new Set([...ends, ...mutants.map(([op]) => op)]);
  assert.deepEqual(
    all.filter((name) => !mutated.has(name)),
    [],
  );
});

for (const [op, as, mutate, where] of mutants) {
  test(`${op.slice(3)} taken for ${as}`, () => {
    const images = new Map<Uint8Array, Uint8Array>();
    let changed = 0;
    for (const { image } of tests) {
      if (images.has(image)) continue;
      const mutant = Uint8Array.from(image);
      for (const instruction of instructionsOf(mutant)) {
        if (instruction.words[0] !== numbers[op] || where?.(instruction.words) === false) continue;
        mutate(instruction);
        changed++;
      }
      seal(mutant);
      images.set(image, mutant);
    }
    assert.ok(changed > 0, `no condition of ${paths.join(" and ")} has it`);
    const caught = tests.filter((one) => !runTest(engine, { ...one, image: images.get(one.image)! }).ok);
    assert.ok(caught.length > 0, `no case of ${paths.join(" and ")} fails`);
  });
}
