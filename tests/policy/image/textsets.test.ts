/** Text sets in images: what is in one is found in it, and nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as layout from "../../../assembly/policy/layout.ts";
import { hash32 } from "../../../scripts/policy/image/hash.ts";
import { Sections } from "../../../scripts/policy/image/sections.ts";

class Writer extends Sections {
  readonly numbers: number[];
  readonly image: Uint8Array;

  constructor(...sets: string[][]) {
    super();
    this.section(layout.section_policy).push(...new Array(layout.policy_record_bytes / 4).fill(0));
    this.numbers = sets.map((texts) => this.textSet(texts));
    this.writeMemberSlots();
    this.image = this.assemble();
  }
}

/** Whether a set has a text, by the tables of an image. */
function has(image: Uint8Array, set: number, text: string): boolean {
  const view = new DataView(image.buffer);
  const word = (at: number): number => view.getUint32(at, true);
  const start = (section: number): number => word(layout.sections_at + section * 8);
  const slots = word(layout.sections_at + layout.section_member_slots * 8 + 4);
  for (let slot = hash32(set, Buffer.from(text)) & (slots - 1); ; slot = (slot + 1) & (slots - 1)) {
    const place = word(start(layout.section_member_slots) + slot * 4);
    if (place === 0) return false;
    const member = start(layout.section_members) + (place - 1) * layout.member_record_bytes;
    const at = word(member + layout.member_text_at);
    const found = Buffer.from(image.subarray(at, at + word(member + layout.member_text_at + 4))).toString();
    if (word(member + layout.member_set_at) === set && found === text) return true;
  }
}

test("a set has its texts, and none of another set's", () => {
  const texts = Array.from({ length: 10_000 }, (_, number) => `tenant-${number}`);
  const { image, numbers } = new Writer(texts, ["acme", "müller"]);
  assert.deepEqual(numbers, [0, 1]);
  for (const text of texts) assert.ok(has(image, 0, text), text);
  assert.ok(has(image, 1, "müller"));
  for (const text of ["tenant-10000", "acme", "tenant", ""]) assert.ok(!has(image, 0, text), text);
  assert.ok(!has(image, 1, "tenant-1"));
});

test("equal sets are one, whatever their order", () => {
  const { image, numbers } = new Writer(["a", "b"], ["b", "a", "b"], ["a"]);
  assert.deepEqual(numbers, [0, 0, 1]);
  assert.ok(has(image, 1, "a") && !has(image, 1, "b"));
});
