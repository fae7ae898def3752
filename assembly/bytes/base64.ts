/**
 * Base64 (RFC 4648), strictly: base64url without padding for tokens (RFC 7515 §2), the standard alphabet with padding for
 * the plugin configuration. Refused are bytes outside the alphabet, white space, a length that no encoder makes, and
 * bits left over that are not zero (RFC 4648 §3.5), so that every value has exactly one spelling.
 *
 * Decoding may happen in place: output never overtakes input.
 */

/** What a decoder returns for input that is not well-formed; never a size. */
export const malformed: i32 = -1;

const invalid: u32 = 0xff;

/** Decodes base64url without padding to `target`; the decoded size in bytes, or `malformed`. */
export function decodeBase64url(start: usize, size: u32, target: usize): i32 {
  return decode(start, size, target, 0x2d, 0x5f);
}

/** Decodes base64 with padding to `target`; the decoded size in bytes, or `malformed`. */
export function decodeBase64(start: usize, size: u32, target: usize): i32 {
  if ((size & 3) != 0) return malformed;
  if (size != 0 && load<u8>(start + size - 1) == 0x3d) {
    size--;
    if (load<u8>(start + size - 1) == 0x3d) size--;
  }
  return decode(start, size, target, 0x2b, 0x2f);
}

function decode(start: usize, size: u32, target: usize, sign62: u32, sign63: u32): i32 {
  const rest = size & 3;
  if (rest == 1) return malformed;
  const wholeEnd = start + (size - rest);
  let output = target;
  while (start < wholeEnd) {
    const a = sextet(load<u8>(start), sign62, sign63);
    const b = sextet(load<u8>(start, 1), sign62, sign63);
    const c = sextet(load<u8>(start, 2), sign62, sign63);
    const d = sextet(load<u8>(start, 3), sign62, sign63);
    if ((a | b | c | d) > 63) return malformed;
    store<u8>(output, (a << 2) | (b >> 4));
    store<u8>(output, (b << 4) | (c >> 2), 1);
    store<u8>(output, (c << 6) | d, 2);
    start += 4;
    output += 3;
  }
  if (rest != 0) {
    const a = sextet(load<u8>(start), sign62, sign63);
    const b = sextet(load<u8>(start, 1), sign62, sign63);
    const c = rest == 3 ? sextet(load<u8>(start, 2), sign62, sign63) : 0;
    if ((a | b | c) > 63) return malformed;
    if (rest == 2 ? (b & 15) != 0 : (c & 3) != 0) return malformed;
    store<u8>(output, (a << 2) | (b >> 4));
    if (rest == 3) store<u8>(output, (b << 4) | (c >> 2), 1);
    output += rest - 1;
  }
  return <i32>(output - target);
}

function sextet(byte: u32, sign62: u32, sign63: u32): u32 {
  const letter = (byte | 0x20) - 0x61;
  if (letter < 26) return (byte & 0x20) == 0 ? letter : letter + 26;
  if (byte - 0x30 < 10) return byte + 4;
  if (byte == sign62) return 62;
  if (byte == sign63) return 63;
  return invalid;
}
