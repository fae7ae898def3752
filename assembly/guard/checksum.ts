/** The check of GitHub's and npm's tokens: the last six characters are the CRC-32 of those between prefix and check, in base 62. */
import { text_stride } from "../bytes/literal";

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const check_characters: u32 = 6;

/** CRC-32 of IEEE 802.3, bit by bit: it is asked for tokens alone. */
export function crc32(start: usize, size: u32): u32 {
  let sum: u32 = ~0;
  for (let index: u32 = 0; index < size; index++) {
    sum ^= <u32>load<u8>(start + index);
    for (let bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ ((sum & 1) != 0 ? 0xedb88320 : 0);
  }
  return ~sum;
}

/** Whether `size` characters end with the check of those before it. */
export function hasCheck(start: usize, size: u32): bool {
  let sum = crc32(start, size - check_characters);
  for (let index: u32 = 1; index <= check_characters; index++) {
    if (load<u8>(start + size - index) != load<u8>(changetype<usize>(alphabet) + (sum % 62) * text_stride))
      return false;
    sum /= 62;
  }
  return true;
}
