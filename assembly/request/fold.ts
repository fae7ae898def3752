/** Case folding of a path's segments: ASCII, and Unicode's simple folding (policy/folding.ts), one character for one. */
import { characterBytes, writeCharacter } from "../bytes/utf8";
import { path_bytes_max } from "../limits";
import { fold_alternate, fold_astral, fold_count_mask, fold_run_words, fold_runs } from "../policy/folding";
import { addTo, clearSegments, Segments, sizeOf, startOf } from "./segments";

/** A folded character may take a byte more than it took; but each of its bytes stood as three in the path. */
const text: usize = memory.data(path_bytes_max);

/** Whether folding may change a path: it has capitals, or bytes above ASCII. Sixteen bytes at a time, then the rest. */
export function mayFold(start: usize, size: u32): bool {
  const end = start + size;
  while (start + 16 <= end) {
    const bytes = v128.load(start);
    // As signed numbers, bytes above ASCII are below `A` too; but so are digits and slashes.
    const capital = i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(0x41)), i8x16.splat(26));
    if (v128.any_true(capital) || i8x16.bitmask(bytes) != 0) return true;
    start += 16;
  }
  while (start < end) {
    const byte = <u32>load<u8>(start++);
    if (byte - 0x41 < 26 || byte >= 0x80) return true;
  }
  return false;
}

/** Fills a list with the folded segments of another one. */
export function foldSegments(target: Segments, source: Segments): void {
  clearSegments(target);
  let output = text;
  for (let index: u32 = 0; index < source.count; index++) {
    const start = output;
    let cursor = startOf(source, index);
    const end = cursor + sizeOf(source, index);
    while (cursor < end) {
      const byte = <u32>load<u8>(cursor);
      if (byte < 0x80) {
        store<u8>(output++, byte - 0x41 < 26 ? byte | 0x20 : byte);
        cursor++;
        continue;
      }
      const size = characterBytes(cursor, end);
      // What is left of a path is well-formed.
      if (size == 0 || output + 4 > text + path_bytes_max) break;
      output += writeCharacter(output, foldLetter(decodeCharacter(cursor, size)));
      cursor += size;
    }
    addTo(target, start, <u32>(output - start));
  }
}

function decodeCharacter(start: usize, size: u32): u32 {
  let letter = <u32>load<u8>(start) & (0xff >> (size + 1));
  for (let index: u32 = 1; index < size; index++) letter = (letter << 6) | (load<u8>(start + index) & 0x3f);
  return letter;
}

/** The letter that one above ASCII folds to: the last run that begins before it, by halves. */
function foldLetter(letter: u32): u32 {
  const plane = letter >> 16;
  if (plane > 1) return letter;
  const low = letter & 0xffff;
  const about = plane == 0 ? 0 : fold_astral;
  const runs = changetype<usize>(fold_runs);
  let first: u32 = 0;
  let end = <u32>fold_runs.length / fold_run_words;
  while (first < end) {
    const middle = (first + end) >> 1;
    const run = runs + <usize>middle * fold_run_words * 2;
    const isBehind = (load<u16>(run, 2) & fold_astral) != about ? about == 0 : load<u16>(run) > low;
    if (isBehind) end = middle;
    else first = middle + 1;
  }
  if (first == 0) return letter;
  const run = runs + <usize>(first - 1) * fold_run_words * 2;
  const flags = <u32>load<u16>(run, 2);
  const step: u32 = (flags & fold_alternate) != 0 ? 1 : 0;
  const distance = low - load<u16>(run);
  if ((flags & fold_astral) != about || distance >> step >= (flags & fold_count_mask) || (distance & step) != 0)
    return letter;
  return (letter & 0xffff0000) | ((low + load<u16>(run, 4)) & 0xffff);
}
