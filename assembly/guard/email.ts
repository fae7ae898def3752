/**
 * E-mail addresses: a dot-atom (RFC 5321 §4.1.2) of letters, digits and `.!#$%*+-^_~'`, at most 64 bytes (§4.5.3.1.1), and a domain
 * whose last label is of at least two letters. Addresses with the other signs of an atom, which more often stand beside an address
 * than in it (`=/?{|}&` and the grave accent), are found from behind the sign on; quoted ones not at all.
 */
import { Detector } from "./detector";
import { Answer, floor, isAlphanumeric, isDigit, isLetter, peek, report } from "./window";

const local_bytes: u32 = 64;
const domain_bytes: u32 = 253;
const label_bytes: u32 = 63;
/** How far before its sign an address, with a JSON escape before it, is looked for. */
export const email_back_bytes: u32 = local_bytes + 1;

/** Whether a byte may stand before the `@`. */
export function isLocalByte(byte: u32): bool {
  if (isAlphanumeric(byte)) return true;
  // Of the signs from `!` on: ! # $ % ' * + - .
  if (byte < 0x40) return byte - 0x21 < 14 && ((0x365d >> (byte - 0x21)) & 1) != 0;
  return byte - 0x5e < 2 || byte == 0x7e;
}

/** The first byte of the run of such bytes before `from`, not beyond `low`. */
export function startOfLocal(from: usize, low: usize): usize {
  while (from > low && isLocalByte(load<u8>(from - 1))) from--;
  return from;
}

/** An address whose `@` is here. */
export function emailAt(sign: usize): Answer {
  const low = max(floor, sign - email_back_bytes);
  let start = startOfLocal(sign, low);
  if (sign - start > local_bytes) return false;
  // The letter of a JSON escape, or all of \uXXXX, is not of the address.
  if (start != floor && load<u8>(start - 1) == 0x5c) start += load<u8>(start) == 0x75 ? 5 : 1;
  while (start < sign && !isAlphanumeric(load<u8>(start)) && load<u8>(start) != 0x5f) start++;
  if (start >= sign || load<u8>(sign - 1) == 0x2e) return false;
  for (let at = sign - 1; at > start; at--) {
    if (load<u8>(at) == 0x2e && load<u8>(at - 1) == 0x2e) return false;
  }
  const last = endOfDomain(sign + 1);
  return last != 0 && report(Detector.EMAIL, start, last);
}

/** Behind the last label of the domain that begins here; 0 where none does. */
function endOfDomain(start: usize): usize {
  let good: usize = 0;
  let label = start;
  let isAlphabetic = true;
  let at = start;
  // `logo@2x.png` is a file: no domain's first label is one digit and an x.
  if (isDigit(peek(start)) && (peek(start + 1) | 0x20) == 0x78 && peek(start + 2) == 0x2e) return 0;
  while (at - start <= domain_bytes) {
    const byte = peek(at);
    if (isAlphanumeric(byte) || (byte == 0x2d && at != label)) {
      if (!isLetter(byte)) isAlphabetic = false;
      at++;
      continue;
    }
    const size = <u32>(at - label);
    if (size == 0 || size > label_bytes || load<u8>(at - 1) == 0x2d) break;
    if (label != start && size >= 2 && (isAlphabetic || isPunycode(label, size))) good = at;
    if (byte != 0x2e) break;
    label = ++at;
    isAlphabetic = true;
  }
  return good;
}

/** Whether a label is that of an internationalized top-level domain: `xn--`. */
function isPunycode(label: usize, size: u32): bool {
  return size > 4 && (load<u32>(label) | 0x2020) == 0x2d2d6e78;
}
