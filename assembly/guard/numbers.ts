/**
 * Numbers: digits in groups with single blanks, hyphens or dots between. One pass over at most 32 bytes finds the groups; what they
 * may be goes by how many digits each has.
 */
import { isCard } from "./cards";
import { Detector } from "./detector";
import { figures } from "./figures";
import { dniAt, hetuAt } from "./lettered";
import { mixed_separators, nationalOf, no_separator } from "./national";
import { phoneAt } from "./phone";
import { Answer, countSteps, end, isAlphanumeric, isDigit, isLetter, peek, report, wantMore } from "./window";

/** What is looked at of a number. */
const number_bytes: u32 = 32;
/** No identifier has fewer, except that of Finland, which is looked for by itself. */
const digits_min: u32 = 8;
const group_digits_max: u32 = 19;
const groups_max: u32 = 7;

// @inline
function digitsOf(bytes: v128): u32 {
  return <u32>i8x16.bitmask(i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(0x30)), i8x16.splat(10)));
}

// @inline
function separatorsOf(bytes: v128): u32 {
  const signs = v128.or(i8x16.eq(bytes, i8x16.splat(0x2d)), i8x16.eq(bytes, i8x16.splat(0x2e)));
  return <u32>i8x16.bitmask(v128.or(signs, i8x16.eq(bytes, i8x16.splat(0x20))));
}

/** What begins with the digit here, before which there is no letter or digit. */
export function numberAt(start: usize): Answer {
  const before = <u32>load<u8>(start - 1);
  if (before == 0x2b) return phoneAt(start);
  // In a decimal number, or in groups that began before.
  if ((before == 0x2d || before == 0x2e) && isDigit(load<u8>(start - 2))) return false;
  countSteps(number_bytes);
  const first = v128.load(start);
  const second = v128.load(start, 16);
  let digits = digitsOf(first) | (digitsOf(second) << 16);
  const separators = separatorsOf(first) | (separatorsOf(second) << 16);
  const there = end - start;
  if (there < number_bytes) {
    digits &= ((<u32>1) << (<u32>there)) - 1;
  }
  const run = digits | (separators & (digits << 1) & (digits >> 1));
  const size = <u32>ctz(~run);
  // A digit more, or behind a separator, may make another number of it.
  if (size + 2 > <u32>there) wantMore();
  const group = <u32>ctz(~digits);
  if (group == 6 && hetuAt(start)) return true;
  const inside = size == number_bytes ? digits : digits & (((<u32>1) << size) - 1);
  if (<u32>popcnt(inside) < digits_min) return false;
  // The last group of a UUID: four hexadecimal digits and a hyphen stand before it.
  if (
    before == 0x2d &&
    isHexadecimal(start - 2) &&
    isHexadecimal(start - 3) &&
    isHexadecimal(start - 4) &&
    isHexadecimal(start - 5)
  )
    return false;
  return groupsAt(start, digits, size);
}

function isHexadecimal(at: usize): bool {
  const byte = <u32>load<u8>(at);
  return isDigit(byte) || (byte | 0x20) - 0x61 < 6;
}

/** The longest run of groups from the first one on that is something. */
function groupsAt(start: usize, digits: u32, size: u32): Answer {
  const before = <u32>load<u8>(start - 1);
  const isAfterFour = isFour(start - 5) && !isDigit(load<u8>(start - 6));
  let layout: u32 = 0;
  let total: u32 = 0;
  let separator = no_separator;
  let isFound = false;
  let at: u32 = 0;
  for (let groups: u32 = 1; groups <= groups_max && at < size; groups++) {
    const group = <u32>ctz(~(digits >> at));
    // One that is longer than what is looked at is longer than any.
    if (group > group_digits_max || at + group >= number_bytes) break;
    for (let index: u32 = 0; index < group; index++) {
      store<u8>(figures + total + index, load<u8>(start + at + index) - 0x30);
    }
    total += group;
    layout = (layout << 4) | min(group, 15);
    at += group;
    const next = peek(start + at);
    const isLast = at == size;
    if (total == 8 && (groups == 1 || layout == 0x233) && (isLetter(next) || (next == 0x2d && isLast))) {
      if (dniAt(start, start + at)) isFound = true;
    }
    // Behind a hyphen or a dot the number goes on; a blank may end it.
    const isInFours = groups != 1 && before == separator && isAfterFour;
    if (isLast ? !isAlphanumeric(next) : next == 0x20) {
      const isCut = !isLast && groups != 1 && (layout & 15) == 4 && isFourMore(start + at + 1);
      if (isCard(total, groups, layout) && separator != mixed_separators && separator != 0x2e && !isInFours && !isCut) {
        if (report(Detector.CARD, start, start + at)) isFound = true;
      }
      const national = nationalOf(total, groups, layout, separator, start);
      if (national != Detector.NONE && report(national, start, start + at)) isFound = true;
    }
    separator = separator == no_separator || separator == next ? next : mixed_separators;
    at++;
  }
  return isFound;
}

/** Whether four digits stand here. */
function isFour(at: usize): bool {
  return isDigit(load<u8>(at)) && isDigit(load<u8>(at + 1)) && isDigit(load<u8>(at + 2)) && isDigit(load<u8>(at + 3));
}

/** Whether a group of four goes on after a blank, that is no year of this century. */
function isFourMore(at: usize): bool {
  if (peek(at) == 0x32 && peek(at + 1) == 0x30) return false;
  for (let index: u32 = 0; index < 4; index++) if (!isDigit(peek(at + index))) return false;
  return !isDigit(peek(at + 4));
}
