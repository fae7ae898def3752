/**
 * Telephone numbers of E.164: `+`, a country code that is assigned (ITU-T E.164 list of 15 November 2016 and its amendments), 8 to 15
 * digits in all, with single separators, and parentheses beside them. Numbers of the North American plan have exactly 11.
 */
import { Detector } from "./detector";
import { Answer, isAlphanumeric, isDigit, isInWord, peek, report } from "./window";

const digits_min: u32 = 8;
const digits_max: u32 = 15;
const american_digits: u32 = 11;

/** Assigned codes as ranges of the number's first three digits, each by its first and its last. */
const ranges: usize = memory.data<u16>([
  100, 213, 216, 216, 218, 218, 220, 258, 260, 269, 290, 291, 297, 378, 380, 383, 385, 387, 389, 421, 423, 423, 430,
  670, 672, 683, 685, 692, 700, 808, 810, 850, 852, 853, 855, 856, 860, 870, 878, 878, 880, 883, 886, 886, 888, 888,
  900, 977, 979, 989, 992, 996, 998, 998,
]);
const ranges_count: u32 = 27;

/** Whether three first digits begin with an assigned country code. */
export function isCountryCode(code: u32): bool {
  for (let range: u32 = 0; range < ranges_count; range++) {
    const at = ranges + (range << 2);
    if (code >= <u32>load<u16>(at) && code <= <u32>load<u16>(at, 2)) return true;
  }
  return false;
}

/** A number whose first digit is here, behind its `+`. */
export function phoneAt(start: usize): Answer {
  if (isInWord(start - 1) || load<u8>(start) == 0x30) return false;
  let at = start;
  let digits: u32 = 0;
  let code: u32 = 0;
  let good: usize = 0;
  while (true) {
    const byte = peek(at);
    if (isDigit(byte)) {
      if (++digits > digits_max) break;
      if (digits <= 3) code = code * 10 + byte - 0x30;
      if (digits == 3 && !isCountryCode(code)) return false;
      at++;
      continue;
    }
    // A group of digits ends: it is one of the number's unless a word goes on.
    if (isDigit(load<u8>(at - 1)) && !isAlphanumeric(byte) && digits >= digits_min) {
      if (load<u8>(start) != 0x31 || digits == american_digits) good = at;
    }
    if (!isSeparator(byte)) break;
    at++;
    const next = peek(at);
    if (isSeparator(next) && (isParenthesis(byte) || isParenthesis(next))) at++;
  }
  return good != 0 && report(Detector.PHONE, start - 1, good);
}

function isSeparator(byte: u32): bool {
  return byte == 0x20 || byte - 0x2d < 3 || isParenthesis(byte);
}

// @inline
function isParenthesis(byte: u32): bool {
  return byte - 0x28 < 2;
}
