/** Shannon's entropy of a text, in 256ths of a bit for each of its bytes, by integers: within one part in a hundred. */

const counts: usize = memory.data(128 * 2, 16);

/** The binary logarithm of 1 to 65535, in 256ths. */
export function logarithm(value: u32): u32 {
  const whole = 31 - <u32>clz(value);
  const part = ((value << 8) >> whole) & 255;
  // Of 1 + f it is about f + 0.344 f (1 - f).
  return (whole << 8) + part + ((part * (256 - part) * 88) >> 16);
}

/** Whether a text of up to 256 ASCII bytes, at least one, has at least so much of it. */
export function hasEntropy(start: usize, size: u32, least: u32): bool {
  memory.fill(counts, 0, 128 * 2);
  for (let index: u32 = 0; index < size; index++) {
    const at = counts + ((<usize>load<u8>(start + index) & 127) << 1);
    store<u16>(at, load<u16>(at) + 1);
  }
  let sum: u32 = 0;
  for (let byte: usize = 0; byte < 256; byte += 2) {
    const count = <u32>load<u16>(counts + byte);
    if (count > 1) sum += count * logarithm(count);
  }
  const all = size * logarithm(size);
  return all >= sum && all - sum >= least * size;
}
