/**
 * Scalars as signed digits (width-5 non-adjacent form; Guide to Elliptic Curve Cryptography, algorithm 3.35): each digit is
 * zero or odd and between -15 and 15, and of five neighbours at most one is not zero. A point's odd multiples up to 15, and
 * their negatives, which cost nothing, then do for any scalar.
 */

/** Odd multiples of a point: 1, 3, … 15. */
export const table_entries: u32 = 8;
/** Room for the digits of 17 limbs, and one for the last carry. */
export const digits_bytes: u32 = 17 * 32 + 8;
/** Room for a scalar of 17 limbs, and eight bytes of zeros after it. */
export const scalar_bytes: u32 = 80;

/** Writes the digits of the scalar of `size` bytes, one signed byte for each bit and one more; the lowest is the first. */
export function recode(digits: usize, scalar: usize, size: usize): void {
  const count = <u32>(size << 3) + 1;
  memory.fill(digits, 0, count);
  store<u64>(scalar + size, 0);
  let carry: u32 = 0;
  let bit: u32 = 0;
  while (bit < count) {
    const window = ((load<u32>(scalar + (bit >> 3)) >> (bit & 7)) & 31) + carry;
    if ((window & 1) == 0) {
      // A digit of zero, and the carry stays what it was: where there is one, the bit was 1, and 1 + 1 is 0 with a carry.
      bit++;
      continue;
    }
    carry = window >> 4;
    store<i8>(digits + bit, <i32>window - <i32>(carry << 5));
    bit += 5;
  }
}
