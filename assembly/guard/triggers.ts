/**
 * Where something may begin, for sixteen bytes at a time: the first digit of a number, a digit behind one, two or six letters that
 * begin a word, the third character of a word that words.ts has, an `@`, the second byte of a pattern. Nothing else of clean text is
 * looked at byte by byte.
 *
 * A trigger looks back, never ahead, so it is the same wherever a chunk ends. Of each kind of byte there are 32 bits: the block's in the
 * upper half, those of the block before in the lower one.
 */
import { emailAt } from "./email";
import { ibanAt } from "./iban";
import { codiceAt, nieAt } from "./lettered";
import { numberAt } from "./numbers";
import { patternAt } from "./pattern";
import { pattern_filter_at } from "./table";
import { wordAt } from "./tokens";
import { Answer, floor } from "./window";
import { filter } from "./words";

/** Kinds of bytes. */
let digits: u32 = 0;
let letters: u32 = 0;
let capitals: u32 = 0;
let backslashes: u32 = 0;
let smallUs: u32 = 0;
/** The triggers of the block, by kind: bits 0 to 15. */
let numbers: u32 = 0;
let lettered: u32 = 0;
let words: u32 = 0;
let signs: u32 = 0;
let patterns: u32 = 0;

/** Looks at the block before the first one. */
export function beginTriggers(block: usize): void {
  digits = 0;
  letters = 0;
  capitals = 0;
  backslashes = 0;
  smallUs = 0;
  findTriggers(block, 0);
}

// @inline
function equals(bytes: v128, byte: i8): u32 {
  return <u32>i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(byte)));
}

/** Which bytes a filter lets pass, by their lower and their upper halves: its classes of them. */
// @inline
function passed(table: usize, bytes: v128): v128 {
  const low = i8x16.swizzle(v128.load(table), v128.and(bytes, i8x16.splat(15)));
  const high = i8x16.swizzle(v128.load(table, 16), v128.and(i16x8.shr_u(bytes, 4), i8x16.splat(15)));
  return v128.and(low, high);
}

/** The triggers in sixteen bytes: a bit for each that is one of some kind. */
export function findTriggers(block: usize, table: usize): u32 {
  const bytes = v128.load(block);
  const before = v128.load(block - 1);
  const isDigit = i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(0x30)), i8x16.splat(10));
  const isLetter = i8x16.lt_u(i8x16.sub(v128.or(bytes, i8x16.splat(0x20)), i8x16.splat(0x61)), i8x16.splat(26));
  const newLetters = <u32>i8x16.bitmask(isLetter);
  // Bit 5, which capitals have not, is moved to where a mask takes it from.
  const newCapitals = newLetters & ~(<u32>i8x16.bitmask(i16x8.shl(bytes, 2)));
  digits = (digits >> 16) | ((<u32>i8x16.bitmask(isDigit)) << 16);
  letters = (letters >> 16) | (newLetters << 16);
  capitals = (capitals >> 16) | (newCapitals << 16);
  backslashes = (backslashes >> 16) | (equals(bytes, 0x5c) << 16);
  smallUs = (smallUs >> 16) | (equals(bytes, 0x75) << 16);
  let word = digits | letters;
  if (backslashes != 0) {
    // What JSON escapes is of no word: the letter behind the backslash, and the four digits behind a `u`.
    const units = (backslashes << 1) & smallUs;
    word &= ~((backslashes << 1) | units | (units << 1) | (units << 2) | (units << 3) | (units << 4));
  }
  const start = word & ~(word << 1);
  const first = start & letters;
  numbers = (digits & start) >> 16;
  lettered = (digits & (letters << 1) & ((first << 1) | (first << 2) | (first << 6))) >> 16;
  signs = equals(bytes, 0x40);
  // A word begins where none goes on, or with a capital behind a small letter.
  const begins = (letters & word & (~(word << 1) | (capitals & ((letters & ~capitals) << 1)))) << 2;
  words = 0;
  if (begins >> 16 != 0) {
    const third = passed(filter + 64, bytes);
    const second = passed(filter + 32, before);
    const all = v128.and(v128.and(third, second), passed(filter, v128.load(block - 2)));
    words = (begins >> 16) & <u32>i8x16.bitmask(i8x16.ne(all, i8x16.splat(0)));
  }
  patterns = 0;
  if (table != 0) {
    const second = passed(table + pattern_filter_at + 32, bytes);
    const all = v128.and(second, passed(table + pattern_filter_at, before));
    patterns = <u32>i8x16.bitmask(i8x16.ne(all, i8x16.splat(0)));
  }
  return numbers | lettered | words | signs | patterns;
}

/** What begins at a trigger, asked of each kind that it is. */
export function tryTriggers(index: u32, at: usize, table: usize): Answer {
  if (((numbers >> index) & 1) != 0 && numberAt(at)) return true;
  if (((lettered >> index) & 1) != 0 && (ibanAt(at) || nieAt(at) || codiceAt(at))) return true;
  if (((words >> index) & 1) != 0 && at - 2 >= floor && wordAt(at - 2)) return true;
  if (((signs >> index) & 1) != 0 && emailAt(at)) return true;
  return ((patterns >> index) & 1) != 0 && at - 1 >= floor && patternAt(table, at - 1);
}
