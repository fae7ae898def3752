/** Records of the image by name: layout.ts defines each of them whole, and no record is written in part. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as layout from "../../../assembly/policy/layout.ts";
import {
  fieldsOf,
  type Pair,
  type RecordName,
  sections,
  wholeRecords,
  wordsOf,
} from "../../../scripts/policy/image/records.ts";

test("each record of the layout has a section, and each section's records a size", () => {
  const numbers: Readonly<Record<string, unknown>> = layout;
  const records = [...fieldsOf(layout).keys()];
  assert.deepEqual(Object.keys(sections).sort(), records.sort());
  for (const [record, section] of Object.entries(sections))
    assert.equal(layout.sectionRecordBytes(section), numbers[`${record}_record_bytes`], record);
  const named = Object.keys(numbers).filter((name) => name.startsWith("section_") && name !== "section_count");
  const inOrder = (list: unknown[]): number[] => (list as number[]).sort((a, b) => a - b);
  const all = [...named.keys()];
  assert.deepEqual(inOrder(named.map((name) => numbers[name])), all);
  assert.equal(named.length, layout.section_count);
  const slots = named.filter((name) => name.endsWith("_slots")).map((name) => numbers[name]);
  assert.deepEqual(inOrder([...Object.values(sections), ...slots, layout.section_strings]), all);
});

test("a record's definition leaves no gap and has no two fields at one place", () => {
  const sound = { a_record_bytes: 16, a_x_at: 0, a_y_at: 4, a_z_at: 12, a_b_record_bytes: 4, a_b_x_at: 0 };
  assert.deepEqual(Object.fromEntries(fieldsOf(sound)), {
    a: [
      { name: "x", words: 1 },
      { name: "y", words: 2 },
      { name: "z", words: 1 },
    ],
    a_b: [{ name: "x", words: 1 }],
  });
  assert.throws(() => fieldsOf({ ...sound, a_y_at: 0 }), /a\.\w takes 0 words/u);
  assert.throws(() => fieldsOf({ ...sound, a_y_at: 6 }), /a\.x takes 1.5 words/u);
  assert.throws(() => fieldsOf({ ...sound, a_x_at: 4, a_y_at: 8 }), /no field of a is at 0/u);
  assert.throws(() => fieldsOf({ ...sound, a_record_bytes: 28 }), /a\.z takes 4 words/u);
  assert.throws(() => fieldsOf({ ...sound, a_record_bytes: 12 }), /a\.z takes 0 words/u);
});

test("a field goes where the layout has it, in whatever order a writer names the fields", () => {
  assert.deepEqual(wordsOf("root", { node: 3, group: 1, host: 2 }), [1, 2, 3]);
  for (const [record, fields] of fieldsOf(layout) as Map<RecordName, { name: string; words: number }[]>) {
    const at = (name: string): number => (layout as unknown as Record<string, number>)[`${record}_${name}_at`]!;
    const values = Object.fromEntries(
      fields.map(({ name, words }): [string, number | Pair] => [
        name,
        words === 1 ? at(name) : [at(name), at(name) + 4],
      ]),
    );
    const words = wordsOf(record, values as never);
    assert.deepEqual(
      words,
      words.map((_, index) => index * 4),
    );
  }
});

test("a record is not written with a field left out, of another size, or that it does not have", () => {
  // @ts-expect-error TypeScript names the field.
  assert.throws(() => wordsOf("root", { group: 1, host: 2 }), /root\.node is not set/u);
  // @ts-expect-error The record has no such field.
  assert.throws(() => wordsOf("root", { group: 1, host: 2, node: 3, nodes: 4 }), /root has 3 fields, not 4/u);
  // @ts-expect-error `key_set_name_at` is no field of `key`.
  assert.throws(() => wordsOf("key", { kid: [0, 0], algorithms: 0, spki: [0, 0], public: [0, 0], set_name: [0, 0] }));
  assert.throws(() => wordsOf("root", { group: 1, host: 2, node: [3, 4] }), /root\.node takes 1 words, not 2/u);
  assert.throws(() => wordsOf("edge", { parent: 1, text: 2, child: 3 }), /edge\.text takes 2 words, not 1/u);
});

test("a section is a whole number of records", () => {
  assert.equal(wholeRecords(layout.section_rules, 2 * layout.rule_record_bytes), 2);
  assert.throws(
    () => wholeRecords(layout.section_rules, 2 * layout.rule_record_bytes + 4),
    /no whole number of records/u,
  );
});
