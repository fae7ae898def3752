/**
 * Payment cards: 12 to 19 digits whose first ones are an issuer's, with that issuer's lengths (ISO/IEC 7812-1, and the issuers' own
 * ranges), and a good check digit. Together, or in the groups that are printed: fours, 4-6-5, 4-6-4 and 6-13.
 */
import { hasLuhn, numberOf } from "./figures";

const digits_min: u32 = 12;
const digits_max: u32 = 19;

/** Issuers' ranges of the first four digits: the first, the last, and a bit for each length from 12 digits on. */
const ranges: usize = memory.data<u16>([
  // Visa: 13, 16 and 19 digits.
  4000, 4999, 0x92,
  // Mastercard: 16.
  5100, 5599, 0x10, 2221, 2720, 0x10,
  // American Express: 15.
  3400, 3499, 0x08, 3700, 3799, 0x08,
  // Discover: 16 to 19.
  6011, 6011, 0xf0, 6440, 6599, 0xf0,
  // Diners Club: 14 to 19.
  3000, 3059, 0xfc, 3095, 3095, 0xfc, 3600, 3699, 0xfc, 3800, 3999, 0xfc,
  // JCB: 16 to 19.
  3528, 3589, 0xf0,
  // UnionPay: 16 to 19.
  6200, 6299, 0xf0,
  // Maestro: 12 to 19.
  5018, 5018, 0xff, 5020, 5020, 0xff, 5038, 5038, 0xff, 5893, 5893, 0xff, 6304, 6304, 0xff, 6759, 6759, 0xff, 6761,
  6763, 0xff,
]);
const ranges_count: u32 = 20;

/** Whether the digits are a card's. `layout` has the size of each group, a hexadecimal digit each, where there are several. */
export function isCard(digits: u32, groups: u32, layout: u32): bool {
  if (digits - digits_min > digits_max - digits_min) return false;
  if (groups != 1 && !isCardLayout(digits, layout)) return false;
  const head = <u32>numberOf(0, 4);
  const length = (<u32>1) << (digits - digits_min);
  for (let range: u32 = 0; range < ranges_count; range++) {
    const at = ranges + range * 6;
    if (head < <u32>load<u16>(at) || head > <u32>load<u16>(at, 2) || (<u32>load<u16>(at, 4) & length) == 0) continue;
    return hasLuhn(0, digits);
  }
  return false;
}

function isCardLayout(digits: u32, layout: u32): bool {
  if (layout == 0x465 || layout == 0x464 || layout == 0x6d) return true;
  // Fours, and what is left of them.
  const last = layout & 15;
  const rest = digits & 3;
  return (
    last == (rest == 0 ? 4 : rest) && layout >> 4 == (<u32>0x4444 & (((<u32>1) << (((digits - last) >> 2) << 2)) - 1))
  );
}
