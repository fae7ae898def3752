/**
 * Writing into a fixed block of static memory. What does not fit is left out and `full` says so: a record is cut, a
 * header is never sent by halves.
 */
import { Literal, text_stride, textBytes } from "./literal";
import { endOfPlain } from "./plain";
import { copyBytes } from "./span";
import { characterBytes } from "./utf8";

@unmanaged
export class Writer {
  start: usize;
  cursor: usize;
  end: usize;
  full: bool;

  get size(): u32 {
    return <u32>(this.cursor - this.start);
  }
}

/** Points a writer at `size_bytes` of memory, empty. */
export function openWriter(writer: Writer, start: usize, size_bytes: u32): void {
  writer.start = start;
  writer.cursor = start;
  writer.end = start + size_bytes;
  writer.full = false;
}

export function writeByte(writer: Writer, byte: u32): void {
  if (writer.cursor >= writer.end) {
    writer.full = true;
    return;
  }
  store<u8>(writer.cursor, byte);
  writer.cursor++;
}

export function writeBytes(writer: Writer, start: usize, size: u32): void {
  if (size > <u32>(writer.end - writer.cursor)) {
    writer.full = true;
    return;
  }
  copyBytes(writer.cursor, start, size);
  writer.cursor += size;
}

export function writeLiteral(writer: Writer, text: Literal): void {
  writeBytes(writer, text.start, text.size);
}

/** Writes an ASCII string literal of the program. */
export function writeText(writer: Writer, text: string): void {
  const size = textBytes(text);
  if (size > <u32>(writer.end - writer.cursor)) {
    writer.full = true;
    return;
  }
  const source = changetype<usize>(text);
  if (isDefined(PACKED)) copyBytes(writer.cursor, source, size);
  else {
    for (let index: u32 = 0; index < size; index++) {
      store<u8>(writer.cursor + index, load<u8>(source + <usize>(index * text_stride)));
    }
  }
  writer.cursor += size;
}

/** Writes one of the words of an ASCII string literal, which commas part; the first is number 0. A list takes less room than its words by themselves. */
export function writeNth(writer: Writer, list: string, index: u32): void {
  const size = textBytes(list);
  for (let at: u32 = 0; at < size; at++) {
    const byte = load<u8>(changetype<usize>(list) + <usize>(at * text_stride));
    if (byte == 0x2c) index--;
    else if (index == 0) writeByte(writer, byte);
  }
}

export function writeWord(writer: Writer, word: u32): void {
  if (writer.end - writer.cursor < 4) {
    writer.full = true;
    return;
  }
  store<u32>(writer.cursor, word);
  writer.cursor += 4;
}

const digits: usize = memory.data(20);

export function writeDecimal(writer: Writer, value: u64): void {
  let cursor = digits + 20;
  do {
    cursor--;
    store<u8>(cursor, 0x30 + <u32>(value % 10));
    value /= 10;
  } while (value != 0);
  writeBytes(writer, cursor, <u32>(digits + 20 - cursor));
}

/**
 * Writes a JSON string, quotes included (RFC 8259 §7), of at most `limit_bytes` of the run. Control characters are
 * escaped, bytes that are not UTF-8 become U+FFFD: a record is always one line and always JSON.
 */
export function writeJsonString(writer: Writer, start: usize, size: u32, limit_bytes: u32): void {
  if (
    size <= limit_bytes &&
    size + 2 <= <u32>(writer.end - writer.cursor) &&
    endOfPlain(start, start + size) == start + size
  ) {
    // As nearly all are: nothing to escape, and room for it.
    const target = writer.cursor;
    store<u8>(target, 0x22);
    copyBytes(target + 1, start, size);
    store<u8>(target + 1 + size, 0x22);
    writer.cursor = target + size + 2;
    return;
  }
  const end = start + size;
  const cut = start + min(size, limit_bytes);
  writeByte(writer, 0x22);
  while (start < cut) {
    const plainEnd = endOfPlain(start, cut);
    writeBytes(writer, start, <u32>(plainEnd - start));
    start = plainEnd;
    if (start == cut) break;
    const byte = <u32>load<u8>(start);
    const bytes = characterBytes(start, end);
    if (bytes == 0) {
      writeText(writer, "\\ufffd");
      start++;
      continue;
    }
    if (byte < 0x20 || byte == 0x7f) {
      writeText(writer, "\\u00");
      writeByte(writer, hexLetter(byte >> 4));
      writeByte(writer, hexLetter(byte & 15));
    } else {
      if (byte == 0x22 || byte == 0x5c) writeByte(writer, 0x5c);
      writeBytes(writer, start, bytes);
    }
    start += bytes;
  }
  writeByte(writer, 0x22);
}

/** Writes a word as eight hexadecimal digits. */
export function writeHex(writer: Writer, word: u32): void {
  for (let shift: i32 = 28; shift >= 0; shift -= 4) writeByte(writer, hexLetter((word >> shift) & 15));
}

function hexLetter(digit: u32): u32 {
  return digit < 10 ? 0x30 + digit : 0x57 + digit;
}
