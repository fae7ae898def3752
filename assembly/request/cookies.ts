/**
 * Cookies of a header, as the reader and the remover of tokens must see them alike (token/places.ts, upstream/strip.ts): what one of
 * them took for a cookie and the other did not would reach the upstream.
 */
import { indexOfByte, isBlank, sameBytes } from "../bytes/span";

/** Where the cookie that begins at `start` ends. A comma separates cookies to some readers (RFC 2109 §4.3.4). */
export function endOfCookie(start: usize, end: usize): usize {
  let next = start;
  while (next < end && load<u8>(next) != 0x3b && load<u8>(next) != 0x2c) next++;
  return next;
}

/**
 * The `=` behind a cookie's name, if it is this one; 0 if not. White space around names is nothing to most readers. What has no `=` is no
 * cookie.
 */
export function signOfCookie(start: usize, next: usize, name: usize, nameSize: u32): usize {
  const sign = start + indexOfByte(start, <u32>(next - start), 0x3d);
  if (sign == next) return 0;
  let nameEnd = sign;
  while (nameEnd > start && isBlank(load<u8>(nameEnd - 1))) nameEnd--;
  return <u32>(nameEnd - start) == nameSize && sameBytes(start, name, nameSize) ? sign : 0;
}
