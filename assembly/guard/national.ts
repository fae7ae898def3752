/**
 * National identifiers of digits, with their check digits. What passes a check by chance more often than one number of its shape in a
 * hundred must stand behind a telling name; docs/guard.md has the table.
 */
import { Detector } from "./detector";
import { figure, hasLuhn, isOneDigit, numberOf, weighted } from "./figures";
import { isNamed, Named } from "./nearby";

/** What holds the groups of a number apart: the same everywhere, nothing, or several. */
export const no_separator: u32 = 0;
export const mixed_separators: u32 = 1;

/** Which identifier a number is. `layout` has the size of each of its groups, a hexadecimal digit each; `start` is where it stands. */
export function nationalOf(digits: u32, groups: u32, layout: u32, separator: u32, start: usize): Detector {
  const isPlain = groups == 1;
  switch (digits) {
    case 9:
      if ((layout == 0x324 && separator == 0x2d) || ((layout == 0x324 || isPlain) && isNamed(Named.SSN, start))) {
        if (isSocialSecurity()) return Detector.US_SSN;
      }
      return (isPlain || layout == 0x423) && isNamed(Named.BSN, start) && isBsn() ? Detector.NL_BSN : Detector.NONE;
    case 10:
      if ((isPlain || layout == 0x334) && isNamed(Named.NHS, start) && isNhs()) return Detector.UK_NHS;
      if (!isPersonnummer(0)) return Detector.NONE;
      return (layout == 0x64 && separator == 0x2d) || (isPlain && isNamed(Named.PERSONNUMMER, start))
        ? Detector.SE_PERSONNUMMER
        : Detector.NONE;
    case 11:
      if ((layout == 0x3332 && separator == mixed_separators) || isNamed(Named.CPF, start)) {
        if ((isPlain || layout == 0x3332 || layout == 0x92) && isCpf()) return Detector.BR_CPF;
      }
      if (isPlain && isNamed(Named.PESEL, start) && isPesel()) return Detector.PL_PESEL;
      return (isPlain || layout == 0x2333) && isSteuerId() ? Detector.DE_STEUER_ID : Detector.NONE;
    case 12:
      if ((isPlain || layout == 0x444) && isNamed(Named.AADHAAR, start) && isAadhaar()) return Detector.IN_AADHAAR;
      return (isPlain || (layout == 0x84 && separator == 0x2d)) &&
        isNamed(Named.PERSONNUMMER, start) &&
        figure(0) - 1 < 2 &&
        isPersonnummer(2)
        ? Detector.SE_PERSONNUMMER
        : Detector.NONE;
    case 15:
      return (isPlain || layout == 0x1222332 || layout == 0xd2) && isNir() ? Detector.FR_NIR : Detector.NONE;
    default:
      return Detector.NONE;
  }
}

/** USA: no check digit; areas, groups and serials that are never given out (20 CFR 422, SSA's randomization of 2011). */
function isSocialSecurity(): bool {
  const area = <u32>numberOf(0, 3);
  return area != 0 && area != 666 && area < 900 && <u32>numberOf(3, 2) != 0 && <u32>numberOf(5, 4) != 0;
}

/** Netherlands: the eleven-test, with -1 for the last digit (Besluit BSN). */
function isBsn(): bool {
  return (weighted(0, 0x23456789) + figure(8) * 10) % 11 == 0 && !isOneDigit(9);
}

/** England: modulus 11 (NHS Data Dictionary, NHS NUMBER). */
function isNhs(): bool {
  return (weighted(0, 0x23456789a) + figure(9)) % 11 == 0 && !isOneDigit(10);
}

/** Brazil: two digits modulus 11 (Receita Federal, IN RFB 1548). */
function isCpf(): bool {
  if (isOneDigit(11)) return false;
  const first = (weighted(0, 0x23456789a) * 10) % 11;
  const second = ((weighted(0, 0x3456789ab) + figure(9) * 2) * 10) % 11;
  return first % 10 == figure(9) && second % 10 == figure(10);
}

/** Poland: the month tells the century, weights 1-3-7-9 (Rozporządzenie on PESEL). */
function isPesel(): bool {
  const month = <u32>numberOf(2, 2) % 20;
  return isDayOfMonth(<u32>numberOf(4, 2), month) && (weighted(0, 0x3197_3197_31) + figure(10)) % 10 == 0;
}

/** Sweden: a date, in a coordination number with 60 added to the day, and Luhn over the last ten digits (SKV 704). */
function isPersonnummer(first: u32): bool {
  const day = <u32>numberOf(first + 4, 2);
  return isDayOfMonth(day > 60 ? day - 60 : day, <u32>numberOf(first + 2, 2)) && hasLuhn(first, 10);
}

/** Germany: of the first ten digits one is there twice or thrice, the others once; ISO 7064 MOD 11,10 (§ 139b AO). */
function isSteuerId(): bool {
  if (figure(0) == 0) return false;
  let seen: u32 = 0;
  let again: u32 = 0;
  let product: u32 = 10;
  for (let index: u32 = 0; index < 10; index++) {
    const digit = figure(index);
    const bit = (<u32>1) << digit;
    if ((seen & bit) != 0) again |= bit;
    seen |= bit;
    const sum = (digit + product) % 10;
    product = ((sum == 0 ? 10 : sum) * 2) % 11;
  }
  // Ten digits with one twice are nine kinds, with one thrice eight.
  return popcnt(again) == 1 && popcnt(seen) >= 8 && (11 - product) % 10 == figure(10);
}

/** India: Verhoeff (UIDAI); none begins with 0 or 1. */
function isAadhaar(): bool {
  if (figure(0) < 2) return false;
  let sum: u32 = 0;
  for (let index: u32 = 0; index < 12; index++) {
    let digit = figure(11 - index);
    for (let times = index & 7; times != 0; times--) digit = <u32>(permutation >> <u64>(digit << 2)) & 15;
    sum = multiply(sum, digit);
  }
  return sum == 0;
}

/** Verhoeff's permutation of the ten digits: of digit n the hexadecimal digit n. */
const permutation: u64 = 0x49_0382_6751;

/** The product in the dihedral group of ten elements. */
function multiply(left: u32, right: u32): u32 {
  const turned = right >= 5;
  const value = turned ? right - 5 : right;
  if (left < 5) return ((left + value) % 5) + (turned ? 5 : 0);
  return ((left - value) % 5) + (turned ? 0 : 5);
}

/** France: sex, year, month (or one of those for unknown ones), département, commune, order, and 97 minus the rest (INSEE). */
function isNir(): bool {
  const month = <u32>numberOf(3, 2);
  const isMonth = month - 1 < 12 || month - 20 < 23 || month >= 50;
  const sex = figure(0);
  if (!isMonth || sex == 0 || sex == 5 || sex == 6 || sex == 9) return false;
  return 97 - <u32>(numberOf(0, 13) % 97) == <u32>numberOf(13, 2);
}

/** Whether there is such a day in some year. */
export function isDayOfMonth(day: u32, month: u32): bool {
  if (month - 1 >= 12 || day == 0) return false;
  return day <= (month == 2 ? 29 : 30 + ((month + (month >> 3)) & 1));
}
