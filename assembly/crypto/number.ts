/** Natural numbers as limbs of 32 bits in memory, the lowest first. Sizes are in bytes and a multiple of 4. */

/** Reads the `size` bytes at `start`, big-endian, as a number of `numberBytes`, which are no fewer. */
export function readBigEndian(target: usize, numberBytes: usize, start: usize, size: usize): void {
  for (let index: usize = 0; index < numberBytes; index++) {
    store<u8>(target + index, index < size ? load<u8>(start + size - 1 - index) : 0);
  }
}

/** Writes the lowest `size` bytes of a number to `target`, big-endian. */
export function writeBigEndian(target: usize, size: usize, number: usize): void {
  for (let index: usize = 0; index < size; index++) store<u8>(target + index, load<u8>(number + size - 1 - index));
}

/** Copies a number; quicker than `memory.copy` for a few limbs. */
export function copyNumber(target: usize, source: usize, numberBytes: usize): void {
  for (let offset: usize = 0; offset < numberBytes; offset += 4) {
    store<u32>(target + offset, load<u32>(source + offset));
  }
}

/** Whether every limb is zero. */
export function isZero(number: usize, numberBytes: usize): bool {
  let bits: u32 = 0;
  for (let offset: usize = 0; offset < numberBytes; offset += 4) bits |= load<u32>(number + offset);
  return bits == 0;
}

/** Whether `left` < `right`. */
export function isBelow(left: usize, right: usize, numberBytes: usize): bool {
  let offset = numberBytes;
  while (offset > 0) {
    offset -= 4;
    const leftLimb = load<u32>(left + offset);
    const rightLimb = load<u32>(right + offset);
    if (leftLimb != rightLimb) return leftLimb < rightLimb;
  }
  return false;
}

/** `target` = `left` + `right`; the carry, 0 or 1, is the result. */
export function addNumbers(target: usize, left: usize, right: usize, numberBytes: usize): u32 {
  let carry: u64 = 0;
  for (let offset: usize = 0; offset < numberBytes; offset += 4) {
    carry += <u64>load<u32>(left + offset) + <u64>load<u32>(right + offset);
    store<u32>(target + offset, <u32>carry);
    carry >>= 32;
  }
  return <u32>carry;
}

/** `target` = `left` - `right`; the borrow, 0 or 1, is the result. */
export function subtractNumbers(target: usize, left: usize, right: usize, numberBytes: usize): u32 {
  let borrow: u64 = 0;
  for (let offset: usize = 0; offset < numberBytes; offset += 4) {
    const limb = <u64>load<u32>(left + offset) - <u64>load<u32>(right + offset) - borrow;
    store<u32>(target + offset, <u32>limb);
    borrow = limb >> 63;
  }
  return <u32>borrow;
}
