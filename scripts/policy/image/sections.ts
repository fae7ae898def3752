/** The sections of an image while it is written: records, strings and runs that are stored once, and at the end the whole. */
import * as layout from "../../../assembly/policy/layout.ts";
import { sorted } from "../language/byteorder.ts";
import type { Condition } from "../language/condition.ts";
import type { AddressRange } from "../language/model.ts";
import { StringPool, Words } from "./bytes.ts";
import { hash32 } from "./hash.ts";
import { type Pair, type RecordName, sections, type Values, wholeRecords, wordsOf } from "./records.ts";
import { slotsOf } from "./slots.ts";

/** What a writer of images is made of; scripts/policy/image/image.ts knows what stands in which record. */
export class Sections {
  protected readonly strings = new StringPool();
  private readonly sections = Array.from({ length: layout.section_count }, () => new Words());
  /** Runs that were written before, by what is in them. */
  private readonly runs = new Map<string, number>();
  /** The text set, or the network set, of each named list. */
  protected readonly listNumbers = new Map<string, number>();
  /** Of each member of a text set. */
  private readonly memberHashes: number[] = [];
  /** POLICY comes first and has one record, so STRINGS begin at a place that is known before they are. */
  private readonly stringsOffset = layout.image_header_bytes + layout.policy_record_bytes;

  protected section(number: number): Words {
    return this.sections[number]!;
  }

  /** Writes a record. @returns its index */
  protected add<R extends RecordName>(record: R, values: Values<R>): number {
    const section = sections[record];
    const index = this.count(section);
    this.section(section).push(...wordsOf(record, values));
    return index;
  }

  protected text(text: string): Pair {
    return this.string(this.strings.text(text));
  }

  protected binary(bytes: Uint8Array): Pair {
    return this.string(this.strings.binary(bytes));
  }

  private string(string: number): Pair {
    return [this.stringsOffset + this.strings.startOf(string), this.strings.sizeOf(string)];
  }

  /** A run of words; equal runs are written once. */
  protected wordRun(words: readonly number[]): Pair {
    return [words.length === 0 ? 0 : this.words(words), words.length];
  }

  /** A run of texts; equal runs are written once. */
  protected textRun(texts: readonly string[]): Pair {
    return this.stringRun(texts.map((text) => this.strings.text(text)));
  }

  /** The same of bytes that are no text. */
  protected binaryRun(values: readonly Uint8Array[]): Pair {
    return this.stringRun(values.map((bytes) => this.strings.binary(bytes)));
  }

  private stringRun(strings: readonly number[]): Pair {
    const write = (): void => {
      for (const [start, size] of strings.map((string) => this.string(string))) this.add("text", { start, size });
    };
    return [strings.length === 0 ? 0 : this.run(layout.section_texts, `t${strings.join()}`, write), strings.length];
  }

  /** @returns the place of the first word */
  protected words(words: readonly number[]): number {
    const write = (): void => {
      for (const value of words) this.add("word", { value });
    };
    return this.run(layout.section_words, `w${words.join()}`, write);
  }

  /** A condition's instructions; equal conditions are written once. */
  protected instructionRun(instructions: Condition["instructions"]): Pair {
    const records = instructions.map(({ op: opcode, text, list, a = 0, b = 0, c = 0 }) => {
      if (list !== undefined) return { opcode, a: this.listNumbers.get(list)!, b, c };
      if (text === undefined) return { opcode, a, b, c };
      const [start, size] = typeof text === "string" ? this.text(text) : this.binary(text);
      return { opcode, a: start, b: size, c };
    });
    if (records.length === 0) return [0, 0];
    const key = records.map(({ opcode, a, b, c }) => [opcode, a, b, c].join()).join(";");
    const write = (): void => {
      for (const record of records) this.add("instruction", record);
    };
    return [this.run(layout.section_instructions, `i${key}`, write), records.length];
  }

  /** @returns the place of the run's first record, which is written only if no equal run was */
  protected run(section: number, key: string, write: () => void): number {
    const known = this.runs.get(key);
    if (known !== undefined) return known;
    const first = this.count(section);
    this.runs.set(key, first);
    write();
    return first;
  }

  /**
   * A set of texts that something is looked up in, at least one text; equal sets are written once.
   * @returns the number of the set
   */
  protected textSet(texts: readonly string[]): number {
    const strings = sorted(new Set(texts)).map((text) => this.strings.text(text));
    return this.run(layout.section_text_sets, `s${strings.join()}`, () => {
      const set = this.count(layout.section_text_sets);
      this.add("text_set", { members: [this.count(layout.section_members), strings.length] });
      for (const string of strings) {
        const text = this.string(string);
        this.add("member", { set, text });
        this.memberHashes.push(this.hash(set, text));
      }
    });
  }

  /** A set of networks, by the ranges of addresses in it. @returns the number of the set */
  protected networkSet(ranges: readonly AddressRange[]): number {
    const set = this.count(layout.section_network_sets);
    this.add("network_set", { ranges: [this.count(layout.section_ranges), ranges.length] });
    for (const { first, last } of ranges) {
      this.add("range", {
        first_high: longOf(first >> 64n),
        first_low: longOf(first),
        last_high: longOf(last >> 64n),
        last_low: longOf(last),
      });
    }
    return set;
  }

  /** The table of all text sets, once they are written. */
  protected writeMemberSlots(): void {
    this.writeSlots(layout.section_member_slots, this.memberHashes);
  }

  protected count(section: number): number {
    return wholeRecords(section, this.section(section).size * 4);
  }

  /** A u64 of at most 2^53. */
  protected long(value: number): Pair {
    return [value % 0x100000000, Math.floor(value / 0x100000000)];
  }

  protected hash(seed: number, [offset, size]: Pair): number {
    const start = offset - this.stringsOffset;
    return hash32(seed, this.strings.bytes(), start, start + size);
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
    view.setUint32(layout.magic_at, layout.image_magic, true);
    view.setUint32(layout.version_at, layout.image_version, true);
    view.setUint32(layout.size_at, size, true);
    for (const [section, content] of contents.entries()) {
      const at = layout.sections_at + section * 8;
      view.setUint32(at, offsets[section]!, true);
      view.setUint32(at + 4, wholeRecords(section, content.length), true);
      image.set(content, offsets[section]!);
    }
    view.setUint32(layout.checksum_at, hash32(0, image, layout.sections_at), true);
    return image;
  }
}

/** The lowest 64 bits of a number as two words. */
function longOf(value: bigint): Pair {
  return [Number(BigInt.asUintN(32, value)), Number(BigInt.asUintN(32, value >> 32n))];
}
