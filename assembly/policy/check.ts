/**
 * What validating an image is made of: reading records not yet known to be sound, and saying what is wrong with one. Each
 * check answers false for "no", so that checks chain.
 */
import { isNameText } from "../bytes/span";
import * as limits from "../limits";
import * as layout from "./layout";
import { Policy } from "./policy";

/** Where nothing in particular is to blame. */
export const no_section: u32 = 0xff;
/** What is wrong with the image last refused, for the log: a phrase, a section and a record in it. */
export let problem: string = "";
export let problemSection: u32 = no_section;
export let problemRecord: u32 = 0;

/** The image being validated. */
export let image: usize = 0;
export let imageBytes: u32 = 0;
/** The same as the tables want it (policy/table.ts). */
export const draft = changetype<Policy>(memory.data(112, 8));
if (!(offsetof<Policy>() <= 112)) ERROR("the draft holds a policy");

/** Begins with an image of `size` bytes. */
export function openImage(start: usize, size: u32): void {
  image = start;
  imageBytes = size;
  draft.image = start;
  problemSection = no_section;
  problemRecord = 0;
}

/** Says which record is looked at from here on. */
export function lookAt(section: u32, record: u32): void {
  problemSection = section;
  problemRecord = record;
}

/** Says what is wrong with the record looked at. */
export function refuse(phrase: string): bool {
  problem = phrase;
  return false;
}

/** A section's offset, as the image has it. */
export function offsetOf(section: u32): u32 {
  return load<u32>(image + layout.sections_at + ((<usize>section) << 3));
}

/** A section's count, as the image has it. */
export function countOf(section: u32): u32 {
  return load<u32>(image + layout.sections_at + ((<usize>section) << 3), 4);
}

/** The address of a record. */
export function at(section: u32, index: u32): usize {
  return image + <usize>offsetOf(section) + <usize>index * <usize>layout.sectionRecordBytes(section);
}

/** A text lies inside STRINGS and is at most `size_bytes` long. */
export function isText(text: usize, size_bytes: u32): bool {
  const start = load<u32>(text);
  const size = load<u32>(text, 4);
  const strings = offsetOf(layout.section_strings);
  const stringsBytes = countOf(layout.section_strings);
  if (size > size_bytes || start < strings) return false;
  return start - strings <= stringsBytes && size <= stringsBytes - (start - strings);
}

/** Names stand in metrics and logs, so they hold nothing that either would read as its own. */
export function isName(text: usize): bool {
  if (!isText(text, limits.name_bytes_max)) return false;
  return isNameText(image + <usize>load<u32>(text), load<u32>(text, 4));
}

/** A run lies inside its section. */
export function isRun(run: usize, section: u32): bool {
  const first = load<u32>(run);
  const count = load<u32>(run, 4);
  const all = countOf(section);
  return first <= all && count <= all - first;
}

/** A run of WORDS each of which is less than `bound`. */
export function isWordRun(run: usize, bound: u32): bool {
  if (!isRun(run, layout.section_words)) return false;
  const first = load<u32>(run);
  const count = load<u32>(run, 4);
  for (let index: u32 = 0; index < count; index++) {
    if (load<u32>(at(layout.section_words, first + index)) >= bound) return false;
  }
  return true;
}

/** Whether a text holds only bytes that may stand in a header's value (RFC 9110 §5.5), and in a quoted string if `quoted`. */
export function isHeaderText(text: usize, quoted: bool): bool {
  const start = image + <usize>load<u32>(text);
  const size = load<u32>(text, 4);
  for (let index: u32 = 0; index < size; index++) {
    const byte = <u32>load<u8>(start + index);
    if (byte < 0x20 || byte > 0x7e || (quoted && (byte == 0x22 || byte == 0x5c))) return false;
  }
  return true;
}

/** Whether a text is a header's name in lower case, of letters, digits and `-`. */
export function isHeaderName(text: usize): bool {
  const start = image + <usize>load<u32>(text);
  const size = load<u32>(text, 4);
  for (let index: u32 = 0; index < size; index++) {
    const byte = <u32>load<u8>(start + index);
    if (byte - 0x61 >= 26 && byte - 0x30 >= 10 && byte != 0x2d) return false;
  }
  return size != 0;
}
