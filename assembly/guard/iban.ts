/**
 * IBANs (ISO 13616): a country of SWIFT's registry (release 99) with the length that it has there, mod 97 of ISO 7064. Letters in any
 * case; either together, or in groups of four with one blank or hyphen between all of them.
 */
import { text_stride } from "../bytes/literal";
import { Detector } from "./detector";
import { Answer, floor, isAlphanumeric, isDigit, isInWord, isLetter, peek, report } from "./window";

/** Countries, and how many characters their IBANs have: four characters each. */
const countries =
  "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23" +
  "GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28" +
  "NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";
const countries_count: u32 = 89;

/** The characters without separators. */
const characters: usize = memory.data(36);

/** The length of a country's IBANs, in characters; 0 where it has none. Its letters may be of any case. */
export function ibanCharacters(first: u32, second: u32): u32 {
  for (let index: u32 = 0; index < countries_count; index++) {
    if (characterAt(index, 0) != (first & 0xdf) || characterAt(index, 1) != (second & 0xdf)) continue;
    return characterAt(index, 2) * 10 + characterAt(index, 3) - 0x30 * 11;
  }
  return 0;
}

function characterAt(country: u32, index: u32): u32 {
  return <u32>load<u8>(changetype<usize>(countries) + ((country << 2) + index) * text_stride);
}

/** An IBAN whose first check digit is here, behind its two letters. */
export function ibanAt(digit: usize): Answer {
  const start = digit - 2;
  if (start < floor || isInWord(start) || !isLetter(load<u8>(start)) || !isDigit(peek(digit + 1))) return false;
  const size = ibanCharacters(load<u8>(start), load<u8>(start, 1));
  if (size == 0) return false;
  let at = start;
  let separator: u32 = 0;
  for (let count: u32 = 0; count < size; count++) {
    if (count != 0 && (count & 3) == 0) {
      const byte = peek(at);
      if (count == 4 && (byte == 0x20 || byte == 0x2d)) separator = byte;
      if (separator != 0) {
        if (byte != separator) return false;
        at++;
      }
    }
    const byte = peek(at++);
    if (!isAlphanumeric(byte)) return false;
    store<u8>(characters + count, byte);
  }
  if (isAlphanumeric(peek(at))) return false;
  let rest: u32 = 0;
  for (let count: u32 = 0; count < size; count++) {
    // The country and the check digits stand last.
    const byte = <u32>load<u8>(characters + (count + 4 < size ? count + 4 : count + 4 - size));
    rest = (isDigit(byte) ? rest * 10 + byte - 0x30 : rest * 100 + (byte & 0xdf) - 0x37) % 97;
  }
  return rest == 1 && report(Detector.IBAN, start, at);
}
