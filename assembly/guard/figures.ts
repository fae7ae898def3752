/** The digits of the number that is looked at, without its separators, and sums over them. */

/** Of one number: at most 32 digits, a byte each, by value. */
export const figures: usize = memory.data(32);

// @inline
export function figure(index: u32): u32 {
  return <u32>load<u8>(figures + index);
}

/** The number that `count` digits from `first` on write, at most 19 of them. */
export function numberOf(first: u32, count: u32): u64 {
  let value: u64 = 0;
  for (let index: u32 = 0; index < count; index++) value = value * 10 + <u64>figure(first + index);
  return value;
}

/** Whether `count` digits from `first` on have the check digit of ISO/IEC 7812-1 annex B. */
export function hasLuhn(first: u32, count: u32): bool {
  let sum: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const digit = figure(first + count - 1 - index) << (index & 1);
    sum += digit > 9 ? digit - 9 : digit;
  }
  return sum % 10 == 0;
}

/** The sum of digits from `first` on, each times a weight: a hexadecimal digit of `weights` each, the first digit's lowest. */
export function weighted(first: u32, weights: u64): u32 {
  let sum: u32 = 0;
  for (; weights != 0; weights >>= 4) sum += figure(first++) * <u32>(weights & 15);
  return sum;
}

/** Whether all of `count` digits are the same. */
export function isOneDigit(count: u32): bool {
  for (let index: u32 = 1; index < count; index++) if (figure(index) != figure(0)) return false;
  return true;
}
