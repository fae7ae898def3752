/** National identifiers with letters: Spain's DNI and NIE, Finland's HETU, Italy's codice fiscale. Letters of DNI and NIE in any case. */
import { text_stride } from "../bytes/literal";
import { Detector } from "./detector";
import { figures, numberOf } from "./figures";
import { isDayOfMonth } from "./national";
import { Answer, floor, isAlphanumeric, isDigit, isInWord, isLetter, peek, report } from "./window";

/** By the number modulo 23 (Orden INT/2058/2008). */
const dniLetters = "TRWAGMYFPDXBNJZSQVHLCKE";
/** By the number modulo 31 (Valtioneuvoston asetus 128/2010). */
const hetuSigns = "0123456789ABCDEFHJKLMNPRSTUVWXY";

function signOf(signs: string, index: u32): u32 {
  return <u32>load<u8>(changetype<usize>(signs) + index * text_stride);
}

/** A DNI of the eight figures, whose letter is at `at`, alone or behind a hyphen. */
export function dniAt(start: usize, at: usize): Answer {
  if (peek(at) == 0x2d) at++;
  const isGood = (peek(at) & 0xdf) == signOf(dniLetters, <u32>(numberOf(0, 8) % 23)) && !isAlphanumeric(peek(at + 1));
  return isGood && report(Detector.ES_DNI, start, at + 1);
}

/** A NIE whose first digit is here, behind X, Y or Z, which stand for 0, 1 and 2. */
export function nieAt(digit: usize): Answer {
  const first = (<u32>load<u8>(digit - 1) & 0xdf) - 0x58;
  if (first >= 3 || digit - 1 < floor || isInWord(digit - 1)) return false;
  store<u8>(figures, first);
  if (!takeDigits(digit, 1, 7)) return false;
  let at = digit + 7;
  if (peek(at) == 0x2d) at++;
  const isGood = (peek(at) & 0xdf) == signOf(dniLetters, <u32>(numberOf(0, 8) % 23)) && !isAlphanumeric(peek(at + 1));
  return isGood && report(Detector.ES_NIE, digit - 1, at + 1);
}

/** Takes so many digits into the figures. */
function takeDigits(at: usize, first: u32, count: u32): bool {
  for (let index: u32 = 0; index < count; index++) {
    const byte = peek(at + index);
    if (!isDigit(byte)) return false;
    store<u8>(figures + first + index, byte - 0x30);
  }
  return true;
}

/** A HETU whose first digit is here: a day, the sign of its century (of 2023: also Y to U, and B to F), three digits and a check. */
export function hetuAt(start: usize): Answer {
  const sign = peek(start + 6);
  if (sign != 0x2b && sign != 0x2d && sign - 0x41 >= 6 && sign - 0x55 >= 5) return false;
  if (!takeDigits(start, 0, 6) || !takeDigits(start + 7, 6, 3)) return false;
  if (!isDayOfMonth(<u32>numberOf(0, 2), <u32>numberOf(2, 2)) || <u32>numberOf(6, 3) < 2) return false;
  const isGood = peek(start + 10) == signOf(hetuSigns, <u32>(numberOf(0, 9) % 31)) && !isAlphanumeric(peek(start + 11));
  return isGood && report(Detector.FI_HETU, start, start + 11);
}

/** What characters at odd places count (Decreto ministeriale 23 dicembre 1976): digits as the first ten letters. */
const oddValues: usize = memory.data<u8>([
  1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
]);
/** Letters of months, A to T, and those that stand for digits where two people would have the same code, L to V: a bit each. */
const monthLetters: u32 = 0xe_989f;
const digitLetters: u32 = 0x3f_b800;
/** Places where a letter stands. */
const letterPlaces: u32 = 0x893f;
const code_characters: u32 = 16;

/** A codice fiscale whose first digit, that of the year, is here, behind six letters. */
export function codiceAt(digit: usize): Answer {
  const start = digit - 6;
  if (start < floor || isInWord(start)) return false;
  let sum: u32 = 0;
  for (let index: u32 = 0; index < code_characters; index++) {
    const byte = peek(start + index);
    let value = byte - 0x30;
    if (isLetter(byte)) {
      value = (byte & 0xdf) - 0x41;
      const isLetterPlace = ((letterPlaces >> index) & 1) != 0;
      if (!isLetterPlace && ((digitLetters >> value) & 1) == 0) return false;
      if (index == 8 && ((monthLetters >> value) & 1) == 0) return false;
    } else if (value >= 10 || ((letterPlaces >> index) & 1) != 0) return false;
    // The last one is the check: no letter can be both.
    if (index == code_characters - 1) {
      if (value != sum % 26) return false;
    } else sum += (index & 1) == 0 ? <u32>load<u8>(oddValues + value) : value;
  }
  const last = start + code_characters;
  return !isAlphanumeric(peek(last)) && report(Detector.IT_CODICE_FISCALE, start, last);
}
