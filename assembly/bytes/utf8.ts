/** UTF-8 as RFC 3629 §4 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */

/** The size in bytes of the well-formed character at `start`, which lies before `end`; 0 when it is not well-formed. */
export function characterBytes(start: usize, end: usize): u32 {
  const lead = <u32>load<u8>(start);
  if (lead < 0x80) return 1;
  const room = <u32>(end - start);
  if (lead >= 0xc2 && lead <= 0xdf) return room >= 2 && isContinuation(start + 1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (room < 3 || !isContinuation(start + 1) || !isContinuation(start + 2)) return 0;
    const second = <u32>load<u8>(start, 1);
    if (lead == 0xe0 && second < 0xa0) return 0;
    if (lead == 0xed && second > 0x9f) return 0;
    return 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (room < 4) return 0;
    if (!isContinuation(start + 1) || !isContinuation(start + 2) || !isContinuation(start + 3)) return 0;
    const second = <u32>load<u8>(start, 1);
    if (lead == 0xf0 && second < 0x90) return 0;
    if (lead == 0xf4 && second > 0x8f) return 0;
    return 4;
  }
  return 0;
}

/** Whether a run of bytes is well-formed UTF-8. */
export function isUtf8(start: usize, size: u32): bool {
  const end = start + size;
  while (start < end) {
    const bytes = characterBytes(start, end);
    if (bytes == 0) return false;
    start += bytes;
  }
  return true;
}

/** Writes a code point (at most U+10FFFF, no surrogate) and returns its size in bytes. */
export function writeCharacter(start: usize, codePoint: u32): u32 {
  if (codePoint < 0x80) {
    store<u8>(start, codePoint);
    return 1;
  }
  if (codePoint < 0x800) {
    store<u8>(start, 0xc0 | (codePoint >> 6));
    store<u8>(start, 0x80 | (codePoint & 0x3f), 1);
    return 2;
  }
  if (codePoint < 0x10000) {
    store<u8>(start, 0xe0 | (codePoint >> 12));
    store<u8>(start, 0x80 | ((codePoint >> 6) & 0x3f), 1);
    store<u8>(start, 0x80 | (codePoint & 0x3f), 2);
    return 3;
  }
  store<u8>(start, 0xf0 | (codePoint >> 18));
  store<u8>(start, 0x80 | ((codePoint >> 12) & 0x3f), 1);
  store<u8>(start, 0x80 | ((codePoint >> 6) & 0x3f), 2);
  store<u8>(start, 0x80 | (codePoint & 0x3f), 3);
  return 4;
}

function isContinuation(at: usize): bool {
  return (load<u8>(at) & 0xc0) == 0x80;
}
