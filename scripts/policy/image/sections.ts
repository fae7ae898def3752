/** The sections of an image while it is written: records, strings and runs that are stored once, and at the end the whole. */
import * as layout from "../../../assembly/policy/layout.ts";
import type { Condition } from "../language/condition.ts";
import { StringPool, Words } from "./bytes.ts";
import { hash32 } from "./hash.ts";
import { slotsOf } from "./slots.ts";

/** What a writer of images is made of; scripts/policy/image/image.ts knows what stands in which record. */
export class Sections {
  protected readonly strings = new StringPool();
  private readonly sections = Array.from({ length: layout.section_count }, () => new Words());
  /** Runs that were written before, by what is in them. */
  private readonly runs = new Map<string, number>();
  /** POLICY comes first and has one record, so STRINGS begin at a place that is known before they are. */
  private readonly stringsOffset = layout.image_header_bytes + layout.policy_record_bytes;

  protected section(number: number): Words {
    return this.sections[number]!;
  }

  protected text(section: number, text: string): number {
    return this.string(section, this.strings.text(text));
  }

  protected string(section: number, string: number): number {
    this.section(section).push(this.stringsOffset + this.strings.startOf(string), this.strings.sizeOf(string));
    return string;
  }

  /** Writes "first, count" of a run of words; equal runs are written once. */
  protected wordRun(section: number, words: readonly number[]): void {
    const first = words.length === 0 ? 0 : this.words(words);
    this.section(section).push(first, words.length);
  }

  protected textRun(section: number, texts: readonly string[]): void {
    const strings = texts.map((text) => this.strings.text(text));
    const write = (): void => {
      for (const string of strings) this.string(layout.section_texts, string);
    };
    const first = texts.length === 0 ? 0 : this.run(layout.section_texts, `t${strings.join()}`, write);
    this.section(section).push(first, texts.length);
  }

  /** @returns the place of the first word */
  protected words(words: readonly number[]): number {
    return this.run(layout.section_words, `w${words.join()}`, () => this.section(layout.section_words).push(...words));
  }

  /** Writes "first, count" of a condition's instructions. */
  protected instructionRun(section: number, instructions: Condition["instructions"]): void {
    const records = instructions.map(({ op, text, a = 0, b = 0, c = 0 }) => {
      if (text === undefined) return [op, a, b, c];
      const string = typeof text === "string" ? this.strings.text(text) : this.strings.binary(text);
      return [op, this.stringsOffset + this.strings.startOf(string), this.strings.sizeOf(string), c];
    });
    const write = (): void => {
      for (const record of records) this.section(layout.section_instructions).push(...record);
    };
    const first = records.length === 0 ? 0 : this.run(layout.section_instructions, `i${records.join(";")}`, write);
    this.section(section).push(first, records.length);
  }

  /** @returns the place of the run's first record, which is written only if no equal run was */
  private run(section: number, key: string, write: () => void): number {
    const known = this.runs.get(key);
    if (known !== undefined) return known;
    const first = this.count(section);
    this.runs.set(key, first);
    write();
    return first;
  }

  protected count(section: number): number {
    return (this.section(section).size * 4) / layout.sectionRecordBytes(section);
  }

  /** A u64 of at most 2^53. */
  protected long(to: number, value: number): void {
    this.section(to).push(value % 0x100000000, Math.floor(value / 0x100000000));
  }

  protected hash(seed: number, string: number): number {
    const start = this.strings.startOf(string);
    return hash32(seed, this.strings.bytes(), start, start + this.strings.sizeOf(string));
  }

  /** @param records which record each hash is of, where that is not its place */
  protected writeSlots(section: number, hashes: readonly number[], records?: readonly number[]): void {
    const words = this.section(section);
    for (const slot of slotsOf(hashes)) {
      words.pushOne(slot === 0 || records === undefined ? slot : records[slot - 1]! + 1);
    }
  }

  protected assemble(): Uint8Array {
    const contents = this.sections.map((words, section) =>
      section === layout.section_strings ? this.strings.bytes() : words.bytes(),
    );
    let size = layout.image_header_bytes;
    const offsets = contents.map((content) => {
      const offset = size;
      size += (content.length + 3) & ~3;
      return offset;
    });
    if (offsets[layout.section_strings] !== this.stringsOffset)
      throw new Error("the strings are not where texts point");
    const image = new Uint8Array(size);
    const view = new DataView(image.buffer);
    view.setUint32(0, layout.image_magic, true);
    view.setUint32(4, layout.image_version, true);
    view.setUint32(8, size, true);
    for (const [section, content] of contents.entries()) {
      const at = layout.sections_at + section * 8;
      view.setUint32(at, offsets[section]!, true);
      view.setUint32(at + 4, content.length / layout.sectionRecordBytes(section), true);
      image.set(content, offsets[section]!);
    }
    view.setUint32(layout.checksum_at, hash32(0, image, layout.sections_at), true);
    return image;
  }
}
