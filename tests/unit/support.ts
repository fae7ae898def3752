/** What unit tests share: strings of a test as the bytes the engine works on. */

@unmanaged
export class Bytes {
  start: usize;
  size: u32;
}

const room_bytes: usize = 65536;
const room: usize = memory.data(65536, 8);
let used: usize = 0;

/** The UTF-8 bytes of `text`, 8-aligned, in static memory that later calls reuse. */
export function bytesOf(text: string): Bytes {
  const size = <usize>String.UTF8.byteLength(text);
  const whole = (size + <usize>23) & ~(<usize>7);
  if (used + whole > room_bytes) used = 0;
  const bytes = changetype<Bytes>(room + used);
  used += whole;
  bytes.start = changetype<usize>(bytes) + 16;
  bytes.size = <u32>size;
  String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, bytes.start);
  return bytes;
}

/** The string a run of UTF-8 bytes spells. */
export function textOf(start: usize, size: u32): string {
  return String.UTF8.decodeUnsafe(start, size);
}

/** The bytes that hexadecimal digits spell. */
export function hexBytes(hex: string): Bytes {
  const bytes = bytesOf(hex);
  for (let index: u32 = 0; index < bytes.size; index += 2) {
    store<u8>(bytes.start + (index >> 1), <u8>parseInt(hex.substr(index, 2), 16));
  }
  bytes.size >>= 1;
  return bytes;
}

/** A run of bytes as hexadecimal digits. */
export function hexOf(start: usize, size: u32): string {
  let hex = "";
  for (let index: u32 = 0; index < size; index++) {
    hex += (<u32>load<u8>(start + index)).toString(16).padStart(2, "0");
  }
  return hex;
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** A text in base64url (RFC 4648 §5), as parts of tokens are. */
export function url(text: string): string {
  const bytes = bytesOf(text);
  let encoded = "";
  for (let index: u32 = 0; index < bytes.size; index += 3) {
    const left = bytes.size - index;
    let word = (<u32>load<u8>(bytes.start + index)) << 16;
    if (left > 1) word |= (<u32>load<u8>(bytes.start + index + 1)) << 8;
    if (left > 2) word |= <u32>load<u8>(bytes.start + index + 2);
    const signs: u32 = min(left, 3) + 1;
    for (let sign: u32 = 0; sign < signs; sign++) encoded += alphabet.charAt((word >> (18 - 6 * sign)) & 63);
  }
  return encoded;
}
