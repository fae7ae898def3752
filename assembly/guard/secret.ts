/**
 * Secrets next to telling names: `"password": "…"`, `api_key=…`, `<secret>…`, `Bearer …`. The name ends with the telling word; the
 * value must look random enough for what the name promises.
 */
import { Detector } from "./detector";
import { hasEntropy } from "./entropy";
import { Answer, countSteps, isDigit, isLetter, isTokenByte, peek, Rest, report, reportRest } from "./window";

/** What a name promises. */
export const enum Promised {
  /** A password: made by people, maybe. */
  PASSWORD = 0,
  /** A token or key: made by machines. */
  KEY,
  /** The same where `key` follows: `api_key`. */
  BEFORE_KEY,
  /** What follows the word at once, as behind `Bearer`. */
  AT_ONCE,
}

const password_bytes_min: u32 = 8;
const key_bytes_min: u32 = 16;
/** Of a longer value, this much decides. */
const value_bytes: u32 = 256;
/** Of blanks, on each side of the sign between name and value. */
const blanks_max: u32 = 4;

/** Where the value of a name begins whose telling word ends at `at`; 0 where none does. */
export function valueOfName(at: usize, promise: Promised): usize {
  if (promise == Promised.AT_ONCE) return at;
  const joined = isJoint(peek(at)) ? at + 1 : at;
  if (isKey(joined)) at = joined + 3;
  else if (promise == Promised.BEFORE_KEY) return 0;
  if ((peek(at) | 0x20) == 0x73) at++;
  // The end of a name in quotes, or in brackets.
  for (let count = 0; count < 3 && isQuote(peek(at)); count++) at++;
  at = skipBlanks(at);
  let isTold = false;
  for (let count = 0; count < 2; count++) {
    const byte = peek(at);
    // : = >
    if (byte != 0x3a && byte != 0x3d && byte != 0x3e) break;
    isTold = true;
    at++;
  }
  if (!isTold) return 0;
  at = skipBlanks(at);
  if (peek(at) == 0x5c) at++;
  return isQuote(peek(at)) ? at + 1 : at;
}

function isJoint(byte: u32): bool {
  return byte == 0x5f || byte == 0x2d || byte == 0x20;
}

/** Whether `key` stands here, in any case. */
function isKey(at: usize): bool {
  return (peek(at) | 0x20) == 0x6b && (peek(at + 1) | 0x20) == 0x65 && (peek(at + 2) | 0x20) == 0x79;
}

/** Quotes, the backslash before one, and the bracket of `["password"]`. */
function isQuote(byte: u32): bool {
  return byte == 0x22 || byte == 0x27 || byte == 0x60 || byte - 0x5c < 2;
}

function skipBlanks(at: usize): usize {
  for (let count: u32 = 0; count < blanks_max && (peek(at) == 0x20 || peek(at) == 0x09); count++) at++;
  return at;
}

/** The value that begins here, if it looks like what its name promises. */
export function secretAt(start: usize, promise: Promised): Answer {
  let at = start;
  let digits: u32 = 0;
  let lower: u32 = 0;
  let upper: u32 = 0;
  let isToken = true;
  while (at - start < value_bytes) {
    const byte = peek(at);
    if (isEnd(byte)) break;
    if (isDigit(byte)) digits++;
    else if (!isLetter(byte)) isToken = isToken && isTokenByte(byte);
    else if ((byte & 0x20) != 0) lower++;
    else upper++;
    at++;
  }
  const size = <u32>(at - start);
  // A blank in quotes is of a text, and what begins like this is a reference: ${NAME}, {{ name }}, /run/secrets/name.
  const quote = <u32>load<u8>(start - 1);
  if (size < password_bytes_min || (isQuote(quote) && peek(at) == 0x20)) return false;
  const first = <u32>load<u8>(start);
  if (first == 0x24 && load<u8>(start + 1) == 0x7b) return false;
  if (first == 0x7b || first == 0x2f || first == 0x25 || first == 0x2a || first == 0x5b) return false;
  countSteps(size);
  if (!isRandom(start, size, promise, digits, lower, upper, isToken)) return false;
  if (!report(Detector.SECRET, start, at)) return false;
  if (size == value_bytes) reportRest(Rest.TOKEN);
  return true;
}

/** What ends a value, in quotes or not. */
function isEnd(byte: u32): bool {
  // Controls and blanks, `"&',;<>\` and the grave accent, and what is no ASCII.
  if (byte <= 0x20 || byte >= 0x7f || byte == 0x5c || byte == 0x60) return true;
  return byte == 0x22 || byte == 0x26 || byte == 0x27 || byte == 0x2c || byte == 0x3b || byte == 0x3c || byte == 0x3e;
}

function isRandom(
  start: usize,
  size: u32,
  promise: Promised,
  digits: u32,
  lower: u32,
  upper: u32,
  isToken: bool,
): bool {
  const letters = lower + upper;
  if (promise == Promised.PASSWORD) {
    const signs = size - letters - digits;
    const isMixed = letters != 0 && (digits != 0 || (signs != 0 && lower != 0 && upper != 0));
    return isMixed && hasEntropy(start, size, 2 * 256 + 64);
  }
  if (!isToken || size < key_bytes_min || letters == 0 || (digits == 0 && (lower == 0 || upper == 0))) return false;
  // Random hexadecimal digits have less of it the fewer they are.
  return hasEntropy(start, size, size < 24 ? 2 * 256 + 180 : 3 * 256 + 26);
}
